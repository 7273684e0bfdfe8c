//! The world of one seed: time, and what happens in it until it is quiet.
//!
//! It turns the real server as the program does: it waits for the next thing to happen, tells the server which sockets are
//! ready, and lets it take a turn. Between any two calls to the disk the power may go; what starts then is a new process.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::AddAssign;
use std::rc::Rc;

use super::checks::{Checked, Checks, Item, Moment, Oracle, Side, Violation};
use super::device::{Device, News, Words};
use super::disk::{Keep, MemDisk};
use super::net::{Edge, End, Log, Seen, Wire};
use super::plan::{MICRO, MILLI, Plan, SECOND};
use super::plant::Plant;
use super::prng::Prng;
use super::trace::Trace;
use super::workload;
use crate::base::{LinkId, Mono, Wall};
use crate::limits::RECIPIENTS_MAX;
use crate::net::Layer;
use crate::relay::{Now, Relay};
use crate::server::{Server, recover};
use crate::store::{Options, StoreError};
use crate::wire::{Dialect, RequestLimits};

/// Heavy checks are made once in so many turns.
const SAMPLE: u64 = 64;
/// Things that may happen before a world is told to come to rest, whatever its plan.
const EVENTS_MAX: u64 = 300_000;
/// A world that is told to come to rest has so long for it.
const REST_MAX: u64 = 3600 * SECOND;
/// So long after space is back, requests may still be refused for want of it.
const TIGHT_AFTER: u64 = 10 * SECOND;
/// So many turns without anything that happens are a relay that spins. Upkeep of a small log takes some hundreds.
const IDLE_TURNS_MAX: u64 = 5_000;
/// The wall clock at the beginning: November 2023.
const EPOCH: i64 = 1_700_000_000 * SECOND as i64;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    /// A device may want to do something.
    Wake(usize),
    /// Octets reach the relay.
    Up(usize),
    /// Octets reach the device.
    Down(usize),
    /// A stranger comes.
    Stranger,
    /// A stranger goes.
    Leave(usize),
    /// Something happens to disk or clock.
    Chore,
}

/// How the process will end next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// The power goes at some call.
    Power,
    /// It is killed after a turn, once so many calls were made.
    Kill(u64),
    /// Some call fails.
    Failure,
    /// It is told to stop, likewise.
    Stop(u64),
    /// Not at all.
    None,
}

struct Entry {
    wire: Rc<RefCell<Wire>>,
    slot: usize,
    /// Nobody's if it is a stranger's.
    device: Option<usize>,
    coming_up: bool,
    /// More octets are on their way behind those that have arrived.
    followed: bool,
    coming_down: bool,
}

/// How many of what there were.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Ends of the process, of all kinds.
    pub crashes: u64,
    /// Recoveries that were cut short.
    pub cut_recoveries: u64,
    /// Requests that the relay read.
    pub requests: u64,
    /// Messages that went out.
    pub deliveries: u64,
    /// Requests refused for want of space.
    pub refused: u64,
    /// Turns of the server.
    pub turns: u64,
    /// Simulated nanoseconds.
    pub nanos: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.crashes += other.crashes;
        self.cut_recoveries += other.cut_recoveries;
        self.requests += other.requests;
        self.deliveries += other.deliveries;
        self.refused += other.refused;
        self.turns += other.turns;
        self.nanos += other.nanos;
    }
}

pub(super) struct World {
    plan: Plan,
    plant: Plant,
    now: Rc<Cell<u64>>,
    agenda: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    disk: MemDisk,
    server: Option<Server<End, MemDisk>>,
    segment_bytes: u32,
    /// The largest that was chosen so far.
    segment_max: u32,
    fate: Fate,
    /// When the process started.
    mono_base: u64,
    /// What the wall clock is ahead, besides its drift.
    wall_offset: i64,
    opened: u32,
    wires: BTreeMap<usize, Entry>,
    next_wire: usize,
    log: Log,
    pub(super) checks: Checks,
    devices: Vec<Device>,
    registrations: usize,
    /// Turns since anything happened.
    idle_turns: u64,
    tight_until: u64,
    starved: bool,
    calm: bool,
    pub(super) trace: Trace,
    pub(super) counts: Counts,
    /// Streams of chance, one for each concern.
    work: Prng,
    network: Prng,
    chaos: Prng,
    chores: Prng,
}

impl World {
    pub(super) fn new(plan: Plan, plant: Plant, readable: bool) -> World {
        let stream = |concern| Prng::stream(plan.seed, concern);
        let disk = MemDisk::new(plan.capacity * u64::from(plan.segment_bytes));
        if plant == Plant::LyingDisk {
            disk.lie();
        }
        World {
            checks: Checks::new(&plan),
            plant,
            now: Rc::new(Cell::new(SECOND)),
            agenda: BinaryHeap::new(),
            order: 0,
            disk,
            server: None,
            segment_bytes: plan.segment_bytes,
            segment_max: plan.segment_bytes,
            fate: Fate::None,
            mono_base: 0,
            wall_offset: 0,
            opened: 0,
            wires: BTreeMap::new(),
            next_wire: 0,
            log: Log::default(),
            devices: Vec::new(),
            registrations: 0,
            idle_turns: 0,
            tight_until: 0,
            starved: false,
            calm: false,
            trace: Trace::new(readable),
            counts: Counts::default(),
            work: stream("work"),
            network: stream("network"),
            chaos: stream("chaos"),
            chores: stream("chores"),
            plan,
        }
    }

    /// What it leaves behind.
    pub(super) fn into_parts(mut self, panicked: bool) -> (Counts, Trace) {
        if panicked {
            // The server may be anything, and what it does when it goes may panic again.
            std::mem::forget(self.server.take());
        }
        (self.counts, self.trace)
    }

    /// Lives until the plan is done, then comes to rest.
    pub(super) fn run(&mut self) -> Checked {
        self.start(None)?;
        for _ in 0..self.plan.users {
            self.register();
        }
        self.plan_event(SECOND, Event::Chore);
        if self.plan.strangers > 0 {
            self.plan_event(SECOND, Event::Stranger);
        }
        let mut events = 0;
        while self.checks.requests < self.plan.requests && events < EVENTS_MAX {
            self.step()?;
            events += 1;
        }
        self.come_to_rest()?;
        self.counts.requests = self.checks.requests;
        self.counts.deliveries = self.checks.delivered;
        self.counts.refused = self.checks.refused;
        self.counts.nanos = self.now.get();
        self.trace.mix(self.disk.calls());
        Ok(())
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.note(self.now.get(), line);
    }

    fn plan_event(&mut self, wait: u64, event: Event) {
        self.order += 1;
        self.agenda.push(Reverse((self.now.get() + wait, self.order, event)));
    }

    fn register(&mut self) {
        let alias = workload::first_alias(self.registrations);
        self.registrations += 1;
        let at = self.now.get() + self.work.between(0, SECOND);
        self.add_device(Device::new(alias, String::new(), String::new(), at));
    }

    fn add_device(&mut self, device: Device) {
        self.devices.push(device);
        self.arm(self.devices.len() - 1);
    }

    /// Sees to it that a device is woken when it wants to do something.
    fn arm(&mut self, device: usize) {
        let now = self.now.get();
        let at = self.devices[device].next(&self.plan).max(now);
        if at < u64::MAX && self.devices[device].armed.is_none_or(|armed| at < armed) {
            self.devices[device].armed = Some(at);
            self.plan_event(at - now, Event::Wake(device));
        }
    }

    /// The time of a turn.
    fn time(&self) -> Now {
        let mono = self.now.get() - self.mono_base;
        let drift = (self.now.get() as i64 / SECOND as i64) * self.plan.drift;
        let wall = (EPOCH + self.now.get() as i64 + drift + self.wall_offset).max(1);
        Now { mono: Mono(mono), wall: Wall(wall as u64) }
    }

    fn server(&mut self) -> &mut Server<End, MemDisk> {
        self.server.as_mut().expect("a process runs between steps")
    }

    /// When something happens next, and whether that is the relay's own deadline.
    fn next_moment(&mut self) -> (u64, bool) {
        let planned = self.agenda.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
        // As a poll does: all that happened while the last turn took its time is told before the next.
        if planned <= self.now.get() {
            return (self.now.get(), false);
        }
        let mono_base = self.mono_base;
        let due = match self.server().has_work() {
            true => self.now.get(),
            false => self.server().next_deadline().map_or(u64::MAX, |Mono(at)| at.saturating_add(mono_base).max(self.now.get())),
        };
        (planned.min(due), due <= planned)
    }

    /// The next thing happens.
    fn step(&mut self) -> Checked {
        let (at, is_due) = self.next_moment();
        if at == u64::MAX || self.idle_turns > IDLE_TURNS_MAX {
            let what = if at == u64::MAX { "nothing will ever happen again".into() } else { format!("{IDLE_TURNS_MAX} turns in which nothing happens") };
            return Err(Violation { oracle: Oracle::Liveness, what });
        }
        self.now.set(at);
        if is_due {
            return self.turn();
        }
        let Some(Reverse((planned, _, event))) = self.agenda.pop() else { return Ok(()) };
        self.idle_turns = 0;
        self.happen(event, planned)
    }

    fn happen(&mut self, event: Event, at: u64) -> Checked {
        match event {
            Event::Wake(device) => self.wake(device, at),
            Event::Up(wire) => {
                self.up(wire);
                Ok(())
            }
            Event::Down(wire) => self.down(wire),
            Event::Stranger => {
                self.stranger();
                Ok(())
            }
            Event::Leave(wire) => {
                self.hang_up(wire);
                Ok(())
            }
            Event::Chore => {
                self.chore();
                Ok(())
            }
        }
    }

    // ---- The process ----

    fn moment(&mut self) -> Moment {
        let free = self.disk.capacity().saturating_sub(self.disk.used());
        if self.starved || free < 5 * u64::from(self.segment_max) {
            self.tight_until = self.now.get() + TIGHT_AFTER;
        }
        Moment { now: self.now.get(), tight: self.now.get() < self.tight_until }
    }

    fn turn(&mut self) -> Checked {
        let moment = self.moment();
        for (number, entry) in &self.wires {
            let wire = entry.wire.borrow();
            self.checks.note_blocked(*number, wire.is_blocked(), wire.moved_at, moment.now);
        }
        let time = self.time();
        let outcome = self.server().turn(time);
        self.counts.turns += 1;
        self.idle_turns += 1;
        self.look(moment)?;
        match outcome {
            Ok(()) => self.after_turn(moment)?,
            Err(error) => return self.failed(&error),
        }
        let cost = if self.chaos.chance(self.plan.stalls, 1000) { self.chaos.between(MILLI, 40 * SECOND) } else { self.chaos.between(MICRO, 50 * MICRO) };
        self.now.set(self.now.get() + cost);
        match self.fate {
            Fate::Kill(at) if self.disk.calls() >= at => self.end_process("is killed", Keep::Everything, false),
            Fate::Stop(at) if self.disk.calls() >= at => self.stop(),
            _ => Ok(()),
        }
    }

    /// Takes in what the relay has done.
    fn look(&mut self, moment: Moment) -> Checked {
        let seen = std::mem::take(&mut *self.log.borrow_mut());
        let durable = self.server().store().durable().0;
        for seen in seen {
            self.note_seen(&seen);
            // What was written before the link was given up has left.
            if let Seen::Dropped(wire) = &seen {
                self.checks.settle(moment)?;
                self.spoken(*wire, moment.now, durable)?;
            }
            self.checks.see(seen, moment)?;
        }
        self.checks.settle(moment)?;
        let wires: Vec<usize> = self.wires.keys().copied().collect();
        for wire in wires {
            self.spoken(wire, moment.now, durable)?;
        }
        Ok(())
    }

    fn note_seen(&mut self, seen: &Seen) {
        use crate::relay::Effect;
        let now = self.now.get();
        match seen {
            Seen::Read(wire, octets) => self.trace.note(now, || format!("relay reads {octets} octets of connection {wire}")),
            Seen::End(wire) => self.trace.note(now, || format!("relay sees the end of connection {wire}")),
            Seen::WriteFailed(wire) => self.trace.note(now, || format!("relay cannot write to connection {wire}")),
            Seen::Dropped(wire) => self.trace.note(now, || format!("relay drops connection {wire}")),
            Seen::Decided(effect) => {
                match effect {
                    Effect::Append { seq, payload, .. } => (self.trace.mix(seq.0), self.trace.mix_octets(payload)).0,
                    Effect::Send { frame, .. } => self.trace.mix_octets(frame),
                    Effect::Deliver { message, .. } => self.trace.mix(message.0),
                    Effect::Close { .. } | Effect::Cut { .. } => {}
                    Effect::Forget { seq, .. } => self.trace.mix(seq.0),
                }
                self.trace.note(now, || match effect {
                    Effect::Append { seq, payload, end } => format!("relay appends {} {} octets{}", seq, payload.len(), if *end { "" } else { ", more to come" }),
                    Effect::Send { link, frame, .. } => format!("relay sends {link} {}", String::from_utf8_lossy(frame)),
                    other => format!("relay decides {other:?}"),
                });
            }
        }
    }

    fn spoken(&mut self, wire: usize, now: u64, durable: u64) -> Checked {
        let Some(entry) = self.wires.get_mut(&wire) else { return Ok(()) };
        let octets = std::mem::take(&mut entry.wire.borrow_mut().spoken);
        if octets.is_empty() {
            return Ok(());
        }
        self.trace.mix_octets(&octets);
        self.checks.wrote(wire, &octets, now, durable)?;
        self.come_down(wire);
        Ok(())
    }

    fn after_turn(&mut self, moment: Moment) -> Checked {
        let durable = self.server().store().durable().0;
        self.checks.end_turn(moment, durable)?;
        self.checks.check_limits(moment.now)?;
        if self.counts.turns.is_multiple_of(SAMPLE) {
            self.look_closely()?;
        }
        let wires: Vec<usize> = self.wires.keys().copied().collect();
        for wire in wires {
            self.come_down(wire);
        }
        Ok(())
    }

    /// Everything that takes a while to check.
    fn look_closely(&mut self) -> Checked {
        let server = self.server.as_ref().expect("a process runs");
        server.relay().check_invariants();
        server.store().check_invariants();
        self.checks.check_facts(server.relay().ledger())?;
        self.checks.check_queues(server.relay().ledger(), None)
    }

    fn failed(&mut self, error: &StoreError) -> Checked {
        if !self.disk.has_failed() {
            return Err(Violation { oracle: Oracle::Limits, what: format!("the relay ends by itself: {error}") });
        }
        let line = error.to_string();
        self.note(|| format!("process ends: {line}"));
        match self.fate {
            Fate::Failure => {
                let power = self.chaos.chance(1, 3);
                let keep = if power { self.keep() } else { Keep::Everything };
                self.end_process("ends after a failure", keep, power)
            }
            _ => {
                let keep = self.keep();
                self.end_process("loses power", keep, true)
            }
        }
    }

    fn keep(&mut self) -> Keep {
        match self.chaos.roll(6) {
            0 => Keep::Nothing,
            1 => Keep::Everything,
            _ => Keep::Some(self.chaos.roll(1 << 30)),
        }
    }

    /// The process is no more; with `power`, so is what the disk had not synced.
    fn end_process(&mut self, how: &str, keep: Keep, power: bool) -> Checked {
        self.counts.crashes += 1;
        let line = how.to_owned();
        self.note(|| format!("process {line}, power lost: {power}, {keep:?}"));
        self.server = None;
        if power {
            self.disk.crash(keep);
        }
        self.start(None)
    }

    fn stop(&mut self) -> Checked {
        self.counts.crashes += 1;
        self.note(|| "process is told to stop".to_owned());
        let (time, moment) = (self.time(), self.moment());
        let server = self.server.take().expect("a process runs");
        let digest = server.relay().ledger().digest();
        let outcome = server.stop(time);
        // Nobody looks at what is written meanwhile, but what the log got counts.
        for seen in std::mem::take(&mut *self.log.borrow_mut()) {
            if matches!(seen, Seen::Decided(crate::relay::Effect::Append { .. })) {
                self.checks.see(seen, moment)?;
            }
        }
        outcome.map_err(|e| Violation { oracle: Oracle::Limits, what: format!("the relay cannot stop: {e}") })?;
        self.start(Some(digest))
    }

    /// Starts a process on what the disk has. With a digest, that of the ledger that was, the log must be clean and tell the same.
    fn start(&mut self, digest: Option<u64>) -> Checked {
        self.disk.heal();
        self.disk.starve(false);
        self.starved = false;
        self.now.set(self.now.get() + self.chaos.between(MILLI, 5 * SECOND));
        self.lose_all();
        if self.chaos.chance(1, 10) {
            self.segment_bytes = *self.chaos.pick(&[128u32, 192, 256]) << 10;
            self.segment_max = self.segment_max.max(self.segment_bytes);
        }
        let options = Options { segment_bytes: self.segment_bytes };
        let facts = loop {
            if !self.calm && self.chaos.chance(self.plan.mortality.in_recovery, 100) {
                self.disk.die_from(self.disk.calls() + self.chaos.between(0, 60));
            }
            let entropy = Prng::new(self.chaos.roll(1 << 30));
            match recover(self.disk.clone(), options, Box::new(entropy)) {
                Ok(facts) => break facts,
                Err(error) if self.disk.has_failed() => {
                    self.counts.cut_recoveries += 1;
                    let keep = self.keep();
                    let line = error.to_string();
                    self.note(|| format!("recovery is cut short: {line}, {keep:?}"));
                    self.disk.crash(keep);
                }
                Err(error) => return Err(Violation { oracle: Oracle::Start, what: error.to_string() }),
            }
        };
        self.disk.heal();
        self.mono_base = self.now.get();
        let durable = facts.store.durable().0;
        let found = facts.ledger.digest();
        self.trace.mix(found);
        self.note(|| format!("process starts: durable up to {durable:x}, digest {found:x}"));
        facts.ledger.check_invariants();
        facts.store.check_invariants();
        // Without space cursors wait, and acks hold no longer than the process.
        if let Some(digest) = digest {
            let same = (digest == found || self.moment().tight) && facts.recovery.clean;
            if !same {
                let what = format!("after a clean stop the digest is {found:x} instead of {digest:x}, clean: {}", facts.recovery.clean);
                return Err(Violation { oracle: Oracle::Replay, what });
            }
        }
        self.checks.restarted(&facts.ledger, durable)?;
        self.serve(facts, options);
        self.choose_fate();
        Ok(())
    }

    fn serve(&mut self, facts: crate::server::Facts<MemDisk>, options: Options) {
        let mut settings = self.plan.settings();
        self.plant.spoil_settings(&mut settings);
        let dialect = Dialect::Unlatched;
        let relay = Relay::new(settings, facts.ledger, Box::new(Prng::new(self.chaos.roll(1 << 30))));
        let mut server = Server::new(relay, facts.store, options, RequestLimits { recipients_max: RECIPIENTS_MAX }, dialect);
        let (log, mut saboteur) = (self.log.clone(), self.plant.saboteur());
        server.watch(Box::new(move |effects| {
            saboteur.spoil(effects);
            log.borrow_mut().extend(effects.iter().cloned().map(Seen::Decided));
            saboteur.spoil_grants(effects);
        }));
        self.log.borrow_mut().clear();
        self.opened = 0;
        self.server = Some(server);
    }

    /// Decides how this process will end.
    fn choose_fate(&mut self) {
        if self.calm {
            self.fate = Fate::None;
            return;
        }
        let mortality = self.plan.mortality;
        let at = self.disk.calls() + self.chaos.between(1, 2 * mortality.life_calls);
        let roll = self.chaos.roll(100);
        let [kills, failures, stops] = [mortality.kills, mortality.failed_calls, mortality.stops];
        self.fate = match roll {
            roll if roll < kills => Fate::Kill(at),
            roll if roll < kills + failures => {
                self.disk.fail_call(at);
                Fate::Failure
            }
            roll if roll < kills + failures + stops => Fate::Stop(at),
            _ => {
                self.disk.die_from(at);
                Fate::Power
            }
        };
    }

    // ---- The network ----

    fn open(&mut self, device: Option<usize>) -> usize {
        let number = self.next_wire;
        self.next_wire += 1;
        let wire = Wire::new(self.plan.receive_buffer, self.plan.send_buffer, self.now.get());
        let wire = Rc::new(RefCell::new(wire));
        let end = End { wire: wire.clone(), number, log: self.log.clone(), now: self.now.clone() };
        let time = self.time();
        let slot = self.server().open(end, Layer::Plain, time);
        let link = LinkId { slot: slot as u32, generation: self.opened };
        self.opened += 1;
        self.wires.insert(number, Entry { wire, slot, device, coming_up: false, followed: false, coming_down: false });
        let speaks = device.map_or(super::ask::Speaks::Draft2020, |device| self.devices[device].speaks());
        self.checks.opened(number, link, Side::new(speaks, device.is_none(), self.now.get()));
        number
    }

    /// A device says something.
    fn say(&mut self, wire: usize, words: Words) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        entry.wire.borrow_mut().flight.extend(&words.octets);
        if let Some(side) = self.checks.sides.get_mut(&wire) {
            side.note_sent(words.octets.len(), words.item);
        }
        self.come_up(wire);
    }

    fn come_up(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        if !entry.coming_up && entry.wire.borrow().has_more() {
            // The first of many octets takes its time; the others follow close.
            let follows = std::mem::replace(&mut entry.followed, true);
            entry.coming_up = true;
            let wait = self.network.between(MICRO, if follows { self.plan.latency / 50 + MICRO } else { self.plan.latency });
            self.plan_event(wait, Event::Up(wire));
        }
    }

    fn come_down(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        let has_more = {
            let wire = entry.wire.borrow();
            !wire.silent && (!wire.down.is_empty() || wire.is_over())
        };
        if !entry.coming_down && has_more {
            entry.coming_down = true;
            let slow = entry.device.is_some_and(|device| self.devices[device].slow);
            let wait = self.network.between(MICRO, self.plan.latency) + if slow { self.network.between(0, 3 * SECOND) } else { 0 };
            self.plan_event(wait, Event::Down(wire));
        }
    }

    fn tell(&mut self, wire: usize, edge: Edge) {
        let Some(entry) = self.wires.get(&wire) else { return };
        let slot = entry.slot;
        if entry.wire.borrow().dropped {
            return;
        }
        let server = self.server.as_mut().expect("a process runs");
        if edge.ending {
            server.ending(slot);
        }
        if edge.readable || edge.writable {
            server.ready(slot, edge.readable, edge.writable);
        }
    }

    fn up(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        entry.coming_up = false;
        let piece = self.network.between(1, self.plan.piece as u64) as usize;
        let edge = entry.wire.borrow_mut().arrive(piece);
        entry.followed = !entry.wire.borrow().flight.is_empty();
        self.note(|| format!("octets arrive on connection {wire}: {edge:?}"));
        self.tell(wire, edge);
        self.misfortune(wire);
        self.come_up(wire);
    }

    /// Something may happen to a connection.
    fn misfortune(&mut self, wire: usize) {
        if self.calm {
            return;
        }
        if self.network.chance(self.plan.resets, 1000) {
            self.note(|| format!("connection {wire} is reset"));
            let Some(entry) = self.wires.get_mut(&wire) else { return };
            let edge = entry.wire.borrow_mut().reset();
            self.tell(wire, edge);
            self.come_down(wire);
        } else if self.network.chance(self.plan.silences, 1000) {
            self.note(|| format!("connection {wire} falls silent"));
            let Some(entry) = self.wires.get_mut(&wire) else { return };
            entry.wire.borrow_mut().silent = true;
        }
    }

    fn down(&mut self, wire: usize) -> Checked {
        let Some(entry) = self.wires.get_mut(&wire) else { return Ok(()) };
        entry.coming_down = false;
        let device = entry.device;
        let most = if device.is_some_and(|device| self.devices[device].slow) { 50 } else { self.plan.piece * 4 };
        let (octets, edge) = entry.wire.borrow_mut().take(most);
        let over = entry.wire.borrow().is_over();
        self.tell(wire, edge);
        let lives = match device {
            Some(device) if self.devices[device].wire == Some(wire) => self.hear(device, wire, &octets)?,
            _ => true,
        };
        if over || !lives {
            self.hang_up(wire);
            let Some(entry) = self.wires.get(&wire) else { return Ok(()) };
            if entry.wire.borrow().dropped {
                self.wires.remove(&wire);
            }
        } else {
            self.come_down(wire);
        }
        Ok(())
    }

    /// Whoever is at the far end closes the connection.
    fn hang_up(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        entry.wire.borrow_mut().closing = true;
        let device = entry.device.filter(|device| self.devices[*device].wire == Some(wire));
        self.come_up(wire);
        if let Some(device) = device {
            let now = self.now.get();
            self.devices[device].lose(now, &self.plan, &mut self.work);
            self.arm(device);
        }
    }

    fn lose_all(&mut self) {
        self.wires.clear();
        let now = self.now.get();
        for device in 0..self.devices.len() {
            if self.devices[device].wire.is_some() {
                self.devices[device].lose(now, &self.plan, &mut self.work);
                self.arm(device);
            }
        }
    }

    fn stranger(&mut self) {
        if self.calm {
            return;
        }
        let wire = self.open(None);
        let (octets, goes) = workload::stranger(&self.checks.model, &mut self.work);
        self.note(|| format!("a stranger opens connection {wire}"));
        self.say(wire, Words { octets, item: None });
        if goes {
            let wait = self.work.between(0, 3 * SECOND);
            self.plan_event(wait, Event::Leave(wire));
        }
        let wait = self.work.between(1, 120 * SECOND / self.plan.strangers);
        self.plan_event(wait, Event::Stranger);
    }

    // ---- The members ----

    fn wake(&mut self, device: usize, planned: u64) -> Checked {
        let now = self.now.get();
        if self.devices.get(device).is_none_or(|device| device.armed != Some(planned)) {
            return Ok(());
        }
        self.devices[device].armed = None;
        match self.devices[device].wire {
            None if self.devices[device].return_at <= now => {
                let (plan, work) = (&self.plan, &mut self.work);
                // The numbering is chosen before the connection is known.
                let words = self.devices[device].connect(self.next_wire, now, plan, work);
                let wire = self.open(Some(device));
                self.note(|| format!("device {device} opens connection {wire}"));
                words.into_iter().for_each(|words| self.say(wire, words));
            }
            None => {}
            Some(wire) if !self.devices[device].stays(now) => self.leave(device, wire),
            Some(wire) => self.speak(device, wire),
        }
        self.arm(device);
        Ok(())
    }

    fn leave(&mut self, device: usize, wire: usize) {
        if self.devices[device].greeted && self.work.chance(1, 2) {
            let quit = super::ask::frame(&self.devices[device].speaks().quit(), b"");
            self.note(|| format!("device {device} quits"));
            self.say(wire, Words { octets: quit, item: Some(Item::Last { reason: "logout ok" }) });
            if self.work.chance(1, 2) {
                return self.hang_up(wire);
            }
            // Waits for the relay to close; but not for ever.
            self.plan_event(10 * SECOND, Event::Leave(wire));
            let now = self.now.get();
            self.devices[device].greeted = false;
            self.devices[device].postpone_leaving(now + 20 * SECOND);
            return;
        }
        self.note(|| format!("device {device} goes without a word"));
        self.hang_up(wire);
    }

    fn speak(&mut self, device: usize, wire: usize) {
        let now = self.now.get();
        if let Some(node) = self.devices[device].node.filter(|_| self.devices[device].greeted && !self.calm) {
            if self.work.chance(self.plan.breaks, 1000) {
                let (octets, reason) = workload::break_protocol(&mut self.work);
                self.note(|| format!("device {device} breaks the protocol: {reason}"));
                self.devices[device].greeted = false;
                return self.say(wire, Words { octets, item: Some(Item::Last { reason }) });
            }
            if self.work.chance(self.plan.torn_uploads, 1000) {
                self.note(|| format!("device {device} of node {node} sends half a request and goes"));
                let len = self.plan.message_max;
                let mut octets = format!(r#"{{"op":7,"id":"torn","for":[],"datalen":{len}}}"#);
                octets = format!("{:04x}{octets}", octets.len());
                let octets = octets.into_bytes().into_iter().chain(std::iter::repeat_n(b't', len / 2)).collect();
                self.say(wire, Words { octets, item: None });
                return self.hang_up(wire);
            }
        }
        let (plan, model) = (&self.plan, &self.checks.model);
        let Some(node) = self.devices[device].node else { return };
        let words = self.devices[device].speak(now, plan, &mut self.work, |prng| workload::ask(model, node, plan, prng));
        for words in words {
            if let Some(Item::Ask { id, ask }) = &words.item {
                let (id, ask) = (id.clone(), ask.clone());
                self.note(|| format!("device {device} of node {node} asks {id} {ask:?}"));
            }
            self.say(wire, words);
        }
    }

    /// A device gets octets; whether it goes on.
    fn hear(&mut self, device: usize, wire: usize, octets: &[u8]) -> Checked<bool> {
        let now = self.now.get();
        let mut words = Vec::new();
        let news = self.devices[device].hear(octets, now, &self.plan, &mut self.work, &mut words);
        let news = news.map_err(|what| Violation { oracle: Oracle::Answers, what: format!("device {device} gets {what}") })?;
        let mut lives = true;
        for news in news {
            match news {
                News::Nothing => {}
                News::Over => lives = false,
                News::Registered => self.devices[device].node = self.node_of(&self.devices[device].secret),
                News::Another(secret) => self.meet(device, secret),
            }
        }
        words.into_iter().for_each(|words| self.say(wire, words));
        self.arm(device);
        Ok(lives)
    }

    fn node_of(&self, secret: &str) -> Option<usize> {
        self.checks.secrets.iter().find(|(_, known)| *known == secret).map(|(node, _)| *node)
    }

    /// A device learns of another one of the same user: somebody sets that up.
    fn meet(&mut self, device: usize, secret: String) {
        if self.devices.iter().any(|other| other.secret == secret) {
            return;
        }
        let node = self.node_of(&secret);
        let at = self.now.get() + self.work.between(0, 2 * self.plan.away);
        let mut other = Device::new(String::new(), self.devices[device].uid.clone(), secret, at);
        other.node = node;
        other.calm = self.devices[device].calm;
        self.add_device(other);
    }

    // ---- Disk and clock ----

    fn chore(&mut self) {
        if self.calm {
            return;
        }
        let segment = u64::from(self.plan.segment_bytes);
        // What is tight now was so until this moment, however long the last turn took.
        self.moment();
        if self.chores.chance(self.plan.fills, 100) {
            let capacity = self.disk.used() + self.chores.roll(4) * segment / 2;
            self.note(|| format!("disk has {capacity} octets only"));
            self.disk.set_capacity(capacity);
        } else if self.chores.chance(1, 3) && self.disk.capacity() < self.plan.capacity * segment {
            self.note(|| "disk has space again".to_owned());
            self.disk.set_capacity(self.plan.capacity * segment);
        }
        let starved = self.chores.chance(self.plan.starvations, 100);
        if starved != self.starved {
            self.note(|| format!("no descriptors: {starved}"));
            self.starved = starved;
            self.disk.starve(starved);
        }
        if self.chores.chance(self.plan.jumps, 100) {
            let span = *self.chores.pick(&[MILLI, SECOND, 3600 * SECOND, 86400 * SECOND]);
            let jump = self.chores.between(0, 2 * span) as i64 - span as i64;
            self.note(|| format!("wall clock jumps by {jump} ns"));
            self.wall_offset += jump;
        }
        let wait = self.chores.between(1, 4 * SECOND);
        self.plan_event(wait, Event::Chore);
    }

    // ---- The end ----

    /// Faults stop; everybody comes, and everything that is owed is delivered and acked.
    fn come_to_rest(&mut self) -> Checked {
        self.note(|| "faults stop".to_owned());
        self.calm = true;
        (self.plan.stalls, self.fate) = (0, Fate::None);
        self.plan.piece = self.plan.piece.max(1500);
        self.disk.heal();
        self.disk.starve(false);
        self.starved = false;
        self.disk.set_capacity(self.disk.used() + 40 * u64::from(self.plan.segment_bytes.max(self.segment_bytes)));
        let wires: Vec<usize> = self.wires.keys().copied().collect();
        for wire in wires {
            let edge = self.wires[&wire].wire.borrow_mut().reset();
            self.tell(wire, edge);
        }
        self.wires.values_mut().for_each(|entry| entry.device = None);
        // Who could not be told its secret finds it on a slip of paper, and who never got in gives up.
        self.devices.retain(|device| device.node.is_some());
        let now = self.now.get();
        for (node, secret) in self.checks.secrets.clone() {
            if self.devices.iter().all(|device| device.node != Some(node)) {
                let uid = self.checks.model.users[self.checks.model.nodes[node].user].uid.clone();
                let mut device = Device::new(String::new(), uid, secret, now);
                device.node = Some(node);
                self.devices.push(device);
            }
        }
        self.agenda.clear();
        for device in 0..self.devices.len() {
            self.devices[device].calm = Some(1);
            self.devices[device].armed = None;
            self.devices[device].lose(now, &self.plan, &mut self.work);
            self.arm(device);
        }
        let deadline = now + REST_MAX;
        while !(self.devices.iter().all(Device::is_content) && self.checks.owes_nothing()) {
            if self.now.get() > deadline {
                return Err(Violation { oracle: Oracle::Liveness, what: self.what_is_missing() });
            }
            self.step()?;
        }
        self.note(|| "all is acked".to_owned());
        let end = self.now.get() + 20 * SECOND;
        while self.next_moment().0 < end {
            self.step()?;
        }
        self.check_rest()?;
        self.stop()
    }

    fn what_is_missing(&self) -> String {
        let waiting: Vec<String> = self
            .devices
            .iter()
            .filter(|device| !device.is_content())
            .map(|device| format!("{device:?}"))
            .take(2)
            .collect();
        let owed: Vec<String> = self
            .checks
            .model
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.owed.is_empty())
            .map(|(no, node)| format!("node {no} is owed {:?}", node.owed))
            .collect();
        format!("an hour after the last fault: {owed:?}, {waiting:?}")
    }

    fn check_rest(&mut self) -> Checked {
        self.look_closely()?;
        let server = self.server.as_ref().expect("a process runs");
        let segment = u64::from(self.segment_max);
        self.trace.note(0, || format!("{:?}", server.store().stats()));
        self.checks.check_floor(server.relay().ledger(), server.store().stats(), segment)?;
        for device in &self.devices {
            let node = device.node.expect("who is nobody has given up");
            self.checks.check_presence(node, &device.sees)?;
        }
        let nodes: BTreeSet<usize> = self.devices.iter().filter_map(|device| device.node).collect();
        if nodes.len() != self.checks.model.nodes.len() {
            return Err(Violation { oracle: Oracle::Liveness, what: "some nodes never came".into() });
        }
        // A twin of the disk tells the same.
        let options = Options { segment_bytes: self.segment_bytes };
        let twin = recover(self.disk.fork(), options, Box::new(Prng::new(1)));
        let twin = twin.map_err(|e| Violation { oracle: Oracle::Start, what: format!("a copy of the disk: {e}") })?;
        let (live, replayed) = (server.relay().ledger().digest(), twin.ledger.digest());
        if live == replayed { Ok(()) } else { Err(Violation { oracle: Oracle::Replay, what: format!("live digest {live:x}, replayed {replayed:x}") }) }
    }
}
