//! The message ids that have come to one member.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use mnm::base::{Mono, Seq};
use mnm::limits::REDELIVERY_TIMEOUT;

/// Where a message id has been met before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    Never,
    EarlierLink,
    /// On an earlier link that ended in good order, and acked there.
    AckedBefore,
    /// On this link, so long ago that the relay may think our ack will not come.
    LongAgo,
    ThisLink,
}

/// The ids that have come to one member, condensed to a few numbers.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    newest_ever: Seq,
    newest_here: Seq,
    /// `newest_here` as it was at some moments, oldest first, about a second apart.
    marks: VecDeque<(Mono, Seq)>,
    /// The last link ended in good order.
    in_order: bool,
    /// What came on this link, and on the last one, and was not acked.
    unacked: BTreeSet<Seq>,
    unacked_before: BTreeSet<Seq>,
}

const MARK_EVERY: Duration = Duration::from_secs(1);

impl Arrivals {
    /// The member has a new link. `in_order`: it has quit the last one, and the relay has not been away since, so that what was acked
    /// there must not come again.
    pub(super) fn new_link(&mut self, in_order: bool) {
        self.newest_here = Seq::ZERO;
        self.marks.clear();
        self.in_order = in_order;
        self.unacked_before = std::mem::take(&mut self.unacked);
    }

    /// A message came too late to be acked: the member had said good-bye.
    pub(super) fn note_unacked(&mut self, id: Seq) {
        self.unacked.insert(id);
    }

    pub(super) fn see(&mut self, id: Seq, now: Mono) -> Seen {
        let seen = if id <= self.newest_here {
            if id <= self.newest_long_ago(now) { Seen::LongAgo } else { Seen::ThisLink }
        } else if id > self.newest_ever {
            Seen::Never
        } else if self.in_order && !self.unacked_before.contains(&id) {
            Seen::AckedBefore
        } else {
            Seen::EarlierLink
        };
        self.newest_here = self.newest_here.max(id);
        self.newest_ever = self.newest_ever.max(id);
        if self.marks.back().is_none_or(|(at, _)| now.since(*at) >= MARK_EVERY) {
            self.marks.push_back((now, self.newest_here));
        }
        seen
    }

    /// The newest id that had come when [`REDELIVERY_TIMEOUT`] began to run out now.
    fn newest_long_ago(&mut self, now: Mono) -> Seq {
        let long_ago = |mark: &(Mono, Seq)| now.since(mark.0) >= REDELIVERY_TIMEOUT;
        while self.marks.get(1).is_some_and(long_ago) {
            self.marks.pop_front();
        }
        self.marks.front().filter(|mark| long_ago(mark)).map_or(Seq::ZERO, |mark| mark.1)
    }
}
