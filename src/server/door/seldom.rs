//! What comes often and is told seldom.

use crate::base::Mono;
use crate::limits::REPORT_EVERY;

/// A count that is told at most once in [`REPORT_EVERY`]: at once if the last time is long ago.
#[derive(Default)]
pub(super) struct Seldom {
    count: u64,
    quiet_until: Mono,
}

impl Seldom {
    pub(super) fn add(&mut self, count: u64) {
        self.count += count;
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        (self.count > 0).then_some(self.quiet_until)
    }

    pub(super) fn take(&mut self, now: Mono) -> Option<u64> {
        if self.count == 0 || now < self.quiet_until {
            return None;
        }
        self.quiet_until = now.plus(REPORT_EVERY);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_often_is_told_seldom_and_in_full() {
        let mut seldom = Seldom::default();
        let start = Mono::default().plus(REPORT_EVERY);
        assert_eq!((seldom.take(start), seldom.next_deadline()), (None, None));
        seldom.add(1);
        assert_eq!(seldom.take(start), Some(1));
        seldom.add(2);
        seldom.add(3);
        assert_eq!(seldom.take(start), None);
        assert_eq!(seldom.next_deadline(), Some(start.plus(REPORT_EVERY)));
        assert_eq!(seldom.take(start.plus(REPORT_EVERY)), Some(5));
        assert_eq!(seldom.next_deadline(), None);
    }
}
