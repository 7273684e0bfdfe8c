//! What can be read of a log that is not whole: all but what was hit, wherever that is.

mod store_support;

use std::collections::BTreeMap;
use std::io;

use mnm::base::Seq;
use mnm::sim::{MemDisk, MemFile};
use mnm::store::{Disk, DiskFile, Lost, Salvage, StoreError, verify};
use store_support::world::{Op, SEGMENT, World};

/// Some segments with records, a hole where one was destroyed, copies, and three commits in the tail.
fn history() -> World {
    let mut world = World::new(1 << 20, 9);
    for _ in 0..8 {
        world.run(&Op::Append(vec![60, 0, 33])).expect("room");
        world.run(&Op::Append(vec![200])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
    }
    for seq in world.living().iter().take(14).skip(4) {
        world.forget(*seq);
    }
    world.run(&Op::Maintain(1000)).expect("a working disk");
    for _ in 0..3 {
        world.run(&Op::Append(vec![10, 20])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
    }
    world.run(&Op::Maintain(1000)).expect("a working disk");
    world.store.take().expect("open").close().expect("a working disk");
    world
}

type Records = BTreeMap<u64, Vec<u8>>;

fn is_whole(disk: &MemDisk) -> bool {
    verify(disk.clone(), &mut |_, _| {}, &mut |_, _| Ok(())).is_ok()
}

fn salvage<D: Disk>(disk: &mut D) -> (Salvage, Records) {
    let salvage = Salvage::take(disk, &mut |_, _| {}).expect("it can be read");
    let mut records = Records::new();
    let visited = salvage.each(disk, &mut |Seq(seq), payload| {
        records.insert(seq, payload.to_vec());
        Ok(())
    });
    visited.expect("what was found can be read");
    assert_eq!(salvage.records(), records.len());
    (salvage, records)
}

/// Salvages, and tells what of the living is not found.
fn missing(world: &World, disk: &mut MemDisk, what: &str) -> (Salvage, Vec<u64>) {
    let (salvage, records) = salvage(disk);
    for (seq, payload) in &records {
        assert_eq!(*payload, World::payload(*seq, payload.len()), "{what}: record {seq:x} is what was appended");
    }
    let living = world.living();
    let missing: Vec<u64> = living.iter().copied().filter(|seq| !records.contains_key(seq)).collect();
    for seq in &missing {
        let tells = salvage.losses.iter().any(|loss| match &loss.what {
            Lost::Record(lost, _) => lost.0 == *seq,
            // A copy may be lost there that is older than its neighbours.
            Lost::Gap { .. } | Lost::File { .. } => true,
            Lost::Header | Lost::Nothing => false,
        });
        let tells = tells || !salvage.ends_closed && *seq > salvage.newest.0;
        assert!(tells, "{what}: {seq:x} is lost and told: {:?}", salvage.losses);
    }
    assert!(salvage.newest.0 >= living.iter().copied().filter(|seq| !missing.contains(seq)).max().unwrap_or(0), "{what}");
    (salvage, missing)
}

fn segments(disk: &MemDisk) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.ends_with(".seg")).collect()
}

#[test]
fn of_a_whole_log_nothing_is_missing() {
    let world = history();
    let (salvage, missing) = missing(&world, &mut world.disk.clone(), "whole");
    assert_eq!((salvage.losses, missing), (vec![], vec![]));
    assert!(salvage.ends_closed);
}

#[test]
fn a_flip_costs_one_record_at_most_and_a_header_none() {
    let world = history();
    let (mut refused, mut cost) = (0, 0);
    for name in segments(&world.disk) {
        for at in 0..SEGMENT as usize {
            let mut disk = world.disk.fork();
            disk.tamper(&name, |bytes| bytes[at] ^= 1 << (at % 8));
            if is_whole(&disk) {
                continue;
            }
            let what = format!("{name} flipped at {at}");
            let (salvage, missing) = missing(&world, &mut disk, &what);
            assert!(missing.len() <= usize::from(at >= 64), "{what}: {missing:x?}");
            assert!(salvage.losses.iter().any(|loss| loss.file.ends_with(&name)), "{what}: {:?}", salvage.losses);
            refused += 1;
            cost += missing.len();
        }
    }
    assert!(refused > 2000 && cost > 500, "{refused} {cost}");
}

#[test]
fn a_cut_and_a_hole_cost_what_was_there() {
    let world = history();
    for name in segments(&world.disk) {
        for at in (0..SEGMENT as usize).step_by(40) {
            let mut disk = world.disk.fork();
            disk.tamper(&name, |bytes| bytes.truncate(at));
            let (salvage, lost) = missing(&world, &mut disk, &format!("{name} cut to {at}"));
            let gap = |lost: &Lost| matches!(lost, Lost::Gap { .. } | Lost::File { .. });
            assert!(at < 104 || lost.is_empty() || salvage.losses.iter().any(|loss| gap(&loss.what)), "{name} cut to {at}");
            let mut disk = world.disk.fork();
            disk.tamper(&name, |bytes| bytes[at..].iter_mut().take(200).for_each(|octet| *octet = 0));
            let (_, lost) = missing(&world, &mut disk, &format!("{name} with a hole at {at}"));
            // Without its salt a segment tells nothing.
            assert!(at < 64 || lost.len() <= 8, "{name} with a hole at {at}: {lost:x?}");
        }
    }
}

#[test]
fn missing_files_are_told_and_their_numbers_are_not_given_again() {
    let world = history();
    let names = segments(&world.disk);
    let mut told = 0;
    for (i, name) in names.iter().enumerate() {
        for other in &names[i..] {
            let mut disk = world.disk.fork();
            disk.delete(name);
            if other != name {
                disk.delete(other);
            }
            if is_whole(&disk) {
                continue;
            }
            let (salvage, _) = missing(&world, &mut disk, &format!("without {name} and {other}"));
            let files: Vec<&str> = salvage.losses.iter().map(|loss| loss.file.as_str()).collect();
            assert!(!files.is_empty(), "without {name} and {other}");
            told += 1;
            let highest = disk.names().into_iter().filter_map(|name| u64::from_str_radix(name.get(..10)?, 16).ok()).max();
            assert!(highest.is_none_or(|highest| salvage.next_number > highest));
        }
    }
    assert!(told > 5, "{told}");
}

#[test]
fn a_later_version_is_left_to_the_program_that_wrote_it() {
    let world = history();
    world.disk.tamper(&segments(&world.disk)[0], |bytes| {
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
    let e = Salvage::take(&mut world.disk.clone(), &mut |_, _| {}).err().expect("it cannot be read");
    assert!(matches!(e, StoreError::Version { found: 2, .. }), "{e}");
}

/// A disk that cannot read some octets of one file.
struct Failing(MemDisk, String, std::ops::Range<u64>);

struct FailingFile(MemFile, std::ops::Range<u64>);

impl Disk for Failing {
    type File = FailingFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn create(&mut self, _: &str, _: u64) -> io::Result<FailingFile> {
        panic!("nothing is changed")
    }

    fn open(&mut self, name: &str) -> io::Result<FailingFile> {
        let bad = if name == self.1 { self.2.clone() } else { 0..0 };
        Ok(FailingFile(self.0.open(name)?, bad))
    }

    fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
        panic!("nothing is changed")
    }

    fn remove(&mut self, _: &str) -> io::Result<()> {
        panic!("nothing is changed")
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        panic!("nothing is changed")
    }

    fn free_space(&mut self) -> io::Result<u64> {
        panic!("nobody asks")
    }

    fn describe(&self, name: &str) -> String {
        self.0.describe(name)
    }
}

impl DiskFile for FailingFile {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let fails = offset < self.1.end && offset + out.len() as u64 > self.1.start;
        if fails { Err(io::Error::other("a bad sector")) } else { self.0.read_at(offset, out) }
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        panic!("nothing is changed")
    }

    fn sync_data(&mut self) -> io::Result<()> {
        panic!("nothing is changed")
    }

    fn drop_cache(&mut self) {}

    fn expose(&mut self, _: usize) -> io::Result<()> {
        panic!("nothing is mapped")
    }

    fn exposed(&self) -> &[u8] {
        &[]
    }

    fn retire(&mut self) {}
}

#[test]
fn a_sector_that_cannot_be_read_costs_what_was_in_it() {
    let mut world = World::unopened(1 << 24, 3);
    world.segment_bytes = 64 << 10;
    world.try_open().expect("room");
    for _ in 0..300 {
        world.run(&Op::Append(vec![300])).expect("room");
    }
    world.run(&Op::Commit).expect("a working disk");
    let living = world.living();
    world.store.take().expect("open").close().expect("a working disk");
    let name = segments(&world.disk)[0].clone();
    let (salvage, records) = salvage(&mut Failing(world.disk.clone(), name, 8192..12288));
    let lost = living.iter().filter(|seq| !records.contains_key(seq)).count();
    assert!((10..=14).contains(&lost), "{lost} of {} are lost", living.len());
    assert!(salvage.losses.iter().any(|loss| matches!(loss.what, Lost::Gap { .. })), "{:?}", salvage.losses);
}
