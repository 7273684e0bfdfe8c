//! Logs for benchmarks to write and to read.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::path::Path;
use std::time::{Duration, Instant};

use mnm::base::{Entropy, NodeDigest, NodeNo, OsEntropy, Seq, Uid, UserNo};
use mnm::record::{AliasRecord, Lane, MessageRecord, NodeRecord, Payload, Record, Role, UserRecord};
use mnm::store::{Directory, Options, Store};

pub(crate) const OPTIONS: Options = Options { segment_bytes: 4 << 20 };

/// An empty one, whatever was there.
pub(crate) fn open(path: &Path) -> Store<Directory> {
    let _ = std::fs::remove_dir_all(path);
    let disk = Directory::open(path).expect("a data directory");
    Store::open(disk, OPTIONS, Box::new(OsEntropy), &mut |_, _| Ok(())).expect("a store").store
}

/// How long it takes to append so many records of 200 octets and to commit them, many times, in rising order.
pub(crate) fn commit_times(store: &mut Store<Directory>, batch: u64) -> Vec<Duration> {
    let payload = [7; 200];
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let mut seq = store.appended().0;
            let begin = Instant::now();
            for _ in 0..batch {
                seq += 1;
                store.append(Seq(seq), &payload, true).expect("room");
            }
            store.commit().expect("a disk that works");
            let took = begin.elapsed();
            (seq - batch + 1..=seq).for_each(|seq| store.forget(Seq(seq)));
            store.maintain().expect("a disk that works");
            took
        })
        .collect();
    times.sort();
    times
}

/// A user with these aliases and one node.
pub(crate) fn user(no: u32, uid: [u8; 20], aliases: Vec<AliasRecord>, node: NodeRecord) -> UserRecord {
    let (no, uid, next_node) = (UserNo(no), Uid(uid), NodeNo(no + 1));
    UserRecord { no, uid, role: Role::Full, admin: false, aliases, nodes: vec![node], dropped: 0, next_node }
}

/// A log with so many queued messages of that size, left as after kill -9; how many octets live in it.
pub(crate) fn fill(path: &Path, messages: u64, size: usize) -> u64 {
    let mut store = open(path);
    let mut entropy = OsEntropy;
    let nodes = 100;
    let mut seq = 0;
    let mut put = |store: &mut Store<Directory>, record: &Record<'_>| {
        // As ids are: nanoseconds that differ by some microseconds.
        seq += 20_000;
        store.append(Seq(seq), &record.encode(), true).expect("room");
        if seq % (20_000 * 512) == 0 {
            store.commit().expect("a disk that works");
            store.maintain().expect("a disk that works");
        }
    };
    for no in 0..nodes {
        let mut uid = [0; 20];
        entropy.fill(&mut uid);
        let node = NodeRecord { no: NodeNo(no), digest: NodeDigest([no as u8; 32]), label: "phone".to_owned(), made: 0 };
        put(&mut store, &Record::User(user(no, uid, vec![], node)));
    }
    let data = vec![b'x'; size];
    for n in 0..messages {
        let to = vec![NodeNo((n % u64::from(nodes)) as u32)];
        let header = b"0010{\"op\":\"delivery\"}"[..].into();
        let payload = Payload::Inline((&data[..]).into());
        put(&mut store, &Record::Message(MessageRecord { lane: Lane::Normal, to, held: vec![], header, payload }));
    }
    store.commit().expect("a disk that works");
    store.stats().live_bytes
}
