//! Messages: to whom they go, and what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};

use super::{Done, MessageNo, Model, NodeNo, Outcome, Refusal, UserNo};
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
    /// For which of them a cork kept it back.
    pub held: BTreeSet<NodeNo>,
}

impl Message {
    /// Whether it overtakes all others: news of one's own account.
    pub fn is_urgent(&self) -> bool {
        self.header["op"] == "user"
    }
}

/// For whom a message is.
#[derive(Clone, Debug, Default)]
pub struct Fan {
    /// These get it.
    pub sure: BTreeSet<NodeNo>,
    /// These do if the queue of their user is not full.
    pub perhaps: BTreeSet<NodeNo>,
}

impl Fan {
    pub(super) fn surely(sure: BTreeSet<NodeNo>) -> Fan {
        Fan { sure, perhaps: BTreeSet::new() }
    }

    pub(super) fn perhaps(perhaps: BTreeSet<NodeNo>) -> Fan {
        Fan { sure: BTreeSet::new(), perhaps }
    }
}

/// Whom a list of recipients names.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    fan: Fan,
    /// Members of groups, and the aliases under which these list them.
    members: BTreeMap<UserNo, BTreeSet<String>>,
    /// The same for groups that do not show the sender who is in them.
    hidden: BTreeSet<(String, UserNo)>,
    /// Those of them who have blocked the sender, and whose queue is full: they are told of like the others.
    pretended: BTreeSet<UserNo>,
}

impl Named {
    /// The aliases of those who miss it, and of those of whom that is said.
    fn full(self, missing: &BTreeSet<UserNo>) -> Vec<BTreeSet<String>> {
        let told = |user: &UserNo| missing.contains(user) || self.pretended.contains(user);
        let named = self.members.into_iter().filter(|(user, _)| told(user)).map(|(_, aliases)| aliases);
        named.chain(self.hidden.iter().filter(|(_, user)| told(user)).map(|_| BTreeSet::new())).collect()
    }
}

impl Model {
    pub(super) fn post_data(&mut self, user: UserNo, node: NodeNo, to: &[(String, u8)], part: &Part) -> Outcome {
        let mut named = self.recipients(user, to)?;
        if part.octets.len() as u64 > self.settings.message_max {
            return Err(Refusal::Any);
        }
        named.fan.perhaps.extend(self.others(node));
        let (message, missing) = self.post(user, json!({ "op": "delivery" }), part, &named.fan);
        Ok(Done { message: Some(message), full: named.full(&missing), result: None })
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
        let both = [self.recipients(user, to), self.recipients(user, note_to)];
        Refusal::first(&both.iter().filter_map(|named| named.as_ref().err().cloned()).collect::<Vec<_>>())?;
        let [mut named, also] = both.map(|named| named.expect("it was just looked at"));
        if (note.octets.len() + part.octets.len()) as u64 > self.settings.message_max {
            return Err(Refusal::Any);
        }
        let mut whole = named.fan.clone();
        if !not_self {
            whole.perhaps.extend(&others);
        }
        named.fan.sure.extend(also.fan.sure);
        named.fan.perhaps.extend(&also.fan.perhaps | &others);
        for (user, aliases) in also.members {
            named.members.entry(user).or_default().extend(aliases);
        }
        named.hidden.extend(also.hidden);
        named.pretended.extend(also.pretended);
        let (message, mut missing) = self.post(user, json!({ "op": "delivery", "notify": count }), part, &whole);
        let header = json!({ "op": "notify", "postid": format!("id of {message}") });
        missing.extend(self.post(user, header, note, &named.fan).1);
        Ok(Done { message: Some(message), full: named.full(&missing), result: None })
    }

    /// The nodes that a list of recipients names.
    pub(super) fn recipients(&self, user: UserNo, list: &[(String, u8)]) -> Result<Named, Refusal> {
        let (mut named, mut troubles) = (Named::default(), Vec::new());
        for (id, kind) in list {
            if *kind == 1 {
                match self.user_for(user, id) {
                    Ok(other) if self.is_full(other) => troubles.push(Refusal::Full),
                    Ok(other) => named.fan.sure.extend(self.nodes_of(other)),
                    Err(refusal) => troubles.push(refusal),
                }
                continue;
            }
            if !self.may_post(user, id) {
                troubles.push(Refusal::Any);
                continue;
            }
            let shows = self.may_look(user, id);
            for (other, member) in self.groups[id].joined() {
                if *kind == 3 && other == user {
                    continue;
                }
                if self.blocks(other, user) {
                    if !self.is_full(other) {
                        continue;
                    }
                    named.pretended.insert(other);
                } else {
                    named.fan.perhaps.extend(self.nodes_of(other));
                }
                if shows {
                    named.members.entry(other).or_default().insert(member.alias.clone());
                } else {
                    named.hidden.insert((id.clone(), other));
                }
            }
        }
        Refusal::first(&troubles).map(|()| named)
    }

    /// The newest message is kept back from these nodes, as the relay has found.
    pub fn hold(&mut self, held: &BTreeSet<NodeNo>) {
        let no = self.messages.len() - 1;
        let message = Rc::make_mut(&mut self.messages[no]);
        for node in &message.to {
            let _ = self.nodes[*node].held.remove(&no);
        }
        message.held = held.clone();
        for node in held {
            self.nodes[*node].held.insert(no);
        }
    }

    /// Puts a message into the queues of these nodes. Returns it, and the users who miss it.
    pub(super) fn post(&mut self, from: UserNo, mut header: Value, part: &Part, fan: &Fan) -> (MessageNo, BTreeSet<UserNo>) {
        header["from"] = json!(self.users[from].uid);
        header["datalen"] = json!(part.octets.len());
        if part.head > 0 {
            header["datahead"] = json!(part.head);
        }
        if part.sum > 0 {
            header["datasum"] = json!(part.sum);
        }
        let no = self.messages.len();
        let mut to = fan.sure.clone();
        let mut missing = BTreeSet::new();
        for node in fan.perhaps.difference(&fan.sure) {
            let user = self.nodes[*node].user;
            if self.is_full(user) {
                missing.insert(user)
            } else {
                to.insert(*node)
            };
        }
        let mut message = Message { header, data: part.octets.clone(), to, held: BTreeSet::new() };
        if !message.is_urgent() {
            message.held = message.to.iter().copied().filter(|node| self.keeps_back(*node, from)).collect();
        }
        for node in &message.to {
            self.nodes[*node].owed.push(no);
        }
        for node in &message.held {
            self.nodes[*node].held.insert(no);
        }
        self.messages.push(Rc::new(message));
        missing.iter().for_each(|user| self.miss(*user, no));
        (no, missing)
    }
}
