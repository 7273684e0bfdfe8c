//! What a member wants kept back.

use std::collections::BTreeSet;

use super::{Done, Lane, Model, Nanos, NodeNo, Outcome, Refusal, UserNo};
use crate::base::Uid;

/// A cork that has not come to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cork {
    /// Until when.
    pub until: Nanos,
    /// Uids of those from whom; `None`: from all.
    pub from: Option<BTreeSet<String>>,
}

impl Model {
    pub(super) fn set_cork(&mut self, user: UserNo, until: Option<&str>, from: &[String]) -> Outcome {
        let Some(until) = until else {
            self.uncork(user);
            return Done::nothing();
        };
        let until = self.limit(until)?;
        if from.iter().any(|uid| Uid::parse(uid).is_none()) {
            return Err(Refusal::Any);
        }
        let names: BTreeSet<String> = from.iter().cloned().collect();
        let old = self.users[user].cork.take().map(|cork| cork.from);
        let from = match old {
            None | Some(None) => (!names.is_empty()).then_some(names),
            Some(Some(_)) if names.is_empty() && self.readings.cork_for_all_forgets_names => None,
            Some(Some(old)) => Some(&old | &names),
        };
        self.users[user].cork = Some(Cork { until, from });
        Done::nothing()
    }

    /// Corks whose time has come end.
    pub(super) fn end_corks(&mut self) {
        for user in 0..self.users.len() {
            if let Some(cork) = self.users[user].cork.as_ref().filter(|cork| cork.until <= self.now) {
                self.uncorked = self.uncorked.max(cork.until);
                self.uncork(user);
            }
        }
    }

    fn uncork(&mut self, user: UserNo) {
        self.users[user].cork = None;
        for node in self.nodes_of(user) {
            let held = std::mem::take(&mut self.nodes[node].held);
            self.nodes[node].freed.extend(held);
        }
    }

    /// Whether a new message of this user is kept back from a node because of its sender: named, or (as the order of one sender's
    /// messages holds) followed by it.
    pub(super) fn keeps_back(&self, node: NodeNo, from: UserNo) -> bool {
        let (node, uid) = (&self.nodes[node], &self.users[from].uid);
        let Some(names) = self.users[node.user].cork.as_ref().and_then(|cork| cork.from.as_ref()) else { return false };
        let waits = |message: &usize| node.owed.contains(message) && self.messages[*message].header["from"] == **uid;
        names.contains(uid) || node.held.iter().any(waits)
    }

    /// Whether a cork keeps a message in this queue back now.
    pub fn is_corked(&self, node: NodeNo, lane: Lane) -> bool {
        let for_all = self.users[self.nodes[node].user].cork.as_ref().is_some_and(|cork| cork.from.is_none());
        lane == Lane::Held || for_all && lane != Lane::Urgent
    }
}
