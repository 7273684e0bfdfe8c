//! What there is in the directory, and whether it is a whole log: steps 1 and 2 of opening (see [`recover`](super::recover)).
//!
//! Nothing is changed here. What is wrong becomes an error that names file and offset.

use std::collections::BTreeMap;

use super::format::{HeaderFault, Manifest, Place, SEGMENT_HEADER};
use super::foundry::{FRESH, Foundry, new_name, number_of, seg_name};
use super::scan::Scan;
use super::{Disk, DiskFile, StoreError, Watch};
use crate::base::Seq;

const DISPLACED: &str = "its records are intact but do not belong where they are";

/// What there is, before anything is judged.
pub(super) struct Survey {
    /// In rising order of numbers.
    pub(super) scans: Vec<Scan>,
    /// Old segments that were on their way to be new ones.
    pub(super) unfinished: Vec<u64>,
    /// Files in the making whose names are wanted: a new one, and such that have the number of a segment that is there, which no
    /// relay leaves behind.
    stale: Vec<String>,
}

/// What is to be done with what there is.
pub(super) struct Verdict<'a> {
    pub(super) tail: &'a Scan,
    /// Sealed segments with records, in rising order.
    pub(super) needed: Vec<&'a Scan>,
    /// Segments that a record says are needed no more: where it says so, number, size. In that order.
    pub(super) dead: Vec<(Place, u64, u64)>,
    /// Segments without content, in rising order.
    pub(super) after: Vec<&'a Scan>,
}

impl Survey {
    pub(super) fn take<D: Disk>(foundry: &mut Foundry<D>, watch: &mut Watch<'_>) -> Result<Survey, StoreError> {
        let names = foundry.disk.list().map_err(|e| foundry.failed("list", "", e))?;
        let numbers = |form| names.iter().filter_map(|name| number_of(name, form)).collect::<Vec<u64>>();
        let (mut present, unfinished) = (numbers(seg_name), numbers(new_name));
        present.sort_unstable();
        foundry.next_number = present.iter().chain(&unfinished).max().map_or(1, |last| last + 1);
        let (taken, unfinished): (Vec<u64>, Vec<u64>) = unfinished.into_iter().partition(|number| present.binary_search(number).is_ok());
        let stale = taken.into_iter().map(new_name).chain(names.iter().filter(|name| *name == FRESH).cloned()).collect();
        let mut scans = Vec::with_capacity(present.len());
        let total = present.len();
        for number in present {
            let name = seg_name(number);
            let mut file = foundry.disk.open(&name).map_err(|e| foundry.failed("open", &name, e))?;
            // What an earlier process wrote and did not sync is read below: it must not vanish later.
            file.sync_data().map_err(|e| foundry.failed("sync", &name, e))?;
            file.drop_cache();
            let done = scans.len();
            let scan = Scan::take(number, &file, &mut || watch(done, total)).map_err(|e| foundry.failed("read", &name, e))?;
            scans.push(scan);
            watch(done + 1, total);
        }
        Ok(Survey { scans, unfinished, stale })
    }

    /// How far a new one was zeroed is not known, so it is not worth keeping.
    pub(super) fn clear_stale<D: Disk>(&self, foundry: &mut Foundry<D>) -> Result<(), StoreError> {
        self.stale.iter().try_for_each(|name| foundry.remove(name))
    }

    /// Tells the tail, what is needed, what is dead; none of it if there is no store yet.
    pub(super) fn judge<D: Disk>(&self, disk: &D) -> Result<Option<Verdict<'_>>, StoreError> {
        let blame = Blame { disk };
        let Some(at) = self.scans.iter().rposition(Scan::has_content) else {
            return self.judge_empty(&blame).map(|()| None);
        };
        let (before, tail, after) = (&self.scans[..at], &self.scans[at], &self.scans[at + 1..]);
        let said: BTreeMap<u64, Place> = self.scans.iter().flat_map(Scan::says_dead).collect();
        let (mut needed, mut dead) = (Vec::new(), Vec::new());
        for scan in before {
            match said.get(&scan.number) {
                Some(place) => dead.push((*place, scan.number, scan.file_bytes)),
                None => needed.push(scan),
            }
        }
        dead.sort_unstable();
        for scan in &needed {
            blame.header(scan)?;
            if scan.seal.is_none() {
                return Err(blame.rot(scan, "a record is damaged, and later ones prove that it was on stable storage"));
            }
        }
        for scan in after {
            blame.header(scan)?;
        }
        self.judge_end(&blame, tail, after)?;
        check_order(&blame, tail, &needed)?;
        check_complete(&blame, tail, &needed)?;
        Ok(Some(Verdict { tail, needed, dead, after: after.iter().collect() }))
    }

    /// No segment has content: a store that was about to be made, or the remains of one.
    fn judge_empty<D: Disk>(&self, blame: &Blame<'_, D>) -> Result<(), StoreError> {
        for scan in &self.scans {
            blame.header(scan)?;
            if scan.durable > Place::new(scan.number, SEGMENT_HEADER) || scan.senseless {
                return Err(blame.rot(scan, "the first record is damaged, and later ones prove that it was on stable storage"));
            }
        }
        // The second segment is made only when the first has a durable record.
        match self.scans.iter().find(|scan| scan.number != 1) {
            Some(scan) => Err(StoreError::Missing {
                what: format!("{} belongs to a log of which no other segment is there", blame.file(scan.number)),
            }),
            None => Ok(()),
        }
    }

    /// Tells a torn end from rot, and a lost tail from one that was never written.
    fn judge_end<D: Disk>(&self, blame: &Blame<'_, D>, tail: &Scan, after: &[Scan]) -> Result<(), StoreError> {
        let ends = || after.iter().chain([tail]);
        if let Some(scan) = ends().find(|scan| scan.senseless) {
            return Err(blame.rot(scan, DISPLACED));
        }
        let named = ends().map(|scan| scan.durable).max().unwrap_or(Place::ZERO);
        if named > Place::new(tail.number, tail.end) {
            let scan = ends().find(|scan| scan.number == named.number()).unwrap_or(tail);
            return Err(blame.rot(scan, "a record is damaged, and later ones prove that it was on stable storage"));
        }
        let next_is_there = |next: u64| after.iter().any(|scan| scan.number == next) || self.unfinished.contains(&next);
        match tail.seal {
            Some(next) if !next_is_there(next) => {
                Err(StoreError::Missing { what: format!("{}, the newest segment, is missing", blame.file(next)) })
            }
            _ => Ok(()),
        }
    }
}

/// Each segment begins with a number that no record before it exceeds; not so only by a fault of this program.
fn check_order<D: Disk>(blame: &Blame<'_, D>, tail: &Scan, needed: &[&Scan]) -> Result<(), StoreError> {
    let mut newest = Seq::ZERO;
    for scan in needed.iter().copied().chain([tail]) {
        if scan.manifest.is_some_and(|manifest| manifest.newest < newest) {
            return Err(blame.rot(scan, DISPLACED));
        }
        newest = scan.newest;
    }
    Ok(())
}

/// Compares the segments that are there with those that the tail says must be.
fn check_complete<D: Disk>(blame: &Blame<'_, D>, tail: &Scan, needed: &[&Scan]) -> Result<(), StoreError> {
    let expected = tail.manifest.expect("the tail has content");
    let mut found = Manifest::default();
    // What was dropped since belonged to the set when it was told.
    needed.iter().map(|scan| scan.number).chain(tail.drops.iter().map(|(number, _)| *number)).for_each(|number| found.add(number));
    if found.same_set(&expected) {
        return Ok(());
    }
    let single = expected.sum.wrapping_sub(found.sum);
    let what = match expected.count.checked_sub(found.count) {
        Some(1) if single < 1 << 36 => format!("{} is missing and has records that are needed", blame.file(single)),
        Some(missing) if missing > 0 => {
            format!("{missing} segments with records that are needed are missing from {}", blame.disk.describe(""))
        }
        _ => format!("the segments in {} do not belong together", blame.disk.describe("")),
    };
    Err(StoreError::Missing { what })
}

/// Makes errors that name files.
struct Blame<'a, D> {
    disk: &'a D,
}

impl<D: Disk> Blame<'_, D> {
    fn file(&self, number: u64) -> String {
        self.disk.describe(&seg_name(number))
    }

    fn rot(&self, scan: &Scan, what: &'static str) -> StoreError {
        StoreError::Rot { file: self.file(scan.number), offset: scan.stop as u64, what }
    }

    /// A segment's header was synced before the file got its name.
    fn header(&self, scan: &Scan) -> Result<(), StoreError> {
        scan.header.map(drop).map_err(|fault| header_error(fault, self.file(scan.number)))
    }
}

/// What to say of a file whose header is none of ours.
pub(super) fn header_error(fault: HeaderFault, file: String) -> StoreError {
    match fault {
        HeaderFault::Newer(found) => StoreError::Version { file, found },
        HeaderFault::Damaged => StoreError::Rot { file, offset: 0, what: "this is not the header of that segment" },
    }
}

impl Verdict<'_> {
    /// Whether the log ends with the mark of closing, and nothing was written since.
    pub(super) fn is_clean(&self) -> bool {
        self.tail.clean && self.tail.torn_bytes() == 0 && self.after.iter().all(|scan| scan.torn_bytes() == 0)
    }
}
