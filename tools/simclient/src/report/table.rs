//! The summary for people.

use std::fmt::Write;

use crate::summary::{Latency, Summary, UsageSum};

/// A table of some thirty lines, with the verdict as its last.
pub fn table(summary: &Summary) -> String {
    let settings: Vec<String> = summary
        .settings
        .iter()
        .map(|(name, value)| if value.is_empty() { format!("--{name}") } else { format!("--{name} {value}") })
        .collect();
    let mut text = format!("{} {}\n", summary.scenario, settings.join(" "));
    let _ = writeln!(
        text,
        "{:.1} s connecting, {:.1} s in the test, {:.1} s draining\n",
        summary.gather_seconds, summary.post_seconds, summary.drain_seconds
    );
    if summary.counts.acked > 0 {
        let _ = writeln!(text, "  acked      {:>12.0} /s", summary.acked_per_second);
    }
    if summary.counts.delivered > 0 {
        let _ = writeln!(text, "  delivered  {:>12.0} /s  {:>10.1} MB/s", summary.delivered_per_second, summary.delivered_mb_per_second);
    }
    let _ = writeln!(text, "  logins     {:>12.0} /s  {:>10} in all", summary.logins_per_second, summary.logins);
    text.push_str("\n  latency, µs          mean        p50        p90        p99      p99.9        max\n");
    row(&mut text, "post to ack", &summary.post_to_ack_us);
    row(&mut text, "post to delivery", &summary.post_to_delivery_us);
    row(&mut text, "login", &summary.login_us);
    text.push('\n');
    usage(&mut text, summary);
    for (name, value) in &summary.extra {
        let digits = if value.fract() == 0.0 { 0 } else { 3 };
        let _ = writeln!(text, "  {:<40}{value:>12.digits$}", name.replace('_', " "));
    }
    if !summary.extra.is_empty() {
        text.push('\n');
    }
    let (faults, normal): (Vec<_>, Vec<_>) = summary.counts.by_name().partition(|(_, _, is_fault)| *is_fault);
    for ((name, count, _), (fault, faults, _)) in normal.iter().zip(&faults) {
        let mark = if *faults > 0 { "  <-- fault" } else { "" };
        let _ = writeln!(text, "  {name:<13}{count:>12}      {fault:<13}{faults:>12}{mark}");
    }
    if !summary.notes.is_empty() {
        let _ = write!(text, "\n  what happened first:\n    {}\n", summary.notes.join("\n    "));
    }
    let verdict = if summary.counts.faults() == 0 { "all well" } else { "FAULTS" };
    let _ = write!(text, "\n  {verdict}");
    text
}

fn row(text: &mut String, name: &str, latency: &Latency) {
    if latency.count > 0 {
        let Latency { mean, p50, p90, p99, p999, max, .. } = latency;
        let _ = writeln!(text, "  {name:<16}{mean:>10.0} {p50:>10} {p90:>10} {p99:>10} {p999:>10} {max:>10}");
    }
}

fn or_dash(micros: f64) -> String {
    if micros == 0.0 { "-".to_owned() } else { format!("{micros:.2}") }
}

fn usage(text: &mut String, summary: &Summary) {
    let processes = [("relay", summary.relay.as_ref()), ("tester", Some(&summary.tester))];
    text.push_str(
        "  use               rss at first, MiB   at most   at last     cpu, s  µs a message, a delivery, a login  written, MiB\n",
    );
    let mib = |octets: u64| octets as f64 / f64::from(1 << 20);
    for (name, sum) in processes {
        let Some(UsageSum {
            rss_first_bytes,
            rss_max_bytes,
            rss_last_bytes,
            cpu_seconds,
            cpu_us_per_message,
            cpu_us_per_delivery,
            cpu_us_per_login,
            written_bytes,
        }) = sum
        else {
            continue;
        };
        let written = written_bytes.map_or_else(|| "?".to_owned(), |octets| format!("{:.1}", mib(octets)));
        let (first, most, last) = (mib(*rss_first_bytes), mib(*rss_max_bytes), mib(*rss_last_bytes));
        let _ = writeln!(
            text,
            "  {name:<10}{first:>25.1}{most:>10.1}{last:>10.1}{cpu_seconds:>11.2}{:>14}{:>12}{:>9}{written:>14}",
            or_dash(*cpu_us_per_message),
            or_dash(*cpu_us_per_delivery),
            or_dash(*cpu_us_per_login)
        );
    }
    if let Some(disk) = &summary.disk {
        let (first, most, last) = (mib(disk.first_bytes), mib(disk.max_bytes), mib(disk.last_bytes));
        let _ = writeln!(text, "  {:<10}{first:>25.1}{most:>10.1}{last:>10.1}", "disk");
    }
    text.push('\n');
}
