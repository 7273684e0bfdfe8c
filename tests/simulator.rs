//! Simulated worlds: none of a few hundred breaks a promise, and each check notices the bug that it is there for.

use std::collections::BTreeSet;

use mnm::sim::{Oracle, Plan, Plant, run};

/// Worlds that `cargo test` lives through; `cargo run --release -p simulate` does many more.
const SEEDS: u64 = 300;

#[test]
fn no_world_breaks_a_promise() {
    let mut crashes = 0;
    for seed in 0..SEEDS {
        let outcome = run(&Plan::draw(seed).shorter(), Plant::Nothing, false);
        crashes += outcome.counts.crashes;
        if let Some(violation) = outcome.violation {
            let trace = run(&Plan::draw(seed).shorter(), Plant::Nothing, true).trace;
            let lines: Vec<&str> = trace.lines().collect();
            panic!(
                "{}\nseed {seed}: {violation}\nall of it: cargo run --release -p simulate -- --seed {seed} --short --trace",
                lines[lines.len().saturating_sub(60)..].join("\n")
            );
        }
    }
    assert!(crashes > SEEDS, "worlds are there to be rough");
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    for seed in [1, 20, 300] {
        let plan = Plan::draw(seed).shorter();
        let (first, again) = (run(&plan, Plant::Nothing, false), run(&plan, Plant::Nothing, true));
        assert_eq!(first.digest, again.digest, "seed {seed}");
        let other = run(&Plan::draw(seed + 1).shorter(), Plant::Nothing, false);
        assert_ne!(first.digest, other.digest, "seeds {seed} and {}", seed + 1);
    }
}

/// Plants a bug in worlds one after the other until the check that is there for it notices. Others may notice it elsewhere.
fn is_noticed(plant: Plant, oracle: Oracle) {
    let mut others = BTreeSet::new();
    for seed in 0..100 {
        match run(&Plan::draw(seed).shorter(), plant, false).violation {
            Some(violation) if violation.oracle == oracle => return,
            other => others.extend(other.map(|violation| violation.oracle)),
        }
    }
    panic!("{oracle:?} does not notice {plant:?}; others do: {others:?}");
}

macro_rules! noticed {
    ($($test:ident: $plant:ident by $oracle:ident,)*) => {
        $(
            #[test]
            fn $test() {
                is_noticed(Plant::$plant, Oracle::$oracle);
            }
        )*
    };
}

noticed! {
    a_recipient_that_is_left_out: LostRecipient by Delivery,
    a_message_to_somebody_else: Misrouted by Privacy,
    messages_in_the_wrong_order: Swapped by Order,
    a_message_that_comes_twice: Doubled by Duplicates,
    answers_that_do_not_wait_for_the_disk: OpenGate by Durability,
    a_disk_that_does_not_sync: LyingDisk by Start,
    a_request_in_two_batches: SplitBatch by Atomicity,
    a_fact_that_is_not_written: UnwrittenFact by Groups,
    a_fact_that_the_log_lacks_after_a_stop: UnwrittenFact by Replay,
    a_cursor_that_goes_back: BlankCursor by Monotony,
    records_that_are_never_forgotten: Hoarding by Storage,
    presence_that_is_not_told: Unseen by Presence,
    a_member_written_down_wrong: WrongStanding by Groups,
    links_that_are_never_cut: Patience by Limits,
    a_window_that_is_too_wide: WideWindow by Limits,
    messages_that_never_leave: Mute by Liveness,
    an_answer_to_something_else: WrongAnswer by Answers,
    a_panic: Panic by Panic,
}
