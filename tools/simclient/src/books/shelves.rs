//! A recipient's half: what arrived, from whom, and whether it had been here before.

use std::collections::{BTreeMap, HashMap};

use mnm::base::{Mono, Seq};

use super::Verdict;
use super::arrivals::{Arrivals, Seen};
use crate::payload::Stamp;
use crate::seqset::SeqSet;

/// What came of one audience of one sender.
#[derive(Debug)]
struct Shelf {
    audience: u32,
    delivered: SeqSet,
    /// Second copies that a resend has excused, by sequence.
    excused: BTreeMap<u64, u32>,
}

/// What came from one sender.
#[derive(Debug, Default)]
struct Sender {
    /// One above the highest order that came.
    newest: u64,
    /// A handful.
    shelves: Vec<Shelf>,
}

/// All that came to one member.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    arrivals: Arrivals,
    senders: HashMap<u32, Sender>,
}

impl Shelves {
    pub(super) fn new_link(&mut self, in_order: bool) {
        self.arrivals.new_link(in_order);
    }

    pub(super) fn note_unacked(&mut self, id: Seq) {
        self.arrivals.note_unacked(id);
    }

    /// An id came with something that is not ours to judge.
    pub(super) fn note(&mut self, id: Seq, now: Mono) {
        self.arrivals.see(id, now);
    }

    pub(super) fn arrived(&mut self, stamp: &Stamp, resends: u32, id: Seq, now: Mono) -> Verdict {
        let seen = self.arrivals.see(id, now);
        let sender = self.senders.entry(stamp.sender).or_default();
        let at = match sender.shelves.iter().position(|shelf| shelf.audience == stamp.audience) {
            Some(at) => at,
            None => {
                sender.shelves.push(Shelf { audience: stamp.audience, delivered: SeqSet::default(), excused: BTreeMap::new() });
                sender.shelves.len() - 1
            }
        };
        let shelf = &mut sender.shelves[at];
        if shelf.delivered.insert(stamp.sequence) {
            let in_order = stamp.order >= sender.newest;
            sender.newest = sender.newest.max(stamp.order + 1);
            return if in_order { Verdict::First } else { Verdict::OutOfOrder };
        }
        match seen {
            Seen::ThisLink | Seen::AckedBefore => Verdict::Duplicated,
            Seen::LongAgo | Seen::EarlierLink => Verdict::Redelivered,
            Seen::Never => {
                let excused = shelf.excused.get(&stamp.sequence).copied().unwrap_or(0);
                if excused >= resends {
                    return Verdict::Duplicated;
                }
                shelf.excused.insert(stamp.sequence, excused + 1);
                Verdict::ResentTwice
            }
        }
    }

    /// How many of these sequences have not come.
    pub(super) fn missing(&self, sender: u32, audience: u32, acked: &SeqSet) -> u64 {
        let shelf = self.senders.get(&sender).and_then(|sender| sender.shelves.iter().find(|shelf| shelf.audience == audience));
        match shelf {
            Some(shelf) => acked.count_missing_from(&shelf.delivered),
            None => acked.len(),
        }
    }
}
