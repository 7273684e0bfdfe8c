//! A new log that takes the place of a damaged one: built beside it, then exchanged for it, a rename at a time.
//!
//! The new log is built in `repair.new`, which has no meaning. When it is whole and on stable storage, the directory is renamed to
//! `repair-N-FIRST`, where FIRST is the number of its first segment, higher than any old one. From then on the exchange is
//! decided: whatever happens, the steps that remain follow from what is there. First the new segments
//! go to the data directory, then the old ones to `set-aside-N`, then the empty directory goes. As long as a single old segment is left
//! beside new ones, they do not belong together by the manifest of the newest, and no relay starts on them.
//!
//! Nothing that was there is ever deleted.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::base::{Entropy, Seq};

use super::format::{Kind, Manifest, Place};
use super::foundry::{FRESH, Foundry, new_name, number_of, seg_name};
use super::index::Index;
use super::log::Parts;
use super::{Disk, Options, Store, StoreError};

/// Where a log is built.
const BUILDING: &str = "repair.new";

impl<D: Disk> Store<D> {
    /// Makes a store in a directory without one, whose first segment has this number.
    ///
    /// # Errors
    /// As [`open`](Store::open).
    pub fn begin_at(disk: D, options: Options, entropy: Box<dyn Entropy>, number: u64) -> Result<Store<D>, StoreError> {
        let mut foundry = Foundry { disk, entropy, segment_bytes: options.segment_bytes, next_number: number };
        let tail = foundry.make(options.segment_bytes)?;
        let parts = Parts { foundry, index: Index::default(), sealed: BTreeMap::new(), tail, newest: Seq::ZERO, durable_end: Place::ZERO };
        let mut store = Store::assemble(parts);
        store.place(Kind::Manifest, true, Seq::ZERO, &Manifest::default().encode());
        store.flush()?;
        Ok(store)
    }
}

/// An exchange of logs that is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    data: PathBuf,
    /// Where the new log is.
    new: PathBuf,
    /// Where the old one goes.
    aside: PathBuf,
    /// The number of the new log's first segment.
    first: u64,
}

/// One thing to be done for an exchange; doing all that remain, in their order, completes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Makes a directory, if it is not there.
    Make(PathBuf),
    /// Renames a file.
    Rename(PathBuf, PathBuf),
    /// Makes what was done in a directory durable.
    Sync(PathBuf),
    /// Removes the directory that the new log came from.
    Remove(PathBuf),
}

impl Step {
    /// Does it.
    ///
    /// # Errors
    /// What the system says.
    pub fn run(&self) -> Result<(), StoreError> {
        let (action, path, done) = match self {
            Step::Make(path) => ("make the directory", path, make(path)),
            Step::Rename(from, to) => ("rename", from, rename(from, to)),
            Step::Sync(path) => ("sync", path, File::open(path).and_then(|directory| directory.sync_all())),
            Step::Remove(path) => ("remove", path, fs::remove_dir_all(path)),
        };
        done.map_err(|e| StoreError::failed(action, path.display().to_string(), e))
    }
}

/// Nothing that is there is overwritten.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it; whoever holds the lock is alone with the directory.
        Err(Errno::INVAL | Errno::NOSYS) if !to.exists() => fs::rename(from, to),
        result => Ok(result?),
    }
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Exchange {
    /// Makes an empty directory to build a new log in. What an earlier try has left there is removed.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn site(data: &Path) -> Result<PathBuf, StoreError> {
        let site = data.join(BUILDING);
        let failed = |action, e| StoreError::failed(action, site.display().to_string(), e);
        match fs::remove_dir_all(&site) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", e)),
            _ => {}
        }
        make(&site).map_err(|e| failed("make the directory", e))?;
        Ok(site)
    }

    /// Decides the exchange for the log that was built, closed and verified, and begins with this segment.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn decide(data: &Path, first: u64) -> Result<Exchange, StoreError> {
        let taken = |name: &String| name.strip_prefix("set-aside-").and_then(|n| n.parse::<u64>().ok());
        let n = names(data)?.iter().filter_map(taken).max().unwrap_or(0) + 1;
        let new = data.join(format!("repair-{n}-{first:010x}"));
        Step::Rename(data.join(BUILDING), new.clone()).run()?;
        Step::Sync(data.to_owned()).run()?;
        Ok(Exchange { data: data.to_owned(), new, aside: data.join(format!("set-aside-{n}")), first })
    }

    /// Lets nobody write to a log whose exchange is decided.
    ///
    /// # Errors
    /// [`StoreError::Unfinished`] if it is; [`StoreError::Failed`].
    pub fn check_none(data: &Path) -> Result<(), StoreError> {
        match Exchange::pending(data)? {
            None => Ok(()),
            Some(_) => Err(StoreError::Unfinished { directory: data.display().to_string() }),
        }
    }

    /// An exchange that was decided and not completed.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn pending(data: &Path) -> Result<Option<Exchange>, StoreError> {
        let read = |name: &String| {
            let (n, first) = name.strip_prefix("repair-")?.split_once('-')?;
            let (n, first) = (n.parse::<u64>().ok()?, u64::from_str_radix(first, 16).ok()?);
            Some(Exchange { data: data.to_owned(), new: data.join(name), aside: data.join(format!("set-aside-{n}")), first })
        };
        Ok(names(data)?.iter().find_map(read))
    }

    /// Where the old log's files go.
    pub fn aside(&self) -> &Path {
        &self.aside
    }

    /// What remains to be done.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn steps(&self) -> Result<Vec<Step>, StoreError> {
        let moves = |from: &Path, to: &Path, names: Vec<String>| {
            names.into_iter().map(|name| Step::Rename(from.join(&name), to.join(&name))).collect::<Vec<_>>()
        };
        let mut new = names(&self.new)?;
        new.retain(|name| number_of(name, seg_name).is_some());
        let mut old = names(&self.data)?;
        let is_old = |number: Option<u64>| number.is_some_and(|number| number < self.first);
        old.retain(|name| name == FRESH || is_old(number_of(name, seg_name)) || is_old(number_of(name, new_name)));
        let sync = |path: &Path| Step::Sync(path.to_owned());
        let mut steps = moves(&self.new, &self.data, new);
        steps.extend([sync(&self.data), Step::Make(self.aside.clone()), sync(&self.data)]);
        steps.extend(moves(&self.data, &self.aside, old));
        steps.extend([sync(&self.aside), sync(&self.data), Step::Remove(self.new.clone()), sync(&self.data)]);
        Ok(steps)
    }
}

/// In rising order.
fn names(path: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |e| StoreError::failed("list", path.display().to_string(), e);
    let entries = fs::read_dir(path).map_err(failed)?;
    let mut names = Vec::new();
    for entry in entries {
        // A name that is no UTF-8 is none of ours.
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}
