//! The durable vocabulary: what the relay writes to its log, and how each record is laid out in octets.
//!
//! Two families. *State records* (user, group, member, cursor, reach, cork, tally, missed, invite, retired, site) hold the whole
//! present state of one thing; the newest replaces every earlier one, which may then be forgotten. *Messages* (with their chunks and
//! backlogs) live until no node owes an ack. So what survives in the log, applied in order of `Seq`, always
//! gives the present state, whatever has been forgotten in between.
//!
//! Layouts are frozen: a changed one gets a new kind octet, and old kinds stay readable.
//! `docs/RECORD_FORMAT.md` has the tables.

mod codec;
mod decode;
mod encode;
mod group;
mod member;
mod site;
mod user;

use std::borrow::Cow;

pub(crate) use codec::{Reader, put_number};
pub use decode::{DecodeError, Delivery, delivery};
pub use group::{GroupRecord, GroupRules, MemberRecord, Standing, Who};
pub use member::{CorkRecord, MissedRecord, Policy, ReachRecord, RetiredRecord, TallyRecord};
pub use site::{InviteRecord, Mode, Override, SiteRecord};
pub use user::{AliasRecord, AliasView, NodeRecord, NodeView, PackedUser, Role, UserRecord};

use crate::base::{NodeNo, Seq};

/// Which of a node's queues a message waits in. Priority overtakes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lane {
    /// In the order of posting.
    Normal,
    /// Before everything else: news of one's own account.
    Priority,
    /// From a sender whom the node's user has corked: until that ends.
    Held,
}

impl Lane {
    /// All of them.
    pub const ALL: [Lane; 3] = [Lane::Normal, Lane::Priority, Lane::Held];
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
    /// Which queue it waits in: [`Lane::Normal`] or [`Lane::Priority`].
    pub lane: Lane,
    /// The nodes that owe an ack, in rising order.
    pub to: Vec<NodeNo>,
    /// Those of them for which it waits in [`Lane::Held`] instead, in rising order.
    pub held: Vec<NodeNo>,
    /// The frame's header with its length prefix, exactly as recipients get it.
    pub header: Cow<'a, [u8]>,
    /// The data after it.
    pub payload: Payload<'a>,
}

impl MessageRecord<'_> {
    /// Octets of its data, as its header says: chunks are counted without being read.
    pub fn data_len(&self) -> u64 {
        match &self.payload {
            Payload::Inline(octets) => octets.len() as u64,
            Payload::Chunks(_) => announced(&self.header),
        }
    }
}

/// The header's `datalen`. In a string that text could not stand so: its quotes would be escaped.
fn announced(header: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"datalen\":";
    let Some(at) = header.windows(KEY.len()).position(|window| window == KEY) else { return 0 };
    header[at + KEY.len()..].iter().map_while(|digit| char::from(*digit).to_digit(10)).fold(0, |sum, digit| sum * 10 + u64::from(digit))
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
    /// In the queue of what a cork keeps back.
    pub held: Mark,
    /// When the node was last heard of, in seconds since the Unix epoch; 0: never.
    pub seen: u32,
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
    /// State of a group.
    Group(GroupRecord),
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
    /// State of whom a user lets through.
    Reach(ReachRecord),
    /// State of a user's cork.
    Cork(CorkRecord),
    /// State of a user's pings.
    Tally(TallyRecord),
    /// What a user has missed and was not told.
    Missed(MissedRecord),
    /// State of an invite code.
    Invite(InviteRecord),
    /// An alias that was given up.
    Retired(RetiredRecord),
    /// State of the site.
    Site(SiteRecord),
}
