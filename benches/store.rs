//! The log and the ledger, measured: `cargo bench --bench store [-- DIR]`.
//!
//! Prints one table: append and commit by batch size, the start with much in the log, the memory that queued
//! deliveries and users take, and what compaction writes. DIR (default: a temporary directory) should be on the disk in question. Compare only within one run.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "shared/log.rs"]
mod log;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use log::{OPTIONS, commit_times, fill, open, user};
use mnm::base::{Entropy, NodeDigest, NodeNo, OsEntropy, Seq, Wall};
use mnm::record::{AliasRecord, NodeRecord, Record};
use mnm::server::recover;
use mnm::store::Directory;

/// Before the number and size of messages and a path: this process prints that row only.
const ALONE: &str = "--recovery";
/// Likewise before the number of users and a path.
const USERS: &str = "--users";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, messages, size, path] = &arguments[..]
        && word == ALONE
    {
        return recovery(Path::new(path), messages.parse().expect("a number"), size.parse().expect("a number"));
    }
    if let [word, count, path] = &arguments[..]
        && word == USERS
    {
        return users(Path::new(path), count.parse().expect("a number"));
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let named = arguments.into_iter().find(|argument| !argument.starts_with('-'));
    let base = named.map_or_else(|| directory.path().to_owned(), Into::into);
    println!("{:<58} {:>14}", "on the disk of ".to_owned() + &base.display().to_string(), "");
    commits(&base.join("mnm-bench-commits"));
    for (messages, size) in [("1000000", "1000"), ("1000000", "200"), ("16384", "65000")] {
        alone(&[ALONE, messages, size], &base.join("mnm-bench-recovery"));
    }
    alone(&[USERS, "1000000"], &base.join("mnm-bench-users"));
    for long in [0, 100, 10, 2] {
        amplification(&base.join("mnm-bench-amplification"), long);
    }
}

/// Some rows in a process of their own: the memory that others have freed would count.
fn alone(arguments: &[&str], path: &Path) {
    let this = std::env::current_exe().expect("a program that runs");
    let status = Command::new(this).args(arguments).arg(path).status();
    assert!(status.is_ok_and(|status| status.success()), "{arguments:?}");
}

fn row(what: &str, value: impl std::fmt::Display) {
    println!("{what:<58} {value:>14}");
}

/// Batches of records of 200 octets, each with its commit.
fn commits(path: &Path) {
    let mut store = open(path);
    for batch in [1, 16, 64, 256, 1024] {
        let median = commit_times(&mut store, batch)[100];
        row(&format!("append {batch} records of 200 octets and commit, median"), format!("{:.0} µs", median.as_secs_f64() * 1e6));
    }
    drop(store);
    let _ = std::fs::remove_dir_all(path);
}

/// A log with so many queued messages: how long a start takes, and what memory it needs.
fn recovery(path: &Path, messages: u64, size: usize) {
    let octets = fill(path, messages, size);
    let before = anonymous_memory();
    let begin = Instant::now();
    let facts = recover(Directory::open(path).expect("the directory"), OPTIONS, Box::new(OsEntropy)).expect("a sound log");
    let took = begin.elapsed();
    assert_eq!(facts.ledger.message_count() as u64, messages);
    let what = format!("{messages} messages, {} MiB", octets >> 20);
    row(&format!("start with {what}"), format!("{:.2} s", took.as_secs_f64()));
    let memory = anonymous_memory().saturating_sub(before);
    // Of few messages it would tell what a start takes anyway, some 3 MiB.
    if messages >= 100_000 {
        row(&format!("memory for each of {messages} queued deliveries"), format!("{:.1} octets", memory as f64 / messages as f64));
    }
    drop(facts);
    let _ = std::fs::remove_dir_all(path);
}

/// How much is written to the disk for each octet of records, copies and new segments included, where one record in `long` (none,
/// if 0) lives a hundred times as long as the others.
fn amplification(path: &Path, long: u64) {
    const RECORDS: u64 = 400_000;
    const SHORT: u64 = 1000;
    let mut store = open(path);
    let payload = [7; 300];
    let before = written();
    let lives_long = |seq: u64| long > 0 && seq.is_multiple_of(long);
    for seq in 1..=RECORDS {
        store.append(Seq(seq), &payload, true).expect("room");
        if seq % 64 > 0 {
            continue;
        }
        store.commit().expect("a disk that works");
        for age in [SHORT, 100 * SHORT] {
            let old = seq.saturating_sub(age + 63)..=seq.saturating_sub(age);
            old.filter(|&old| old > 0 && lives_long(old) == (age > SHORT)).for_each(|old| store.forget(Seq(old)));
        }
        store.maintain().expect("a disk that works");
    }
    let factor = (written() - before) as f64 / (RECORDS * 332) as f64;
    let who = if long == 0 { "none".to_owned() } else { format!("1 in {long}") };
    row(&format!("written for each octet of records, {who} living long"), format!("{factor:.2} octets"));
    drop(store);
    let _ = std::fs::remove_dir_all(path);
}

/// Octets that this process has written to files.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap_or(0)
}

/// So many users with one alias and one node each: how long a start takes, and what memory it needs.
fn users(path: &Path, count: u32) {
    let mut store = open(path);
    let mut entropy = OsEntropy;
    for no in 0..count {
        let mut uid = [0; 20];
        entropy.fill(&mut uid);
        let mut digest = [0; 32];
        entropy.fill(&mut digest);
        let node = NodeRecord { no: NodeNo(no), digest: NodeDigest(digest), label: "phone".to_owned(), made: 0 };
        let alias = AliasRecord { name: format!("somebody {no:07}"), uses: 0, expires: Wall(0) };
        let record = Record::User(user(no, uid, vec![alias], node));
        store.append(Seq(u64::from(no + 1) * 20_000), &record.encode(), true).expect("room");
        if no % 512 == 0 {
            store.commit().expect("a disk that works");
            store.maintain().expect("a disk that works");
        }
    }
    store.close().expect("a disk that works");
    let before = anonymous_memory();
    let begin = Instant::now();
    let facts = recover(Directory::open(path).expect("the directory"), OPTIONS, Box::new(OsEntropy)).expect("a sound log");
    let took = begin.elapsed();
    assert_eq!(facts.ledger.user_count(), count as usize);
    row(&format!("start with {count} users"), format!("{:.2} s", took.as_secs_f64()));
    row(&format!("memory for {count} users"), format!("{} MiB", (anonymous_memory() - before) >> 20));
    drop(facts);
    let _ = std::fs::remove_dir_all(path);
}

/// Octets of memory that are ours alone: what is mapped from files does not count.
fn anonymous_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}
