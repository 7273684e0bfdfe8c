//! Messages: to whom they go, and what they say.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};

use super::{MessageNo, Model, NodeNo, Outcome, Standing, UserNo, standing};
use crate::sim::ask::Part;

/// A message: a header without id, date and sum, and the data. A new node's secret and a post's id are named by number.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it says.
    pub header: Value,
    /// What it carries.
    pub data: Vec<u8>,
    /// Who got it when it was posted.
    pub to: BTreeSet<NodeNo>,
}

impl Message {
    /// Whether it overtakes all others: news of one's own account.
    pub fn is_urgent(&self) -> bool {
        self.header["op"] == "user"
    }
}

impl Model {
    pub(super) fn post_data(&mut self, user: UserNo, node: NodeNo, to: &[(String, u8)], part: &Part) -> Outcome {
        let to = &self.recipients(user, to)? | &self.others(node);
        if part.octets.len() > self.message_max {
            return Err("");
        }
        Ok(Some(self.post(user, json!({ "op": "delivery" }), part, &to)))
    }

    pub(super) fn post_notify(
        &mut self,
        user: UserNo,
        node: NodeNo,
        [to, note_to]: [&[(String, u8)]; 2],
        not_self: bool,
        [note, part]: [&Part; 2],
    ) -> Outcome {
        let (count, others) = (to.len() + note_to.len() + usize::from(!not_self), self.others(node));
        let (to, note_to) = (self.recipients(user, to)?, self.recipients(user, note_to)?);
        if note.octets.len() + part.octets.len() > self.message_max {
            return Err("");
        }
        let whole = if not_self { to.clone() } else { &to | &others };
        let message = self.post(user, json!({ "op": "delivery", "notify": count }), part, &whole);
        let header = json!({ "op": "notify", "postid": format!("id of {message}") });
        self.post(user, header, note, &(&(&to | &note_to) | &others));
        Ok(Some(message))
    }

    /// The nodes that a list of recipients names.
    pub(super) fn recipients(&self, user: UserNo, list: &[(String, u8)]) -> Result<BTreeSet<NodeNo>, &'static str> {
        let mut nodes = BTreeSet::new();
        for (id, kind) in list {
            if *kind == 1 {
                nodes.extend(self.nodes_of(self.user(id)?));
                continue;
            }
            let group = self.groups.get(id).ok_or("")?;
            if !matches!(standing(group, user), Some(Standing::Invited | Standing::Joined)) {
                return Err("");
            }
            nodes.extend(self.joined(id).into_iter().filter(|node| *kind == 2 || self.nodes[*node].user != user));
        }
        Ok(nodes)
    }

    /// Puts a message into the queues of these nodes.
    pub(super) fn post(&mut self, from: UserNo, mut header: Value, part: &Part, to: &BTreeSet<NodeNo>) -> MessageNo {
        header["from"] = json!(self.users[from].uid);
        header["datalen"] = json!(part.octets.len());
        if part.head > 0 {
            header["datahead"] = json!(part.head);
        }
        if part.sum > 0 {
            header["datasum"] = json!(part.sum);
        }
        self.messages.push(Rc::new(Message { header, data: part.octets.clone(), to: to.clone() }));
        let message = self.messages.len() - 1;
        to.iter().for_each(|node| self.nodes[*node].owed.push(message));
        message
    }
}
