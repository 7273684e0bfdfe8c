//! What goes out of one link and what it costs the others: a socket that takes nothing for a while and then all of a large message,
//! and a peer that asks much with few octets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use mnm::base::{Mono, OsEntropy, Wall};
use mnm::limits::{OUTPUT_MAX, READ_BUFFER};
use mnm::net::{Layer, Socket};
use mnm::relay::{Now, Relay, Settings};
use mnm::server::{Server, recover};
use mnm::store::{Directory, Options};
use mnm::wire::{Dialect, RequestLimits};

/// A peer that takes `room` octets and no more.
#[derive(Clone, Default)]
struct Peer {
    said: Rc<RefCell<VecDeque<u8>>>,
    heard: Rc<RefCell<Vec<u8>>>,
    room: Rc<Cell<usize>>,
    gone: Rc<Cell<bool>>,
    /// It will say no more.
    over: Rc<Cell<bool>>,
}

struct End(Peer);

impl Drop for End {
    fn drop(&mut self) {
        self.0.gone.set(true);
    }
}

impl Socket for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut said = self.0.said.borrow_mut();
        if said.is_empty() {
            return if self.0.over.get() { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let count = said.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(said.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let count = octets.len().min(self.0.room.get());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.room.set(self.0.room.get() - count);
        self.0.heard.borrow_mut().extend_from_slice(&octets[..count]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frame(header: &str, data: &[u8]) -> Vec<u8> {
    [format!("{:04x}{header}", header.len()).as_bytes(), data].concat()
}

#[test]
fn a_link_that_reads_again_is_not_cut_and_gets_its_redelivery() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = site(&directory);
    let mut seconds = 1;
    let peer = Peer::default();
    peer.room.set(usize::MAX);
    let at = |seconds: u64| Now { mono: Mono(seconds * 1_000_000_000), wall: Wall((1_600_000_000 + seconds) * 1_000_000_000) };
    let slot = server.open(End(peer.clone()), Layer::Plain, None, at(seconds));
    let mut turn = |seconds: u64, say: &[u8]| {
        peer.said.borrow_mut().extend(say);
        server.ready(slot, true, true);
        server.turn(at(seconds)).unwrap();
        while server.has_work() {
            server.turn(at(seconds)).unwrap();
        }
    };
    turn(seconds, &[frame(r#"{"op":0,"id":"1"}"#, b""), frame(r#"{"op":1,"newnode":"n"}"#, b"")].concat());
    let said = String::from_utf8(peer.heard.take()).unwrap();
    let uid = &said[said.find("\"uid\":\"").unwrap() + 7..][..32];

    // The socket is full when the message is to go out, and takes the rest seconds later, more than a turn's share at once.
    let data = vec![b'x'; 5 << 20];
    peer.room.set(1000);
    turn(seconds, &frame(&format!(r#"{{"op":7,"id":"p","for":[{{"id":"{uid}","type":1}}],"datalen":{}}}"#, data.len()), &data));
    seconds += 5;
    peer.room.set(usize::MAX);
    turn(seconds, b"");
    assert!(peer.heard.borrow().len() > data.len());
    peer.heard.take();

    // The same while the relay itself stands still: what the peer read meanwhile counts, though no turn came to write more.
    peer.room.set(1000);
    turn(seconds, &frame(&format!(r#"{{"op":7,"id":"q","for":[{{"id":"{uid}","type":1}}],"datalen":{}}}"#, data.len()), &data));
    seconds += 31;
    peer.room.set(usize::MAX);
    turn(seconds, &frame(r#"{"op":11}"#, b""));
    assert!(!peer.gone.get(), "cut after a turn of 31 s although it reads");
    assert!(peer.heard.borrow().len() > data.len());
    peer.heard.take();

    // It lives on and stays silent but for pulses. No ack comes, so after 30 s the message comes again.
    for _ in 0..5 {
        seconds += 10;
        turn(seconds, &frame(r#"{"op":11}"#, b""));
        assert!(!peer.gone.get(), "cut after {seconds} s although it read everything");
    }
    assert!(peer.heard.borrow().len() > data.len(), "the message comes again");
}

fn site(directory: &tempfile::TempDir) -> Server<End, Directory> {
    let options = Options { segment_bytes: 4 << 20 };
    let facts = recover(Directory::open(directory.path()).unwrap(), options, Box::new(OsEntropy)).unwrap();
    let relay = Relay::new(Settings::default(), facts.ledger, Box::new(OsEntropy));
    Server::new(relay, facts.store, options, RequestLimits::default(), Dialect::Unlatched)
}

/// A thousand questions in one write are answered in shares: in between the others get their turn, also if who asked has gone.
#[test]
fn questions_by_the_thousand_keep_nobody_waiting() {
    const QUESTIONS: usize = 1500;
    for goes in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = site(&directory);
        let now = Now { mono: Mono(1_000_000_000), wall: Wall(1_600_000_000_000_000_000) };
        let [asker, other] = [Peer::default(), Peer::default()];
        let register = [frame(r#"{"op":0,"id":"1"}"#, b""), frame(r#"{"op":1,"newnode":"n"}"#, b"")].concat();
        let slots = [&asker, &other].map(|peer| {
            peer.room.set(usize::MAX);
            peer.said.borrow_mut().extend(&register);
            server.open(End(peer.clone()), Layer::Plain, None, now)
        });
        slots.iter().for_each(|slot| server.ready(*slot, true, true));
        server.turn(now).unwrap();
        [&asker, &other].into_iter().for_each(|peer| drop(peer.heard.take()));

        asker.said.borrow_mut().extend(frame(r#"{"op":16,"id":"q","what":"limits"}"#, b"").repeat(QUESTIONS));
        other.said.borrow_mut().extend(frame(r#"{"op":16,"id":"o","what":"account"}"#, b""));
        if goes {
            asker.over.set(true);
            server.ending(slots[0]);
        }
        slots.iter().for_each(|slot| server.ready(*slot, true, true));
        let answers = |peer: &Peer| peer.heard.borrow().windows(13).filter(|octets| octets == br#""op":"result""#).count();
        server.turn(now).unwrap();
        assert!(answers(&asker) < QUESTIONS / 2, "{} answers in one turn, gone: {goes}", answers(&asker));
        assert_eq!(answers(&other), 1, "the other is answered in the same turn");
        for _ in 0..QUESTIONS {
            server.turn(now).unwrap();
        }
        assert_eq!(answers(&asker), QUESTIONS, "all are answered in the end, gone: {goes}");
        assert_eq!(asker.gone.get(), goes);
    }
}

/// Fourteen thousand members who each post a little in the same moment are all heard: that it is much together is no want of room.
#[test]
fn a_little_from_very_many_is_not_refused() {
    const MEMBERS: usize = 14_000;
    let directory = tempfile::tempdir().unwrap();
    let mut server = site(&directory);
    let now = Now { mono: Mono(1_000_000_000), wall: Wall(1_600_000_000_000_000_000) };
    let turns = |server: &mut Server<End, Directory>, slots: &[usize]| {
        slots.iter().for_each(|slot| server.ready(*slot, true, true));
        server.turn(now).unwrap();
        while server.has_work() {
            server.turn(now).unwrap();
        }
    };
    let peers: Vec<Peer> = std::iter::repeat_with(Peer::default).take(MEMBERS).collect();
    let register = [frame(r#"{"op":0,"id":"1"}"#, b""), frame(r#"{"op":1,"newnode":"n"}"#, b"")].concat();
    let slots: Vec<usize> = peers
        .iter()
        .map(|peer| {
            peer.room.set(usize::MAX);
            peer.said.borrow_mut().extend(&register);
            server.open(End(peer.clone()), Layer::Plain, None, now)
        })
        .collect();
    turns(&mut server, &slots);
    for peer in &peers {
        let said = String::from_utf8(peer.heard.take()).unwrap();
        let uid = &said[said.find("\"uid\":\"").unwrap() + 7..][..32];
        let header = format!(r#"{{"op":7,"id":"p","for":[{{"id":"{uid}","type":1}}],"datalen":300}}"#);
        peer.said.borrow_mut().extend(frame(&header, &[b'x'; 300]));
    }
    turns(&mut server, &slots);
    let refused = peers.iter().find_map(|peer| {
        let said = String::from_utf8(peer.heard.take()).unwrap();
        (!said.contains(r#""msgid""#)).then_some(said)
    });
    assert_eq!(refused, None);
}

/// Two members, of whom the second reads all but what its socket does not take.
struct Pair {
    server: Server<End, Directory>,
    peers: [Peer; 2],
    slots: [usize; 2],
    uids: [String; 2],
    now: Now,
    _directory: tempfile::TempDir,
}

impl Pair {
    fn new() -> Pair {
        let directory = tempfile::tempdir().unwrap();
        let mut server = site(&directory);
        let now = Now { mono: Mono(1_000_000_000), wall: Wall(1_600_000_000_000_000_000) };
        let peers = [Peer::default(), Peer::default()];
        let register = [frame(r#"{"op":0,"id":"1"}"#, b""), frame(r#"{"op":1,"newnode":"n"}"#, b"")].concat();
        let slots = [0, 1].map(|at| {
            peers[at].room.set(usize::MAX);
            server.open(End(peers[at].clone()), Layer::Plain, None, now)
        });
        let mut pair = Pair { server, peers, slots, uids: Default::default(), now, _directory: directory };
        for at in [0, 1] {
            pair.say(at, &register);
            let said = String::from_utf8(pair.peers[at].heard.take()).unwrap();
            pair.uids[at] = said[said.find("\"uid\":\"").unwrap() + 7..][..32].to_owned();
        }
        pair
    }

    /// One of them says this, and all turns are taken that it leads to.
    fn say(&mut self, at: usize, octets: &[u8]) {
        self.peers[at].said.borrow_mut().extend(octets);
        self.turns(at);
    }

    fn turns(&mut self, at: usize) {
        self.server.ready(self.slots[at], true, true);
        self.server.turn(self.now).unwrap();
        while self.server.has_work() {
            self.server.turn(self.now).unwrap();
        }
    }
}

/// Others' news come whether they are read or not. A link on which they pile up is ended, and nobody else's.
#[test]
fn news_that_nobody_reads_end_their_link() {
    let mut pair = Pair::new();
    pair.peers[1].room.set(0);
    let toggle = |kind: &str| frame(&format!(r#"{{"op":4,"id":"o","for":[{{"id":"{}"}}],"type":"{kind}"}}"#, pair.uids[1]), b"");
    let news = [toggle("add"), toggle("drop")].concat().repeat(100);
    let mut told = 0;
    while !pair.peers[1].gone.get() {
        pair.say(0, &news);
        told += pair.peers[0].heard.take().windows(10).filter(|octets| octets == br#""op":"ack""#).count();
        assert!(told * 64 < 2 * OUTPUT_MAX, "{told} news wait for somebody who does not read");
    }
    assert!(told * 256 > OUTPUT_MAX, "after {told} news already");
    assert!(!pair.peers[0].gone.get());
}

/// Who asks and does not read the answers is not read from, until they read; then all are answered.
#[test]
fn who_reads_no_answers_is_asked_nothing_more() {
    const QUESTIONS: usize = 20_000;
    let mut pair = Pair::new();
    pair.peers[1].room.set(0);
    let question = frame(r#"{"op":16,"id":"q","what":"limits"}"#, b"");
    for _ in 0..QUESTIONS / 100 {
        pair.say(1, &question.repeat(100));
    }
    let heard = question.len() * QUESTIONS - pair.peers[1].said.borrow().len();
    assert!(heard < 2 * READ_BUFFER, "{heard} octets of questions were read");
    assert!(!pair.peers[1].gone.get());
    pair.peers[1].room.set(usize::MAX);
    for _ in 0..QUESTIONS {
        pair.turns(1);
    }
    let answers = pair.peers[1].heard.take().windows(13).filter(|octets| octets == br#""op":"result""#).count();
    assert_eq!((answers, pair.peers[1].said.borrow().len()), (QUESTIONS, 0));
}
