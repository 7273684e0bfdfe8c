//! Devices, and their live links.

use std::collections::BTreeSet;

use serde_json::json;

use super::{MessageNo, Model, NodeNo, Outcome, UserNo};
use crate::limits::NODES_MAX;
use crate::sim::ask::{Part, Speaks};

/// A device.
#[derive(Clone, Debug)]
pub struct Node {
    /// Whose.
    pub user: UserNo,
    /// What the owner calls it.
    pub label: String,
    /// What it was sent or will be and has not acked, in the order of posting.
    pub owed: Vec<MessageNo>,
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

impl Model {
    pub(super) fn new_node(&mut self, user: UserNo, node: NodeNo, label: &str) -> Outcome {
        let mut to = self.nodes_of(user);
        if to.len() >= NODES_MAX {
            return Err("");
        }
        let new = self.nodes.len();
        if self.readings.new_node_is_told {
            to.insert(new);
        }
        self.nodes.push(Node { user, label: label.to_owned(), owed: self.nodes[node].owed.clone(), link: None });
        let header = json!({ "op": "user", "newnode": label, "nodeid": format!("secret of {new}") });
        Ok(Some(self.post(user, header, &Part::default(), &to)))
    }

    /// A user's nodes.
    pub fn nodes_of(&self, user: UserNo) -> BTreeSet<NodeNo> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].user == user).collect()
    }

    pub(super) fn others(&self, node: NodeNo) -> BTreeSet<NodeNo> {
        let mut nodes = self.nodes_of(self.nodes[node].user);
        nodes.remove(&node);
        nodes
    }
}
