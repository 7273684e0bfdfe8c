//! A relay without log and links: requests go in as octets, what it wants delivered is kept, all else is granted and dropped.

use std::time::Duration;

use mnm::base::{Entropy, LinkId, Mono, NodeNo, NodeSecret, Seq, Uid, UserNo, Wall};
use mnm::ledger::Ledger;
use mnm::record::{AliasRecord, GroupRecord, MemberRecord, NodeRecord, Record, Role, Standing, UserRecord};
use mnm::relay::{Effect, Input, Now, Quotas, Relay, Settings};
use mnm::wire::{Dialect, Request, RequestLimits};
use mnm_client::{Recipient, request};

use super::Costs;
use crate::measure::processor;

/// Inputs in one turn of the server's loop, after which cursors ride with the commit: as under load.
const TURN: u32 = 64;
/// What a message says.
pub(super) const DATA: &[u8] = &[0x5a; 100];

/// A frame for a link.
pub(super) type Said = (LinkId, Vec<u8>);

pub(super) struct Site {
    relay: Relay,
    now: Now,
    out: Vec<Effect>,
    links: u32,
    inputs: u32,
    last_reply: Vec<u8>,
    /// What the members on these links got and have not acked.
    pub(super) deliveries: Vec<(LinkId, Seq)>,
}

/// Octets that depend on a number alone, so that nobody has to keep anybody's secrets.
struct Numbered(u64);

impl Entropy for Numbered {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *octet = (self.0 >> 33) as u8;
        }
    }
}

pub(super) fn uid(member: u32) -> String {
    uid_of(member).to_string()
}

pub(super) fn alias(member: u32) -> String {
    format!("member {member:07}")
}

/// Of numbers below `of` the so many-th in an order that caches cannot guess; different ones for different `nth` below it.
pub(super) fn somebody(nth: u32, of: u32) -> u32 {
    // A prime that divides no size used here.
    (u64::from(nth) * 7919 % u64::from(of)) as u32
}

fn uid_of(member: u32) -> Uid {
    Uid::random(&mut Numbered(u64::from(member) << 8))
}

fn secret(member: u32, nth: u32) -> NodeSecret {
    NodeSecret::random(&mut Numbered((u64::from(member) << 8 | u64::from(nth)) + (1 << 48)))
}

impl Site {
    /// So many members with an alias and so many devices each; some of them, from the first on, are a group.
    pub(super) fn new(members: u32, nodes: u32, group: u32) -> Site {
        let mut ledger = Ledger::new();
        let mut seq = 0;
        let mut apply = |ledger: &mut Ledger, record: Record<'_>| {
            seq += 1;
            ledger.apply(Seq(seq), &record, &mut Vec::new());
        };
        (0..members).for_each(|no| apply(&mut ledger, Record::User(user(no, nodes))));
        if group > 0 {
            let no = ledger.next_group();
            apply(&mut ledger, Record::Group(GroupRecord { no, name: GROUP.to_owned(), rules: None }));
            for member in 0..group {
                let (user, alias, standing) = (UserNo(member), alias(member), Standing::Joined);
                apply(&mut ledger, Record::Member(MemberRecord { group: no, user, alias, standing, moderator: member == 0 }));
            }
        }
        let quotas = Quotas { pings: 1 << 20, queue_messages: 10_000_000, group_members: 1 << 20, ..Quotas::default() };
        Site {
            relay: Relay::new(Settings { quotas, ..Settings::default() }, ledger, Box::new(Numbered(1))),
            now: Now { mono: Mono(1), wall: Wall(1_700_000_000_000_000_000) },
            out: Vec::new(),
            links: 0,
            inputs: 0,
            last_reply: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    /// Says all of this and notes what one took.
    pub(super) fn time(&mut self, costs: &mut Costs, what: &'static str, said: &[Said], data: &[u8]) {
        let took = self.say_all(said, data);
        costs.time(what, took, said.len());
    }

    pub(super) fn say_all(&mut self, said: &[Said], data: &[u8]) -> Duration {
        let (took, ()) = processor(|| said.iter().for_each(|(link, frame)| self.say(*link, frame, data)));
        assert!(!said.is_empty() && !self.last_reply.windows(7).any(|key| key == b"\"error\""), "{}", self.last_words());
        took
    }

    fn last_words(&self) -> String {
        String::from_utf8_lossy(&self.last_reply).into_owned()
    }

    /// New links, each with what its member says first; the links.
    pub(super) fn enter(&mut self, costs: &mut Costs, what: &'static str, frames: &[Vec<u8>]) -> Vec<LinkId> {
        let mut greeting = Vec::new();
        request::tmtprev(&mut greeting);
        let (took, links) = processor(|| {
            let enter = |frame: &Vec<u8>| {
                let link = LinkId { slot: self.links, generation: self.links };
                self.links += 1;
                self.input(Input::Opened { link, from: None });
                self.say(link, &greeting, b"");
                self.say(link, frame, b"");
                link
            };
            frames.iter().map(enter).collect::<Vec<_>>()
        });
        assert!(links.iter().all(|&link| self.relay.is_member(link)), "{}", self.last_words());
        costs.time(what, took, frames.len());
        links
    }

    /// Everything that was delivered is acked, in the order in which it came, and so what comes then; up to so much.
    pub(super) fn ack(&mut self, costs: &mut Costs, what: &'static str, most: usize) {
        let mut left = most;
        while left > 0 && !self.deliveries.is_empty() {
            let count = left.min(self.deliveries.len());
            let acks: Vec<Said> = self.deliveries.drain(..count).map(ack).collect();
            self.time(costs, what, &acks, b"");
            left -= count;
        }
    }

    /// Links end, as when their peers have gone.
    pub(super) fn leave(&mut self, costs: &mut Costs, what: &'static str, links: &[LinkId]) {
        let (took, ()) = processor(|| links.iter().for_each(|&link| self.input(Input::Closed { link })));
        costs.time(what, took, links.len());
    }

    /// A turn in which nothing is done.
    pub(super) fn idle_turn(&mut self) {
        self.now.mono.0 += 1000;
        self.relay.handle(Input::Tick, self.now, &mut self.out);
        assert!(self.relay.next_deadline().is_some(), "somebody is there");
    }

    fn say(&mut self, link: LinkId, frame: &[u8], data: &[u8]) {
        const PREFIX: usize = 4;
        let mut dialect = Dialect::Draft2020;
        let request =
            Request::parse(&frame[PREFIX..], &mut dialect, &RequestLimits::default()).expect("the client writes what can be meant");
        self.input(Input::Request { link, request, dialect, body: data });
    }

    fn input(&mut self, input: Input<'_>) {
        self.relay.handle(input, self.now, &mut self.out);
        self.inputs += 1;
        // Ids are dates: some microseconds apart, and not evenly, or lists of them would take less memory than they do in life.
        self.now.wall.0 += 2000 + u64::from(self.inputs) * 7919 % 16_384;
        if self.inputs.is_multiple_of(TURN) {
            self.now.mono.0 += 1000;
            self.relay.handle(Input::Tick, self.now, &mut self.out);
            self.relay.before_commit(self.now, &mut self.out);
        }
        for effect in self.out.drain(..) {
            match effect {
                Effect::Deliver { link, message, .. } => self.deliveries.push((link, message)),
                Effect::Send { frame, .. } => self.last_reply = frame,
                Effect::Append { .. } | Effect::Close { .. } | Effect::Cut { .. } | Effect::Answer { .. } | Effect::Forget { .. } => {}
            }
        }
    }
}

/// The name of the group.
pub(super) const GROUP: &str = "a group of many";

fn user(no: u32, nodes: u32) -> UserRecord {
    let node = |nth: u32| NodeRecord { no: NodeNo(no * nodes + nth), digest: secret(no, nth).digest(), label: "phone".to_owned(), made: 0 };
    UserRecord {
        no: UserNo(no),
        uid: uid_of(no),
        role: Role::Full,
        admin: false,
        aliases: vec![AliasRecord { name: alias(no), uses: 0, expires: Wall(0) }],
        nodes: (0..nodes).map(node).collect(),
        dropped: 0,
        next_node: NodeNo((no + 1) * nodes),
    }
}

pub(super) fn login(member: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    request::login(&mut frame, &uid(member), &secret(member, 0).reveal());
    frame
}

pub(super) fn post(link: LinkId, to: Recipient<'_>) -> Said {
    let mut frame = Vec::new();
    request::post(&mut frame, "p1234567", &[to], request::Data { len: DATA.len() as u64, ..request::Data::default() });
    (link, frame)
}

pub(super) fn ack((link, message): (LinkId, Seq)) -> Said {
    let mut frame = Vec::new();
    request::ack(&mut frame, &message.to_string());
    (link, frame)
}
