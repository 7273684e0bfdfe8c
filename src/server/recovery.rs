//! From a log to facts, at start.

use super::RunError;
use crate::base::Entropy;
use crate::ledger::{Ledger, Replay};
use crate::store::{Disk, Options, Recovery, Store};

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
    let mut replay = Replay::new();
    let opened = Store::open(disk, options, entropy, &mut |seq, octets| replay.take(seq, octets).map_err(|error| error.to_string()))?;
    let mut store = opened.store;
    let (mut ledger, dead) = replay.finish()?;
    dead.into_iter().for_each(|seq| store.forget(seq));
    ledger.skip_to(store.appended());
    Ok(Facts { store, ledger, recovery: opened.recovery })
}
