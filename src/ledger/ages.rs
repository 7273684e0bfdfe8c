//! How old what waits is: the messages that anybody owes an ack for, counted by the second in which they were posted.
//!
//! A list of all of them would double their memory, and a search for the oldest would take longer the more there are. Counts by the
//! second are some kilobytes: of the many seconds of a long time neighbours are put together, two at a time and the older ones
//! first, so that what is young is known to the second, and what is old to a small part of its age.
//!
//! Invariants: spans rise, none is empty, and their counts add up to the number of messages.

use std::collections::VecDeque;

use crate::base::Seq;
use crate::limits::AGE_SPANS_MAX;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Messages from this second on, to where the next span begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Span {
    from: u64,
    count: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ages {
    spans: VecDeque<Span>,
}

impl Ages {
    /// A message more is owed: the newest so far.
    pub(super) fn enter(&mut self, seq: Seq) {
        let from = seq.0 / NANOS_PER_SECOND;
        match self.spans.back_mut() {
            Some(last) if last.from >= from => last.count += 1,
            Some(_) | None => {
                self.spans.push_back(Span { from, count: 1 });
                if self.spans.len() > AGE_SPANS_MAX {
                    self.merge();
                }
            }
        }
    }

    /// A message is owed no longer.
    ///
    /// # Panics
    /// If none of its time is owed.
    pub(super) fn leave(&mut self, seq: Seq) {
        let second = seq.0 / NANOS_PER_SECOND;
        // Most are acked within moments.
        let last = self.spans.len().checked_sub(1).expect("what leaves had entered");
        let at = if self.spans[last].from <= second { last } else { self.spans.partition_point(|span| span.from <= second) - 1 };
        self.spans[at].count = self.spans[at].count.checked_sub(1).expect("what leaves had entered");
        if self.spans[at].count == 0 {
            self.spans.remove(at);
        }
    }

    /// The second in which the oldest was posted, or an earlier one.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.spans.front().map(|span| span.from)
    }

    /// Puts pairs of the older half together.
    fn merge(&mut self) {
        let young = self.spans.split_off(self.spans.len() / 2);
        let (old, _) = self.spans.make_contiguous().as_chunks::<2>();
        let mut merged: VecDeque<Span> = old.iter().map(|[a, b]| Span { from: a.from, count: a.count + b.count }).collect();
        merged.extend(self.spans.iter().skip(2 * merged.len()));
        merged.extend(young);
        self.spans = merged;
    }

    pub(super) fn check_invariants(&self, messages: usize) {
        assert_eq!(self.spans.iter().map(|span| span.count).sum::<u64>(), messages as u64, "each message has its age");
        assert!(self.spans.iter().all(|span| span.count > 0) && self.spans.iter().is_sorted_by_key(|span| span.from));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(second: u64) -> Seq {
        Seq(second * NANOS_PER_SECOND + 5)
    }

    #[test]
    fn the_oldest_is_known_to_the_second_while_there_are_few() {
        let mut ages = Ages::default();
        assert_eq!(ages.oldest(), None);
        for second in [10, 10, 12, 700] {
            ages.enter(at(second));
        }
        for (gone, oldest) in [(12, Some(10)), (10, Some(10)), (10, Some(700)), (700, None)] {
            ages.leave(at(gone));
            assert_eq!(ages.oldest(), oldest);
        }
        ages.check_invariants(0);
    }

    /// Against the list that is not kept: a message each few seconds, most of which go in another order.
    #[test]
    fn of_very_many_the_oldest_is_known_to_a_part_of_its_age() {
        let (mut ages, mut all) = (Ages::default(), BTreeSet::new());
        let mut second = 1_700_000_000;
        for round in 0..20_000u64 {
            second += 1 + round % 7;
            ages.enter(at(second));
            all.insert(second);
            assert!(ages.spans.len() <= AGE_SPANS_MAX);
            if !round.is_multiple_of(5) {
                let middle = *all.iter().nth(all.len() * (round as usize % 10) / 10).unwrap();
                all.remove(&middle);
                ages.leave(at(middle));
            }
            if round % 1000 == 999 {
                ages.check_invariants(all.len());
                let (oldest, age) = (*all.first().unwrap(), second - all.first().unwrap());
                let told = ages.oldest().unwrap();
                assert!(told <= oldest && oldest - told <= age / 4 + 1, "{told} is told for {oldest}, an age of {age}");
            }
        }
        for second in all {
            ages.leave(at(second));
        }
        assert_eq!(ages.oldest(), None);
    }
}
