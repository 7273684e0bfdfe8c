//! One member's connection: socket, TLS, frames in, frames out.
//!
//! Frames to send gather in [`Link::out`] and are encrypted together when the link is flushed, as much
//! as the socket takes; so a turn's acks and posts cost one write. What arrives is handed on
//! frame by frame, from the decrypted buffer itself when a frame came whole.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use mnm::wire::{FrameReader, Piece};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::reply::Reply;

/// Why a link ended.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// The socket: not connected, reset, refused.
    Io(io::Error),
    /// The relay closed it without a word.
    Closed,
    /// TLS: certificate, alert, nonsense.
    Tls(rustls::Error),
    /// What came is not TMTP.
    Protocol(String),
    /// The relay said quit, and why.
    Quit(String),
    /// No login within our patience.
    Silent,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Io(error) => write!(f, "{error}"),
            LinkError::Closed => f.write_str("the relay closed the link without a word"),
            LinkError::Tls(error) => write!(f, "TLS: {error}"),
            LinkError::Protocol(text) => write!(f, "the relay does not speak TMTP: {text}"),
            LinkError::Quit(reason) => write!(f, "the relay ended the link: {reason}"),
            LinkError::Silent => f.write_str("the relay did not answer the login"),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> LinkError {
        LinkError::Io(error)
    }
}

/// A whole frame from the relay.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) reply: Reply<'a>,
    /// The header as it came, for its checksum.
    pub(crate) header: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// Takes the frames of a link; may answer into the link's output.
pub(crate) trait Sink {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), LinkError>;
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    socket: TcpStream,
    tls: ClientConnection,
    inbox: Inbox,
    /// Frames that wait to be encrypted; the first `sealed` octets already are.
    pub(crate) out: Vec<u8>,
    sealed: usize,
}

/// Read from one link before the others get their turn, in octets.
const READ_BUDGET: usize = 256 << 10;
/// epoll raises another event for whatever comes after a read that did not fill its buffer (epoll(7), questions
/// and answers, 9), unless it is the end, which came with the same event. This saves a call in four.
const SHORT_READ_IS_ALL: bool = cfg!(target_os = "linux");
/// Encrypted ahead of the socket, in octets.
const SEAL_AHEAD: usize = 64 << 10;
/// An output buffer that has grown beyond this is given back when it is empty.
const OUT_KEEP: usize = 64 << 10;

impl Link {
    /// Begins to connect.
    pub(crate) fn connect(
        addr: SocketAddr,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        registry: &Registry,
        token: Token,
    ) -> Result<Link, LinkError> {
        let mut socket = TcpStream::connect(addr)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let tls = ClientConnection::new(config, name).map_err(LinkError::Tls)?;
        Ok(Link { socket, tls, inbox: Inbox::default(), out: Vec::new(), sealed: 0 })
    }

    /// The socket became writable for the first time, or something is wrong with it.
    pub(crate) fn connected(&mut self) -> Result<bool, LinkError> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error.into());
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                self.socket.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what there is, up to a budget; whether there may be more. `ending`: the poll has told of the end.
    pub(crate) fn receive(&mut self, ending: bool, scratch: &mut [u8], sink: &mut impl Sink) -> Result<bool, LinkError> {
        let mut budget = READ_BUDGET;
        while budget > 0 {
            match self.socket.read(scratch) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(count) => {
                    budget = budget.saturating_sub(count);
                    self.decrypt(&scratch[..count], sink)?;
                    if count < scratch.len() && !ending && SHORT_READ_IS_ALL {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn decrypt(&mut self, mut cipher: &[u8], sink: &mut impl Sink) -> Result<(), LinkError> {
        while !cipher.is_empty() {
            self.tls.read_tls(&mut cipher)?;
            if let Err(error) = self.tls.process_new_packets() {
                // The relay should get the alert; that it may not is no further trouble.
                let _ = self.tls.write_tls(&mut self.socket);
                return Err(LinkError::Tls(error));
            }
            loop {
                let mut reader = self.tls.reader();
                let plain = match reader.fill_buf() {
                    Ok([]) => return Err(LinkError::Closed),
                    Ok(plain) => plain,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                };
                self.inbox.take(plain, &mut self.out, sink)?;
                let count = plain.len();
                reader.consume(count);
            }
        }
        Ok(())
    }

    /// Writes until all is written or the socket is full; whether all is written.
    pub(crate) fn flush(&mut self) -> Result<bool, LinkError> {
        loop {
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if self.out.is_empty() {
                return Ok(true);
            }
            if self.tls.is_handshaking() {
                return Ok(false);
            }
            self.seal()?;
        }
    }

    fn seal(&mut self) -> Result<(), LinkError> {
        let end = self.out.len().min(self.sealed + SEAL_AHEAD);
        self.sealed += self.tls.writer().write(&self.out[self.sealed..end])?;
        if self.sealed == self.out.len() {
            self.sealed = 0;
            self.out.clear();
            self.out.shrink_to(OUT_KEEP);
        }
        Ok(())
    }

    /// Octets of frames that wait to be encrypted.
    pub(crate) fn unsent(&self) -> usize {
        self.out.len() - self.sealed
    }
}

/// Puts frames together.
#[derive(Debug, Default)]
struct Inbox {
    reader: FrameReader,
    header: Vec<u8>,
    body: Vec<u8>,
    body_len: usize,
}

impl Inbox {
    fn take(&mut self, mut input: &[u8], out: &mut Vec<u8>, sink: &mut impl Sink) -> Result<(), LinkError> {
        loop {
            let next = self.reader.next(&mut input).map_err(|_| LinkError::Protocol("a frame's length is no hex number".into()))?;
            match next {
                None => return Ok(()),
                Some(Piece::Header(header)) => {
                    self.header.clear();
                    self.header.extend_from_slice(header);
                    let reply = parse(&self.header)?;
                    self.reader.expect_body(reply.data_len);
                    self.body_len = usize::try_from(reply.data_len).map_err(|_| LinkError::Protocol("datalen".into()))?;
                    if self.body_len == 0 {
                        sink.frame(&Frame { reply, header: &self.header, body: &[] }, out)?;
                    }
                }
                Some(Piece::Body(part)) if part.len() == self.body_len => {
                    sink.frame(&Frame { reply: parse(&self.header)?, header: &self.header, body: part }, out)?;
                }
                Some(Piece::Body(part)) => {
                    self.body.extend_from_slice(part);
                    if self.body.len() == self.body_len {
                        sink.frame(&Frame { reply: parse(&self.header)?, header: &self.header, body: &self.body }, out)?;
                        self.body.clear();
                        self.body.shrink_to(OUT_KEEP);
                    }
                }
            }
        }
    }
}

fn parse(header: &[u8]) -> Result<Reply<'_>, LinkError> {
    Reply::parse(header).ok_or_else(|| LinkError::Protocol(format!("header {}", String::from_utf8_lossy(header))))
}
