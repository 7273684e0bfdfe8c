//! A sender's half: what was posted, to whom, and what the relay said to it.

use std::collections::{BTreeMap, VecDeque};

use mnm::base::Mono;

use crate::payload::Stamp;
use crate::seqset::SeqSet;

/// A post that waits for its ack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pending {
    pub(crate) audience: u32,
    /// Among the posts to this audience.
    pub(crate) sequence: u64,
    /// Among all posts of the sender.
    pub(crate) order: u64,
    pub(crate) posted: Mono,
}

#[derive(Debug, Default)]
struct Audience {
    /// Rising.
    recipients: Vec<u32>,
    sent: u64,
    acked: SeqSet,
}

/// All that one member posts.
#[derive(Debug, Default)]
pub(super) struct Posts {
    audiences: Vec<Audience>,
    sent: u64,
    /// In order.
    pending: VecDeque<Pending>,
    /// Deliveries that acked posts promise, and first deliveries that came.
    promised: u64,
    arrived: u64,
    /// How often a post was repeated, by its order.
    resends: BTreeMap<u64, u32>,
}

impl Posts {
    pub(super) fn add_audience(&mut self, mut recipients: Vec<u32>) -> u32 {
        recipients.sort_unstable();
        recipients.dedup();
        self.audiences.push(Audience { recipients, ..Audience::default() });
        self.audiences.len() as u32 - 1
    }

    pub(super) fn post(&mut self, audience: u32, posted: Mono) -> Pending {
        let book = &mut self.audiences[audience as usize];
        let pending = Pending { audience, sequence: book.sent, order: self.sent, posted };
        book.sent += 1;
        self.sent += 1;
        self.pending.push_back(pending);
        pending
    }

    pub(super) fn resend(&mut self) -> Vec<Pending> {
        for pending in &self.pending {
            *self.resends.entry(pending.order).or_default() += 1;
        }
        self.pending.iter().copied().collect()
    }

    /// The post that was answered, and how many deliveries that promises.
    pub(super) fn answered(&mut self, order: u64, accepted: bool) -> Option<(Pending, u64)> {
        let at = self.pending.binary_search_by_key(&order, |p| p.order).ok()?;
        let pending = self.pending.remove(at)?;
        let audience = &mut self.audiences[pending.audience as usize];
        let promised = if accepted && audience.acked.insert(pending.sequence) { audience.recipients.len() as u64 } else { 0 };
        self.promised += promised;
        Some((pending, promised))
    }

    /// Whether such a message was posted.
    pub(super) fn posted(&self, stamp: &Stamp) -> bool {
        let audience = self.audiences.get(stamp.audience as usize);
        audience.is_some_and(|audience| stamp.sequence < audience.sent && stamp.order < self.sent)
    }

    pub(super) fn is_for(&self, audience: u32, who: u32) -> bool {
        self.audiences[audience as usize].recipients.binary_search(&who).is_ok()
    }

    pub(super) fn resends_of(&self, order: u64) -> u32 {
        self.resends.get(&order).copied().unwrap_or(0)
    }

    pub(super) fn count_arrival(&mut self) {
        self.arrived += 1;
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.pending.len() as u64
    }

    pub(super) fn backlog(&self) -> u64 {
        self.promised.saturating_sub(self.arrived)
    }

    /// Number, recipients and acked sequences of each audience.
    pub(super) fn audiences(&self) -> impl Iterator<Item = (u32, &[u32], &SeqSet)> {
        (0..).zip(&self.audiences).map(|(number, audience)| (number, &audience.recipients[..], &audience.acked))
    }
}
