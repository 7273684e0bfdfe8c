//! What a member may ask for.

use serde_json::{Value, json};

use super::name::time;
use super::{Done, Listing, Member, Model, NodeNo, Outcome, Refusal, Standing, Tally, UserNo};
use crate::record::Role;

impl Model {
    pub(super) fn list(&self, user: UserNo, node: NodeNo, what: &str, cursor: Option<&str>, gid: Option<&str>) -> Outcome {
        let me = &self.users[user];
        let mut ordered = true;
        let entries: Vec<Value> = match what {
            "account" => vec![json!({ "admin": me.admin.then_some(true), "role": word(me.role), "uid": me.uid })],
            "nodes" => self.nodes_of(user).into_iter().map(|no| self.node_entry(no, node)).collect(),
            "aliases" => {
                let known = me.aliases.iter();
                known.map(|alias| json!({ "alias": alias.name, "uses": alias.uses, "expires": alias.expires.map(time) })).collect()
            }
            "groups" => {
                ordered = false;
                self.group_entries(user)
            }
            "roster" => {
                ordered = false;
                self.roster(user, gid.expect("it is required"))?
            }
            "queue" => self.nodes_of(user).into_iter().map(|no| self.queue_entry(no)).collect(),
            "limits" => self.limit_entries(user),
            "policy" => {
                let act = |act: &'static str, uid: &String| json!({ "act": act, "uid": uid });
                let blocked = me.reach.block.iter().map(|uid| act("block", uid));
                let mut all: Vec<Value> = blocked.chain(me.reach.allow.iter().map(|uid| act("allow", uid))).collect();
                all.sort_by_key(|entry| entry["uid"].to_string());
                all.insert(0, json!({ "policy": if me.reach.strict { "none" } else { "any" } }));
                all
            }
            "cork" => {
                let until = json!({ "until": time(me.cork.until) });
                let names = me.cork.names.iter().filter(|_| !me.cork.all).map(|uid| json!({ "uid": uid }));
                std::iter::once(until).chain(names).filter(|_| me.cork.holds(self.now)).collect()
            }
            "invites" => {
                ordered = false;
                let good = self.site.codes.iter().filter(|code| code.maker == Some(user) && code.is_good(self.now));
                good.map(|code| json!({ "expires": code.expires.map(time), "gid": code.groups.first(), "uses": code.uses })).collect()
            }
            _ => return Err(Refusal::Any),
        };
        if cursor.is_some() {
            return Err(Refusal::Any);
        }
        let mut entries = entries;
        entries.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| entry.retain(|_, value| !value.is_null()));
        Ok(Done { result: Some(Listing { what: what.to_owned(), entries, ordered }), ..Done::default() })
    }

    fn node_entry(&self, no: NodeNo, own: NodeNo) -> Value {
        let node = &self.nodes[no];
        let flag = |is: bool| is.then_some(true);
        json!({ "label": node.label, "node": no.to_string(), "online": flag(node.link.is_some()), "self": flag(no == own) })
    }

    fn queue_entry(&self, no: NodeNo) -> Value {
        let (count, octets) = self.load(no);
        json!({ "bytes": octets, "count": count, "label": self.nodes[no].label, "node": no.to_string() })
    }

    fn group_entries(&self, user: UserNo) -> Vec<Value> {
        let mut entries = Vec::new();
        for (gid, group) in &self.groups {
            let Some(member) = group.members.get(&user).filter(|member| member.standing != Standing::Barred) else { continue };
            let moderator = member.moderator.then_some(true);
            let (alias, standing, rules) = (&member.alias, standing_word(member.standing), &group.rules);
            entries.push(json!({ "alias": alias, "gid": gid, "invite": rules.invite, "moderator": moderator, "post": rules.post,
                "roster": rules.roster, "standing": standing }));
        }
        entries
    }

    fn roster(&self, user: UserNo, gid: &str) -> Result<Vec<Value>, Refusal> {
        if !self.may_look(user, gid) {
            return Err(Refusal::Unknown("group", gid.to_owned()));
        }
        let group = &self.groups[gid];
        let shown = group.members.iter().filter(|(_, member)| member.standing != Standing::Barred || group.is_moderated_by(user));
        let entry = |(_, member): (&UserNo, &Member)| {
            let moderator = member.moderator.then_some(true);
            json!({ "alias": member.alias, "moderator": moderator, "standing": standing_word(member.standing) })
        };
        Ok(shown.map(entry).collect())
    }

    fn limit_entries(&self, user: UserNo) -> Vec<Value> {
        let (me, quotas) = (&self.users[user], &self.settings.quotas);
        let recent = |list: &[u64]| Tally::recent(list, self.now).len() as u64;
        let codes = self.site.codes.iter().filter(|code| code.maker == Some(user) && code.is_good(self.now)).count() as u64;
        let nodes = self.nodes_of(user);
        let loads: Vec<(u64, u64)> = nodes.iter().map(|node| self.load(*node)).collect();
        let most = |part: fn(&(u64, u64)) -> u64| loads.iter().map(part).max().unwrap_or(0);
        let rows = [
            ("aliases", quotas.aliases as u64, me.aliases.len() as u64),
            ("failed_pings", quotas.failed_pings as u64, recent(&me.tally.failed)),
            ("groups", quotas.groups as u64, self.joined_count(user) as u64),
            ("invites", quotas.member_invites as u64, codes),
            ("nodes", quotas.nodes as u64, nodes.len() as u64),
            ("pings", quotas.pings as u64, recent(&me.tally.accepted)),
            ("queue_bytes", quotas.queue_bytes, most(|load| load.1)),
            ("queue_messages", quotas.queue_messages as u64, most(|load| load.0)),
        ];
        rows.map(|(limit, max, used)| json!({ "limit": limit, "max": max, "used": used })).to_vec()
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Full => "full",
        Role::Receive => "receive",
        Role::Suspended => "suspended",
    }
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Invited => "invited",
        Standing::Joined => "joined",
        Standing::Barred => "barred",
    }
}
