//! What is left of a damaged log, as it is read: of each thing the newest state, and all messages.
//!
//! What of it makes sense together is sorted out by [`Kept`](super::Kept).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{GroupNo, NodeNo, Seq, UserNo};
use crate::record::{
    BacklogRecord, CursorRecord, DecodeError, InviteRecord, Lane, Mark, MessageRecord, Payload, Record, RetiredRecord, UserRecord,
};

/// What is left of a log. Feed it all records that can be read, in rising order of their seqs, then [`sort`](Self::sort).
#[derive(Debug, Default)]
pub struct Remains {
    /// The newest state of each thing that is left.
    pub(super) newest: BTreeMap<Thing, Seq>,
    pub(super) users: BTreeMap<UserNo, UserRecord>,
    /// By their numbers, their names.
    pub(super) groups: BTreeMap<GroupNo, String>,
    pub(super) cursors: BTreeMap<NodeNo, CursorRecord>,
    /// By their slots.
    pub(super) invites: BTreeMap<u32, InviteRecord>,
    /// Who had these aliases last.
    pub(super) retired: BTreeMap<String, UserNo>,
    pub(super) backlogs: BTreeMap<Seq, BacklogRecord>,
    pub(super) messages: BTreeMap<Seq, Message>,
    pub(super) chunks: BTreeSet<Seq>,
    /// Above every node number that anything names.
    pub(super) next_node: u32,
}

/// What a record is the state of. The newest one of the same thing replaces the others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Thing {
    User(UserNo),
    Group(GroupNo),
    Member(GroupNo, UserNo),
    Cursor(NodeNo),
    Reach(UserNo),
    Cork(UserNo),
    Tally(UserNo),
    Missed(UserNo),
    Invite(u32),
    Retired(String),
    Site,
}

impl Thing {
    /// `None` for what is no state of anything.
    pub(super) fn of(record: &Record<'_>) -> Option<Thing> {
        match record {
            Record::User(user) => Some(Thing::User(user.no)),
            Record::Group(group) => Some(Thing::Group(group.no)),
            Record::Member(member) => Some(Thing::Member(member.group, member.user)),
            Record::Cursor(cursor) => Some(Thing::Cursor(cursor.node)),
            Record::Reach(reach) => Some(Thing::Reach(reach.user)),
            Record::Cork(cork) => Some(Thing::Cork(cork.user)),
            Record::Tally(tally) => Some(Thing::Tally(tally.user)),
            Record::Missed(missed) => Some(Thing::Missed(missed.user)),
            Record::Invite(invite) => Some(Thing::Invite(invite.slot)),
            Record::Retired(retired) => Some(Thing::Retired(retired.name.clone())),
            Record::Site(_) => Some(Thing::Site),
            Record::Message(_) | Record::Chunk(_) | Record::Backlog(_) => None,
        }
    }
}

/// What counts of a message.
#[derive(Debug)]
pub(super) struct Message {
    lane: Lane,
    pub(super) to: Vec<NodeNo>,
    held: Vec<NodeNo>,
    pub(super) chunks: Vec<Seq>,
}

impl Message {
    pub(super) fn of(record: MessageRecord<'_>) -> Message {
        let MessageRecord { lane, to, held, payload, .. } = record;
        Message { lane, to, held, chunks: if let Payload::Chunks(chunks) = payload { chunks } else { Vec::new() } }
    }

    /// Where it waits for each of its nodes.
    pub(super) fn places(&self) -> impl Iterator<Item = (NodeNo, Lane)> {
        self.to.iter().map(|node| (*node, if self.held.binary_search(node).is_ok() { Lane::Held } else { self.lane }))
    }
}

/// What a cursor says of one lane.
pub(super) fn mark_of(cursor: &CursorRecord, lane: Lane) -> &Mark {
    match lane {
        Lane::Normal => &cursor.normal,
        Lane::Priority => &cursor.priority,
        Lane::Held => &cursor.held,
    }
}

impl Remains {
    /// Takes the next record in.
    ///
    /// # Errors
    /// [`DecodeError`]: a newer version wrote it, and must mend it.
    pub fn take(&mut self, seq: Seq, octets: &[u8]) -> Result<(), DecodeError> {
        let record = Record::decode(octets)?;
        self.newest.extend(Thing::of(&record).map(|thing| (thing, seq)));
        match record {
            Record::User(user) => {
                let highest = user.nodes.iter().map(|node| node.no.0.saturating_add(1)).max();
                self.next_node = self.next_node.max(user.next_node.0).max(highest.unwrap_or(0));
                self.users.insert(user.no, user);
            }
            Record::Group(group) => drop(self.groups.insert(group.no, group.name)),
            Record::Message(message) => {
                message.to.iter().for_each(|node| self.name(*node));
                self.messages.insert(seq, Message::of(message));
            }
            Record::Chunk(_) => drop(self.chunks.insert(seq)),
            Record::Cursor(cursor) => {
                self.name(cursor.node);
                self.cursors.insert(cursor.node, cursor);
            }
            Record::Backlog(backlog) => {
                self.name(backlog.node);
                self.backlogs.insert(seq, backlog);
            }
            Record::Invite(invite) => drop(self.invites.insert(invite.slot, invite)),
            Record::Retired(RetiredRecord { user, name }) => drop(self.retired.insert(name, user)),
            // That they are there is all that counts.
            Record::Member(_) | Record::Reach(_) | Record::Cork(_) | Record::Tally(_) | Record::Missed(_) | Record::Site(_) => {}
        }
        Ok(())
    }

    fn name(&mut self, node: NodeNo) {
        self.next_node = self.next_node.max(node.0.saturating_add(1));
    }

    /// Whether a node, there or not, has not acked a message, as far as its newest cursor says.
    pub(super) fn owes(&self, node: NodeNo, lane: Lane, message: Seq) -> bool {
        let Some(cursor) = self.cursors.get(&node) else { return true };
        let mark = mark_of(cursor, lane);
        let acked = message <= mark.high && mark.owed.binary_search(&message).is_err() || mark.ahead.binary_search(&message).is_ok();
        !acked
    }
}
