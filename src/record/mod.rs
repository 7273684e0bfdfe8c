//! The durable vocabulary: what the relay writes to its log, and how each record is laid out in octets.
//!
//! Two families. *State records* (user, group, member, cursor) hold the whole present state of one thing;
//! the newest replaces every earlier one, which may then be forgotten. *Messages* (with their chunks and
//! backlogs) live until no node owes an ack. So what survives in the log, applied in order of `Seq`, always
//! gives the present state, whatever has been forgotten in between.
//!
//! Layouts are frozen: a changed one gets a new kind octet, and old kinds stay readable.
//! `docs/RECORD_FORMAT.md` has the tables.

mod codec;
mod decode;
mod encode;
mod user;

use std::borrow::Cow;

pub(crate) use codec::{Reader, put_number};
pub use decode::{DecodeError, Delivery, delivery};
pub use user::{NodeView, PackedUser};

use crate::base::{GroupNo, NodeDigest, NodeNo, Seq, Uid, UserNo};

/// One device of a user, as its user's record holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRecord {
    /// Its number.
    pub no: NodeNo,
    /// What its secret hashes to.
    pub digest: NodeDigest,
    /// The name its owner gave it.
    pub label: String,
}

/// Everything that is kept of a user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserRecord {
    /// The user's number.
    pub no: UserNo,
    /// The user's public id.
    pub uid: Uid,
    /// Names by which others may find the user, oldest first.
    pub aliases: Vec<String>,
    /// Devices, oldest first.
    pub nodes: Vec<NodeRecord>,
    /// The first node number that no user has had yet: numbers of dropped nodes must not come again.
    pub next_node: NodeNo,
}

/// How a user stands to a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// May join and may post.
    Invited,
    /// Gets what is posted to the group.
    Joined,
    /// Was removed by another member.
    Barred,
}

/// A user in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberRecord {
    /// Which group.
    pub group: GroupNo,
    /// Which user.
    pub user: UserNo,
    /// The alias by which the group lists the user.
    pub alias: String,
    /// How the user stands to it.
    pub standing: Standing,
}

/// Which of a node's two queues a message waits in. Priority overtakes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// In the order of posting.
    Normal,
    /// Before everything else: news of one's own account.
    Priority,
}

/// The data of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// In the message's own record.
    Inline(Cow<'a, [u8]>),
    /// In chunk records of their own, in this order.
    Chunks(Vec<Seq>),
}

impl Payload<'_> {
    /// No data.
    pub const EMPTY: Payload<'static> = Payload::Inline(Cow::Borrowed(&[]));
}

/// A message to some nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageRecord<'a> {
    /// Which queue it waits in.
    pub lane: Lane,
    /// The nodes that owe an ack, in rising order.
    pub to: Vec<NodeNo>,
    /// The frame's header with its length prefix, exactly as recipients get it.
    pub header: Cow<'a, [u8]>,
    /// The data after it.
    pub payload: Payload<'a>,
}

/// What a node has acked of one of its queues: all up to `high` but for `owed`, and what is `ahead`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// Up to here only `owed` is owed.
    pub high: Seq,
    /// Older ones that are still owed, in rising order.
    pub owed: Vec<Seq>,
    /// Newer ones that are acked, in rising order.
    pub ahead: Vec<Seq>,
}

/// A node's acknowledgements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CursorRecord {
    /// Whose.
    pub node: NodeNo,
    /// In the normal queue.
    pub normal: Mark,
    /// In the priority queue.
    pub priority: Mark,
}

/// What a new node's queue starts with, besides what is posted to it. Long ones come in several records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BacklogRecord {
    /// Whose.
    pub node: NodeNo,
    /// Which queue.
    pub lane: Lane,
    /// Messages, in rising order.
    pub messages: Vec<Seq>,
}

/// One record of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record<'a> {
    /// State of a user.
    User(UserRecord),
    /// A group's name.
    Group {
        /// The group's number.
        no: GroupNo,
        /// Its name.
        name: String,
    },
    /// State of a user in a group.
    Member(MemberRecord),
    /// A message.
    Message(MessageRecord<'a>),
    /// A part of the data of a message whose record comes later, or never.
    Chunk(Cow<'a, [u8]>),
    /// State of a node's acknowledgements.
    Cursor(CursorRecord),
    /// A new node's share of what was queued before it.
    Backlog(BacklogRecord),
}
