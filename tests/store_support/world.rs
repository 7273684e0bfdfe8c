//! A store beside a model of what it must and may hold.

use std::collections::{BTreeMap, BTreeSet};

use mnm::base::Seq;
use mnm::store::{Opened, Options, Recovery, Store, StoreError};

use mnm::sim::{Keep, MemDisk, Prng};

pub const SEGMENT: u32 = 1024;
/// Small, so that a small segment has many.
const SECTOR: usize = 64;

/// What can be done to a store.
#[derive(Clone, Debug)]
pub enum Op {
    /// A batch of records of these sizes.
    Append(Vec<u16>),
    Commit,
    /// The n-th of the durable living, counted round.
    Forget(usize),
    /// The oldest n.
    ForgetOldest(usize),
    Maintain(usize),
    /// Close and open.
    Reopen,
    /// The process dies, the system lives.
    Kill,
    Crash(Keep),
}

pub struct World {
    pub disk: MemDisk,
    pub store: Option<Store<MemDisk>>,
    pub segment_bytes: u32,
    /// Every record that may be there, with its payload.
    pub records: BTreeMap<u64, Vec<u8>>,
    pub forgotten: BTreeSet<u64>,
    /// Forgotten, and said to be gone for good.
    pub gone: BTreeSet<u64>,
    /// Batches that are not known to be durable, in order.
    pub undecided: Vec<Vec<u64>>,
    pub durable: u64,
    pub recovery: Recovery,
    pub dice: Prng,
}

/// Records as they were replayed.
pub type Seen = Vec<(u64, Vec<u8>)>;

/// Opens a store and returns what it replayed.
pub fn open(disk: &MemDisk, segment_bytes: u32, seed: u64) -> Result<(Opened<MemDisk>, Seen), StoreError> {
    let mut seen = Vec::new();
    let opened = Store::open(disk.clone(), Options { segment_bytes }, Box::new(Prng::new(seed)), &mut |seq, payload| {
        seen.push((seq.0, payload.to_vec()));
        Ok(())
    })?;
    Ok((opened, seen))
}

impl World {
    /// # Panics
    /// If a store cannot be made.
    pub fn new(capacity: u64, seed: u64) -> World {
        let mut world = World::unopened(capacity, seed);
        world.try_open().expect("a new disk takes a store");
        world
    }

    pub fn unopened(capacity: u64, seed: u64) -> World {
        World {
            disk: MemDisk::with_sectors(capacity, SECTOR),
            store: None,
            segment_bytes: SEGMENT,
            records: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            gone: BTreeSet::new(),
            undecided: Vec::new(),
            durable: 0,
            recovery: Recovery::default(),
            dice: Prng::new(seed),
        }
    }

    pub fn store(&mut self) -> &mut Store<MemDisk> {
        self.store.as_mut().expect("the store is open")
    }

    /// A payload that tells its seq and cannot be mistaken for another's.
    pub fn payload(seq: u64, len: usize) -> Vec<u8> {
        seq.to_le_bytes().iter().chain(b"payload!").cycle().take(len).copied().collect()
    }

    pub fn run(&mut self, op: &Op) -> Result<(), StoreError> {
        match op {
            Op::Append(sizes) => self.append(sizes)?,
            Op::Commit => {
                self.store().commit()?;
            }
            Op::Forget(n) => {
                let living = self.living();
                if !living.is_empty() {
                    self.forget(living[n % living.len()]);
                }
            }
            Op::ForgetOldest(n) => self.living().into_iter().take(*n).for_each(|seq| self.forget(seq)),
            Op::Maintain(n) => {
                for _ in 0..*n {
                    if !self.store().maintain()? {
                        break;
                    }
                }
            }
            Op::Reopen => {
                let store = self.store.take().expect("the store is open");
                let newest = store.appended().0;
                store.close()?;
                (self.durable, self.undecided) = (newest, Vec::new());
                self.try_open()?;
            }
            Op::Kill => {
                self.note();
                self.store = None;
                self.try_open()?;
            }
            Op::Crash(keep) => {
                self.note();
                self.store = None;
                self.disk.crash(*keep);
                self.try_open()?;
            }
        }
        self.note();
        Ok(())
    }

    fn append(&mut self, sizes: &[u16]) -> Result<(), StoreError> {
        let mut seqs = Vec::new();
        let bytes: usize = sizes.iter().map(|size| usize::from(*size)).sum();
        let had_room = self.store().has_room(sizes.len(), bytes)?;
        let mut seq = self.store().appended().0;
        for (i, size) in sizes.iter().enumerate() {
            seq += 1 + self.dice.roll(3) * 1_000_000_000;
            let payload = World::payload(seq, (*size).into());
            match self.store().append(Seq(seq), &payload, i + 1 == sizes.len()) {
                Ok(()) => {
                    // Until its end is there, a batch is nothing.
                    seqs.push((seq, payload));
                }
                Err(e) if e.is_full() => {
                    assert!(!had_room, "promised room is there");
                    self.store().check_invariants();
                    return Ok(());
                }
                Err(e) => {
                    // The tail may have been sealed and the batch may not be there at all: it never is.
                    return Err(e);
                }
            }
        }
        self.undecided.push(seqs.iter().map(|(seq, _)| *seq).collect());
        self.records.extend(seqs);
        Ok(())
    }

    pub fn living(&self) -> Vec<u64> {
        self.records.keys().filter(|seq| **seq <= self.durable && !self.forgotten.contains(seq)).copied().collect()
    }

    pub fn forget(&mut self, seq: u64) {
        self.store().forget(Seq(seq));
        self.forgotten.insert(seq);
    }

    /// Takes over what the store says is durable, and compares what can be read.
    pub fn note(&mut self) {
        let Some(store) = &self.store else { return };
        self.durable = self.durable.max(store.durable().0);
        self.undecided.retain(|batch| batch.iter().any(|seq| *seq > self.durable));
        assert!(self.undecided.iter().flatten().all(|seq| *seq > self.durable), "a batch becomes durable as a whole");
        store.check_invariants();
        self.gone.extend(self.forgotten.iter().filter(|seq| !store.lingers(Seq(**seq))));
        for (seq, payload) in &self.records {
            let expected = (*seq <= self.durable && !self.forgotten.contains(seq)).then_some(&payload[..]);
            assert_eq!(store.read(Seq(*seq)), expected, "record {seq:x}");
        }
    }

    /// Opens the store and judges what it replayed.
    pub fn try_open(&mut self) -> Result<(), StoreError> {
        let seed = self.dice.roll(u64::MAX >> 33);
        let (opened, seen) = open(&self.disk, self.segment_bytes, seed)?;
        let Opened { store, recovery } = opened;
        assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "replayed in rising order, none twice");
        let seen: BTreeMap<u64, Vec<u8>> = seen.into_iter().collect();
        assert_eq!(recovery.records, seen.len());
        for (seq, payload) in &seen {
            assert_eq!(Some(payload), self.records.get(seq), "record {seq:x} is what was appended");
            assert!(!self.gone.contains(seq), "record {seq:x} was said to be gone");
        }
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
        assert!(store.durable().0 >= self.durable, "seqs never go back");
        assert_eq!(store.durable(), store.appended());
        self.records = seen;
        self.undecided.clear();
        self.durable = store.durable().0;
        self.recovery = recovery;
        self.forgotten.retain(|seq| self.records.contains_key(seq));
        self.store = Some(store);
        // As a caller would: what made it forget them has been replayed too.
        for seq in self.forgotten.clone() {
            self.store().forget(Seq(seq));
        }
        self.note();
        Ok(())
    }
}
