//! How fast something may happen: so often a second, and a second's worth at once after a pause.

use std::time::Duration;

use crate::base::Mono;

/// A second in the unit of [`Mono`].
const SECOND: u64 = 1_000_000_000;

/// Allows so many a second.
#[derive(Debug)]
pub(super) struct Pace {
    rate: u32,
    /// When all that was taken would be paid for.
    paid_at: Mono,
}

impl Pace {
    pub(super) fn new(rate: u32) -> Pace {
        Pace { rate: rate.max(1), paid_at: Mono::default() }
    }

    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// When the next may be taken, unless that is now.
    pub(super) fn next(&self, now: Mono) -> Option<Mono> {
        let least = self.paid_at.0.saturating_sub(SECOND - self.price());
        (least > now.0).then_some(Mono(least))
    }

    pub(super) fn take(&mut self, now: Mono) {
        self.paid_at = self.paid_at.max(now).plus(Duration::from_nanos(self.price()));
    }

    /// What was taken has cost nothing.
    pub(super) fn give_back(&mut self) {
        self.paid_at = Mono(self.paid_at.0.saturating_sub(self.price()));
    }

    fn price(&self) -> u64 {
        SECOND / u64::from(self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_at_once_and_then_one_at_a_time() {
        let mut pace = Pace::new(10);
        let start = Mono(5 * SECOND);
        for n in 0..10 {
            assert_eq!(pace.next(start), None, "{n}");
            pace.take(start);
        }
        let next = pace.next(start).expect("the second is used up");
        assert_eq!(next, Mono(start.0 + SECOND / 10));
        assert_eq!(pace.next(next), None);
        pace.take(next);
        assert!(pace.next(next).is_some());
        pace.give_back();
        assert_eq!(pace.next(next), None, "what was given back can be taken again");
        let later = Mono(start.0 + 100 * SECOND);
        let burst = (0..)
            .take_while(|_| {
                pace.next(later).is_none() && {
                    pace.take(later);
                    true
                }
            })
            .count();
        assert_eq!(burst, 10, "what was not used is not saved up beyond a second");
    }
}
