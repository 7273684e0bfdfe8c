//! All deadlines on one page.
//!
//! Each session has at most one *armed* moment, the earliest at which something may be due on it. Most events
//! only push deadlines back; they touch nothing here. When the moment comes the session is asked what is due
//! and when it wants to be asked again. So a message costs no timer, and an idle link one heap entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::base::{LinkId, Mono};

/// Moments at which links want to be looked at.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Mono, LinkId)>>,
}

impl Timers {
    /// Looks at `link` at `at`. `armed` is the link's own note of its moment: a later or equal one is kept.
    pub(super) fn arm(&mut self, armed: &mut Option<Mono>, link: LinkId, at: Mono) {
        if armed.is_some_and(|earlier| earlier <= at) {
            return;
        }
        *armed = Some(at);
        self.heap.push(Reverse((at, link)));
    }

    /// When the next link may have something due. May be early, never late.
    pub(super) fn next(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The next link whose moment has come, with that moment: it is stale if the link's note differs.
    pub(super) fn pop(&mut self, now: Mono) -> Option<(Mono, LinkId)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_moment_costs_an_entry() {
        let link = LinkId { slot: 0, generation: 0 };
        let (mut timers, mut armed) = (Timers::default(), None);
        for (at, entries) in [(50, 1), (60, 1), (50, 1), (40, 2)] {
            timers.arm(&mut armed, link, Mono(at));
            assert_eq!(timers.heap.len(), entries);
        }
        assert_eq!(timers.pop(Mono(39)), None);
        assert_eq!(timers.pop(Mono(40)), Some((Mono(40), link)));
        assert_eq!(timers.pop(Mono(100)), Some((Mono(50), link)));
        assert_eq!(timers.pop(Mono(100)), None);
    }
}
