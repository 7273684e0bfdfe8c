//! Who shows to whom that they are here. Never stored: after a restart nobody is.
//!
//! The list belongs to the user and is shared by all links of the user that have used OhiEdit; when the last
//! of them ends, the list is forgotten. Others are told exactly when the state changes for them.

use std::collections::{BTreeSet, HashMap};

use crate::base::UserNo;

/// One user's list, while it exists.
#[derive(Debug, Default)]
struct Shown {
    /// Links that have used OhiEdit.
    links: usize,
    to: BTreeSet<UserNo>,
}

/// All lists, both ways round.
#[derive(Debug, Default)]
pub(super) struct Presence {
    shown: HashMap<UserNo, Shown>,
    seen: HashMap<UserNo, BTreeSet<UserNo>>,
}

impl Presence {
    /// A link of the user has used OhiEdit for the first time.
    pub(super) fn join(&mut self, user: UserNo) {
        self.shown.entry(user).or_default().links += 1;
    }

    /// A link that had joined is gone. Returns whom to tell that the user is, if that was the last.
    pub(super) fn leave(&mut self, user: UserNo) -> Vec<UserNo> {
        let shown = self.shown.get_mut(&user).expect("who leaves had joined");
        shown.links -= 1;
        if shown.links > 0 {
            return Vec::new();
        }
        let Shown { to, .. } = self.shown.remove(&user).expect("it was just there");
        for other in &to {
            self.unsee(*other, user);
        }
        to.into_iter().collect()
    }

    /// Shows `user` to `other`; whether that is a change.
    pub(super) fn show(&mut self, user: UserNo, other: UserNo) -> bool {
        let new = self.shown.get_mut(&user).expect("who shows has joined").to.insert(other);
        if new {
            self.seen.entry(other).or_default().insert(user);
        }
        new
    }

    /// Hides `user` from `other`; whether that is a change.
    pub(super) fn hide(&mut self, user: UserNo, other: UserNo) -> bool {
        let gone = self.shown.get_mut(&user).expect("who hides has joined").to.remove(&other);
        if gone {
            self.unsee(other, user);
        }
        gone
    }

    fn unsee(&mut self, other: UserNo, user: UserNo) {
        let seen = self.seen.get_mut(&other).expect("the two ways round agree");
        seen.remove(&user);
        if seen.is_empty() {
            self.seen.remove(&other);
        }
    }

    /// Whether `user` shows to `other`.
    pub(super) fn shows(&self, user: UserNo, other: UserNo) -> bool {
        self.shown.get(&user).is_some_and(|shown| shown.to.contains(&other))
    }

    /// How many others a user shows to.
    pub(super) fn breadth(&self, user: UserNo) -> usize {
        self.shown.get(&user).map_or(0, |shown| shown.to.len())
    }

    /// Who shows to `user` that they are here.
    pub(super) fn seen_by(&self, user: UserNo) -> impl Iterator<Item = UserNo> + '_ {
        self.seen.get(&user).into_iter().flatten().copied()
    }
}
