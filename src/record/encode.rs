//! Records to octets.

use super::codec::{put_number, put_rising};
use super::group::{put_group, put_member};
use super::member::{put_cork, put_missed, put_reach, put_retired, put_tally};
use super::site::{put_invite, put_site};
use super::user::put_user;
use super::{BacklogRecord, CursorRecord, Lane, Mark, MessageRecord, Payload, Record};
use crate::base::{NodeNo, Seq};

pub(super) const MESSAGE: u8 = 4;
pub(super) const CHUNK: u8 = 5;
/// A cursor of the first version: nothing is held, and nothing is known of when the node was seen.
pub(super) const OLD_CURSOR: u8 = 6;
pub(super) const BACKLOG: u8 = 7;
pub(super) const CURSOR: u8 = 10;

/// A message's flags.
pub(super) const PRIORITY: u8 = 1;
pub(super) const CHUNKED: u8 = 2;
pub(super) const HELD: u8 = 4;

impl Record<'_> {
    /// The record's octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size_hint());
        match self {
            Record::User(user) => put_user(&mut out, user),
            Record::Group(group) => put_group(&mut out, group),
            Record::Member(member) => put_member(&mut out, member),
            Record::Message(message) => put_message(&mut out, message),
            Record::Chunk(octets) => {
                out.push(CHUNK);
                out.extend_from_slice(octets);
            }
            Record::Cursor(CursorRecord { node, normal, priority, held, seen }) => {
                out.push(CURSOR);
                put_number(&mut out, u64::from(node.0));
                put_number(&mut out, u64::from(*seen));
                [normal, priority, held].into_iter().for_each(|mark| put_mark(&mut out, mark));
            }
            Record::Backlog(BacklogRecord { node, lane, messages }) => {
                out.push(BACKLOG);
                put_number(&mut out, u64::from(node.0));
                out.push(lane_flag(*lane));
                put_seqs(&mut out, messages);
            }
            Record::Reach(reach) => put_reach(&mut out, reach),
            Record::Cork(cork) => put_cork(&mut out, cork),
            Record::Tally(tally) => put_tally(&mut out, tally),
            Record::Missed(missed) => put_missed(&mut out, missed),
            Record::Invite(invite) => put_invite(&mut out, invite),
            Record::Retired(retired) => put_retired(&mut out, retired),
            Record::Site(site) => put_site(&mut out, site),
        }
        out
    }

    fn size_hint(&self) -> usize {
        match self {
            Record::Message(message) => {
                let data = match &message.payload {
                    Payload::Inline(octets) => octets.len(),
                    Payload::Chunks(chunks) => 9 * chunks.len(),
                };
                16 + 5 * message.to.len() + message.header.len() + data
            }
            Record::Chunk(octets) => 1 + octets.len(),
            Record::Cursor(_) => 32,
            Record::Backlog(backlog) => 16 + 5 * backlog.messages.len(),
            Record::User(_)
            | Record::Group(_)
            | Record::Member(_)
            | Record::Reach(_)
            | Record::Cork(_)
            | Record::Tally(_)
            | Record::Missed(_)
            | Record::Invite(_)
            | Record::Retired(_)
            | Record::Site(_) => 128,
        }
    }
}

/// The frame stands last, and its place near the front: a delivery must not walk the recipients.
fn put_message(out: &mut Vec<u8>, message: &MessageRecord<'_>) {
    out.push(MESSAGE);
    let chunked = if matches!(message.payload, Payload::Chunks(_)) { CHUNKED } else { 0 };
    let held = if message.held.is_empty() { 0 } else { HELD };
    debug_assert_ne!(message.lane, Lane::Held, "a message is held for some");
    out.push(lane_flag(message.lane) | chunked | held);
    out.extend_from_slice(&[0; 4]);
    put_rising(out, message.to.iter().map(|node| u64::from(node.0)));
    if held != 0 {
        put_bits(out, &message.to, &message.held);
    }
    if let Payload::Chunks(chunks) = &message.payload {
        put_seqs(out, chunks);
    }
    let frame_at = u32::try_from(out.len()).expect("a record is smaller than a segment");
    out[2..6].copy_from_slice(&frame_at.to_le_bytes());
    out.extend_from_slice(&message.header);
    if let Payload::Inline(octets) = &message.payload {
        out.extend_from_slice(octets);
    }
}

/// Which of `to` are in `held`, which rises too: a bit each, the first in the lowest bit of the first octet.
fn put_bits(out: &mut Vec<u8>, to: &[NodeNo], held: &[NodeNo]) {
    let first = out.len();
    out.resize(first + to.len().div_ceil(8), 0);
    for node in held {
        let at = to.binary_search(node).expect("what is held for a node is for that node");
        out[first + at / 8] |= 1 << (at % 8);
    }
}

fn lane_flag(lane: Lane) -> u8 {
    match lane {
        Lane::Normal => 0,
        Lane::Priority => PRIORITY,
        Lane::Held => HELD,
    }
}

fn put_mark(out: &mut Vec<u8>, mark: &Mark) {
    put_number(out, mark.high.0);
    put_seqs(out, &mark.owed);
    put_seqs(out, &mark.ahead);
}

fn put_seqs(out: &mut Vec<u8>, seqs: &[Seq]) {
    put_rising(out, seqs.iter().map(|seq| seq.0));
}
