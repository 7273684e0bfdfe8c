//! The world of one seed: time, and what happens in it until it is quiet.
//!
//! It turns the real server as the program does: it waits for the next thing to happen, tells the server which sockets are
//! ready, and lets it take a turn. Between any two calls to the disk the power may go; what starts then is a new process.

mod chores;
mod members;
mod network;
mod operator;
mod process;
mod rest;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::AddAssign;
use std::rc::Rc;

use super::checks::{Checked, Checks, Oracle, Violation};
use super::device::Device;
use super::disk::MemDisk;
use super::net::{End, Log, Wire};
use super::plan::{Plan, SECOND};
use super::plant::Plant;
use super::prng::Prng;
use super::trace::Trace;
use super::workload;
use crate::base::{Mono, Wall};
use crate::relay::Now;
use crate::server::Server;

/// Things that may happen before a world is told to come to rest, whatever its plan.
const EVENTS_MAX: u64 = 300_000;
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
    /// The operator wants something.
    Operator,
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
    /// Codes that people were given.
    codes: Vec<String>,
    /// How many commands there were.
    tickets: u64,
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
            codes: Vec::new(),
            tickets: 0,
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
        self.open_site()?;
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
        // Not by leaps, which might put the clock back.
        let drift = (i128::from(self.now.get()) * i128::from(self.plan.drift) / i128::from(SECOND)) as i64;
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
            let what = if at == u64::MAX {
                "nothing will ever happen again".into()
            } else {
                format!("{IDLE_TURNS_MAX} turns in which nothing happens")
            };
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
            Event::Operator => self.operate(),
        }
    }
}
