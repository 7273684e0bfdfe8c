//! Everything one member posts to one other, judged.
//!
//! The sender's half knows which posts wait for an ack, in order. The receiver's half knows which
//! sequences have arrived and, with [`Arrivals`], which message ids its link has seen.
//!
//! Why the verdicts are exact also when the relay is killed: a link's posts are handled in order, and a
//! new login succeeds only when the old link is gone, so what the relay stored of a link is a
//! prefix of what was posted on it, and what was acked is a prefix of that. After a reconnect
//! everything unacked is posted again in sequence order *before* anything new. So what is stored reads,
//! for instance, `0 1 2 3 | 2 3 4 5`: doubles, but first occurrences in order. A first arrival with
//! a lower sequence than one that arrived before is therefore always the relay's fault.
//!
//! Sequences tell what arrived *again*, ids tell *why*: ids rise along a node's queue, so an id not
//! above the newest this link has brought was on this link before; one not above the newest ever was
//! on an earlier link (a crash may lose our ack); a higher one is a second copy in the store, which
//! only a resend excuses, and each resend excuses one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mnm::base::{Mono, Seq};
use mnm::limits::REDELIVERY_TIMEOUT;

use crate::seqset::SeqSet;

/// What a delivery turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    First,
    OutOfOrder,
    Duplicated,
    Redelivered,
    ResentTwice,
    NeverPosted,
}

/// A post that waits for its ack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pending {
    pub(crate) sequence: u64,
    pub(crate) posted: Mono,
}

/// One direction between two members.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    sent: u64,
    /// In sequence order.
    pending: VecDeque<Pending>,
    acked: SeqSet,
    acked_count: u64,
    delivered: SeqSet,
    delivered_count: u64,
    /// One above the highest sequence delivered.
    newest: u64,
    /// Second copies that resends may still cause, by sequence.
    excused: BTreeMap<u64, u32>,
}

impl Flow {
    /// Takes the next sequence for a post that is made now.
    pub(crate) fn post(&mut self, posted: Mono) -> Pending {
        let pending = Pending { sequence: self.sent, posted };
        self.sent += 1;
        self.pending.push_back(pending);
        pending
    }

    /// The posts to repeat on a new link, in the order in which they must go.
    pub(crate) fn resend(&mut self) -> impl Iterator<Item = Pending> {
        for pending in &self.pending {
            *self.excused.entry(pending.sequence).or_default() += 1;
        }
        self.pending.iter().copied()
    }

    /// The relay has answered a post; `None` if it was not waiting for an answer.
    pub(crate) fn answered(&mut self, sequence: u64, accepted: bool) -> Option<Pending> {
        let at = self.pending.binary_search_by_key(&sequence, |p| p.sequence).ok()?;
        let pending = self.pending.remove(at);
        if accepted && self.acked.insert(sequence) {
            self.acked_count += 1;
        }
        pending
    }

    /// A whole message of this flow came to the member it was for.
    pub(crate) fn arrived(&mut self, sequence: u64, id: Seq, arrivals: &mut Arrivals, now: Mono) -> Verdict {
        let seen = arrivals.see(id, now);
        if sequence >= self.sent {
            return Verdict::NeverPosted;
        }
        if self.delivered.insert(sequence) {
            self.delivered_count += 1;
            let in_order = sequence >= self.newest;
            self.newest = self.newest.max(sequence + 1);
            return if in_order { Verdict::First } else { Verdict::OutOfOrder };
        }
        match seen {
            Seen::ThisLink => Verdict::Duplicated,
            Seen::LongAgo | Seen::EarlierLink => Verdict::Redelivered,
            Seen::Never if self.excuse(sequence) => Verdict::ResentTwice,
            Seen::Never => Verdict::Duplicated,
        }
    }

    fn excuse(&mut self, sequence: u64) -> bool {
        let Some(left) = self.excused.get_mut(&sequence).filter(|left| **left > 0) else { return false };
        *left -= 1;
        true
    }

    /// Posts that wait for an ack.
    pub(crate) fn in_flight(&self) -> u64 {
        self.pending.len() as u64
    }

    /// Acked posts that have not arrived; an estimate while deliveries may precede their acks.
    pub(crate) fn backlog(&self) -> u64 {
        self.acked_count.saturating_sub(self.delivered_count)
    }

    /// Acked posts that have not arrived, exactly.
    pub(crate) fn undelivered(&self) -> u64 {
        self.acked.count_missing_from(&self.delivered)
    }

    /// Whether nothing is outstanding.
    pub(crate) fn drained(&self) -> bool {
        self.pending.is_empty() && self.undelivered() == 0
    }
}

/// Where a message id has been met before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Never,
    EarlierLink,
    /// On this link, so long ago that the relay may think our ack will not come.
    LongAgo,
    ThisLink,
}

/// The ids that have come to one member, condensed to a few numbers.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    newest_ever: Seq,
    newest_here: Seq,
    /// `newest_here` as it was at some moments, oldest first, about a second apart.
    marks: VecDeque<(Mono, Seq)>,
}

const MARK_EVERY: Duration = Duration::from_secs(1);

impl Arrivals {
    /// The member has a new link.
    pub(crate) fn new_link(&mut self) {
        self.newest_here = Seq::ZERO;
        self.marks.clear();
    }

    fn see(&mut self, id: Seq, now: Mono) -> Seen {
        let seen = if id <= self.newest_here {
            if id <= self.newest_long_ago(now) { Seen::LongAgo } else { Seen::ThisLink }
        } else if id <= self.newest_ever {
            Seen::EarlierLink
        } else {
            Seen::Never
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

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Duplicated, First, NeverPosted, OutOfOrder, Redelivered, ResentTwice};

    /// Posts `sent` messages; `steps` are (seconds, sequence, id), or `None` for a new link and a resend.
    #[track_caller]
    fn check(sent: u64, acked: u64, steps: &[Option<(u64, u64, u64)>], expected: &[Verdict], undelivered: u64) {
        let (mut flow, mut arrivals) = (Flow::default(), Arrivals::default());
        for _ in 0..sent {
            flow.post(Mono(0));
        }
        for sequence in 0..acked {
            assert!(flow.answered(sequence, true).is_some());
        }
        let mut verdicts = Vec::new();
        for step in steps {
            match *step {
                Some((at, sequence, id)) => {
                    verdicts.push(flow.arrived(sequence, Seq(id), &mut arrivals, Mono(at * 1_000_000_000)));
                }
                None => {
                    arrivals.new_link();
                    assert_eq!(flow.resend().count() as u64, sent - acked);
                }
            }
        }
        assert_eq!(verdicts, expected);
        assert_eq!(flow.undelivered(), undelivered);
    }

    #[test]
    fn an_honest_relay_has_no_faults() {
        check(3, 3, &[Some((0, 0, 10)), Some((0, 1, 11)), Some((0, 2, 15))], &[First; 3], 0);
    }

    #[test]
    fn missing_early_and_invented_ones_are_noticed() {
        check(3, 3, &[Some((0, 0, 10)), Some((0, 2, 12))], &[First; 2], 1);
        check(3, 3, &[Some((0, 1, 11)), Some((0, 0, 10)), Some((0, 2, 12))], &[First, OutOfOrder, First], 0);
        check(1, 1, &[Some((0, 1, 10))], &[NeverPosted], 1);
    }

    #[test]
    fn again_on_the_same_link_is_a_fault_for_30_seconds() {
        check(1, 1, &[Some((0, 0, 10)), Some((1, 0, 10))], &[First, Duplicated], 0);
        check(1, 1, &[Some((0, 0, 10)), Some((29, 0, 10))], &[First, Duplicated], 0);
        check(1, 1, &[Some((0, 0, 10)), Some((30, 0, 10))], &[First, Redelivered], 0);
        check(
            2,
            2,
            &[Some((0, 0, 10)), Some((29, 1, 11)), Some((31, 1, 11)), Some((31, 0, 10))],
            &[First, First, Duplicated, Redelivered],
            0,
        );
    }

    #[test]
    fn again_after_a_reconnect_is_none() {
        check(2, 2, &[Some((0, 0, 10)), None, Some((0, 0, 10)), Some((0, 1, 11))], &[First, Redelivered, First], 0);
        check(1, 1, &[Some((0, 0, 10)), None, Some((0, 0, 10)), Some((0, 0, 10))], &[First, Redelivered, Duplicated], 0);
    }

    #[test]
    fn a_second_copy_is_excused_once_per_resend() {
        check(1, 1, &[Some((0, 0, 10)), Some((0, 0, 11))], &[First, Duplicated], 0);
        check(1, 0, &[Some((0, 0, 10)), None, Some((0, 0, 11)), Some((0, 0, 12))], &[First, ResentTwice, Duplicated], 0);
        check(
            2,
            0,
            &[Some((0, 0, 10)), Some((0, 1, 11)), None, Some((0, 0, 12)), Some((0, 1, 13))],
            &[First, First, ResentTwice, ResentTwice],
            0,
        );
    }

    #[test]
    fn refused_posts_are_not_missed() {
        let mut flow = Flow::default();
        flow.post(Mono(0));
        assert!(flow.answered(0, false).is_some());
        assert!(flow.answered(0, true).is_none());
        assert!(flow.drained());
    }
}
