//! One lane of a queue, and how much of it a cursor can tell.

use std::collections::BTreeSet;

use super::rising::Rising;
use crate::base::Seq;
use crate::limits::CURSOR_OWED_MAX;
use crate::record::Mark;

/// One lane of a queue: what is owed, and what of the rest was acked.
///
/// Invariant: at most `CURSOR_OWED_MAX` entries are owed below `high`, and at most as many acks lie above it, in
/// `islands`. So a cursor record can tell every ack there was, and no message dies whose ack would not be remembered.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) owed: Rising,
    high: Seq,
    /// Acks far ahead of what is owed. Hardly any node ever has some.
    #[allow(clippy::box_collection, reason = "there are as many tracks as nodes, and a set takes three times a pointer")]
    islands: Option<Box<BTreeSet<Seq>>>,
}

impl Track {
    pub(super) const EMPTY: Track = Track { owed: Rising::EMPTY, high: Seq::ZERO, islands: None };

    /// Takes an ack; `false` if it is not owed, or so far ahead, with so many others, that it could not be remembered.
    pub(super) fn remove(&mut self, seq: Seq) -> bool {
        if !self.owed.contains(seq) {
            return false;
        }
        if self.owed.count_below(seq, CURSOR_OWED_MAX) > CURSOR_OWED_MAX {
            let islands = self.islands.get_or_insert_default();
            if islands.len() >= CURSOR_OWED_MAX {
                return false;
            }
            islands.insert(seq);
        } else {
            self.high = self.high.max(seq);
        }
        self.owed.remove(seq);
        self.raise_over_islands();
        true
    }

    /// Takes islands into what `high` says, as soon as few enough are owed below them.
    fn raise_over_islands(&mut self) {
        let Some(islands) = &mut self.islands else { return };
        while let Some(&island) = islands.first() {
            if island > self.high && self.owed.count_below(island, CURSOR_OWED_MAX) > CURSOR_OWED_MAX {
                return;
            }
            islands.pop_first();
            self.high = self.high.max(island);
        }
        self.islands = None;
    }

    pub(super) fn mark(&self) -> Mark {
        let owed = self.owed.iter().take_while(|&seq| seq < self.high).collect();
        Mark { high: self.high, owed, ahead: self.islands.iter().flat_map(|islands| islands.iter().copied()).collect() }
    }

    /// Takes over what a mark says; returns what is owed no longer.
    pub(super) fn catch_up(&mut self, mark: &Mark) -> Vec<Seq> {
        self.high = self.high.max(mark.high);
        let mut gone: Vec<Seq> = mark.ahead.iter().copied().filter(|&seq| self.owed.remove(seq)).collect();
        let ahead = || mark.ahead.iter().copied().filter(|&seq| seq > self.high);
        if ahead().next().is_some() {
            self.islands.get_or_insert_default().extend(ahead());
        }
        gone.extend(self.owed.remove_up_to(mark.high, &mark.owed));
        self.raise_over_islands();
        gone
    }

    pub(super) fn check_invariants(&self) {
        self.owed.check_invariants();
        assert!(self.owed.count_below(self.high, CURSOR_OWED_MAX) <= CURSOR_OWED_MAX, "a cursor can tell what is owed");
        let islands = self.islands.as_ref().map_or(0, |islands| islands.len());
        assert!(islands <= CURSOR_OWED_MAX, "a cursor can tell what is acked ahead");
    }
}
