//! The tables of the page, each a card.

use super::markup::Table;
use crate::report::quantity::{NONE, Unit, grouped, show};
use crate::summary::{Latency, Summary, UsageSum};

/// All of them, in the order in which they are read.
pub(super) fn cards(summary: &Summary) -> String {
    [counts(summary), latencies(summary), usage(summary), disk(summary), extra(summary), test(summary), settings(summary)].concat()
}

fn counts(summary: &Summary) -> String {
    let mut table = Table::new(&[]);
    for (name, count, is_fault) in summary.counts.by_name() {
        match (is_fault, count) {
            (true, 1) => table.fault(name, ["1 fault".to_owned()]),
            (true, 2..) => table.fault(name, [format!("{} faults", grouped(count))]),
            _ => table.row(name, [grouped(count)]),
        }
    }
    table.card("Counts")
}

fn latencies(summary: &Summary) -> String {
    let kinds = [("to ack", &summary.post_to_ack_us), ("to delivery", &summary.post_to_delivery_us), ("login", &summary.login_us)];
    let timed: Vec<_> = kinds.into_iter().filter(|(_, latency)| latency.count > 0).collect();
    if timed.is_empty() {
        return String::new();
    }
    let head: Vec<&str> = std::iter::once("").chain(timed.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(&head);
    let mut row =
        |name, value: fn(&Latency) -> f64| table.row(name, timed.iter().map(|(_, latency)| show(value(latency), Unit::Microseconds)));
    row("mean", |latency| latency.mean);
    row("median", |latency| latency.p50 as f64);
    row("90 %", |latency| latency.p90 as f64);
    row("99 %", |latency| latency.p99 as f64);
    row("99.9 %", |latency| latency.p999 as f64);
    row("maximum", |latency| latency.max as f64);
    table.row("timed", timed.iter().map(|(_, latency)| grouped(latency.count)));
    table.card("Latencies")
}

fn usage(summary: &Summary) -> String {
    let processes: Vec<_> = summary.relay.iter().map(|relay| ("relay", relay)).chain([("tester", &summary.tester)]).collect();
    let head: Vec<&str> = std::iter::once("").chain(processes.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(&head);
    let mut row = |name, unit, value: fn(&UsageSum) -> Option<f64>| {
        let cells: Vec<Option<f64>> = processes.iter().map(|(_, usage)| value(usage)).collect();
        if cells.iter().any(Option::is_some) {
            table.row(name, cells.into_iter().map(|cell| cell.map_or(NONE.to_owned(), |value| show(value, unit))));
        }
    };
    row("memory before", Unit::Octets, |usage| Some(usage.rss_first_bytes as f64));
    row("memory, most", Unit::Octets, |usage| Some(usage.rss_max_bytes as f64));
    row("memory at the end", Unit::Octets, |usage| Some(usage.rss_last_bytes as f64));
    row("processor time", Unit::Seconds, |usage| Some(usage.cpu_seconds));
    // Zero where the test is not about these.
    row("each message", Unit::Microseconds, |usage| Some(usage.cpu_us_per_message).filter(|value| *value != 0.0));
    row("each delivery", Unit::Microseconds, |usage| Some(usage.cpu_us_per_delivery).filter(|value| *value != 0.0));
    row("each login", Unit::Microseconds, |usage| Some(usage.cpu_us_per_login).filter(|value| *value != 0.0));
    row("written to disk", Unit::Octets, |usage| usage.written_bytes.map(|bytes| bytes as f64));
    table.card("Usage")
}

fn disk(summary: &Summary) -> String {
    let mut table = Table::new(&[]);
    if let Some(disk) = summary.disk {
        table.row("before", [show(disk.first_bytes as f64, Unit::Octets)]);
        table.row("most", [show(disk.max_bytes as f64, Unit::Octets)]);
        table.row("at the end", [show(disk.last_bytes as f64, Unit::Octets)]);
    }
    table.card("Data directory")
}

fn extra(summary: &Summary) -> String {
    let mut table = Table::new(&[]);
    for (name, value) in &summary.extra {
        table.row(name, [show(*value, Unit::Count)]);
    }
    table.card("Of this scenario")
}

fn test(summary: &Summary) -> String {
    let mut table = Table::new(&[]);
    table.row("relay", [&summary.address]);
    table.row("members", [grouped(summary.members.into())]);
    table.row("threads", [grouped(summary.threads.into())]);
    table.row("message", [format!("{} octets", grouped(summary.size as u64))]);
    table.row("connecting", [show(summary.gather_seconds, Unit::Seconds)]);
    table.row("posting", [show(summary.post_seconds, Unit::Seconds)]);
    table.row("draining", [show(summary.drain_seconds, Unit::Seconds)]);
    table.card_of_words("Test")
}

fn settings(summary: &Summary) -> String {
    let mut table = Table::new(&[]);
    for (option, value) in &summary.settings {
        // An option without a value says all by being there.
        table.row(option, [if value.is_empty() { "yes" } else { value }]);
    }
    table.card_of_words("Settings")
}
