//! `mnm verify`: a whole log, a damaged one, one in use, none at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mnm::base::{Entropy, NodeDigest, NodeNo, Seq, Uid, UserNo};
use mnm::record::{Lane, MessageRecord, NodeRecord, Payload, Record, Role, UserRecord};
use mnm::store::{Directory, Options, Store};

/// One test at a time: a process that one starts has, until it runs its own program, a copy of every lock in this one.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sevens;

impl Entropy for Sevens {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(7);
    }
}

/// A log with one member and two messages for it.
fn write_log(path: &Path) {
    let disk = Directory::open(path).unwrap();
    let mut store = Store::open(disk, Options { segment_bytes: 4 << 20 }, Box::new(Sevens), &mut |_, _| Ok(())).unwrap().store;
    let node = NodeRecord { no: NodeNo(0), digest: NodeDigest([1; 32]), label: "phone".into(), made: 0 };
    let (no, uid, next_node) = (UserNo(0), Uid([2; 20]), NodeNo(1));
    let user = UserRecord { no, uid, role: Role::Full, admin: false, aliases: vec![], nodes: vec![node], dropped: 0, next_node };
    let message = |data: &'static [u8]| {
        let header = b"0008{\"op\":0}"[..].into();
        let (to, payload) = (vec![NodeNo(0)], Payload::Inline(data.into()));
        Record::Message(MessageRecord { lane: Lane::Normal, to, held: vec![], header, payload })
    };
    for (seq, record) in [(1, Record::User(user)), (2, message(b"the first one")), (3, message(b"the second one"))] {
        store.append(Seq(seq), &record.encode(), true).unwrap();
    }
    store.close().unwrap();
}

fn verify(path: &Path) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_mnm")).arg("verify").arg("--data").arg(path).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

fn content(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.iter().map(|file| (file.display().to_string(), fs::read(file).unwrap())).collect()
}

#[test]
fn a_whole_log_is_told_and_left_as_it_is() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    write_log(directory.path());
    let before = content(directory.path());
    let (status, said) = verify(directory.path());
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("3 records") && said.contains("1 members, 2 messages waiting"), "{said}");
    assert!(!said.contains("did not end cleanly"), "{said}");
    assert_eq!(content(directory.path()), before);
}

#[test]
fn damage_is_named_and_nothing_is_touched() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    write_log(directory.path());
    let (file, mut octets) = content(directory.path()).into_iter().find(|(name, _)| name.ends_with("1.seg")).unwrap();
    let at = octets.windows(9).position(|window| window == b"the first").unwrap();
    octets[at] ^= 1;
    fs::write(&file, octets).unwrap();
    let before = content(directory.path());
    let (status, said) = verify(directory.path());
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains(&file), "it names the file: {said}");
    assert_eq!(content(directory.path()), before);
}

#[test]
fn a_log_in_use_and_one_that_is_not_there_are_told() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    write_log(directory.path());
    let held = Directory::open(directory.path()).unwrap();
    let (status, said) = verify(directory.path());
    assert_eq!(status, Some(6), "{said}");
    assert!(said.contains("another"), "{said}");
    drop(held);
    let missing = directory.path().join("elsewhere");
    let (status, said) = verify(&missing);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("elsewhere: there is no such directory") && !missing.exists(), "{said}");
    let file = directory.path().join("lock");
    let (status, said) = verify(&file);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("lock: is a file and not a directory"), "{said}");
}

#[test]
fn a_directory_without_a_log_stays_as_it_is() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let (status, said) = verify(directory.path());
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("there is no log in this directory"), "{said}");
    assert_eq!(content(directory.path()), []);
}

#[test]
fn a_copy_needs_no_lock_and_no_right_to_write() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    write_log(directory.path());
    for (file, _) in content(directory.path()) {
        fs::set_permissions(file, fs::Permissions::from_mode(0o400)).unwrap();
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let (status, said) = verify(directory.path());
    assert_eq!(status, Some(0), "{said}");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_file(directory.path().join("lock")).unwrap();
    let (status, said) = verify(directory.path());
    assert_eq!(status, Some(0), "{said}");
    assert!(!directory.path().join("lock").exists(), "it was made");
}
