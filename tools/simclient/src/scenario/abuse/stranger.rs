//! One stranger: what it does to its connection, and what the relay does about that.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mnm_client::{Frame, Link, LinkError, Sink, request};

use super::Target;

/// What a stranger does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Octets that are no TLS.
    Garbage,
    /// Nothing at all, on an open connection.
    HalfOpen,
    /// A TLS handshake an octet at a time.
    Trickle,
    /// TLS and TmtpRev, then the start of a request an octet at a time.
    TrickledLogin,
    /// TLS, then a frame of which the header alone is too long, or no frame.
    Oversized,
    /// TLS and TmtpRev, then a message of a gigabyte from nobody.
    HugeBody,
}

impl Kind {
    pub(super) const ALL: [Kind; 6] = [Kind::Garbage, Kind::HalfOpen, Kind::Trickle, Kind::TrickledLogin, Kind::Oversized, Kind::HugeBody];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Garbage => "garbage",
            Kind::HalfOpen => "half_open",
            Kind::Trickle => "trickle",
            Kind::TrickledLogin => "trickled_login",
            Kind::Oversized => "oversized",
            Kind::HugeBody => "huge_body",
        }
    }

    fn speaks_tls(self) -> bool {
        matches!(self, Kind::TrickledLogin | Kind::Oversized | Kind::HugeBody)
    }
}

/// The first octets of a handshake: a record of 512 octets that never gets whole in time.
const HELLO: [u8; 9] = [22, 3, 1, 2, 0, 1, 0, 1, 252];
/// Octets between two looks at the socket.
const FLOOD: usize = 16 << 10;
/// A relay that does not answer a connect is left alone for this long.
const PAUSE: Duration = Duration::from_millis(200);
/// A connection that the relay keeps for this long is given up: it would keep it for ever.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

enum Wire {
    Plain(TcpStream),
    Tls(Box<Link<TcpStream>>),
}

/// One stranger.
pub(super) struct Stranger {
    pub(super) kind: Kind,
    /// Connections that were made, and those of them that the relay has ended.
    pub(super) connected: u64,
    pub(super) closed: u64,
    /// The longest that the relay kept one.
    pub(super) longest: Duration,
    wire: Option<(Wire, Instant)>,
    /// Steps on this connection.
    steps: u64,
    not_before: Option<Instant>,
}

impl Stranger {
    pub(super) fn new(kind: Kind) -> Stranger {
        Stranger { kind, connected: 0, closed: 0, longest: Duration::ZERO, wire: None, steps: 0, not_before: None }
    }

    /// Does the next bit of it.
    pub(super) fn step(&mut self, target: &Target, now: Instant) {
        let Some((wire, since)) = &mut self.wire else { return self.connect(target, now) };
        let since = *since;
        self.steps += 1;
        let alive = match wire {
            Wire::Plain(socket) => molest(self.kind, socket, self.steps),
            Wire::Tls(link) => molest_by_tls(self.kind, link, self.steps),
        };
        self.longest = self.longest.max(now.saturating_duration_since(since));
        if !alive {
            self.closed += 1;
        }
        if !alive || now.saturating_duration_since(since) > PATIENCE {
            self.wire = None;
        }
    }

    fn connect(&mut self, target: &Target, now: Instant) {
        if self.not_before.is_some_and(|at| now < at) {
            return;
        }
        self.steps = 0;
        let connected =
            TcpStream::connect_timeout(&target.addr, CONNECT_TIMEOUT).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let wire = match connected {
            Ok(socket) if self.kind.speaks_tls() => {
                Link::new(socket, target.tls.clone(), target.server_name.clone()).ok().map(|link| Wire::Tls(Box::new(link)))
            }
            Ok(socket) => Some(Wire::Plain(socket)),
            Err(_) => None,
        };
        match wire {
            Some(wire) => {
                self.connected += 1;
                self.wire = Some((wire, now));
            }
            None => self.not_before = Some(now + PAUSE),
        }
    }
}

/// Whether the connection is still there.
fn molest(kind: Kind, socket: &mut TcpStream, step: u64) -> bool {
    let written = match kind {
        Kind::Garbage => socket.write(&step.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes().repeat(64)),
        Kind::Trickle if step.is_multiple_of(5) => socket.write(&[*HELLO.get(step as usize / 5 - 1).unwrap_or(&0)]),
        Kind::Trickle | Kind::HalfOpen | Kind::TrickledLogin | Kind::Oversized | Kind::HugeBody => Ok(0),
    };
    if written.is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
        return false;
    }
    match socket.read(&mut [0; 4096]) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn molest_by_tls(kind: Kind, link: &mut Link<TcpStream>, step: u64) -> bool {
    if link.unsent() == 0 {
        match kind {
            Kind::TrickledLogin if step == 1 => request::tmtprev(&mut link.out),
            Kind::TrickledLogin if step.is_multiple_of(5) => link.out.push(b"0100{ "[(step as usize / 5 - 1).min(5)]),
            Kind::Oversized => {
                if step == 1 {
                    link.out.extend_from_slice(b"ffff{");
                }
                link.out.resize(link.out.len() + FLOOD, b' ');
            }
            Kind::HugeBody => {
                if step == 1 {
                    request::tmtprev(&mut link.out);
                    let data = request::Data { len: 1 << 30, ..request::Data::default() };
                    request::post(&mut link.out, "x", &[], data);
                }
                link.out.resize(link.out.len() + FLOOD, 0);
            }
            Kind::TrickledLogin | Kind::Garbage | Kind::HalfOpen | Kind::Trickle => {}
        }
    }
    link.flush().is_ok() && link.receive(false, &mut [0; 4096], &mut Deaf).is_ok()
}

/// Hears all and heeds nothing but that it is over.
struct Deaf;

impl Sink for Deaf {
    fn frame(&mut self, frame: &Frame<'_>, _out: &mut Vec<u8>) -> Result<(), LinkError> {
        if frame.reply.op == "quit" {
            return Err(LinkError::Quit(frame.reply.error.unwrap_or("").to_owned()));
        }
        Ok(())
    }
}
