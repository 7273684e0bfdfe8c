//! Counting and timing: what the summary is made of. One for each thread; they are added up at the end.

use hdrhistogram::Histogram;
use mnm::base::Mono;

use crate::books::Verdict;
use crate::summary::{Counts, Latency, Recent};

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
    pub(crate) logins: u64,
    pub(crate) to_ack: Timer,
    pub(crate) to_delivery: Timer,
    pub(crate) to_login: Timer,
    fault_notes: Vec<String>,
    link_notes: Vec<String>,
    missing_notes: Vec<String>,
    pub(crate) last_ack: Mono,
    pub(crate) last_delivery: Mono,
    /// Octets of payload that came for the first time.
    pub(crate) octets: u64,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            counts: Counts::default(),
            logins: 0,
            to_ack: Timer::new(),
            to_delivery: Timer::new(),
            to_login: Timer::new(),
            fault_notes: Vec::new(),
            link_notes: Vec::new(),
            missing_notes: Vec::new(),
            last_ack: Mono::default(),
            last_delivery: Mono::default(),
            octets: 0,
        }
    }

    /// A whole message of so many octets came, posted at `posted`. Whether it is a fault.
    pub(crate) fn arrival(&mut self, verdict: Verdict, octets: u32, posted: Mono, now: Mono) -> bool {
        let counts = &mut self.counts;
        match verdict {
            Verdict::First | Verdict::OutOfOrder => {
                counts.delivered += 1;
                counts.out_of_order += u64::from(verdict == Verdict::OutOfOrder);
                self.octets += u64::from(octets);
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

    /// A member has logged in, or registered.
    pub(crate) fn login(&mut self, began: Mono, now: Mono) {
        self.logins += 1;
        self.to_login.record(began, now);
    }

    /// Keeps what a relay did wrong, in words; the text is made only while there is room for it.
    pub(crate) fn fault_note(&mut self, text: impl FnOnce() -> String) {
        if self.fault_notes.len() < FAULT_NOTES_MAX {
            self.fault_notes.push(text());
        }
    }

    /// Keeps what happened to a link.
    pub(crate) fn link_note(&mut self, text: impl FnOnce() -> String) {
        if self.link_notes.len() < LINK_NOTES_MAX {
            self.link_notes.push(text());
        }
    }

    /// What has not come when the test ends never will.
    pub(crate) fn missing(&mut self, who: &str, lost: u64, unanswered: u64) {
        self.counts.lost += lost;
        self.counts.unanswered += unanswered;
        if lost + unanswered > 0 && self.missing_notes.len() < MISSING_NOTES_MAX {
            self.missing_notes.push(format!("posts of {who}: {lost} lost, {unanswered} unanswered"));
        }
    }

    /// Takes another thread's numbers in.
    pub(crate) fn add(&mut self, other: Tally) {
        self.counts.add(&other.counts);
        self.logins += other.logins;
        self.octets += other.octets;
        self.to_ack.add(&other.to_ack);
        self.to_delivery.add(&other.to_delivery);
        self.to_login.add(&other.to_login);
        self.last_ack = self.last_ack.max(other.last_ack);
        self.last_delivery = self.last_delivery.max(other.last_delivery);
        self.fault_notes.extend(other.fault_notes);
        self.link_notes.extend(other.link_notes);
        self.missing_notes.extend(other.missing_notes);
    }

    /// The notes, the weightiest first.
    pub(crate) fn into_notes(self) -> Vec<String> {
        let faults = self.fault_notes.into_iter().take(FAULT_NOTES_MAX);
        let links = self.link_notes.into_iter().take(LINK_NOTES_MAX);
        faults.chain(links).chain(self.missing_notes.into_iter().take(MISSING_NOTES_MAX)).collect()
    }
}

/// Latencies of the whole test, and since they were last shown.
#[derive(Debug)]
pub(crate) struct Timer {
    all: Histogram<u64>,
    recent: Histogram<u64>,
    /// The whole as it was at a moment that a scenario has marked.
    marked: Option<Histogram<u64>>,
}

/// Quantiles of a curve: three more for every half of what is left, to one in a million.
const CURVE_TICKS: u32 = 3;

fn histogram() -> Histogram<u64> {
    // Three digits, one microsecond to ten minutes; what takes longer is counted as that.
    Histogram::new_with_max(600_000_000, 3).expect("valid bounds")
}

impl Timer {
    fn new() -> Timer {
        Timer { all: histogram(), recent: histogram(), marked: None }
    }

    pub(crate) fn record(&mut self, from: Mono, to: Mono) {
        let micros = u64::try_from(to.since(from).as_micros()).unwrap_or(u64::MAX);
        self.all.saturating_record(micros);
        self.recent.saturating_record(micros);
    }

    /// What was timed since the last call.
    pub(crate) fn take_recent(&mut self) -> Option<Histogram<u64>> {
        (!self.recent.is_empty()).then(|| std::mem::replace(&mut self.recent, histogram()))
    }

    /// The whole so far; what comes from now on can be told apart.
    pub(crate) fn mark(&mut self) -> Latency {
        self.marked = Some(self.all.clone());
        self.latency()
    }

    /// What was timed since the mark.
    pub(crate) fn since_mark(&self) -> Latency {
        let mut rest = self.all.clone();
        if let Some(marked) = &self.marked {
            rest.subtract(marked).expect("what was timed before is part of the whole");
        }
        latency_of(&rest)
    }

    fn add(&mut self, other: &Timer) {
        self.all.add(&other.all).expect("the same bounds");
    }

    pub(crate) fn latency(&self) -> Latency {
        latency_of(&self.all)
    }
}

fn latency_of(histogram: &Histogram<u64>) -> Latency {
    if histogram.is_empty() {
        return Latency::default();
    }
    let at = |quantile| histogram.value_at_quantile(quantile);
    let curve = histogram.iter_quantiles(CURVE_TICKS).map(|step| (step.quantile_iterated_to(), step.value_iterated_to())).collect();
    Latency {
        count: histogram.len(),
        mean: histogram.mean(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: histogram.max(),
        curve,
    }
}

/// The three numbers that are shown of a second.
pub(crate) fn recent_of(histogram: &Histogram<u64>) -> Recent {
    if histogram.is_empty() {
        return Recent::default();
    }
    Recent { p50: histogram.value_at_quantile(0.5), p99: histogram.value_at_quantile(0.99), max: histogram.max() }
}
