//! What taken names look like, measured: `cargo bench --bench names`.
//!
//! Prints for each rule how long a start takes to index the names of a large site, what memory the index takes, and how long
//! a check takes then.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::time::Instant;

use mnm::relay::{Lookalikes, NameGuard, NameRules};

const NAMES: u32 = 1_000_000;

fn main() {
    let ascii: Vec<String> = (0..NAMES).map(|no| format!("Ida Somebody {no:07}")).collect();
    let cyrillic: Vec<String> = (0..NAMES / 10).map(|no| format!("Ольга Петрова {no:07}")).collect();
    for (names, kind) in [(&ascii, "ASCII"), (&cyrillic, "Cyrillic")] {
        for lookalikes in [Lookalikes::Refuse, Lookalikes::Strict] {
            measure(names, kind, lookalikes);
        }
    }
}

fn measure(names: &[String], kind: &str, lookalikes: Lookalikes) {
    let what = format!("{} {kind} names, {lookalikes:?}", names.len());
    let rules = NameRules { lookalikes, ..NameRules::default() };
    // The tables of a first use count as well.
    let before = anonymous_memory();
    let begin = Instant::now();
    let guard = NameGuard::new(&rules, names.iter().map(String::as_str));
    row(&format!("index {what}"), format!("{:.0} ms", begin.elapsed().as_secs_f64() * 1e3));
    row(&format!("memory for {what}"), format!("{:.1} octets each", (anonymous_memory() - before) as f64 / names.len() as f64));
    let begin = Instant::now();
    let refused = names.iter().filter(|name| guard.check("newalias", name, false).is_err()).count();
    row(&format!("check {what}"), format!("{:.2} µs each", begin.elapsed().as_secs_f64() * 1e6 / names.len() as f64));
    // Each is taken already and looks like itself alone; some few share 40 bits of a hash.
    assert!(refused < 100, "{refused} names are refused");
}

fn row(what: &str, value: impl std::fmt::Display) {
    println!("{what:<58} {value:>18}");
}

/// Octets of memory that are ours alone: what is mapped from files does not count.
fn anonymous_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}
