//! A client that blocks: one device of one member, with one request under way.

mod desk;

use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ClientConfig;
use serde_json::{Map, Value};

use crate::request::{self, Data, Recipient};
use crate::{Backoff, Error, Fingerprint, Header, KeyExchange, Link, LinkError, Message, Site, Socket, tls};
use desk::Desk;

/// What a device logs in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub uid: String,
    /// The device's secret: whoever has it is this device.
    pub node: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("uid", &self.uid).finish_non_exhaustive()
    }
}

/// What a new member says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registration<'a> {
    /// What the device is called; at most 255 octets, not empty.
    pub label: &'a str,
    /// A name by which others can ping the member: 8 characters or more.
    pub alias: Option<&'a str>,
    /// A code, where the site asks for one.
    pub invite: Option<&'a str>,
}

/// A new account.
#[derive(Clone, Debug)]
pub struct Registered {
    /// To be kept: the relay tells its secret once.
    pub account: Account,
    /// What of the registration was refused although the account was made: the alias, or a group.
    pub error: Option<String>,
}

/// The relay's answer to a request that is done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ack {
    /// The message that was posted, if one was.
    pub msg_id: Option<String>,
    /// When, as the relay writes times.
    pub posted: Option<String>,
    /// Members of a group that miss it because their queues are full, as the group lists them.
    pub full: Vec<String>,
    /// So many more miss it, of whom the relay gives no names.
    pub full_more: u64,
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one call may try, lost links and new ones included. Zero: one try.
    pub patience: Duration,
    /// How long a connect, a login or an ack may take before the link is given up; the request is then repeated on a new one.
    pub answer: Duration,
    /// Where messages of more than 256 KiB are kept until they are taken. Renaming is cheap within one file system.
    pub spool: PathBuf,
    /// A link that has said nothing for this long says that it is there. The relay's patience is 120 s, and after 30 s another link
    /// may take the device over.
    pub pulse: Duration,
    /// Whether messages that come are kept for [`Client::receive`]. Without, they are read and thrown away, and come again at
    /// the next login: for programs that only send.
    pub receives: bool,
    /// What this device is called. Who only sends acks notices of its own logins by it: nobody else ever would, and there
    /// is one more with each login.
    pub label: Option<String>,
    /// A socket of a program that shares its link (see [`Client::connect`]); tried first.
    pub local: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            patience: Duration::from_secs(60),
            answer: Duration::from_secs(15),
            pulse: Duration::from_secs(20),
            spool: std::env::temp_dir(),
            receives: true,
            label: None,
            local: None,
        }
    }
}

/// The first wait before a new link, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Data is handed to the link in pieces of this size.
const PIECE: usize = 64 << 10;
/// How long a good-bye may take.
const LEAVE: Duration = Duration::from_secs(2);

/// One device of one member. See the example on the crate's page.
///
/// Every call that needs the relay makes a new link if the last one was lost, within [`Options::patience`]. What was sent without an
/// ack is then sent again under the same request id: the relay may have taken it already, so a message may arrive twice, but none is
/// lost.
#[derive(Debug)]
pub struct Client {
    site: Site,
    tls: Arc<ClientConfig>,
    options: Options,
    account: Option<Account>,
    link: Option<Link<Socket>>,
    desk: Desk,
    greeting: Header,
    fingerprint: Option<Fingerprint>,
    backoff: Backoff,
    last_sent: Instant,
    scratch: Vec<u8>,
    /// Data of a request is on its way: nothing else may come between its octets.
    in_body: bool,
    /// How often a link was lost and another one made.
    reconnects: u64,
    /// A link was lost, and no other has been made yet.
    lost: bool,
}

impl Client {
    /// Connects and greets. With [`Options::local`], a Unix socket on which another program offers its own link to this site is
    /// tried first; what goes over it is not encrypted.
    ///
    /// # Errors
    /// [`Error::Usage`] about certificates, [`Error::Link`] if there was no link within the patience.
    pub fn connect(site: &Site, options: Options) -> Result<Client, Error> {
        let mut client = Client {
            tls: tls::config(&site.trust, true, KeyExchange::Hybrid)?,
            site: site.clone(),
            desk: Desk::new(&options),
            options,
            account: None,
            link: None,
            greeting: Header::default(),
            fingerprint: None,
            backoff: Backoff::new(BACKOFF.0, BACKOFF.1),
            last_sent: Instant::now(),
            scratch: vec![0; PIECE],
            in_body: false,
            reconnects: 0,
            lost: false,
        };
        client.steadily(|_| Ok(()))?;
        Ok(client)
    }

    /// What the relay said first: `name`, and with third-party authentication `auth` and `authby`.
    pub fn greeting(&self) -> &Header {
        &self.greeting
    }

    /// Whether the relay has an extension, as `tmtprev` lists them: `ask`, `invite`, `group`...
    pub fn has(&self, feature: &str) -> bool {
        self.greeting.list("features").iter().any(|f| f == feature)
    }

    /// SHA-256 of the relay's certificate; `None` over a local socket.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// From now on one call may try for so long; see [`Options::patience`].
    pub fn set_patience(&mut self, patience: Duration) {
        self.options.patience = patience;
    }

    /// How often a link was lost and another one made.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Makes an account. It is not repeated when the link is lost meanwhile: the account may exist then, and nobody has its secret.
    ///
    /// # Errors
    /// [`Error::Link`] with [`LinkError::Quit`] if the site refuses.
    pub fn register(&mut self, registration: &Registration<'_>) -> Result<Registered, Error> {
        self.steadily(|_| Ok(()))?;
        request::register(self.out()?, registration.label, registration.alias, registration.invite);
        let registered = self.answer("registered")?;
        let account = Account { uid: registered.text("uid").to_owned(), node: registered.text("nodeid").to_owned() };
        if account.uid.is_empty() || account.node.is_empty() {
            return Err(LinkError::Protocol("registered without uid or nodeid".into()).into());
        }
        // The secret is told once: whatever becomes of the link from here on, the caller must get it.
        self.account = Some(account.clone());
        if let Err(Error::Link(_)) = self.answer("info") {
            self.lose();
        }
        Ok(Registered { account, error: registered.optional("error").map(str::to_owned) })
    }

    /// Logs in; who is online of those who show it to this member.
    ///
    /// # Errors
    /// [`Error::Link`] with [`LinkError::Quit`]: `login failed`, or another program has this device's link.
    pub fn login(&mut self, account: &Account) -> Result<Vec<String>, Error> {
        self.account = None;
        self.steadily(|_| Ok(()))?;
        self.account = Some(account.clone());
        match self.log_in() {
            Err(Error::Link(error)) if error.is_transient() => self.lose(),
            result => return result,
        }
        self.steadily(|client| Ok(client.desk.online.clone()))
    }

    /// Sends a request and waits for its ack. `write` gets the link's output and the request's id, and appends a frame with its
    /// data; it is called again for each new link.
    ///
    /// # Errors
    /// [`Error::Refused`] with the ack's error; [`Error::Link`] if no link could be had within the patience.
    pub fn request(&mut self, write: impl Fn(&mut Vec<u8>, &str)) -> Result<Ack, Error> {
        let answer = self.answered(|client, id| {
            write(client.out()?, id);
            Ok(())
        })?;
        Ok(ack_of(&answer))
    }

    /// Posts a message. `head` is a secondary header for the recipient's program, one JSON object. The data is read twice, once for
    /// its checksum, and again for each new link.
    ///
    /// # Errors
    /// As [`request`](Client::request); [`Error::Local`] if the data cannot be read, [`Error::Usage`] if there is none.
    pub fn post(&mut self, to: &[Recipient<'_>], head: Option<&str>, content: impl IntoContent) -> Result<Ack, Error> {
        let mut content = content.into_content();
        let head = head.unwrap_or("").as_bytes();
        let (len, sum) = measure(head, &mut content).map_err(Error::Local)?;
        if len == 0 {
            return Err(Error::Usage("a message needs at least one octet".to_owned()));
        }
        let data = Data { len, head: head.len() as u64, sum: u64::from(sum) };
        let answer = self.answered(|client, id| {
            let out = client.out()?;
            request::post(out, id, to, data);
            out.extend_from_slice(head);
            client.send(&mut content, len - data.head)
        })?;
        Ok(ack_of(&answer))
    }

    /// A short text to somebody of whom only an alias is known.
    ///
    /// # Errors
    /// As [`request`](Client::request).
    pub fn ping(&mut self, from: &str, to: &str, text: &str) -> Result<Ack, Error> {
        self.request(|out, id| {
            request::ping(out, id, from, to, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        })
    }

    /// All the relay says to a question, page by page. `what` is one of those in the protocol's document; `gid` is for `roster`.
    ///
    /// # Errors
    /// As [`request`](Client::request).
    pub fn ask(&mut self, what: &str, gid: Option<&str>) -> Result<Vec<Map<String, Value>>, Error> {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.answered(|client, id| {
                request::ask(client.out()?, id, what, gid, cursor.as_deref());
                Ok(())
            })?;
            found.extend(page.list("list").iter().filter_map(Value::as_object).cloned());
            cursor = page.optional("cursor").map(str::to_owned);
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }

    /// A code with which new members can register, where the site lets members make them: its entry has `code`, `expires`, `uses`.
    ///
    /// # Errors
    /// As [`request`](Client::request).
    pub fn invite(&mut self, uses: Option<u64>, expires: Option<&str>, gid: Option<&str>) -> Result<Map<String, Value>, Error> {
        let answer = self.answered(|client, id| {
            request::invite(client.out()?, id, uses, expires, gid);
            Ok(())
        })?;
        let code = answer.list("list").first().and_then(Value::as_object).cloned();
        code.ok_or_else(|| LinkError::Protocol("a result without a code".into()).into())
    }

    /// The next message, or `None` if none came in time. It comes again, after 30 s or on the next link, unless
    /// [`ack`](Client::ack) is called. The same message may come twice in any case: it has the same id then.
    ///
    /// # Errors
    /// [`Error::Link`] if the link was lost, and no other could be had within the patience.
    pub fn receive(&mut self, within: Duration) -> Result<Option<Message>, Error> {
        let until = Instant::now() + within;
        loop {
            if let Some(message) = self.desk.messages.pop_front() {
                return Ok(Some(message));
            }
            self.steadily(|client| client.pump(until))?;
            if self.desk.messages.is_empty() && Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// The next news of somebody's presence, if any came: an `ohi` with `from` and `status`.
    pub fn take_presence(&mut self) -> Option<Header> {
        self.desk.presence.pop_front()
    }

    /// Says that a message is safe here. Nothing answers: a lost ack only brings the message again.
    pub fn ack(&mut self, id: &str) {
        if let Some(link) = &mut self.link {
            request::ack(&mut link.out, id);
            self.last_sent = Instant::now();
            if link.flush().is_err() {
                self.lose();
            }
        }
    }

    /// Keeps the link alive and takes what comes for so long, for programs that are busy with something else.
    ///
    /// # Errors
    /// As [`receive`](Client::receive).
    pub fn tend(&mut self, within: Duration) -> Result<(), Error> {
        let until = Instant::now() + within;
        self.steadily(|client| client.pump(until))
    }

    /// As [`tend`](Client::tend), but only until something comes, or until `wake` can be read (or its other end is closed): for
    /// programs that wait for something else as well. What came, or had come before, is for [`receive`](Client::receive) with no
    /// time to wait.
    ///
    /// # Errors
    /// As [`receive`](Client::receive).
    pub fn tend_until(&mut self, wake: BorrowedFd<'_>, within: Duration) -> Result<(), Error> {
        let until = Instant::now() + within;
        self.steadily(|client| client.pump_or(until, Some(wake)))
    }

    /// How many frames have come, and pieces of large ones: what changes it is a sign that something is on its way.
    pub fn heard(&self) -> u64 {
        self.desk.heard
    }

    /// Who is online of those who show it to this member, as far as the relay has told.
    pub fn online(&self) -> &[String] {
        &self.desk.online
    }

    /// Sends another program's request under an id of this client's, and waits for its answer, which is handed back with all its
    /// fields. `write` is as in [`request`](Client::request); `len` octets of `content` follow what it writes.
    ///
    /// # Errors
    /// As [`post`](Client::post).
    pub fn pass_on(&mut self, write: impl Fn(&mut Vec<u8>, &str), content: impl IntoContent, len: u64) -> Result<Header, Error> {
        let mut content = content.into_content();
        self.answered(|client, id| {
            write(client.out()?, id);
            client.send(&mut content, len)
        })
    }

    /// Says good-bye, so that all that was sent before has been heard.
    ///
    /// # Errors
    /// [`Error::Link`] if the relay did not answer.
    pub fn quit(mut self) -> Result<(), Error> {
        let Some(link) = &mut self.link else { return Ok(()) };
        request::quit(&mut link.out);
        let until = Instant::now() + LEAVE;
        loop {
            match self.pump(until) {
                Err(Error::Link(LinkError::Quit(_) | LinkError::Closed)) => return Ok(()),
                Err(error) => return Err(error),
                Ok(()) if Instant::now() >= until => return Err(LinkError::Silent.into()),
                Ok(()) => {}
            }
        }
    }

    /// Sends by `write`, and waits for the answer under the id it was given; as often as links are lost.
    fn answered(&mut self, mut write: impl FnMut(&mut Client, &str) -> Result<(), Error>) -> Result<Header, Error> {
        let id = format!("{:016x}", getrandom::u64().map_err(|e| Error::Local(io::Error::other(e)))?);
        let answer = self.steadily(|client| {
            write(client, &id)?;
            client.wait_for(|desk| desk.take_answer(&id))
        })?;
        match answer.optional("error") {
            Some(error) => Err(Error::Refused(error.to_owned())),
            None => Ok(answer),
        }
    }

    /// Does something over a link, and again over a new one if that was lost, until the patience is over.
    fn steadily<T>(&mut self, mut attempt: impl FnMut(&mut Client) -> Result<T, Error>) -> Result<T, Error> {
        let give_up = Instant::now() + self.options.patience;
        loop {
            let result = match &self.link {
                Some(_) => attempt(self),
                None => self.open().and_then(|()| attempt(self)),
            };
            match result {
                Err(Error::Link(error)) if error.is_transient() => {
                    let wait = self.backoff.next_wait(getrandom::u32().unwrap_or(0));
                    self.lose();
                    if Instant::now() + wait > give_up {
                        return Err(error.into());
                    }
                    std::thread::sleep(wait);
                }
                Err(error) => {
                    // After an error of ours half a frame may have been sent, or read.
                    if matches!(error, Error::Link(_) | Error::Local(_)) {
                        self.lose();
                    }
                    return Err(error);
                }
                Ok(value) => {
                    self.backoff.reset();
                    return Ok(value);
                }
            }
        }
    }

    /// A new link: connected, greeted, and logged in if there is an account.
    fn open(&mut self) -> Result<(), Error> {
        let local = self.options.local.as_deref().and_then(|path| Socket::unix(path).ok());
        let mut link = match local {
            Some(socket) => Link::plain(socket),
            None => {
                let socket = Socket::tcp(&self.site.address, self.options.answer).map_err(LinkError::Io)?;
                Link::new(socket, self.tls.clone(), self.site.server_name.clone())?
            }
        };
        request::tmtprev(&mut link.out);
        self.reconnects += u64::from(std::mem::take(&mut self.lost));
        self.link = Some(link);
        self.desk.new_link();
        self.greeting = self.answer("tmtprev")?;
        self.fingerprint = self.link.as_ref().and_then(Link::fingerprint);
        if self.account.is_some() {
            self.log_in()?;
        }
        Ok(())
    }

    fn log_in(&mut self) -> Result<Vec<String>, Error> {
        let Account { uid, node } = self.account.clone().expect("only who has an account logs in");
        request::login(self.out()?, &uid, &node);
        self.desk.online = self.answer("info")?.texts("ohi");
        Ok(self.desk.online.clone())
    }

    /// The next answer, which must be of this kind.
    fn answer(&mut self, op: &str) -> Result<Header, Error> {
        self.wait_for(|desk| desk.take_op(op))
    }

    fn wait_for<T>(&mut self, mut take: impl FnMut(&mut Desk) -> Option<T>) -> Result<T, Error> {
        let mut until = Instant::now() + self.options.answer;
        let mut heard = self.desk.heard;
        loop {
            if let Some(found) = take(&mut self.desk) {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(LinkError::Silent.into());
            }
            self.pump(until)?;
            // A large message that is coming keeps the answer waiting: that is no silence.
            if self.desk.heard != heard {
                heard = self.desk.heard;
                until = Instant::now() + self.options.answer;
            }
        }
    }

    /// Hands data to the link piece by piece, so that little of it is in memory; and reads meanwhile, or both ends might wait.
    fn send(&mut self, content: &mut dyn Content, len: u64) -> Result<(), Error> {
        self.in_body = true;
        let sent = self.send_pieces(content, len);
        self.in_body = false;
        sent
    }

    fn send_pieces(&mut self, content: &mut dyn Content, len: u64) -> Result<(), Error> {
        content.seek(SeekFrom::Start(0)).map_err(Error::Local)?;
        let mut left = len;
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            content.read_exact(&mut piece[..want]).map_err(|e| {
                // The frame is half sent: only the end of the link ends it.
                self.lose();
                Error::Local(io::Error::new(e.kind(), format!("the data is shorter than it was a moment ago, or cannot be read: {e}")))
            })?;
            self.out()?.extend_from_slice(&piece[..want]);
            left -= want as u64;
            // Waited for is only a socket that takes no more.
            if let Some(link) = &mut self.link {
                link.flush()?;
                self.last_sent = Instant::now();
            }
            let mut until = Instant::now() + self.options.answer;
            let mut unsent = self.unsent();
            while self.unsent() >= PIECE {
                self.pump(until)?;
                if self.unsent() < unsent {
                    unsent = self.unsent();
                    until = Instant::now() + self.options.answer;
                } else if Instant::now() >= until {
                    return Err(LinkError::Silent.into());
                }
            }
        }
        Ok(())
    }

    /// Writes and reads once, waiting until `until` at most for something to happen.
    fn pump(&mut self, until: Instant) -> Result<(), Error> {
        self.pump_or(until, None)
    }

    fn pump_or(&mut self, until: Instant, wake: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let now = Instant::now();
        let Some(link) = &mut self.link else { return Err(LinkError::Closed.into()) };
        if !self.in_body {
            for id in self.desk.to_ack.drain(..) {
                request::ack(&mut link.out, &id);
            }
            if self.account.is_some() && now - self.last_sent > self.options.pulse {
                request::pulse(&mut link.out);
            }
        }
        if link.unsent() > 0 {
            self.last_sent = now;
        }
        link.flush()?;
        let next_pulse = (self.last_sent + self.options.pulse).max(now + Duration::from_millis(1));
        let wait = until.min(next_pulse).saturating_duration_since(now);
        if !wait_for_socket(link, wait, wake)? {
            return Ok(());
        }
        link.receive(true, &mut self.scratch, &mut self.desk)?;
        // Answers of TLS's own.
        link.flush()?;
        Ok(())
    }

    fn out(&mut self) -> Result<&mut Vec<u8>, Error> {
        match &mut self.link {
            Some(link) => Ok(&mut link.out),
            None => Err(LinkError::Closed.into()),
        }
    }

    fn unsent(&self) -> usize {
        self.link.as_ref().map_or(0, Link::unsent)
    }

    fn lose(&mut self) {
        self.lost |= self.link.take().is_some();
    }
}

/// Waits until the socket can be read, or written if something is to be, or until `wake` can be read; whether one of them can be.
fn wait_for_socket(link: &Link<Socket>, wait: Duration, wake: Option<BorrowedFd<'_>>) -> Result<bool, LinkError> {
    let flags = if link.wants_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
    let socket = PollFd::from_borrowed_fd(link.socket().as_fd(), flags);
    let timeout = Timespec::try_from(wait).map_err(|e| LinkError::Io(io::Error::other(e)))?;
    let ready = match wake {
        Some(wake) => poll(&mut [socket, PollFd::from_borrowed_fd(wake, PollFlags::IN)], Some(&timeout)),
        None => poll(&mut [socket], Some(&timeout)),
    };
    match ready {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(LinkError::Io(error.into())),
    }
}

fn ack_of(answer: &Header) -> Ack {
    Ack {
        msg_id: answer.optional("msgid").map(str::to_owned),
        posted: answer.optional("posted").map(str::to_owned),
        full: answer.texts("full"),
        full_more: answer.number("fullmore"),
    }
}

/// The length of head and content, and the CRC-32C of both.
fn measure(head: &[u8], content: &mut dyn Content) -> io::Result<(u64, u32)> {
    content.seek(SeekFrom::Start(0))?;
    let (mut len, mut sum) = (head.len() as u64, crc32c::crc32c(head));
    let mut piece = vec![0; PIECE];
    loop {
        match content.read(&mut piece) {
            Ok(0) => return Ok((len, sum)),
            Ok(count) => {
                sum = crc32c::crc32c_append(sum, &piece[..count]);
                len += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What can be read again from its start.
pub trait Content: Read + Seek {}
impl<T: Read + Seek> Content for T {}

/// What can be posted: octets in memory, or a file.
pub trait IntoContent {
    /// What it is read from.
    type Content: Content;
    /// As something to be read.
    fn into_content(self) -> Self::Content;
}

impl<'a> IntoContent for &'a [u8] {
    type Content = io::Cursor<&'a [u8]>;
    fn into_content(self) -> Self::Content {
        io::Cursor::new(self)
    }
}

impl IntoContent for std::fs::File {
    type Content = std::fs::File;
    fn into_content(self) -> Self::Content {
        self
    }
}
