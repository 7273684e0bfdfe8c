//! Groups, who is in them, and who may do what in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Done, Fan, Model, NodeNo, Outcome, Refusal, UserNo};
use crate::record::Role;
use crate::sim::ask::Part;

/// How a user stands to a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the protocol's words")]
pub enum Standing {
    Invited,
    Joined,
    Barred,
}

/// A user in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// How the user stands to it.
    pub standing: Standing,
    /// The alias by which it lists the user.
    pub alias: String,
    /// Whether the user was made, or has made itself, its moderator.
    pub moderator: bool,
}

/// Who may do what in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the protocol's words")]
pub struct Rules {
    pub invite: &'static str,
    pub post: &'static str,
    pub roster: &'static str,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// In the order of their making.
    pub no: usize,
    /// Everybody who stands to it in some way.
    pub members: BTreeMap<UserNo, Member>,
    /// Who may do what.
    pub rules: Rules,
    /// Whether a moderator has decided anything.
    pub managed: bool,
}

impl Group {
    /// Who has joined.
    pub fn joined(&self) -> impl Iterator<Item = (UserNo, &Member)> {
        self.members.iter().filter(|(_, member)| member.standing == Standing::Joined).map(|(user, member)| (*user, member))
    }

    /// How many have joined or are invited.
    pub(super) fn size(&self) -> usize {
        self.members.values().filter(|member| member.standing != Standing::Barred).count()
    }

    /// Whether a user may do what moderators may.
    pub fn is_moderated_by(&self, user: UserNo) -> bool {
        let nobody = self.joined().all(|(_, member)| !member.moderator);
        self.joined().any(|(other, member)| other == user && (member.moderator || nobody))
    }

    /// Whether a user is the only one who was made its moderator.
    fn is_last_moderator(&self, user: UserNo) -> bool {
        let mut moderators = self.joined().filter(|(_, member)| member.moderator).map(|(user, _)| user);
        moderators.next() == Some(user) && moderators.next().is_none()
    }
}

/// How a user stands to a group, if in any way.
pub fn standing(group: &Group, user: UserNo) -> Option<Standing> {
    group.members.get(&user).map(|member| member.standing)
}

impl Model {
    pub(super) fn invite(&mut self, user: UserNo, node: NodeNo, gid: &str, from: Option<&str>, to: &str, text: &Part) -> Outcome {
        let mut troubles = Vec::new();
        let mut wrong = |is: bool| troubles.extend(is.then_some(Refusal::Any));
        wrong(from.is_some_and(|from| self.owner(from) != Some(user)));
        // Who asks in a wrong name learns nothing, and nothing is counted.
        let found = if troubles.is_empty() { Ok(self.reach(user, to)?) } else { self.owner_for(user, to) };
        let mut wrong = |is: bool| troubles.extend(is.then_some(Refusal::Any));
        wrong(found == Ok(user));
        wrong(self.groups.contains_key(gid) && !self.may_invite(user, gid));
        let quotas = &self.settings.quotas;
        if let (Some(group), Ok(guest)) = (self.groups.get(gid), &found) {
            let now = standing(group, *guest);
            wrong(now == Some(Standing::Joined) || now != Some(Standing::Invited) && group.size() >= quotas.group_members);
        }
        if !self.groups.contains_key(gid) {
            wrong(self.joined_count(user) >= quotas.groups || quotas.group_members < 2);
            troubles.extend(self.free(gid, None, "gid").err());
        }
        match &found {
            Ok(guest) => troubles.extend(self.is_full(*guest).then_some(Refusal::Full)),
            Err(refusal) => troubles.push(refusal.clone()),
        }
        Refusal::first(&troubles)?;
        let guest = found?;
        if !self.groups.contains_key(gid) {
            self.found(user, gid, from.expect("who makes a group says by which alias"));
        }
        self.admit(gid, guest, to);
        let mut header = json!({ "op": "invite", "gid": gid, "to": to });
        if let Some(from) = from {
            header["alias"] = json!(from);
        }
        let fan = Fan { sure: self.nodes_of(guest), perhaps: self.others(node) };
        let message = self.post(user, header, text, &fan).0;
        self.tell_group(user, gid, json!({ "op": "member", "act": "invite", "gid": gid, "alias": to }), &BTreeSet::new());
        self.use_alias(to);
        Done::posted(message)
    }

    fn found(&mut self, user: UserNo, gid: &str, alias: &str) {
        let founder = Member { standing: Standing::Joined, alias: alias.to_owned(), moderator: true };
        let rules = Rules { invite: "members", post: "members", roster: "members" };
        let group = Group { no: self.groups.len(), members: BTreeMap::from([(user, founder)]), rules, managed: false };
        self.groups.insert(gid.to_owned(), group);
    }

    /// Somebody is invited from now on.
    pub(super) fn admit(&mut self, gid: &str, guest: UserNo, alias: &str) {
        let member = Member { standing: Standing::Invited, alias: alias.to_owned(), moderator: false };
        self.groups.get_mut(gid).expect("it is there").members.insert(guest, member);
    }

    /// News of a group, to those who joined and to these nodes.
    pub(super) fn tell_group(&mut self, user: UserNo, gid: &str, header: serde_json::Value, and: &BTreeSet<NodeNo>) -> usize {
        self.post(user, header, &Part::default(), &Fan::perhaps(&self.joined(gid) | and)).0
    }

    pub(super) fn group_edit(&mut self, user: UserNo, gid: &str, act: &str, to: Option<&str>, newalias: Option<&str>) -> Outcome {
        if newalias.is_some_and(|name| self.owner(name) != Some(user)) {
            return Err(Refusal::Any);
        }
        let (count, most) = (self.joined_count(user), self.settings.quotas.groups);
        let group = self.groups.get_mut(gid).ok_or(Refusal::Any)?;
        let mine = group.members.get(&user).cloned().filter(|mine| mine.standing != Standing::Barred).ok_or(Refusal::Any)?;
        let mut header = json!({ "op": "member", "act": act, "gid": gid, "alias": mine.alias });
        let mut dropped = BTreeSet::new();
        match act {
            "join" if mine.standing == Standing::Joined => return Done::nothing(),
            "join" if count >= most => return Err(Refusal::Any),
            "join" => {
                let alias = newalias.map_or(mine.alias, str::to_owned);
                group.members.insert(user, Member { standing: Standing::Joined, alias, moderator: false });
            }
            "alias" if mine.standing == Standing::Invited && !self.readings.invitee_changes_alias => return Err(Refusal::Any),
            "alias" => {
                group.members.insert(user, Member { alias: newalias.expect("it is required").to_owned(), ..mine });
            }
            _ => {
                let to = to.expect("it is required");
                let who = *group.members.iter().find(|(_, member)| member.alias == to).ok_or(Refusal::Any)?.0;
                if who == user {
                    if group.managed && group.is_last_moderator(user) && group.joined().count() > 1 {
                        return Err(Refusal::Any);
                    }
                } else if mine.standing != Standing::Joined || group.managed && !group.is_moderated_by(user) {
                    return Err(Refusal::Any);
                }
                let standing = if who == user { Standing::Invited } else { Standing::Barred };
                group.members.insert(who, Member { standing, alias: to.to_owned(), moderator: false });
                header["alias"] = json!(to);
                dropped = self.nodes_of(who);
            }
        }
        if let Some(name) = newalias {
            header["newalias"] = json!(name);
        }
        Done::posted(self.tell_group(user, gid, header, &dropped))
    }

    pub(super) fn set_rules(&mut self, user: UserNo, gid: &str, [invite, post, roster]: [Option<&'static str>; 3]) -> Outcome {
        let means = |word: Option<&str>, known: &[&str]| word.is_none_or(|word| known.contains(&word));
        let all = ["members", "moderators", "anyone"];
        let group = self.groups.get_mut(gid).filter(|group| group.is_moderated_by(user)).ok_or(Refusal::Any)?;
        if !means(invite, &all[..2]) || !means(post, &all) || !means(roster, &all) {
            return Err(Refusal::Any);
        }
        let mut header = json!({ "op": "member", "act": "set", "gid": gid, "alias": group.members[&user].alias });
        let rules = [
            ("invite", &mut group.rules.invite, invite),
            ("post", &mut group.rules.post, post),
            ("roster", &mut group.rules.roster, roster),
        ];
        for (key, rule, new) in rules {
            if let Some(new) = new {
                *rule = new;
                header[key] = json!(new);
            }
        }
        group.managed = true;
        Done::posted(self.tell_group(user, gid, header, &BTreeSet::new()))
    }

    pub(super) fn set_moderator(&mut self, user: UserNo, gid: &str, to: &str, role: &str) -> Outcome {
        let group = self.groups.get_mut(gid).filter(|group| group.is_moderated_by(user)).ok_or(Refusal::Any)?;
        let whom = group.joined().find(|(_, member)| member.alias == to).map(|(user, _)| user).ok_or(Refusal::Any)?;
        let moderator = match role {
            "moderator" => true,
            "member" => false,
            _ => return Err(Refusal::Any),
        };
        if group.members[&whom].moderator == moderator {
            return Done::nothing();
        }
        if group.is_last_moderator(whom) {
            return Err(Refusal::Any);
        }
        group.members.get_mut(&whom).expect("it was just found").moderator = moderator;
        group.managed = true;
        let header = json!({ "op": "member", "act": "moderator", "gid": gid, "alias": to, "role": role });
        Done::posted(self.tell_group(user, gid, header, &BTreeSet::new()))
    }

    /// Whether a user may invite to a group.
    pub(super) fn may_invite(&self, user: UserNo, gid: &str) -> bool {
        self.groups.get(gid).is_some_and(|group| match group.rules.invite {
            "moderators" => group.is_moderated_by(user),
            _ => standing(group, user) == Some(Standing::Joined),
        })
    }

    /// Whether a user may post to a group.
    pub(super) fn may_post(&self, user: UserNo, gid: &str) -> bool {
        self.groups.get(gid).is_some_and(|group| match group.rules.post {
            "moderators" => group.is_moderated_by(user),
            "anyone" => self.users[user].role == Role::Full && standing(group, user) != Some(Standing::Barred),
            _ => matches!(standing(group, user), Some(Standing::Invited | Standing::Joined)),
        })
    }

    /// Whether a user may see who is in a group.
    pub(super) fn may_look(&self, user: UserNo, gid: &str) -> bool {
        self.groups.get(gid).is_some_and(|group| match group.rules.roster {
            "moderators" => group.is_moderated_by(user),
            "anyone" => standing(group, user) != Some(Standing::Barred),
            _ => standing(group, user) == Some(Standing::Joined),
        })
    }

    /// How many groups a user has joined.
    pub(super) fn joined_count(&self, user: UserNo) -> usize {
        self.groups.values().filter(|group| standing(group, user) == Some(Standing::Joined)).count()
    }

    /// The groups in which a user has any standing.
    pub fn groups_of(&self, user: UserNo) -> Vec<&str> {
        self.groups.iter().filter(|(_, group)| group.members.contains_key(&user)).map(|(gid, _)| gid.as_str()).collect()
    }

    /// The aliases by which a group's members are listed.
    pub fn listed(&self, gid: &str) -> Vec<&str> {
        self.groups.get(gid).into_iter().flat_map(|group| group.members.values()).map(|member| member.alias.as_str()).collect()
    }

    /// Whether there is such a group.
    pub fn has_group(&self, gid: &str) -> bool {
        self.groups.contains_key(gid)
    }

    /// The nodes of a group's joined members.
    pub fn joined(&self, gid: &str) -> BTreeSet<NodeNo> {
        self.groups[gid].joined().flat_map(|(user, _)| self.nodes_of(user)).collect()
    }
}
