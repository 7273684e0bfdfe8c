//! From a log to facts, at start.

use std::path::Path;

use super::RunError;
use crate::base::Entropy;
use crate::config::{ConfigError, DataPlace};
use crate::ledger::{Ledger, Replay};
use crate::store::{self, Directory, Disk, Exchange, Options, Recovery, Store, Watch};

/// What the log told at start.
pub struct Facts<D: Disk> {
    /// The log, ready to be appended to.
    pub store: Store<D>,
    /// What it says.
    pub ledger: Ledger,
    /// How it was found.
    pub recovery: Recovery,
}

/// Opens the log and replays it.
///
/// # Errors
/// [`RunError::Store`]: the log is damaged, or cannot be read or written. [`RunError::Replay`]: it makes no sense.
pub fn recover<D: Disk>(disk: D, options: Options, entropy: Box<dyn Entropy>) -> Result<Facts<D>, RunError> {
    recover_watched(disk, options, entropy, &mut |_, _| {})
}

/// The same, for whoever has something else to do now and then meanwhile: see [`Store::open_watched`].
///
/// # Errors
/// As for [`recover`].
pub fn recover_watched<D: Disk>(disk: D, options: Options, entropy: Box<dyn Entropy>, watch: &mut Watch<'_>) -> Result<Facts<D>, RunError> {
    /// Records that are forgotten before the watch is called again: some milliseconds.
    const FORGET_PIECE: usize = 16_384;
    let mut replay = Replay::new();
    let (mut done, mut total) = (0, 0);
    let mut note = |now, of| {
        (done, total) = (now, of);
        watch(now, of);
    };
    let opened = Store::open_watched(disk, options, entropy, &mut note, &mut |seq, octets| {
        replay.take(seq, octets).map_err(|error| error.to_string())
    })?;
    let mut store = opened.store;
    let (mut ledger, dead) = replay.finish()?;
    for piece in dead.chunks(FORGET_PIECE) {
        watch(done, total);
        piece.iter().for_each(|seq| store.forget(*seq));
    }
    ledger.skip_to(store.appended());
    Ok(Facts { store, ledger, recovery: opened.recovery })
}

/// What a log says that was read and not changed.
pub struct Verified {
    /// The facts in it.
    pub ledger: Ledger,
    /// How it was found.
    pub recovery: Recovery,
    /// Records that nobody needs any more and that are there still.
    pub needless: usize,
}

/// The same as [`verify`], for a directory that must be there and hold a log.
///
/// # Errors
/// As for [`verify`], and if there is no such directory, or no log in it.
pub fn verify_directory(data: &Path, watch: &mut Watch<'_>) -> Result<Verified, RunError> {
    const CURE: &str = "name the data directory of a relay with --data or \"data\"";
    if DataPlace::look(data)?.is_to_be_made() {
        return Err(ConfigError::about_file(data, "there is no such directory", CURE).into());
    }
    Exchange::check_none(data)?;
    let verified = verify(Directory::open_to_read(data)?, watch)?;
    match verified.recovery.segments {
        0 => Err(ConfigError::about_file(data, "there is no log in this directory", CURE).into()),
        _ => Ok(verified),
    }
}

/// Reads the whole log, checks every checksum, replays it and checks that its facts do not contradict each other.
///
/// # Errors
/// As for [`recover`].
/// # Panics
/// If the facts contradict each other: a fault of this program, never of the disk.
pub fn verify<D: Disk>(disk: D, watch: &mut Watch<'_>) -> Result<Verified, RunError> {
    let mut replay = Replay::new();
    let recovery = store::verify(disk, watch, &mut |seq, octets| replay.take(seq, octets).map_err(|error| error.to_string()))?;
    let (ledger, dead) = replay.finish()?;
    ledger.check_invariants();
    Ok(Verified { ledger, recovery, needless: dead.len() })
}
