//! Who reaches whom.

use std::collections::BTreeSet;

use super::{Done, Model, Outcome, Refusal, UserNo};
use crate::base::Uid;

/// Whom a member lets through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    /// Who is on neither list is not let through.
    pub strict: bool,
    /// Uids of those who are not.
    pub block: BTreeSet<String>,
    /// Uids of those who are in any case.
    pub allow: BTreeSet<String>,
}

impl Model {
    /// Whether one user reaches another.
    pub fn reaches(&self, from: UserNo, to: UserNo) -> bool {
        let (uid, reach) = (&self.users[from].uid, &self.users[to].reach);
        from == to || reach.allow.contains(uid) || !reach.strict && !reach.block.contains(uid)
    }

    /// Whether a user has put another on the list of those who are not let through.
    pub(super) fn blocks(&self, user: UserNo, other: UserNo) -> bool {
        user != other && self.users[user].reach.block.contains(&self.users[other].uid)
    }

    pub(super) fn set_reach(&mut self, user: UserNo, act: Option<&str>, whom: &[String], policy: Option<&str>) -> Outcome {
        let strict = match policy {
            None => self.users[user].reach.strict,
            Some("any") => false,
            Some("none") => true,
            Some(_) => return Err(Refusal::Any),
        };
        if act.is_some_and(|act| !["block", "allow", "clear"].contains(&act)) || whom.iter().any(|uid| Uid::parse(uid).is_none()) {
            return Err(Refusal::Any);
        }
        let shown = self.shown_to(user);
        let before: Vec<bool> = shown.iter().map(|other| self.reaches(*other, user)).collect();
        let reach = &mut self.users[user].reach;
        reach.strict = strict;
        for uid in whom {
            reach.block.remove(uid);
            reach.allow.remove(uid);
            match act {
                Some("block") => _ = reach.block.insert(uid.clone()),
                Some("allow") => _ = reach.allow.insert(uid.clone()),
                _ => {}
            }
        }
        // Who does not reach the user any more is not seen by the user, and the other way round.
        for (other, before) in shown.into_iter().zip(before) {
            let now = self.reaches(other, user);
            if now != before {
                self.show(other, &BTreeSet::from([user]), if now { 1 } else { 2 });
            }
        }
        Done::nothing()
    }
}
