//! Of the records that are left of a damaged log, those that still make sense together.
//!
//! The rest of the ledger relies on its log being complete: a member names a user and a group that are there, a message the
//! chunks of its data, and a number that was given is never given again. Where records are lost none of this can be
//! relied on. [`Remains`] takes all records that could be read, and [`Kept`] is what of them gives facts that any log could
//! have given:
//!
//! - of each thing that has a state the newest record that is left, even if a newer one is lost: the older state is
//!   a state that was, and the rest follows from there;
//! - members whose user and group are there, and what else is kept of users who are there;
//! - invite codes, without makers and groups that are not there;
//! - names that were given up, of lost users too: then nobody may take them again;
//! - messages that somebody who is there owes an ack, as far as the newest cursors say, with all chunks of theirs and no others;
//! - cursors and backlogs of nodes that are there, without the messages that are not;
//! - in one user's record a *next node number* above every number that anything names: or a new device would inherit
//!   what waits for one whose user is lost.
//!
//! What it leaves out and somebody will miss, it tells.

use std::collections::{BTreeMap, BTreeSet};

use super::remains::{Message, Remains, Thing, mark_of};
use crate::base::{GroupNo, NodeNo, Seq, Uid, UserNo};
use crate::record::{BacklogRecord, InviteRecord, Lane, MessageRecord, Record, RetiredRecord, UserRecord};

/// Stands for a lost user where a number must stand: users get theirs in rising order, and the lost one's may be given again.
const NOBODY: UserNo = UserNo(u32::MAX);

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
    /// Decides what is kept.
    pub fn sort(self) -> Kept {
        let owner = |user: &UserRecord| user.nodes.iter().map(|node| (node.no, user.uid)).collect::<Vec<_>>();
        let owners = self.users.values().flat_map(owner).collect();
        let mut kept = Kept { owners, remains: self, ..Kept::default() };
        let present = kept.sort_messages();
        kept.sort_queues(&present);
        kept.sort_states();
        kept.keep_numbers();
        kept
    }
}

impl Kept {
    /// Whose device a node is; `None` if that is lost.
    pub fn owner(&self, node: NodeNo) -> Option<&Uid> {
        self.owners.get(&node)
    }

    /// Which of a message's nodes had not acked it, as far as can be told. It need not be left.
    pub fn waiting(&self, seq: Seq, message: &MessageRecord<'_>) -> Vec<NodeNo> {
        let message = Message::of(message.clone());
        message.places().filter(|(node, lane)| self.remains.owes(*node, *lane, seq)).map(|(node, _)| node).collect()
    }

    /// Whether a record of this seq would say nothing that a newer one that is left does not.
    pub fn is_replaced(&self, seq: Seq, record: &Record<'_>) -> bool {
        let newest = Thing::of(record).and_then(|thing| self.remains.newest.get(&thing));
        newest.is_some_and(|newest| *newest > seq)
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
        let places = |(seq, message): (&Seq, &Message)| message.places().map(|(node, lane)| (node, lane, *seq)).collect::<Vec<_>>();
        let direct = remains.messages.iter().flat_map(places);
        let late = remains.backlogs.values().flat_map(|b| b.messages.iter().map(move |seq| (b.node, b.lane, *seq)));
        let told = remains.cursors.values().flat_map(|cursor| {
            Lane::ALL.into_iter().flat_map(move |lane| mark_of(cursor, lane).owed.iter().map(move |seq| (cursor.node, lane, *seq)))
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
        for (node, cursor) in self.remains.cursors.iter().filter(|(node, _)| self.owners.contains_key(node)) {
            let mut cursor = cursor.clone();
            for mark in [&mut cursor.normal, &mut cursor.priority, &mut cursor.held] {
                mark.owed.retain(|seq| is_owed(*node, seq));
            }
            self.records.insert(self.remains.newest[&Thing::Cursor(*node)], Some(Record::Cursor(cursor).encode()));
        }
        for (seq, backlog) in &self.remains.backlogs {
            let messages: Vec<Seq> = backlog.messages.iter().copied().filter(|seq| is_owed(backlog.node, seq)).collect();
            if !messages.is_empty() {
                self.records.insert(*seq, Some(Record::Backlog(BacklogRecord { messages, ..backlog.clone() }).encode()));
            }
        }
    }

    /// Keeps the states of what is there, and of what names nothing else.
    fn sort_states(&mut self) {
        let Remains { newest, users, groups, invites, retired, .. } = &self.remains;
        for (thing, seq) in newest {
            let octets = match thing {
                Thing::User(_) | Thing::Group(_) | Thing::Site => None,
                Thing::Member(group, user) if !users.contains_key(user) || !groups.contains_key(group) => {
                    self.missed.push((Missed::Member(*group, *user), Vec::new()));
                    continue;
                }
                Thing::Reach(user) | Thing::Cork(user) | Thing::Tally(user) | Thing::Missed(user) if !users.contains_key(user) => continue,
                Thing::Member(..) | Thing::Reach(_) | Thing::Cork(_) | Thing::Tally(_) | Thing::Missed(_) => None,
                Thing::Invite(slot) => {
                    let invite = &invites[slot];
                    let maker = invite.maker.filter(|maker| users.contains_key(maker));
                    let groups = invite.groups.iter().copied().filter(|group| groups.contains_key(group)).collect();
                    let left = InviteRecord { maker, groups, ..invite.clone() };
                    (left != *invite).then(|| Record::Invite(left).encode())
                }
                Thing::Retired(name) => {
                    let is_lost = !users.contains_key(&retired[name]);
                    is_lost.then(|| Record::Retired(RetiredRecord { user: NOBODY, name: name.clone() }).encode())
                }
                // With the queues.
                Thing::Cursor(_) => continue,
            };
            self.records.insert(*seq, octets);
        }
    }

    /// Sees to it that no number of a node is given again.
    fn keep_numbers(&mut self) {
        let Remains { users, next_node, newest, .. } = &self.remains;
        if let Some(user) = users.values().max_by_key(|user| user.next_node)
            && user.next_node.0 < *next_node
        {
            let seq = newest[&Thing::User(user.no)];
            let user = UserRecord { next_node: NodeNo(*next_node), ..user.clone() };
            self.records.insert(seq, Some(Record::User(user).encode()));
        }
    }

    /// A group's name, as far as it is left.
    pub fn group(&self, group: GroupNo) -> Option<&str> {
        self.remains.groups.get(&group).map(String::as_str)
    }

    /// A user's id, as far as it is left.
    pub fn user(&self, user: UserNo) -> Option<&Uid> {
        self.remains.users.get(&user).map(|user| &user.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{NodeDigest, Wall};
    use crate::ledger::{Ledger, Replay};
    use crate::record::{
        AliasRecord, CorkRecord, CursorRecord, GroupRecord, GroupRules, Mark, MemberRecord, MissedRecord, Mode, NodeRecord, Override,
        Payload, Policy, ReachRecord, Role, SiteRecord, Standing, TallyRecord, Who,
    };

    fn user(no: u32, nodes: &[u32], next: u32) -> Record<'static> {
        let node = |no: &u32| NodeRecord { no: NodeNo(*no), digest: NodeDigest([*no as u8; 32]), label: "phone".into(), made: 0 };
        let (nodes, next_node) = (nodes.iter().map(node).collect(), NodeNo(next));
        let aliases = vec![AliasRecord { name: format!("alias no {no:?}"), uses: 0, expires: Wall(0) }];
        let (no, uid) = (UserNo(no), Uid([no as u8; 20]));
        Record::User(UserRecord { no, uid, role: Role::Full, admin: false, aliases, nodes, dropped: 0, next_node })
    }

    fn nodes(of: &[u32]) -> Vec<NodeNo> {
        of.iter().copied().map(NodeNo).collect()
    }

    fn seqs(of: &[u64]) -> Vec<Seq> {
        of.iter().copied().map(Seq).collect()
    }

    fn message(to: &[u32], held: &[u32], chunks: &[u64]) -> Record<'static> {
        let payload = if chunks.is_empty() { Payload::EMPTY } else { Payload::Chunks(seqs(chunks)) };
        let header = b"0002{}"[..].into();
        Record::Message(MessageRecord { lane: Lane::Normal, to: nodes(to), held: nodes(held), header, payload })
    }

    fn member(group: u32, user: u32, moderator: bool) -> Record<'static> {
        let (group, user, alias) = (GroupNo(group), UserNo(user), "whatever".into());
        Record::Member(MemberRecord { group, user, alias, standing: Standing::Joined, moderator })
    }

    fn cursor(node: u32, high: u64, owed: &[u64], held: u64) -> Record<'static> {
        let normal = Mark { high: Seq(high), owed: seqs(owed), ahead: vec![] };
        let held = Mark { high: Seq(held), ..Mark::default() };
        Record::Cursor(CursorRecord { node: NodeNo(node), normal, priority: Mark::default(), held, seen: 0 })
    }

    fn group(no: u32, rules: Option<GroupRules>) -> Record<'static> {
        Record::Group(GroupRecord { no: GroupNo(no), name: format!("a group, no {no}"), rules })
    }

    /// A log in which everything hangs together.
    fn log() -> BTreeMap<u64, Record<'static>> {
        let backlog = |lane, messages: &[u64]| Record::Backlog(BacklogRecord { node: NodeNo(2), lane, messages: seqs(messages) });
        let records = [
            (1, user(0, &[0], 1)),
            (2, user(1, &[1], 2)),
            (3, group(0, None)),
            (4, member(0, 0, false)),
            (5, member(0, 1, false)),
            (10, message(&[0, 1], &[], &[])),
            (11, Record::Chunk(b"eleven"[..].into())),
            (12, Record::Chunk(b"twelve"[..].into())),
            (13, message(&[0], &[0], &[11, 12])),
            (14, message(&[1], &[1], &[])),
            (15, user(0, &[0, 2], 3)),
            (16, backlog(Lane::Normal, &[10])),
            (17, backlog(Lane::Held, &[13])),
            (18, message(&[0, 1, 2], &[1], &[])),
            (19, cursor(0, 0, &[], 13)),
            (20, cursor(1, 14, &[10], 14)),
            (21, cursor(0, 18, &[10], 13)),
        ];
        records.into_iter().collect()
    }

    /// What members and the operator have decided, twice where the newer replaces the older.
    fn settings() -> BTreeMap<u64, Record<'static>> {
        let uid = |no: u8| Uid([no; 20]);
        let rules = GroupRules { invite: Who::Moderators, post: Who::Anyone, roster: Who::Members };
        let invite = |slot, uses, maker: u32, groups: &[u32]| {
            let groups = groups.iter().copied().map(GroupNo).collect();
            let (digest, expires, maker) = ([slot as u8; 32], Wall(0), Some(UserNo(maker)));
            Record::Invite(InviteRecord { slot, digest, uses, expires, role: Role::Receive, maker, groups })
        };
        let site = |mode, wrong_codes| {
            let mode = Some(Override { mode, until: Wall(0), then: Mode::Closed, configured: Mode::Open });
            Record::Site(SiteRecord { mode, wrong_codes })
        };
        let records = [
            (1, user(0, &[0], 1)),
            (2, user(1, &[1], 2)),
            (3, group(0, None)),
            (4, group(1, Some(rules))),
            (5, member(1, 1, true)),
            (6, Record::Reach(ReachRecord { user: UserNo(0), policy: Policy::None, block: vec![uid(9)], allow: vec![uid(1)] })),
            (7, Record::Cork(CorkRecord { user: UserNo(1), until: Wall(1 << 50), all: false, from: vec![uid(0)] })),
            (8, Record::Tally(TallyRecord { user: UserNo(1), pings: vec![7, 7], failures: vec![8] })),
            (9, Record::Missed(MissedRecord { user: UserNo(1), count: 2, first: Seq(3), last: Seq(4) })),
            (10, invite(2, 5, 1, &[0, 1])),
            (11, invite(2, 4, 1, &[0, 1])),
            (12, Record::Retired(RetiredRecord { user: UserNo(1), name: "alias no longer".into() })),
            (13, site(Mode::Closed, 0)),
            (14, site(Mode::Invite, 1)),
        ];
        records.into_iter().collect()
    }

    fn sort(records: &BTreeMap<u64, Record<'static>>) -> (Kept, Ledger) {
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
        for whole in [log(), settings()] {
            let (kept, ledger) = sort(&whole);
            assert_eq!(kept.missed, []);
            let mut replay = Replay::new();
            whole.iter().for_each(|(seq, record)| replay.take(Seq(*seq), &record.encode()).expect("a record"));
            assert_eq!(ledger.digest(), replay.finish().expect("whole").0.digest());
        }
    }

    /// Calls back with what is left, for each way to lose some of the records.
    fn each_loss(whole: &BTreeMap<u64, Record<'static>>, check: impl Fn(&BTreeMap<u64, Record<'static>>, Kept, Ledger)) {
        for lost in 0..1u32 << whole.len() {
            let is_left = |at: usize| lost >> at & 1 == 0;
            let records = whole.iter().enumerate().filter(|(at, _)| is_left(*at));
            let left: BTreeMap<u64, Record<'static>> = records.map(|(_, (seq, record))| (*seq, record.clone())).collect();
            let (kept, ledger) = sort(&left);
            check(&left, kept, ledger);
        }
    }

    #[test]
    fn whatever_is_lost_the_rest_makes_sense() {
        each_loss(&log(), |left, kept, ledger| {
            // What ledger and relay take for granted.
            if let Some(group) = ledger.group_by_name("a group, no 0") {
                ledger.group_nodes(group, None).for_each(drop);
            }
            let named = kept.remains.next_node;
            assert!(ledger.user_count() == 0 || ledger.next_node().0 >= named, "{left:?}: a node's number is given again");
        });
    }

    #[test]
    fn whatever_is_lost_what_was_decided_is_for_those_who_are_left() {
        each_loss(&settings(), |left, _, ledger| {
            let users: Vec<UserNo> = [0, 1].map(UserNo).into_iter().filter(|no| left.contains_key(&(u64::from(no.0) + 1))).collect();
            let [has_0, has_1] = [0, 1].map(|no| users.contains(&UserNo(no)));
            assert_eq!(ledger.reach(UserNo(0)).is_some(), has_0 && left.contains_key(&6));
            assert_eq!(ledger.cork(UserNo(1)).is_some(), has_1 && left.contains_key(&7));
            assert_eq!(ledger.tally(UserNo(1)).is_some(), has_1 && left.contains_key(&8));
            assert_eq!(ledger.missed(UserNo(1)).is_some(), has_1 && left.contains_key(&9));
            ledger.corks().for_each(|cork| _ = ledger.user(cork.user));
            users.iter().for_each(|from| users.iter().for_each(|to| _ = (ledger.reaches(*from, *to), ledger.blocks(*to, *from))));
            let invite = ledger.invite(&[2; 32]);
            assert_eq!(invite.map(|invite| invite.uses), left.contains_key(&11).then_some(4).or(left.contains_key(&10).then_some(5)));
            if let Some(invite) = invite {
                assert_eq!(invite.maker, has_1.then_some(UserNo(1)));
                let groups: Vec<GroupNo> = [0, 1].map(GroupNo).into_iter().filter(|no| left.contains_key(&(u64::from(no.0) + 3))).collect();
                assert_eq!(invite.groups, groups);
            }
            let last_owner = if has_1 { UserNo(1) } else { NOBODY };
            assert_eq!(ledger.retired("alias no longer"), left.contains_key(&12).then_some(last_owner));
            assert_eq!(ledger.site().wrong_codes, u64::from(left.contains_key(&14)));
            if let Some(group) = ledger.group_by_name("a group, no 1") {
                assert!(group.is_managed());
                assert_eq!(group.moderator_count(), usize::from(has_1 && left.contains_key(&5)));
            }
        });
    }

    #[test]
    fn what_is_missed_is_told_with_those_who_miss_it() {
        let without = |lost: &[u64]| {
            let mut left = log();
            lost.iter().for_each(|seq| drop(left.remove(seq)));
            sort(&left).0.missed
        };
        assert_eq!(without(&[19]), [], "a newer one is left");
        assert_eq!(without(&[12]), [(Missed::Incomplete(Seq(13), vec![Seq(12)]), vec![NodeNo(2)])]);
        assert_eq!(without(&[10]), [(Missed::Message(Seq(10)), vec![NodeNo(0), NodeNo(1), NodeNo(2)])]);
        assert_eq!(
            without(&[2]),
            [(Missed::Node(NodeNo(1), vec![Seq(10), Seq(18)]), vec![NodeNo(1)]), (Missed::Member(GroupNo(0), UserNo(1)), vec![])]
        );
        assert_eq!(without(&[15]), [(Missed::Node(NodeNo(2), vec![Seq(10), Seq(13), Seq(18)]), vec![NodeNo(2)])]);
        assert_eq!(without(&[3]).len(), 2, "both members");
    }
}
