//! Two results side by side: what each measured, and how many times the first the second is.
//!
//! It begins with what differs between the tests themselves, so that nobody takes another test for another relay.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::error::Category;

use super::quantity::{NONE, Unit, plain, show};
use crate::Failure;
use crate::summary::{Latency, Summary, UsageSum};

/// Both summaries as a table for people, each under its name, with the ratio of the second to the first. What neither has is
/// left out.
pub(crate) fn compare(a: &Summary, b: &Summary, names: [&str; 2]) -> String {
    let mut text = differences(a, b, names);
    let parts = [rates(a, b), latencies(a, b), usage(a, b), extras(a, b), faults(a, b)];
    let rows: Vec<&Row> = parts.iter().flatten().collect();
    if rows.is_empty() {
        text.push_str("  Neither has measured anything.\n");
        return text;
    }
    let names = names.map(printable);
    let width = |cells: Vec<&str>| cells.into_iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let first = width(rows.iter().map(|row| row.name.as_str()).collect());
    let columns = [0, 1].map(|side| width(rows.iter().map(|row| row.cells[side].as_str()).chain([names[side].as_str()]).collect()).max(10));
    let line = |text: &mut String, name: &str, cells: [&str; 3]| {
        let [a, b, ratio] = cells;
        let _ = writeln!(text, "  {name:<first$}  {a:>wide_a$}  {b:>wide_b$}  {ratio:>8}", wide_a = columns[0], wide_b = columns[1]);
    };
    line(&mut text, "", [&names[0], &names[1], "ratio"]);
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push('\n');
        for row in part {
            line(&mut text, &row.name, [&row.cells[0], &row.cells[1], &row.ratio]);
        }
    }
    text
}

/// One line of the table.
struct Row {
    name: String,
    cells: [String; 2],
    ratio: String,
}

/// The row of something that both, one or neither has; zero is not having it.
fn row(name: &str, unit: Unit, a: Option<f64>, b: Option<f64>) -> Option<Row> {
    let there = |value: &f64| *value != 0.0;
    if !a.iter().chain(&b).any(there) {
        return None;
    }
    let cell = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| show(value, unit));
    Some(Row { name: name.to_owned(), cells: [cell(a), cell(b)], ratio: ratio(a, b) })
}

/// `1.25x`; nothing where there is nothing to divide by, or nothing to divide.
fn ratio(a: Option<f64>, b: Option<f64>) -> String {
    let (Some(a), Some(b)) = (a, b) else { return NONE.to_owned() };
    match b / a {
        ratio if !ratio.is_finite() => NONE.to_owned(),
        ratio if ratio.abs() >= 100.0 => format!("{ratio:.0}x"),
        // So small that two decimals would say nothing.
        ratio if ratio != 0.0 && ratio.abs() < 0.1 => format!("{}x", plain(ratio)),
        ratio => format!("{ratio:.2}x"),
    }
}

fn rates(a: &Summary, b: &Summary) -> Vec<Row> {
    let rate = |name, value: fn(&Summary) -> f64| row(name, Unit::PerSecond, Some(value(a)), Some(value(b)));
    [
        rate("acked", |summary| summary.acked_per_second),
        rate("delivered", |summary| summary.delivered_per_second),
        rate("delivered, octets", |summary| summary.delivered_mb_per_second * 1e6),
        rate("logins", |summary| summary.logins_per_second),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Which of the latencies.
type Kind = fn(&Summary) -> &Latency;
/// Which point of their distribution, in microseconds.
type Point = fn(&Latency) -> f64;

fn latencies(a: &Summary, b: &Summary) -> Vec<Row> {
    let kinds: [(&str, Kind); 3] = [
        ("to ack", |summary| &summary.post_to_ack_us),
        ("to delivery", |summary| &summary.post_to_delivery_us),
        ("login", |summary| &summary.login_us),
    ];
    let points: [(&str, Point); 6] = [
        ("mean", |latency| latency.mean),
        ("median", |latency| latency.p50 as f64),
        ("90 %", |latency| latency.p90 as f64),
        ("99 %", |latency| latency.p99 as f64),
        ("99.9 %", |latency| latency.p999 as f64),
        ("slowest", |latency| latency.max as f64),
    ];
    let mut rows = Vec::new();
    for (kind, latency) in kinds {
        // Zeros of nothing are no latencies.
        let of = |summary, value: Point| Some(latency(summary)).filter(|latency| latency.count > 0).map(value);
        rows.extend(
            points.iter().filter_map(|(name, value)| row(&format!("{kind}, {name}"), Unit::Microseconds, of(a, *value), of(b, *value))),
        );
    }
    rows
}

fn usage(a: &Summary, b: &Summary) -> Vec<Row> {
    let relay = |summary: &Summary, value: fn(&UsageSum) -> f64| summary.relay.as_ref().map(value);
    let tester = |summary: &Summary, value: fn(&UsageSum) -> f64| Some(value(&summary.tester));
    let of_both = |name: &str, unit, value: fn(&UsageSum) -> f64| {
        [
            row(&format!("relay, {name}"), unit, relay(a, value), relay(b, value)),
            row(&format!("tester, {name}"), unit, tester(a, value), tester(b, value)),
        ]
    };
    let written = |summary: &Summary| summary.relay.and_then(|relay| relay.written_bytes).map(|bytes| bytes as f64);
    let disk = |summary: &Summary| summary.disk.map(|disk| disk.max_bytes as f64);
    of_both("processor each message", Unit::Microseconds, |usage| usage.cpu_us_per_message)
        .into_iter()
        .chain(of_both("processor each delivery", Unit::Microseconds, |usage| usage.cpu_us_per_delivery))
        .chain(of_both("processor each login", Unit::Microseconds, |usage| usage.cpu_us_per_login))
        .chain(of_both("memory, most", Unit::Octets, |usage| usage.rss_max_bytes as f64))
        .chain([
            row("relay, written to disk", Unit::Octets, written(a), written(b)),
            row("data directory, most", Unit::Octets, disk(a), disk(b)),
        ])
        .flatten()
        .collect()
}

fn extras(a: &Summary, b: &Summary) -> Vec<Row> {
    let names: BTreeSet<&String> = a.extra.keys().chain(b.extra.keys()).collect();
    let of = |summary: &Summary, name| summary.extra.get(name).copied();
    names.into_iter().filter_map(|name| row(&printable(name), Unit::Count, of(a, name), of(b, name))).collect()
}

fn faults(a: &Summary, b: &Summary) -> Vec<Row> {
    let both = a.counts.by_name().zip(b.counts.by_name()).filter(|((_, _, is_fault), _)| *is_fault);
    both.filter_map(|((name, a, _), (_, b, _))| row(&format!("FAULT: {name}"), Unit::Count, Some(a as f64), Some(b as f64))).collect()
}

/// Whether it was the same test, and if not, in what it differs.
fn differences(a: &Summary, b: &Summary, names: [&str; 2]) -> String {
    let options: BTreeSet<&String> = a.settings.keys().chain(b.settings.keys()).collect();
    let given = |summary: &Summary, option| match summary.settings.get(option) {
        None => "not given".to_owned(),
        Some(value) if value.is_empty() => "given".to_owned(),
        Some(value) => printable(value),
    };
    // Beside the settings what they came to: defaults change with versions.
    let facts = [
        ("scenario", printable(&a.scenario), printable(&b.scenario)),
        ("members", a.members.to_string(), b.members.to_string()),
        ("threads", a.threads.to_string(), b.threads.to_string()),
        ("size", a.size.to_string(), b.size.to_string()),
        ("version of simclient", printable(&a.version), printable(&b.version)),
    ];
    let settings = options.iter().map(|option| (format!("--{}", printable(option)), given(a, *option), given(b, *option)));
    let differing: Vec<(String, String, String)> = facts
        .into_iter()
        .map(|(name, a, b)| (name.to_owned(), a, b))
        // What a setting says already.
        .filter(|(name, _, _)| !options.contains(name))
        .chain(settings)
        .filter(|(_, a, b)| a != b)
        .collect();
    if differing.is_empty() {
        return format!("The same test twice: {}, with the same settings.\n\n", printable(&a.scenario));
    }
    let mut text = "NOT THE SAME TEST: the ratios compare these, too.\n".to_owned();
    for (name, a, b) in differing {
        let _ = writeln!(text, "  {name}: {a} in {}, {b} in {}", printable(names[0]), printable(names[1]));
    }
    text.push('\n');
    text
}

/// Without what steers a terminal: the files may be anybody's.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

/// A summary as `--json` wrote it.
///
/// # Errors
/// [`Failure::Output`], with the file's name and what to do, if it cannot be read, is no JSON, is something else in JSON, or was
/// written by a version that did not have all that this one wants.
pub(crate) fn read(path: &Path) -> Result<Summary, Failure> {
    let name = path.display();
    let json = fs::read(path).map_err(|error| Failure::Output(format!("{name} cannot be read: {error}")))?;
    serde_json::from_slice(&json).map_err(|error| {
        Failure::Output(match error.classify() {
            Category::Io | Category::Syntax | Category::Eof => {
                format!("{name} is not JSON ({error}): give the file that simclient wrote with --json")
            }
            Category::Data => misfit(&name.to_string(), &json, &error),
        })
    })
}

/// Why JSON is not a summary of ours.
fn misfit(name: &str, json: &[u8], error: &serde_json::Error) -> String {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    let has = |field| value.get(field).is_some();
    if !(has("scenario") && has("counts")) {
        return format!("{name} is JSON, but no result of simclient: give the file that it wrote with --json");
    }
    let version = value
        .get("version")
        .and_then(Value::as_str)
        .map_or("an older simclient".to_owned(), |version| format!("simclient {}", printable(version)));
    format!(
        "{name} was written by {version} and does not have what {} compares ({error}): repeat that test with this version",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// The table must have this line, however wide its columns.
    fn check(text: &str, line: &str) {
        assert!(lines(text).iter().any(|found| found == line), "no line {line:?} in\n{text}");
    }

    #[test]
    fn a_run_is_like_itself() {
        let pairs = made_up::pairs();
        let text = compare(&pairs, &pairs, ["a.json", "b.json"]);
        check(&text, "The same test twice: pairs, with the same settings.");
        check(&text, "a.json b.json ratio");
        check(&text, "acked 150 k/s 150 k/s 1.00x");
        check(&text, "tester, memory, most 43 MiB 43 MiB 1.00x");
        assert!(!text.contains("FAULT") && !text.contains("logins "), "what neither has:\n{text}");
    }

    #[test]
    fn ratios_are_of_the_second_to_the_first() {
        let a = made_up::pairs();
        let mut b = made_up::pairs();
        b.acked_per_second *= 1.25;
        b.post_to_ack_us.p99 = a.post_to_ack_us.p99 / 2;
        b.counts.lost = 7;
        b.extra.insert("moves\u{1b}".to_owned(), 3.0);
        b.disk = None;
        let text = compare(&a, &b, ["a", "b"]);
        check(&text, "acked 150 k/s 188 k/s 1.25x");
        check(&text, "to ack, 99 % 11.4 ms 5.72 ms 0.50x");
        check(&text, "FAULT: lost 0 7 –");
        check(&text, "moves\u{fffd} – 3 –");
        check(&text, "data directory, most 412 MiB – –");
    }

    #[test]
    fn another_test_is_called_one() {
        let (a, b) = (made_up::pairs(), made_up::cycle());
        let text = compare(&a, &b, ["a", "b"]);
        assert!(text.starts_with("NOT THE SAME TEST"), "{text}");
        for line in [
            "scenario: pairs in a, cycle in b",
            "--members: 100 in a, 1000 in b",
            "--reconnect: not given in a, given in b",
            "threads: 1 in a, 2 in b",
        ] {
            check(&text, line);
        }
        assert!(!text.contains("version"), "the version is the same:\n{text}");
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let (nothing, pairs) = (Summary::default(), made_up::pairs());
        let slow = Summary { acked_per_second: pairs.acked_per_second / 300.0, ..made_up::pairs() };
        check(&compare(&pairs, &slow, ["a", "b"]), "acked 150 k/s 501/s 0.00333x");
        check(&compare(&nothing, &nothing, ["a", "b"]), "Neither has measured anything.");
        check(&compare(&nothing, &pairs, ["a", "b"]), "acked 0/s 150 k/s –");
        check(&compare(&pairs, &nothing, ["a", "b"]), "acked 150 k/s 0/s 0.00x");
        let broken = Summary { acked_per_second: f64::NAN, delivered_per_second: f64::INFINITY, ..made_up::pairs() };
        check(&compare(&pairs, &broken, ["a", "b"]), "acked 150 k/s – –");
        check(&compare(&broken, &pairs, ["a", "b"]), "delivered – 150 k/s 0.00x");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = compare(&made_up::pairs(), &made_up::cycle(), ["a-long-name-of-a-file.json", "µ.json"]);
        let ends: BTreeSet<usize> = text.lines().filter(|line| line.ends_with('x')).map(|line| line.chars().count()).collect();
        assert_eq!(ends.len(), 1, "{text}");
    }

    #[test]
    fn a_summary_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().expect("a place to write to");
        let file = directory.path().join("result.json");
        for summary in [made_up::pairs(), made_up::cycle(), made_up::faulty(), Summary::default()] {
            fs::write(&file, serde_json::to_vec_pretty(&summary).expect("JSON")).expect("the file is written");
            let read = read(&file).expect("it is read");
            // Not to the last bit of a fraction: JSON is read a little faster than that.
            assert_eq!((&read.settings, read.counts, &read.notes), (&summary.settings, summary.counts, &summary.notes));
            assert_eq!(compare(&summary, &read, ["a", "b"]), compare(&summary, &summary, ["a", "b"]));
        }
    }

    #[test]
    fn what_is_no_summary_is_refused_with_the_cure() {
        let directory = tempfile::tempdir().expect("a place to write to");
        let mut older = serde_json::to_value(made_up::pairs()).expect("JSON");
        older.as_object_mut().expect("an object").remove("threads");
        for (content, expected) in [
            ("once upon a time".to_owned(), "is not JSON"),
            ("{\"scenario\": \"pairs\"".to_owned(), "is not JSON"),
            (String::new(), "is not JSON"),
            ("[1, 2]".to_owned(), "no result of simclient"),
            ("{\"scenario\": 5}".to_owned(), "no result of simclient"),
            (older.to_string(), "was written by simclient 0.1.0 and does not have what"),
        ] {
            let file = directory.path().join("result.json");
            fs::write(&file, content).expect("the file is written");
            let Err(Failure::Output(text)) = read(&file) else { panic!("{expected}") };
            assert!(text.contains(expected) && text.contains("result.json") && text.contains(": "), "{text}");
        }
        let Err(Failure::Output(text)) = read(&directory.path().join("none.json")) else { panic!("there is none") };
        assert!(text.contains("none.json cannot be read"), "{text}");
    }
}
