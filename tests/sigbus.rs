//! A segment that cannot be read any more through the map, while a real relay is in the middle of sending it.

mod common;
mod live;

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

use common::process::TlsLink;
use common::site::{Link, Received};
use live::Relay;

/// More than the two sockets hold, so that most of it is still to be read from the log when the first part arrives.
const MESSAGE: usize = 24 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

fn send(link: &mut TlsLink, header: &str, data: &[u8]) {
    link.send(format!("{:04x}{header}", header.len()).as_bytes());
    data.chunks(1 << 20).for_each(|part| link.send(part));
}

/// The next record that shows this op. No frame is put together: of a large one only the beginning is wanted.
fn expect(link: &mut TlsLink, op: &str) -> String {
    loop {
        let Received::Record(record) = link.receive(PATIENCE) else { panic!("no {op} comes") };
        let text = String::from_utf8_lossy(&record);
        if text.contains(&format!(r#""op":"{op}""#)) {
            return text.into_owned();
        }
    }
}

/// Cuts off all that is in the segments, as a disk does that forgets its sectors.
fn cut_segments(data: &Path) {
    let files = fs::read_dir(data).expect("the data directory").map(|entry| entry.expect("a file").path());
    for file in files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")) {
        OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(0)).expect("a file that can be cut");
    }
}

#[test]
fn a_segment_that_cannot_be_read_ends_the_relay_with_a_sentence() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let relay = Relay::start(data.path(), "127.0.0.1:0");
    let mut link = TlsLink::connect(relay.address.parse().expect("an address")).expect("a link");
    send(&mut link, r#"{"id":"1","op":0}"#, &[]);
    send(&mut link, r#"{"newnode":"phone","op":1}"#, &[]);
    let registered = expect(&mut link, "registered");
    let (_, uid) = registered.split_once(r#""uid":""#).expect("a uid");
    let (uid, _) = uid.split_once('"').expect("its end");
    let post = format!(r#"{{"datalen":{MESSAGE},"for":[{{"id":"{uid}","type":1}}],"id":"p","op":7}}"#);
    send(&mut link, &post, &vec![b'x'; MESSAGE]);
    // It comes back to its sender. Until somebody reads, the relay cannot send all of it.
    expect(&mut link, "delivery");
    cut_segments(data.path());
    while let Received::Record(_) = link.receive(PATIENCE) {}
    let (status, said) = relay.end();
    assert_eq!(status.code(), Some(5), "no raw signal: {status}: {said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("mnm: a segment of the log cannot be read") && last.contains("`mnm verify`"), "{said}");
}
