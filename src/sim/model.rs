//! The protocol in small: what every member's devices are owed, told and refused, in plain lists, without a thought for speed,
//! disks or crashes. Written from the protocol alone.
//!
//! The simulator holds the relay against it request by request, through crashes and all; `tests/model.rs` adds windows and the
//! passing of time, and predicts each link's frames. A node has one link at most. Messages are numbered in the order of posting;
//! the relay's ids are bound to these numbers by whoever compares.
//!
//! Not in here: headers that cannot be read, most limits, uploads that take time, disks that
//! are full, third parties.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};

use super::ask::{Ask, Part, Speaks};
use crate::limits::{ALIASES_MAX, NODES_MAX};

/// A user's place in [`Model::users`].
pub type UserNo = usize;
/// A node's place in [`Model::nodes`].
pub type NodeNo = usize;
/// A message's place in [`Model::messages`].
pub type MessageNo = usize;

/// What the protocol leaves open, and the relay has to choose once and for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readings {
    /// Whether "all the user's nodes", which get the `user` message about a new node, include that new node.
    pub new_node_is_told: bool,
    /// Whether an `init` of presence hides the user from those whom it does not name.
    pub init_replaces: bool,
    /// Whether an alias that the user has already is acked, with nothing done, or taken like anybody's.
    pub own_alias_is_acked: bool,
    /// Whether who is only invited to a group may change the alias there.
    pub invitee_changes_alias: bool,
}

impl Readings {
    /// What this relay has chosen. `tests/model.rs` asks it, and holds this against the answers.
    pub const OURS: Readings =
        Readings { new_node_is_told: true, init_replaces: false, own_alias_is_acked: true, invitee_changes_alias: true };
}

/// A member.
#[derive(Clone, Debug)]
pub struct User {
    /// The name in base32 that the relay chose.
    pub uid: String,
    /// Oldest first.
    pub aliases: Vec<String>,
    /// To whom the links that have used OhiEdit show the user; empty when there is none.
    shown_to: BTreeSet<UserNo>,
}

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
    used_ohi: bool,
}

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

/// What an ack says: a message's number, or an error; an empty one is an error in whatever words.
pub type Outcome = Result<Option<MessageNo>, &'static str>;

/// All members, their devices, their groups and what is owed to whom.
#[derive(Clone, Debug)]
pub struct Model {
    readings: Readings,
    message_max: usize,
    /// In the order of registration.
    pub users: Vec<User>,
    /// In the order in which they were made.
    pub nodes: Vec<Node>,
    /// In the order of posting.
    pub messages: Vec<Rc<Message>>,
    /// By name.
    pub groups: BTreeMap<String, Group>,
    /// Presence that was told since somebody last looked.
    pub told: Vec<Told>,
}

impl Model {
    /// Nobody. Data of more than `message_max` octets is refused.
    pub fn new(readings: Readings, message_max: usize) -> Model {
        let (users, nodes, messages) = (Vec::new(), Vec::new(), Vec::new());
        Model { readings, message_max, users, nodes, messages, groups: BTreeMap::new(), told: Vec::new() }
    }

    /// Registers a user under the uid that the relay chose, with a first node, which is online; whether the alias was accepted.
    pub fn register(&mut self, uid: &str, alias: &str, label: &str, speaks: Speaks) -> bool {
        let free = self.free(alias, "");
        let aliases = if free.is_ok() { vec![alias.to_owned()] } else { Vec::new() };
        self.users.push(User { uid: uid.to_owned(), aliases, shown_to: BTreeSet::new() });
        let link = Link { speaks, used_ohi: false };
        self.nodes.push(Node { user: self.users.len() - 1, label: label.to_owned(), owed: Vec::new(), link: Some(link) });
        free.is_ok()
    }

    /// A node without a live link logs in. Returns who shows to its user that they are here.
    pub fn login(&mut self, node: NodeNo, speaks: Speaks) -> Vec<UserNo> {
        self.nodes[node].link = Some(Link { speaks, used_ohi: false });
        self.seen_by(self.nodes[node].user)
    }

    /// The news of a login, which is a message like others: behind the backlog, for ids increase.
    pub fn announce(&mut self, node: NodeNo) {
        let (user, label) = (self.nodes[node].user, self.nodes[node].label.clone());
        self.post(user, json!({ "op": "login", "node": label }), &Part::default(), &self.nodes_of(user));
    }

    /// The users who show to this one that they are here.
    pub fn seen_by(&self, user: UserNo) -> Vec<UserNo> {
        (0..self.users.len()).filter(|other| self.users[*other].shown_to.contains(&user)).collect()
    }

    /// The end of a link, for whatever reason.
    pub fn end(&mut self, node: NodeNo) {
        let Some(link) = self.nodes[node].link.take() else { return };
        let user = self.nodes[node].user;
        let others = self.nodes.iter().any(|n| n.user == user && n.link.as_ref().is_some_and(|link| link.used_ohi));
        if link.used_ohi && !others {
            let shown = std::mem::take(&mut self.users[user].shown_to);
            self.tell(user, &shown, 2);
        }
    }

    /// All links end, and nobody is told.
    pub fn restart(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.link = None);
        self.users.iter_mut().for_each(|user| user.shown_to.clear());
        self.told.clear();
    }

    /// An ack of a message; what was not owed stays not owed. Whether it was.
    pub fn ack(&mut self, node: NodeNo, message: MessageNo) -> bool {
        let owed = &mut self.nodes[node].owed;
        let before = owed.len();
        owed.retain(|owed| *owed != message);
        owed.len() < before
    }

    /// A request of a node that is online, and what its ack says.
    pub fn ask(&mut self, node: NodeNo, ask: &Ask) -> Outcome {
        let user = self.nodes[node].user;
        let outcome = match ask {
            Ask::NewAlias(name) => self.new_alias(user, name),
            Ask::NewNode(label) => self.new_node(user, node, label),
            Ask::Ohi { to, act } => self.ohi(user, node, to, act),
            Ask::Invite { gid, from, to, text } => self.invite(user, node, gid, from.as_deref(), to, text),
            Ask::Group { gid, act, to, newalias } => self.group_edit(user, gid, act, to.as_deref(), newalias.as_deref()),
            Ask::Post { to, part } => self.post_data(user, node, to, part),
            Ask::PostNotify { to, note_to, not_self, note, part } => self.post_notify(user, node, [to, note_to], *not_self, [note, part]),
            Ask::Ping { from, to, text } => self.ping(user, node, from.as_deref(), to, text),
        };
        let link = self.nodes[node].link.as_ref().expect("it is online");
        let tells = !matches!(ask, Ask::NewAlias(_) | Ask::NewNode(_) | Ask::Ohi { .. } | Ask::Group { .. });
        if tells || link.speaks == Speaks::Draft2018 { outcome } else { outcome.map(|_| None) }
    }

    /// Whether a request can be done as things stand, its data yet to come. What cannot is refused although things may change.
    pub fn foresee(&self, node: NodeNo, ask: &Ask) -> Outcome {
        let user = self.nodes[node].user;
        match ask {
            _ if ask.data_len() > self.message_max => return Err(""),
            Ask::Post { to, .. } => _ = self.recipients(user, to)?,
            Ask::PostNotify { to, note_to, .. } => _ = (self.recipients(user, to)?, self.recipients(user, note_to)?),
            _ => {}
        }
        Ok(None)
    }

    fn new_alias(&mut self, user: UserNo, name: &str) -> Outcome {
        if self.readings.own_alias_is_acked && self.owner(name) == Ok(user) {
            return Ok(None);
        }
        self.free(name, "newalias must be 8+ characters")?;
        if self.users[user].aliases.len() >= ALIASES_MAX {
            return Err("");
        }
        self.users[user].aliases.push(name.to_owned());
        Ok(Some(self.post(user, json!({ "op": "user", "newalias": name }), &Part::default(), &self.nodes_of(user))))
    }

    fn new_node(&mut self, user: UserNo, node: NodeNo, label: &str) -> Outcome {
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

    fn ohi(&mut self, user: UserNo, node: NodeNo, to: &[String], act: &str) -> Outcome {
        let named = to.iter().map(|uid| self.user(uid)).collect::<Result<BTreeSet<_>, _>>()?;
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
        Ok(if quiet || new == old { None } else { Some(self.post(user, header, &Part::default(), &self.nodes_of(user))) })
    }

    fn invite(&mut self, user: UserNo, node: NodeNo, gid: &str, from: Option<&str>, to: &str, text: &Part) -> Outcome {
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

    fn group_edit(&mut self, user: UserNo, gid: &str, act: &str, to: Option<&str>, newalias: Option<&str>) -> Outcome {
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

    fn post_data(&mut self, user: UserNo, node: NodeNo, to: &[(String, u8)], part: &Part) -> Outcome {
        let to = &self.recipients(user, to)? | &self.others(node);
        if part.octets.len() > self.message_max {
            return Err("");
        }
        Ok(Some(self.post(user, json!({ "op": "delivery" }), part, &to)))
    }

    fn post_notify(
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

    fn ping(&mut self, user: UserNo, node: NodeNo, from: Option<&str>, to: &str, text: &Part) -> Outcome {
        let whom = self.owner(to)?;
        let mut header = json!({ "op": "ping", "to": to });
        if let Some(from) = from {
            if self.owner(from)? != user {
                return Err("from must identify sender");
            }
            header["alias"] = json!(from);
        }
        Ok(Some(self.post(user, header, text, &(&self.nodes_of(whom) | &self.others(node)))))
    }

    /// The nodes that a list of recipients names.
    fn recipients(&self, user: UserNo, list: &[(String, u8)]) -> Result<BTreeSet<NodeNo>, &'static str> {
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
    fn post(&mut self, from: UserNo, mut header: Value, part: &Part, to: &BTreeSet<NodeNo>) -> MessageNo {
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

    /// Presence, to those who are online now.
    fn tell(&mut self, user: UserNo, to: &BTreeSet<UserNo>, status: u8) {
        let online = |node: &NodeNo| self.nodes[*node].link.is_some() && to.contains(&self.nodes[*node].user);
        self.told.extend((0..self.nodes.len()).filter(online).map(|node| Told { node, user, status }));
    }

    /// A name that nobody has: aliases and groups share one space.
    fn free(&self, name: &str, too_short: &'static str) -> Result<(), &'static str> {
        let taken = self.groups.contains_key(name) || self.owner(name).is_ok();
        if taken { Err("") } else { (name.chars().count() >= 8).then_some(()).ok_or(too_short) }
    }

    fn owner(&self, alias: &str) -> Result<UserNo, &'static str> {
        self.users.iter().position(|user| user.aliases.iter().any(|own| own == alias)).ok_or("")
    }

    fn user(&self, uid: &str) -> Result<UserNo, &'static str> {
        self.users.iter().position(|user| user.uid == uid).ok_or("")
    }

    /// A user's nodes.
    pub fn nodes_of(&self, user: UserNo) -> BTreeSet<NodeNo> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].user == user).collect()
    }

    fn others(&self, node: NodeNo) -> BTreeSet<NodeNo> {
        let mut nodes = self.nodes_of(self.nodes[node].user);
        nodes.remove(&node);
        nodes
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
