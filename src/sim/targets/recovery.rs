//! What a data directory may hold when a relay starts.
//!
//! The input is a history: what is asked of a store, crashes and failing disks included, and what others then do to its files. So
//! a fuzzer gets to logs that are nearly right, and finds out what else of it matters.

mod harm;
mod history;

use std::collections::BTreeMap;

use self::history::{History, Script};
use super::super::{Keep, MemDisk, Prng};
use crate::store::{Options, Recovery, Salvage, Store, StoreError, glance, verify};

/// The sectors of the disk, in octets: so small that a small segment has many.
const SECTOR: usize = 64;
/// Octets of the disk, unless the input says otherwise.
const CAPACITY: u64 = 64 << 10;

/// Records as they were replayed, by seq.
type Seen = BTreeMap<u64, Vec<u8>>;

/// A log that was opened.
struct Opened {
    store: Store<MemDisk>,
    recovery: Recovery,
    seen: Seen,
}

/// A history of a log and of what became of its files; each start in it is judged, and so is what is left at the end.
///
/// # Panics
/// If a log that nobody harmed is not opened with all that was promised; if looking and opening differ; if an opening that is
/// refused changes a file, or one that is cut short changes what the next finds; if a record is not what was appended.
pub fn recovery(data: &[u8]) {
    let mut history = History::new();
    let mut script = Script::new(data);
    while history.step(&mut script) {}
    if let Some(disk) = history.end() {
        let dice = Prng::new(u64::from(crc32c::crc32c(data)));
        let (is_whole, is_forged) = (!history.is_harmed(), history.is_forged());
        Last { disk: &disk, segment_bytes: history.segment_bytes, dice, is_whole, is_forged }.look();
    }
}

/// Opens a store and returns what it replayed.
fn open(disk: &MemDisk, segment_bytes: u32, seed: u64) -> Result<Opened, StoreError> {
    let mut seen = Seen::new();
    let opened = Store::open(disk.clone(), Options { segment_bytes }, Box::new(Prng::new(seed)), &mut |seq, payload| {
        take(&mut seen, seq.0, payload)
    })?;
    assert_eq!(opened.recovery.records, seen.len());
    Ok(Opened { store: opened.store, recovery: opened.recovery, seen })
}

fn take(seen: &mut Seen, seq: u64, payload: &[u8]) -> Result<(), String> {
    assert!(seen.last_key_value().is_none_or(|(last, _)| *last < seq), "record {seq:x} is replayed out of turn");
    seen.insert(seq, payload.to_vec());
    Ok(())
}

fn files(disk: &MemDisk) -> BTreeMap<String, Vec<u8>> {
    disk.names().into_iter().map(|name| (name.clone(), disk.bytes(&name))).collect()
}

/// Opens the log beside a look that changes nothing, and compares what the two say. `None` where both refuse it, or where it is
/// to be made and there is no space.
fn open_beside_look(disk: &MemDisk, segment_bytes: u32, seed: u64) -> Option<(Store<MemDisk>, Seen)> {
    let mut seen = Seen::new();
    let looked = verify(disk.clone(), &mut |_, _| {}, &mut |seq, payload| take(&mut seen, seq.0, payload));
    // Looking drops what the system only believes to be on the disk: from here on files show what is there.
    let before = files(disk);
    let opened = open(disk, segment_bytes, seed);
    match (looked, opened) {
        (Ok(recovery), Ok(opened)) => {
            assert_eq!((recovery, &seen), (opened.recovery, &opened.seen), "a look says what a start finds");
            opened.store.check_invariants();
            return Some((opened.store, seen));
        }
        (Ok(recovery), Err(StoreError::Full { .. })) => assert_eq!(recovery.records, 0, "a log is opened without space"),
        (Err(looked), Err(opened)) => {
            assert_eq!(looked.to_string(), opened.to_string());
            assert_eq!(before, files(disk), "a log that is refused is left as it is");
        }
        (looked, opened) => panic!("looked: {looked:?}, opened: {:?}", opened.map(|opened| opened.recovery)),
    }
    None
}

/// The last look at a log, in many ways.
struct Last<'a> {
    disk: &'a MemDisk,
    segment_bytes: u32,
    dice: Prng,
    /// Nobody harmed it.
    is_whole: bool,
    /// Somebody did, in a way that no checksum can tell.
    is_forged: bool,
}

impl Last<'_> {
    fn look(&mut self) {
        let salvaged = self.salvage();
        let disk = self.disk.fork();
        let Some((store, seen)) = open_beside_look(&disk, self.segment_bytes, 1000) else {
            assert!(!self.is_whole, "a log that nobody harmed is opened");
            return;
        };
        drop(store);
        if let Some((found, losses)) = salvaged.filter(|_| !self.is_forged) {
            for (seq, payload) in &seen {
                assert_eq!(found.get(seq), Some(payload), "record {seq:x} is found among the remains");
            }
            assert!(!self.is_whole || losses == 0, "{losses} losses in a log that nobody harmed");
        }
        assert!(!self.is_whole || glance(&mut self.disk.fork()).is_ok());
        // One of these is enough: neighbours of this input take the others.
        match self.dice.index(4) {
            0 => self.again(&disk, 2000, &seen),
            1 => {
                disk.crash(Keep::Nothing);
                self.again(&disk, 3000, &seen);
            }
            _ => self.cut_short(4000, &seen),
        }
    }

    fn again(&self, disk: &MemDisk, seed: u64, expected: &Seen) {
        let opened = open(disk, self.segment_bytes, seed).expect("what was opened is opened again");
        assert_eq!(opened.seen, *expected, "what was opened is there again");
        opened.store.check_invariants();
    }

    /// The power goes while the log is opened.
    fn cut_short(&mut self, seed: u64, expected: &Seen) {
        let disk = self.disk.fork();
        disk.die_from(disk.calls() + self.dice.roll(60));
        drop(open(&disk, self.segment_bytes, seed));
        disk.crash(*self.dice.pick(&[Keep::Nothing, Keep::Everything, Keep::Some(seed), Keep::Some(seed + 1)]));
        self.again(&disk, seed + 1, expected);
    }

    /// What can be read however it is harmed, and how much is known to be lost. `None` if a later version wrote it.
    fn salvage(&self) -> Option<(Seen, usize)> {
        let mut disk = self.disk.fork();
        let before = files(&disk);
        let salvage = match Salvage::take(&mut disk, &mut |_, _| {}) {
            Ok(salvage) => salvage,
            Err(StoreError::Version { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        let mut seen = Seen::new();
        salvage.each(&mut disk, &mut |seq, payload| take(&mut seen, seq.0, payload)).expect("what was found is found again");
        assert_eq!(salvage.records(), seen.len());
        assert!(seen.last_key_value().is_none_or(|(last, _)| *last <= salvage.newest.0));
        assert_eq!(before, files(&disk), "reading the remains changes nothing");
        Some((seen, salvage.losses.len()))
    }
}
