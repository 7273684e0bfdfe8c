//! One link with what the server keeps beside it.

use std::net::IpAddr;

use super::inlet::{Inlet, Reading};
use super::outbox::{Outbox, Pins};
use crate::base::{LinkId, Seq};
use crate::limits::{SEALED_MAX, WRITE_BUDGET};
use crate::net::{Link, Received, Sealed, Socket};
use crate::relay::Relay;
use crate::store::{Disk, Store};
use crate::wire::Dialect;

/// How far the end of a link has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// In use.
    Open,
    /// What is in the outbox is the last: then goodbye, and wait for the peer to close.
    Closing,
    /// The peer is gone, or its time is up: what the socket still takes is written, then no more.
    Gone,
}

/// Where records are put together and sealed: one place for all links, since one is written at a time.
#[derive(Debug, Default)]
pub(super) struct Desk {
    plain: Vec<u8>,
    pub(super) out: Sealed,
}

#[derive(Debug)]
pub(super) struct Conn<S> {
    pub(super) id: LinkId,
    /// Where it comes from.
    pub(super) from: Option<IpAddr>,
    pub(super) link: Link<S>,
    pub(super) inlet: Inlet,
    pub(super) outbox: Outbox,
    pub(super) phase: Phase,
    /// It stands in the server's list of readable links.
    pub(super) reads: bool,
    /// It stands in the server's list of writable links.
    pub(super) writes: bool,
    /// The socket took no more; an event will tell when it does.
    pub(super) blocked: bool,
    /// Output waits after the last write.
    pub(super) waits: bool,
    /// The last write moved something, or was the first that could not.
    pub(super) moved: bool,
    /// The relay was told that output waits, and not yet that it does not.
    pub(super) told_blocked: bool,
    /// Its share of the turn was used up with more to write.
    pub(super) unfinished: bool,
    /// It is not read because it does not read.
    pub(super) throttled: bool,
    /// Nobody has logged in on it yet.
    pub(super) stranger: bool,
    /// It broke the layer's protocol.
    pub(super) broken: bool,
    /// Its handshake is not over.
    pub(super) handshaking: bool,
    /// It has got its last word, or waits to.
    pub(super) closing: bool,
    /// It gets nothing more, not even what is ready to go: a device that was dropped may be in the wrong hands.
    pub(super) cut: bool,
}

impl<S> Conn<S> {
    /// Whether the relay knows it as a member's.
    pub(super) fn is_member(&self, relay: &Relay) -> bool {
        relay.is_member(self.id)
    }
}

impl<S: Socket> Conn<S> {
    pub(super) fn new(id: LinkId, link: Link<S>, from: Option<IpAddr>, dialect: Dialect) -> Conn<S> {
        let handshaking = !link.is_ready();
        Conn {
            id,
            from,
            link,
            handshaking,
            closing: false,
            inlet: Inlet::new(dialect),
            outbox: Outbox::default(),
            phase: Phase::Open,
            reads: false,
            writes: false,
            blocked: false,
            waits: false,
            moved: false,
            told_blocked: false,
            unfinished: false,
            throttled: false,
            stranger: true,
            broken: false,
            cut: false,
        }
    }

    /// Reads once, at most `most` octets, and gives what came to the relay; a link that is closing is read, but not heard.
    pub(super) fn receive(&mut self, buffer: &mut [u8], most: usize, reading: &mut Reading<'_>) -> Received {
        if self.phase != Phase::Open {
            return self.link.drain(buffer);
        }
        let (id, inlet) = (self.id, &mut self.inlet);
        self.link.receive(buffer, most, &mut |plain| inlet.feed(id, plain, reading))
    }

    /// Seals and writes as much as the socket takes, up to a turn's share. Whether the link lives.
    /// Messages that are not `owed` any more are left out.
    pub(super) fn write<D: Disk>(&mut self, store: &Store<D>, pins: &mut Pins, desk: &mut Desk, owed: &dyn Fn(Seq) -> bool) -> bool {
        if self.cut {
            return false;
        }
        desk.out.clear();
        self.link.resume(&mut desk.out);
        let Some(moved) = self.write_turn(store, pins, desk, owed) else { return false };
        self.link.keep(&mut desk.out);
        let waited = std::mem::replace(&mut self.waits, !self.link.is_flushed());
        self.blocked = self.waits;
        self.moved = moved > 0 || !waited;
        true
    }

    /// How much went out, if the link lives; what the socket did not take is on the desk.
    fn write_turn<D: Disk>(&mut self, store: &Store<D>, pins: &mut Pins, desk: &mut Desk, owed: &dyn Fn(Seq) -> bool) -> Option<usize> {
        let Desk { plain, out } = desk;
        let mut moved = 0;
        self.unfinished = false;
        loop {
            while self.link.is_ready() && out.len() < SEALED_MAX {
                let record = self.outbox.fill(plain, store, pins, owed);
                if record.is_empty() {
                    break;
                }
                self.link.seal(record, out).ok()?;
            }
            let last_word = self.phase == Phase::Closing && self.outbox.is_empty() && !self.link.is_shut();
            if last_word {
                self.link.say_goodbye(out);
            }
            moved += self.link.flush(out).ok()?;
            if !out.is_empty() {
                break;
            }
            if last_word {
                self.link.shut();
            }
            if self.outbox.is_empty() || !self.link.is_ready() {
                break;
            }
            if moved >= WRITE_BUDGET {
                self.unfinished = true;
                break;
            }
        }
        Some(moved)
    }

    /// Whether nothing is left to do on it.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Gone
    }
}
