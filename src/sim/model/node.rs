//! Devices, and their live links.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Done, Fan, MessageNo, Model, NodeNo, Outcome, Refusal, UserNo};
use crate::sim::ask::{Part, Speaks};

/// A device.
#[derive(Clone, Debug)]
pub struct Node {
    /// Whose.
    pub user: UserNo,
    /// What the owner calls it.
    pub label: String,
    /// It is no more; only its number is left.
    pub dropped: bool,
    /// What it was sent or will be and has not acked, in the order of posting.
    pub owed: Vec<MessageNo>,
    /// What of this a cork keeps back, or has kept back, because of its sender; acked or not.
    pub held: BTreeSet<MessageNo>,
    /// Its live link, if it has one.
    pub link: Option<Link>,
}

/// A node's live link.
#[derive(Clone, Debug)]
pub struct Link {
    /// The draft.
    pub speaks: Speaks,
    pub(super) used_ohi: bool,
}

/// Which of a node's queues a message is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// Before all others.
    Urgent,
    /// Kept back because of its sender; when the cork is over, before what is normal.
    Held,
    /// In the order of posting.
    Normal,
}

impl Node {
    pub(super) fn new(user: UserNo, label: &str, link: Option<Link>) -> Node {
        let (owed, held) = Default::default();
        Node { user, label: label.to_owned(), dropped: false, owed, held, link }
    }
}

impl Model {
    /// Which of a node's queues a message is in.
    pub fn lane(&self, node: NodeNo, message: MessageNo) -> Lane {
        let node = &self.nodes[node];
        match () {
            () if self.messages[message].is_urgent() => Lane::Urgent,
            () if node.held.contains(&message) => Lane::Held,
            () => Lane::Normal,
        }
    }

    /// A new node, which starts with what waits for another one. One that the operator makes may be for who has lost another: it
    /// alone is told its secret.
    pub(super) fn new_node(&mut self, user: UserNo, node: Option<NodeNo>, label: &str, tells_all: bool) -> Outcome {
        let mut to = self.nodes_of(user);
        if to.len() >= self.settings.quotas.nodes {
            return Err(Refusal::Any);
        }
        let new = self.nodes.len();
        if !tells_all {
            to.clear();
        }
        if self.readings.new_node_is_told {
            to.insert(new);
        }
        let like = node.map_or_else(|| Node::new(user, label, None), |node| self.nodes[node].clone());
        self.nodes.push(Node { label: label.to_owned(), link: None, ..like });
        let header = json!({ "op": "user", "newnode": label, "nodeid": format!("secret of {new}") });
        Done::posted(self.post(user, header, &Part::default(), &Fan::surely(to)).0)
    }

    pub(super) fn drop_node(&mut self, user: UserNo, node: NodeNo, number: &str, uid: Option<&str>) -> Outcome {
        let owner = match uid {
            Some(uid) if self.users[user].admin => self.user(uid).ok_or(Refusal::Any)?,
            Some(_) => return Err(Refusal::Any),
            None => user,
        };
        let nodes = self.nodes_of(owner);
        let target = *nodes.iter().find(|node| node.to_string() == number).ok_or(Refusal::Any)?;
        if uid.is_none() && (target < node || nodes.len() == 1) {
            return Err(Refusal::Any);
        }
        Done::posted(self.lose_node(target))
    }

    /// A node is no more. Returns the news of it, which is for nobody if it was the last.
    pub(super) fn lose_node(&mut self, target: NodeNo) -> MessageNo {
        self.end(target);
        let node = &mut self.nodes[target];
        node.dropped = true;
        (node.owed, node.held) = Default::default();
        let (user, header) = (node.user, json!({ "op": "user", "dropnode": target.to_string(), "label": node.label }));
        let to = self.nodes_of(user);
        self.post(user, header, &Part::default(), &Fan::surely(to)).0
    }

    /// A user's nodes.
    pub fn nodes_of(&self, user: UserNo) -> BTreeSet<NodeNo> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].user == user && !self.nodes[*node].dropped).collect()
    }

    pub(super) fn others(&self, node: NodeNo) -> BTreeSet<NodeNo> {
        let mut nodes = self.nodes_of(self.nodes[node].user);
        nodes.remove(&node);
        nodes
    }
}
