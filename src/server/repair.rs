//! `mnm repair`: a log that starts again, from what can be read of a damaged one.
//!
//! In order: read all that can be read ([`Salvage`]); keep what makes sense together ([`Remains`]); say what that costs. With the
//! operator's consent: write what is kept as a new log, under the same seqs; verify that; exchange it for the old one, whose
//! files are set aside ([`Exchange`]); verify again. Up to the exchange nothing of the old log has changed, from then on
//! every interruption is completed by the next repair, and no relay starts in between.
//!
//! Ids never go back: the last record of the new log, which means nothing, has a seq above all that anything tells of and
//! above the present time, since ids follow the clock and what is lost may have had higher ones than what is left.

use std::path::{Path, PathBuf};

use super::damage_report::report;
use super::{RunError, Verified, verify};
use crate::base::{Entropy, Wall};
use crate::config::ConfigError;
use crate::ledger::{Kept, Remains, ReplayError};
use crate::record::Record;
use crate::store::{Directory, Exchange, Options, Salvage, Store, StoreError, Watch};

/// How a repair ended.
pub enum Repair {
    /// There is nothing to repair, and nothing was changed.
    Healthy(Verified),
    /// What is wrong, and what a repair would cost; nothing was changed.
    Damaged(Vec<String>),
    /// An earlier repair was cut short; nothing was changed.
    Interrupted,
    /// It is done.
    Repaired {
        /// What was wrong, and what it cost; nothing if an earlier repair was completed.
        report: Vec<String>,
        /// Where the old log's files are.
        aside: PathBuf,
        /// The new log.
        verified: Verified,
    },
}

/// What a repair needs besides a directory.
pub struct Means {
    /// Of the new log.
    pub options: Options,
    /// For its salts.
    pub entropy: Box<dyn Entropy>,
    /// Ids that are given later will be above this.
    pub now: Wall,
}

/// Repairs the log in the data directory, or, without consent, says what that would do.
///
/// # Errors
/// [`RunError`]: as for [`verify()`] where it is not damage; and if the disk fails or is full. The old log is as it was then,
/// unless the exchange had begun: then the next repair completes it.
/// # Panics
/// If what is kept makes no sense together: a fault of this program. The old log is as it was.
pub fn repair(data: &Path, means: Means, consent: bool, watch: &mut Watch<'_>) -> Result<Repair, RunError> {
    let mut disk = Directory::open_existing(data)?;
    if let Some(exchange) = Exchange::pending(data)? {
        return if consent { complete(&mut disk, &exchange, Vec::new(), watch) } else { Ok(Repair::Interrupted) };
    }
    let finding = match verify(&mut disk, watch) {
        Ok(verified) => return Ok(Repair::Healthy(verified)),
        Err(error) if is_damage(&error) => error,
        Err(error) => return Err(error),
    };
    let salvage = Salvage::take(&mut disk, watch)?;
    let mut remains = Remains::default();
    salvage.each(&mut disk, &mut |seq, octets| remains.take(seq, octets).map_err(|error| error.to_string()))?;
    let kept = remains.sort();
    let mut report = report(&salvage, &kept);
    report.insert(0, format!("the finding: {finding}"));
    if !consent {
        return Ok(Repair::Damaged(report));
    }
    let site = Exchange::site(data)?;
    build(&mut disk, &site, means, &salvage, &kept)?;
    verify(Directory::open_existing(&site)?, watch)?;
    let exchange = Exchange::decide(data, salvage.next_number)?;
    complete(&mut disk, &exchange, report, watch)
}

/// Whether it is something that a repair can help.
fn is_damage(error: &RunError) -> bool {
    match error {
        RunError::Store(StoreError::Rot { .. } | StoreError::Missing { .. }) | RunError::Replay(ReplayError::MissingChunk(..)) => true,
        // Where the disk cannot read, it has lost what was there.
        RunError::Store(StoreError::Failed { action, .. }) => *action == "read",
        RunError::Store(_)
        | RunError::Replay(ReplayError::Undecodable(..))
        | RunError::Config(_)
        | RunError::Address(_)
        | RunError::Loop(_)
        | RunError::Thread(_)
        | RunError::Panicked(_) => false,
    }
}

/// Writes what is kept as a new log.
fn build(disk: &mut Directory, site: &Path, means: Means, salvage: &Salvage, kept: &Kept) -> Result<(), RunError> {
    /// Octets between two syncs.
    const COMMIT_BYTES: usize = 8 << 20;
    let Means { options, entropy, now } = means;
    let mut store = Store::begin_at(Directory::open(site)?, options, entropy, salvage.next_number)?;
    let (mut failed, mut pending) = (None, 0);
    let written = salvage.each(disk, &mut |seq, octets| {
        let Some(instead) = kept.records.get(&seq) else { return Ok(()) };
        let octets = instead.as_deref().unwrap_or(octets);
        let mut append = || {
            store.append(seq, octets, true)?;
            pending += octets.len();
            if pending >= COMMIT_BYTES {
                store.commit()?;
                pending = 0;
            }
            Ok(())
        };
        append().map_err(|error: StoreError| {
            let sentence = error.to_string();
            failed = Some(error);
            sentence
        })
    });
    // What `each` makes of it would blame the record.
    match (failed, written) {
        (Some(error), _) | (None, Err(error)) => return Err(with_cure(error)),
        (None, Ok(())) => {}
    }
    let last = salvage.newest.max(store.appended()).next(now.0);
    store.append(last, &Record::Chunk([][..].into()).encode(), true).map_err(with_cure)?;
    Ok(store.close()?)
}

/// A repair needs space for what it keeps, beside what is there.
fn with_cure(error: StoreError) -> RunError {
    if error.is_full() {
        let trouble = format!("there is no space for the repaired log beside the damaged one ({error})");
        return ConfigError::new(
            "the data directory",
            trouble,
            "free some, or copy the data directory to a larger disk and repair it there",
        )
        .into();
    }
    error.into()
}

fn complete(disk: &mut Directory, exchange: &Exchange, report: Vec<String>, watch: &mut Watch<'_>) -> Result<Repair, RunError> {
    for step in exchange.steps()? {
        step.run()?;
    }
    let verified = verify(disk, watch)?;
    Ok(Repair::Repaired { report, aside: exchange.aside().to_owned(), verified })
}
