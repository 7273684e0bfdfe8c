//! A disk in memory that is as unkind as a disk may be.
//!
//! Fault model:
//! - A write goes to the cache, in sectors. A crash keeps any subset of the sectors that were not synced.
//! - Creations, renames and removals go to a journal. A crash keeps any prefix of what was not synced.
//! - A call can be made to fail. A write that fails leaves its first half in the cache. A sync that fails leaves the cache
//!   as it is and *forgets that it was dirty*: the next sync succeeds, and reads show what the disk never got.
//! - From a given call on, every call can be made to fail: the power is gone, the process does not know yet.
//! - The disk has a capacity, which others may use up. A file that does not fit cannot be made.
//! - There may be no file descriptors: nothing can be made or opened.
//!
//! Not in here: octets that were synced and rot, and files that vanish. `tests/store_damage.rs` has those.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use super::prng::Prng;
use crate::store::{Disk, DiskFile};

/// The sectors of most disks, in octets.
const SECTOR: usize = 512;
/// "Too many open files", as Linux numbers it.
const EMFILE: i32 = 24;

/// A sector whose content the platter does not have.
#[derive(Clone)]
struct Behind {
    /// What the platter has.
    platter: Box<[u8]>,
    /// The next sync will write it. Not so after one that failed.
    dirty: bool,
}

/// What a file holds: the cache's view, and where the platter differs.
#[derive(Clone, Default)]
struct Content {
    cache: Vec<u8>,
    behind: BTreeMap<usize, Behind>,
}

type Shared = Rc<RefCell<Content>>;
type Names = BTreeMap<String, Shared>;

#[derive(Clone)]
enum DirOp {
    Create(String, Shared),
    Rename(String, String),
    Remove(String),
}

struct State {
    sector: usize,
    names: Names,
    durable_names: Names,
    journal: Vec<DirOp>,
    capacity: u64,
    calls: u64,
    fail_at: Option<u64>,
    dead_from: Option<u64>,
    starved: bool,
    lies: bool,
    syncs: u64,
}

/// What of the unsynced survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing of it.
    Nothing,
    /// All of it: only the process died.
    Everything,
    /// Some sectors, and a prefix of the directory's journal, chosen by this seed.
    Some(u64),
}

/// A disk in memory. Clones are the same disk; [`fork`](MemDisk::fork) makes another.
#[derive(Clone)]
pub struct MemDisk(Rc<RefCell<State>>);

impl MemDisk {
    /// An empty disk of that many octets.
    pub fn new(capacity: u64) -> MemDisk {
        MemDisk::with_sectors(capacity, SECTOR)
    }

    /// An empty disk with sectors of another size, in octets.
    pub fn with_sectors(capacity: u64, sector: usize) -> MemDisk {
        MemDisk(Rc::new(RefCell::new(State {
            sector,
            names: Names::new(),
            durable_names: Names::new(),
            journal: Vec::new(),
            capacity,
            calls: 0,
            fail_at: None,
            dead_from: None,
            starved: false,
            lies: false,
            syncs: 0,
        })))
    }

    /// An independent disk with the same content, unsynced sectors and all, and without faults to come.
    pub fn fork(&self) -> MemDisk {
        let state = self.0.borrow();
        let mut copies: Vec<(*const RefCell<Content>, Shared)> = Vec::new();
        let mut copy = |content: &Shared| -> Shared {
            let key = Rc::as_ptr(content);
            if let Some((_, known)) = copies.iter().find(|(of, _)| *of == key) {
                return known.clone();
            }
            let fresh = Rc::new(RefCell::new(content.borrow().clone()));
            copies.push((key, fresh.clone()));
            fresh
        };
        let mut copy_names = |names: &Names| names.iter().map(|(name, content)| (name.clone(), copy(content))).collect();
        let (names, durable_names) = (copy_names(&state.names), copy_names(&state.durable_names));
        let journal = state.journal.iter().map(|op| match op {
            DirOp::Create(name, content) => DirOp::Create(name.clone(), copy(content)),
            other => other.clone(),
        });
        let journal = journal.collect();
        MemDisk(Rc::new(RefCell::new(State { names, durable_names, journal, fail_at: None, dead_from: None, starved: false, ..*state })))
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.0.borrow().calls
    }

    /// How often octets were made durable.
    pub fn syncs(&self) -> u64 {
        self.0.borrow().syncs
    }

    /// Lets one call fail, by its number.
    pub fn fail_call(&self, at: u64) {
        self.0.borrow_mut().fail_at = Some(at);
    }

    /// Lets all calls fail from that number on.
    pub fn die_from(&self, at: u64) {
        self.0.borrow_mut().dead_from = Some(at);
    }

    /// Whether a call has failed since faults were last armed.
    pub fn has_failed(&self) -> bool {
        let state = self.0.borrow();
        [state.fail_at, state.dead_from].into_iter().flatten().any(|at| state.calls > at)
    }

    /// No more faults.
    pub fn heal(&self) {
        let mut state = self.0.borrow_mut();
        (state.fail_at, state.dead_from) = (None, None);
    }

    /// Whether there are no file descriptors for new files.
    pub fn starve(&self, starved: bool) {
        self.0.borrow_mut().starved = starved;
    }

    /// Makes syncs say that all is well and do nothing: a disk that no program can work with, to see whether a check notices.
    pub fn lie(&self) {
        self.0.borrow_mut().lies = true;
    }

    /// The disk grows or shrinks; what is there stays.
    pub fn set_capacity(&self, capacity: u64) {
        self.0.borrow_mut().capacity = capacity;
    }

    /// Octets that all files together can have.
    pub fn capacity(&self) -> u64 {
        self.0.borrow().capacity
    }

    /// Octets of all files.
    pub fn used(&self) -> u64 {
        self.0.borrow().used()
    }

    /// Power off and on again.
    pub fn crash(&self, keep: Keep) {
        self.heal();
        let state = &mut *self.0.borrow_mut();
        let mut prng = Prng::new(if let Keep::Some(seed) = keep { seed } else { 0 });
        let journal = std::mem::take(&mut state.journal);
        let kept = match keep {
            Keep::Nothing => 0,
            Keep::Everything => journal.len(),
            Keep::Some(_) => prng.index(journal.len() + 1),
        };
        for op in &journal[..kept] {
            apply(&mut state.durable_names, op);
        }
        state.names = state.durable_names.clone();
        let sector_bytes = state.sector;
        for content in state.names.values() {
            let content = &mut *content.borrow_mut();
            for (sector, Behind { platter, dirty }) in std::mem::take(&mut content.behind) {
                let keep = dirty
                    && match keep {
                        Keep::Nothing => false,
                        Keep::Everything => true,
                        Keep::Some(_) => prng.chance(1, 2),
                    };
                if !keep {
                    content.cache[sector * sector_bytes..][..platter.len()].copy_from_slice(&platter);
                }
            }
        }
    }

    /// The files that are there.
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().names.keys().cloned().collect()
    }

    /// A file's octets, as reading shows them.
    ///
    /// # Panics
    /// If there is no such file; so do the others that name one.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.0.borrow().names[name].borrow().cache.clone()
    }

    /// Changes a file behind the store's back, durably.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let state = self.0.borrow();
        let content = &mut *state.names[name].borrow_mut();
        change(&mut content.cache);
        content.behind.clear();
    }

    /// Puts a file there, durably.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let state = &mut *self.0.borrow_mut();
        let content: Shared = Rc::new(RefCell::new(Content { cache: bytes, behind: BTreeMap::new() }));
        state.names.insert(name.into(), content.clone());
        state.durable_names.insert(name.into(), content);
    }

    /// Takes a file away, durably.
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

    fn call_for_descriptor(&self) -> io::Result<()> {
        self.call()?;
        if self.0.borrow().starved { Err(io::Error::from_raw_os_error(EMFILE)) } else { Ok(()) }
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().map(|content| content.borrow().cache.len() as u64).sum()
    }
}

impl Content {
    /// Writes to the cache, and keeps what the platter has of the sectors that change.
    fn write(&mut self, start: usize, bytes: &[u8], sector_bytes: usize) {
        let end = start + bytes.len();
        for sector in start / sector_bytes..end.div_ceil(sector_bytes) {
            let from = sector * sector_bytes;
            let to = (from + sector_bytes).min(self.cache.len());
            let (first, last) = (start.max(from), end.min(to));
            let new = &bytes[first - start..last - start];
            if let Some(behind) = self.behind.get_mut(&sector) {
                behind.dirty = true;
            } else if self.cache[first..last] != *new {
                self.behind.insert(sector, Behind { platter: self.cache[from..to].into(), dirty: true });
            }
            self.cache[first..last].copy_from_slice(new);
        }
    }
}

fn apply(names: &mut Names, op: &DirOp) {
    match op {
        DirOp::Create(name, content) => assert!(names.insert(name.clone(), content.clone()).is_none(), "{name} is there"),
        DirOp::Rename(from, to) => {
            let content = names.remove(from).expect("the old name is there");
            assert!(names.insert(to.clone(), content).is_none(), "{to} is there");
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
        self.call_for_descriptor()?;
        let state = &mut *self.0.borrow_mut();
        if state.used() + bytes > state.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content: Shared = Rc::new(RefCell::new(Content { cache: vec![0; bytes as usize], behind: BTreeMap::new() }));
        let op = DirOp::Create(name.into(), content.clone());
        apply(&mut state.names, &op);
        state.journal.push(op);
        Ok(MemFile { disk: self.clone(), content, view: Vec::new(), retired: false })
    }

    fn open(&mut self, name: &str) -> io::Result<MemFile> {
        self.call_for_descriptor()?;
        let content = self.0.borrow().names.get(name).ok_or(io::ErrorKind::NotFound)?.clone();
        Ok(MemFile { disk: self.clone(), content, view: Vec::new(), retired: false })
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
        if !state.lies {
            state.journal.clear();
            state.durable_names = state.names.clone();
        }
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

/// A file of a [`MemDisk`].
pub struct MemFile {
    disk: MemDisk,
    content: Shared,
    view: Vec<u8>,
    retired: bool,
}

impl MemFile {
    fn content(&self) -> Ref<'_, Content> {
        assert!(!self.retired, "a retired file is only read through its view");
        self.content.borrow()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Content) -> T) -> T {
        assert!(!self.retired, "a retired file is only read through its view");
        work(&mut self.content.borrow_mut())
    }
}

impl DiskFile for MemFile {
    fn size(&self) -> u64 {
        self.content.borrow().cache.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.call()?;
        out.copy_from_slice(&self.content().cache[offset as usize..][..out.len()]);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(offset as usize >= self.view.len(), "exposed octets never change");
        let fails = self.disk.call();
        let sector = self.disk.0.borrow().sector;
        let bytes = if fails.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.with(|content| content.write(offset as usize, bytes, sector));
        fails
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let fails = self.disk.call();
        if self.disk.is_dead() || self.disk.0.borrow().lies {
            // What was to be synced may still reach the platter, or not.
            return fails;
        }
        self.with(|content| match &fails {
            Ok(()) => content.behind.retain(|_, behind| !behind.dirty),
            Err(_) => content.behind.values_mut().for_each(|behind| behind.dirty = false),
        });
        self.disk.0.borrow_mut().syncs += 1;
        fails
    }

    fn drop_cache(&mut self) {
        let sector_bytes = self.disk.0.borrow().sector;
        self.with(|content| {
            let Content { cache, behind } = content;
            behind.retain(|sector, Behind { platter, dirty }| {
                if !*dirty {
                    cache[sector * sector_bytes..][..platter.len()].copy_from_slice(platter);
                }
                *dirty
            });
        });
    }

    fn expose(&mut self, end: usize) -> io::Result<()> {
        self.disk.call()?;
        let start = self.view.len();
        assert!(start <= end, "a view only grows");
        let more = self.content().cache[start..end].to_vec();
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
