//! A copy that is taken while the log is written to: at every call that it makes of the disk, anything may happen there.

mod store_support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use mnm::sim::{Keep, MemDisk, MemFile, Prng};
use mnm::store::{Copied, Disk, DiskFile, StoreError, backup, verify};
use store_support::world::{Op, SEGMENT, World, open};

/// What happens on the source's disk between two octets that are read from it.
struct Trouble {
    world: World,
    dice: Prng,
    /// How many things may happen still: every site is quiet some time.
    left: u32,
    /// One call in so many is disturbed.
    one_in: u64,
    happened: u32,
}

impl Trouble {
    fn strike(&mut self) {
        while self.left > 0 && self.dice.roll(self.one_in) == 0 {
            self.left -= 1;
            self.happened += 1;
            let op = match self.dice.roll(32) {
                0..=9 => Op::Append((0..=self.dice.roll(3)).map(|_| self.dice.roll(200) as u16).collect()),
                10..=16 => Op::Commit,
                17..=20 => Op::ForgetOldest(self.dice.roll(6) as usize),
                21..=22 => Op::Forget(self.dice.roll(100) as usize),
                23..=29 => Op::Maintain(1 + self.dice.roll(4) as usize),
                30 => Op::Reopen,
                _ => [Op::Kill, Op::Crash(Keep::Some(self.dice.roll(1000)))][self.dice.roll(2) as usize].clone(),
            };
            self.world.run(&op).expect("a working disk");
        }
    }
}

/// The source's disk, as one sees it who does not hold its lock.
#[derive(Clone)]
struct Busy(Rc<RefCell<Trouble>>, MemDisk);

struct BusyFile(Busy, MemFile);

impl Disk for Busy {
    type File = BusyFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.borrow_mut().strike();
        self.1.list()
    }

    fn create(&mut self, _: &str, _: u64) -> io::Result<BusyFile> {
        panic!("the source is only read")
    }

    fn open(&mut self, name: &str) -> io::Result<BusyFile> {
        self.0.borrow_mut().strike();
        Ok(BusyFile(self.clone(), self.1.open(name)?))
    }

    fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
        panic!("the source is only read")
    }

    fn remove(&mut self, _: &str) -> io::Result<()> {
        panic!("the source is only read")
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        panic!("the source is only read")
    }

    fn free_space(&mut self) -> io::Result<u64> {
        panic!("nobody asks")
    }

    fn describe(&self, name: &str) -> String {
        format!("busy/{name}")
    }
}

impl DiskFile for BusyFile {
    fn size(&self) -> u64 {
        self.1.size()
    }

    /// In pieces, front to back, as a system copies pages; what comes later may be newer.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut at = offset;
        for piece in out.chunks_mut(96) {
            self.0.0.borrow_mut().strike();
            self.1.read_at(at, piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        panic!("the source is only read")
    }

    fn sync_data(&mut self) -> io::Result<()> {
        panic!("the source is only read")
    }

    fn drop_cache(&mut self) {}

    fn expose(&mut self, _: usize) -> io::Result<()> {
        panic!("the source is not mapped")
    }

    fn exposed(&self) -> &[u8] {
        &[]
    }

    fn retire(&mut self) {}
}

fn busy(seed: u64, left: u32, one_in: u64) -> (Busy, BTreeMap<u64, usize>) {
    let mut world = World::new(1 << 20, seed);
    let mut dice = Prng::new(seed + 1);
    for _ in 0..dice.roll(20) {
        world.run(&Op::Append(vec![dice.roll(300) as u16, dice.roll(100) as u16])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
        world.run(&Op::ForgetOldest(dice.roll(3) as usize)).expect("a working disk");
        world.run(&Op::Maintain(dice.roll(3) as usize)).expect("a working disk");
    }
    let owed = world.living().iter().map(|seq| (*seq, world.records[seq].len())).collect();
    let disk = world.disk.clone();
    (Busy(Rc::new(RefCell::new(Trouble { world, dice, left, one_in, happened: 0 })), disk), owed)
}

/// Takes a copy and checks it against what was there when it was begun; returns how many things happened.
fn check(seed: u64, left: u32, one_in: u64) -> (Result<Copied, StoreError>, u32) {
    let (mut source, owed) = busy(seed, left, one_in);
    let mut target = MemDisk::new(1 << 20);
    let copied = backup(&mut source, &mut target, &mut |_, _| {});
    let trouble = source.0.borrow();
    let happened = trouble.happened;
    if copied.is_err() {
        return (copied, happened);
    }
    let before = target.names();
    verify(target.clone(), &mut |_, _| {}, &mut |_, _| Ok(())).unwrap_or_else(|e| panic!("seed {seed}: the copy is not whole: {e}"));
    assert_eq!(before, target.names());
    target.crash(Keep::Nothing);
    assert_eq!(before, target.names(), "seed {seed}: the copy is synced");
    let (opened, seen) = open(&target, SEGMENT, seed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    opened.store.check_invariants();
    let seen: BTreeMap<u64, Vec<u8>> = seen.into_iter().collect();
    for (seq, payload) in &seen {
        assert_eq!(*payload, World::payload(*seq, payload.len()), "seed {seed}: record {seq:x} is what was appended");
    }
    let living = trouble.world.living();
    for seq in owed.keys().filter(|seq| living.contains(seq)) {
        assert_eq!(seen.get(seq).map(Vec::len), owed.get(seq).copied(), "seed {seed}: record {seq:x} was durable, and still is owed");
    }
    // What is in the copy was there at one time: nothing is in it that came after something that is not.
    let newest = seen.keys().last().copied().unwrap_or_default();
    for seq in living.iter().filter(|seq| **seq <= newest) {
        assert!(seen.contains_key(seq), "seed {seed}: record {seq:x} is not there, and {newest:x} is");
    }
    (copied, happened)
}

#[test]
fn a_copy_of_a_log_at_rest_is_the_log() {
    for seed in 0..50 {
        let (copied, _) = check(seed, 0, 2);
        assert_eq!(copied.expect("nothing moves").passes, 1);
    }
}

#[test]
fn a_copy_is_consistent_whatever_happens_while_it_is_taken() {
    let (mut passes, mut happened) = (0, 0);
    for seed in 0..2000 {
        let (left, one_in) = [(20, 2), (60, 4), (200, 9), (400, 30), (1000, 80)][seed as usize % 5];
        let (copied, troubles) = check(seed, left, one_in);
        passes += copied.unwrap_or_else(|e| panic!("seed {seed}: {e}")).passes;
        happened += troubles;
    }
    assert!(passes > 2600 && happened > 20_000, "the disk was busy: {passes} passes, {happened} things happened");
}

#[test]
fn a_log_that_never_rests_is_given_up_with_a_cure() {
    // Whoever looks finds the first segment gone and another one there.
    struct Restless(MemDisk, u64);
    impl Disk for Restless {
        type File = MemFile;
        fn list(&mut self) -> io::Result<Vec<String>> {
            self.1 += 1;
            Ok(vec![format!("{:010x}.seg", self.1 / 2 + 2)])
        }
        fn create(&mut self, name: &str, bytes: u64) -> io::Result<MemFile> {
            self.0.create(name, bytes)
        }
        fn open(&mut self, name: &str) -> io::Result<MemFile> {
            self.0.open(name)
        }
        fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&mut self, name: &str) -> io::Result<()> {
            self.0.remove(name)
        }
        fn sync_dir(&mut self) -> io::Result<()> {
            self.0.sync_dir()
        }
        fn free_space(&mut self) -> io::Result<u64> {
            self.0.free_space()
        }
        fn describe(&self, name: &str) -> String {
            self.0.describe(name)
        }
    }
    let e = backup(&mut Restless(MemDisk::new(1 << 20), 0), &mut MemDisk::new(1 << 20), &mut |_, _| {}).expect_err("it never rests");
    assert!(matches!(e, StoreError::Restless { .. }) && e.to_string().contains("quieter"), "{e}");
}

#[test]
fn damage_is_told_of_the_source_and_not_copied() {
    let (mut source, _) = busy(5, 0, 2);
    for _ in 0..10 {
        source.0.borrow_mut().world.run(&Op::Append(vec![200])).expect("room");
        source.0.borrow_mut().world.run(&Op::Commit).expect("a working disk");
    }
    let mut refused = 0;
    for name in source.1.names().iter().filter(|name| name.ends_with(".seg")) {
        for at in (0..SEGMENT as usize).step_by(7) {
            source.1.tamper(name, |bytes| bytes[at] ^= 4);
            let mut target = MemDisk::new(1 << 20);
            let copied = backup(&mut source, &mut target, &mut |_, _| {});
            let verified = verify(target.clone(), &mut |_, _| {}, &mut |_, _| Ok(()));
            let whole = verify(source.1.clone(), &mut |_, _| {}, &mut |_, _| Ok(()));
            match (copied, whole) {
                (Ok(_), Ok(whole)) => {
                    let copy = verified.unwrap_or_else(|e| panic!("{name} at {at}: {e}"));
                    assert_eq!((copy.records, copy.bytes), (whole.records, whole.bytes), "{name} at {at}");
                }
                (Ok(_), Err(_)) => assert!(verified.is_err(), "{name} at {at}: a damaged log gives no copy that looks whole"),
                (Err(e), _) => {
                    assert!(matches!(e, StoreError::Rot { .. }) && e.to_string().contains(name), "{name} at {at}: {e}");
                    refused += 1;
                }
            }
            source.1.tamper(name, |bytes| bytes[at] ^= 4);
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_full_disk_is_told() {
    let (mut source, _) = busy(7, 0, 2);
    let mut target = MemDisk::new(u64::from(SEGMENT));
    let e = backup(&mut source, &mut target, &mut |_, _| {}).expect_err("it holds one segment");
    assert!(e.is_full() && e.to_string().contains("free"), "{e}");
}
