//! A log as version 1 of the format wrote it: read for ever, and written the same as long as that is the version.
//!
//! `tests/store_golden/v1.txt` has a line for each file: its name and its octets in hex. After a change of format
//! that is meant, a new file beside it is made by running this test with `MNM_BLESS=1`.

mod store_support;

use std::fmt::Write;
use std::fs;

use mnm::sim::MemDisk;
use mnm::store::Store;
use store_support::world::{Op, SEGMENT, World, open};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store_golden/v1.txt");

/// Every kind of record: batches, copies, drops, seals, marks, both ends.
fn written_today() -> World {
    let mut world = World::new(1 << 20, 42);
    for round in 0..6 {
        world.run(&Op::Append(vec![60, 0, 33])).expect("room");
        world.run(&Op::Append(vec![250])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
        if round == 2 {
            world.run(&Op::Kill).expect("a working disk");
        }
        world.run(&Op::Maintain(100)).expect("a working disk");
    }
    world.run(&Op::ForgetOldest(7)).expect("a working disk");
    world.run(&Op::Maintain(100)).expect("a working disk");
    world.run(&Op::Append(vec![5])).expect("room");
    world.store.take().expect("open").close().expect("a working disk");
    world
}

fn to_text(disk: &MemDisk) -> String {
    disk.names().iter().fold(String::new(), |mut text, name| {
        let hex = disk.bytes(name).iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("strings take all");
            hex
        });
        writeln!(text, "{name} {hex}").expect("strings take all");
        text
    })
}

fn from_text(text: &str) -> MemDisk {
    let disk = MemDisk::new(1 << 20);
    for line in text.lines() {
        let (name, hex) = line.split_once(' ').expect("a name and octets");
        let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
        disk.put(name, octets.collect());
    }
    disk
}

#[test]
fn version_1_is_written_as_ever() {
    let today = to_text(&written_today().disk);
    if std::env::var_os("MNM_BLESS").is_some() {
        fs::write(FILE, &today).expect("the file can be written");
    }
    let golden = fs::read_to_string(FILE).expect("the golden file is there");
    assert!(today == golden, "the octets have changed: a new version of the format, or an accident");
}

#[test]
fn version_1_is_read_for_ever() {
    let world = written_today();
    let golden = from_text(&fs::read_to_string(FILE).expect("the golden file is there"));
    let (opened, seen) = open(&golden, SEGMENT, 1).expect("a log of version 1");
    assert!(opened.recovery.clean);
    let living = world.living();
    assert!(living.len() >= 15);
    for seq in living {
        assert!(seen.contains(&(seq, World::payload(seq, world.records[&seq].len()))), "{seq}");
    }
    assert_eq!(opened.store.appended().0, *world.records.keys().last().expect("records"));
    Store::close(opened.store).expect("a working disk");
}
