//! One turn of the loop: bytes in, decisions, log, bytes out.
//!
//! [`Server::turn`] is the whole order on one page. It knows sockets and disks only as traits, so the same turn
//! runs over TCP and TLS, and in a simulator. The way in is `inlet` (bytes → inputs), the way out `gate` (held
//! until durable) and `outbox` (effects → bytes).
//!
//! Failures: a [`StoreError`] ends the process, since memory is ahead of the disk; anything a peer does ends one link.

mod alone;
mod backup;
mod clock;
mod confinement;
mod conn;
pub mod control;
mod damage_report;
mod door;
mod error;
mod gate;
mod host;
mod inlet;
mod intake;
mod listeners;
mod manager;
mod metrics;
mod outbox;
mod recovery;
mod reload;
mod repair;
mod room;
mod run;
mod settings;
mod shell;
mod status;
mod web;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use slab::Slab;

use self::conn::{Conn, Desk, Phase};
use self::inlet::Reading;
use self::intake::Intake;
use self::metrics::Metrics;
use self::outbox::Pins;
use self::room::Room;
use crate::base::{Limit, LinkId, Mono};
use crate::limits::{
    BULK_COURTESY, BULK_PIECE, MAINTENANCE_RATIO, MAINTENANCE_STEPS_MAX, OUTPUT_MAX, OUTPUT_READ_MAX, READ_BUDGET, READ_BUFFER,
    SPARE_AGE_MAX, TURN_BYTES_MAX, TURN_EFFECTS_MAX, TURN_HANDSHAKES_MAX,
};
use crate::net::{Layer, Link, Received, Socket};
use crate::relay::{Answer, Command, Effect, Input, Now, Relay, Settings};
use crate::store::{Disk, Options, Store, StoreError};
use crate::wire::{Dialect, RequestLimits};

pub use alone::alone;
pub use backup::{Backup, backup};
pub use clock::Clock;
pub use error::RunError;
pub use host::{Address, Mailbox, Served};
#[cfg(feature = "sim")]
pub use intake::Bystander;
pub use listeners::{Listeners, Refusal};
pub use metrics::Stopwatch;
pub use recovery::{Facts, Verified, recover, recover_watched, verify, verify_directory};
pub use reload::Changes;
pub use repair::{Means, Repair, repair};
pub use run::{Again, descriptors, run, run_within};
pub use settings::settings;
pub use status::Status;
pub use web::probe as probe_metrics;

/// Links that ended before anybody logged in on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Strangers {
    /// How many.
    pub ended: u64,
    /// How many of them broke the layer's protocol, or spoke another.
    pub broken: u64,
}

/// A link that has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Departed {
    /// Where it came from.
    pub from: Option<IpAddr>,
    /// It never said anything, and so cost nothing.
    pub silent: bool,
}

/// What looking up one device of a request's recipients counts for in its link's share of the turn, in octets: some ten
/// nanoseconds, the time that reading as many takes.
const OCTETS_PER_DEVICE: usize = 8;

/// The relay with its links and its log.
pub struct Server<S: Socket, D: Disk> {
    relay: Relay,
    store: Store<D>,
    intake: Intake,
    conns: Slab<Conn<S>>,
    accepted: u32,
    pins: Pins,
    limits: RequestLimits,
    dialect: Dialect,
    room: Room,
    /// Links with something to read, in the order in which they get their turn.
    readable: VecDeque<usize>,
    /// So many at the front of `readable` did not get their turn in the last one.
    left_over: usize,
    /// Links with something to write, as far as we know.
    writable: Vec<usize>,
    /// Links with a login that waits for another link's end.
    held: BTreeSet<usize>,
    /// A link has ended since those were tried.
    ended: bool,
    effects: Vec<Effect>,
    buffer: Vec<u8>,
    desk: Desk,
    /// Octets of records since the last upkeep.
    upkeep_due: usize,
    /// This turn has waited for the disk.
    committed: bool,
    /// Upkeep was left out in the last turn.
    upkeep_waits: bool,
    /// When members had last something to say, besides large uploads.
    heard_at: Mono,
    /// The log has upkeep to do.
    maintenance: bool,
    /// When the log is next to give back what it has not used.
    trim_at: Option<Mono>,
    /// Something was written since it last did.
    stirred: bool,
    strangers: Strangers,
    /// Where links came from that have gone.
    departed: Vec<Departed>,
    metrics: Metrics,
    /// What commits are timed with, if they are.
    stopwatch: Option<Stopwatch>,
    /// Answers to commands.
    answers: Vec<(u64, Answer)>,
}

impl<S: Socket, D: Disk> Server<S, D> {
    /// A server without links.
    pub fn new(relay: Relay, store: Store<D>, options: Options, limits: RequestLimits, dialect: Dialect) -> Server<S, D> {
        Server {
            relay,
            intake: Intake::new(store.durable()),
            store,
            conns: Slab::new(),
            accepted: 0,
            pins: Pins::default(),
            limits,
            dialect,
            room: Room::new(options.segment_bytes),
            readable: VecDeque::new(),
            left_over: 0,
            writable: Vec::new(),
            held: BTreeSet::new(),
            ended: false,
            effects: Vec::new(),
            buffer: vec![0; READ_BUFFER],
            desk: Desk::default(),
            upkeep_due: 0,
            committed: false,
            upkeep_waits: false,
            heard_at: Mono::default(),
            maintenance: true,
            trim_at: Some(Mono::default().plus(SPARE_AGE_MAX)),
            stirred: false,
            strangers: Strangers::default(),
            departed: Vec::new(),
            metrics: Metrics::default(),
            stopwatch: None,
            answers: Vec::new(),
        }
    }

    /// Lets somebody look on from now on.
    #[cfg(feature = "sim")]
    pub fn watch(&mut self, bystander: Bystander) {
        self.intake.bystander = Some(bystander);
    }

    /// Takes a new connection in, with the address it comes from; returns its slot, by which readiness is reported.
    pub fn open(&mut self, socket: S, layer: Layer, from: Option<IpAddr>, now: Now) -> usize {
        let entry = self.conns.vacant_entry();
        let slot = entry.key();
        let id = LinkId { slot: u32::try_from(slot).expect("fewer than 2^32 links"), generation: self.accepted };
        self.accepted = self.accepted.wrapping_add(1);
        let conn = entry.insert(Conn::new(id, Link::new(socket, layer), from, self.dialect));
        self.metrics.accepted += 1;
        self.metrics.handshaking += usize::from(conn.handshaking);
        self.relay.handle(Input::Opened { link: id, from }, now, &mut self.effects);
        slot
    }

    /// A connection that cannot be watched is given up.
    pub fn abandon(&mut self, slot: usize, now: Now) {
        if self.conns.contains(slot) {
            self.remove(slot, now);
        }
    }

    /// The socket of a link, for the shell that watches it.
    pub fn socket_mut(&mut self, slot: usize) -> Option<&mut S> {
        self.conns.get_mut(slot).map(|conn| conn.link.socket_mut())
    }

    /// A link's peer will send no more than what is there to be read.
    pub fn ending(&mut self, slot: usize) {
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.link.note_ending();
            conn.throttled = false;
        }
    }

    /// A link can be read or written. It takes part in the next turn.
    pub fn ready(&mut self, slot: usize, readable: bool, writable: bool) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if readable && !conn.reads {
            conn.reads = true;
            self.readable.push_back(slot);
        }
        if writable {
            conn.blocked = false;
            mark_writable(conn, slot, &mut self.writable);
        }
    }

    /// Whether a turn has something to do although nothing new happened.
    pub fn has_work(&self) -> bool {
        self.maintenance
            || self.upkeep_waits
            || self.ended && !self.held.is_empty()
            || !self.intake.gate.is_empty()
            || !self.readable.is_empty()
            || !self.writable.is_empty()
    }

    /// When the next turn must come though nothing happened.
    pub fn next_deadline(&self) -> Option<Mono> {
        let held = self.held.iter().filter_map(|&slot| self.conns.get(slot)?.inlet.held_until());
        held.chain(self.relay.next_deadline()).chain(self.trim_at).min()
    }

    /// How many links there are.
    pub fn links(&self) -> usize {
        self.conns.len()
    }

    /// Takes a command of the operator's in. It is done in the next turn at the latest.
    ///
    /// # Errors
    /// [`StoreError`]: the process must end.
    pub fn command(&mut self, ticket: u64, command: Command, now: Now) -> Result<(), StoreError> {
        self.room.tell(&mut self.store, &mut self.relay, now, &mut self.effects)?;
        self.relay.handle(Input::Command { ticket, command }, now, &mut self.effects);
        self.absorb()
    }

    /// Answers to commands that may be told, each with its ticket.
    pub fn take_answers(&mut self) -> Vec<(u64, Answer)> {
        std::mem::take(&mut self.answers)
    }

    /// The strangers who have gone since this was asked last.
    pub fn take_strangers(&mut self) -> Strangers {
        std::mem::take(&mut self.strangers)
    }

    /// Where the links came from that have gone since this was asked last.
    pub fn take_departed(&mut self) -> Vec<Departed> {
        std::mem::take(&mut self.departed)
    }

    /// Other settings from now on: see [`Relay::configure`].
    pub fn configure(&mut self, settings: Settings, limits: RequestLimits) {
        self.dialect = settings.dialect;
        self.limits = limits;
        self.relay.configure(settings);
    }

    /// Whether nothing is on its way to anybody who is here: no delivery without its ack, no octet that a socket did not take.
    pub fn is_quiet(&self) -> bool {
        self.intake.gate.is_empty()
            && self.readable.is_empty()
            && !self.relay.has_uploads()
            && self.relay.deliveries_in_flight() == 0
            && self.conns.iter().all(|(_, conn)| conn.outbox.is_empty() && !conn.waits)
    }

    /// The relay, to look at.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// The log, to look at.
    pub fn store(&self) -> &Store<D> {
        &self.store
    }

    /// One turn. The order matters:
    ///
    /// 1. every readable link in rotation, who was left over first, then members: the end of a node's link is seen before
    ///    its next login;
    /// 2. timers, after what came in time was heard, however long the last turn took;
    /// 3. one commit for all that was decided (lazy records ride along), since a batch costs as much as one record;
    /// 4. what waited for it is released, and written as far as sockets take it;
    /// 5. links that are done are closed;
    /// 6. one bounded step of the log's upkeep.
    ///
    /// # Errors
    /// [`StoreError`]: the process must end.
    pub fn turn(&mut self, now: Now) -> Result<(), StoreError> {
        self.hear(now)?;
        self.conclude(now)
    }

    /// The first part of a [turn](Self::turn), for a shell that looks once more who is ready before the second.
    ///
    /// # Errors
    /// [`StoreError`]: the process must end.
    pub fn hear(&mut self, now: Now) -> Result<(), StoreError> {
        self.room.tell(&mut self.store, &mut self.relay, now, &mut self.effects)?;
        self.read_all(now)
    }

    /// Whether the turn will wait for the disk, and has heard all who were ready: whoever else has something to say by now had
    /// better say it before.
    pub fn hears_more(&self) -> bool {
        self.relay.barrier() > self.store.durable() && self.readable.is_empty()
    }

    /// The rest of a turn.
    ///
    /// # Errors
    /// [`StoreError`]: the process must end.
    pub fn conclude(&mut self, now: Now) -> Result<(), StoreError> {
        self.retry_held(now)?;
        self.note_progress(now);
        self.relay.handle(Input::Tick, now, &mut self.effects);
        self.absorb()?;
        self.commit(now)?;
        self.release();
        self.write_all(now);
        self.absorb()?;
        self.upkeep_due += std::mem::take(&mut self.intake.written);
        self.maintain(now.mono)
    }

    /// Upkeep in proportion to what was written, so that it neither falls behind nor makes a turn long.
    fn maintain(&mut self, now: Mono) -> Result<(), StoreError> {
        // Who waits for this turn's end should not wait for two syncs, unless upkeep has waited a turn already.
        self.upkeep_waits = std::mem::take(&mut self.committed) && !self.upkeep_waits;
        if self.upkeep_waits {
            return Ok(());
        }
        let written = std::mem::take(&mut self.upkeep_due);
        // What upkeep itself sets free counts too.
        if written > 0 || self.maintenance {
            self.stirred = true;
            self.trim_at.get_or_insert(now.plus(SPARE_AGE_MAX));
        }
        if self.trim_at.is_some_and(|at| at <= now) {
            self.trim_at = std::mem::take(&mut self.stirred).then(|| now.plus(SPARE_AGE_MAX));
            self.store.trim();
        }
        for _ in 0..=(written / MAINTENANCE_RATIO).min(MAINTENANCE_STEPS_MAX) {
            self.maintenance = self.store.maintain()?;
            if !self.maintenance {
                break;
            }
        }
        Ok(())
    }

    /// The last turn: everything decided becomes durable, and what can be written without waiting is.
    ///
    /// # Errors
    /// [`StoreError`], as for any commit.
    pub fn stop(mut self, now: Now) -> Result<(), StoreError> {
        loop {
            self.room.tell(&mut self.store, &mut self.relay, now, &mut self.effects)?;
            self.relay.settle();
            self.commit(now)?;
            if self.relay.is_settled() {
                break;
            }
        }
        self.release();
        self.write_all(now);
        for (_, conn) in &mut self.conns {
            let out = &mut self.desk.out;
            out.clear();
            conn.link.resume(out);
            conn.link.say_goodbye(out);
            // The process ends either way; who does not take this finds the connection closed.
            let _ = conn.link.flush(out);
        }
        self.effects.clear();
        self.store.close()
    }

    fn read_all(&mut self, now: Now) -> Result<(), StoreError> {
        let (mut slots, mut postponed) = self.rotation(now);
        let mut handshakes = 0;
        while let Some(slot) = slots.pop_front() {
            let in_handshake = self.conns.get(slot).is_some_and(|conn| !conn.link.is_ready());
            handshakes += usize::from(in_handshake);
            self.read(slot, now)?;
            if self.intake.written >= TURN_BYTES_MAX || self.intake.gate.len() >= TURN_EFFECTS_MAX || handshakes >= TURN_HANDSHAKES_MAX {
                break;
            }
        }
        // Who did not get a turn in this one is first in the next, whoever it is, or newcomers would wait for ever on a busy site.
        slots.append(&mut postponed);
        self.left_over = slots.len();
        slots.append(&mut self.readable);
        self.readable = slots;
        Ok(())
    }

    /// Who is read in this turn, in order, and who is not although there is something to read.
    ///
    /// Large uploads wait a turn where somebody else has something to say, whose answer would wait for their octets to be
    /// written; then they are left over, and first. For a while they are read in small pieces only.
    fn rotation(&mut self, now: Now) -> (VecDeque<usize>, VecDeque<usize>) {
        let mut slots = std::mem::take(&mut self.readable);
        let fresh = slots.split_off(std::mem::take(&mut self.left_over).min(slots.len()));
        let is = |slot: usize, what: fn(&Conn<S>, &Relay) -> bool| self.conns.get(slot).is_some_and(|conn| what(conn, &self.relay));
        let (members, others): (Vec<usize>, Vec<usize>) = fresh.into_iter().partition(|&slot| is(slot, Conn::is_member));
        let (bulk, members): (Vec<usize>, Vec<usize>) = members.into_iter().partition(|&slot| is(slot, |conn, _| conn.inlet.is_bulk()));
        let mut postponed = VecDeque::new();
        if !members.is_empty() {
            self.heard_at = now.mono;
        }
        if slots.is_empty() && !members.is_empty() {
            postponed.extend(bulk);
        } else {
            slots.extend(bulk);
        }
        slots.extend(members.into_iter().chain(others));
        (slots, postponed)
    }

    /// Reads a link until its budget is used, it has no more, or it has too much unread output to be heard. One whose
    /// peer is done is read to the end: its node must be free before the peer logs in again, and what is
    /// left is no more than the socket holds.
    fn read(&mut self, slot: usize, now: Now) -> Result<(), StoreError> {
        let Some(conn) = self.conns.get_mut(slot) else { return Ok(()) };
        conn.reads = false;
        conn.stranger &= !conn.is_member(&self.relay);
        let mut budget = READ_BUDGET;
        loop {
            if conn.inlet.held_until().is_some() {
                self.held.insert(slot);
                break;
            }
            if conn.phase == Phase::Open && conn.outbox.weight() > OUTPUT_READ_MAX && !conn.link.is_ending() {
                conn.throttled = true;
                return Ok(());
            }
            let mut reading = Reading { relay: &mut self.relay, limits: &self.limits, now, out: &mut self.effects };
            let shy = conn.inlet.is_bulk() && now.mono.since(self.heard_at) < BULK_COURTESY;
            let received = conn.receive(&mut self.buffer, if shy { BULK_PIECE } else { READ_BUFFER }, &mut reading);
            if let Received::Broken(error) = &received {
                log::debug!(link = conn.id.text(); "a link breaks: {error}");
                conn.broken = true;
            }
            if matches!(received, Received::End | Received::Broken(_)) {
                self.relay.handle(Input::Closed { link: conn.id }, now, &mut self.effects);
                self.ended = true;
                conn.phase = Phase::Gone;
            }
            // After each buffer, since what the log takes is told for a few of them only.
            self.intake.absorb(&mut self.effects, &mut self.store)?;
            self.room.tell(&mut self.store, &mut self.relay, now, &mut self.effects)?;
            // Work is counted link by link: nobody waits because many others have asked for a little.
            let work = self.relay.take_work();
            match received {
                Received::Blocked => {
                    if conn.inlet.held_until().is_some() {
                        self.held.insert(slot);
                    }
                    break;
                }
                Received::More => {}
                Received::End | Received::Broken(_) => break,
            }
            // Requests to very many devices are work, however few octets they are.
            budget = budget.saturating_sub(READ_BUFFER + work * OCTETS_PER_DEVICE);
            if budget == 0 && !conn.link.is_ending() {
                conn.reads = true;
                self.readable.push_back(slot);
                break;
            }
        }
        conn.stranger &= !conn.is_member(&self.relay);
        if conn.handshaking && conn.link.is_ready() {
            conn.handshaking = false;
            self.metrics.handshaking -= 1;
            self.metrics.handshakes += 1;
        }
        // A handshake's answer, or the end of the link, is work for the writing part of the turn.
        mark_writable(conn, slot, &mut self.writable);
        Ok(())
    }

    /// Tries the held logins again whose time is up, or all of them if some link has ended.
    ///
    /// # Errors
    /// [`StoreError`], as for any turn.
    fn retry_held(&mut self, now: Now) -> Result<(), StoreError> {
        let ended = std::mem::take(&mut self.ended);
        let slots: Vec<usize> = self.held.iter().copied().collect();
        for slot in slots {
            let until = self.conns.get(slot).and_then(|conn| conn.inlet.held_until());
            if until.is_some_and(|until| until > now.mono && !ended) {
                continue;
            }
            self.held.remove(&slot);
            let Some(conn) = self.conns.get_mut(slot) else { continue };
            if conn.phase == Phase::Open && conn.outbox.weight() > OUTPUT_READ_MAX && !conn.link.is_ending() {
                conn.throttled = true;
                continue;
            }
            let mut reading = Reading { relay: &mut self.relay, limits: &self.limits, now, out: &mut self.effects };
            conn.inlet.retry(conn.id, &mut reading);
            self.relay.take_work();
            let is_held = conn.inlet.held_until().is_some();
            // As after each buffer that is read.
            self.intake.absorb(&mut self.effects, &mut self.store)?;
            self.room.tell(&mut self.store, &mut self.relay, now, &mut self.effects)?;
            if is_held {
                self.held.insert(slot);
            } else {
                // Reading stopped for it, and the event that told of more is spent.
                self.ready(slot, true, false);
            }
        }
        Ok(())
    }

    /// Sockets that take something again have moved since they were written to, however long the last turn took: their peers
    /// are no stalled ones.
    fn note_progress(&mut self, now: Now) {
        for &slot in &self.writable {
            if let Some(conn) = self.conns.get(slot).filter(|conn| conn.told_blocked && !conn.blocked) {
                self.relay.handle(Input::Blocked { link: conn.id }, now, &mut self.effects);
            }
        }
    }

    fn absorb(&mut self) -> Result<(), StoreError> {
        self.intake.absorb(&mut self.effects, &mut self.store)
    }

    fn commit(&mut self, now: Now) -> Result<(), StoreError> {
        let bound = self.relay.barrier() > self.store.durable();
        if !bound && !self.relay.presses(now.mono) {
            return self.store.write_ahead();
        }
        self.relay.before_commit(now, &mut self.effects);
        self.absorb()?;
        let began = self.stopwatch.as_ref().map(|now| now());
        self.store.commit()?;
        let took = self.stopwatch.as_ref().zip(began).map(|(now, began)| now().since(began));
        self.metrics.note_commit(took, self.intake.appended);
        self.committed = true;
        Ok(())
    }

    /// Grants what the log's durable end allows.
    fn release(&mut self) {
        while let Some(effect) = self.intake.gate.release(self.store.durable()) {
            match effect {
                Effect::Send { link, frame, .. } => self.output(link, |conn| conn.outbox.push_frame(frame)),
                Effect::Deliver { link, message, again, .. } => {
                    self.metrics.delivered += u64::from(!again);
                    self.metrics.redelivered += u64::from(again);
                    self.output(link, |conn| conn.outbox.push_message(message, again));
                }
                Effect::Close { link, .. } => {
                    let mut closes = false;
                    self.output(link, |conn| {
                        closes = !std::mem::replace(&mut conn.closing, true);
                        conn.phase = Phase::Closing;
                    });
                    self.metrics.closing += usize::from(closes);
                }
                Effect::Cut { link } => self.output(link, |conn| (conn.phase, conn.cut) = (Phase::Gone, true)),
                Effect::Forget { seqs, .. } => {
                    for seq in seqs {
                        if !self.pins.defer(seq) {
                            self.store.forget(seq);
                        }
                    }
                }
                Effect::Answer { ticket, answer, .. } => self.answers.push((ticket, *answer)),
                Effect::Append { .. } => unreachable!("records go to the log, not to the gate"),
            }
        }
    }

    fn output(&mut self, link: LinkId, act: impl FnOnce(&mut Conn<S>)) {
        let slot = link.slot as usize;
        let Some(conn) = self.conns.get_mut(slot).filter(|conn| conn.id == link) else { return };
        act(conn);
        if conn.outbox.weight() > OUTPUT_MAX && conn.phase != Phase::Gone {
            log::info!(link = link.text(); "the link ends: does not read what it is sent");
            self.metrics.refuse(Limit::Output);
            conn.phase = Phase::Gone;
        }
        mark_writable(conn, slot, &mut self.writable);
    }

    fn write_all(&mut self, now: Now) {
        for slot in std::mem::take(&mut self.writable) {
            let Some(conn) = self.conns.get_mut(slot) else { continue };
            conn.writes = false;
            let (relay, id) = (&self.relay, conn.id);
            let alive = conn.write(&self.store, &mut self.pins, &mut self.desk, &|message| relay.owes(id, message));
            if !alive || conn.is_done() {
                self.remove(slot, now);
                continue;
            }
            if conn.unfinished {
                mark_writable(conn, slot, &mut self.writable);
            }
            let id = conn.id;
            if (conn.waits || conn.unfinished) && conn.moved {
                conn.told_blocked = true;
                self.relay.handle(Input::Blocked { link: id }, now, &mut self.effects);
            } else if conn.told_blocked && !conn.waits && !conn.unfinished {
                conn.told_blocked = false;
                self.relay.handle(Input::Drained { link: id }, now, &mut self.effects);
            }
            if conn.throttled && conn.outbox.weight() <= OUTPUT_READ_MAX {
                conn.throttled = false;
                self.ready(slot, true, false);
            }
        }
        for seq in self.pins.undeferred() {
            self.store.forget(seq);
        }
    }

    fn remove(&mut self, slot: usize, now: Now) {
        let mut conn = self.conns.remove(slot);
        if conn.stranger {
            self.strangers.ended += 1;
            self.strangers.broken += u64::from(conn.broken);
        }
        self.departed.push(Departed { from: conn.from, silent: !conn.link.has_heard() });
        self.metrics.closing -= usize::from(conn.closing);
        self.metrics.handshaking -= usize::from(conn.handshaking);
        self.metrics.failed_handshakes += u64::from(conn.handshaking);
        conn.outbox.unpin(&mut self.pins);
        self.held.remove(&slot);
        self.ended = true;
        self.relay.handle(Input::Closed { link: conn.id }, now, &mut self.effects);
    }
}

fn mark_writable<S>(conn: &mut Conn<S>, slot: usize, writable: &mut Vec<usize>) {
    // A link that has come to its end is looked at although its socket takes nothing.
    if !conn.writes && (!conn.blocked || conn.phase == Phase::Gone) {
        conn.writes = true;
        writable.push(slot);
    }
}
