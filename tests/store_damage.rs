//! Files that are not as they were left: exact recovery or a loud refusal, never silence.

mod store_support;

use std::collections::BTreeMap;

use mnm::base::Seq;
use mnm::sim::{Keep, MemDisk};
use mnm::store::{Recovery, StoreError};
use store_support::world::{Op, SEGMENT, World, open};

/// Some segments with records, a hole where one was destroyed, copies, and three commits in the tail.
fn history(clean: bool) -> World {
    let mut world = World::new(1 << 20, 9);
    for _ in 0..8 {
        world.run(&Op::Append(vec![60, 0, 33])).expect("room");
        world.run(&Op::Append(vec![200])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
    }
    let living = world.living();
    for seq in living.iter().take(14).skip(4) {
        world.forget(*seq);
    }
    world.run(&Op::Maintain(1000)).expect("a working disk");
    for _ in 0..3 {
        world.run(&Op::Append(vec![10, 20])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
    }
    world.run(&Op::Maintain(1000)).expect("a working disk");
    if clean {
        world.store.take().expect("open").close().expect("a working disk");
    } else {
        world.store = None;
        world.disk.crash(Keep::Nothing);
    }
    world
}

/// Something done to a disk.
type Tamper = Box<dyn FnOnce(&MemDisk)>;
/// What is done, the file it is done to, and the doing.
type Change = (String, String, Tamper);
type Records = BTreeMap<u64, Vec<u8>>;

/// What opening a copy of the disk makes of it.
fn outcome(disk: &MemDisk) -> Result<(Recovery, Records), StoreError> {
    let (opened, seen) = open(disk, SEGMENT, 3)?;
    opened.store.check_invariants();
    Ok((opened.recovery, seen.into_iter().collect()))
}

fn segments(world: &World) -> Vec<String> {
    world.disk.names().into_iter().filter(|name| name.ends_with(".seg")).collect()
}

/// Applies each change to a fresh copy and checks what comes of it: all records, or an error that names the file and
/// leaves every octet alone, or, if only that can be told, all but the last commit.
fn check_each(world: &World, changes: impl Iterator<Item = Change>) -> [usize; 3] {
    let (_, whole) = outcome(&world.disk.fork()).expect("undamaged");
    let last = whole.keys().rev().take(2).copied().collect::<Vec<_>>();
    let mut counts = [0; 3];
    for (what, file, change) in changes {
        let disk = world.disk.fork();
        change(&disk);
        let before: BTreeMap<String, Vec<u8>> = disk.names().into_iter().map(|name| (name.clone(), disk.bytes(&name))).collect();
        match outcome(&disk.fork()) {
            Ok((_, records)) if records == whole => counts[0] += 1,
            Ok((recovery, mut records)) => {
                assert!(!recovery.clean, "{what}: a loss is told");
                last.iter().for_each(|seq| drop(records.insert(*seq, whole[seq].clone())));
                assert_eq!(records, whole, "{what}: only the last commit may be cut");
                counts[1] += 1;
            }
            Err(e) => {
                assert!(matches!(e, StoreError::Rot { .. } | StoreError::Missing { .. }), "{what}: {e}");
                assert!(e.to_string().contains(&file), "{what}: {e}");
                open(&disk, SEGMENT, 3).err().expect("still refused");
                let after = disk.names().into_iter().map(|name| (name.clone(), disk.bytes(&name))).collect();
                assert_eq!(before, after, "{what}: nothing is touched");
                counts[2] += 1;
            }
        }
    }
    println!("{} cases: {} harmless, {} cost the last commit, {} refused", counts.iter().sum::<usize>(), counts[0], counts[1], counts[2]);
    counts
}

fn flips(world: &World) -> impl Iterator<Item = Change> + use<> {
    segments(world).into_iter().flat_map(|name| {
        (0..SEGMENT as usize).map(move |at| {
            let target = name.clone();
            let change = move |disk: &MemDisk| disk.tamper(&target, |bytes| bytes[at] ^= 1 << (at % 8));
            (format!("{name} flipped at {at}"), name.clone(), Box::new(change) as Tamper)
        })
    })
}

#[test]
fn every_flip_in_a_closed_log_is_harmless_or_refused() {
    let world = history(true);
    let [harmless, cut, refused] = check_each(&world, flips(&world));
    assert_eq!(cut, 0, "the mark of closing names all that was committed");
    assert!(harmless > 1000 && refused > 2000, "{harmless} {refused}");
}

#[test]
fn every_flip_in_an_open_log_costs_at_most_the_last_commit() {
    let world = history(false);
    let [_, cut, refused] = check_each(&world, flips(&world));
    // Header and payload of two records, without what pads them.
    assert_eq!(cut, 2 * 32 + 10 + 20);
    assert!(refused > 2000, "{refused}");
}

#[test]
fn every_truncation_is_refused() {
    let world = history(true);
    let cuts = segments(&world).into_iter().flat_map(|name| {
        (0..SEGMENT as usize).map(move |len| {
            let target = name.clone();
            let change = move |disk: &MemDisk| disk.tamper(&target, |bytes| bytes.truncate(len));
            (format!("{name} cut to {len}"), name.clone(), Box::new(change) as Tamper)
        })
    });
    let [harmless, cut, refused] = check_each(&world, cuts);
    assert_eq!((harmless, cut), (0, 0), "a segment's size is in its header");
    assert!(refused > 0);
}

#[test]
fn a_missing_segment_is_named() {
    for clean in [false, true] {
        let world = history(clean);
        let names = segments(&world);
        // Recycled spares have old octets in them, but not the newest record's.
        let newest = world.living().last().expect("records").to_le_bytes();
        let tail = names.iter().rposition(|name| world.disk.bytes(name).windows(8).any(|w| w == newest));
        for name in names.iter().take(tail.expect("it is somewhere") + 1) {
            let disk = world.disk.fork();
            disk.delete(name);
            let e = outcome(&disk).expect_err("it is needed");
            assert!(matches!(e, StoreError::Missing { .. }) && e.to_string().contains(name), "{name}: {e}");
        }
    }
}

#[test]
fn several_missing_segments_are_counted() {
    let world = history(true);
    let disk = world.disk.fork();
    segments(&world).iter().take(2).for_each(|name| disk.delete(name));
    let e = outcome(&disk).expect_err("they are needed");
    assert!(matches!(e, StoreError::Missing { .. }) && e.to_string().contains("2 segments"), "{e}");
}

#[test]
fn a_later_version_is_told_from_damage() {
    let world = history(true);
    for name in segments(&world) {
        let disk = world.disk.fork();
        disk.tamper(&name, |bytes| {
            bytes[8] = 2;
            let crc = crc32c::crc32c(&bytes[..60]);
            bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        });
        let e = outcome(&disk).expect_err("it cannot be read");
        assert!(matches!(e, StoreError::Version { found: 2, .. }) && e.to_string().contains(&name), "{e}");
    }
}

#[test]
fn leftovers_and_foreign_files_do_no_harm() {
    let world = history(true);
    let (_, whole) = outcome(&world.disk.fork()).expect("undamaged");
    let disk = world.disk.fork();
    disk.put("fresh.new", vec![1; 100]);
    disk.put("00000000aa.new", vec![2; SEGMENT as usize]);
    disk.put("README", b"hello".to_vec());
    let (recovery, records) = outcome(&disk).expect("nothing is wrong");
    assert!(recovery.clean);
    assert_eq!(records, whole);
    assert!(!disk.names().iter().any(|name| name.ends_with(".new")), "what was in the making is removed: {:?}", disk.names());
    assert!(disk.names().contains(&"README".to_string()));
}

#[test]
fn a_payload_that_looks_like_a_log_is_a_payload() {
    let mut world = World::new(1 << 20, 9);
    world.run(&Op::Append(vec![40; 3])).expect("room");
    world.run(&Op::Commit).expect("a working disk");
    // A copy of real records, with the very salt they were sealed with, in the batch that will be torn.
    let tail = segments(&world)[0].clone();
    let image = world.disk.bytes(&tail)[64..500].to_vec();
    let seq = world.store().appended().0 + 1;
    world.store().append(Seq(seq), &image, true).expect("room");
    world.records.insert(seq, image);
    world.undecided.push(vec![seq]);
    world.disk.die_from(world.disk.calls() + 1);
    world.run(&Op::Commit).expect_err("the power is gone");
    world.disk.heal();
    // Its header is lost, its payload is not.
    let at = world.disk.bytes(&tail).windows(8).rposition(|w| w == seq.to_le_bytes()).expect("it was written");
    world.disk.tamper(&tail, |bytes| bytes[at - 16..at + 16].fill(0));
    world.run(&Op::Crash(Keep::Everything)).expect("a torn end");
    assert_eq!(world.records.len(), 3);
}

#[test]
fn a_record_that_the_caller_refuses_is_named_and_kept() {
    let world = history(true);
    let victim = *world.living().last().expect("records");
    let before: Vec<_> = world.disk.names().iter().map(|name| world.disk.bytes(name)).collect();
    let options = mnm::store::Options { segment_bytes: SEGMENT };
    let entropy = Box::new(mnm::sim::Prng::new(1));
    let e = mnm::store::Store::open(world.disk.clone(), options, entropy, &mut |seq, _| match seq.0 == victim {
        true => Err("no such op".into()),
        false => Ok(()),
    });
    let e = e.err().expect("it was refused");
    assert!(matches!(e, StoreError::Refused { .. }) && e.to_string().contains("no such op"), "{e}");
    assert_eq!(before, world.disk.names().iter().map(|name| world.disk.bytes(name)).collect::<Vec<_>>());
}

#[test]
fn segments_may_change_their_size_between_starts() {
    let mut world = World::new(1 << 20, 9);
    for segment_bytes in [2048, 1024, 4096, 1024] {
        for _ in 0..12 {
            world.run(&Op::Append(vec![300, 10])).expect("room");
            world.run(&Op::Commit).expect("a working disk");
            world.run(&Op::ForgetOldest(1)).expect("a working disk");
            world.run(&Op::Maintain(4)).expect("a working disk");
        }
        world.segment_bytes = segment_bytes;
        world.run(if segment_bytes == 4096 { &Op::Reopen } else { &Op::Crash(Keep::Nothing) }).expect("a working disk");
    }
}

#[test]
fn a_large_tail_is_recovered_among_small_spares() {
    let mut world = World::new(1 << 20, 9);
    world.segment_bytes = 4096;
    world.run(&Op::Reopen).expect("a working disk");
    for _ in 0..12 {
        world.run(&Op::Append(vec![300])).expect("room");
    }
    world.run(&Op::Commit).expect("a working disk");
    world.segment_bytes = SEGMENT;
    for _ in 0..3 {
        world.run(&Op::Crash(Keep::Nothing)).expect("a working disk");
        world.run(&Op::Append(vec![10])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
    }
    assert_eq!(world.living().len(), 15);
}
