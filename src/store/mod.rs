//! The segment log: where bytes live, survive and end.
//!
//! Records are opaque octets under a permanent, strictly rising [`Seq`]. They are appended in batches
//! to the newest of many files of fixed size, become durable together at [`Store::commit`], are read straight from
//! a map, and die by [`Store::forget`] alone. [`Store::maintain`] does the housework a bounded step at a time.
//!
//! ```text
//! log       the Store: batches, the tail, commit, read, forget
//! compact   maintain: copy forward, destroy, keep a spare
//! recover   open: judge what is there, replay it, put the log in order
//! scan      reads one segment          foundry   makes and recycles segment files
//! index     seq → place                format    the octets (docs/STORE_FORMAT.md)     glance    headers only
//! backup    a copy of a log that another process writes to
//! salvage   reads what can be read of a damaged log      rebuild   exchanges that log for a new one
//! disk      what is asked of a disk    directory the real one     map   the only unsafe
//! ```
//!
//! Invariants:
//!
//! - A batch lies in one segment. A segment is synced before a record goes to its successor, so only the last
//!   one with content can be torn; every other one ends in a seal.
//! - Each record names the durable end before it. Damage above all named ends is a commit that never finished, and is
//!   cut; damage below one is rot, and refused with every file left as it is.
//! - A segment is destroyed only after a durable record says that it is not needed; what had to be
//!   copied from it lies before that record. The first record of each segment tells which others must be there.
//! - Cut octets never come back: after an unclean end the surviving tail is written anew under a fresh salt.
//! - One spare segment is kept beyond what [`Store::has_room`] gives away: a full disk must not stop the
//!   acks and the copying that make it less full.
//!
//! Failures: [`StoreError`]. A store that failed once takes no more work, since after a failed sync the system may
//! claim success for octets that never reached the disk.
//!
//! Deliberately lacking: clocks, threads, compression, encryption at rest, and any idea of what a record means.
//! A forgotten record may be there again after a restart until its segment is destroyed: whatever made the
//! caller forget it must outlive it ([`Store::lingers`]).

mod backup;
mod compact;
mod directory;
mod disk;
mod error;
mod format;
mod foundry;
mod glance;
mod index;
mod log;
mod map;
mod rebuild;
mod recover;
mod salvage;
mod scan;
mod survey;

use crate::base::Seq;

pub use backup::{Copied, backup};
pub use directory::{Directory, DirectoryFile, remove_lock};
pub use disk::{Disk, DiskFile};
pub use error::StoreError;
pub use glance::{Glance, glance};
pub use log::Store;
pub use map::end_when_unreadable;
pub use rebuild::{Exchange, Step};
pub use recover::verify;
pub use salvage::{Loss, Lost, Salvage};

/// What an operator may choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// The size of new segments in octets, from [`SEGMENT_BYTES_MIN`](crate::limits::SEGMENT_BYTES_MIN) to
    /// [`SEGMENT_BYTES_MAX`](crate::limits::SEGMENT_BYTES_MAX). It may change from one start to the next. The store itself
    /// works from 1024 octets on, if no batch is larger than [`Store::max_batch_bytes`]: tests are small.
    pub segment_bytes: u32,
}

/// What is called with each record at the start; an error says why the caller can make no sense of it.
pub type Visit<'a> = dyn FnMut(Seq, &[u8]) -> Result<(), String> + 'a;

/// What is told of a long work on a whole log, each time that some MiB of it are done: how many segments, and of how many.
pub type Watch<'a> = dyn FnMut(usize, usize) + 'a;

/// A store that is ready, and how it was found.
pub struct Opened<D: Disk> {
    /// The store.
    pub store: Store<D>,
    /// For a line in the log.
    pub recovery: Recovery,
}

/// How a store was found when it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// Records that were replayed.
    pub records: usize,
    /// Octets of their payloads.
    pub bytes: u64,
    /// Segments that were read, spares included.
    pub segments: usize,
    /// Octets of batches that had not been committed and were cut, as far as they can be told.
    pub torn_bytes: u64,
    /// Whether the store had been closed, or is new.
    pub clean: bool,
}

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Octets of live records, with their headers.
    pub live_bytes: u64,
    /// Octets of all files.
    pub disk_bytes: u64,
    /// Files, spares included.
    pub segments: usize,
    /// Files without content, ready to be used.
    pub spares: usize,
    /// Live records.
    pub records: usize,
    /// What upkeep has done since the start.
    pub upkeep: Upkeep,
}

/// What upkeep has done since the log was opened: numbers that only rise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Upkeep {
    /// Octets of living records that were copied out of sparse segments, with their headers.
    pub copied_bytes: u64,
    /// Segments that became spares when nothing in them lived any more.
    pub recycled: u64,
    /// Segments whose files were removed.
    pub removed: u64,
}
