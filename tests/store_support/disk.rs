//! A disk in memory that is as unkind as a disk may be.
//!
//! Fault model:
//! - A write goes to the cache, in sectors. A crash keeps any subset of the sectors that were not synced.
//! - Creations, renames and removals go to a journal. A crash keeps any prefix of what was not synced.
//! - A call can be made to fail. A write that fails leaves its first half in the cache. A sync that fails leaves the cache
//!   as it is and *forgets that it was dirty*: the next sync succeeds, and reads show what the disk never got.
//! - From a given call on, every call can be made to fail: the power is gone, the process does not know yet.
//! - The disk has a capacity. A file that does not fit cannot be made.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use mnm::base::Entropy;
use mnm::store::{Disk, DiskFile};

const SECTOR: usize = 64;

/// A small generator (xorshift64*), good enough to choose faults.
#[derive(Clone, Copy)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

impl Entropy for Dice {
    fn fill(&mut self, out: &mut [u8]) {
        out.iter_mut().for_each(|byte| *byte = self.roll(256) as u8);
    }
}

#[derive(Default, Clone)]
struct Content {
    cache: Vec<u8>,
    platter: Vec<u8>,
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum DirOp {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone)]
struct State {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    journal: Vec<DirOp>,
    capacity: u64,
    calls: u64,
    fail_at: Option<u64>,
    dead_from: Option<u64>,
    /// How often octets were made durable.
    syncs: u64,
}

/// What of the unsynced survives a crash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    Nothing,
    Everything,
    Some(u64),
}

#[derive(Clone)]
pub struct MemDisk(Rc<RefCell<State>>);

impl MemDisk {
    pub fn new(capacity: u64) -> MemDisk {
        MemDisk(Rc::new(RefCell::new(State {
            contents: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            journal: Vec::new(),
            capacity,
            calls: 0,
            fail_at: None,
            dead_from: None,
            syncs: 0,
        })))
    }

    /// An independent disk with the same content.
    pub fn fork(&self) -> MemDisk {
        MemDisk(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    pub fn calls(&self) -> u64 {
        self.0.borrow().calls
    }

    pub fn syncs(&self) -> u64 {
        self.0.borrow().syncs
    }

    pub fn fail_call(&self, at: u64) {
        self.0.borrow_mut().fail_at = Some(at);
    }

    pub fn die_from(&self, at: u64) {
        self.0.borrow_mut().dead_from = Some(at);
    }

    pub fn heal(&self) {
        let mut state = self.0.borrow_mut();
        (state.fail_at, state.dead_from) = (None, None);
    }

    pub fn set_capacity(&self, capacity: u64) {
        self.0.borrow_mut().capacity = capacity;
    }

    pub fn used(&self) -> u64 {
        self.0.borrow().used()
    }

    /// Power off and on again.
    pub fn crash(&self, keep: Keep) {
        self.heal();
        let state = &mut *self.0.borrow_mut();
        let mut dice = Dice::new(if let Keep::Some(seed) = keep { seed } else { 0 });
        let journal = std::mem::take(&mut state.journal);
        let kept = match keep {
            Keep::Nothing => 0,
            Keep::Everything => journal.len(),
            Keep::Some(_) => dice.roll(journal.len() as u64 + 1) as usize,
        };
        for op in &journal[..kept] {
            apply(&mut state.durable_names, op);
        }
        state.names = state.durable_names.clone();
        for content in &mut state.contents {
            for sector in std::mem::take(&mut content.dirty) {
                let keep = match keep {
                    Keep::Nothing => false,
                    Keep::Everything => true,
                    Keep::Some(_) => dice.roll(2) == 0,
                };
                if keep {
                    content.write_back(sector);
                }
            }
            content.cache = content.platter.clone();
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.0.borrow().names.keys().cloned().collect()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.0.borrow();
        state.contents[state.names[name]].cache.clone()
    }

    /// Changes a file behind the store's back, durably.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let state = &mut *self.0.borrow_mut();
        let content = &mut state.contents[state.names[name]];
        change(&mut content.cache);
        content.platter = content.cache.clone();
    }

    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let state = &mut *self.0.borrow_mut();
        state.contents.push(Content { cache: bytes.clone(), platter: bytes, dirty: BTreeSet::new() });
        let id = state.contents.len() - 1;
        state.names.insert(name.into(), id);
        state.durable_names.insert(name.into(), id);
    }

    pub fn delete(&self, name: &str) {
        let state = &mut *self.0.borrow_mut();
        assert!(state.names.remove(name).is_some(), "{name}");
        state.durable_names.remove(name);
    }

    fn is_dead(&self) -> bool {
        let state = self.0.borrow();
        state.dead_from.is_some_and(|from| state.calls > from)
    }

    /// Counts the call and lets it fail if its time has come.
    fn call(&self) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        let at = state.calls;
        state.calls += 1;
        let fails = state.fail_at == Some(at) || state.dead_from.is_some_and(|from| at >= from);
        if fails { Err(io::Error::other("injected")) } else { Ok(()) }
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().map(|id| self.contents[*id].cache.len() as u64).sum()
    }
}

impl Content {
    fn write_back(&mut self, sector: usize) {
        let range = sector * SECTOR..((sector + 1) * SECTOR).min(self.cache.len());
        self.platter[range.clone()].copy_from_slice(&self.cache[range]);
    }
}

fn apply(names: &mut BTreeMap<String, usize>, op: &DirOp) {
    match op {
        DirOp::Create(name, id) => assert!(names.insert(name.clone(), *id).is_none(), "{name} is there"),
        DirOp::Rename(from, to) => {
            let id = names.remove(from).expect("the old name is there");
            assert!(names.insert(to.clone(), id).is_none(), "{to} is there");
        }
        DirOp::Remove(name) => assert!(names.remove(name).is_some(), "{name} is not there"),
    }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.call()?;
        Ok(self.names())
    }

    fn create(&mut self, name: &str, bytes: u64) -> io::Result<MemFile> {
        self.call()?;
        let state = &mut *self.0.borrow_mut();
        if state.used() + bytes > state.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let zeroes = vec![0; bytes as usize];
        state.contents.push(Content { cache: zeroes.clone(), platter: zeroes, dirty: BTreeSet::new() });
        let id = state.contents.len() - 1;
        let op = DirOp::Create(name.into(), id);
        apply(&mut state.names, &op);
        state.journal.push(op);
        Ok(MemFile { disk: self.clone(), id, view: Vec::new(), retired: false })
    }

    fn open(&mut self, name: &str) -> io::Result<MemFile> {
        self.call()?;
        let id = *self.0.borrow().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(MemFile { disk: self.clone(), id, view: Vec::new(), retired: false })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.call()?;
        let state = &mut *self.0.borrow_mut();
        let op = DirOp::Rename(from.into(), to.into());
        apply(&mut state.names, &op);
        state.journal.push(op);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.call()?;
        let state = &mut *self.0.borrow_mut();
        let op = DirOp::Remove(name.into());
        apply(&mut state.names, &op);
        state.journal.push(op);
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.call()?;
        let state = &mut *self.0.borrow_mut();
        state.journal.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_space(&mut self) -> io::Result<u64> {
        self.call()?;
        let state = self.0.borrow();
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn describe(&self, name: &str) -> String {
        format!("memory/{name}")
    }
}

pub struct MemFile {
    disk: MemDisk,
    id: usize,
    view: Vec<u8>,
    retired: bool,
}

impl MemFile {
    fn with<T>(&self, work: impl FnOnce(&mut Content) -> T) -> T {
        assert!(!self.retired, "a retired file is only read through its view");
        work(&mut self.disk.0.borrow_mut().contents[self.id])
    }
}

impl DiskFile for MemFile {
    fn size(&self) -> u64 {
        self.disk.0.borrow().contents[self.id].cache.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.call()?;
        self.with(|content| out.copy_from_slice(&content.cache[offset as usize..][..out.len()]));
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(offset as usize >= self.view.len(), "exposed octets never change");
        let fails = self.disk.call();
        let bytes = if fails.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        let start = offset as usize;
        self.with(|content| {
            content.cache[start..][..bytes.len()].copy_from_slice(bytes);
            content.dirty.extend(start / SECTOR..(start + bytes.len()).div_ceil(SECTOR));
        });
        fails
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let fails = self.disk.call();
        if self.disk.is_dead() {
            // What was to be synced may still reach the platter, or not.
            return fails;
        }
        self.with(|content| {
            for sector in std::mem::take(&mut content.dirty) {
                if fails.is_ok() {
                    content.write_back(sector);
                }
            }
        });
        self.disk.0.borrow_mut().syncs += 1;
        fails
    }

    fn drop_cache(&mut self) {
        self.with(|content| {
            let dirty: Vec<(usize, Vec<u8>)> =
                content.dirty.iter().map(|s| (*s, content.cache[s * SECTOR..].iter().take(SECTOR).copied().collect())).collect();
            content.cache = content.platter.clone();
            for (sector, bytes) in dirty {
                content.cache[sector * SECTOR..][..bytes.len()].copy_from_slice(&bytes);
            }
        });
    }

    fn expose(&mut self, end: usize) -> io::Result<()> {
        self.disk.call()?;
        let start = self.view.len();
        assert!(start <= end, "a view only grows");
        let more = self.with(|content| content.cache[start..end].to_vec());
        self.view.extend_from_slice(&more);
        Ok(())
    }

    fn exposed(&self) -> &[u8] {
        &self.view
    }

    fn retire(&mut self) {
        self.retired = true;
    }
}
