//! The relay as a part of another program: started in a thread, asked and connected to from any other, stopped when the program ends.
//!
//! [`Relay::start`] takes a [`Config`] and comes back when clients are served. They come over TLS to the addresses of the configuration,
//! through sockets in the file system, or from within the program itself over a pair of sockets ([`Relay::connect`]). What the operator
//! of a relay can ask with `mnm ctl`, the program can ask with [`Relay::ask`].
//!
//! # What it takes of the process
//!
//! - **Threads**: one, named `mnm`. The relay's loop has no others, and its state belongs to that thread alone: what a program wishes
//!   goes through a mailbox and is one more input of the loop, and nobody waits for a lock.
//! - **Signals**: none. SIGINT, SIGTERM and SIGHUP mean what the program has them mean. The thread inherits the signal mask of the thread
//!   that starts it. SIGPIPE must be ignored, as it is in every program whose `main` is Rust's.
//! - **SIGBUS**: the log is read through memory. If its disk cannot be read any more, or somebody else cuts its files short, the system
//!   sends SIGBUS, which ends the process: no thread could go on with half a page. Call
//!   [`end_when_unreadable`](crate::store::end_when_unreadable) to have the process say so, and end with exit status 5, as the program
//!   `mnm` does; that is for the whole process, so it is left to whoever owns it. Nothing that was acked is lost either way.
//! - **File descriptors**: as many as the process may open when the relay starts, without 64 in reserve; of those that are open by then
//!   the reserve bears 32, and what there is beyond is left out too. Each link takes one, and one within the program two, of which the relay
//!   counts one. The limit is not raised: a program that expects thousands of links calls
//!   [`raise_descriptor_limit`](crate::net::raise_descriptor_limit) before it starts the relay. Two relays, or a relay beside much else
//!   that opens files, are given their shares by `limits.links_max`.
//! - **Log**: the [`log`] crate's, whatever logger the program has; none is installed. [`Config::log`] and [`Config::log_format`] mean
//!   nothing here, and nobody changes the level (`mnm ctl log` is refused). The logger is called in the relay's thread, and everybody's
//!   messages wait for it. It may [stop](Handle::stop) the relay, but cannot [ask](Handle::ask) it (that is refused at once), wait for its
//!   end, or read from a link to it.
//! - **Files**: the data directory, which is made with mode 0700 and held by a lock, and what is in it: the log, the certificate and the key
//!   that the relay makes where no others are configured, and the operator's socket, `control.sock`. Sockets that are configured, for
//!   clients and for metrics; they are made, and go with the relay. Certificates and keys that are configured are read, and looked at again
//!   every few seconds. Besides, `/dev/fd` and `/proc/self` are read, to count descriptors and memory, `/proc/sys/kernel/hostname` or
//!   `/etc/hostname`, for the name in a certificate of the relay's own, and `/dev/null` is held open.
//! - **File mode mask**: neither read nor changed. The system applies it to files and directories that are made, as for any program; only
//!   sockets have the mode that they are to have whatever it is.
//! - **Current directory**: relative paths are taken from the one at the start, which is asked for only if there are any; what is current
//!   later does not matter. It is not changed.
//! - **Environment, standard streams**: neither is read, written or changed by the relay. Rust's library reads `RUST_MIN_STACK` for the thread,
//!   a panic is told as the program's panic hook has it, and the system's resolver, which is asked where an address is given by a
//!   name, goes by its own files and variables.
//!
//! # How it ends
//!
//! - [`Relay::stop`] ends it as SIGTERM ends the program: everything that was decided is committed, and sent as far as sockets take it
//!   without waiting. What was acked is durable; what was not acked by a recipient is delivered after the next start.
//! - [`Relay::ask`] with [`Request::Drain`] lets deliveries finish first, and then it ends by itself; [`Relay::wait`] waits for that.
//! - A disk that fails ends it. [`Relay::wait`] and [`Relay::stop`] say why. It can be started again in the same process.
//! - A panic of its thread is [`RunError::Panicked`], unless the program is built to abort.
//! - Dropping a [`Relay`] stops it and waits for its end. An error is logged then.
//!
//! The end of the process ends it in any case. Even `kill -9` loses nothing that was acked.
//!
//! # Deliberately absent
//!
//! A change of the configuration while it runs: stop it and start it with another one, which takes as long as its log is read.
//! (Certificates that are renewed in their files are shown within seconds, and [`Relay::ask`] changes who may register.) A start that can
//! be cancelled. A client: `mnm-client`, in `tools/client`, is one, for both kinds of links.
//!
//! # Examples
//!
//! A link within the program. It speaks TMTP, frame by frame, and the relay treats it as any other: whoever does not log in within
//! [`login_timeout`](crate::config::Limits::login_timeout) is cut off. This relay listens nowhere else, and needs no certificate.
//! ```
//! use mnm::config::Config;
//! use mnm::embed::Relay;
//! use std::io::{self, Read, Write};
//! use std::os::unix::net::UnixStream;
//!
//! /// A frame without data: four hexadecimal digits, and as many octets of JSON.
//! fn send(link: &mut UnixStream, header: &str) -> io::Result<()> {
//!     link.write_all(format!("{:04x}{header}", header.len()).as_bytes())
//! }
//!
//! fn receive(link: &mut UnixStream) -> io::Result<String> {
//!     let mut digits = [0; 4];
//!     link.read_exact(&mut digits)?;
//!     let length = std::str::from_utf8(&digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
//!     let mut header = vec![0; length.expect("four hexadecimal digits")];
//!     link.read_exact(&mut header)?;
//!     Ok(String::from_utf8_lossy(&header).into_owned())
//! }
//!
//! let directory = tempfile::tempdir()?;
//! let config = Config { name: "the boiler room".into(), data: directory.path().join("data"), listen: vec![], ..Config::default() };
//! let relay = Relay::start(config)?;
//!
//! let mut link = relay.connect()?;
//! send(&mut link, r#"{"op":0,"id":"1"}"#)?;
//! assert!(receive(&mut link)?.contains(r#""op":"tmtprev""#));
//! send(&mut link, r#"{"op":1,"newnode":"thermometer"}"#)?;
//! let registered = receive(&mut link)?;
//! assert!(registered.contains(r#""op":"registered""#), "{registered}");
//!
//! relay.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The operator's commands. Here nobody joins without a code, and the program makes one.
//! ```
//! use mnm::config::{Config, Register};
//! use mnm::embed::{Relay, Reply, Request};
//! # use mnm_client::{Client, Options, Registration, Site};
//!
//! # let directory = tempfile::tempdir()?;
//! # let listen = vec![mnm::config::Listen::at(([127, 0, 0, 1], 0))];
//! # let data = directory.path().join("data");
//! let relay = Relay::start(Config { data, listen, register: Register::Invite, ..Config::default() })?;
//!
//! let request = Request::Invite { uses: Some(2), expires: None, role: None, groups: vec![] };
//! let Reply::Code { code, expires, .. } = relay.ask(&request)? else { panic!("a code is refused") };
//! println!("join with {code}, until {expires}");
//! # let mut newcomer = Client::connect(&Site::new(&relay.addresses()[0].client)?, Options::default())?;
//! # newcomer.register(&Registration { label: "phone", invite: Some(&code), ..Registration::default() })?;
//!
//! // From now on codes are good for nothing. What is changed by asking holds beyond a restart.
//! relay.ask(&Request::Register { mode: "closed".into(), until: None })?;
//! let Reply::Status(status) = relay.ask(&Request::Status {})? else { panic!("it tells how it fares") };
//! assert_eq!((status.members, status.register.as_str()), (1, "closed"));
//! relay.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A member who has to be kept out, found by the name that others see. A refusal is an answer.
//! ```
//! use mnm::config::Config;
//! use mnm::embed::{Relay, Reply, Request, Target, Who};
//! # use mnm_client::{Client, Options, Registration, Site};
//!
//! # let directory = tempfile::tempdir()?;
//! # let listen = vec![mnm::config::Listen::at(([127, 0, 0, 1], 0))];
//! # let data = directory.path().join("data");
//! let relay = Relay::start(Config { data, listen, ..Config::default() })?;
//! # let mut client = Client::connect(&Site::new(&relay.addresses()[0].client)?, Options::default())?;
//! # client.register(&Registration { label: "phone", alias: Some("mallory malone"), ..Registration::default() })?;
//!
//! let whom = Who::Alias("mallory malone".into());
//! match relay.ask(&Request::Role { whom: whom.clone(), role: "suspended".into() })? {
//!     Reply::Done { .. } => println!("nothing more is heard of them"),
//!     Reply::Refused { error } => println!("{error}"),
//!     other => panic!("not an answer to that: {other:?}"),
//! }
//! let Reply::Member(member) = relay.ask(&Request::Member { whom })? else { panic!("there is such a member") };
//! assert_eq!((member.role.as_str(), member.nodes.len()), ("suspended", 1));
//! relay.ask(&Request::Kick { whom: Target::Uid(member.uid) })?;
//! relay.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Stopped and started again: what was acked to a sender is there.
//! ```
//! use mnm::config::{Config, Listen};
//! use mnm::embed::Relay;
//! use mnm_client::{Client, Options, Recipient, Registration, Site, Trust};
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let data = directory.path().join("data");
//! // The system chooses the port.
//! let config = Config { data, listen: vec![Listen::at(([127, 0, 0, 1], 0))], ..Config::default() };
//! let relay = Relay::start(config.clone())?;
//! let address = &relay.addresses()[0];
//! let site = Site::new(&address.client)?.trusting(Trust::Fingerprint(address.fingerprint));
//! let mut client = Client::connect(&site, Options::default())?;
//! let account = client.register(&Registration { label: "gauge", ..Registration::default() })?.account;
//! client.post(&[Recipient::user(&account.uid)], None, &b"7.4 bar"[..])?;
//! relay.stop()?;
//!
//! let relay = Relay::start(config)?;
//! let site = Site::new(&relay.addresses()[0].client)?;
//! let mut client = Client::connect(&site, Options::default())?;
//! client.login(&account)?;
//! let message = client.receive(Duration::from_secs(10))?.expect("what was posted");
//! assert_eq!(message.content.into_bytes()?, b"7.4 bar");
//! relay.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::any::Any;
use std::env;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, ThreadId};

use crate::config::{Config, ConfigError};
use crate::ctl;
use crate::limits::CONTROL_WAITING;
use crate::net::{self, LocalSocket, PeerSocket};
use crate::server::control::SOCKET;
use crate::server::{self, Mailbox, Served};

pub use crate::ctl::Failure;
pub use crate::server::control::{Group, Link, Member, MemberLine, Node, OwnedNode, Queue, Reply, Request, Target, Who};
pub use crate::server::{Address, Changes, RunError, Status};

/// What the relay's thread is called.
const THREAD: &str = "mnm";

/// What is said to who asks the relay while many do.
const CROWD: &str = "64 threads of this program wait for the relay's answer already; try again later";
const _: () = assert!(CONTROL_WAITING == 64, "what is said is true");

/// What is said to who asks the relay in the relay's own thread.
const ITSELF: &str =
    "the relay's own thread, which calls the program's logger, cannot wait for the relay's answer; ask from another thread";

/// A relay that runs in a thread of this process; it ends when this is dropped, at the latest.
pub struct Relay {
    handle: Handle,
    /// `None` once its end was waited for.
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

/// What can be done with a relay from any thread. It may outlive the relay, and finds that it has ended then.
#[derive(Clone)]
pub struct Handle {
    addresses: Arc<[Address]>,
    mailbox: Mailbox,
    data: PathBuf,
    /// The relay's own, which cannot wait for itself.
    thread: ThreadId,
}

impl Relay {
    /// Starts a relay, and comes back when it serves. That takes as long as its log is read: a moment for a new one, one to two seconds for
    /// each GiB. (Whoever asks for the metrics meanwhile, where [`Config::metrics`] is set, is told how far it is.)
    ///
    /// With an empty [`Config::listen`] it serves only [links within the process](Self::connect).
    ///
    /// # Errors
    /// [`RunError`], with a sentence that says what to do: [`Config`](RunError::Config) if a value or a certificate is not as it must be,
    /// [`Address`](RunError::Address) if an address is taken, [`Store`](RunError::Store) if another relay, of this process or any other,
    /// has the data directory ([`StoreError::Locked`](crate::store::StoreError::Locked)) or the log cannot be read,
    /// [`Thread`](RunError::Thread) if the system gives no thread. Nothing runs then.
    pub fn start(config: Config) -> Result<Relay, RunError> {
        config.check()?;
        let config = config.below(current_directory)?;
        let data = config.data.clone();
        let (tell, told) = mpsc::sync_channel(1);
        let run = move || {
            // Who starts it waits for this.
            server::run_within(&config, &mut |served| tell.send(served).expect("somebody waits for the start"))
        };
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(run).map_err(RunError::Thread)?;
        let Ok(Served { addresses, mailbox }) = told.recv() else {
            return Err(join(thread).expect_err("a relay that ends before it serves says why"));
        };
        let handle = Handle { addresses: addresses.into(), mailbox, data, thread: thread.thread().id() };
        Ok(Relay { handle, thread: Some(thread) })
    }

    /// For other threads: what they can do without owning this.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// As [`Handle::addresses`].
    pub fn addresses(&self) -> &[Address] {
        self.handle.addresses()
    }

    /// As [`Handle::connect`].
    ///
    /// # Errors
    /// As for that.
    pub fn connect(&self) -> io::Result<UnixStream> {
        self.handle.connect()
    }

    /// As [`Handle::ask`].
    ///
    /// # Errors
    /// As for that.
    pub fn ask(&self, request: &Request) -> Result<Reply, Failure> {
        self.handle.ask(request)
    }

    /// Whether it has not ended. Once it has, [`wait`](Self::wait) says why without waiting.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends it and waits until it has: everything that was acked is durable, and the data directory is free.
    ///
    /// # Errors
    /// [`RunError`], why it had ended before, or could not end well. What was acked is durable in any case.
    pub fn stop(mut self) -> Result<(), RunError> {
        self.handle.stop();
        self.end()
    }

    /// Waits until it ends: by itself, because another thread [stops](Handle::stop) it, or after a [drain](Request::Drain).
    ///
    /// # Errors
    /// As for [`stop`](Self::stop).
    pub fn wait(mut self) -> Result<(), RunError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), RunError> {
        self.thread.take().map_or(Ok(()), join)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.handle.stop();
        if let Err(error) = self.end() {
            log::error!("{error}");
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("data", &self.handle.data).field("is_running", &self.is_running()).finish_non_exhaustive()
    }
}

impl Handle {
    /// Where clients are served over the network, in the order of [`Config::listen`]; sockets in the file system are not among them.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// A link from within this process: TMTP without TLS. The relay treats it as any other that has no address. It counts for
    /// [`links_max`](crate::config::Limits::links_max), and is to log in in time. The socket blocks; set it to non-blocking as you like.
    ///
    /// It ends when its last descriptor is closed. A process that the program starts at that moment may hold one a little longer;
    /// [`shutdown`](UnixStream::shutdown) ends it at once.
    ///
    /// A link that is one too many, or comes while the relay drains or ends, is closed: reading it finds its end, or a reset if something
    /// was written to it before.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the relay has ended; else the operating system's, when it has no descriptor left.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (relays, ours) = PeerSocket::pair()?;
        self.mailbox.serve(relays)?;
        Ok(ours)
    }

    /// Has the relay do what its operator may ask for, as `mnm ctl` does, and waits for the answer, at most 30 s for each part of a long
    /// list. What an answer tells is durable. A refusal is an answer, and no error.
    ///
    /// It needs no control socket in the file system, and is one of the eight connections that may be open to that. While there are eight, up
    /// to 64 threads wait until one of them is free.
    ///
    /// # Errors
    /// [`Failure::Silent`] if the relay has ended, or ends before it answers, or does not answer in time, or if this process has no descriptor
    /// left for the question. [`Failure::Refused`] if as many wait as may, and in the relay's own thread, as from the program's logger: the
    /// relay could not answer before this returns.
    pub fn ask(&self, request: &Request) -> Result<Reply, Failure> {
        if thread::current().id() == self.thread {
            return Err(Failure::Refused(ITSELF.to_owned()));
        }
        let unasked = |error: io::Error| {
            let cure = if net::is_out_of_descriptors(&error) { "raise the limit of open files (ulimit -n)" } else { "start it anew" };
            Failure::Silent(ConfigError::about_file(&self.data.join(SOCKET), format!("the relay cannot be asked ({error})"), cure))
        };
        let (relays, ours) = LocalSocket::pair().map_err(unasked)?;
        match self.mailbox.hear(relays) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(Failure::Refused(CROWD.to_owned())),
            done => done.map_err(unasked)?,
        }
        ctl::converse(ours, &self.data, request)
    }

    /// Has the relay end, and does not wait for it: [`Relay::wait`] does. One that has ended stays as it is.
    pub fn stop(&self) {
        // It has ended if it cannot be told.
        let _ = self.mailbox.stop();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Where a relative path begins.
fn current_directory(path: &Path) -> Result<PathBuf, ConfigError> {
    env::current_dir().map_err(|error| {
        let trouble = format!("{} is a relative path, and there is no current directory ({error})", path.display());
        ConfigError::new("the configuration", trouble, "give absolute paths, or start the program in a directory that is there")
    })
}

fn join(thread: JoinHandle<Result<(), RunError>>) -> Result<(), RunError> {
    thread.join().unwrap_or_else(|panic| Err(RunError::Panicked(message(&*panic))))
}

/// What a panic was called with, where that is text.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
