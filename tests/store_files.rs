//! The store on real files.

use std::fs;
use std::path::Path;

use mnm::base::{OsEntropy, Seq};
use mnm::limits::{RECORD_MAX, SEGMENT_BYTES_MIN, WRITE_THROUGH};
use mnm::store::{Directory, Disk, DiskFile, Opened, Options, Store, StoreError};

const OPTIONS: Options = Options { segment_bytes: SEGMENT_BYTES_MIN };

/// Seqs and lengths, as they were replayed.
type Seen = Vec<(u64, usize)>;

fn open(path: &Path) -> Result<(Opened<Directory>, Seen), StoreError> {
    let mut seen = Vec::new();
    let opened = Store::open(Directory::open(path)?, OPTIONS, Box::new(OsEntropy), &mut |seq, payload| {
        seen.push((seq.0, payload.len()));
        Ok(())
    })?;
    Ok((opened, seen))
}

fn settle(store: &mut Store<Directory>) {
    // What was used since the last time is kept once more.
    for _ in 0..2 {
        while store.maintain().expect("a working disk") {}
        store.trim();
    }
    while store.maintain().expect("a working disk") {}
}

#[test]
fn records_survive_a_close_and_a_drop() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let path = home.path().join("deep/store");
    let Opened { mut store, recovery } = open(&path).expect("a new store").0;
    assert!(recovery.clean && recovery.records == 0);
    store.append(Seq(1 << 60), b"first", true).expect("room");
    assert_eq!(store.read(Seq(1 << 60)), None, "nothing is read before it is durable");
    assert_eq!(store.commit().expect("a working disk"), Seq(1 << 60));
    assert_eq!(store.read(Seq(1 << 60)), Some(&b"first"[..]));
    store.close().expect("a working disk");

    let (Opened { mut store, recovery }, seen) = open(&path).expect("a closed store");
    assert!(recovery.clean);
    assert_eq!(seen, [(1 << 60, 5)]);
    store.append(Seq((1 << 60) + 1), &[7; RECORD_MAX], true).expect("room");
    store.commit().expect("a working disk");
    store.append(Seq((1 << 60) + 2), b"never committed", true).expect("room");
    drop(store);

    let (Opened { store, recovery }, seen) = open(&path).expect("an abandoned store");
    assert!(!recovery.clean);
    assert_eq!(seen, [(1 << 60, 5), ((1 << 60) + 1, RECORD_MAX)]);
    assert_eq!(store.read(Seq((1 << 60) + 1)), Some(&[7; RECORD_MAX][..]));
    store.check_invariants();
}

#[test]
fn much_at_once_is_written_before_the_commit_and_not_read() {
    const RECORD: usize = 100_000;
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut store = open(home.path()).expect("a new store").0.store;
    let written = || {
        let files = std::fs::read_dir(home.path()).expect("the directory").map(|entry| entry.expect("an entry").path());
        let octets =
            files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).map(|path| std::fs::read(path).expect("a file"));
        octets.map(|octets| octets.iter().filter(|octet| **octet == 0xa5).count()).sum::<usize>()
    };
    let records = WRITE_THROUGH / RECORD;
    for seq in 1..=records as u64 {
        store.append(Seq(seq), &[0xa5; RECORD], true).expect("room");
    }
    assert!(written() < RECORD, "little waits in memory");
    store.append(Seq(records as u64 + 1), &[0xa5; RECORD], true).expect("room");
    assert!(written() >= (records + 1) * RECORD, "much does not");
    assert_eq!((store.read(Seq(1)), store.durable()), (None, Seq::ZERO));
    store.commit().expect("a working disk");
    assert_eq!(store.read(Seq(1)), Some(&[0xa5; RECORD][..]));
}

#[test]
fn a_queue_that_drains_neither_grows_nor_loses() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut store = open(home.path()).expect("a new store").0.store;
    let body = vec![5; 100_000];
    for seq in 1..=100 {
        assert!(store.has_room(1, body.len()).expect("a working disk"));
        store.append(Seq(seq), &body, true).expect("room");
        store.commit().expect("a working disk");
        if let Some(old) = seq.checked_sub(10) {
            store.forget(Seq(old));
        }
        settle(&mut store);
        let stats = store.stats();
        assert!(stats.disk_bytes <= 2 * stats.live_bytes + 2 * u64::from(SEGMENT_BYTES_MIN), "{stats:?}");
    }
    let files = fs::read_dir(home.path()).expect("the directory").count();
    assert_eq!(files, store.stats().segments + 1, "segments and the lock, nothing else");
    store.check_invariants();
    store.close().expect("a working disk");
    let (opened, seen) = open(home.path()).expect("a closed store");
    assert_eq!(seen.iter().map(|(seq, _)| *seq).filter(|seq| *seq > 90).collect::<Vec<_>>(), (91..=100).collect::<Vec<_>>());
    assert_eq!(opened.store.appended(), Seq(100));
}

#[test]
fn many_small_records_are_found_wherever_they_go() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut store = open(home.path()).expect("a new store").0.store;
    let body = |seq: u64| vec![seq as u8; 100 + (seq % 50) as usize];
    let mut living = std::collections::BTreeSet::new();
    for seq in 1..=60_000 {
        store.append(Seq(seq * 1000), &body(seq), true).expect("room");
        living.insert(seq);
        if seq % 100 == 0 {
            store.commit().expect("a working disk");
            // Three of four die, some at once and some late, so that the others are copied forward.
            let dead = (1..=seq).rev().step_by(37).take(40).chain(seq.saturating_sub(9000)..seq.saturating_sub(8960));
            for old in dead.filter(|old| old % 4 != 0) {
                assert_eq!(store.read(Seq(old * 1000)).map(<[u8]>::to_vec), living.remove(&old).then(|| body(old)), "record {old}");
                store.forget(Seq(old * 1000));
            }
            store.maintain().expect("a working disk");
        }
    }
    store.check_invariants();
    // As after kill -9: the tail's survivors are written anew.
    drop(store);
    let (opened, seen) = open(home.path()).expect("an abandoned store");
    let seen: std::collections::BTreeSet<u64> = seen.into_iter().map(|(seq, _)| seq / 1000).collect();
    assert!(living.is_subset(&seen), "nothing that lives is lost");
    opened.store.check_invariants();
    for seq in living {
        assert_eq!(opened.store.read(Seq(seq * 1000)), Some(&body(seq)[..]));
    }
}

#[test]
fn a_directory_has_one_user() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let first = open(home.path()).expect("a new store");
    let second = open(home.path()).err().expect("it is taken");
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    assert!(second.to_string().contains(&home.path().display().to_string()));
    drop(first);
    assert!(open(home.path()).is_ok());
}

#[test]
fn foreign_files_are_let_be() {
    let home = tempfile::tempdir().expect("a temporary directory");
    open(home.path()).expect("a new store").0.store.close().expect("a working disk");
    for name in ["notes.txt", "1.seg", "0000000001.seg.bak"] {
        fs::write(home.path().join(name), "mine").expect("a working disk");
    }
    open(home.path()).expect("a store with neighbours");
    for name in ["notes.txt", "1.seg", "0000000001.seg.bak"] {
        assert_eq!(fs::read(home.path().join(name)).expect("still there"), b"mine");
    }
}

#[test]
fn a_new_file_has_its_space_and_a_retired_one_its_map() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut disk = Directory::open(home.path()).expect("a working disk");
    let mut file = disk.create("a", 8192).expect("space");
    assert_eq!(file.size(), 8192);
    assert!(disk.create("a", 8192).is_err(), "names are not taken over");
    file.write_at(0, b"hello").expect("a working disk");
    assert_eq!(file.exposed(), b"");
    file.expose(5).expect("a working disk");
    file.write_at(5, b" world").expect("a working disk");
    assert_eq!(file.exposed(), b"hello");
    file.expose(11).expect("a working disk");
    file.retire();
    assert_eq!(file.exposed(), b"hello world");
}
