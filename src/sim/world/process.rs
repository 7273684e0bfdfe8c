//! The process and its ends: turns, power cuts, kills, failures, stops, recoveries.

use super::{Fate, World};
use crate::limits::RECIPIENTS_MAX;
use crate::relay::{Effect, Relay};
use crate::server::{Facts, Server, recover};
use crate::sim::checks::{Checked, Moment, Oracle, Violation};
use crate::sim::disk::{Keep, MemDisk};
use crate::sim::net::Seen;
use crate::sim::plan::{MICRO, MILLI, SECOND};
use crate::sim::prng::Prng;
use crate::store::{Options, StoreError};
use crate::wire::{Dialect, RequestLimits};

/// Heavy checks are made once in so many turns.
const SAMPLE: u64 = 64;
/// So long after space is back, requests may still be refused for want of it.
const TIGHT_AFTER: u64 = 10 * SECOND;

impl World {
    pub(super) fn moment(&mut self) -> Moment {
        let free = self.disk.capacity().saturating_sub(self.disk.used());
        if self.starved || free < 5 * u64::from(self.segment_max) {
            self.tight_until = self.now.get() + TIGHT_AFTER;
        }
        Moment { now: self.now.get(), wall: self.time().wall.0, tight: self.now.get() < self.tight_until }
    }

    pub(super) fn turn(&mut self) -> Checked {
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
        let cost = if self.chaos.chance(self.plan.stalls, 1000) {
            self.chaos.between(MILLI, 40 * SECOND)
        } else {
            self.chaos.between(MICRO, 50 * MICRO)
        };
        self.now.set(self.now.get() + cost);
        match self.fate {
            Fate::Kill(at) if self.disk.calls() >= at => self.end_process("is killed", Keep::Everything, false),
            Fate::Stop(at) if self.disk.calls() >= at => self.stop(),
            _ => Ok(()),
        }
    }

    /// Takes in what the relay has done.
    pub(super) fn look(&mut self, moment: Moment) -> Checked {
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

    pub(super) fn note_seen(&mut self, seen: &Seen) {
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
                    Effect::Close { .. } | Effect::Cut { .. } | Effect::Answer { .. } => {}
                    Effect::Forget { seqs, .. } => seqs.iter().for_each(|seq| self.trace.mix(seq.0)),
                }
                self.trace.note(now, || match effect {
                    Effect::Append { seq, payload, end } => {
                        format!("relay appends {} {} octets{}", seq, payload.len(), if *end { "" } else { ", more to come" })
                    }
                    Effect::Send { link, frame, .. } => format!("relay sends {link} {}", String::from_utf8_lossy(frame)),
                    other => format!("relay decides {other:?}"),
                });
            }
        }
    }

    pub(super) fn spoken(&mut self, wire: usize, now: u64, durable: u64) -> Checked {
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

    pub(super) fn after_turn(&mut self, moment: Moment) -> Checked {
        let durable = self.server().store().durable().0;
        self.checks.end_turn(moment, durable)?;
        self.hear_answers(durable)?;
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
    pub(super) fn look_closely(&mut self) -> Checked {
        let wall = self.time().wall.0;
        let server = self.server.as_ref().expect("a process runs");
        server.relay().check_invariants();
        server.store().check_invariants();
        self.checks.model.at(wall);
        self.checks.check_facts(server.relay().ledger(), wall)?;
        self.checks.check_queues(server.relay().ledger(), None)
    }

    pub(super) fn failed(&mut self, error: &StoreError) -> Checked {
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

    pub(super) fn keep(&mut self) -> Keep {
        match self.chaos.roll(6) {
            0 => Keep::Nothing,
            1 => Keep::Everything,
            _ => Keep::Some(self.chaos.roll(1 << 30)),
        }
    }

    /// The process is no more; with `power`, so is what the disk had not synced.
    pub(super) fn end_process(&mut self, how: &str, keep: Keep, power: bool) -> Checked {
        self.counts.crashes += 1;
        let line = how.to_owned();
        self.note(|| format!("process {line}, power lost: {power}, {keep:?}"));
        self.server = None;
        if power {
            self.disk.crash(keep);
        }
        self.start(None)
    }

    pub(super) fn stop(&mut self) -> Checked {
        self.counts.crashes += 1;
        self.note(|| "process is told to stop".to_owned());
        let (time, moment) = (self.time(), self.moment());
        let server = self.server.take().expect("a process runs");
        let digest = server.relay().ledger().digest();
        let outcome = server.stop(time);
        // Nobody looks at what is written meanwhile, but what the log got counts.
        for seen in std::mem::take(&mut *self.log.borrow_mut()) {
            if matches!(seen, Seen::Decided(Effect::Append { .. })) {
                self.checks.see(seen, moment)?;
            }
        }
        outcome.map_err(|e| Violation { oracle: Oracle::Limits, what: format!("the relay cannot stop: {e}") })?;
        self.start(Some(digest))
    }

    /// Starts a process on what the disk has. With a digest, that of the ledger that was, the log must be clean and tell the same.
    pub(super) fn start(&mut self, digest: Option<u64>) -> Checked {
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
        self.checks.restarted(&facts.ledger, durable, self.time().wall.0)?;
        self.serve(facts, options);
        self.choose_fate();
        Ok(())
    }

    pub(super) fn serve(&mut self, facts: Facts<MemDisk>, options: Options) {
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
    pub(super) fn choose_fate(&mut self) {
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
}
