//! One fixed history, disturbed at every single call to the disk, and recovery disturbed in turn.

mod store_support;

use mnm::limits::SPARES_MAX;
use mnm::sim::Keep;
use mnm::store::StoreError;
use store_support::world::{Op, SEGMENT, World};

/// A history that goes everywhere: batches of one and of many, rolls, compaction, recycling, both ends.
fn script() -> Vec<Op> {
    let mut ops = Vec::new();
    for round in 0..14 {
        ops.push(Op::Append(vec![40, 0, 90]));
        ops.push(Op::Append(vec![200]));
        if round % 3 != 1 {
            ops.push(Op::Commit);
        }
        ops.push(Op::Append(vec![20; 5]));
        ops.push(Op::Maintain(3));
        if round > 3 {
            ops.push(Op::ForgetOldest(4));
            ops.push(Op::Forget(7));
        }
        if round % 5 == 4 {
            ops.push(Op::Reopen);
        }
        ops.push(Op::Maintain(5));
    }
    ops
}

/// Runs the script until something fails, and takes note of what is promised up to then. Returns whether it failed.
fn run_until_failure(world: &mut World) -> bool {
    let failed = world.store.is_none() && world.try_open().is_err() || script().iter().any(|op| world.run(op).is_err());
    world.note();
    failed
}

/// How many calls the undisturbed script makes.
fn calls() -> u64 {
    let mut world = World::unopened(1 << 20, 1);
    assert!(!run_until_failure(&mut world));
    world.disk.calls()
}

#[test]
fn the_script_goes_everywhere() {
    let mut world = World::unopened(1 << 20, 1);
    assert!(!run_until_failure(&mut world));
    let stats = world.store().stats();
    assert!(world.disk.names().last().expect("files") > &"000000000c.seg".to_string(), "segments were used up: {:?}", world.disk.names());
    assert!(stats.disk_bytes <= 2 * stats.live_bytes + 2 * u64::from(SEGMENT), "{stats:?}");
}

#[test]
fn power_may_go_at_any_call() {
    println!("{} crashes", 4 * (calls() + 1));
    for at in 0..=calls() {
        for keep in [Keep::Nothing, Keep::Everything, Keep::Some(at), Keep::Some(at + 1_000_000)] {
            let mut world = World::unopened(1 << 20, 1);
            world.disk.die_from(at);
            run_until_failure(&mut world);
            world.run(&Op::Crash(keep)).unwrap_or_else(|e| panic!("after call {at}, {keep:?}: {e}"));
            world.run(&Op::Append(vec![10, 10])).expect("a working disk");
            world.run(&Op::Commit).expect("a working disk");
            world.run(&Op::Maintain(100)).expect("a working disk");
            world.run(&Op::Reopen).expect("a working disk");
        }
    }
}

#[test]
fn power_may_go_again_while_recovering() {
    let mut crashes = 0;
    for at in (0..=calls()).step_by(5) {
        let mut world = World::unopened(1 << 20, 1);
        world.disk.die_from(at);
        run_until_failure(&mut world);
        world.store = None;
        world.disk.crash(Keep::Some(at));
        let begin = world.disk.calls();
        for more in 0.. {
            let disk = world.disk.fork();
            let mut again = World { disk, store: None, ..snapshot(&world) };
            again.disk.die_from(begin + more);
            let done = again.try_open().is_ok();
            again.store = None;
            let keep = [Keep::Nothing, Keep::Everything, Keep::Some(more)][(more % 3) as usize];
            again.disk.crash(keep);
            again.try_open().unwrap_or_else(|e| panic!("after calls {at} and {more}, {keep:?}: {e}"));
            crashes += 1;
            if done {
                break;
            }
        }
    }
    println!("{crashes} crashes while recovering from one");
}

#[test]
fn power_may_go_while_a_large_tail_is_recovered_beside_a_small_successor() {
    let mut full = World::unopened(1 << 20, 9);
    full.segment_bytes = 2048;
    full.try_open().expect("a working disk");
    for _ in 0..15 {
        full.run(&Op::Append(vec![80])).expect("room");
    }
    full.segment_bytes = SEGMENT;
    full.run(&Op::Reopen).expect("a working disk");
    full.run(&Op::Maintain(100)).expect("a working disk");
    for at in 0..8 {
        // The power goes while the tail is sealed and the next one, of the size that is wanted now, is begun.
        let mut world = World { disk: full.disk.fork(), store: None, ..snapshot(&full) };
        world.try_open().expect("a working disk");
        world.run(&Op::Append(vec![300])).expect("room");
        world.disk.die_from(world.disk.calls() + at);
        let _ = world.run(&Op::Append(vec![300])).and_then(|()| world.run(&Op::Commit));
        world.note();
        world.store = None;
        world.disk.crash(Keep::Everything);
        let begin = world.disk.calls();
        for more in 0..40 {
            let mut again = World { disk: world.disk.fork(), store: None, ..snapshot(&world) };
            again.disk.die_from(begin + more);
            drop(again.try_open());
            again.store = None;
            again.disk.crash(Keep::Everything);
            again.try_open().unwrap_or_else(|e| panic!("after calls {at} and {more}: {e}"));
        }
    }
}

fn snapshot(world: &World) -> World {
    World {
        disk: world.disk.clone(),
        store: None,
        segment_bytes: world.segment_bytes,
        records: world.records.clone(),
        forgotten: world.forgotten.clone(),
        gone: world.gone.clone(),
        undecided: world.undecided.clone(),
        durable: world.durable,
        recovery: world.recovery,
        dice: world.dice,
    }
}

#[test]
fn any_single_call_may_fail() {
    println!("{} failing calls", calls());
    for at in 0..calls() {
        let mut world = World::unopened(1 << 20, 1);
        world.disk.fail_call(at);
        let failed = run_until_failure(&mut world);
        assert!(failed, "the failure of call {at} is noticed");
        if let Some(store) = &mut world.store {
            // Whatever it was, the store does not pretend that it did not happen.
            let after = store.commit().and_then(|_| store.maintain().map(drop));
            assert!(matches!(after, Err(StoreError::Poisoned)), "after call {at}: {after:?}");
        }
        world.disk.heal();
        // The system goes on, its cache with what the disk never got; then the power goes as well.
        world.run(&Op::Kill).unwrap_or_else(|e| panic!("after call {at}: {e}"));
        world.run(&Op::Append(vec![30])).expect("a working disk");
        world.run(&Op::Commit).expect("a working disk");
        world.run(&Op::Crash(Keep::Nothing)).unwrap_or_else(|e| panic!("after call {at} and a crash: {e}"));
    }
}

#[test]
fn a_disk_may_be_full_at_any_size() {
    for segments in 1..16 {
        let mut world = World::unopened(segments * u64::from(SEGMENT), 1);
        assert!(!run_until_failure(&mut world), "want of space is no failure");
        world.run(&Op::Crash(Keep::Nothing)).expect("a full disk is recovered as well");
        world.run(&Op::Crash(Keep::Everything)).expect("and again");
        // Space returns, and with it the service.
        world.disk.set_capacity(1 << 20);
        world.run(&Op::Maintain(100)).expect("a working disk");
        assert!(world.store().has_room(1, 700).expect("a working disk"));
        world.run(&Op::Append(vec![700])).expect("a working disk");
        world.run(&Op::Commit).expect("a working disk");
        assert!(world.undecided.is_empty() && !world.records.is_empty(), "it was taken");
    }
}

#[test]
fn acks_go_on_when_messages_find_no_room() {
    let mut world = World::new(4 * u64::from(SEGMENT), 5);
    while world.store().has_room(1, 300).expect("a working disk") {
        world.run(&Op::Append(vec![300])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
        world.run(&Op::Maintain(10)).expect("a working disk");
    }
    let kept = world.living().len();
    assert!(kept >= 2, "{kept}");
    // A small record a turn that replaces the one before, as cursors do: for ever.
    for _ in 0..400 {
        let before = world.living();
        assert!(world.store().has_reserve(64), "the reserve is for this");
        world.run(&Op::Append(vec![16])).expect("a working disk");
        world.run(&Op::Commit).expect("a working disk");
        assert!(world.undecided.is_empty() && world.living().len() > before.len(), "it was taken");
        if before.len() > kept {
            world.forget(before[before.len() - 1]);
        }
        world.run(&Op::Maintain(10)).expect("a working disk");
    }
    // Messages are acked: their room comes back.
    while world.store().has_room(1, 300).expect("a working disk") {
        world.run(&Op::Append(vec![300])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
    }
    world.run(&Op::ForgetOldest(3)).expect("a working disk");
    world.run(&Op::Maintain(100)).expect("a working disk");
    assert!(world.store().has_room(1, 300).expect("a working disk"));
}

#[test]
fn spares_stay_few_however_much_dies_at_once() {
    let mut world = World::new(200 * u64::from(SEGMENT), 1);
    while world.store().stats().segments < 100 {
        world.run(&Op::Append(vec![700])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
    }
    world.run(&Op::Maintain(100)).expect("a working disk");
    let records = world.living().len();
    world.run(&Op::ForgetOldest(records / 2)).expect("a working disk");
    world.run(&Op::Append(vec![700])).expect("room");
    for _ in 0..4 {
        world.run(&Op::Maintain(400)).expect("a working disk");
        world.run(&Op::Commit).expect("a working disk");
    }
    let (segments, live) = (world.store().stats().segments, world.store().stats().live_bytes as usize / SEGMENT as usize);
    assert!(segments <= 2 * live + 3 && segments <= 100 - 48 + SPARES_MAX, "{segments} segments, {live} of them full");
    // One after the other, and not all in one step, they go when nobody has used them for a while.
    for _ in 0..2 {
        world.store().trim();
        let before = world.store().stats().segments;
        world.store().maintain().expect("a working disk");
        assert!(before - world.store().stats().segments <= 1, "a step removes one");
        while world.store().maintain().expect("a working disk") {}
    }
    world.store().check_invariants();
}

#[test]
fn the_first_who_asks_learns_that_there_is_space_again() {
    // A tail and a spare, and nothing besides.
    let mut world = World::new(2 * u64::from(SEGMENT), 5);
    while world.store().has_room(1, 100).expect("a working disk") {
        world.run(&Op::Append(vec![100])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
        world.run(&Op::Maintain(10)).expect("a working disk");
    }
    world.disk.set_capacity(8 * u64::from(SEGMENT));
    assert!(world.store().has_room(1, 100).expect("a working disk"), "the spare would do, and there is space for another");
}

#[test]
fn a_commit_is_one_sync_and_a_roll_one_more() {
    let mut world = World::new(1 << 20, 1);
    world.run(&Op::Maintain(100)).expect("a working disk");
    let before = world.disk.syncs();
    for _ in 0..3 {
        world.run(&Op::Append(vec![50])).expect("room");
    }
    world.run(&Op::Commit).expect("a working disk");
    world.run(&Op::Commit).expect("a working disk");
    assert_eq!(world.disk.syncs() - before, 1);
    world.run(&Op::Append(vec![700])).expect("room");
    world.run(&Op::Commit).expect("a working disk");
    assert_eq!(world.disk.syncs() - before, 3);
}

#[test]
fn what_follows_a_mark_of_closing_never_comes_back() {
    // With space the tail is written anew, without it is cut where it is.
    // The lost record is as long as the one that takes its place, or longer by the mark that recovery sets before it.
    for (seed, capacity, lost) in (0..64).flat_map(|seed| [(seed, 1 << 20, 88), (seed, u64::from(SEGMENT), 88 + 32)]) {
        let mut world = World::new(capacity, seed);
        world.run(&Op::Append(vec![20])).expect("room");
        world.run(&Op::Reopen).expect("a working disk");
        // Of two batches in one commit the first is lost and, for some seeds, the second reaches the disk.
        world.run(&Op::Append(vec![lost])).expect("room");
        world.run(&Op::Append(vec![88])).expect("room");
        world.disk.die_from(world.disk.calls() + 1);
        world.run(&Op::Commit).expect_err("the power is gone");
        world.run(&Op::Crash(Keep::Some(seed))).expect("a torn end");
        // One in the first one's place could lead to the second again.
        world.run(&Op::Append(vec![88])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
        world.run(&Op::Crash(Keep::Nothing)).expect("no stranger in the log");
    }
}

#[test]
fn a_lost_commit_beyond_a_roll_never_comes_back() {
    for (seed, more) in (0..16).flat_map(|seed| (0..6).map(move |more| (seed, more))) {
        let mut world = World::new(1 << 20, seed);
        world.run(&Op::Append(vec![500])).expect("room");
        world.run(&Op::Commit).expect("a working disk");
        // This one rolls. The segment that it begins is then lost in part, and the first one's survivors get the same number.
        world.run(&Op::Append(vec![500])).expect("room");
        for _ in 0..8 {
            world.run(&Op::Append(vec![0])).expect("room");
        }
        world.disk.die_from(world.disk.calls() + 1);
        world.run(&Op::Commit).expect_err("the power is gone");
        world.run(&Op::Crash(Keep::Some(seed))).expect("a torn end");
        // All sizes are such that new records end where old ones begin.
        for _ in 0..more {
            world.run(&Op::Append(vec![0])).expect("room");
        }
        world.run(&Op::Commit).expect("a working disk");
        world.run(&Op::Crash(Keep::Nothing)).expect("no stranger in the log");
    }
}
