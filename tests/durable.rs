//! Law 1 where it counts: no octet of an answer reaches a socket before the record it follows from is synced.
//!
//! The real server turn and the real log, over a disk and sockets that note the order of what is asked of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use mnm::base::{Entropy, Mono, Wall};
use mnm::net::{Layer, Socket};
use mnm::relay::{Now, Relay, Settings};
use mnm::server::{Server, recover};
use mnm::store::{Directory, DirectoryFile, Disk, DiskFile, Options};
use mnm::wire::{Dialect, RequestLimits};

#[derive(Clone, PartialEq, Debug)]
enum Event {
    /// Octets were written to a segment; not to be relied on.
    Written(Vec<u8>),
    /// What was written is on stable storage.
    Synced,
    /// Octets went to a peer.
    Sent(String),
}

type Journal = Rc<RefCell<Vec<Event>>>;

struct SpyDisk(Directory, Journal);
struct SpyFile(DirectoryFile, Journal);

impl Disk for SpyDisk {
    type File = SpyFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn create(&mut self, name: &str, bytes: u64) -> io::Result<SpyFile> {
        Ok(SpyFile(self.0.create(name, bytes)?, self.1.clone()))
    }
    fn open(&mut self, name: &str) -> io::Result<SpyFile> {
        Ok(SpyFile(self.0.open(name)?, self.1.clone()))
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
    fn sync_dir(&mut self) -> io::Result<()> {
        self.0.sync_dir()
    }
    fn free_space(&mut self) -> io::Result<u64> {
        self.0.free_space()
    }
    fn describe(&self, name: &str) -> String {
        self.0.describe(name)
    }
}

impl DiskFile for SpyFile {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.1.borrow_mut().push(Event::Written(bytes.to_vec()));
        self.0.write_at(offset, bytes)
    }
    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()?;
        self.1.borrow_mut().push(Event::Synced);
        Ok(())
    }
    fn write_synced(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.1.borrow_mut().push(Event::Written(bytes.to_vec()));
        self.0.write_synced(offset, bytes)?;
        self.1.borrow_mut().push(Event::Synced);
        Ok(())
    }
    fn drop_cache(&mut self) {
        self.0.drop_cache();
    }
    fn expose(&mut self, end: usize) -> io::Result<()> {
        self.0.expose(end)
    }
    fn exposed(&self) -> &[u8] {
        self.0.exposed()
    }
    fn retire(&mut self) {
        self.0.retire();
    }
}

/// A peer that says what it is told to, and whose ear is the journal.
struct SpySocket(Rc<RefCell<VecDeque<u8>>>, Journal);

impl Socket for SpySocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut input = self.0.borrow_mut();
        if input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = input.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(input.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.1.borrow_mut().push(Event::Sent(String::from_utf8_lossy(octets).into_owned()));
        Ok(octets.len())
    }
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Zeroes;

impl Entropy for Zeroes {
    fn fill(&mut self, out: &mut [u8]) {
        for (i, octet) in out.iter_mut().enumerate() {
            *octet = i as u8;
        }
    }
}

fn frame(header: &str, data: &str) -> String {
    format!("{:04x}{header}{data}", header.len())
}

#[test]
fn no_answer_leaves_before_the_sync_that_it_follows_from() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::default();
    let options = Options { segment_bytes: 1 << 20 };
    let disk = SpyDisk(Directory::open(directory.path()).unwrap(), journal.clone());
    let facts = recover(disk, options, Box::new(Zeroes)).unwrap();
    let relay = Relay::new(Settings::default(), facts.ledger, Box::new(Zeroes));
    let mut server = Server::new(relay, facts.store, options, RequestLimits::default(), Dialect::Unlatched);
    let now = Now { mono: Mono(1), wall: Wall(1_600_000_000_000_000_000) };
    let input = Rc::new(RefCell::new(VecDeque::new()));
    let slot = server.open(SpySocket(input.clone(), journal.clone()), Layer::Plain, None, now);
    let mut say = |text: String| {
        journal.borrow_mut().clear();
        input.borrow_mut().extend(text.into_bytes());
        server.ready(slot, true, true);
        server.turn(now).unwrap();
        journal.borrow().clone()
    };

    let greeted = say(frame(r#"{"op":0,"id":"1"}"#, ""));
    assert!(matches!(greeted.first(), Some(Event::Sent(text)) if text.contains("tmtprev")), "nothing to wait for: {greeted:?}");

    for (request, answer, stored) in [
        (frame(r#"{"op":1,"newnode":"first","newalias":"alice the first"}"#, ""), "registered", "alice the first"),
        (frame(r#"{"op":7,"id":"p","for":[],"datalen":13}"#, "hello to disk"), r#""id":"p""#, "hello to disk"),
        // An error reply waits like any other; here there is something for it to wait for, in the same turn.
        (
            frame(r#"{"op":3,"id":"q","newalias":"alice again"}"#, "") + &frame(r#"{"op":3,"id":"r","newalias":"short"}"#, ""),
            "newalias must be 8+ characters",
            "alice again",
        ),
    ] {
        let events = say(request);
        let place =
            |what: &str, found: &dyn Fn(&Event) -> bool| events.iter().position(found).unwrap_or_else(|| panic!("{what} in {events:?}"));
        let written =
            place("the record", &|event| matches!(event, Event::Written(octets) if String::from_utf8_lossy(octets).contains(stored)));
        let synced = written + events[written..].iter().position(|event| *event == Event::Synced).expect("a sync");
        let first_sent = place("the answer", &|event| matches!(event, Event::Sent(_)));
        assert!(first_sent > synced, "an answer left before the sync: {events:?}");
        assert!(events[first_sent..].iter().any(|event| matches!(event, Event::Sent(text) if text.contains(answer))), "{events:?}");
    }
}
