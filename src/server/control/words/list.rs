//! Entries of lists, as they are told.

use serde::{Deserialize, Serialize};

use super::Node;
use crate::base::Wall;
use crate::relay::{self, GroupInfo, LinkInfo, LinkState, MemberSummary, QueueInfo};

/// A member, in one line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberLine {
    /// The uid.
    pub uid: String,
    /// The role.
    pub role: String,
    /// Whether the member is an administrator.
    pub admin: bool,
    /// Names, oldest first.
    pub aliases: Vec<String>,
    /// How many devices.
    pub devices: usize,
    /// How many of them are here now.
    pub online: usize,
    /// Messages that wait, once for each device that they wait for.
    pub count: u64,
    /// Their octets.
    pub bytes: u64,
}

/// A device, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnedNode {
    /// Its owner's uid.
    pub uid: String,
    /// The oldest of the owner's names, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The device.
    #[serde(flatten)]
    pub node: Node,
}

/// What waits for a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Queue {
    /// The device.
    #[serde(flatten)]
    pub node: OwnedNode,
    /// The id of the oldest message that waits.
    pub oldest: String,
    /// When that was posted.
    pub posted: String,
    /// How many seconds ago that was.
    pub age: u64,
}

/// A group, in one line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub gid: String,
    /// How many have joined.
    pub joined: usize,
    /// How many are invited.
    pub invited: usize,
    /// How many are barred.
    pub barred: usize,
}

/// A link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Which, as the log names it.
    pub link: String,
    /// The address that it comes from, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `greeting`, `anonymous`, `member` or `closing`.
    pub state: String,
    /// The member's uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The oldest of the member's names, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The device's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Seconds since it was accepted.
    pub open: u64,
    /// Seconds since something came on it.
    pub silent: u64,
    /// Messages that were sent on it and are not acked.
    pub inflight: usize,
    /// Whether data of a request is on its way in.
    pub upload: bool,
}

impl From<MemberSummary> for MemberLine {
    fn from(MemberSummary { uid, role, admin, aliases, devices, online, count, bytes }: MemberSummary) -> MemberLine {
        MemberLine { uid, role: role.word().to_owned(), admin, aliases, devices, online, count, bytes }
    }
}

impl From<relay::OwnedNode> for OwnedNode {
    fn from(relay::OwnedNode { uid, alias, node }: relay::OwnedNode) -> OwnedNode {
        OwnedNode { uid, alias, node: node.into() }
    }
}

impl From<QueueInfo> for Queue {
    fn from(QueueInfo { node, oldest, age }: QueueInfo) -> Queue {
        Queue { node: node.into(), oldest: oldest.to_string(), posted: Wall(oldest.0).to_rfc3339(), age: age.as_secs() }
    }
}

impl From<GroupInfo> for Group {
    fn from(GroupInfo { gid, joined, invited, barred }: GroupInfo) -> Group {
        Group { gid, joined, invited, barred }
    }
}

impl From<LinkInfo> for Link {
    fn from(LinkInfo { link, from, state, open, silent, upload }: LinkInfo) -> Link {
        let (word, member) = match state {
            LinkState::Greeting => ("greeting", None),
            LinkState::Anonymous => ("anonymous", None),
            LinkState::Closing => ("closing", None),
            LinkState::Member { uid, alias, node, flying } => ("member", Some((uid, alias, node, flying))),
        };
        let (uid, alias, node, inflight) = match member {
            None => (None, None, None, 0),
            Some((uid, alias, node, flying)) => (Some(uid), alias, Some(node), flying),
        };
        Link {
            link: link.text(),
            from: from.map(|address| address.to_string()),
            state: word.to_owned(),
            uid,
            alias,
            node,
            open: open.as_secs(),
            silent: silent.as_secs(),
            inflight,
            upload,
        }
    }
}
