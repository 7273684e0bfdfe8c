//! The mission's headline: a thousand members who come, write and go, until a million messages of 6.7 kB are sent.

use std::thread;
use std::time::Duration;

use super::{Figure, with_relay};
use crate::Plan;

/// Members whose clocks go so much faster send 2700 messages a second.
const SPEEDUP: u32 = 50;
/// How long the relay has to tidy up before its disk is looked at.
const REST: Duration = Duration::from_secs(10);

/// Memory at most beyond that of the empty relay, and the disk after a rest.
pub(super) fn cycle(plan: &Plan) -> Vec<Figure> {
    let (end, what) = if plan.headline { ("--messages 1000000 --time 3600", "in full") } else { ("--time 30", "30 s of it") };
    let (relay, summary) = with_relay(plan, &format!("cycle --members 1000 --speedup {SPEEDUP} {end}"));
    thread::sleep(REST);
    let beyond = relay.memory().resident_max.saturating_sub(relay.empty.resident) as f64 / 1e6;
    let cpu = summary.relay.map_or(f64::NAN, |relay| relay.cpu_seconds);
    let octets = summary.counts.sent as f64 * summary.size as f64;
    vec![
        Figure::new(format!("cycle, 1000 members, {SPEEDUP} times as fast, {what}: posts"), "", summary.counts.sent as f64),
        Figure::new("  their octets", "GB", octets / 1e9),
        Figure::new("  deliveries", "", summary.counts.delivered as f64),
        Figure::new("  memory beyond the empty relay, at most", "MB", beyond).at_most(20.0),
        Figure::new("  disk after 10 s of rest", "MB", relay.disk() as f64 / 1e6).at_most(10.0),
        Figure::new("  disk, at most", "MB", summary.disk.map_or(f64::NAN, |disk| disk.max_bytes as f64 / 1e6)),
        Figure::new("  processor time of the relay", "s", cpu),
    ]
}
