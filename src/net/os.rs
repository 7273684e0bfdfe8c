//! The operating system's side of the loop: readiness, accepting, signals. The only file that knows mio.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener as StdListener};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token};
use rustix::fs::Mode;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

use super::descriptors::is_out_of_descriptors;
use super::link::Socket;

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
/// How long to leave a listener alone after the system had no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A TCP connection.
#[derive(Debug)]
pub struct TcpSocket(TcpStream);

impl Socket for TcpSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// A connection from this machine, through a socket in the file system.
#[derive(Debug)]
pub struct LocalSocket(UnixStream);

impl Socket for LocalSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// A connection of somebody who asks for the metrics.
#[derive(Debug)]
pub enum WebSocket {
    /// Over TCP.
    Tcp(TcpSocket),
    /// Through a socket in the file system.
    Local(LocalSocket),
}

impl WebSocket {
    fn any(&mut self) -> &mut dyn Socket {
        match self {
            WebSocket::Tcp(socket) => socket,
            WebSocket::Local(socket) => socket,
        }
    }
}

impl Socket for WebSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.any().read(buffer)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.any().write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.any().shutdown_write()
    }
}

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
}

/// What accepting gave.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, and from where.
    Socket(TcpSocket, SocketAddr),
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

/// A listening socket.
#[derive(Debug)]
pub struct Bound {
    listener: StdListener,
}

impl Bound {
    /// Listens on an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(address: SocketAddr) -> io::Result<Bound> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Bound { listener })
    }

    /// Where it listens in fact.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A listening socket in the file system.
#[derive(Debug)]
pub struct LocalBound {
    listener: StdUnixListener,
}

impl LocalBound {
    /// Makes the socket, which must not be there, for this user alone.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(path: &Path) -> io::Result<LocalBound> {
        LocalBound::masked(path, 0o177)
    }

    /// The same for this user and this group.
    ///
    /// # Errors
    /// The operating system's.
    pub fn for_group(path: &Path) -> io::Result<LocalBound> {
        LocalBound::masked(path, 0o117)
    }

    /// Whether somebody listens on a socket that is there. Asked without waiting: who listens may be stuck.
    ///
    /// # Errors
    /// The operating system's.
    pub fn is_heard(path: &Path) -> io::Result<bool> {
        match UnixStream::connect(path) {
            Ok(_) => Ok(true),
            // Too many wait already.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn masked(path: &Path, mask: u32) -> io::Result<LocalBound> {
        // Changed afterwards, its mode would let others in for a moment. The mask is the whole process's, which has one thread.
        let before = rustix::process::umask(Mode::from_raw_mode(mask));
        let bound = StdUnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound?;
        listener.set_nonblocking(true)?;
        Ok(LocalBound { listener })
    }
}

/// Where somebody may ask for the metrics.
#[derive(Debug)]
pub enum WebBound {
    /// An address.
    Tcp(Bound),
    /// A file.
    Local(LocalBound),
}

/// The same, watched.
enum WebDoor {
    Tcp(TcpListener),
    Local(UnixListener),
}

/// All readiness of the process.
pub struct Poller {
    poll: Poll,
    events: Events,
    listeners: Vec<TcpListener>,
    local: Option<UnixListener>,
    web: Option<WebDoor>,
    signals: Signals,
    /// Given up to accept, and at once refuse, a connection for which there is no descriptor: left in the
    /// queue it would keep an edge-triggered listener from ever being reported again.
    spare: Option<File>,
}

impl Poller {
    /// Watches these listeners, and for signals. SIGUSR1 and SIGUSR2 mean nothing, but would end the program if nobody
    /// watched for them.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(bound: Vec<Bound>) -> io::Result<Poller> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2])?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let mut listeners = Vec::new();
        for (i, bound) in bound.into_iter().enumerate() {
            let mut listener = TcpListener::from_std(bound.listener);
            poll.registry().register(&mut listener, Token(LISTENERS + i), Interest::READABLE)?;
            listeners.push(listener);
        }
        Ok(Poller { poll, events: Events::with_capacity(EVENTS), listeners, local: None, web: None, signals, spare: spare() })
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
                    SIGNALS => ready.extend(self.signals.pending().filter_map(meaning)),
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
            match self.listeners[listener].accept() {
                Ok((stream, peer)) => {
                    // Without it acks would wait for the peer's delayed TCP ack.
                    let _ = stream.set_nodelay(true);
                    return Accepted::Socket(TcpSocket(stream), peer);
                }
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
    pub fn watch(&mut self, socket: &mut TcpSocket, slot: usize) -> io::Result<()> {
        self.poll.registry().register(&mut socket.0, Token(slot), Interest::READABLE | Interest::WRITABLE)
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

    /// Watches for those who ask for the metrics, at this place instead of any other.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch_web_door(&mut self, bound: WebBound) -> io::Result<()> {
        let mut door = match bound {
            WebBound::Tcp(bound) => WebDoor::Tcp(TcpListener::from_std(bound.listener)),
            WebBound::Local(bound) => WebDoor::Local(UnixListener::from_std(bound.listener)),
        };
        let source: &mut dyn Source = match &mut door {
            WebDoor::Tcp(listener) => listener,
            WebDoor::Local(listener) => listener,
        };
        self.poll.registry().register(source, WEB_DOOR, Interest::READABLE)?;
        self.web = Some(door);
        Ok(())
    }

    /// Accepts one connection there. Call until nobody is waiting.
    ///
    /// # Errors
    /// The operating system's; somebody may wait still.
    pub fn accept_web(&mut self) -> io::Result<Option<WebSocket>> {
        let accepted = match &self.web {
            None => return Ok(None),
            Some(WebDoor::Tcp(listener)) => listener.accept().map(|(stream, _)| WebSocket::Tcp(TcpSocket(stream))),
            Some(WebDoor::Local(listener)) => listener.accept().map(|(stream, _)| WebSocket::Local(LocalSocket(stream))),
        };
        match accepted {
            Ok(socket) => Ok(Some(socket)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Watches such a connection.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch_web(&mut self, socket: &mut WebSocket, slot: usize) -> io::Result<()> {
        let source: &mut dyn Source = match socket {
            WebSocket::Tcp(socket) => &mut socket.0,
            WebSocket::Local(socket) => &mut socket.0,
        };
        self.poll.registry().register(source, Token(WEB + slot), Interest::READABLE | Interest::WRITABLE)
    }

    /// Stops listening; links go on, and so do the operator's connections. Who asks for the metrics is let in still: that is how it
    /// is seen that the relay is about to end.
    pub fn stop_listening(&mut self) {
        self.listeners.clear();
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
