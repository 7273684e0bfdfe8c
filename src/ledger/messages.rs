//! Which messages anybody still owes an ack for, and what dies with one.

use std::collections::HashMap;

use super::Dead;
use super::ages::Ages;
use super::shares::Shares;
use super::weight::weight;
use crate::base::Seq;
use crate::record::{MessageRecord, Payload};

/// How many nodes owe each message, and what its data consists of.
///
/// Most messages wait for one node. They are only counted: what is in a queue and not in `shares` is owed once.
#[derive(Debug, Default)]
pub(super) struct Messages {
    shares: Shares,
    plain: usize,
    /// When they were posted.
    ages: Ages,
    /// The chunks of those whose data is not in their own record.
    chunked: HashMap<Seq, Box<[Seq]>>,
    /// At replay, all messages so far, in rising order. One that nobody owes yet may be owed
    /// through a later backlog, so none dies before the end. (One large piece of memory, which goes back to the system whole.)
    replayed: Option<Vec<Replayed>>,
}

/// How many nodes owe a message, and what it weighs for those that come to owe it later.
#[derive(Debug)]
struct Replayed {
    seq: Seq,
    owed: u32,
    weight: u32,
}

impl Messages {
    pub(super) fn replaying() -> Messages {
        Messages { replayed: Some(Vec::new()), ..Messages::default() }
    }

    pub(super) fn add(&mut self, seq: Seq, record: &MessageRecord<'_>, dead: &mut Dead) {
        if let Payload::Chunks(chunks) = &record.payload {
            self.chunked.insert(seq, chunks.as_slice().into());
        }
        let owed = u32::try_from(record.to.len()).expect("fewer than 2^32 nodes");
        match &mut self.replayed {
            Some(replayed) => replayed.push(Replayed { seq, owed, weight: weight(record.data_len()) }),
            None => self.put(seq, owed, dead),
        }
    }

    fn put(&mut self, seq: Seq, owed: u32, dead: &mut Dead) {
        if owed > 0 {
            self.ages.enter(seq);
        }
        match owed {
            0 => self.bury(seq, dead),
            1 => self.plain += 1,
            owed => self.shares.push(seq, owed),
        }
    }

    fn replayed(&mut self, seq: Seq) -> Option<&mut Replayed> {
        let replayed = self.replayed.as_mut()?;
        let at = replayed.binary_search_by_key(&seq, |message| message.seq).ok()?;
        Some(&mut replayed[at])
    }

    /// One node fewer owes it.
    pub(super) fn release(&mut self, seq: Seq, dead: &mut Dead) {
        if let Some(message) = self.replayed(seq) {
            message.owed = message.owed.checked_sub(1).expect("what is queued is owed");
            return;
        }
        match self.shares.take_one(seq) {
            Some(0) => {
                self.shares.clear(seq);
                self.ages.leave(seq);
                self.bury(seq, dead);
            }
            Some(_) => {}
            None => {
                self.plain = self.plain.checked_sub(1).expect("what is queued is owed");
                self.ages.leave(seq);
                self.bury(seq, dead);
            }
        }
    }

    /// At replay, those of these messages that have come, and what they weigh: another queue need not have them any more.
    pub(super) fn weights_at_replay(&self, messages: &[Seq]) -> Option<Vec<(Seq, u32)>> {
        let replayed = self.replayed.as_ref()?;
        let weight = |seq: &Seq| {
            let at = replayed.binary_search_by_key(seq, |message| message.seq).ok()?;
            Some((*seq, replayed[at].weight))
        };
        Some(messages.iter().filter_map(weight).collect())
    }

    /// One more node owes a message that is in another's queue, or, at replay, was.
    pub(super) fn owe_again(&mut self, seq: Seq) {
        if let Some(message) = self.replayed(seq) {
            message.owed += 1;
        } else if !self.shares.add_one(seq) {
            self.plain = self.plain.checked_sub(1).expect("what is queued is owed");
            self.shares.push_late(seq, 2);
        }
    }

    /// Ends the replay: what nobody owes now is dead.
    pub(super) fn settle(&mut self, dead: &mut Dead) {
        for Replayed { seq, owed, .. } in self.replayed.take().unwrap_or_default() {
            self.put(seq, owed, dead);
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

    pub(super) fn oldest(&self) -> Option<u64> {
        self.ages.oldest()
    }

    pub(super) fn check_invariants(&self, owed: &HashMap<Seq, u32>) {
        self.shares.check_invariants();
        self.ages.check_invariants(self.count());
        assert_eq!(self.count(), owed.len(), "messages are those that are queued");
        for (seq, count) in owed {
            assert_eq!(self.shares.get(*seq).unwrap_or(1), *count, "{seq} is owed as often as it is queued");
        }
    }
}
