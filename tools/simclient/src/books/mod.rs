//! What was posted and what arrived, judged message by message.
//!
//! A sender's half ([`Posts`]) knows which posts wait for an ack, in order, and for whom each was: an *audience* is a set of
//! recipients, known by its number. A recipient's half ([`Shelves`]) knows which sequences of each audience have arrived, and
//! which message ids its link has seen.
//!
//! Why the verdicts are exact also when the relay is killed: a link's posts are handled in order, and a
//! new login succeeds only when the old link is gone, so what the relay stored of a link is a
//! prefix of what was posted on it, and what was acked is a prefix of that. After a reconnect
//! everything unacked is posted again in order *before* anything new. So what is stored reads,
//! for instance, `0 1 2 3 | 2 3 4 5`: doubles, but first occurrences in order. A first arrival with
//! a lower order than one that arrived before is therefore always the relay's fault.
//!
//! Sequences tell what arrived *again*, ids tell *why*: ids rise along a node's queue, so an id not
//! above the newest this link has brought was on this link before; one not above the newest ever was
//! on an earlier link (a crash may lose our ack); a higher one is a second copy in the store, which
//! only a resend excuses, and each resend excuses one for each recipient.

mod arrivals;
mod posts;
mod shelves;

use mnm::base::{Mono, Seq};

use crate::payload::Stamp;
pub(crate) use posts::Pending;
use posts::Posts;
use shelves::Shelves;

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

/// All posts and arrivals of some members, who are known by their index.
#[derive(Debug)]
pub(crate) struct Books {
    posts: Vec<Posts>,
    shelves: Vec<Shelves>,
    /// Posts of all that wait for an ack.
    in_flight: u64,
    /// Deliveries that acked posts of all promise, and first deliveries that came.
    promised: u64,
    arrived: u64,
}

impl Books {
    pub(crate) fn new(members: usize) -> Books {
        Books {
            posts: std::iter::repeat_with(Posts::default).take(members).collect(),
            shelves: std::iter::repeat_with(Shelves::default).take(members).collect(),
            in_flight: 0,
            promised: 0,
            arrived: 0,
        }
    }

    /// Gives a sender another audience; its number.
    pub(crate) fn add_audience(&mut self, sender: usize, recipients: Vec<u32>) -> u32 {
        self.posts[sender].add_audience(recipients)
    }

    /// A sender posts now to one of its audiences.
    pub(crate) fn post(&mut self, sender: usize, audience: u32, posted: Mono) -> Pending {
        self.in_flight += 1;
        self.posts[sender].post(audience, posted)
    }

    /// A member has a new link: what it must post again, in the order in which that must go. `in_order`: it had quit the last one, and
    /// no link was lost since, so nothing excuses that what was acked comes again.
    pub(crate) fn new_link(&mut self, who: usize, in_order: bool) -> Vec<Pending> {
        self.shelves[who].new_link(in_order);
        self.posts[who].resend()
    }

    /// The relay has answered a post; `None` if it was not waiting for an answer.
    pub(crate) fn answered(&mut self, sender: usize, order: u64, accepted: bool) -> Option<Pending> {
        let (pending, promised) = self.posts[sender].answered(order, accepted)?;
        self.in_flight -= 1;
        self.promised += promised;
        Some(pending)
    }

    /// A whole message came to a member.
    pub(crate) fn arrived(&mut self, who: usize, stamp: &Stamp, id: Seq, now: Mono) -> Verdict {
        let sender = stamp.sender as usize;
        let Some(posts) = self.posts.get_mut(sender).filter(|posts| posts.posted(stamp)) else {
            self.shelves[who].note(id, now);
            return Verdict::NeverPosted;
        };
        if !posts.is_for(stamp.audience, who as u32) {
            self.shelves[who].note(id, now);
            return Verdict::NeverPosted;
        }
        let verdict = self.shelves[who].arrived(stamp, posts.resends_of(stamp.order), id, now);
        if matches!(verdict, Verdict::First | Verdict::OutOfOrder) {
            posts.count_arrival();
            self.arrived += 1;
        }
        verdict
    }

    /// What came with this id is not acked, since the member has said good-bye.
    pub(crate) fn note_unacked(&mut self, who: usize, id: Seq) {
        self.shelves[who].note_unacked(id);
    }

    /// Posts of a sender that wait for an ack.
    pub(crate) fn in_flight(&self, sender: usize) -> u64 {
        self.posts[sender].in_flight()
    }

    /// Deliveries of a sender's acked posts that have not come; an estimate while deliveries may precede their acks.
    pub(crate) fn backlog(&self, sender: usize) -> u64 {
        self.posts[sender].backlog()
    }

    /// Both over all senders.
    pub(crate) fn outstanding(&self) -> (u64, u64) {
        (self.in_flight, self.promised.saturating_sub(self.arrived))
    }

    /// Deliveries of a sender's acked posts that have not come, exactly.
    pub(crate) fn undelivered(&self, sender: usize) -> u64 {
        let posts = &self.posts[sender];
        let missing = |(audience, recipients, acked): (u32, &[u32], &crate::seqset::SeqSet)| -> u64 {
            recipients.iter().map(|who| self.shelves[*who as usize].missing(sender as u32, audience, acked)).sum()
        };
        posts.audiences().map(missing).sum()
    }

    /// Whether nothing is outstanding.
    pub(crate) fn drained(&self) -> bool {
        self.outstanding() == (0, 0) && (0..self.posts.len()).all(|sender| self.undelivered(sender) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Duplicated, First, NeverPosted, OutOfOrder, Redelivered, ResentTwice};

    fn stamp(sequence: u64, audience: u32, order: u64) -> Stamp {
        Stamp { run: 0, sender: 0, size: 0, audience, sequence, order, posted: Mono(0) }
    }

    /// Posts `sent` messages from 0 to 1; `steps` are (seconds, sequence, id), or `None` for new links and a resend.
    #[track_caller]
    fn check(sent: u64, acked: u64, steps: &[Option<(u64, u64, u64)>], expected: &[Verdict], undelivered: u64) {
        let mut books = Books::new(2);
        let audience = books.add_audience(0, vec![1]);
        for _ in 0..sent {
            books.post(0, audience, Mono(0));
        }
        for order in 0..acked {
            assert!(books.answered(0, order, true).is_some());
        }
        let mut verdicts = Vec::new();
        for step in steps {
            match *step {
                Some((at, sequence, id)) => {
                    verdicts.push(books.arrived(1, &stamp(sequence, audience, sequence), Seq(id), Mono(at * 1_000_000_000)));
                }
                None => {
                    books.new_link(1, false);
                    assert_eq!(books.new_link(0, false).len() as u64, sent - acked);
                }
            }
        }
        assert_eq!(verdicts, expected);
        assert_eq!(books.undelivered(0), undelivered);
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

    /// Who has quit has acked all but what came after the good-bye: nothing else may come again.
    #[test]
    fn again_after_a_good_bye_is_a_fault_unless_it_was_not_acked() {
        let mut books = Books::new(2);
        let audience = books.add_audience(0, vec![1]);
        for _ in 0..2 {
            books.post(0, audience, Mono(0));
        }
        let arrive = |books: &mut Books, sequence, id| books.arrived(1, &stamp(sequence, audience, sequence), Seq(id), Mono(0));
        assert_eq!(arrive(&mut books, 0, 10), First);
        assert_eq!(arrive(&mut books, 1, 11), First);
        books.note_unacked(1, Seq(11));
        books.new_link(1, true);
        assert_eq!(arrive(&mut books, 0, 10), Duplicated);
        assert_eq!(arrive(&mut books, 1, 11), Redelivered);
        books.new_link(1, true);
        assert_eq!(arrive(&mut books, 1, 11), Duplicated, "it was acked the second time");
        books.new_link(1, false);
        assert_eq!(arrive(&mut books, 1, 11), Redelivered, "a lost link excuses all");
    }

    #[test]
    fn refused_posts_are_not_missed() {
        let mut books = Books::new(2);
        let audience = books.add_audience(0, vec![1]);
        books.post(0, audience, Mono(0));
        assert!(books.answered(0, 0, false).is_some());
        assert!(books.answered(0, 0, true).is_none());
        assert!(books.drained());
    }

    /// Two audiences of one sender that share a recipient: each is complete by itself, and the order holds over both.
    #[test]
    fn audiences_are_counted_apart_and_ordered_together() {
        let mut books = Books::new(3);
        let (both, one) = (books.add_audience(0, vec![1, 2]), books.add_audience(0, vec![2]));
        for audience in [both, one, both] {
            let order = books.post(0, audience, Mono(0)).order;
            books.answered(0, order, true);
        }
        let mut arrive = |who, sequence, audience, order, id| books.arrived(who, &stamp(sequence, audience, order), Seq(id), Mono(0));
        assert_eq!(arrive(1, 0, both, 0, 10), First);
        assert_eq!(arrive(1, 0, one, 1, 11), NeverPosted, "not for this one");
        assert_eq!(arrive(2, 0, one, 1, 11), First);
        assert_eq!(arrive(2, 0, both, 0, 12), OutOfOrder);
        assert_eq!((books.undelivered(0), books.backlog(0)), (2, 2));
        assert_eq!(books.arrived(1, &stamp(1, both, 2), Seq(14), Mono(0)), First);
        assert_eq!(books.arrived(2, &stamp(1, both, 2), Seq(14), Mono(0)), First);
        assert!(books.drained());
    }
}
