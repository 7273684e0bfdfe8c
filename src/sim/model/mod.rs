//! The protocol in small: what every member's devices are owed, told and refused, in plain lists, without a thought for speed,
//! disks or crashes. Written from the protocol alone.
//!
//! The simulator holds the relay against it request by request, through crashes and all; `tests/model.rs` adds windows and the
//! passing of time, and predicts each link's frames. A node has one link at most. Messages are numbered in the order of posting;
//! the relay's ids are bound to these numbers by whoever compares. What time it is, the model is told with each request.
//!
//! Not in here: headers that cannot be read, most limits, uploads that take time, disks that
//! are full, third parties, results of more than one page.

mod admission;
mod command;
mod cork;
mod group;
mod list;
mod message;
mod name;
mod node;
mod outcome;
mod ping;
mod presence;
mod queue;
mod reach;
mod user;

use std::collections::BTreeMap;
use std::rc::Rc;

pub use self::admission::{Code, Newcomer};
pub use self::command::Predicted;
pub use self::cork::Cork;
pub use self::group::{Group, Member, Rules, Standing, standing};
pub use self::message::{Fan, Message};
pub use self::name::Alias;
pub use self::node::{Lane, Link, Node};
pub use self::outcome::{Done, Listing, Outcome, Refusal};
pub use self::ping::Tally;
pub use self::presence::Told;
pub use self::queue::Missed;
pub use self::reach::Reach;
pub use self::user::User;

use self::admission::Site;
use super::ask::{Ask, Speaks};
use crate::base::Wall;
use crate::limits::AHEAD_MAX;
use crate::record::Role;
use crate::relay::Settings;

/// A user's place in [`Model::users`].
pub type UserNo = usize;
/// A node's place in [`Model::nodes`].
pub type NodeNo = usize;
/// A message's place in [`Model::messages`].
pub type MessageNo = usize;
/// Nanoseconds since the Unix epoch.
pub type Nanos = u64;

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
    /// Whether it is decided once for a message and the note of it whose queue is full.
    pub note_misses_with_message: bool,
}

impl Readings {
    /// What this relay has chosen. `tests/model.rs` asks it, and holds this against the answers.
    pub const OURS: Readings = Readings {
        new_node_is_told: true,
        init_replaces: false,
        own_alias_is_acked: true,
        invitee_changes_alias: true,
        note_misses_with_message: true,
    };
}

/// All members, their devices, their groups and what is owed to whom.
#[derive(Clone, Debug)]
pub struct Model {
    readings: Readings,
    settings: Settings,
    /// What time it is.
    now: Nanos,
    /// In the order of registration.
    pub users: Vec<User>,
    /// In the order in which they were made.
    pub nodes: Vec<Node>,
    /// In the order of posting.
    pub messages: Vec<Rc<Message>>,
    /// By name.
    pub groups: BTreeMap<String, Group>,
    /// Aliases that were given up, used up or replaced, each with its last owner.
    pub retired: BTreeMap<String, UserNo>,
    /// Who may register.
    pub site: Site,
    /// Presence that was told since somebody last looked.
    pub told: Vec<Told>,
    /// The latest time at which something has ended by the clock.
    ended: Nanos,
    /// Users whose queue is full, as far as that is decided for all of a request.
    full: Option<Vec<UserNo>>,
}

impl Model {
    /// Nobody, on a site with these settings.
    pub fn new(readings: Readings, settings: Settings) -> Model {
        Model {
            readings,
            site: Site::new(settings.register),
            settings,
            now: 0,
            users: Vec::new(),
            nodes: Vec::new(),
            messages: Vec::new(),
            groups: BTreeMap::new(),
            retired: BTreeMap::new(),
            told: Vec::new(),
            ended: 0,
            full: None,
        }
    }

    /// It is that late now.
    pub fn at(&mut self, now: Nanos) {
        self.now = now;
        self.end_what_is_over();
    }

    /// The latest time at which something has ended by the clock: what becomes of it if the clock is put back is not said.
    pub fn ended(&self) -> Nanos {
        self.ended
    }

    /// Remembers when corks and codes have ended, and takes expired aliases from their users.
    fn end_what_is_over(&mut self) {
        let now = self.now;
        let corks = self.users.iter().map(|user| user.cork.until);
        let codes = self.site.codes.iter().filter_map(|code| code.expires);
        let aliases = self.users.iter().flat_map(|user| &user.aliases).filter_map(|alias| alias.expires);
        self.ended = corks.chain(codes).chain(aliases).filter(|at| *at <= now).fold(self.ended, Nanos::max);
        for (no, user) in self.users.iter_mut().enumerate() {
            let gone = user.aliases.extract_if(.., |alias| alias.expires.is_some_and(|at| at <= now));
            self.retired.extend(gone.map(|alias| (alias.name, no)));
        }
    }

    /// A node without a live link logs in. Returns who shows to its user that they are here.
    pub fn login(&mut self, node: NodeNo, speaks: Speaks) -> Vec<UserNo> {
        self.nodes[node].link = Some(Link { speaks, used_ohi: false });
        self.seen_by(self.nodes[node].user)
    }

    /// The end of a link, for whatever reason.
    pub fn end(&mut self, node: NodeNo) {
        let Some(link) = self.nodes[node].link.take() else { return };
        if link.used_ohi {
            self.hide(self.nodes[node].user);
        }
    }

    /// All links end, and nobody is told.
    pub fn restart(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.link = None);
        self.users.iter_mut().for_each(|user| user.shown_to.clear());
        self.site.forget_guesses();
        self.told.clear();
    }

    /// A request of a node that is online, and what its ack says.
    pub fn ask(&mut self, now: Nanos, node: NodeNo, ask: &Ask) -> Outcome {
        self.at(now);
        let (user, speaks) = (self.nodes[node].user, self.nodes[node].link.as_ref().expect("it is online").speaks);
        if self.users[user].role == Role::Receive && writes_to_others(ask) {
            let large = ask.data_len() as u64 > self.settings.message_max;
            return Err(if large { Refusal::Any } else { Refusal::Words(RECEIVES_ONLY.into()) });
        }
        if self.readings.note_misses_with_message && matches!(ask, Ask::PostNotify { .. }) {
            self.full = Some((0..self.users.len()).filter(|user| self.is_full(*user)).collect());
        }
        let large = ask.data_len() as u64 > self.settings.message_max;
        // There may be more than one thing wrong with it.
        let outcome = self.answer(user, node, ask).map_err(|refusal| if large { Refusal::Any } else { refusal });
        self.full = None;
        let quiet = matches!(
            ask,
            Ask::NewAlias { .. }
                | Ask::DropAlias(_)
                | Ask::NewNode(_)
                | Ask::DropNode { .. }
                | Ask::Ohi { .. }
                | Ask::Group { .. }
                | Ask::Rules { .. }
                | Ask::Moderator { .. }
        );
        if quiet && speaks == Speaks::Draft2020 { outcome.map(|done| Done { message: None, ..done }) } else { outcome }
    }

    fn answer(&mut self, user: UserNo, node: NodeNo, ask: &Ask) -> Outcome {
        match ask {
            Ask::NewAlias { name, uses, expires } => self.new_alias(user, name, *uses, expires.as_deref()),
            Ask::DropAlias(name) => self.drop_alias(user, name),
            Ask::NewNode(label) => self.new_node(user, Some(node), label, true),
            Ask::DropNode { number, uid } => self.drop_node(user, node, number, uid.as_deref()),
            Ask::Ohi { to, act } => self.ohi(user, node, to, act),
            Ask::Invite { gid, from, to, text } => self.invite(user, node, gid, from.as_deref(), to, text),
            Ask::Group { gid, act, to, newalias } => self.group_edit(user, gid, act, to.as_deref(), newalias.as_deref()),
            Ask::Rules { gid, invite, post, roster } => self.set_rules(user, gid, [*invite, *post, *roster]),
            Ask::Moderator { gid, to, role } => self.set_moderator(user, gid, to, role),
            Ask::Post { to, part } => self.post_data(user, node, to, part),
            Ask::PostNotify { to, note_to, not_self, note, part } => self.post_notify(user, node, [to, note_to], *not_self, [note, part]),
            Ask::Ping { from, to, text } => self.ping(user, node, from.as_deref(), to, text),
            Ask::List { what, cursor, gid } => self.list(user, node, what, cursor.as_deref(), gid.as_deref()),
            Ask::Reach { act, whom, policy } => self.set_reach(user, *act, whom, *policy),
            Ask::Cork { until, from } => self.set_cork(user, until.as_deref(), from),
            Ask::Code { uses, expires, gid } => self.make_code(user, *uses, expires.as_deref(), gid.as_deref()),
        }
    }

    /// Whether a request can be done as things stand, its data yet to come. What cannot is refused although things may change.
    pub fn can_do(&mut self, now: Nanos, node: NodeNo, ask: &Ask) -> bool {
        self.at(now);
        let user = self.nodes[node].user;
        if ask.data_len() as u64 > self.settings.message_max || self.users[user].role == Role::Receive && writes_to_others(ask) {
            return false;
        }
        match ask {
            Ask::Post { to, .. } => self.recipients(user, to).is_ok(),
            Ask::PostNotify { to, note_to, .. } => self.recipients(user, to).is_ok() && self.recipients(user, note_to).is_ok(),
            _ => true,
        }
    }

    /// A time at which something ends, to the millisecond.
    fn limit(&self, text: &str) -> Result<Nanos, Refusal> {
        let at = Wall::parse_rfc3339(text).ok_or(Refusal::Any)?.0;
        let ahead = at.checked_sub(self.now).filter(|ahead| *ahead > 0).ok_or(Refusal::Any)?;
        if u128::from(ahead) <= AHEAD_MAX.as_nanos() { Ok(at) } else { Err(Refusal::Any) }
    }
}

/// What an account is told that may receive only.
pub const RECEIVES_ONLY: &str = "this account may receive only";

/// What such an account may not do.
fn writes_to_others(ask: &Ask) -> bool {
    matches!(ask, Ask::Post { .. } | Ask::PostNotify { .. } | Ask::Ping { .. } | Ask::Invite { .. } | Ask::Code { .. })
}
