//! What strangers send to a relay that serves others.
//!
//! The input is octets for the links of strangers, who may become members. Octets that no UTF-8 has say where it is cut and what
//! else happens (see [`Script`]): all others are sent as they are.

mod peer;
mod script;

use std::time::Duration;

use self::peer::{End, Peer};
use self::script::{Event, Script};
use super::super::{MemDisk, Prng};
use crate::base::{Mono, Wall};
use crate::relay::{Now, Relay, Settings, Timeouts};
use crate::server::{Server, recover};
use crate::store::Options;
use crate::wire::{Dialect, RequestLimits};

/// Small, so that a run is short; all that one input can make a record of fits it.
const OPTIONS: Options = Options { segment_bytes: 128 << 10 };
/// Octets of the disk.
const CAPACITY: u64 = 8 << 20;
/// Octets of an input that are looked at.
const INPUT: usize = 8 << 10;
/// Octets that the socket of a stranger who does not read still takes.
const WINDOW: usize = 100;
/// Links of strangers at one time.
const STRANGERS: usize = 3;
/// Turns without anything new that mean a spinning server.
const TURNS: usize = 2000;
/// Time passes in such steps at most: the honest member is heard in each.
const STEP: Duration = Duration::from_secs(20);

/// Strangers say what the input tells, while an honest member is served.
///
/// # Panics
/// If the server does, or spins, or its parts do not agree; if anybody is sent what is no frame; if the honest member's last post is
/// not acked; if the log tells other facts than the server knew.
pub fn link(data: &[u8]) {
    let mut world = World::new();
    let mut script = Script::new(&data[..data.len().min(INPUT)]);
    while let Some(event) = script.next(&world.known) {
        world.happen(event);
    }
    world.honest_is_served();
    if crc32c::crc32c(data).is_multiple_of(16) {
        world.log_tells_the_same();
    }
}

type Site = Server<End, MemDisk>;

struct World {
    disk: MemDisk,
    server: Site,
    time: Duration,
    honest: Peer,
    strangers: [Option<Peer>; STRANGERS],
    /// Whose turn it is to speak.
    speaker: usize,
    /// What strangers have learned.
    known: script::Known,
}

impl World {
    fn new() -> World {
        let disk = MemDisk::with_sectors(CAPACITY, 4096);
        let facts = recover(disk.clone(), OPTIONS, Box::new(Prng::stream(0, "salts"))).expect("a new log");
        let settings = Settings { timeouts: Timeouts::default(), message_max: 64 << 10, chunk: 1024, window: 4, ..Settings::default() };
        let relay = Relay::new(settings, facts.ledger, Box::new(Prng::stream(0, "secrets")));
        let mut server = Server::new(relay, facts.store, OPTIONS, RequestLimits::default(), Dialect::Unlatched);
        let time = Duration::from_secs(1);
        let honest = Peer::connect(&mut server, now(time));
        let mut world =
            World { disk, server, time, honest, strangers: [const { None }; STRANGERS], speaker: 0, known: script::Known::default() };
        world.honest.say(r#"{"op":0,"id":"1"}"#, "");
        world.honest.say(r#"{"op":1,"newnode":"phone","newalias":"the honest one"}"#, "");
        world.settle();
        world.known.honest = world.honest.uid.clone();
        assert_eq!(world.known.honest.len(), 32, "the honest one is registered");
        world
    }

    fn happen(&mut self, event: Event) {
        let (server, now) = (&mut self.server, now(self.time));
        let place = &mut self.strangers[self.speaker];
        match event {
            Event::Pass(time) => return self.pass(time),
            Event::Next => self.speaker = (self.speaker + 1) % STRANGERS,
            Event::Say(octets) => place.get_or_insert_with(|| Peer::connect(server, now)).send(&octets),
            Event::Read(reads) => place.iter().for_each(|peer| peer.limit(if reads { None } else { Some(WINDOW) })),
            Event::Close => place.take().iter().for_each(|peer| peer.leave(server, false)),
            Event::Reset => place.take().iter().for_each(|peer| peer.leave(server, true)),
        }
        self.settle();
    }

    /// Turns, and whatever comes is read, until nothing moves any more.
    fn settle(&mut self) {
        let now = now(self.time);
        for _ in 0..TURNS {
            self.strangers.iter().flatten().chain([&self.honest]).for_each(|peer| peer.wake(&mut self.server));
            self.server.turn(now).expect("a disk that works");
            self.honest.listen(true);
            for place in &mut self.strangers {
                let Some(peer) = place else { continue };
                peer.listen(false);
                self.known.learn(peer);
                if peer.is_over() {
                    *place = None;
                }
            }
            if !self.server.has_work() && !self.honest.has_more() {
                return;
            }
        }
        panic!("the server never comes to rest");
    }

    fn pass(&mut self, time: Duration) {
        let end = self.time + time;
        while self.time < end {
            let due =
                self.server.next_deadline().map_or(end, |Mono(at)| Duration::from_nanos(at).max(self.time + Duration::from_micros(1)));
            self.time = due.min(end).min(self.time + STEP);
            self.honest.say(r#"{"op":11}"#, "");
            self.settle();
        }
    }

    fn honest_is_served(&mut self) {
        self.honest.say(r#"{"op":7,"id":"the last post","for":[],"datalen":5}"#, "hello");
        self.settle();
        assert_eq!(self.honest.acked.as_deref(), Some("the last post"), "the honest member is served");
        self.server.relay().check_invariants();
        self.server.store().check_invariants();
    }

    /// All go, and the relay is started again.
    fn log_tells_the_same(mut self) {
        for peer in self.strangers.iter().flatten().chain([&self.honest]) {
            peer.leave(&mut self.server, false);
        }
        let now = now(self.time);
        for _ in 0..TURNS {
            self.server.turn(now).expect("a disk that works");
            if !self.server.has_work() {
                break;
            }
        }
        assert_eq!(self.server.links(), 0, "all links have ended");
        let facts = self.server.relay().ledger().digest();
        self.server.stop(now).expect("a disk that works");
        let again = recover(self.disk, OPTIONS, Box::new(Prng::stream(1, "salts"))).expect("a log that was closed");
        again.ledger.check_invariants();
        assert!(again.recovery.clean);
        assert_eq!(again.ledger.digest(), facts, "the log tells what the server knew");
    }
}

fn now(time: Duration) -> Now {
    let nanos = u64::try_from(time.as_nanos()).expect("centuries");
    Now { mono: Mono(nanos), wall: Wall(1_700_000_000_000_000_000 + nanos) }
}
