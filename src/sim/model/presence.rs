//! Who shows to whom that they are here.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Done, Fan, Model, NodeNo, Outcome, Refusal, UserNo};
use crate::sim::ask::{Part, Speaks};

/// Presence that is told to a node that is online.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Told {
    /// Which node is told.
    pub node: NodeNo,
    /// Who came or went.
    pub user: UserNo,
    /// 1 is here, 2 is not.
    pub status: u8,
}

impl Model {
    /// The users who show to this one that they are here, and reach it.
    pub fn seen_by(&self, user: UserNo) -> Vec<UserNo> {
        self.shown_to(user).into_iter().filter(|other| self.reaches(*other, user)).collect()
    }

    /// The users who show to this one that they are here, whether it wants to see that or not.
    pub(super) fn shown_to(&self, user: UserNo) -> Vec<UserNo> {
        (0..self.users.len()).filter(|other| self.users[*other].shown_to.contains(&user)).collect()
    }

    pub(super) fn ohi(&mut self, user: UserNo, node: NodeNo, to: &[String], act: &str) -> Outcome {
        let unknown = |uid: &String| Refusal::Unknown("user", uid.clone());
        let found: Vec<_> = to.iter().map(|uid| self.user(uid).ok_or_else(|| unknown(uid))).collect();
        Refusal::first(&found.iter().filter_map(|other| other.as_ref().err().cloned()).collect::<Vec<_>>())?;
        let named: BTreeSet<UserNo> = found.into_iter().flatten().collect();
        let link = self.nodes[node].link.as_mut().expect("it is online");
        let first = !std::mem::replace(&mut link.used_ohi, true);
        let quiet = act == "init" || (first && link.speaks == Speaks::Draft2018);
        let old = self.users[user].shown_to.clone();
        let new = match act {
            "drop" => &old - &named,
            "init" if self.readings.init_replaces => named,
            _ => &old | &named,
        };
        self.users[user].shown_to = new.clone();
        self.tell(user, &(&new - &old), 1);
        self.tell(user, &(&old - &new), 2);
        let list: Vec<Value> = to.iter().map(|uid| json!({ "Id": uid, "Type": 0 })).collect();
        let header = json!({ "op": "ohiedit", "for": list, "type": act });
        // What is so already is told to nobody, the own nodes included.
        if quiet || new == old {
            return Done::nothing();
        }
        Done::posted(self.post(user, header, &Part::default(), &Fan::surely(self.nodes_of(user))).0)
    }

    /// A link that has used OhiEdit is gone; if it was the last of its user, nobody sees the user any more.
    pub(super) fn hide(&mut self, user: UserNo) {
        let others = self.nodes.iter().any(|n| n.user == user && n.link.as_ref().is_some_and(|link| link.used_ohi));
        if !others {
            let shown = std::mem::take(&mut self.users[user].shown_to);
            self.tell(user, &shown, 2);
        }
    }

    /// Presence, to those who are online now and whom the user reaches.
    fn tell(&mut self, user: UserNo, to: &BTreeSet<UserNo>, status: u8) {
        let reached = to.iter().copied().filter(|other| self.reaches(user, *other)).collect();
        self.show(user, &reached, status);
    }

    /// Presence, to those who are online now.
    pub(super) fn show(&mut self, user: UserNo, to: &BTreeSet<UserNo>, status: u8) {
        let online = |node: &NodeNo| self.nodes[*node].link.is_some() && to.contains(&self.nodes[*node].user);
        self.told.extend((0..self.nodes.len()).filter(online).map(|node| Told { node, user, status }));
    }
}
