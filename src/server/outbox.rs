//! What a link is to be sent, and the packing of it into TLS records.
//!
//! Messages wait here by number only; their octets are copied from the log's map when the socket has room, so a
//! slow reader costs its window of numbers and no more.
//!
//! Packing: several frames go into one record, but a frame that fits a record is never scattered over two, since
//! client programs do a single extra read for a message's data. Larger ones go out in full records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::base::Seq;
use crate::limits::TLS_RECORD_MAX;
use crate::record::{Delivery, delivery};
use crate::store::{Disk, Store};

/// One frame to send.
#[derive(Debug)]
enum Item {
    /// These octets.
    Frame(Vec<u8>),
    /// A stored message; whether it is sent again.
    Message(Seq, bool),
}

/// The frame in the middle of which a record ended.
#[derive(Debug)]
enum Partial {
    Frame {
        octets: Vec<u8>,
        at: usize,
    },
    /// Part `part` (0 is the message's own record, then its chunks) from octet `at` on.
    Message {
        message: Seq,
        chunks: Rc<[Seq]>,
        part: usize,
        at: usize,
    },
}

/// A link's output.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    partial: Option<Partial>,
    items: VecDeque<Item>,
    weight: usize,
}

impl Outbox {
    pub(super) fn push_frame(&mut self, frame: Vec<u8>) {
        self.weight += cost(&frame);
        self.items.push_back(Item::Frame(frame));
    }

    pub(super) fn push_message(&mut self, message: Seq, again: bool) {
        self.items.push_back(Item::Message(message, again));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partial.is_none() && self.items.is_empty()
    }

    /// Octets of memory that waiting frames take.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// What belongs into the next record; nothing if there is nothing. Put together in `plain`, unless one message fills it alone.
    /// A message that is not `owed` any more was acked while it waited to be sent again.
    pub(super) fn fill<'a, D: Disk>(
        &mut self,
        plain: &'a mut Vec<u8>,
        store: &'a Store<D>,
        pins: &mut Pins,
        owed: &dyn Fn(Seq) -> bool,
    ) -> &'a [u8] {
        plain.clear();
        let mut record = Record { alone: &[], plain };
        self.go_on(&mut record, store, pins);
        while record.space() > 0 && self.partial.is_none() {
            let Some(item) = self.items.front() else { break };
            let space = record.space();
            match item {
                Item::Frame(octets) if octets.len() <= space => record.put(octets),
                Item::Frame(octets) if octets.len() <= TLS_RECORD_MAX => break,
                Item::Message(message, again) => match store.read(*message).filter(|_| !again || owed(*message)).map(delivery) {
                    // Acked and forgotten before it went out again.
                    None => {}
                    Some(Delivery::Whole(octets)) if octets.len() <= space => record.put_lasting(octets),
                    Some(Delivery::Whole(octets)) if octets.len() <= TLS_RECORD_MAX => break,
                    Some(found) => {
                        let chunks: Rc<[Seq]> = match found {
                            Delivery::Chunked(_, chunks) => chunks.into(),
                            Delivery::Whole(_) | Delivery::Chunk(_) => Rc::new([]),
                        };
                        pins.pin(*message, &chunks);
                        self.partial = Some(Partial::Message { message: *message, chunks, part: 0, at: 0 });
                    }
                },
                Item::Frame(_) => {}
            }
            let item = self.items.pop_front().expect("it was looked at");
            if let Item::Frame(octets) = item {
                if octets.len() > TLS_RECORD_MAX {
                    self.partial = Some(Partial::Frame { octets, at: 0 });
                } else {
                    self.weight -= cost(&octets);
                }
            }
            self.go_on(&mut record, store, pins);
        }
        record.octets()
    }

    /// Goes on with the frame in the middle of which the last record ended.
    fn go_on<'a, D: Disk>(&mut self, record: &mut Record<'a>, store: &'a Store<D>, pins: &mut Pins) {
        match &mut self.partial {
            None => {}
            Some(Partial::Frame { octets, at }) => {
                let count = record.space().min(octets.len() - *at);
                record.put(&octets[*at..*at + count]);
                *at += count;
                if *at == octets.len() {
                    self.weight -= cost(octets);
                    self.partial = None;
                }
            }
            Some(Partial::Message { message, chunks, part, at }) => {
                while record.space() > 0 && *part <= chunks.len() {
                    let seq = if *part == 0 { *message } else { chunks[*part - 1] };
                    let stored = store.read(seq).expect("a pinned record is not forgotten");
                    let octets = match delivery(stored) {
                        Delivery::Whole(octets) | Delivery::Chunked(octets, _) | Delivery::Chunk(octets) => octets,
                    };
                    let count = record.space().min(octets.len() - *at);
                    record.put_lasting(&octets[*at..*at + count]);
                    *at += count;
                    if *at == octets.len() {
                        *part += 1;
                        *at = 0;
                    }
                }
                if *part > chunks.len() {
                    pins.unpin(*message);
                    self.partial = None;
                }
            }
        }
    }

    /// The link is gone: the message in the middle of which it was need not be kept for it.
    pub(super) fn unpin(&mut self, pins: &mut Pins) {
        if let Some(Partial::Message { message, .. }) = self.partial.take() {
            pins.unpin(message);
        }
    }
}

/// What a waiting frame costs: its buffer, and its place in the list.
fn cost(frame: &Vec<u8>) -> usize {
    frame.capacity() + size_of::<Item>()
}

/// A TLS record in the making. What the log's map shows is not copied as long as it is alone.
struct Record<'a> {
    alone: &'a [u8],
    plain: &'a mut Vec<u8>,
}

impl<'a> Record<'a> {
    /// Octets that still fit.
    fn space(&self) -> usize {
        TLS_RECORD_MAX - self.alone.len() - self.plain.len()
    }

    fn put(&mut self, octets: &[u8]) {
        self.plain.extend_from_slice(std::mem::take(&mut self.alone));
        self.plain.extend_from_slice(octets);
    }

    fn put_lasting(&mut self, octets: &'a [u8]) {
        if self.plain.is_empty() && self.alone.is_empty() {
            self.alone = octets;
        } else {
            self.put(octets);
        }
    }

    fn octets(self) -> &'a [u8] {
        if self.alone.is_empty() { self.plain } else { self.alone }
    }
}

/// Messages that some link is in the middle of: their records stay though nobody owes them any more.
#[derive(Debug, Default)]
pub(super) struct Pins {
    held: BTreeMap<Seq, (usize, Rc<[Seq]>)>,
    /// Those of them that have chunks: few, since each is large.
    chunked: BTreeSet<Seq>,
    /// Records to forget once nobody holds them.
    deferred: BTreeSet<Seq>,
    freed: Vec<Seq>,
}

impl Pins {
    fn pin(&mut self, message: Seq, chunks: &Rc<[Seq]>) {
        self.held.entry(message).or_insert_with(|| (0, chunks.clone())).0 += 1;
        if !chunks.is_empty() {
            self.chunked.insert(message);
        }
    }

    fn unpin(&mut self, message: Seq) {
        let entry = self.held.get_mut(&message).expect("what is unpinned was pinned");
        entry.0 -= 1;
        if entry.0 > 0 {
            return;
        }
        let (_, chunks) = self.held.remove(&message).expect("it was just there");
        self.chunked.remove(&message);
        let records = std::iter::once(&message).chain(chunks.iter());
        self.freed.extend(records.copied().filter(|seq| self.deferred.remove(seq)));
    }

    /// Whether a record must stay for now; it will be among the [`undeferred`](Self::undeferred) later.
    pub(super) fn defer(&mut self, seq: Seq) -> bool {
        // A message comes after its chunks.
        let is_chunk = || self.chunked.range(seq..).any(|message| self.held[message].1.binary_search(&seq).is_ok());
        let held = self.held.contains_key(&seq) || is_chunk();
        if held {
            self.deferred.insert(seq);
        }
        held
    }

    /// Records that waited to be forgotten and need wait no more.
    pub(super) fn undeferred(&mut self) -> Vec<Seq> {
        std::mem::take(&mut self.freed)
    }
}
