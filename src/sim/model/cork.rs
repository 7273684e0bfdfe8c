//! What a member wants kept back.

use std::collections::BTreeSet;

use super::{Done, Lane, Model, Nanos, NodeNo, Outcome, Refusal, UserNo};
use crate::base::Uid;

/// A cork, perhaps one that is over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cork {
    /// Until when.
    pub until: Nanos,
    /// From everybody.
    pub all: bool,
    /// Uids of those from whom.
    pub names: BTreeSet<String>,
}

impl Cork {
    /// Whether it keeps anything back at that time.
    pub fn holds(&self, now: Nanos) -> bool {
        self.until > now
    }
}

impl Model {
    pub(super) fn set_cork(&mut self, user: UserNo, until: Option<&str>, from: &[String]) -> Outcome {
        let Some(until) = until else {
            self.users[user].cork.until = 0;
            return Done::nothing();
        };
        let until = self.limit(until)?;
        if from.iter().any(|uid| Uid::parse(uid).is_none()) {
            return Err(Refusal::Any);
        }
        let mut names: BTreeSet<String> = from.iter().cloned().collect();
        let all = names.is_empty();
        let old = &self.users[user].cork;
        // What was kept back must not be overtaken.
        let something_waits = self.nodes_of(user).into_iter().any(|node| self.has_held(node));
        if something_waits || !all && old.holds(self.now) && !old.all {
            names.extend(old.names.iter().cloned());
        }
        self.users[user].cork = Cork { until, all, names };
        Done::nothing()
    }

    /// Whether a node has yet to ack what a cork keeps or has kept back.
    fn has_held(&self, node: NodeNo) -> bool {
        let node = &self.nodes[node];
        node.owed.iter().any(|message| node.held.contains(message))
    }

    /// Whether a new message of this user is kept back from a node because of its sender.
    pub(super) fn keeps_back(&self, node: NodeNo, from: UserNo) -> bool {
        let user = self.nodes[node].user;
        let cork = &self.users[user].cork;
        // As long as something waits, later messages must not overtake it during another cork.
        let holds = cork.holds(self.now) || self.nodes_of(user).into_iter().any(|node| self.has_held(node));
        holds && cork.names.contains(&self.users[from].uid)
    }

    /// Whether a cork keeps back what is in this queue of a node now.
    pub fn is_corked(&self, node: NodeNo, lane: Lane) -> bool {
        let cork = &self.users[self.nodes[node].user].cork;
        cork.holds(self.now) && (lane == Lane::Held || cork.all && lane == Lane::Normal)
    }
}
