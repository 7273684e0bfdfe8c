//! A site of 1000 clients who come and go, and what its log takes of the disk: `cargo bench --bench cycle [-- MESSAGES DIR]`.
//!
//! Each client goes through a cycle of 19 steps again and again: log in, show to whom it is here, 15 posts to two others
//! each and 2 to a group of 100, 1 to 30 seconds apart; then it quits and stays away for 1 to 30 seconds. The real server turn
//! and the real log, over sockets in memory and a clock that jumps from event to event: hours take a minute. Printed
//! is how much of the disk the log took at most beside twice what lived in it, and how much at the end.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mnm::base::{Mono, OsEntropy, Wall};
use mnm::net::{Layer, Socket};
use mnm::relay::{Now, Relay, Settings};
use mnm::server::{Server, recover};
use mnm::store::{Directory, Options};
use mnm::wire::{Dialect, FrameReader, Piece, RequestLimits};
use serde_json::Value;

const CLIENTS: usize = 1000;
const GROUP: usize = 100;
/// Octets of a post.
const SIZE: usize = 1000;
const SECOND: u64 = 1_000_000_000;
const OPTIONS: Options = Options { segment_bytes: 4 << 20 };

/// A socket's two directions.
#[derive(Default)]
struct Pipe {
    up: VecDeque<u8>,
    down: Vec<u8>,
    closed: bool,
}

struct End {
    pipe: Rc<RefCell<Pipe>>,
    client: usize,
    /// Clients who have something to read.
    spoken_to: Rc<RefCell<Vec<usize>>>,
}

impl Socket for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
        let count = pipe.up.len().min(buffer.len());
        if count == 0 && !pipe.closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer.iter_mut().zip(pipe.up.drain(..count)).for_each(|(to, from)| *to = from);
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.pipe.borrow_mut().down.extend_from_slice(octets);
        self.spoken_to.borrow_mut().push(self.client);
        Ok(octets.len())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Client {
    link: Option<(Rc<RefCell<Pipe>>, usize)>,
    reader: FrameReader,
    uid: String,
    node: String,
    /// 0 and 1 are login and ohi, then 17 posts.
    step: usize,
    delivered: u64,
}

struct World {
    server: Server<End, Directory>,
    now: u64,
    clients: Vec<Client>,
    agenda: BinaryHeap<Reverse<(u64, usize)>>,
    spoken_to: Rc<RefCell<Vec<usize>>>,
    dice: u64,
    posts: u64,
    /// Octets of the disk beyond twice the living and two segments: the most, and in how many turns there were some.
    excess: i64,
    turns: u64,
    turns_in_excess: u64,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let messages = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(100_000);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = arguments.next().map_or_else(|| directory.path().to_owned(), Into::into).join("mnm-bench-cycle");
    let _ = std::fs::remove_dir_all(&path);
    let disk = Directory::open(&path).expect("a data directory");
    let facts = recover(disk, OPTIONS, Box::new(OsEntropy)).expect("a new log");
    let relay = Relay::new(Settings::default(), facts.ledger, Box::new(OsEntropy));
    let server = Server::new(relay, facts.store, OPTIONS, RequestLimits::default(), Dialect::Unlatched);
    let mut world = World {
        server,
        now: 0,
        clients: std::iter::repeat_with(Client::default).take(CLIENTS).collect(),
        agenda: BinaryHeap::new(),
        spoken_to: Rc::default(),
        dice: 1,
        posts: 0,
        excess: i64::MIN,
        turns: 0,
        turns_in_excess: 0,
    };
    let begin = Instant::now();
    world.found();
    while world.posts < messages {
        world.next_event();
    }
    // Everybody comes once more and takes what is there, then goes.
    world.agenda.clear();
    for client in 0..CLIENTS {
        world.leave(client);
        world.login(client);
        world.leave(client);
    }
    world.rest(Duration::from_secs(30));
    world.report(&path, begin.elapsed());
    let _ = std::fs::remove_dir_all(&path);
}

impl World {
    fn time(&self) -> Now {
        Now { mono: Mono(self.now), wall: Wall(1_700_000_000 * SECOND + self.now) }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.dice >> 33) % sides
    }

    /// Registers everybody and makes the groups.
    fn found(&mut self) {
        for client in 0..CLIENTS {
            self.connect(client);
            self.say(client, format!(r#"{{"op":1,"newnode":"device","newalias":"{}"}}"#, alias(client)), &[]);
        }
        for founder in (0..CLIENTS).step_by(GROUP) {
            let gid = gid(founder);
            for member in founder + 1..founder + GROUP {
                let invite = format!(r#"{{"op":5,"id":"i","gid":"{gid}","from":"{}","to":"{}"}}"#, alias(founder), alias(member));
                self.say(founder, invite, &[]);
                self.say(member, format!(r#"{{"op":6,"id":"j","gid":"{gid}","act":"join"}}"#), &[]);
            }
        }
        for client in 0..CLIENTS {
            self.leave(client);
            let wait = self.pause();
            self.agenda.push(Reverse((self.now + wait, client)));
        }
    }

    fn pause(&mut self) -> u64 {
        SECOND + self.roll(29_000) * (SECOND / 1000)
    }

    fn next_event(&mut self) {
        let Some(Reverse((at, client))) = self.agenda.peek().copied() else { unreachable!("everybody has a next step") };
        match self.server.next_deadline() {
            Some(Mono(due)) if due < at => {
                self.now = self.now.max(due);
                self.turn();
            }
            _ => {
                self.now = at;
                self.agenda.pop();
                self.step(client);
                let wait = self.pause();
                self.agenda.push(Reverse((self.now + wait, client)));
            }
        }
    }

    fn step(&mut self, client: usize) {
        let step = self.clients[client].step;
        self.clients[client].step = (step + 1) % 20;
        match step {
            0 => self.login(client),
            1 => {
                let friend = self.some_uid();
                self.say(client, format!(r#"{{"op":4,"id":"o","type":"init","for":[{{"id":"{friend}"}}]}}"#), &[]);
            }
            2..19 => {
                let to = if step % 9 == 2 {
                    format!(r#"{{"id":"{}","type":3}}"#, gid(client - client % GROUP))
                } else {
                    let (one, other) = (self.some_uid(), self.some_uid());
                    format!(r#"{{"id":"{one}","type":1}},{{"id":"{other}","type":1}}"#)
                };
                self.posts += 1;
                self.say(client, format!(r#"{{"op":7,"id":"p","for":[{to}],"datalen":{SIZE}}}"#), &[b'x'; SIZE]);
            }
            _ => self.leave(client),
        }
    }

    fn some_uid(&mut self) -> String {
        let client = self.roll(CLIENTS as u64) as usize;
        self.clients[client].uid.clone()
    }

    fn connect(&mut self, client: usize) {
        let pipe: Rc<RefCell<Pipe>> = Rc::default();
        let end = End { pipe: pipe.clone(), client, spoken_to: self.spoken_to.clone() };
        let slot = self.server.open(end, Layer::Plain, None, self.time());
        self.clients[client].link = Some((pipe, slot));
        self.clients[client].reader = FrameReader::new();
        self.say(client, r#"{"op":0,"id":"1"}"#.to_owned(), &[]);
    }

    fn login(&mut self, client: usize) {
        self.connect(client);
        let Client { uid, node, .. } = &self.clients[client];
        self.say(client, format!(r#"{{"op":2,"uid":"{uid}","node":"{node}"}}"#), &[]);
    }

    fn leave(&mut self, client: usize) {
        self.say(client, r#"{"op":12}"#.to_owned(), &[]);
        let Some((pipe, slot)) = self.clients[client].link.take() else { return };
        pipe.borrow_mut().closed = true;
        self.server.ready(slot, true, false);
        self.turn();
    }

    fn say(&mut self, client: usize, header: String, body: &[u8]) {
        let Some((pipe, slot)) = &self.clients[client].link else { return };
        pipe.borrow_mut().up.extend(format!("{:04x}{header}", header.len()).bytes().chain(body.iter().copied()));
        self.server.ready(*slot, true, false);
        self.turn();
    }

    /// Turns, and acks of what they bring, until nothing moves any more.
    fn turn(&mut self) {
        loop {
            self.server.turn(self.time()).expect("a disk that works");
            self.look();
            let spoken_to = std::mem::take(&mut *self.spoken_to.borrow_mut());
            spoken_to.into_iter().for_each(|client| self.listen(client));
            if !self.server.has_work() {
                return;
            }
        }
    }

    fn look(&mut self) {
        let stats = self.server.store().stats();
        let allowed = 2 * stats.live_bytes + 2 * u64::from(OPTIONS.segment_bytes);
        self.excess = self.excess.max(stats.disk_bytes as i64 - allowed as i64);
        self.turns += 1;
        self.turns_in_excess += u64::from(stats.disk_bytes > allowed);
    }

    fn listen(&mut self, client: usize) {
        let Client { link: Some((pipe, slot)), reader, uid, node, delivered, .. } = &mut self.clients[client] else { return };
        let input = std::mem::take(&mut pipe.borrow_mut().down);
        let mut rest = &input[..];
        while let Some(piece) = reader.next(&mut rest).expect("a relay that frames well") {
            let Piece::Header(header) = piece else { continue };
            let header: Value = serde_json::from_slice(header).expect("a relay that writes JSON");
            if let (Some(new_uid), Some(secret)) = (header["uid"].as_str(), header["nodeid"].as_str()) {
                (*uid, *node) = (new_uid.to_owned(), secret.to_owned());
            }
            *delivered += u64::from(header["op"] == "delivery");
            if header.get("posted").is_some() && header["op"] != "ack" {
                let ack = format!(r#"{{"op":10,"id":{},"type":"ok"}}"#, header["id"]);
                pipe.borrow_mut().up.extend(format!("{:04x}{ack}", ack.len()).bytes());
                self.server.ready(*slot, true, false);
            }
            if let Some(len @ 1..) = header["datalen"].as_u64() {
                reader.expect_body(len);
            }
        }
    }

    fn rest(&mut self, wait: Duration) {
        let end = self.now + wait.as_nanos() as u64;
        while let Some(Mono(due)) = self.server.next_deadline().filter(|due| due.0 < end) {
            self.now = self.now.max(due);
            self.turn();
        }
    }

    fn report(&self, path: &std::path::Path, took: Duration) {
        let row = |what: &str, value: String| println!("{what:<66} {value:>14}");
        let mib = |octets: f64| format!("{:.1} MiB", octets / f64::from(1 << 20));
        let files: u64 = std::fs::read_dir(path).expect("the directory").flatten().map(|file| file.metadata().map_or(0, |m| m.len())).sum();
        let delivered: u64 = self.clients.iter().map(|client| client.delivered).sum();
        row("clients, posts of 1000 octets", format!("{CLIENTS}, {}", self.posts));
        row("deliveries", delivered.to_string());
        row("simulated, in", format!("{:.1} h, {:.0} s", self.now as f64 / 3.6e12, took.as_secs_f64()));
        row("disk less (2 x live + 2 segments), at most", mib(self.excess as f64));
        row("turns after which it was more, of", format!("{} of {}", self.turns_in_excess, self.turns));
        row("live at the end", mib(self.server.store().stats().live_bytes as f64));
        row("disk at the end", mib(files as f64));
    }
}

fn alias(client: usize) -> String {
    format!("client {client:04}")
}

fn gid(founder: usize) -> String {
    format!("group of {founder:04}")
}
