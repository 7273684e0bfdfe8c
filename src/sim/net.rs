//! The network: connections that delay, fill, break and fall silent.
//!
//! Fault model:
//! - Octets of one direction arrive in order or not at all, cut anywhere; so late as the world says.
//! - Each side's buffers hold only so much. A device that does not read fills them, and the relay's writes then block.
//! - A connection ends in one of three ways: the device closes it (what it sent still arrives, then the end); it is reset (both
//!   directions lose what is on its way); or it falls silent, and the relay is told nothing at all.
//! - As a kernel's, a read takes all that is there, up to the buffer; and a change is told once ("edge-triggered").

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use crate::net::Socket;
use crate::relay::Effect;

/// What the relay did, in the order in which it did it.
#[derive(Debug)]
pub(super) enum Seen {
    /// It read so many octets of a connection.
    Read(usize, usize),
    /// It was told that a connection has ended.
    End(usize),
    /// It could not write to a connection.
    WriteFailed(usize),
    /// It gave a connection up.
    Dropped(usize),
    /// It decided something.
    Decided(Effect),
}

/// Shared by all sockets and the bystander.
pub(super) type Log = Rc<RefCell<Vec<Seen>>>;

/// How a connection ends, as the relay's socket sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// The device closed it.
    Closed,
    /// It was reset.
    Reset,
}

/// One connection, with what is on its way on it.
#[derive(Debug)]
pub(super) struct Wire {
    /// The device's octets that have not arrived.
    pub(super) flight: VecDeque<u8>,
    /// Those that have, and were not read.
    arrived: VecDeque<u8>,
    arrived_max: usize,
    /// The device will send no more than `flight`.
    pub(super) closing: bool,
    ending: Option<Ending>,
    /// The relay's octets that the device has not got.
    pub(super) down: VecDeque<u8>,
    down_max: usize,
    /// The relay found no place for an octet, and was not told yet that there is some.
    blocked: bool,
    /// When the relay's last octets were taken, or it began to wait for that.
    pub(super) moved_at: u64,
    /// The relay says no more.
    pub(super) shut: bool,
    /// The relay has given it up.
    pub(super) dropped: bool,
    /// Nothing passes any more, and nobody is told.
    pub(super) silent: bool,
    /// What the relay wrote since somebody last looked.
    pub(super) spoken: Vec<u8>,
}

/// What the relay must be told about a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Edge {
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) ending: bool,
}

impl Wire {
    /// Buffers of these sizes, in octets.
    pub(super) fn new(arrived_max: usize, down_max: usize, now: u64) -> Wire {
        Wire {
            flight: VecDeque::new(),
            arrived: VecDeque::new(),
            arrived_max,
            closing: false,
            ending: None,
            down: VecDeque::new(),
            down_max,
            blocked: false,
            moved_at: now,
            shut: false,
            dropped: false,
            silent: false,
            spoken: Vec::new(),
        }
    }

    /// Lets up to `most` octets of the device arrive, and the end after the last.
    pub(super) fn arrive(&mut self, most: usize) -> Edge {
        if self.silent || self.dropped || self.ending.is_some() {
            return Edge::default();
        }
        let count = self.flight.len().min(most).min(self.arrived_max - self.arrived.len());
        self.arrived.extend(self.flight.drain(..count));
        let ends = self.closing && self.flight.is_empty();
        if ends {
            self.ending = Some(Ending::Closed);
        }
        Edge { readable: count > 0 || ends, writable: false, ending: ends }
    }

    /// Whether anything can still arrive.
    pub(super) fn has_more(&self) -> bool {
        !self.silent && !self.dropped && self.ending.is_none() && (!self.flight.is_empty() || self.closing)
    }

    /// The connection is reset: what was on its way is lost.
    pub(super) fn reset(&mut self) -> Edge {
        self.ending = Some(Ending::Reset);
        self.flight.clear();
        self.arrived.clear();
        self.down.clear();
        Edge { readable: true, writable: true, ending: true }
    }

    /// The device takes up to `most` octets.
    pub(super) fn take(&mut self, most: usize) -> (Vec<u8>, Edge) {
        if self.silent {
            return (Vec::new(), Edge::default());
        }
        let count = self.down.len().min(most);
        let octets = self.down.drain(..count).collect();
        let writable = std::mem::take(&mut self.blocked) && count > 0;
        self.blocked &= count == 0;
        (octets, Edge { writable, ..Edge::default() })
    }

    /// Whether the relay waits for the device to read.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether the device has all that the relay will ever say.
    pub(super) fn is_over(&self) -> bool {
        self.ending == Some(Ending::Reset) || (self.shut || self.dropped) && self.down.is_empty() && !self.silent
    }
}

/// The relay's end of a connection.
pub(super) struct End {
    pub(super) wire: Rc<RefCell<Wire>>,
    /// The connection's number.
    pub(super) number: usize,
    pub(super) log: Log,
    /// The present moment.
    pub(super) now: Rc<Cell<u64>>,
}

impl Socket for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.wire.borrow_mut();
        let count = wire.arrived.len().min(buffer.len());
        if count == 0 {
            let Some(ending) = wire.ending else { return Err(io::ErrorKind::WouldBlock.into()) };
            self.log.borrow_mut().push(Seen::End(self.number));
            return if ending == Ending::Reset { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(0) };
        }
        buffer.iter_mut().zip(wire.arrived.drain(..count)).for_each(|(to, from)| *to = from);
        self.log.borrow_mut().push(Seen::Read(self.number, count));
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let wire = &mut *self.wire.borrow_mut();
        if wire.ending == Some(Ending::Reset) {
            self.log.borrow_mut().push(Seen::WriteFailed(self.number));
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        assert!(!wire.shut, "nothing is written after the last word");
        let count = octets.len().min(wire.down_max - wire.down.len());
        if count > 0 || !wire.blocked {
            wire.moved_at = self.now.get();
        }
        wire.blocked = count < octets.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.down.extend(&octets[..count]);
        wire.spoken.extend_from_slice(&octets[..count]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.wire.borrow_mut().shut = true;
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.wire.borrow_mut().dropped = true;
        self.log.borrow_mut().push(Seen::Dropped(self.number));
    }
}
