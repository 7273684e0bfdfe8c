//! Which messages anybody still owes an ack for, and what dies with one.

use std::collections::HashMap;

use super::Dead;
use super::shares::Shares;
use crate::base::Seq;
use crate::record::{MessageRecord, Payload};

/// How many nodes owe each message, and what its data consists of.
///
/// Most messages wait for one node. They are only counted: what is in a queue and not in `shares` is owed once.
#[derive(Debug, Default)]
pub(super) struct Messages {
    shares: Shares,
    plain: usize,
    /// The chunks of those whose data is not in their own record.
    chunked: HashMap<Seq, Box<[Seq]>>,
    /// At replay a message that nobody owes yet may be owed through a later backlog, so none dies, and all are in `shares`,
    /// before the end.
    replaying: bool,
}

impl Messages {
    pub(super) fn replaying() -> Messages {
        Messages { replaying: true, ..Messages::default() }
    }

    pub(super) fn add(&mut self, seq: Seq, record: &MessageRecord<'_>, dead: &mut Dead) {
        if let Payload::Chunks(chunks) = &record.payload {
            self.chunked.insert(seq, chunks.as_slice().into());
        }
        match u32::try_from(record.to.len()).expect("fewer than 2^32 nodes") {
            owed if self.replaying => self.shares.push(seq, owed),
            0 => self.bury(seq, dead),
            1 => self.plain += 1,
            owed => self.shares.push(seq, owed),
        }
    }

    /// One node fewer owes it.
    pub(super) fn release(&mut self, seq: Seq, dead: &mut Dead) {
        match self.shares.take_one(seq) {
            Some(0) if !self.replaying => {
                self.shares.clear(seq);
                self.bury(seq, dead);
            }
            Some(_) => {}
            None => {
                self.plain = self.plain.checked_sub(1).expect("what is queued is owed");
                self.bury(seq, dead);
            }
        }
    }

    /// One more node owes a message that is in another's queue; `false` at replay, if it is no more.
    pub(super) fn owe_again(&mut self, seq: Seq) -> bool {
        if self.shares.add_one(seq) {
            return true;
        }
        if self.replaying {
            return false;
        }
        self.plain = self.plain.checked_sub(1).expect("what is queued is owed");
        self.shares.push_late(seq, 2);
        true
    }

    /// Ends the replay: what nobody owes now is dead.
    pub(super) fn settle(&mut self, dead: &mut Dead) {
        self.replaying = false;
        for (seq, owed) in std::mem::take(&mut self.shares).into_pushed() {
            match owed {
                0 => self.bury(seq, dead),
                1 => self.plain += 1,
                owed => self.shares.push(seq, owed),
            }
        }
        self.chunked.shrink_to_fit();
    }

    fn bury(&mut self, seq: Seq, dead: &mut Dead) {
        dead.push(seq);
        dead.extend(self.chunked.remove(&seq).into_iter().flatten());
    }

    /// Whether a message with chunks is owed.
    pub(super) fn holds_chunked(&self, seq: Seq) -> bool {
        self.chunked.contains_key(&seq)
    }

    pub(super) fn count(&self) -> usize {
        self.shares.count() + self.plain
    }

    pub(super) fn check_invariants(&self, owed: &HashMap<Seq, u32>) {
        self.shares.check_invariants();
        assert_eq!(self.count(), owed.len(), "messages are those that are queued");
        for (seq, count) in owed {
            assert_eq!(self.shares.get(*seq).unwrap_or(1), *count, "{seq} is owed as often as it is queued");
        }
    }
}
