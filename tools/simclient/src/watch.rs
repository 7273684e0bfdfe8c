//! Looking at a test while it runs: a sample a second, and a line of it.

use std::sync::Arc;
use std::time::Duration;

use mnm::base::Mono;

use crate::acts::{Acts, Shown};
use crate::cli::Options;
use crate::clock::Clock;
use crate::report::Progress;
use crate::summary::{Counts, Recent, Sample};
use crate::tally::recent_of;

const EVERY: Duration = Duration::from_secs(1);

/// Looks, notes and tells.
pub(crate) struct Watch {
    clock: Clock,
    acts: Arc<Acts>,
    progress: Progress,
    next: Mono,
    /// When the threads showed what was told last.
    last: Mono,
    counts: Counts,
    logins: u64,
    samples: Vec<Sample>,
}

impl Watch {
    pub(crate) fn new(options: &Options, clock: Clock, acts: Arc<Acts>) -> Watch {
        let next = clock.now().plus(EVERY);
        let progress = Progress::new(options);
        Watch { clock, acts, progress, next, last: Mono::default(), counts: Counts::default(), logins: 0, samples: Vec::new() }
    }

    /// How long until the next look.
    pub(crate) fn until_due(&self) -> Duration {
        self.next.since(self.clock.now())
    }

    /// Notes how things stand, if it is time.
    pub(crate) fn look(&mut self) {
        if self.clock.now() >= self.next {
            self.next = self.next.plus(EVERY);
            self.sample();
        }
    }

    /// The last look.
    pub(crate) fn finish(&mut self) {
        self.sample();
        self.progress.finish();
    }

    pub(crate) fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    fn sample(&mut self) {
        let shown = self.acts.look();
        let reading = self.acts.read();
        // Counts are of when they were shown, and not of when they are looked at.
        let interval = shown.at.since(self.last).as_secs_f64();
        if interval <= 0.0 && !self.samples.is_empty() {
            return;
        }
        self.last = self.last.max(shown.at);
        let rate = |now: u64, before: u64| if interval > 0.0 { now.saturating_sub(before) as f64 / interval } else { 0.0 };
        let recent = |at: usize| shown.recent[at].as_ref().map_or(Recent::default(), recent_of);
        let sample = Sample {
            seconds: self.last.since(Mono::default()).as_secs_f64(),
            phase: shown.phase.to_owned(),
            online: shown.online as u64,
            acked_per_second: rate(shown.counts.acked, self.counts.acked),
            delivered_per_second: rate(shown.counts.delivered, self.counts.delivered),
            logins_per_second: rate(shown.logins, self.logins),
            post_to_ack_us: recent(0),
            post_to_delivery_us: recent(1),
            login_us: recent(2),
            faults: shown.counts.faults(),
            relay: reading.relay,
            disk_bytes: reading.disk_bytes,
            tester: reading.tester,
        };
        let Shown { counts, logins, in_flight, backlog, .. } = shown;
        (self.counts, self.logins) = (counts, logins);
        self.progress.show(&sample, in_flight, backlog);
        self.samples.push(sample);
    }
}
