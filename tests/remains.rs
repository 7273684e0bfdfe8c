//! A relay that goes on from what is left of its log: no request panics it, and nobody gets what was for another.

mod core;

use core::Core;
use std::collections::{BTreeMap, BTreeSet};

use mnm::base::{LinkId, Seq};
use mnm::ledger::Remains;
use mnm::record::Record;
use mnm::relay::{Quotas, Settings};

fn settings() -> Settings {
    let quotas = Quotas { member_invites: 3, queue_messages: 40, ..Quotas::default() };
    Settings { window: 4, chunk: 1000, quotas, ..Settings::default() }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Members, their devices, and what these do.
struct Site {
    core: Core,
    dice: Dice,
    uids: Vec<String>,
    /// Whose, its secret, and the link that it is on.
    devices: Vec<(usize, String, LinkId)>,
    delivered: usize,
    /// Of records that were left, and of messages that are held.
    kinds: BTreeSet<u8>,
}

/// Of a message that is held for some.
const HELD: u8 = 100;

impl Site {
    fn register(&mut self) {
        let user = self.uids.len();
        let (link, uid, node) = self.core.member(&format!("member number {user}"));
        self.uids.push(uid);
        self.devices.push((user, node, link));
    }

    fn step(&mut self) {
        let at = self.dice.roll(self.devices.len());
        let (user, _, link) = self.devices[at].clone();
        let (other, group) = (self.dice.roll(self.uids.len()), self.dice.roll(3));
        let uid = self.uids[other].clone();
        if self.core.closed.contains(&link) || !self.core.relay.is_member(link) {
            return;
        }
        match self.dice.roll(20) {
            12..=14 => self.decide(link, user, other, group),
            15 => {
                const QUESTIONS: [&str; 9] = ["account", "nodes", "aliases", "groups", "queue", "limits", "policy", "cork", "invites"];
                let what = QUESTIONS[self.dice.roll(QUESTIONS.len())];
                self.core.say(link, &format!(r#"{{"op":16,"id":"a","what":"{what}"}}"#), b"");
                self.core.say(link, &format!(r#"{{"op":16,"id":"a","what":"roster","gid":"group number {group}"}}"#), b"");
            }
            0..=3 | 16..=18 => {
                // The data says for whom it is.
                let body = format!("{uid}{}", "x".repeat([0, 100, 2500][self.dice.roll(3)]));
                let header = format!(r#"{{"op":7,"id":"p","for":[{{"id":"{uid}","type":1}}],"datalen":{}}}"#, body.len());
                self.core.say(link, &header, body.as_bytes());
            }
            4 => {
                let header = format!(
                    r#"{{"op":5,"id":"i","gid":"group number {group}","from":"member number {user}","to":"member number {other}"}}"#
                );
                self.core.say(link, &header, b"");
            }
            5 => self.core.say(link, &format!(r#"{{"op":6,"id":"e","gid":"group number {group}","act":"join"}}"#), b""),
            6 => {
                let act = format!(r#"{{"op":6,"id":"e","gid":"group number {group}","act":"drop","to":"member number {other}"}}"#);
                self.core.say(link, &act, b"");
            }
            7 => {
                self.core.say(link, &format!(r#"{{"op":7,"id":"p","for":[{{"id":"group number {group}","type":2}}],"datalen":3}}"#), b"all")
            }
            8 => self.core.say(link, r#"{"op":3,"id":"u","newnode":"another"}"#, b""),
            9 => self.core.say(link, &format!(r#"{{"op":4,"id":"o","for":[{{"id":"{uid}"}}],"type":"add"}}"#), b""),
            10 => self.core.pass(200_000_000),
            _ => self.ack(at),
        }
    }

    /// What is kept of members besides names, devices and groups.
    fn decide(&mut self, link: LinkId, user: usize, other: usize, group: usize) {
        let uid = &self.uids[other];
        let header = match self.dice.roll(10) {
            0 => format!(r#"{{"op":17,"id":"r","act":"block","for":[{{"id":"{uid}"}}]}}"#),
            1 => format!(r#"{{"op":17,"id":"r","act":"clear","for":[{{"id":"{uid}"}}]}}"#),
            2 => format!(r#"{{"op":18,"id":"c","until":"2020-09-13T12:26:{}Z","for":[{{"id":"{uid}"}}]}}"#, 40 + self.dice.roll(20)),
            3 => r#"{"op":18,"id":"c"}"#.to_owned(),
            4 => format!(r#"{{"op":19,"id":"v","gid":"group number {group}"}}"#),
            5 => format!(r#"{{"op":3,"id":"u","newalias":"another name of {other}","uses":2}}"#),
            6 => format!(r#"{{"op":3,"id":"u","dropalias":"another name of {user}"}}"#),
            7 => format!(r#"{{"op":3,"id":"u","dropnode":"{}"}}"#, self.dice.roll(self.devices.len())),
            8 => format!(r#"{{"op":6,"id":"g","gid":"group number {group}","act":"set","post":"anyone","invite":"moderators"}}"#),
            _ => {
                let to = format!("member number {other}");
                format!(r#"{{"op":6,"id":"g","gid":"group number {group}","act":"moderator","to":"{to}","role":"moderator"}}"#)
            }
        };
        self.core.say(link, &header, b"");
        let ping = format!(r#"{{"op":9,"id":"q","from":"member number {user}","to":"another name of {other}","datalen":2}}"#);
        self.core.say(link, &ping, b"hi");
    }

    /// Takes and acks what a device was sent, and checks that it was for its owner.
    fn ack(&mut self, at: usize) {
        let (user, _, link) = self.devices[at].clone();
        if self.core.closed.contains(&link) {
            return;
        }
        for frame in self.core.take_and_ack(link) {
            if frame.header["op"] == "delivery" && frame.data != b"all" {
                // A sender's other devices get a copy.
                let mine = frame.data.starts_with(self.uids[user].as_bytes()) || frame.text("from") == self.uids[user];
                assert!(mine, "this was for another: {:?}", frame.header);
                self.delivered += 1;
            }
            if let Some(node) = frame.header.get("nodeid").and_then(|node| node.as_str())
                && self.devices.iter().all(|(_, known, _)| known != node)
            {
                let link = self.core.login(&self.uids[user], node);
                self.devices.push((user, node.to_owned(), link));
            }
        }
    }

    fn live(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            self.core.relay.check_invariants();
        }
    }

    /// Everything stops, some records are lost, the rest is sorted, and whoever is left comes back.
    fn lose(mut self, one_in: usize) -> Site {
        self.core.settle();
        let survives: BTreeSet<Seq> = self
            .core
            .records
            .iter()
            .map(|(seq, ..)| *seq)
            .filter(|seq| !self.core.forgotten.contains(seq) || self.dice.roll(2) == 0)
            .collect();
        let mut left: BTreeMap<Seq, Vec<u8>> = BTreeMap::new();
        for (seq, octets, _) in &self.core.records {
            if survives.contains(seq) && self.dice.roll(one_in) > 0 {
                left.insert(*seq, octets.clone());
                let is_held = matches!(Record::decode(octets), Ok(Record::Message(message)) if !message.held.is_empty());
                self.kinds.insert(if is_held { HELD } else { octets[0] });
            }
        }
        let mut remains = Remains::default();
        left.iter().for_each(|(seq, octets)| remains.take(*seq, octets).expect("a record"));
        let kept = remains.sort().records;
        let octets = |(seq, instead): (Seq, Option<Vec<u8>>)| (seq, instead.unwrap_or_else(|| left[&seq].clone()), true);
        let mut records: Vec<_> = kept.into_iter().map(octets).collect();
        records.push((self.core.relay.ledger().last().next(0), Record::Chunk([][..].into()).encode(), true));
        self.core.records = records;
        self.core.forgotten.clear();
        self.core = self.core.restart(settings(), |_| true);
        for at in 0..self.devices.len() {
            let (user, node, _) = self.devices[at].clone();
            self.devices[at].2 = self.core.login(&self.uids[user], &node);
        }
        self
    }
}

#[test]
fn a_relay_goes_on_from_what_is_left() {
    let (mut delivered, mut kinds) = (0, BTreeSet::new());
    for seed in 1..100 {
        let (core, dice) = (Core::new(settings()), Dice(seed));
        let mut site = Site { core, dice, uids: vec![], devices: vec![], delivered: 0, kinds: BTreeSet::new() };
        (0..5).for_each(|_| site.register());
        site.live(120);
        for one_in in [30, 6, 2] {
            site = site.lose(one_in);
            // New members and new devices must not inherit the numbers of lost ones.
            (0..2).for_each(|_| site.register());
            site.live(60);
            (0..site.devices.len()).for_each(|at| site.ack(at));
        }
        delivered += site.delivered;
        kinds.append(&mut site.kinds);
    }
    assert!(delivered > 1000, "{delivered}");
    // All but those that nobody writes any more, and what the operator does.
    let expected: BTreeSet<u8> = [2, 3, 4, 5].into_iter().chain(7..=16).chain([HELD]).collect();
    assert_eq!(kinds, expected);
}
