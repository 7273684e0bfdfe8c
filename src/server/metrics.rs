//! What the relay counts of itself, and how it tells: the text format 0.0.4 of Prometheus.
//!
//! One thread counts, so a count is a plain number in a struct that [`Server`] owns, and an increment an addition to memory that the
//! turn has at hand: some ten of them for a message, under a hundredth of what it takes. What has to be looked at is looked at when
//! somebody asks, and takes no longer the more there is, but for the segments of the log, of which a pass takes microseconds.
//!
//! ```text
//! metrics    what the server counts; what only the pure rooms see is in relay::Counts and store::Upkeep
//! tell       the families of the relay       machine   those of the process and the disk
//! page       the text                        histogram
//! ```
//!
//! Lacking: rates, quantiles, history. Whoever asks keeps what was told, and divides.

mod histogram;
mod machine;
mod page;
mod tell;

use std::time::Duration;

use self::histogram::Histogram;
use super::Server;
use crate::base::{Limit, Mono, Refusals};
use crate::net::Socket;
use crate::store::Disk;

pub(super) use machine::Machine;
pub(super) use page::Page;
pub(super) use tell::Teller;

/// What a clock that is read only to be told of shows: for [`Server::time_commits`].
pub type Stopwatch = Box<dyn Fn() -> Mono>;

/// Nanoseconds: from a disk that says yes at once to one that is about to fail.
const COMMIT_TIMES: [u64; 15] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
];
/// Records of one commit: a turn decides some thousands at most.
const COMMIT_RECORDS: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16_384];
/// Octets of one commit, from a cursor to what one turn takes and more.
const COMMIT_BYTES: [u64; 9] = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];

/// What the server counts.
#[derive(Debug)]
pub(super) struct Metrics {
    /// Links that were opened.
    pub(super) accepted: u64,
    /// Links whose handshake was completed.
    pub(super) handshakes: u64,
    /// Links that ended before that.
    pub(super) failed_handshakes: u64,
    /// Links that are in the middle of theirs.
    pub(super) handshaking: usize,
    /// Links that have their last word, and are there still.
    pub(super) closing: usize,
    /// Messages that were handed to a link for the first time.
    pub(super) delivered: u64,
    /// Those that were handed to it again.
    pub(super) redelivered: u64,
    commit_times: Histogram<{ COMMIT_TIMES.len() }>,
    commit_records: Histogram<{ COMMIT_RECORDS.len() }>,
    commit_bytes: Histogram<{ COMMIT_BYTES.len() }>,
    /// Records and octets that were appended before the last commit.
    committed: (u64, u64),
    refused: Refusals,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            accepted: 0,
            handshakes: 0,
            failed_handshakes: 0,
            handshaking: 0,
            closing: 0,
            delivered: 0,
            redelivered: 0,
            commit_times: Histogram::new(&COMMIT_TIMES),
            commit_records: Histogram::new(&COMMIT_RECORDS),
            commit_bytes: Histogram::new(&COMMIT_BYTES),
            committed: (0, 0),
            refused: Refusals::default(),
        }
    }
}

impl Metrics {
    /// A bound has turned something away.
    pub(super) fn refuse(&mut self, limit: Limit) {
        self.refused.note(limit);
    }

    /// Everything that was appended, `records` and `octets` in all, is durable; that took so long, if anybody has looked.
    pub(super) fn note_commit(&mut self, took: Option<Duration>, (records, octets): (u64, u64)) {
        if let Some(took) = took {
            self.commit_times.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        let (before, octets_before) = std::mem::replace(&mut self.committed, (records, octets));
        self.commit_records.observe(records - before);
        self.commit_bytes.observe(octets - octets_before);
    }
}

impl<S: Socket, D: Disk> Server<S, D> {
    /// Has each commit timed from now on. A simulator does without: nothing is decided by what the watch shows.
    pub fn time_commits(&mut self, stopwatch: Stopwatch) {
        self.stopwatch = Some(stopwatch);
    }

    /// Counts that a bound has turned something away, where the server has no part in it.
    pub fn refuse(&mut self, limit: Limit) {
        self.metrics.refuse(limit);
    }
}
