//! A log that cannot be read any more while it is printed.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use mnm::base::{OsEntropy, Seq};
use mnm::record::Record;
use mnm::store::{Directory, Options, Store};

/// Their lines are more than a pipe and the program hold: when the first line is there, most records have not been read.
const RECORDS: u64 = 20_000;

#[test]
fn a_log_that_cannot_be_read_ends_it_with_a_sentence() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let disk = Directory::open(data.path()).expect("a data directory");
    let opened = Store::open(disk, Options { segment_bytes: 4 << 20 }, Box::new(OsEntropy), &mut |_, _| Ok(()));
    let mut store = opened.expect("a store").store;
    let octets = Record::Chunk((&[7; 100][..]).into()).encode();
    (1..=RECORDS).for_each(|seq| store.append(Seq(seq), &octets, true).expect("room"));
    store.commit().expect("a disk that works");
    drop(store);

    let mut command = Command::new(env!("CARGO_BIN_EXE_logdump"));
    let mut program = command.arg(data.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut shown = BufReader::new(program.stdout.take().expect("a pipe")).lines();
    let first = shown.next().expect("a line").expect("text");
    assert!(first.contains("chunk 100 octets"), "{first}");
    let files = fs::read_dir(data.path()).expect("the data directory").map(|entry| entry.expect("a file").path());
    for file in files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")) {
        OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(0)).expect("a file that can be cut");
    }
    let rest = shown.count() as u64;
    let output = program.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(rest < RECORDS && output.status.code() == Some(5), "{}: {said}", output.status);
    assert!(said.contains("a segment of the log cannot be read any more"), "{said}");
}
