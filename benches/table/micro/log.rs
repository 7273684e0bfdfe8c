//! The log on a real disk: commits, the start, upkeep. By the clock, with files that the system has in memory.

use std::fs;
use std::path::Path;

use mnm::base::{OsEntropy, Seq};
use mnm::server::recover;
use mnm::store::Directory;

use crate::Plan;
use crate::log::{OPTIONS, commit_times, fill, open};
use crate::measure::clock;
use crate::print::{Figure, Table, figures, merge};

pub(super) fn table(plan: &Plan) -> Table {
    let path = plan.base.join("log");
    let round = || {
        let mut found = commits(&path);
        for (messages, size) in [(500_000, 100), (200_000, 1024), (4000, 65_000)] {
            found.extend(recovery(&path, messages, size));
        }
        found.extend(compaction(&path));
        let _ = fs::remove_dir_all(&path);
        found
    };
    figures("The log", &merge((0..plan.runs).map(|_| round()).collect()))
}

fn commits(path: &Path) -> Vec<Figure> {
    let mut store = open(path);
    let mut of = |batch| {
        let times = commit_times(&mut store, batch);
        Figure::new(format!("append {batch} records of 200 B and commit"), "µs", times[times.len() / 2].as_secs_f64() * 1e6)
    };
    vec![of(1), of(16), of(256)]
}

fn recovery(path: &Path, messages: u64, size: usize) -> [Figure; 2] {
    let octets = fill(path, messages, size);
    let disk = Directory::open(path).expect("the directory");
    let (took, facts) = clock(|| recover(disk, OPTIONS, Box::new(OsEntropy)).expect("a sound log"));
    assert_eq!(facts.ledger.message_count() as u64, messages);
    let what = format!("start with {messages} messages of {size} B");
    [
        Figure::new(&what, "MB/s", octets as f64 / 1e6 / took.as_secs_f64()),
        Figure::new(format!("{what}, records"), "a second", messages as f64 / took.as_secs_f64()),
    ]
}

/// Of a log of which a quarter lives all living records are copied, until it is as small as it should be.
fn compaction(path: &Path) -> [Figure; 2] {
    const RECORDS: u64 = 300_000;
    let mut store = open(path);
    for seq in 1..=RECORDS {
        store.append(Seq(seq), &[7; 300], true).expect("room");
        if seq % 512 == 0 {
            store.commit().expect("a disk that works");
        }
    }
    store.commit().expect("a disk that works");
    (1..=RECORDS).filter(|seq| seq % 4 > 0).for_each(|seq| store.forget(Seq(seq)));
    let before = store.stats();
    let (took, ()) = clock(|| {
        // What is set free is kept for a while as spares, and given back when nobody has used it.
        for _ in 0..3 {
            while store.maintain().expect("a disk that works") {}
            store.trim();
        }
        while store.maintain().expect("a disk that works") {}
    });
    let after = store.stats();
    assert!(after.disk_bytes <= 2 * after.live_bytes + 2 * u64::from(OPTIONS.segment_bytes), "upkeep has an end: {after:?}");
    // What is gone was four parts in four of what was freed; the living fourth of it was copied.
    let freed = (before.disk_bytes - after.disk_bytes) as f64 / 1e6;
    [
        Figure::new("upkeep of a log of which a quarter lives: freed", "MB/s", freed / took.as_secs_f64()),
        Figure::new("  the same", "s", took.as_secs_f64()),
    ]
}
