//! The protocol in small: what every member's devices are owed, told and refused, in plain lists, without a thought for speed,
//! disks or crashes. Written from the protocol alone.
//!
//! The simulator holds the relay against it request by request, through crashes and all; `tests/model.rs` adds windows and the
//! passing of time, and predicts each link's frames. A node has one link at most. Messages are numbered in the order of posting;
//! the relay's ids are bound to these numbers by whoever compares.
//!
//! Not in here: headers that cannot be read, most limits, uploads that take time, disks that
//! are full, third parties.

mod group;
mod message;
mod node;
mod ping;
mod presence;
mod user;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::json;

pub use self::group::{Group, Standing, standing};
pub use self::message::Message;
pub use self::node::{Link, Node};
pub use self::presence::Told;
pub use self::user::User;
use super::ask::{Ask, Part, Speaks};

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
}
