//! The operating system's side of the loop: readiness, accepting, signals, and a bell for other threads. The only file that knows mio.

mod bound;
mod socket;

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

pub use bound::{Bound, LocalBound, WebBound};
pub use socket::{LocalSocket, PeerSocket};

use super::descriptors::is_out_of_descriptors;
use bound::{Kind, SocketFile};

/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Tokens of listeners start here, those of links at 0.
const LISTENERS: usize = usize::MAX / 2;
/// Those of the operator's connections.
const OPERATORS: usize = usize::MAX / 4 * 3;
/// Those of whoever asks for the metrics.
const WEB: usize = usize::MAX / 8 * 7;
const SIGNALS: Token = Token(usize::MAX - 1);
const LOCAL: Token = Token(usize::MAX - 2);
const WEB_DOOR: Token = Token(usize::MAX - 3);
const BELL: Token = Token(usize::MAX - 4);
/// How long to leave a listener alone after the system had no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Something that can be done without waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// A link can be read or written, or ended.
    Link {
        /// Its slot.
        slot: usize,
        /// Something came, or the peer is gone.
        readable: bool,
        /// The socket takes octets again.
        writable: bool,
        /// The peer will send no more than what is there to be read.
        ending: bool,
    },
    /// Somebody wants to connect to this listener.
    Accept(usize),
    /// Somebody wants to connect to the local listener.
    Knock,
    /// A connection of the operator's can be read or written, or has ended.
    Operator(usize),
    /// Somebody wants to connect to the metrics.
    WebKnock,
    /// A connection there can be read or written, or has ended.
    Web(usize),
    /// The operator wants the program to end.
    Stop,
    /// A terminal was closed, or somebody hopes that something is read anew.
    Hangup,
    /// Another thread has rung the bell.
    Bell,
}

/// What accepting gave.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, and from where if that is an address of the Internet.
    Socket(PeerSocket, Option<IpAddr>),
    /// Nobody is waiting.
    Nobody,
    /// The system has no descriptor left.
    NoDescriptor {
        /// Try again after this long.
        pause: Duration,
        /// Somebody was waiting, and was turned away.
        turned_away: bool,
        /// Not even for that is there a descriptor: who waits has to wait.
        helpless: bool,
    },
}

/// A listener that is watched.
enum Listener {
    Tcp(TcpListener),
    /// With its file, which goes with it.
    Unix(UnixListener, #[allow(dead_code, reason = "kept for its end")] Option<SocketFile>),
}

impl Listener {
    fn over(Bound(kind): Bound) -> Listener {
        match kind {
            Kind::Tcp(listener) => Listener::Tcp(TcpListener::from_std(listener)),
            Kind::Unix(listener, file) => Listener::Unix(UnixListener::from_std(listener), file),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Listener::Tcp(listener) => listener,
            Listener::Unix(listener, _) => listener,
        }
    }

    fn accept(&self) -> io::Result<(PeerSocket, Option<IpAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                // Without it acks would wait for the peer's delayed TCP ack.
                let _ = stream.set_nodelay(true);
                Ok((PeerSocket::Tcp(stream), Some(peer.ip())))
            }
            Listener::Unix(listener, _) => Ok((PeerSocket::Unix(listener.accept()?.0), None)),
        }
    }
}

/// What other threads ring when they have put something where the loop will look.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Waker>);

impl Bell {
    /// Has the loop look. Many rings may be heard as one; nobody hears any once the loop has ended.
    ///
    /// # Errors
    /// The operating system's.
    pub fn ring(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// All readiness of the loop.
pub struct Poller {
    poll: Poll,
    events: Events,
    listeners: Vec<Listener>,
    local: Option<UnixListener>,
    web: Option<Listener>,
    signals: Option<Signals>,
    /// Given up to accept, and at once refuse, a connection for which there is no descriptor: left in the
    /// queue it would keep an edge-triggered listener from ever being reported again.
    spare: Option<File>,
}

impl Poller {
    /// Watches these listeners.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(bound: Vec<Bound>) -> io::Result<Poller> {
        let poll = Poll::new()?;
        let mut listeners = Vec::new();
        for (i, bound) in bound.into_iter().enumerate() {
            let mut listener = Listener::over(bound);
            poll.registry().register(listener.source(), Token(LISTENERS + i), Interest::READABLE)?;
            listeners.push(listener);
        }
        Ok(Poller { poll, events: Events::with_capacity(EVENTS), listeners, local: None, web: None, signals: None, spare: spare() })
    }

    /// Takes the process's signals from now on: only for a process that has nothing else to do. SIGUSR1 and SIGUSR2 mean nothing, but
    /// would end the program if nobody watched for them.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch_signals(&mut self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
        self.poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// A bell by which other threads end the wait. There can be one, whose clones all ring the same.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bell(&self) -> io::Result<Bell> {
        Waker::new(self.poll.registry(), BELL).map(|waker| Bell(Arc::new(waker)))
    }

    /// Waits until something is ready, at most `timeout`, and adds all that is to `ready`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut timeout = timeout;
        loop {
            match self.poll.poll(&mut self.events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
                result => result?,
            }
            let mut count = 0;
            for event in &self.events {
                count += 1;
                match event.token() {
                    SIGNALS => ready.extend(self.signals.iter_mut().flat_map(Signals::pending).filter_map(meaning)),
                    BELL => ready.push(Ready::Bell),
                    LOCAL => ready.push(Ready::Knock),
                    WEB_DOOR => ready.push(Ready::WebKnock),
                    Token(token) if token >= WEB => ready.push(Ready::Web(token - WEB)),
                    Token(token) if token >= OPERATORS => ready.push(Ready::Operator(token - OPERATORS)),
                    Token(token) if token >= LISTENERS => ready.push(Ready::Accept(token - LISTENERS)),
                    Token(slot) => {
                        let ending = event.is_read_closed() || event.is_error();
                        ready.push(Ready::Link { slot, readable: event.is_readable() || ending, writable: event.is_writable(), ending });
                    }
                }
            }
            // All that is ready takes part in one turn: the end of a link must be seen before its node logs in again.
            if count < EVENTS {
                return Ok(());
            }
            timeout = Some(Duration::ZERO);
        }
    }

    /// Accepts one connection. Call until nobody is waiting.
    pub fn accept(&mut self, listener: usize) -> Accepted {
        loop {
            // Once nobody is let in any more there may be an event still of who wanted to be.
            let Some(accepted) = self.listeners.get(listener).map(Listener::accept) else { return Accepted::Nobody };
            match accepted {
                Ok((socket, from)) => return Accepted::Socket(socket, from),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accepted::Nobody,
                Err(error) if is_out_of_descriptors(&error) => {
                    // The system says so even when nobody is waiting.
                    let turned_away = self.turn_away(listener);
                    return Accepted::NoDescriptor { pause: ACCEPT_PAUSE, turned_away, helpless: self.spare.is_none() };
                }
                // The connection died while it waited; the next may not have.
                Err(error) => log::debug!("accept: {error}"),
            }
        }
    }

    fn turn_away(&mut self, listener: usize) -> bool {
        self.spare = None;
        let turned_away = self.listeners[listener].accept().is_ok();
        self.spare = spare();
        turned_away
    }

    /// Watches a link's socket.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch(&mut self, socket: &mut PeerSocket, slot: usize) -> io::Result<()> {
        self.poll.registry().register(socket.source(), Token(slot), Interest::READABLE | Interest::WRITABLE)
    }

    /// Watches a local listener, instead of any other.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch_local(&mut self, bound: LocalBound) -> io::Result<()> {
        let mut listener = UnixListener::from_std(bound.listener);
        self.poll.registry().register(&mut listener, LOCAL, Interest::READABLE)?;
        self.local = Some(listener);
        Ok(())
    }

    /// Accepts one connection from the local listener. Call until nobody is waiting.
    ///
    /// # Errors
    /// The operating system's; somebody may wait still.
    pub fn accept_local(&mut self) -> io::Result<Option<LocalSocket>> {
        let Some(listener) = &self.local else { return Ok(None) };
        match listener.accept() {
            Ok((stream, _)) => Ok(Some(LocalSocket(stream))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Watches a connection of the operator's.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch_operator(&mut self, socket: &mut LocalSocket, slot: usize) -> io::Result<()> {
        self.poll.registry().register(&mut socket.0, Token(OPERATORS + slot), Interest::READABLE | Interest::WRITABLE)
    }

    /// Lets no client in any more; links go on, and the operator may still knock.
    pub fn close_doors(&mut self) {
        self.listeners.clear();
    }

    /// Watches for those who ask for the metrics, at this place instead of any other.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch_web_door(&mut self, bound: WebBound) -> io::Result<()> {
        let mut door = match bound {
            WebBound::Tcp(bound) => Listener::over(bound),
            // Who has made the file takes it away.
            WebBound::Local(bound) => Listener::Unix(UnixListener::from_std(bound.listener), None),
        };
        self.poll.registry().register(door.source(), WEB_DOOR, Interest::READABLE)?;
        self.web = Some(door);
        Ok(())
    }

    /// Accepts one connection there. Call until nobody is waiting.
    ///
    /// # Errors
    /// The operating system's; somebody may wait still.
    pub fn accept_web(&mut self) -> io::Result<Option<PeerSocket>> {
        match self.web.as_ref().map(Listener::accept) {
            None => Ok(None),
            Some(Ok((socket, _))) => Ok(Some(socket)),
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }

    /// Watches such a connection.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch_web(&mut self, socket: &mut PeerSocket, slot: usize) -> io::Result<()> {
        self.poll.registry().register(socket.source(), Token(WEB + slot), Interest::READABLE | Interest::WRITABLE)
    }

    /// Stops listening; links go on, and so do the operator's connections. Who asks for the metrics is let in still: that is how it
    /// is seen that the relay is about to end.
    pub fn stop_listening(&mut self) {
        self.close_doors();
        self.local = None;
    }
}

fn meaning(signal: i32) -> Option<Ready> {
    match signal {
        SIGINT | SIGTERM => Some(Ready::Stop),
        SIGHUP => Some(Ready::Hangup),
        _ => None,
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}
