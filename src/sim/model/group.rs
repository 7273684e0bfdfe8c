//! Groups, and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Model, NodeNo, Outcome, UserNo};
use crate::sim::ask::Part;

/// How a user stands to a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the protocol's words")]
pub enum Standing {
    Invited,
    Joined,
    Barred,
}

/// A group's members, each with the alias by which it is listed.
pub type Group = BTreeMap<UserNo, (Standing, String)>;

impl Model {
    pub(super) fn invite(&mut self, user: UserNo, node: NodeNo, gid: &str, from: Option<&str>, to: &str, text: &Part) -> Outcome {
        let guest = self.owner(to)?;
        if guest == user || from.is_some_and(|from| self.owner(from) != Ok(user)) {
            return Err("");
        }
        match self.groups.get(gid) {
            None => {
                self.free(gid, "gid must be 8+ characters")?;
                let alias = from.expect("who makes a group says by which alias").to_owned();
                self.groups.insert(gid.to_owned(), BTreeMap::from([(user, (Standing::Joined, alias))]));
            }
            Some(group) if standing(group, user) != Some(Standing::Joined) || standing(group, guest) == Some(Standing::Joined) => {
                return Err("");
            }
            Some(_) => {}
        }
        self.groups.get_mut(gid).expect("it is there by now").insert(guest, (Standing::Invited, to.to_owned()));
        let mut header = json!({ "op": "invite", "gid": gid, "to": to });
        if let Some(from) = from {
            header["alias"] = json!(from);
        }
        let message = self.post(user, header, text, &(&self.nodes_of(guest) | &self.others(node)));
        let header = json!({ "op": "member", "act": "invite", "gid": gid, "alias": to });
        self.post(user, header, &Part::default(), &self.joined(gid));
        Ok(Some(message))
    }

    pub(super) fn group_edit(&mut self, user: UserNo, gid: &str, act: &str, to: Option<&str>, newalias: Option<&str>) -> Outcome {
        if newalias.is_some_and(|name| self.owner(name) != Ok(user)) {
            return Err("");
        }
        let group = self.groups.get_mut(gid).ok_or("")?;
        let (mine, alias) = group.get(&user).cloned().filter(|(mine, _)| *mine != Standing::Barred).ok_or("")?;
        let mut header = json!({ "op": "member", "act": act, "gid": gid, "alias": alias });
        let mut dropped = BTreeSet::new();
        match act {
            "join" if mine == Standing::Joined => return Ok(None),
            "join" => group.insert(user, (Standing::Joined, newalias.map_or(alias, str::to_owned))),
            "alias" if mine == Standing::Invited && !self.readings.invitee_changes_alias => return Err(""),
            "alias" => group.insert(user, (mine, newalias.expect("it is required").to_owned())),
            _ => {
                let to = to.expect("it is required");
                let who = *group.iter().find(|(_, (_, listed))| listed == to).ok_or("")?.0;
                let becomes = if who == user { Standing::Invited } else { Standing::Barred };
                if who != user && mine != Standing::Joined {
                    return Err("");
                }
                header["alias"] = json!(to);
                dropped = self.nodes.iter().enumerate().filter(|(_, node)| node.user == who).map(|(no, _)| no).collect();
                group.insert(who, (becomes, to.to_owned()))
            }
        };
        if let Some(name) = newalias {
            header["newalias"] = json!(name);
        }
        Ok(Some(self.post(user, header, &Part::default(), &(&self.joined(gid) | &dropped))))
    }

    /// The groups in which a user has any standing.
    pub fn groups_of(&self, user: UserNo) -> Vec<&str> {
        self.groups.iter().filter(|(_, group)| group.contains_key(&user)).map(|(gid, _)| gid.as_str()).collect()
    }

    /// The aliases by which a group's members are listed.
    pub fn listed(&self, gid: &str) -> Vec<&str> {
        self.groups.get(gid).into_iter().flatten().map(|(_, (_, alias))| alias.as_str()).collect()
    }

    /// Whether there is such a group.
    pub fn has_group(&self, gid: &str) -> bool {
        self.groups.contains_key(gid)
    }

    /// The nodes of a group's joined members.
    pub fn joined(&self, gid: &str) -> BTreeSet<NodeNo> {
        let group = &self.groups[gid];
        (0..self.nodes.len()).filter(|node| standing(group, self.nodes[*node].user) == Some(Standing::Joined)).collect()
    }
}

/// How a user stands to a group, if in any way.
pub fn standing(group: &Group, user: UserNo) -> Option<Standing> {
    group.get(&user).map(|(standing, _)| *standing)
}
