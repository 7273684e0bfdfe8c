//! Lists, a part at a time: what the operator asks for, and what is told.
//!
//! A list is in the order of numbers that are never given twice (users, groups, places of links), and each part goes on after the last
//! number that the part before looked at. So nothing is told twice; what comes meanwhile is told if it comes behind
//! that number, which new members and groups do; what goes before its part is not told.

use core::net::IpAddr;
use std::time::Duration;

use super::{NodeInfo, Whom};
use crate::base::{LinkId, Seq};
use crate::record::Role;

/// A part of which list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum List {
    /// Members in the order of their registration, after the one of this uid, at most so many.
    Members {
        /// The uid, in base32.
        after: Option<String>,
        /// How many.
        most: usize,
    },
    /// Devices of all members, after those of the member of this uid.
    Nodes {
        /// The uid, in base32.
        after: Option<String>,
    },
    /// Devices of one member: never more than one part.
    NodesOf(Whom),
    /// Devices for which something waits, of members after the one of this uid: those of this part that come first in the order.
    Queues {
        /// The uid, in base32.
        after: Option<String>,
        /// How many.
        top: usize,
        /// The order.
        by: By,
    },
    /// Groups in the order in which they were made, after the one of this number.
    Groups {
        /// The number.
        after: Option<u32>,
    },
    /// Links, after the one in this place.
    Links {
        /// The place.
        after: Option<u32>,
    },
}

/// In which order queues are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum By {
    /// Most messages first.
    #[default]
    Count,
    /// Most octets first.
    Bytes,
    /// That with the oldest message first.
    Age,
}

impl By {
    /// All of them.
    pub const ALL: [By; 3] = [By::Count, By::Bytes, By::Age];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            By::Count => "count",
            By::Bytes => "bytes",
            By::Age => "age",
        }
    }
}

/// A part of a list, and after what the next one begins, if there is more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listed {
    /// Members. The next part is after this uid.
    Members(Vec<MemberSummary>, Option<String>),
    /// Devices. The next part is after the member of this uid.
    Nodes(Vec<OwnedNode>, Option<String>),
    /// Queues, in the order that was asked for. The next part is after the member of this uid.
    Queues(Vec<QueueInfo>, Option<String>),
    /// Groups. The next part is after this number.
    Groups(Vec<GroupInfo>, Option<u32>),
    /// Links. The next part is after this place.
    Links(Vec<LinkInfo>, Option<u32>),
}

/// A member, in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberSummary {
    /// The uid, in base32.
    pub uid: String,
    /// The role.
    pub role: Role,
    /// Whether the member is an administrator.
    pub admin: bool,
    /// Names, oldest first.
    pub aliases: Vec<String>,
    /// How many devices.
    pub devices: usize,
    /// How many of them are here now.
    pub online: usize,
    /// Messages that wait, counted once for each device that they wait for.
    pub count: u64,
    /// Their octets.
    pub bytes: u64,
}

/// A device, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnedNode {
    /// Its owner's uid, in base32.
    pub uid: String,
    /// The oldest of the owner's names, if there is one.
    pub alias: Option<String>,
    /// The device.
    pub node: NodeInfo,
}

/// What waits for a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueInfo {
    /// The device.
    pub node: OwnedNode,
    /// The oldest message that waits: its number is the time at which it was posted, in nanoseconds, as long as the clock was right.
    pub oldest: Seq,
    /// How long ago that is.
    pub age: Duration,
}

/// A group, in one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupInfo {
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkInfo {
    /// Which.
    pub link: LinkId,
    /// Where it comes from, if that is an address of the Internet.
    pub from: Option<IpAddr>,
    /// How far it has come.
    pub state: LinkState,
    /// Since when it is there.
    pub open: Duration,
    /// How long nothing has come on it.
    pub silent: Duration,
    /// Whether data of a request is on its way in, of which not all has come.
    pub upload: bool,
}

/// How far a link has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// Nothing valid was said yet.
    Greeting,
    /// It speaks TMTP, and nobody has logged in.
    Anonymous,
    /// It is a member's.
    Member {
        /// The uid, in base32.
        uid: String,
        /// The oldest of the member's names, if there is one.
        alias: Option<String>,
        /// The device's number, as text.
        node: String,
        /// Messages that were sent on it and are not acked.
        flying: usize,
    },
    /// The last word is said.
    Closing,
}
