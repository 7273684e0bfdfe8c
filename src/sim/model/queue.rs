//! How much waits for whom, what is missed for that, and what was acked.

use serde_json::json;

use super::{Fan, MessageNo, Model, NodeNo, UserNo};
use crate::limits::{WEIGHT_BASE, WEIGHT_STEP};
use crate::sim::ask::Part;

/// What a user with a full queue has missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missed {
    /// How many messages.
    pub count: u64,
    /// The first of them.
    pub first: MessageNo,
    /// The last of them.
    pub last: MessageNo,
}

impl Model {
    /// An ack of a message; what was not owed stays not owed. Whether it was.
    pub fn ack(&mut self, node: NodeNo, message: MessageNo) -> bool {
        let node = &mut self.nodes[node];
        let before = node.owed.len();
        node.owed.retain(|owed| *owed != message);
        node.owed.len() < before
    }

    /// The news of a login, which is a message like others: behind the backlog, for ids increase.
    pub fn announce(&mut self, node: NodeNo) {
        let (user, label) = (self.nodes[node].user, self.nodes[node].label.clone());
        self.post(user, json!({ "op": "login", "node": label }), &Part::default(), &Fan::surely(self.nodes_of(user)));
        self.tell_missed(user);
    }

    /// Whether a user has missed something, and a node that has acked something makes it known now.
    pub fn is_to_be_told(&self, user: UserNo) -> bool {
        self.users[user].missed.is_some() && !self.is_full(user)
    }

    /// Tells a user what was missed, if anything was.
    pub fn tell_missed(&mut self, user: UserNo) {
        let Some(Missed { count, first, last }) = self.users[user].missed.take() else { return };
        let header = json!({ "op": "missed", "number": count, "first": format!("id of {first}"), "last": format!("id of {last}") });
        self.post(user, header, &Part::default(), &Fan::surely(self.nodes_of(user)));
    }

    pub(super) fn miss(&mut self, user: UserNo, message: MessageNo) {
        let missed = self.users[user].missed.get_or_insert(Missed { count: 0, first: message, last: message });
        missed.count += 1;
        missed.last = message;
    }

    /// How many messages a node owes acks for, and their octets.
    pub fn load(&self, node: NodeNo) -> (u64, u64) {
        let owed = &self.nodes[node].owed;
        let weight = |message: &MessageNo| WEIGHT_BASE + (self.messages[*message].data.len() as u64).next_multiple_of(WEIGHT_STEP);
        (owed.len() as u64, owed.iter().map(weight).sum())
    }

    /// Whether a user's queue is full.
    pub fn is_full(&self, user: UserNo) -> bool {
        if let Some(full) = &self.full {
            return full.contains(&user);
        }
        let quotas = &self.settings.quotas;
        self.nodes_of(user)
            .into_iter()
            .map(|node| self.load(node))
            .any(|(count, octets)| count >= quotas.queue_messages as u64 || octets >= quotas.queue_bytes)
    }
}
