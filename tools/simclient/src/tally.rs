//! Counting and timing: what the summary is made of.

use hdrhistogram::Histogram;
use mnm::base::Mono;
use serde::Serialize;

use crate::flow::Verdict;

/// How many of what. The long help says what each means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the long help explains each by its name")]
pub struct Counts {
    pub sent: u64,
    pub acked: u64,
    pub delivered: u64,
    pub lost: u64,
    pub unanswered: u64,
    pub refused: u64,
    pub duplicated: u64,
    pub out_of_order: u64,
    pub corrupted: u64,
    pub unexpected: u64,
    pub redelivered: u64,
    pub resent: u64,
    pub resent_twice: u64,
    pub reconnects: u64,
}

impl Counts {
    /// How often the relay broke a promise.
    pub fn faults(&self) -> u64 {
        self.lost + self.unanswered + self.refused + self.duplicated + self.out_of_order + self.corrupted + self.unexpected
    }
}

/// A distribution of latencies, all in microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "named as everywhere")]
pub struct Latency {
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// What came out of a test.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Members.
    pub members: u32,
    /// Octets of each message.
    pub size: usize,
    /// Unacked posts a member may have.
    pub window: u32,
    /// From the first connect until all were logged in, in seconds.
    pub gather_seconds: f64,
    /// From the first post to the last, in seconds.
    pub post_seconds: f64,
    /// From the last post until all was delivered, in seconds.
    pub drain_seconds: f64,
    /// Acks a second, from the first post to the last ack.
    pub acked_per_second: f64,
    /// Deliveries a second, from the first post to the last delivery.
    pub delivered_per_second: f64,
    /// Octets of payload delivered a second, in units of 1,000,000.
    pub delivered_mb_per_second: f64,
    /// The counts.
    pub counts: Counts,
    /// From a post to its ack.
    pub post_to_ack_us: Latency,
    /// From a post to its first delivery.
    pub post_to_delivery_us: Latency,
    /// The first few odd things that happened, in words.
    pub notes: Vec<String>,
}

/// How many notes of faults are kept: the first ones tell most.
const FAULT_NOTES_MAX: usize = 20;
/// The same of links that ended: they must not crowd out the faults.
const LINK_NOTES_MAX: usize = 5;
/// The same of members for whom something is still missing at the end.
const MISSING_NOTES_MAX: usize = 5;

/// The running test's numbers.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) to_ack: Timer,
    pub(crate) to_delivery: Timer,
    pub(crate) notes: Vec<String>,
    link_notes: usize,
    missing_notes: usize,
    pub(crate) last_ack: Mono,
    pub(crate) last_delivery: Mono,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            counts: Counts::default(),
            to_ack: Timer::new(),
            to_delivery: Timer::new(),
            notes: Vec::new(),
            link_notes: 0,
            missing_notes: 0,
            last_ack: Mono::default(),
            last_delivery: Mono::default(),
        }
    }

    /// A whole message came, posted at `posted`. Whether it is a fault.
    pub(crate) fn arrival(&mut self, verdict: Verdict, posted: Mono, now: Mono) -> bool {
        let counts = &mut self.counts;
        match verdict {
            Verdict::First | Verdict::OutOfOrder => {
                counts.delivered += 1;
                counts.out_of_order += u64::from(verdict == Verdict::OutOfOrder);
                self.to_delivery.record(posted, now);
                self.last_delivery = now;
            }
            Verdict::Duplicated => counts.duplicated += 1,
            Verdict::Redelivered => counts.redelivered += 1,
            Verdict::ResentTwice => counts.resent_twice += 1,
            Verdict::NeverPosted => counts.unexpected += 1,
        }
        matches!(verdict, Verdict::OutOfOrder | Verdict::Duplicated | Verdict::NeverPosted)
    }

    /// Keeps what a relay did wrong, in words; the text is made only while there is room for it.
    pub(crate) fn fault_note(&mut self, text: impl FnOnce() -> String) {
        if self.notes.len() < FAULT_NOTES_MAX + self.link_notes {
            self.notes.push(text());
        }
    }

    /// Keeps what happened to a link.
    pub(crate) fn link_note(&mut self, text: String) {
        if self.link_notes < LINK_NOTES_MAX {
            self.link_notes += 1;
            self.notes.push(text);
        }
    }

    /// What has not come when the test ends never will.
    pub(crate) fn missing(&mut self, who: usize, lost: u64, unanswered: u64) {
        self.counts.lost += lost;
        self.counts.unanswered += unanswered;
        if lost + unanswered > 0 && self.missing_notes < MISSING_NOTES_MAX {
            self.missing_notes += 1;
            self.notes.push(format!("posts of member {who}: {lost} lost, {unanswered} unanswered"));
        }
    }
}

/// Latencies of the whole test and of the present second.
#[derive(Debug)]
pub(crate) struct Timer {
    all: Histogram<u64>,
    recent: Histogram<u64>,
}

impl Timer {
    fn new() -> Timer {
        // Three digits, one microsecond to ten minutes; what takes longer is counted as that.
        let histogram = || Histogram::new_with_max(600_000_000, 3).expect("valid bounds");
        Timer { all: histogram(), recent: histogram() }
    }

    pub(crate) fn record(&mut self, from: Mono, to: Mono) {
        let micros = u64::try_from(to.since(from).as_micros()).unwrap_or(u64::MAX);
        self.all.saturating_record(micros);
        self.recent.saturating_record(micros);
    }

    /// Median and 99th percentile since the last call.
    pub(crate) fn take_recent(&mut self) -> (u64, u64) {
        let result = (self.recent.value_at_quantile(0.5), self.recent.value_at_quantile(0.99));
        self.recent.reset();
        result
    }

    pub(crate) fn latency(&self) -> Latency {
        if self.all.is_empty() {
            return Latency::default();
        }
        let at = |quantile| self.all.value_at_quantile(quantile);
        Latency { mean: self.all.mean(), p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: self.all.max() }
    }
}
