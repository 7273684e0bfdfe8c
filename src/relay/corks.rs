//! When corks end. The facts are the ledger's; here is only the order of their ends.

use std::collections::BTreeSet;

use super::input::Now;
use crate::base::{Mono, UserNo, Wall};

/// Ends of corks, the next one first. One that was moved or lifted may still stand here: whoever is told looks it up.
#[derive(Debug, Default)]
pub(super) struct Corks {
    ends: BTreeSet<(Wall, UserNo)>,
    /// When to look at them next, on the clock that never steps.
    deadline: Option<Mono>,
    /// The latest that the other clock has shown.
    latest: Wall,
}

impl Corks {
    /// These, to be looked at in the first turn.
    pub(super) fn new(ends: impl Iterator<Item = (Wall, UserNo)>) -> Corks {
        let ends: BTreeSet<_> = ends.collect();
        let deadline = (!ends.is_empty()).then(Mono::default);
        Corks { ends, deadline, latest: Wall(0) }
    }

    /// Whether the clock was put back, so that corks hold again that were over.
    pub(super) fn is_late(&mut self, now: Now) -> bool {
        let stepped = now.wall < self.latest;
        self.latest = now.wall;
        stepped
    }

    /// A user's cork ends then.
    pub(super) fn add(&mut self, until: Wall, user: UserNo, now: Now) {
        self.ends.insert((until, user));
        self.look_again(now);
    }

    /// A user's cork does not end then any more.
    pub(super) fn remove(&mut self, until: Wall, user: UserNo) {
        self.ends.remove(&(until, user));
    }

    /// A user whose cork has ended. Call until there is none.
    pub(super) fn pop(&mut self, now: Now) -> Option<UserNo> {
        let first = self.ends.first().copied().filter(|(until, _)| *until <= now.wall);
        match first {
            Some(end) => {
                self.ends.remove(&end);
                Some(end.1)
            }
            None => {
                self.look_again(now);
                None
            }
        }
    }

    /// The clock that corks go by may step: it is looked at in every turn, and then at the latest.
    fn look_again(&mut self, now: Now) {
        self.deadline = self.ends.first().map(|(until, _)| now.mono.plus(until.since(now.wall)));
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.deadline
    }
}
