//! What can happen to the relay.

use core::net::IpAddr;

use super::command::Command;
use crate::base::{LinkId, Mono, Wall};
use crate::wire::{Dialect, FrameError, Request, RequestError};

/// The time of a turn, read once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// For waiting.
    pub mono: Mono,
    /// For dates and ids.
    pub wall: Wall,
}

/// One event. Everything the relay learns comes as one of these.
#[derive(Debug)]
pub enum Input<'a> {
    /// A peer connected; its TLS handshake has yet to come.
    Opened {
        /// The new link.
        link: LinkId,
        /// Where it comes from, if that is an address of the Internet.
        from: Option<IpAddr>,
    },
    /// Octets came on a link, whole frames or not.
    Heard {
        /// Whose octets.
        link: LinkId,
    },
    /// A request, with as much of its data as came along.
    Request {
        /// Who asks.
        link: LinkId,
        /// What for.
        request: Request<'a>,
        /// The numbering that the link speaks, as far as it is known.
        dialect: Dialect,
        /// The first octets of its data; all of it, most often.
        body: &'a [u8],
    },
    /// More data of the last request.
    Body {
        /// Who sends it.
        link: LinkId,
        /// The next octets.
        octets: &'a [u8],
    },
    /// The peer broke the protocol.
    Broken {
        /// Which link.
        link: LinkId,
        /// How.
        fault: Fault,
    },
    /// Output waits for the peer's socket; some of it went out at this moment, or it began to wait now.
    Blocked {
        /// Which link.
        link: LinkId,
    },
    /// All output has been handed to the peer's socket.
    Drained {
        /// Which link.
        link: LinkId,
    },
    /// The link is gone.
    Closed {
        /// Which link.
        link: LinkId,
    },
    /// How much the store can take.
    Room {
        /// Octets of records, with their overhead, that it takes for sure before it is asked again.
        octets: u64,
        /// Octets that are free on its disk, as far as is known.
        disk: u64,
        /// Whether it takes cursors: all that may ride with one commit.
        cursors: bool,
    },
    /// The operator wants something.
    Command {
        /// What the answer is to bear.
        ticket: u64,
        /// What.
        command: Command,
    },
    /// Time passed.
    Tick,
}

/// What a peer did that no TMTP client does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A frame without end or beginning.
    Frame(FrameError),
    /// A header that means nothing.
    Request(RequestError),
}
