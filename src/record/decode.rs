//! Octets to records, and the short way from a message's octets to what goes on the wire.

use std::borrow::Cow;
use std::fmt;

use super::codec::Reader;
use super::encode::{BACKLOG, CHUNK, CHUNKED, CURSOR, HELD, MESSAGE, OLD_CURSOR, PRIORITY};
use super::group::{MANAGED_GROUP, MEMBER, PLAIN_GROUP, take_group, take_member};
use super::member::{CORK, MISSED, REACH, RETIRED, TALLY, take_cork, take_missed, take_reach, take_retired, take_tally};
use super::site::{INVITE, SITE, take_invite, take_site};
use super::user::{OLD_USER, USER, take_user};
use super::{BacklogRecord, CursorRecord, Lane, Mark, MessageRecord, Payload, Record};
use crate::base::{NodeNo, Seq};

/// The octets are no record. The log's checksums held, so a newer version wrote them, or a bug did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// It ends too early.
    Short,
    /// It goes on after its end.
    Long,
    /// A number out of range.
    Number,
    /// A string that is not UTF-8.
    Text,
    /// A kind that this version does not know.
    Kind(u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Short => f.write_str("the record ends too early"),
            DecodeError::Long => f.write_str("the record goes on after its end"),
            DecodeError::Number => f.write_str("a number in the record is out of range"),
            DecodeError::Text => f.write_str("a string in the record is not UTF-8"),
            DecodeError::Kind(kind) => write!(f, "record kind {kind} is unknown: a newer version of mnm wrote it"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl<'a> Record<'a> {
    /// Reads a record; data is borrowed from the octets.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that [`Record::encode`] does not write.
    pub fn decode(octets: &'a [u8]) -> Result<Record<'a>, DecodeError> {
        let mut reader = Reader::new(octets);
        let record = match reader.octet()? {
            OLD_USER => Record::User(take_user(&mut reader, true)?),
            USER => Record::User(take_user(&mut reader, false)?),
            PLAIN_GROUP => Record::Group(take_group(&mut reader, false)?),
            MANAGED_GROUP => Record::Group(take_group(&mut reader, true)?),
            MEMBER => Record::Member(take_member(&mut reader)?),
            MESSAGE => Record::Message(take_message(octets, &mut reader)?),
            CHUNK => Record::Chunk(Cow::Borrowed(reader.rest())),
            OLD_CURSOR => {
                let node = NodeNo(reader.number32()?);
                let (normal, priority) = (take_mark(&mut reader)?, take_mark(&mut reader)?);
                Record::Cursor(CursorRecord { node, normal, priority, held: Mark::default(), seen: 0 })
            }
            CURSOR => {
                let (node, seen) = (NodeNo(reader.number32()?), reader.number32()?);
                let mut mark = || take_mark(&mut reader);
                Record::Cursor(CursorRecord { node, seen, normal: mark()?, priority: mark()?, held: mark()? })
            }
            REACH => Record::Reach(take_reach(&mut reader)?),
            CORK => Record::Cork(take_cork(&mut reader)?),
            TALLY => Record::Tally(take_tally(&mut reader)?),
            MISSED => Record::Missed(take_missed(&mut reader)?),
            INVITE => Record::Invite(take_invite(&mut reader)?),
            RETIRED => Record::Retired(take_retired(&mut reader)?),
            SITE => Record::Site(take_site(&mut reader)?),
            BACKLOG => {
                let node = NodeNo(reader.number32()?);
                let lane = match reader.octet()? {
                    0 => Lane::Normal,
                    PRIORITY => Lane::Priority,
                    HELD => Lane::Held,
                    _ => return Err(DecodeError::Number),
                };
                Record::Backlog(BacklogRecord { node, lane, messages: take_seqs(&mut reader)? })
            }
            kind => return Err(DecodeError::Kind(kind)),
        };
        reader.end()?;
        Ok(record)
    }
}

fn take_message<'a>(octets: &'a [u8], reader: &mut Reader<'a>) -> Result<MessageRecord<'a>, DecodeError> {
    let flags = reader.octet()?;
    if flags & !(PRIORITY | CHUNKED | HELD) != 0 {
        return Err(DecodeError::Number);
    }
    let frame_at = u32::from_le_bytes(reader.array()?) as usize;
    let to = reader.rising(|n| u32::try_from(n).ok().map(NodeNo))?;
    let held = if flags & HELD != 0 { take_bits(reader, &to)? } else { Vec::new() };
    let chunks = if flags & CHUNKED != 0 { Some(take_seqs(reader)?) } else { None };
    let frame = reader.rest();
    if octets.len() - frame.len() != frame_at {
        return Err(DecodeError::Number);
    }
    let header_size = header_size(frame)?;
    let (header, data) = frame.split_at_checked(header_size).ok_or(DecodeError::Short)?;
    let payload = match chunks {
        Some(_) if !data.is_empty() => return Err(DecodeError::Long),
        Some(chunks) => Payload::Chunks(chunks),
        None => Payload::Inline(Cow::Borrowed(data)),
    };
    let lane = if flags & PRIORITY != 0 { Lane::Priority } else { Lane::Normal };
    Ok(MessageRecord { lane, to, held, header: Cow::Borrowed(header), payload })
}

/// Those of `to` that have a bit. One at least has, and no bit stands for nobody.
fn take_bits(reader: &mut Reader<'_>, to: &[NodeNo]) -> Result<Vec<NodeNo>, DecodeError> {
    let bits = reader.take(to.len().div_ceil(8))?;
    let is_set = |at: usize| bits[at / 8] >> (at % 8) & 1 == 1;
    let odd = (to.len()..bits.len() * 8).any(is_set) || !to.is_sorted_by(|a, b| a < b);
    let held: Vec<NodeNo> = (0..to.len()).filter(|at| is_set(*at)).map(|at| to[at]).collect();
    if odd || held.is_empty() { Err(DecodeError::Number) } else { Ok(held) }
}

/// Octets of a frame's header, its length prefix included.
fn header_size(frame: &[u8]) -> Result<usize, DecodeError> {
    let prefix = frame.get(..4).ok_or(DecodeError::Short)?;
    let mut digits = prefix.iter().map(|&digit| char::from(digit).to_digit(16));
    let size = digits.try_fold(0, |size, digit| Some(size << 4 | digit? as usize)).ok_or(DecodeError::Number)?;
    Ok(4 + size)
}

fn take_mark(reader: &mut Reader<'_>) -> Result<Mark, DecodeError> {
    Ok(Mark { high: Seq(reader.number()?), owed: take_seqs(reader)?, ahead: take_seqs(reader)? })
}

fn take_seqs(reader: &mut Reader<'_>) -> Result<Vec<Seq>, DecodeError> {
    reader.rising(|n| Some(Seq(n)))
}

/// What to write to a link for a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery<'a> {
    /// These octets: header and data.
    Whole(&'a [u8]),
    /// The header, then the octets of these chunks.
    Chunked(&'a [u8], Vec<Seq>),
    /// A chunk's octets.
    Chunk(&'a [u8]),
}

/// The short way from a message's or chunk's record to its octets on the wire, whatever the number of recipients.
///
/// # Panics
/// If the record is neither: the caller names only what the relay told it to deliver.
pub fn delivery(record: &[u8]) -> Delivery<'_> {
    match record[0] {
        MESSAGE => {
            let frame_at = u32::from_le_bytes(record[2..6].try_into().expect("four octets")) as usize;
            if record[1] & CHUNKED == 0 {
                return Delivery::Whole(&record[frame_at..]);
            }
            let Ok(Record::Message(MessageRecord { payload: Payload::Chunks(chunks), .. })) = Record::decode(record) else {
                panic!("a message that was applied decodes");
            };
            Delivery::Chunked(&record[frame_at..], chunks)
        }
        CHUNK => Delivery::Chunk(&record[1..]),
        kind => panic!("record kind {kind} is not delivered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{GroupNo, NodeDigest, Uid, UserNo, Wall};
    use crate::record::{
        AliasRecord, CorkRecord, GroupRecord, GroupRules, InviteRecord, MemberRecord, MissedRecord, Mode, NodeRecord, Override, Policy,
        ReachRecord, RetiredRecord, Role, SiteRecord, Standing, TallyRecord, UserRecord, Who,
    };

    fn samples() -> Vec<Record<'static>> {
        let header: &'static [u8] = b"000a{\"op\":\"x\"}";
        let message = |lane, payload| {
            let to = vec![NodeNo(3), NodeNo(300), NodeNo(u32::MAX)];
            let held = if lane == Lane::Normal { vec![NodeNo(300)] } else { vec![] };
            Record::Message(MessageRecord { lane, to, held, header: header.into(), payload })
        };
        let alias = |name: &str, uses| AliasRecord { name: name.into(), uses, expires: Wall::from_seconds(uses) };
        let member = |standing, moderator| {
            let (group, user, alias) = (GroupNo(1), UserNo(7), "alice-the-first".into());
            Record::Member(MemberRecord { group, user, alias, standing, moderator })
        };
        let rules = GroupRules { invite: Who::Moderators, post: Who::Anyone, roster: Who::Members };
        vec![
            Record::User(UserRecord {
                no: UserNo(7),
                uid: Uid([9; 20]),
                role: Role::Receive,
                admin: true,
                aliases: vec![alias("alice-the-first", 0), alias("ünïcödé ✓", 300)],
                nodes: vec![NodeRecord { no: NodeNo(12), digest: NodeDigest([5; 32]), label: "phone".into(), made: 1 << 31 }],
                dropped: 2,
                next_node: NodeNo(13),
            }),
            Record::Group(GroupRecord { no: GroupNo(1), name: "Tom & <Jerry>".into(), rules: None }),
            member(Standing::Barred, false),
            message(Lane::Normal, Payload::Inline(b"hello"[..].into())),
            message(Lane::Priority, Payload::EMPTY),
            message(Lane::Normal, Payload::Chunks(vec![Seq(1 << 60), Seq((1 << 60) + 5)])),
            Record::Chunk(b"data"[..].into()),
            Record::Cursor(CursorRecord {
                node: NodeNo(3),
                normal: Mark { high: Seq(u64::MAX), owed: vec![Seq(4), Seq(9)], ahead: vec![Seq(70)] },
                priority: Mark::default(),
                held: Mark { high: Seq(70), ..Mark::default() },
                seen: u32::MAX,
            }),
            Record::Backlog(BacklogRecord { node: NodeNo(3), lane: Lane::Priority, messages: vec![Seq(1), Seq(2)] }),
            Record::Backlog(BacklogRecord { node: NodeNo(3), lane: Lane::Held, messages: vec![Seq(3)] }),
            Record::Group(GroupRecord { no: GroupNo(2), name: "managed group".into(), rules: Some(rules) }),
            member(Standing::Joined, true),
            member(Standing::Invited, false),
            Record::Reach(ReachRecord { user: UserNo(7), policy: Policy::None, block: vec![Uid([1; 20]), Uid([2; 20])], allow: vec![] }),
            Record::Cork(CorkRecord { user: UserNo(7), until: Wall::from_seconds(1 << 31), all: false, from: vec![Uid([3; 20])] }),
            Record::Cork(CorkRecord { user: UserNo(7), until: Wall(0), all: true, from: vec![] }),
            Record::Tally(TallyRecord { user: UserNo(7), pings: vec![5, 5, 9], failures: vec![u32::MAX] }),
            Record::Missed(MissedRecord { user: UserNo(7), count: 3, first: Seq(1 << 60), last: Seq(u64::MAX) }),
            Record::Invite(InviteRecord {
                slot: 3,
                digest: [8; 32],
                uses: 100,
                expires: Wall(0),
                role: Role::Suspended,
                maker: Some(UserNo(u32::MAX)),
                groups: vec![GroupNo(1), GroupNo(4)],
            }),
            Record::Retired(RetiredRecord { user: UserNo(7), name: "given up alias".into() }),
            Record::Site(SiteRecord::default()),
            Record::Site(SiteRecord {
                mode: Some(Override { mode: Mode::Closed, until: Wall::from_seconds(9), then: Mode::Open, configured: Mode::Invite }),
                wrong_codes: 1 << 40,
            }),
        ]
    }

    #[test]
    fn records_survive_the_way_through_octets() {
        for record in samples() {
            let octets = record.encode();
            assert_eq!(Record::decode(&octets), Ok(record));
        }
    }

    #[test]
    fn octets_that_are_cut_or_padded_are_refused() {
        for record in samples() {
            let octets = record.encode();
            // Data runs to the record's end by design; everything else knows its own length.
            let open_ended = matches!(&record, Record::Chunk(_) | Record::Message(MessageRecord { payload: Payload::Inline(_), .. }));
            for cut in 0..octets.len() {
                if let Ok(other) = Record::decode(&octets[..cut]) {
                    assert!(open_ended, "{record:?} cut at {cut} gave {other:?}");
                }
            }
            if !open_ended {
                assert!(Record::decode(&[&octets[..], &[0]].concat()).is_err(), "{record:?} padded");
            }
        }
        assert_eq!(Record::decode(&[99]), Err(DecodeError::Kind(99)));
    }

    #[test]
    fn a_record_has_one_form() {
        let group = |no: &[u8]| [&[PLAIN_GROUP], no, &[1, b'g']].concat();
        assert!(Record::decode(&group(&[5])).is_ok() && Record::decode(&group(&[0])).is_ok() && Record::decode(&group(&[0x80, 1])).is_ok());
        assert_eq!(Record::decode(&group(&[0x85, 0])), Err(DecodeError::Number));
        let message = |length: &[u8]| [&[MESSAGE, 0, 7, 0, 0, 0, 0], length, b"{\"op\":\"x\"}"].concat();
        assert!(Record::decode(&message(b"000a")).is_ok());
        assert_eq!(Record::decode(&message(b"+00a")), Err(DecodeError::Number));
    }

    #[test]
    fn records_of_the_first_version_are_read() {
        let user = [&[OLD_USER, 7][..], &[9; 20], &[13, 1, 5], b"alice", &[1, 12], &[5; 32], &[5], b"phone"].concat();
        let Ok(Record::User(user)) = Record::decode(&user) else { panic!("it was a user") };
        assert_eq!((user.role, user.admin, user.next_node), (Role::Full, false, NodeNo(13)));
        assert_eq!(user.aliases, [AliasRecord { name: "alice".into(), uses: 0, expires: Wall(0) }]);
        assert_eq!(user.nodes, [NodeRecord { no: NodeNo(12), digest: NodeDigest([5; 32]), label: "phone".into(), made: 0 }]);
        let cursor = [OLD_CURSOR, 3, 9, 0, 0, 8, 0, 0];
        let Ok(Record::Cursor(cursor)) = Record::decode(&cursor) else { panic!("it was a cursor") };
        assert_eq!((cursor.normal.high, cursor.priority.high, cursor.held, cursor.seen), (Seq(9), Seq(8), Mark::default(), 0));
    }

    #[test]
    fn what_is_delivered_is_the_frame_and_nothing_else() {
        let all = samples();
        assert_eq!(delivery(&all[3].encode()), Delivery::Whole(b"000a{\"op\":\"x\"}hello"));
        assert_eq!(delivery(&all[5].encode()), Delivery::Chunked(b"000a{\"op\":\"x\"}", vec![Seq(1 << 60), Seq((1 << 60) + 5)]));
        assert_eq!(delivery(&all[6].encode()), Delivery::Chunk(b"data"));
    }
}
