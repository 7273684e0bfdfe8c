//! The relay without sockets and disk: inputs by hand, effects looked at, records kept in memory.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::collections::{BTreeMap, BTreeSet};

use mnm::base::{Entropy, LinkId, Mono, Seq, Wall};
use mnm::ledger::{Ledger, Replay};
use mnm::record::{Delivery, Record, delivery};
use mnm::relay::{Answer, Effect, Input, Now, Relay, Settings};
use mnm::wire::{Dialect, Request, RequestLimits};
use serde_json::Value;

/// Octets that differ from call to call and are the same in every run.
pub struct Counted(pub u64);

impl Entropy for Counted {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *octet = (self.0 >> 33) as u8;
        }
    }
}

/// A frame that went to a link.
#[derive(Clone, Debug)]
pub struct Frame {
    pub header: Value,
    pub data: Vec<u8>,
}

impl Frame {
    pub fn text(&self, key: &str) -> &str {
        self.header[key].as_str().unwrap_or_else(|| panic!("{key} in {}", self.header))
    }
}

/// A relay and what it wrote.
pub struct Core {
    pub relay: Relay,
    pub now: Now,
    /// Every record ever appended, and whether it ended a batch.
    pub records: Vec<(Seq, Vec<u8>, bool)>,
    /// Records that the relay said may be forgotten.
    pub forgotten: BTreeSet<Seq>,
    /// Answers to the operator's commands.
    pub answers: Vec<(u64, Answer)>,
    /// What each link was sent and nobody took yet.
    pub sent: BTreeMap<LinkId, Vec<Frame>>,
    pub closed: BTreeSet<LinkId>,
    binding: Seq,
    dialects: BTreeMap<LinkId, Dialect>,
    links: u32,
}

impl Core {
    pub fn new(settings: Settings) -> Core {
        Core::with(settings, Ledger::new(), Vec::new())
    }

    fn with(settings: Settings, ledger: Ledger, records: Vec<(Seq, Vec<u8>, bool)>) -> Core {
        let binding = ledger.last();
        Core {
            // Another seed after each restart, or secrets would repeat.
            relay: Relay::new(settings, ledger, Box::new(Counted(binding.0))),
            now: Now { mono: Mono(1), wall: Wall(1_600_000_000_000_000_000) },
            records,
            forgotten: BTreeSet::new(),
            answers: Vec::new(),
            sent: BTreeMap::new(),
            closed: BTreeSet::new(),
            binding,
            dialects: BTreeMap::new(),
            links: 0,
        }
    }

    pub fn connect(&mut self) -> LinkId {
        let link = LinkId { slot: self.links, generation: self.links };
        self.links += 1;
        self.dialects.insert(link, Dialect::Unlatched);
        self.input(Input::Opened { link, from: None });
        link
    }

    /// Registers a member on a new link; returns the link, the uid and the node's secret.
    pub fn member(&mut self, alias: &str) -> (LinkId, String, String) {
        let link = self.connect();
        self.say(link, r#"{"op":0,"id":"1"}"#, b"");
        self.say(link, &format!(r#"{{"op":1,"newnode":"first","newalias":"{alias}"}}"#), b"");
        let frames = self.take(link);
        (link, frames[1].text("uid").to_owned(), frames[1].text("nodeid").to_owned())
    }

    pub fn login(&mut self, uid: &str, node: &str) -> LinkId {
        let link = self.connect();
        self.say(link, r#"{"op":0,"id":"1"}"#, b"");
        self.say(link, &format!(r#"{{"op":2,"uid":"{uid}","node":"{node}"}}"#), b"");
        link
    }

    /// A request with its data, as the inlet would give it.
    pub fn say(&mut self, link: LinkId, header: &str, body: &[u8]) {
        let mut dialect = self.dialects[&link];
        let request =
            Request::parse(header.as_bytes(), &mut dialect, &RequestLimits::default()).unwrap_or_else(|e| panic!("{header}: {e:?}"));
        assert_eq!(request.body().len, body.len() as u64, "{header}");
        self.dialects.insert(link, dialect);
        self.input(Input::Request { link, request, dialect, body });
    }

    pub fn disconnect(&mut self, link: LinkId) {
        self.input(Input::Closed { link });
    }

    pub fn pass(&mut self, nanos: u64) {
        self.now.mono.0 += nanos;
        self.now.wall.0 += nanos;
        self.input(Input::Tick);
        if self.relay.presses(self.now.mono) {
            self.commit();
        }
    }

    /// What the server does before each commit.
    pub fn commit(&mut self) {
        let mut out = Vec::new();
        self.relay.before_commit(self.now, &mut out);
        self.absorb(out, true);
    }

    pub fn input(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        self.relay.handle(input, self.now, &mut out);
        self.absorb(out, false);
    }

    /// Grants every wish, and checks laws 1, 2 and 3 on the way.
    fn absorb(&mut self, out: Vec<Effect>, lazy: bool) {
        let mut open = false;
        let mut appended = 0;
        for effect in out {
            match effect {
                Effect::Append { seq, payload, end } => {
                    assert!(self.records.last().is_none_or(|(last, ..)| *last < seq), "seqs rise");
                    let is_lazy = matches!(Record::decode(&payload).unwrap(), Record::Cursor(_) | Record::Chunk(_));
                    assert!(!lazy || is_lazy, "only cursors ride along");
                    if !is_lazy {
                        self.binding = seq;
                    }
                    appended += usize::from(!is_lazy);
                    open = !end;
                    self.records.push((seq, payload, end));
                }
                Effect::Send { link, after, frame } => {
                    assert_eq!(after, self.binding, "law 1: it waits for the newest binding record, and for nothing lazy");
                    self.deliver(link, &frame);
                }
                Effect::Deliver { link, after, message, .. } => {
                    assert_eq!(after, self.binding, "law 1");
                    assert!(message <= after, "law 1: the message itself is among what it waits for");
                    let octets = self.wire(message);
                    self.deliver(link, &octets);
                }
                Effect::Close { link, after } => {
                    assert_eq!(after, self.binding, "law 1");
                    self.closed.insert(link);
                }
                Effect::Cut { link } => {
                    self.closed.insert(link);
                }
                Effect::Answer { ticket, after, answer } => {
                    assert_eq!(after, self.binding, "law 1");
                    self.answers.push((ticket, *answer));
                }
                Effect::Forget { after, seqs } => {
                    assert!(self.records.iter().any(|(s, ..)| *s == after), "what kills a record is a record");
                    for seq in seqs {
                        assert!(seq <= after, "law 5: what kills a record comes after it");
                        assert!(self.forgotten.insert(seq), "a record is forgotten once");
                    }
                }
            }
        }
        assert!(!open, "law 2: a request's records end with the end of a batch");
        if appended > 1 {
            let ends = self.records[self.records.len() - appended..].iter().filter(|(.., end)| *end).count();
            assert_eq!(ends, 1, "law 2: one request, one batch");
        }
    }

    fn record(&self, seq: Seq) -> &[u8] {
        assert!(!self.forgotten.contains(&seq), "{seq} was forgotten and is needed");
        let at = self.records.binary_search_by_key(&seq, |(s, ..)| *s).expect("what is delivered was appended");
        &self.records[at].1
    }

    fn wire(&self, message: Seq) -> Vec<u8> {
        match delivery(self.record(message)) {
            Delivery::Whole(octets) => octets.to_vec(),
            Delivery::Chunked(header, chunks) => {
                let chunks = chunks.into_iter().map(|seq| match delivery(self.record(seq)) {
                    Delivery::Chunk(octets) => octets.to_vec(),
                    other => panic!("{other:?} is no chunk"),
                });
                header.iter().copied().chain(chunks.flatten()).collect()
            }
            Delivery::Chunk(_) => panic!("a chunk is no message"),
        }
    }

    fn deliver(&mut self, link: LinkId, octets: &[u8]) {
        let size = usize::from_str_radix(std::str::from_utf8(&octets[..4]).unwrap(), 16).unwrap();
        let header = serde_json::from_slice(&octets[4..4 + size]).unwrap();
        self.sent.entry(link).or_default().push(Frame { header, data: octets[4 + size..].to_vec() });
    }

    pub fn take(&mut self, link: LinkId) -> Vec<Frame> {
        self.sent.remove(&link).unwrap_or_default()
    }

    /// Takes what came and acks every message in it.
    pub fn take_and_ack(&mut self, link: LinkId) -> Vec<Frame> {
        let frames = self.take(link);
        for frame in frames.iter().filter(|frame| frame.header.get("headsum").is_some()) {
            let id = frame.text("id").to_owned();
            self.say(link, &format!(r#"{{"op":10,"id":"{id}","type":"ok"}}"#), b"");
        }
        frames
    }

    /// Everything that waits to be written is.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            self.relay.settle();
            self.commit();
            if self.relay.is_settled() {
                return;
            }
        }
        panic!("the relay never settles");
    }

    /// The ledger that these records make.
    pub fn replay<'a>(records: impl Iterator<Item = &'a (Seq, Vec<u8>, bool)>) -> (Ledger, BTreeSet<Seq>) {
        let mut replay = Replay::new();
        for (seq, octets, _) in records {
            replay.take(*seq, octets).unwrap();
        }
        let (ledger, dead) = replay.finish().unwrap();
        ledger.check_invariants();
        (ledger, dead.into_iter().collect())
    }

    /// A crash and a new start: what was forgotten may be there again or not, as `survives` says.
    pub fn restart(self, settings: Settings, mut survives: impl FnMut(Seq) -> bool) -> Core {
        let newest = self.relay.ledger().last();
        let kept: Vec<_> = self.records.into_iter().filter(|(seq, ..)| !self.forgotten.contains(seq) || survives(*seq)).collect();
        let (mut ledger, dead) = Core::replay(kept.iter());
        // The store remembers the newest number, whatever became of its record.
        ledger.skip_to(newest);
        let mut core = Core::with(settings, ledger, kept);
        core.forgotten = dead;
        core
    }
}
