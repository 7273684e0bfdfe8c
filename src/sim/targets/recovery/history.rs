//! What is asked of a store, beside a model of what must and may be in it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::{Keep, MemDisk};
use super::harm::{self, Harm};
use super::{CAPACITY, SECTOR, Seen, files, open_beside_look};
use crate::base::Seq;
use crate::store::{Store, StoreError};

/// Records in a batch at most.
const BATCH: usize = 8;
/// Steps of a history at most: an input of many octets must not take long.
const STEPS: usize = 400;

/// The input, read from its front. Where it ends, zeroes follow.
pub(super) struct Script<'a> {
    rest: &'a [u8],
    steps: usize,
}

impl<'a> Script<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Script<'a> {
        Script { rest, steps: 0 }
    }

    /// What to do next, if the input is not at its end.
    fn next(&mut self) -> Option<u8> {
        self.steps += 1;
        (!self.rest.is_empty() && self.steps <= STEPS).then(|| self.octet())
    }

    pub(super) fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub(super) fn number(&mut self) -> usize {
        usize::from(self.octet()) << 8 | usize::from(self.octet())
    }

    pub(super) fn take(&mut self, octets: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(octets.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// A log that is worked with.
pub(super) struct History {
    disk: MemDisk,
    store: Option<Store<MemDisk>>,
    pub(super) segment_bytes: u32,
    opens: u64,
    /// The sizes of all records that were ever appended. None gets a number twice, even if numbers go back.
    appended: BTreeMap<u64, usize>,
    newest: u64,
    /// Durable, or replayed.
    there: BTreeSet<u64>,
    forgotten: BTreeSet<u64>,
    /// Forgotten, and said to be gone for good.
    gone: BTreeSet<u64>,
    /// Batches that are not known to be durable, in order.
    undecided: Vec<Vec<u64>>,
    durable: u64,
    /// The power will go, or a call will fail.
    armed: Option<Keep>,
    /// The log was closed, and nothing was done to it since.
    closed: bool,
    /// Files were changed since the log was last opened.
    harmed: bool,
    /// That is one octet of a log that was closed.
    scratched: bool,
    /// Files were given octets that nobody can tell from the log's own: anything can be in it now.
    forged: bool,
    /// The log was refused, or cannot be made.
    ended: bool,
    /// Files as they once were.
    old: BTreeMap<String, Vec<u8>>,
}

/// What tells a record, and cannot be mistaken for another's, again and again.
fn pattern(seq: u64) -> [u8; 16] {
    let mut pattern = *b"........payload!";
    pattern[..8].copy_from_slice(&seq.to_le_bytes());
    pattern
}

fn payload(seq: u64, len: usize) -> Vec<u8> {
    let mut octets = pattern(seq).repeat(len.div_ceil(16));
    octets.truncate(len);
    octets
}

fn is_payload(octets: &[u8], seq: u64, len: usize) -> bool {
    let pattern = pattern(seq);
    octets.len() == len && octets.chunks(16).all(|chunk| *chunk == pattern[..chunk.len()])
}

impl History {
    pub(super) fn new() -> History {
        History {
            disk: MemDisk::with_sectors(CAPACITY, SECTOR),
            store: None,
            segment_bytes: 1024,
            opens: 0,
            appended: BTreeMap::new(),
            newest: 0,
            there: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            gone: BTreeSet::new(),
            undecided: Vec::new(),
            durable: 0,
            armed: None,
            closed: false,
            harmed: false,
            scratched: false,
            forged: false,
            ended: false,
            old: BTreeMap::new(),
        }
    }

    /// Whether others changed files that were not opened since.
    pub(super) fn is_harmed(&self) -> bool {
        self.harmed
    }

    /// Whether they did so in a way that no checksum can tell.
    pub(super) fn is_forged(&self) -> bool {
        self.forged
    }

    /// The disk after the end of the process, if there is a log on it that was not judged yet.
    pub(super) fn end(&mut self) -> Option<MemDisk> {
        if self.store.is_none() && !self.harmed && !self.ended {
            self.open();
        }
        self.stop();
        // What is on its way to the disk gets there: what is lost on it was lost in the history.
        self.disk.crash(Keep::Everything);
        (!self.ended).then(|| self.disk.clone())
    }

    /// Takes the next step; whether there was one.
    pub(super) fn step(&mut self, script: &mut Script<'_>) -> bool {
        let Some(what) = script.next().filter(|_| !self.ended) else { return false };
        match what % 32 {
            what @ 0..16 => {
                if self.store.is_none() {
                    self.open();
                }
                if self.store.is_some() && self.work(what, script).is_err() {
                    self.fail();
                }
                // What is only appended changes nothing that can be read.
                if what >= 6 {
                    self.note();
                }
            }
            16 => self.crash(Keep::Nothing),
            17 => self.crash(Keep::Everything),
            18 => self.crash(Keep::Some(script.octet().into())),
            19 => self.stop(),
            20 => self.disk.set_capacity(u64::try_from(script.number()).expect("two octets")),
            21 => self.segment_bytes = [1024, 1032, 2048, 4096][usize::from(script.octet()) % 4],
            22 => {
                self.old = files(&self.disk);
            }
            what => {
                self.stop();
                self.disk.crash(Keep::Everything);
                let harm = harm::harm(what - 23, &self.disk, &self.old, script);
                if !matches!(harm, Harm::Nothing) {
                    self.scratched = matches!(harm, Harm::Scratch) && self.closed && !self.harmed;
                    self.harmed = true;
                    self.forged |= matches!(harm, Harm::Forgery);
                }
            }
        }
        true
    }

    fn store(&mut self) -> &mut Store<MemDisk> {
        self.store.as_mut().expect("the store is open")
    }

    fn work(&mut self, what: u8, script: &mut Script<'_>) -> Result<(), StoreError> {
        match what {
            0..4 => self.append(&[usize::from(script.octet()) * (usize::from(what) + 1)]),
            4 | 5 => {
                let count = usize::from(script.octet()) % BATCH + 1;
                let sizes: Vec<usize> = (0..count).map(|_| usize::from(script.octet())).collect();
                self.append(&sizes)
            }
            6 | 7 => self.store().commit().map(drop),
            8 => {
                let living = self.living();
                if !living.is_empty() {
                    self.forget(living[script.number() % living.len()]);
                }
                Ok(())
            }
            9 => {
                self.living().into_iter().take(script.octet().into()).for_each(|seq| self.forget(seq));
                Ok(())
            }
            10 | 11 => {
                for _ in 0..script.octet() % 64 {
                    if !self.store().maintain()? {
                        break;
                    }
                }
                Ok(())
            }
            12 => {
                let store = self.store.take().expect("the store is open");
                let newest = store.appended().0;
                store.close()?;
                self.closed = true;
                let decided = std::mem::take(&mut self.undecided);
                self.there.extend(decided.into_iter().flatten());
                self.durable = newest;
                Ok(())
            }
            13 => {
                self.disk.die_from(self.disk.calls() + u64::from(script.octet()) % 32);
                self.armed = Some(Keep::Some(script.octet().into()));
                Ok(())
            }
            14 => {
                self.disk.fail_call(self.disk.calls() + u64::from(script.octet()) % 32);
                self.armed = Some(Keep::Everything);
                Ok(())
            }
            _ => {
                self.store().write_ahead()?;
                self.store().trim();
                Ok(())
            }
        }
    }

    fn append(&mut self, sizes: &[usize]) -> Result<(), StoreError> {
        let mut room = self.store().max_batch_bytes();
        let mut batch = Vec::new();
        for &size in sizes {
            let size = size.min(room.saturating_sub(40));
            let footprint = (32 + size).next_multiple_of(8);
            if footprint > room {
                break;
            }
            room -= footprint;
            batch.push(size);
        }
        let had_room = self.store().has_room(batch.len(), batch.iter().sum())?;
        let mut seqs = Vec::new();
        let mut seq = self.newest.max(self.store().appended().0);
        for &size in &batch {
            // After forged numbers there may be none left.
            let Some(next) = seq.checked_add(1 + (size as u64 % 3) * 1_000_000_000) else { return Ok(()) };
            seq = next;
            seqs.push(seq);
        }
        self.newest = seq;
        self.appended.extend(seqs.iter().copied().zip(batch.iter().copied()));
        for (i, (&seq, &size)) in seqs.iter().zip(&batch).enumerate() {
            match self.store().append(Seq(seq), &payload(seq, size), i + 1 == batch.len()) {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    assert!(!had_room, "promised room is there");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.undecided.push(seqs);
        Ok(())
    }

    fn living(&self) -> Vec<u64> {
        self.there.iter().filter(|seq| !self.forgotten.contains(seq)).copied().collect()
    }

    fn forget(&mut self, seq: u64) {
        self.store().forget(Seq(seq));
        self.forgotten.insert(seq);
    }

    /// Takes over what the store says is durable, and compares what can be read.
    fn note(&mut self) {
        let Some(store) = &self.store else { return };
        self.durable = self.durable.max(store.durable().0);
        let (decided, undecided) =
            std::mem::take(&mut self.undecided).into_iter().partition(|batch| batch.iter().all(|seq| *seq <= self.durable));
        self.undecided = undecided;
        let decided: Vec<Vec<u64>> = decided;
        self.there.extend(decided.into_iter().flatten());
        assert!(self.undecided.iter().flatten().all(|seq| *seq > self.durable), "a batch becomes durable as a whole");
        self.gone.extend(self.forgotten.iter().filter(|seq| !store.lingers(Seq(**seq))));
        if !self.forged {
            for &seq in &self.there {
                let read = store.read(Seq(seq));
                let is_right = match self.forgotten.contains(&seq) {
                    true => read.is_none(),
                    false => read.is_some_and(|octets| is_payload(octets, seq, self.appended[&seq])),
                };
                assert!(is_right, "record {seq:x} is read as {read:?}");
            }
        }
    }

    /// The process dies, the system lives.
    fn stop(&mut self) {
        self.note();
        self.store = None;
        if self.armed.is_some() {
            self.power_off();
        }
    }

    fn crash(&mut self, keep: Keep) {
        self.stop();
        self.disk.crash(keep);
    }

    /// A call failed: the process ends, and where the power was gone, so does the system.
    fn fail(&mut self) {
        assert!(self.armed.is_some() || self.forged, "a working disk");
        if let Some(store) = &mut self.store {
            // Whatever it was, the store does not pretend that it did not happen.
            let after = store.commit();
            assert!(matches!(after, Err(StoreError::Poisoned)) || self.forged || !self.disk.has_failed(), "after a failed call: {after:?}");
        }
        self.stop();
    }

    fn power_off(&mut self) {
        let keep = self.armed.take().expect("armed");
        // Of a single call that failed, what it left behind is all there is.
        match keep {
            Keep::Everything => self.disk.heal(),
            keep => self.disk.crash(keep),
        }
    }

    /// Opens the log and judges what it replayed.
    fn open(&mut self) {
        if self.armed.is_some() {
            self.power_off();
        }
        self.opens += 1;
        let Some((store, seen)) = open_beside_look(&self.disk, self.segment_bytes, self.opens) else {
            assert!(self.harmed || self.forged || self.opens == 1, "a log that nobody harmed is opened");
            self.ended = true;
            return;
        };
        assert_eq!(store.durable(), store.appended());
        if !self.forged {
            for (seq, octets) in &seen {
                let len = self.appended.get(seq).copied().unwrap_or_else(|| panic!("record {seq:x} was never appended"));
                assert!(is_payload(octets, *seq, len), "record {seq:x} is {octets:?}, and not what was appended");
            }
        }
        if !self.harmed && !self.forged {
            self.judge(&seen);
            assert!(store.durable().0 >= self.durable, "seqs never go back");
        }
        if std::mem::take(&mut self.scratched) && !self.forged {
            let lost: Vec<u64> = self.living().into_iter().filter(|seq| !seen.contains_key(seq)).collect();
            assert!(lost.is_empty(), "of a log that was closed one octet is another, and {lost:x?} are lost without a word");
        }
        self.closed = false;
        self.durable = store.durable().0;
        self.there = seen.into_keys().collect();
        self.undecided.clear();
        self.forgotten.retain(|seq| self.there.contains(seq));
        if std::mem::take(&mut self.harmed) {
            self.gone.clear();
        }
        self.store = Some(store);
        // As a caller would: what made it forget them has been replayed too.
        for seq in self.forgotten.clone() {
            self.store().forget(Seq(seq));
        }
        self.note();
    }

    /// What must hold of a log that nobody harmed.
    fn judge(&self, seen: &Seen) {
        assert!(self.gone.iter().all(|seq| !seen.contains_key(seq)), "what was said to be gone is gone");
        for seq in self.living() {
            assert!(seen.contains_key(&seq), "record {seq:x} was durable and not forgotten");
        }
        let fates: Vec<bool> = self
            .undecided
            .iter()
            .map(|batch| {
                let there = batch.iter().filter(|seq| seen.contains_key(seq)).count();
                assert!(there == 0 || there == batch.len(), "a batch survives as a whole or not at all");
                there > 0
            })
            .collect();
        assert!(fates.is_sorted_by(|a, b| a >= b), "no batch survives an earlier one: {fates:?}");
    }
}
