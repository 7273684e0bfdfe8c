//! What the operator asks of a running relay, and what it answers. It comes as [`Input::Command`](super::Input), and the
//! answer leaves as [`Effect::Answer`](super::Effect) when all it tells is durable.

mod list;

use crate::base::{InviteCode, LinkId, Wall};
use crate::record::{Mode, Role};

pub use list::{By, GroupInfo, LinkInfo, LinkState, List, Listed, MemberSummary, OwnedNode, QueueInfo};

/// Whom a command means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// The user of this uid, in base32.
    Uid(String),
    /// The user of this alias.
    Alias(String),
}

/// What a kick ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kicked {
    /// All links of a member.
    Member(Whom),
    /// One link.
    Link(LinkId),
}

/// One command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Make an invite code.
    Invite {
        /// How often it may be used, 1 to [`limits::INVITE_USES_MAX`](crate::limits::INVITE_USES_MAX).
        uses: u32,
        /// Until when, or for ever.
        expires: Option<Wall>,
        /// The new members' role.
        role: Role,
        /// Groups that they are invited to, at most [`limits::INVITE_GROUPS_MAX`](crate::limits::INVITE_GROUPS_MAX).
        groups: Vec<String>,
    },
    /// Change who may register; with `until` only up to then.
    Register {
        /// The new mode.
        mode: Mode,
        /// Until when, or until it is changed again.
        until: Option<Wall>,
    },
    /// Tell about a member.
    Member(Whom),
    /// Change a member's role.
    Role(Whom, Role),
    /// Make a member an administrator, or no longer one.
    Admin(Whom, bool),
    /// Drop a member's node, by its number as text.
    DropNode(Whom, String),
    /// Give a member a new node, with this label.
    NewNode(Whom, String),
    /// End links. Whose they were may come back at once.
    Kick(Kicked),
    /// Tell a part of a list.
    List(List),
}

impl Command {
    /// Whether it only asks: nothing is other than before when it is answered.
    pub fn only_asks(&self) -> bool {
        match self {
            Command::Member(_) | Command::List(_) => true,
            Command::Invite { .. }
            | Command::Register { .. }
            | Command::Role(..)
            | Command::Admin(..)
            | Command::DropNode(..)
            | Command::NewNode(..)
            | Command::Kick(_) => false,
        }
    }
}

/// A member, as a command's answer tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberInfo {
    /// The uid, in base32.
    pub uid: String,
    /// The role.
    pub role: Role,
    /// Whether the member is an administrator.
    pub admin: bool,
    /// Names, oldest first.
    pub aliases: Vec<String>,
    /// Devices, oldest first.
    pub nodes: Vec<NodeInfo>,
}

/// A device, as an answer tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeInfo {
    /// Its number, as text.
    pub node: String,
    /// The owner's name for it.
    pub label: String,
    /// When it was made, if that is known.
    pub made: Option<Wall>,
    /// When it was last seen, if it ever was.
    pub seen: Option<Wall>,
    /// Whether it is here now.
    pub online: bool,
    /// Messages that wait for it.
    pub count: u64,
    /// Their octets.
    pub bytes: u64,
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// The code that was made.
    Code(InviteCode),
    /// The member that was asked for.
    Member(MemberInfo),
    /// The secret of the new node, and the uid: with both a device can log in.
    Node {
        /// The member's uid.
        uid: String,
        /// The new node's secret: told once.
        secret: String,
    },
    /// So many links were ended.
    Ended(usize),
    /// The part of the list that was asked for.
    Listed(Listed),
    /// It cannot be done; a sentence.
    Refused(String),
}
