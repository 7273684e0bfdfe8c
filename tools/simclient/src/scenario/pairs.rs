//! Members in pairs, each posting to its partner as fast as its window allows.

use std::sync::Arc;

use mnm::base::{Mono, Seq};
use mnm_client::request::Data;
use mnm_client::{Recipient, Reply, request};

use crate::Failure;
use crate::cli::Options;
use crate::control::Control;
use crate::fleet::{Fleet, OUT_ENOUGH, Scenario};
use crate::flow::{Arrivals, Flow, Pending};
use crate::payload::Stamp;
use crate::report::Progress;
use crate::tally::{Summary, Tally};

/// Runs the scenario: gather, post, drain, leave. An interrupt ends the posting.
pub(crate) fn run(options: &Options, control: Arc<Control>) -> Result<Summary, Failure> {
    let mut fleet = Fleet::new(options, control)?;
    let mut pairs = Pairs::new(options)?;
    let mut progress = Progress::new(options);

    fleet.gather(&mut pairs, |fleet| progress.gathering(fleet.online(), fleet.clock.now()))?;
    let begun = fleet.clock.now();
    pairs.posting = true;
    fleet.kick_all();
    let end = begun.plus(options.time);
    while fleet.clock.now() < end && pairs.left > 0 && !fleet.interrupted() {
        fleet.turn(&mut pairs)?;
        pairs.tell(&mut progress, &fleet, "posting");
    }
    pairs.posting = false;
    let ended = fleet.clock.now();
    pairs.drain(&mut fleet, &mut progress, options)?;
    let drained = fleet.clock.now();
    pairs.count_outstanding();
    fleet.leave(&mut pairs)?;
    progress.finish();
    Ok(pairs.summary(&fleet, options, [begun, ended, drained]))
}

/// One member's half of two flows.
#[derive(Debug, Default)]
struct Side {
    uid: String,
    /// What this member posts.
    flow: Flow,
    /// What comes to this member.
    arrivals: Arrivals,
}

struct Pairs {
    run: u64,
    size: u32,
    window: u64,
    backlog: u64,
    /// Posts that may still be made.
    left: u64,
    posting: bool,
    sides: Vec<Side>,
    kicks: Vec<usize>,
    tally: Tally,
}

/// What is wrong with a delivery by itself.
enum Odd {
    Corrupted(&'static str),
    Misdelivered,
}

/// Members 0 and 1 are a pair, 2 and 3, and so on.
fn partner(who: usize) -> usize {
    who ^ 1
}

impl Pairs {
    fn new(options: &Options) -> Result<Pairs, Failure> {
        Ok(Pairs {
            run: getrandom::u64().map_err(|e| Failure::Usage(format!("the system's random generator: {e}")))?,
            size: u32::try_from(options.size).map_err(|e| Failure::Usage(format!("--size: {e}")))?,
            window: u64::from(options.window),
            backlog: if options.backlog == 0 { u64::MAX } else { options.backlog },
            left: options.messages.unwrap_or(u64::MAX),
            posting: false,
            sides: std::iter::repeat_with(Side::default).take(options.members as usize).collect(),
            kicks: Vec::new(),
            tally: Tally::new(),
        })
    }

    fn write_post(&self, who: usize, pending: Pending, out: &mut Vec<u8>) {
        let id = request_id(pending.sequence);
        let to = [Recipient::user(&self.sides[partner(who)].uid)];
        request::post(out, &id, &to, Data { len: u64::from(self.size), ..Data::default() });
        let stamp = Stamp { run: self.run, sender: who as u32, size: self.size, sequence: pending.sequence, posted: pending.posted };
        stamp.write(out);
    }

    fn drain(&mut self, fleet: &mut Fleet, progress: &mut Progress, options: &Options) -> Result<(), Failure> {
        let (mut heard, mut since) = (0, fleet.clock.now());
        while !(self.sides.iter().all(|side| side.flow.drained()) && fleet.flushed()) {
            fleet.turn(self)?;
            self.tell(progress, fleet, "draining");
            let counts = &self.tally.counts;
            let hears = counts.acked + counts.delivered + counts.refused;
            let now = fleet.clock.now();
            if hears > heard {
                (heard, since) = (hears, now);
            } else if now.since(since) > options.drain {
                self.tally.fault_note(|| format!("nothing came for {} s: the drain was given up", options.drain.as_secs_f64()));
                break;
            }
        }
        Ok(())
    }

    fn tell(&mut self, progress: &mut Progress, fleet: &Fleet, phase: &str) {
        fleet.tell_acked(self.tally.counts.acked);
        let now = fleet.clock.now();
        if progress.is_due(now) {
            let in_flight = self.sides.iter().map(|side| side.flow.in_flight()).sum();
            let backlog = self.sides.iter().map(|side| side.flow.backlog()).sum();
            progress.show(phase, now, &mut self.tally, in_flight, backlog, fleet.online());
        }
    }

    fn count_outstanding(&mut self) {
        for (who, side) in self.sides.iter().enumerate() {
            self.tally.missing(who, side.flow.undelivered(), side.flow.in_flight());
        }
    }

    fn summary(self, fleet: &Fleet, options: &Options, [begun, ended, drained]: [Mono; 3]) -> Summary {
        let mut counts = self.tally.counts;
        counts.reconnects = fleet.reconnects;
        let rate = |count: u64, last: Mono| count as f64 / last.since(begun).as_secs_f64().max(1e-9);
        let delivered_per_second = rate(counts.delivered, self.tally.last_delivery);
        Summary {
            scenario: "pairs",
            members: options.members,
            size: options.size,
            window: options.window,
            gather_seconds: begun.since(Mono::default()).as_secs_f64(),
            post_seconds: ended.since(begun).as_secs_f64(),
            drain_seconds: drained.since(ended).as_secs_f64(),
            acked_per_second: rate(counts.acked, self.tally.last_ack),
            delivered_per_second,
            delivered_mb_per_second: delivered_per_second * options.size as f64 / 1e6,
            counts,
            post_to_ack_us: self.tally.to_ack.latency(),
            post_to_delivery_us: self.tally.to_delivery.latency(),
            notes: self.tally.notes,
        }
    }

    /// The message a delivery carries, if it is whole and from the partner.
    fn verify(&self, who: usize, header: &Reply<'_>, sound: bool, body: &[u8]) -> Result<(Stamp, Seq), Odd> {
        if !sound {
            return Err(Odd::Corrupted("headsum does not hold"));
        }
        let id = Seq::from_hex(header.id).ok_or(Odd::Corrupted("id is not 16 hex digits"))?;
        let stamp = Stamp::verify(body).ok_or(Odd::Corrupted("data is not as it was posted"))?;
        if stamp.run != self.run || stamp.sender as usize != partner(who) {
            return Err(Odd::Misdelivered);
        }
        if stamp.size != self.size {
            return Err(Odd::Corrupted("data has another length"));
        }
        if self.sides[partner(who)].uid != header.from {
            return Err(Odd::Corrupted("from is not who posted it"));
        }
        Ok((stamp, id))
    }
}

impl Scenario for Pairs {
    fn online(&mut self, who: usize, uid: &str, again: bool, out: &mut Vec<u8>) {
        uid.clone_into(&mut self.sides[who].uid);
        if again {
            self.sides[who].arrivals.new_link();
            let pending: Vec<Pending> = self.sides[who].flow.resend().collect();
            self.tally.counts.resent += pending.len() as u64;
            for pending in pending {
                self.write_post(who, pending, out);
            }
        }
    }

    fn answered(&mut self, who: usize, id: &str, error: Option<&str>, now: Mono) {
        let post = sequence_of(id).and_then(|sequence| self.sides[who].flow.answered(sequence, error.is_none()));
        let counts = &mut self.tally.counts;
        match (post, error) {
            (None, _) => {
                counts.unexpected += 1;
                self.tally.fault_note(|| format!("member {who}: an ack nobody waits for: {id}"));
            }
            (Some(_), Some(error)) => {
                counts.refused += 1;
                self.tally.fault_note(|| format!("member {who}: post {id} refused: {error}"));
            }
            (Some(post), None) => {
                counts.acked += 1;
                self.tally.last_ack = now;
                self.tally.to_ack.record(post.posted, now);
            }
        }
    }

    fn delivered(&mut self, who: usize, header: &Reply<'_>, sound: bool, body: &[u8], now: Mono) {
        let (stamp, id) = match self.verify(who, header, sound, body) {
            Ok(found) => found,
            Err(Odd::Misdelivered) => {
                self.tally.counts.unexpected += 1;
                return self.tally.fault_note(|| format!("member {who}: message {} is for somebody else", header.id));
            }
            Err(Odd::Corrupted(why)) => {
                self.tally.counts.corrupted += 1;
                return self.tally.fault_note(|| format!("member {who}: message {}: {why}", header.id));
            }
        };
        let Ok([sender, receiver]) = self.sides.get_disjoint_mut([partner(who), who]) else { unreachable!("partners are two") };
        let verdict = sender.flow.arrived(stamp.sequence, id, &mut receiver.arrivals, now);
        if self.tally.arrival(verdict, stamp.posted, now) {
            self.tally.fault_note(|| format!("member {who}: message {id}, sequence {}: {verdict:?}", stamp.sequence));
        }
        if self.backlog < u64::MAX {
            self.kicks.push(partner(who));
        }
    }

    fn fill(&mut self, who: usize, out: &mut Vec<u8>, now: Mono) {
        while self.posting && self.left > 0 && out.len() < OUT_ENOUGH {
            let flow = &mut self.sides[who].flow;
            if flow.in_flight() >= self.window || flow.in_flight() + flow.backlog() >= self.backlog {
                break;
            }
            let pending = flow.post(now);
            self.left -= 1;
            self.tally.counts.sent += 1;
            self.write_post(who, pending, out);
        }
    }

    fn take_kicks(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.kicks)
    }

    fn link_note(&mut self, text: String) {
        self.tally.link_note(text);
    }
}

/// A post's request id: unique for its sender, and the same when it is repeated.
fn request_id(sequence: u64) -> String {
    format!("p{sequence}")
}

fn sequence_of(id: &str) -> Option<u64> {
    id.strip_prefix('p')?.parse().ok()
}
