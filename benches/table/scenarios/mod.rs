//! Members who do something, and what the relay makes of it.

mod headline;
mod start;
mod writes;

use simclient::Summary;

use super::Plan;
use super::ceilings::sync_times;
use super::print::{Figure, Table, figures, median, merge};
use super::relay::Relay;

/// What the ceilings are compared with.
pub(crate) const DELIVERED: &str = "pairs, 100 links, window 8, 100 B: delivered";
pub(crate) const THROUGHPUT: &str = "pairs, 1000 links, window 8, 10 kB: delivered";
pub(crate) const ALONE: &str = "pairs, 2 links, window 1, 100 B: post to ack, p50";
pub(crate) const SYNC: &str = "  a write of 4 KiB and its sync, before and after, median";
pub(crate) const FANOUT: &str = "fanout, a group of 100, 100 B: delivered";
pub(crate) const LOGINS_FULL: &str = "churn, full handshakes";
pub(crate) const LOGINS_RESUMED: &str = "churn, resumed";

/// Links of the scenario in which nobody says anything.
const IDLE: u32 = 10_000;

/// All of them, in rounds: a machine that is busy for a minute should not meet all runs of one.
pub(crate) fn all(plan: &Plan) -> Vec<Figure> {
    let mut figures = merge((0..plan.runs).map(|_| round(plan)).collect());
    figures.extend(headline::cycle(plan));
    figures
}

/// As a table, with what must be known of the figures.
pub(crate) fn table(all: &[Figure]) -> Table {
    let mut table = figures("Scenarios", all);
    table.notes.push(writes::NOTE.to_owned());
    table
}

fn round(plan: &Plan) -> Vec<Figure> {
    let parts: [fn(&Plan) -> Vec<Figure>; 9] =
        [pairs_100, pairs_1000, pairs_10k, pairs_2, fanout, offline, churn, idle, start::first_login];
    let mut figures: Vec<Figure> = parts.iter().flat_map(|part| part(plan)).collect();
    figures.extend(writes::amplification(plan));
    figures
}

fn with_relay(plan: &Plan, scenario: &str) -> (Relay, Summary) {
    let relay = Relay::start(&plan.base);
    let summary = relay.serve(scenario);
    (relay, summary)
}

fn pairs_100(plan: &Plan) -> Vec<Figure> {
    let (_, summary) = with_relay(plan, &format!("pairs --members 100 --window 8 --size 100 --time {}", plan.seconds));
    let cpu = summary.relay.map_or(f64::NAN, |relay| relay.cpu_us_per_message);
    vec![
        Figure::new(DELIVERED, "a second", summary.delivered_per_second).at_least(110_000.0),
        Figure::new("  processor time of the relay", "µs a message", cpu).at_most(8.0),
        Figure::new("  the same of the tester", "µs a message", summary.tester.cpu_us_per_message),
    ]
}

fn pairs_1000(plan: &Plan) -> Vec<Figure> {
    let (relay, summary) = with_relay(plan, &format!("pairs --members 1000 --window 8 --size 100 --time {}", plan.seconds));
    vec![
        Figure::new("pairs, 1000 links, window 8, 100 B: delivered", "a second", summary.delivered_per_second).at_least(100_000.0),
        Figure::new("  memory of the relay, at most", "MB", relay.memory().resident_max as f64 / 1e6).at_most(25.0),
        Figure::new("  of that, not mapped from files", "MB", relay.own_max() as f64 / 1e6),
    ]
}

fn pairs_10k(plan: &Plan) -> Vec<Figure> {
    let (_, summary) = with_relay(plan, &format!("pairs --members 1000 --window 8 --size 10000 --time {}", plan.seconds));
    vec![Figure::new(THROUGHPUT, "MB/s", summary.delivered_mb_per_second).at_least(300.0)]
}

/// A disk's mood changes by the minute: what a sync takes is asked right before and right after.
fn pairs_2(plan: &Plan) -> Vec<Figure> {
    let mut syncs = sync_times(&plan.base);
    let (_, summary) = with_relay(plan, &format!("pairs --members 2 --window 1 --size 100 --time {}", plan.seconds));
    syncs.extend(sync_times(&plan.base));
    vec![
        Figure::new(ALONE, "µs", summary.post_to_ack_us.p50 as f64).at_most(200.0),
        Figure::new("  p99", "µs", summary.post_to_ack_us.p99 as f64),
        Figure::new(SYNC, "µs", median(&syncs)),
    ]
}

fn fanout(plan: &Plan) -> Vec<Figure> {
    let (_, summary) = with_relay(plan, &format!("fanout --group 100 --members 100 --size 100 --time {}", plan.seconds));
    vec![Figure::new(FANOUT, "a second", summary.delivered_per_second).at_least(250_000.0)]
}

/// The load tester counts deliveries from when the absent come: what is printed is the draining alone.
fn offline(plan: &Plan) -> Vec<Figure> {
    let (relay, summary) = with_relay(plan, "offline --members 200 --each 20000 --size 100");
    let own = relay.own_max() as f64 / summary.counts.acked.max(1) as f64;
    vec![
        Figure::new("offline, 20 000 x 100 B for each of 100, drained", "a second", summary.delivered_per_second).at_least(300_000.0),
        Figure::new("  memory of the relay, at most, without maps", "B a message", own),
    ]
}

fn churn(plan: &Plan) -> Vec<Figure> {
    let logins = |more: &str| with_relay(plan, &format!("churn{more} --time {}", plan.seconds)).1;
    let (full, resumed, classical) = (logins(""), logins(" --resume"), logins(" --resume --classical"));
    let cpu = |summary: &Summary| summary.relay.map_or(f64::NAN, |relay| relay.cpu_us_per_login);
    vec![
        Figure::new(LOGINS_FULL, "logins/s", full.logins_per_second).at_least(3000.0),
        Figure::new("  processor time of the relay", "µs a login", cpu(&full)),
        Figure::new(LOGINS_RESUMED, "logins/s", resumed.logins_per_second).at_least(6000.0),
        Figure::new("  processor time of the relay, resumed", "µs a login", cpu(&resumed)),
        Figure::new("churn, resumed, by clients without post-quantum key exchange", "logins/s", classical.logins_per_second)
            .at_least(6000.0),
        Figure::new("  processor time of the relay, of those", "µs a login", cpu(&classical)),
    ]
}

/// What a link costs while nothing comes over it: with its account, and without what its handshake took for a moment.
fn idle(plan: &Plan) -> Vec<Figure> {
    let (relay, summary) = with_relay(plan, &format!("idle --members {IDLE} --time {}", plan.seconds));
    let all_there = |sample: &&simclient::Sample| sample.online == u64::from(IDLE) && sample.acked_per_second == 0.0;
    let resident: Vec<f64> =
        summary.samples.iter().filter(all_there).filter_map(|sample| sample.relay).map(|relay| relay.rss_bytes as f64).collect();
    let each = (median(&resident) - relay.empty.resident as f64) / 1024.0 / f64::from(IDLE);
    vec![Figure::new(format!("idle, {IDLE} links: memory of the relay"), "KiB a link", each).at_most(8.0)]
}
