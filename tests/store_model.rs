//! Random histories of a small store, with every kind of end, against a model.

mod store_support;

use mnm::sim::Keep;
use proptest::prelude::*;
use store_support::world::{Op, SEGMENT, World};

fn op() -> impl Strategy<Value = Op> {
    let sizes =
        prop_oneof![8 => prop::collection::vec(0u16..60, 1..6), 2 => prop::collection::vec(100u16..350, 1..3), 1 => Just(vec![784])];
    prop_oneof![
        12 => sizes.prop_map(Op::Append),
        6 => Just(Op::Commit),
        6 => (0usize..1000).prop_map(Op::Forget),
        2 => (0usize..12).prop_map(Op::ForgetOldest),
        8 => (1usize..8).prop_map(Op::Maintain),
        1 => Just(Op::Reopen),
        1 => Just(Op::Kill),
        2 => prop_oneof![Just(Keep::Nothing), Just(Keep::Everything), any::<u64>().prop_map(Keep::Some)].prop_map(Op::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_keeps_its_promises(ops in prop::collection::vec(op(), 1..120), seed in any::<u32>()) {
        let mut world = World::new(1 << 30, seed.into());
        for op in &ops {
            world.run(op).expect("a disk that works and has space");
        }
    }

    #[test]
    fn a_small_disk_fills_and_empties(ops in prop::collection::vec(op(), 1..120), seed in any::<u32>(), segments in 3u64..8) {
        let mut world = World::new(segments * u64::from(SEGMENT), seed.into());
        for op in &ops {
            world.run(op).expect("want of space is no failure");
            assert!(world.disk.used() <= segments * u64::from(SEGMENT));
        }
    }
}
