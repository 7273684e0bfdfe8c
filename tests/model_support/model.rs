//! The protocol in small: what every member's devices are owed, told and refused, in plain lists, without a thought for speed,
//! disks or crashes. Written from the protocol alone; `tests/model.rs` holds the relay against it.
//!
//! Time stands still but for [`Model::pass`]. A node has one link at most, so what a link gets is kept under its node's number.
//! Messages are numbered in the order of posting; the relay's ids are bound to these numbers by whoever compares.
//!
//! Not in here: headers that cannot be read, the limits' values, uploads that take time, disks that are full, third parties.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub type UserNo = usize;
pub type NodeNo = usize;
pub type MessageNo = usize;

pub const SECOND: u64 = 1000;
const REDELIVERY: u64 = 30 * SECOND;
const TAKEOVER: u64 = 30 * SECOND;
const IDLE: u64 = 120 * SECOND;

/// A request that is well-formed and comes from a member.
#[derive(Clone, Debug)]
pub enum Ask {
    NewAlias(String),
    NewNode(String),
    Ohi { to: Vec<String>, act: &'static str },
    Invite { gid: String, from: Option<String>, to: String, text: Part },
    Group { gid: String, act: &'static str, to: Option<String>, newalias: Option<String> },
    Post { to: Vec<(String, u8)>, part: Part },
    PostNotify { to: Vec<(String, u8)>, note_to: Vec<(String, u8)>, not_self: bool, note: Part, part: Part },
    Ping { from: Option<String>, to: String, text: Part },
}

/// Data with its `datahead` and `datasum`.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub octets: Vec<u8>,
    pub head: usize,
    pub sum: u32,
}

/// A frame that a node's link gets.
#[derive(Clone, Debug)]
pub enum Out {
    /// Just this header, `"ohi"` in any order.
    Plain(Value),
    /// An ack; an empty error is one in whatever words.
    Ack {
        id: String,
        outcome: Result<Option<MessageNo>, &'static str>,
    },
    Message(MessageNo),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    Draft2018,
    Draft2020,
}

/// What the protocol leaves open, and the relay has to choose once and for all.
#[derive(Clone, Copy, Debug)]
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

pub struct User {
    pub uid: String,
    pub aliases: Vec<String>,
    /// To whom the links that have used OhiEdit show the user; empty when there is none.
    shown_to: BTreeSet<UserNo>,
}

pub struct Node {
    pub user: UserNo,
    pub label: String,
    /// What it was sent or will be and has not acked, in the order of posting.
    pub owed: Vec<MessageNo>,
    pub link: Option<Link>,
}

pub struct Link {
    pub speaks: Speaks,
    used_ohi: bool,
    heard: u64,
    /// What is on its way and not acked, and since when.
    in_flight: Vec<(MessageNo, u64)>,
}

/// A header without id, date and sum, and the data.
pub struct Message {
    pub header: Value,
    pub data: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Invited,
    Joined,
    Barred,
}

/// A group's members, each with the alias by which it is listed.
type Group = BTreeMap<UserNo, (Standing, String)>;

type Outcome = Result<Option<MessageNo>, &'static str>;

pub struct Model {
    readings: Readings,
    window: usize,
    now: u64,
    pub users: Vec<User>,
    pub nodes: Vec<Node>,
    pub messages: Vec<Message>,
    groups: BTreeMap<String, Group>,
    /// What was sent since somebody last looked.
    pub sent: BTreeMap<NodeNo, Vec<Out>>,
}

impl Model {
    pub fn new(readings: Readings, window: usize) -> Model {
        let (users, nodes, messages) = (Vec::new(), Vec::new(), Vec::new());
        Model { readings, window, now: 0, users, nodes, messages, groups: BTreeMap::new(), sent: BTreeMap::new() }
    }

    /// Registers a user under the uid that the relay chose; false if the alias was refused.
    pub fn register(&mut self, uid: &str, alias: &str, label: &str, speaks: Speaks) -> bool {
        let free = self.free(alias, "");
        let aliases = if free.is_ok() { vec![alias.to_owned()] } else { Vec::new() };
        self.users.push(User { uid: uid.to_owned(), aliases, shown_to: BTreeSet::new() });
        let link = Link { speaks, used_ohi: false, heard: self.now, in_flight: Vec::new() };
        self.nodes.push(Node { user: self.users.len() - 1, label: label.to_owned(), owed: Vec::new(), link: Some(link) });
        free.is_ok()
    }

    /// A node without a live link logs in.
    pub fn login(&mut self, node: NodeNo, speaks: Speaks) {
        let user = self.nodes[node].user;
        let shown: Vec<&str> = self.users.iter().filter(|other| other.shown_to.contains(&user)).map(|other| other.uid.as_str()).collect();
        let mut info = json!({ "op": "info", "info": "login ok" });
        if !shown.is_empty() {
            info["ohi"] = json!(shown);
        }
        self.send(node, Out::Plain(json!({ "op": "tmtprev", "id": "1", "name": "mnm" })));
        self.send(node, Out::Plain(info));
        self.nodes[node].link = Some(Link { speaks, used_ohi: false, heard: self.now, in_flight: Vec::new() });
        // It is a message like others: behind the backlog, for ids increase.
        let label = self.nodes[node].label.clone();
        self.post(user, json!({ "op": "login", "node": label }), &Part::default(), &self.nodes_of(user));
        self.deliver();
    }

    /// Whether a node's link was silent for so long that another may log in.
    pub fn half_open(&self, node: NodeNo) -> bool {
        self.nodes[node].link.as_ref().is_some_and(|link| self.now - link.heard >= TAKEOVER)
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

    pub fn restart(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.link = None);
        self.users.iter_mut().for_each(|user| user.shown_to.clear());
    }

    /// Lets time go by, and returns the nodes whose links were silent for too long.
    pub fn pass(&mut self, millis: u64) -> Vec<NodeNo> {
        self.now += millis;
        let now = self.now;
        let silent = |node: &&NodeNo| self.nodes[**node].link.as_ref().is_some_and(|link| now - link.heard >= IDLE);
        let ended: Vec<NodeNo> = Vec::from_iter(0..self.nodes.len()).iter().filter(silent).copied().collect();
        ended.iter().for_each(|node| self.end(*node));
        for (no, node) in self.nodes.iter_mut().enumerate() {
            for (message, since) in node.link.iter_mut().flat_map(|link| &mut link.in_flight) {
                if now - *since >= REDELIVERY {
                    *since = now;
                    self.sent.entry(no).or_default().push(Out::Message(*message));
                }
            }
        }
        ended
    }

    /// Something came on a node's link.
    pub fn heard(&mut self, node: NodeNo) {
        self.nodes[node].link.as_mut().expect("it is online").heard = self.now;
    }

    /// An ack of a message; what was not owed stays not owed.
    pub fn ack(&mut self, node: NodeNo, message: MessageNo) {
        self.heard(node);
        let node = &mut self.nodes[node];
        node.owed.retain(|owed| *owed != message);
        node.link.as_mut().expect("it is online").in_flight.retain(|(sent, _)| *sent != message);
        self.deliver();
    }

    /// A request and its ack.
    pub fn ask(&mut self, node: NodeNo, id: &str, ask: &Ask) {
        self.heard(node);
        let user = self.nodes[node].user;
        let mut outcome = match ask {
            Ask::NewAlias(name) => self.new_alias(user, name),
            Ask::NewNode(label) => self.new_node(user, node, label),
            Ask::Ohi { to, act } => self.ohi(user, node, to, act),
            Ask::Invite { gid, from, to, text } => self.invite(user, node, gid, from.as_deref(), to, text),
            Ask::Group { gid, act, to, newalias } => self.group_edit(user, gid, act, to.as_deref(), newalias.as_deref()),
            Ask::Post { to, part } => self.recipients(user, to).map(|to| {
                let to = &to | &self.others(node);
                Some(self.post(user, json!({ "op": "delivery" }), part, &to))
            }),
            Ask::PostNotify { to, note_to, not_self, note, part } => self.post_notify(user, node, to, note_to, *not_self, note, part),
            Ask::Ping { from, to, text } => self.ping(user, node, from.as_deref(), to, text),
        };
        let link = self.nodes[node].link.as_ref().expect("it is online");
        if link.speaks == Speaks::Draft2020 && matches!(ask, Ask::NewAlias(_) | Ask::NewNode(_) | Ask::Ohi { .. } | Ask::Group { .. }) {
            outcome = outcome.map(|_| None);
        }
        self.send(node, Out::Ack { id: id.to_owned(), outcome });
        self.deliver();
    }

    fn new_alias(&mut self, user: UserNo, name: &str) -> Outcome {
        if self.readings.own_alias_is_acked && self.owner(name) == Ok(user) {
            return Ok(None);
        }
        self.free(name, "newalias must be 8+ characters")?;
        self.users[user].aliases.push(name.to_owned());
        Ok(Some(self.post(user, json!({ "op": "user", "newalias": name }), &Part::default(), &self.nodes_of(user))))
    }

    fn new_node(&mut self, user: UserNo, node: NodeNo, label: &str) -> Outcome {
        let mut to = self.nodes_of(user);
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

    #[allow(clippy::too_many_arguments, reason = "a PostNotify has as many fields")]
    fn post_notify(
        &mut self,
        user: UserNo,
        node: NodeNo,
        to: &[(String, u8)],
        note_to: &[(String, u8)],
        not_self: bool,
        note: &Part,
        part: &Part,
    ) -> Outcome {
        let (count, others) = (to.len() + note_to.len() + usize::from(!not_self), self.others(node));
        let (to, note_to) = (self.recipients(user, to)?, self.recipients(user, note_to)?);
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
        self.messages.push(Message { header, data: part.octets.clone() });
        let message = self.messages.len() - 1;
        to.iter().for_each(|node| self.nodes[*node].owed.push(message));
        message
    }

    /// Sends what the windows have room for, `user` messages before all others and in a window of their own.
    fn deliver(&mut self) {
        for (no, node) in self.nodes.iter_mut().enumerate() {
            let Some(link) = &mut node.link else { continue };
            let is_user = |message: &MessageNo| self.messages[*message].header["op"] == "user";
            for urgent in [true, false] {
                let sent = link.in_flight.iter().filter(|(message, _)| is_user(message) == urgent).count();
                let mut waiting: Vec<MessageNo> = node.owed.iter().copied().filter(|message| is_user(message) == urgent).collect();
                waiting.retain(|message| link.in_flight.iter().all(|(sent, _)| sent != message));
                waiting.sort_unstable();
                for message in waiting.into_iter().take(self.window - sent) {
                    link.in_flight.push((message, self.now));
                    self.sent.entry(no).or_default().push(Out::Message(message));
                }
            }
        }
    }

    /// Presence, to those who are online now.
    fn tell(&mut self, user: UserNo, to: &BTreeSet<UserNo>, status: u8) {
        let ohi = json!({ "op": "ohi", "from": self.users[user].uid, "status": status });
        let online = |node: &NodeNo| self.nodes[*node].link.is_some() && to.contains(&self.nodes[*node].user);
        let nodes: Vec<NodeNo> = (0..self.nodes.len()).filter(online).collect();
        nodes.into_iter().for_each(|node| self.send(node, Out::Plain(ohi.clone())));
    }

    fn send(&mut self, node: NodeNo, out: Out) {
        self.sent.entry(node).or_default().push(out);
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

    fn nodes_of(&self, user: UserNo) -> BTreeSet<NodeNo> {
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

    pub fn has_group(&self, gid: &str) -> bool {
        self.groups.contains_key(gid)
    }

    /// The nodes of a group's joined members.
    fn joined(&self, gid: &str) -> BTreeSet<NodeNo> {
        let group = &self.groups[gid];
        (0..self.nodes.len()).filter(|node| standing(group, self.nodes[*node].user) == Some(Standing::Joined)).collect()
    }
}

fn standing(group: &Group, user: UserNo) -> Option<Standing> {
    group.get(&user).map(|(standing, _)| *standing)
}
