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
fn is_noticed(plant: Plant, oracle: Oracle, world: fn(Plan) -> Plan) {
    let mut others = BTreeSet::new();
    for seed in 0..200 {
        match run(&world(Plan::draw(seed)), plant, false).violation {
            Some(violation) if violation.oracle == oracle => return,
            other => others.extend(other.map(|violation| violation.oracle)),
        }
    }
    panic!("{oracle:?} does not notice {plant:?}; others do: {others:?}");
}

macro_rules! noticed {
    ($world:ident: $($test:ident: $plant:ident by $oracle:ident,)*) => {
        $(
            #[test]
            fn $test() {
                is_noticed(Plant::$plant, Oracle::$oracle, Plan::$world);
            }
        )*
    };
}

noticed! {
    shorter:
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

noticed! {
    extended:
    a_post_past_a_block: Trespass by Privacy,
    a_ping_that_tells_of_a_block: Tactless by Privacy,
    presence_past_a_block: Glimpse by Presence,
    a_block_that_the_log_lacks: LostBlock by Groups,
    a_site_that_is_open_to_anybody: OpenDoor by Admission,
    wrong_codes_without_end: LooseGuesses by Admission,
    a_code_used_too_often: EndlessCode by Admission,
    a_wrong_code_that_costs_less_than_a_right_one: QuietRefusal by Admission,
    a_failed_ping_that_costs_less_than_one_that_is_accepted: QuietRefusal by Atomicity,
    a_dropped_node_that_stays: Lingering by Admission,
    a_dropped_node_that_still_gets_something: Ghost by Privacy,
    a_dropped_node_that_rises_again: LivingNode by Groups,
    a_role_that_the_log_lacks: EqualRoles by Groups,
    an_alias_used_too_often: EndlessAlias by Groups,
    a_message_that_passes_a_cork: Leaking by Cork,
    a_message_that_should_be_kept_back: Unheld by Cork,
    what_was_kept_back_and_never_comes: Stuck by Liveness,
    what_was_kept_back_and_comes_late: HeldLast by Order,
    a_cork_written_down_wrong: LostCork by Cork,
    a_queue_that_takes_too_much: LooseQueue by Quota,
    a_notice_with_a_wrong_number: Miscounted by Quota,
    a_notice_that_is_forgotten: LostMissed by Quota,
    pings_beyond_the_limit: LoosePings by Answers,
    rules_that_the_log_lacks: LostRules by Groups,
}
