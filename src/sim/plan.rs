//! One world's configuration, all of it drawn from its seed: how many there are, what they do, what breaks, and how often.
//!
//! Each seed leaves most faults out and overdoes some ("swarm testing"): worlds in which everything happens now and then
//! miss what needs much of one thing and none of another.

use std::fmt;
use std::time::Duration;

use super::prng::Prng;
use crate::record::Mode;
use crate::relay::{LoginManners, Lookalikes, NameRules, Quotas, Settings, Timeouts};

/// Whether worlds use the protocol's second part.
const EXTENDED: bool = true;
/// Whether sites have rules of their own for names.
const STRICT_NAMES: bool = true;

/// How a disk's power or process ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mortality {
    /// Calls to the disk from a start to the next end, on average.
    pub(super) life_calls: u64,
    /// Of a hundred ends: how many are kill -9, and the system's cache survives.
    pub(super) kills: u64,
    /// How many are a single call of the disk that fails.
    pub(super) failed_calls: u64,
    /// How many are orderly.
    pub(super) stops: u64,
    /// Of a hundred recoveries, how many are cut short in their turn.
    pub(super) in_recovery: u64,
}

/// What a world makes of the protocol's second part.
#[derive(Clone, Debug)]
pub(super) struct Extensions {
    /// Of a hundred requests, how many are of that part.
    pub(super) share: u64,
    /// Who may register, if the operator says nothing else.
    pub(super) mode: Mode,
    pub(super) quotas: Quotas,
    /// How far ahead something ends, at most.
    pub(super) ahead: u64,
    /// Commands of the operator's an hour.
    pub(super) commands: u64,
    /// Of a hundred who register with a code, how many get it wrong.
    pub(super) wrong_codes: u64,
}

/// One world's configuration. [`run`](super::run) lives through it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) seed: u64,
    /// The world goes on until so many requests were read by the relay.
    pub(super) requests: u64,
    pub(super) users: usize,
    pub(super) nodes_of_one: usize,
    pub(super) groups: usize,
    pub(super) window: usize,
    /// Octets; another one may be chosen at a restart.
    pub(super) segment_bytes: u32,
    /// Segments that the disk holds.
    pub(super) capacity: u64,
    pub(super) chunk: usize,
    pub(super) message_max: usize,
    /// The contract's, divided by this.
    pub(super) haste: u32,
    /// Between two requests of a device, on average.
    pub(super) think: u64,
    /// From a message to its ack, at most.
    pub(super) ack_delay: u64,
    /// Of a hundred messages, how many are not acked the first time.
    pub(super) ack_lapses: u64,
    /// How long devices stay, and stay away, on average.
    pub(super) stay: u64,
    pub(super) away: u64,
    /// One way through the network, at most.
    pub(super) latency: u64,
    /// Octets that arrive at once, at most.
    pub(super) piece: usize,
    pub(super) receive_buffer: usize,
    pub(super) send_buffer: usize,
    /// Of a thousand network events of a device's connection: resets, and silences.
    pub(super) resets: u64,
    pub(super) silences: u64,
    /// Of a hundred connections, how many devices hardly read.
    pub(super) slow_readers: u64,
    /// Of a hundred connections, how many devices send many requests at once.
    pub(super) pipelines: u64,
    /// Of a hundred requests, how many break the protocol, and how many uploads are given up.
    pub(super) breaks: u64,
    pub(super) torn_uploads: u64,
    /// Of a hundred posts, how many are large.
    pub(super) large: u64,
    /// Strangers at the door a minute.
    pub(super) strangers: u64,
    pub(super) mortality: Mortality,
    /// Of a hundred chores (one each few seconds): the disk fills, descriptors are gone, the clock jumps.
    pub(super) fills: u64,
    pub(super) starvations: u64,
    pub(super) jumps: u64,
    /// Nanoseconds that the wall clock gains a second.
    pub(super) drift: i64,
    /// Of a thousand turns, how many take long.
    pub(super) stalls: u64,
    /// The protocol's second part, in some worlds.
    pub(super) extensions: Option<Extensions>,
}

pub(super) const MICRO: u64 = 1_000;
pub(super) const MILLI: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64) -> Plan {
        let prng = &mut Prng::stream(seed, "plan");
        // A rate that is often nothing.
        let rate = |prng: &mut Prng, most: u64| if prng.chance(1, 2) { 0 } else { prng.between(1, most) };
        let segment_bytes = *prng.pick(&[128u32, 128, 192, 256, 512]) << 10;
        let chunk = *prng.pick(&[600, 2048, 8192]);
        // Seeds with few ends and much traffic, and such with many ends.
        let busy = prng.chance(1, 4);
        Plan {
            seed,
            requests: if busy { prng.between(500, 1500) } else { prng.between(200, 900) },
            users: prng.between(2, 8) as usize,
            nodes_of_one: prng.between(1, 4) as usize,
            groups: prng.between(0, 3) as usize,
            window: *prng.pick(&[1, 2, 4, 16, 64]),
            segment_bytes,
            capacity: prng.between(12, 40),
            chunk,
            message_max: chunk * *prng.pick(&[2, 6, 20]),
            haste: *prng.pick(&[1, 1, 4, 20]),
            think: *prng.pick(&[MILLI, 20 * MILLI, 300 * MILLI, 2 * SECOND]),
            ack_delay: *prng.pick(&[MICRO, 10 * MILLI, SECOND, 20 * SECOND]),
            ack_lapses: rate(prng, 30),
            stay: *prng.pick(&[SECOND, 10 * SECOND, 120 * SECOND]),
            away: *prng.pick(&[10 * MILLI, SECOND, 30 * SECOND]),
            latency: *prng.pick(&[100 * MICRO, 10 * MILLI, 300 * MILLI]),
            piece: *prng.pick(&[7, 100, 1500, 16384]),
            receive_buffer: *prng.pick(&[512, 4096, 16384]),
            send_buffer: *prng.pick(&[700, 8192, 65536]),
            resets: rate(prng, 20),
            silences: rate(prng, 10),
            slow_readers: rate(prng, 30),
            pipelines: rate(prng, 50),
            breaks: rate(prng, 5),
            torn_uploads: rate(prng, 10),
            large: rate(prng, 30),
            strangers: rate(prng, 30),
            mortality: Mortality {
                life_calls: if busy { prng.between(100, 1000) } else { prng.between(10, 60) },
                kills: prng.between(0, 50),
                failed_calls: prng.between(0, 20),
                stops: prng.between(0, 20),
                in_recovery: prng.between(0, 50),
            },
            fills: rate(prng, 20),
            starvations: rate(prng, 10),
            jumps: rate(prng, 20),
            drift: prng.between(0, 200_000) as i64 - 100_000,
            stalls: rate(prng, 20),
            extensions: if EXTENDED { Extensions::draw(seed) } else { None },
        }
    }

    /// The same world, cut short: for builds without optimisation.
    pub fn shorter(self) -> Plan {
        Plan { requests: self.requests.min(60), users: self.users.min(4), ..self }
    }

    /// The same world, cut short, in which most is about the protocol's second part: for bugs in that.
    pub fn extended(mut self) -> Plan {
        if let Some(extensions) = &mut self.extensions {
            extensions.share = 60;
        }
        Plan { requests: self.requests.min(300), users: self.users.min(4), ..self }
    }

    /// What an operator would have set.
    pub(super) fn settings(&self) -> Settings {
        let contract = Timeouts::default();
        let soon = |span: Duration| span / self.haste;
        let timeouts = Timeouts {
            login: contract.login,
            idle: soon(contract.idle),
            redelivery: soon(contract.redelivery),
            takeover: soon(contract.takeover),
            stall: soon(contract.stall),
            linger: contract.linger,
        };
        let (register, quotas) = self.extensions.as_ref().map(|more| (more.mode, more.quotas)).unwrap_or_default();
        let (message_max, chunk) = (self.message_max as u64, self.chunk);
        let names = match STRICT_NAMES {
            true => NameRules::default(),
            false => NameRules { reserved: Vec::new(), lookalikes: Lookalikes::Allow, ..NameRules::default() },
        };
        // Neither is in the model.
        let login_manners = LoginManners { free: usize::MAX >> 1, spares_own: true };
        Settings {
            timeouts,
            window: self.window,
            message_max,
            chunk,
            register,
            quotas,
            names,
            login_manners,
            upload_rate: 0,
            ..Settings::default()
        }
    }
}

impl Extensions {
    /// Those of a seed; some have none.
    fn draw(seed: u64) -> Option<Extensions> {
        let prng = &mut Prng::stream(seed, "extensions");
        if prng.chance(1, 5) {
            return None;
        }
        let mut quotas = Quotas { member_invites: prng.index(4), wrong_codes: prng.between(1, 4) as usize, ..Quotas::default() };
        if prng.chance(1, 3) {
            quotas.queue_messages = prng.between(5, 40) as usize;
        }
        if prng.chance(1, 4) {
            quotas.queue_bytes = prng.between(2, 64) << 10;
        }
        if prng.chance(1, 3) {
            (quotas.pings, quotas.failed_pings) = (prng.between(1, 8) as usize, prng.between(1, 4) as usize);
        }
        if prng.chance(1, 4) {
            (quotas.group_members, quotas.groups) = (prng.between(2, 5) as usize, prng.between(1, 3) as usize);
        }
        if prng.chance(1, 4) {
            (quotas.aliases, quotas.nodes) = (prng.between(2, 5) as usize, prng.between(1, 4) as usize);
        }
        Some(Extensions {
            share: *prng.pick(&[10, 30, 60]),
            mode: *prng.pick(&[Mode::Open, Mode::Open, Mode::Open, Mode::Invite, Mode::Invite, Mode::Closed]),
            quotas,
            ahead: *prng.pick(&[5 * SECOND, 100 * SECOND, 3600 * SECOND, 100_000 * SECOND, 3_000_000 * SECOND]),
            commands: *prng.pick(&[0, 60, 600, 3600]),
            wrong_codes: *prng.pick(&[0, 20, 60]),
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#?}")
    }
}
