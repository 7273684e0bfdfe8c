//! Of the records that are left of a damaged log, those that still make sense together.
//!
//! The rest of the ledger relies on its log being complete: a member names a user and a group that are there, a message the
//! chunks of its data, and a number that was given is never given again. Where records are lost none of this can be
//! relied on. [`Remains`] takes all records that could be read, in rising order of their seqs, and [`Kept`] is what
//! of them gives facts that any log could have given:
//!
//! - of each user, group, member and cursor the newest record that is left, even if a newer one is lost: the older state is
//!   a state that was, and the rest follows from there;
//! - members whose user and group are there;
//! - messages that somebody who is there owes an ack, as far as the newest cursors say, with all chunks of theirs and no others;
//! - cursors and backlogs of nodes that are there, without the messages that are not;
//! - in one user's record a *next node number* above every number that anything names: or a new device would inherit
//!   what waits for one whose user is lost.
//!
//! What it leaves out and somebody will miss, it tells.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{GroupNo, NodeNo, Seq, Uid, UserNo};
use crate::record::{BacklogRecord, CursorRecord, DecodeError, Lane, Mark, MessageRecord, Payload, Record, UserRecord};

/// What is left of a log, as it is read.
#[derive(Debug, Default)]
pub struct Remains {
    users: BTreeMap<UserNo, (Seq, UserRecord)>,
    groups: BTreeMap<GroupNo, (Seq, String)>,
    members: BTreeMap<(GroupNo, UserNo), Seq>,
    cursors: BTreeMap<NodeNo, (Seq, CursorRecord)>,
    backlogs: BTreeMap<Seq, BacklogRecord>,
    messages: BTreeMap<Seq, Message>,
    chunks: BTreeSet<Seq>,
    /// Above every node number that anything names.
    next_node: u32,
}

/// What counts of a message.
#[derive(Debug)]
struct Message {
    lane: Lane,
    to: Vec<NodeNo>,
    chunks: Vec<Seq>,
}

/// A fact that was left out, since what it needs is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missed {
    /// A message of which these chunks are lost.
    Incomplete(Seq, Vec<Seq>),
    /// A message whose record is lost: only a queue still names it.
    Message(Seq),
    /// A user's standing in a group: the user is lost, or the group.
    Member(GroupNo, UserNo),
    /// A node, and what waits for it: its user is lost, or the newest state of it.
    Node(NodeNo, Vec<Seq>),
}

/// The records that make sense together.
#[derive(Debug, Default)]
pub struct Kept {
    /// By seq: other octets to write instead, where something had to be left out.
    pub records: BTreeMap<Seq, Option<Vec<u8>>>,
    /// What was left out and will be missed, with the nodes that miss it.
    pub missed: Vec<(Missed, Vec<NodeNo>)>,
    owners: BTreeMap<NodeNo, Uid>,
    remains: Remains,
}

impl Remains {
    /// Takes the next record in.
    ///
    /// # Errors
    /// [`DecodeError`]: a newer version wrote it, and must mend it.
    pub fn take(&mut self, seq: Seq, octets: &[u8]) -> Result<(), DecodeError> {
        match Record::decode(octets)? {
            Record::User(user) => {
                let highest = user.nodes.iter().map(|node| node.no.0.saturating_add(1)).max();
                self.next_node = self.next_node.max(user.next_node.0).max(highest.unwrap_or(0));
                self.users.insert(user.no, (seq, user));
            }
            Record::Group(group) => drop(self.groups.insert(group.no, (seq, group.name))),
            Record::Member(member) => drop(self.members.insert((member.group, member.user), seq)),
            Record::Message(MessageRecord { lane, to, payload, .. }) => {
                to.iter().for_each(|node| self.name(*node));
                let chunks = if let Payload::Chunks(chunks) = payload { chunks } else { Vec::new() };
                self.messages.insert(seq, Message { lane, to, chunks });
            }
            Record::Chunk(_) => drop(self.chunks.insert(seq)),
            Record::Cursor(cursor) => {
                self.name(cursor.node);
                self.cursors.insert(cursor.node, (seq, cursor));
            }
            Record::Backlog(backlog) => {
                self.name(backlog.node);
                self.backlogs.insert(seq, backlog);
            }
            Record::Reach(_)
            | Record::Cork(_)
            | Record::Tally(_)
            | Record::Missed(_)
            | Record::Invite(_)
            | Record::Retired(_)
            | Record::Site(_) => {}
        }
        Ok(())
    }

    fn name(&mut self, node: NodeNo) {
        self.next_node = self.next_node.max(node.0.saturating_add(1));
    }

    /// Decides what is kept.
    pub fn sort(self) -> Kept {
        let owner = |(_, user): &(Seq, UserRecord)| user.nodes.iter().map(|node| (node.no, user.uid)).collect::<Vec<_>>();
        let owners = self.users.values().flat_map(owner).collect();
        let mut kept = Kept { owners, remains: self, ..Kept::default() };
        let present = kept.sort_messages();
        kept.sort_queues(&present);
        kept.sort_people();
        kept
    }

    /// Whether a node, there or not, has not acked a message, as far as its newest cursor says.
    fn owes(&self, node: NodeNo, lane: Lane, message: Seq) -> bool {
        let Some((_, cursor)) = self.cursors.get(&node) else { return true };
        let mark = mark_of(cursor, lane);
        let acked = message <= mark.high && mark.owed.binary_search(&message).is_err() || mark.ahead.binary_search(&message).is_ok();
        !acked
    }
}

fn mark_of(cursor: &CursorRecord, lane: Lane) -> &Mark {
    match lane {
        Lane::Normal => &cursor.normal,
        Lane::Priority => &cursor.priority,
        Lane::Held => &cursor.held,
    }
}

impl Kept {
    /// Whose device a node is; `None` if that is lost.
    pub fn owner(&self, node: NodeNo) -> Option<&Uid> {
        self.owners.get(&node)
    }

    /// Which of these nodes had not acked a message, as far as can be told.
    pub fn waiting(&self, message: Seq, lane: Lane, nodes: &[NodeNo]) -> Vec<NodeNo> {
        nodes.iter().copied().filter(|node| self.remains.owes(*node, lane, message)).collect()
    }

    /// Whether a record of this seq would say nothing that a newer one that is left does not.
    pub fn is_replaced(&self, seq: Seq, record: &Record<'_>) -> bool {
        let newest = match record {
            Record::User(user) => self.remains.users.get(&user.no).map(|(newest, _)| *newest),
            Record::Group(group) => self.remains.groups.get(&group.no).map(|(newest, _)| *newest),
            Record::Member(member) => self.remains.members.get(&(member.group, member.user)).copied(),
            Record::Cursor(cursor) => self.remains.cursors.get(&cursor.node).map(|(newest, _)| *newest),
            Record::Message(_) | Record::Chunk(_) | Record::Backlog(_) => None,
            Record::Reach(_)
            | Record::Cork(_)
            | Record::Tally(_)
            | Record::Missed(_)
            | Record::Invite(_)
            | Record::Retired(_)
            | Record::Site(_) => None,
        };
        newest.is_some_and(|newest| newest > seq)
    }

    /// The message that a chunk is a part of, if that message is left.
    pub fn whole_of(&self, chunk: Seq) -> Option<Seq> {
        let mut chunked = self.remains.messages.iter().filter(|(seq, message)| **seq > chunk && !message.chunks.is_empty());
        chunked.find(|(_, message)| message.chunks.binary_search(&chunk).is_ok()).map(|(seq, _)| *seq)
    }

    /// Keeps the messages that are owed and whole; returns them with those who owe them.
    fn sort_messages(&mut self) -> BTreeMap<Seq, BTreeSet<NodeNo>> {
        let mut wanted: BTreeMap<Seq, BTreeSet<NodeNo>> = BTreeMap::new();
        let mut lost: BTreeMap<Seq, BTreeSet<NodeNo>> = BTreeMap::new();
        let mut orphans: BTreeMap<NodeNo, Vec<Seq>> = BTreeMap::new();
        let remains = &self.remains;
        let direct = remains.messages.iter().flat_map(|(seq, message)| message.to.iter().map(move |node| (*node, message.lane, *seq)));
        let late = remains.backlogs.values().flat_map(|b| b.messages.iter().map(move |seq| (b.node, b.lane, *seq)));
        let told = remains.cursors.values().flat_map(|(_, cursor)| {
            [Lane::Normal, Lane::Priority]
                .into_iter()
                .flat_map(move |lane| mark_of(cursor, lane).owed.iter().map(move |seq| (cursor.node, lane, *seq)))
        });
        for (node, _, seq) in direct.chain(late).chain(told).filter(|(node, lane, seq)| remains.owes(*node, *lane, *seq)) {
            match (self.owners.contains_key(&node), remains.messages.contains_key(&seq)) {
                (true, true) => drop(wanted.entry(seq).or_default().insert(node)),
                (true, false) => drop(lost.entry(seq).or_default().insert(node)),
                (false, _) => orphans.entry(node).or_default().push(seq),
            }
        }
        wanted.retain(|seq, nodes| {
            let message = &remains.messages[seq];
            let gone: Vec<Seq> = message.chunks.iter().copied().filter(|chunk| !remains.chunks.contains(chunk)).collect();
            if gone.is_empty() {
                self.records.extend(message.chunks.iter().chain([seq]).map(|seq| (*seq, None)));
            } else {
                self.missed.push((Missed::Incomplete(*seq, gone.clone()), nodes.iter().copied().collect()));
            }
            gone.is_empty()
        });
        self.missed.extend(lost.into_iter().map(|(seq, nodes)| (Missed::Message(seq), nodes.into_iter().collect())));
        for (node, mut messages) in orphans {
            messages.sort_unstable();
            messages.dedup();
            self.missed.push((Missed::Node(node, messages), vec![node]));
        }
        wanted
    }

    /// Keeps cursors and backlogs, without the messages that are not there.
    fn sort_queues(&mut self, present: &BTreeMap<Seq, BTreeSet<NodeNo>>) {
        let is_owed = |node: NodeNo, seq: &Seq| present.get(seq).is_some_and(|nodes| nodes.contains(&node));
        for (node, (seq, cursor)) in self.remains.cursors.iter().filter(|(node, _)| self.owners.contains_key(node)) {
            let mut cursor = cursor.clone();
            cursor.normal.owed.retain(|seq| is_owed(*node, seq));
            cursor.priority.owed.retain(|seq| is_owed(*node, seq));
            self.records.insert(*seq, Some(Record::Cursor(cursor).encode()));
        }
        for (seq, backlog) in &self.remains.backlogs {
            let messages: Vec<Seq> = backlog.messages.iter().copied().filter(|seq| is_owed(backlog.node, seq)).collect();
            if !messages.is_empty() {
                self.records.insert(*seq, Some(Record::Backlog(BacklogRecord { messages, ..backlog.clone() }).encode()));
            }
        }
    }

    /// Keeps users and groups, and the members that have both.
    fn sort_people(&mut self) {
        let Remains { users, groups, members, next_node, .. } = &self.remains;
        self.records.extend(users.values().map(|(seq, _)| (*seq, None)));
        self.records.extend(groups.values().map(|(seq, _)| (*seq, None)));
        for ((group, user), seq) in members {
            if users.contains_key(user) && groups.contains_key(group) {
                self.records.insert(*seq, None);
            } else {
                self.missed.push((Missed::Member(*group, *user), Vec::new()));
            }
        }
        if let Some((seq, user)) = users.values().max_by_key(|(_, user)| user.next_node)
            && user.next_node.0 < *next_node
        {
            let user = UserRecord { next_node: NodeNo(*next_node), ..user.clone() };
            self.records.insert(*seq, Some(Record::User(user).encode()));
        }
    }

    /// A group's name, and a user's id, as far as they are left.
    pub fn names(&self, group: GroupNo, user: UserNo) -> (Option<&str>, Option<&Uid>) {
        let group = self.remains.groups.get(&group).map(|(_, name)| name.as_str());
        (group, self.remains.users.get(&user).map(|(_, user)| &user.uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::NodeDigest;
    use crate::ledger::Replay;
    use crate::record::{MemberRecord, NodeRecord, Standing};

    fn user(no: u32, nodes: &[u32], next: u32) -> Record<'static> {
        let nodes = nodes.iter().map(|no| NodeRecord { no: NodeNo(*no), digest: NodeDigest([*no as u8; 32]), label: "phone".into() });
        let (no, uid) = (UserNo(no), Uid([no as u8; 20]));
        Record::User(UserRecord { no, uid, aliases: vec![format!("alias no {no:?}")], nodes: nodes.collect(), next_node: NodeNo(next) })
    }

    fn message(to: &[u32], chunks: &[u64]) -> Record<'static> {
        let chunks: Vec<Seq> = chunks.iter().map(|seq| Seq(*seq)).collect();
        let payload = if chunks.is_empty() { Payload::EMPTY } else { Payload::Chunks(chunks) };
        let to = to.iter().map(|no| NodeNo(*no)).collect();
        Record::Message(MessageRecord { lane: Lane::Normal, to, header: b"0002{}"[..].into(), payload })
    }

    fn member(group: u32, user: u32) -> Record<'static> {
        let (group, user) = (GroupNo(group), UserNo(user));
        Record::Member(MemberRecord { group, user, alias: "whatever".into(), standing: Standing::Joined })
    }

    fn cursor(node: u32, high: u64, owed: &[u64]) -> Record<'static> {
        let normal = Mark { high: Seq(high), owed: owed.iter().map(|seq| Seq(*seq)).collect(), ahead: vec![] };
        Record::Cursor(CursorRecord { node: NodeNo(node), normal, priority: Mark::default() })
    }

    /// A log in which everything hangs together.
    fn log() -> BTreeMap<u64, Record<'static>> {
        let backlog = BacklogRecord { node: NodeNo(2), lane: Lane::Normal, messages: vec![Seq(10), Seq(13)] };
        let records = [
            (1, user(0, &[0], 1)),
            (2, user(1, &[1], 2)),
            (3, Record::Group { no: GroupNo(0), name: "a group of two".into() }),
            (4, member(0, 0)),
            (5, member(0, 1)),
            (10, message(&[0, 1], &[])),
            (11, Record::Chunk(b"eleven"[..].into())),
            (12, Record::Chunk(b"twelve"[..].into())),
            (13, message(&[0], &[11, 12])),
            (14, message(&[1], &[])),
            (15, user(0, &[0, 2], 3)),
            (16, Record::Backlog(backlog)),
            (17, message(&[0, 1, 2], &[])),
            (18, cursor(0, 13, &[10])),
            (19, cursor(1, 14, &[10])),
            (20, cursor(0, 17, &[10])),
        ];
        records.into_iter().collect()
    }

    fn sort(records: &BTreeMap<u64, Record<'static>>) -> (Kept, crate::ledger::Ledger) {
        let mut remains = Remains::default();
        records.iter().for_each(|(seq, record)| remains.take(Seq(*seq), &record.encode()).expect("a record"));
        let kept = remains.sort();
        let mut replay = Replay::new();
        for (seq, other) in &kept.records {
            let octets = other.clone().unwrap_or_else(|| records[&seq.0].encode());
            replay.take(*seq, &octets).expect("it decodes");
        }
        let (ledger, _) = replay.finish().expect("nothing that is owed lacks a part");
        ledger.check_invariants();
        (kept, ledger)
    }

    #[test]
    fn a_whole_log_keeps_all_its_facts() {
        let (kept, ledger) = sort(&log());
        assert_eq!(kept.missed, []);
        let mut replay = Replay::new();
        log().iter().for_each(|(seq, record)| replay.take(Seq(*seq), &record.encode()).expect("a record"));
        assert_eq!(ledger.digest(), replay.finish().expect("whole").0.digest());
    }

    #[test]
    fn whatever_is_lost_the_rest_makes_sense() {
        let whole = log();
        let all: Vec<u64> = whole.keys().copied().collect();
        for lost in 0..1u32 << all.len() {
            let mut left = whole.clone();
            all.iter().enumerate().filter(|(i, _)| lost >> i & 1 == 1).for_each(|(_, seq)| drop(left.remove(seq)));
            let (kept, ledger) = sort(&left);
            // What ledger and relay take for granted.
            for group in ["a group of two"].iter().filter_map(|name| ledger.group_by_name(name)) {
                ledger.group_nodes(group, None).for_each(drop);
            }
            let named = kept.remains.next_node;
            assert!(ledger.user_count() == 0 || ledger.next_node().0 >= named, "{lost:b}: a node's number is given again");
        }
    }

    #[test]
    fn what_is_missed_is_told_with_those_who_miss_it() {
        let without = |lost: &[u64]| {
            let mut left = log();
            lost.iter().for_each(|seq| drop(left.remove(seq)));
            sort(&left).0.missed
        };
        assert_eq!(without(&[18]), [], "a newer one is left");
        assert_eq!(without(&[12]), [(Missed::Incomplete(Seq(13), vec![Seq(12)]), vec![NodeNo(2)])]);
        assert_eq!(without(&[10]), [(Missed::Message(Seq(10)), vec![NodeNo(0), NodeNo(1), NodeNo(2)])]);
        assert_eq!(
            without(&[2]),
            [(Missed::Node(NodeNo(1), vec![Seq(10), Seq(17)]), vec![NodeNo(1)]), (Missed::Member(GroupNo(0), UserNo(1)), vec![])]
        );
        assert_eq!(without(&[15]), [(Missed::Node(NodeNo(2), vec![Seq(10), Seq(13), Seq(17)]), vec![NodeNo(2)])]);
        assert_eq!(without(&[3]).len(), 2, "both members");
    }
}
