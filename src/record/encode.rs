//! Records to octets.

use super::codec::{put_bytes, put_number, put_rising};
use super::{BacklogRecord, CursorRecord, Lane, Mark, MemberRecord, MessageRecord, Payload, Record, Standing, UserRecord};
use crate::base::Seq;

pub(super) const USER: u8 = 1;
pub(super) const GROUP: u8 = 2;
pub(super) const MEMBER: u8 = 3;
pub(super) const MESSAGE: u8 = 4;
pub(super) const CHUNK: u8 = 5;
pub(super) const CURSOR: u8 = 6;
pub(super) const BACKLOG: u8 = 7;

/// A message's flags.
pub(super) const PRIORITY: u8 = 1;
pub(super) const CHUNKED: u8 = 2;

impl Record<'_> {
    /// The record's octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size_hint());
        match self {
            Record::User(user) => put_user(&mut out, user),
            Record::Group { no, name } => {
                out.push(GROUP);
                put_number(&mut out, u64::from(no.0));
                put_bytes(&mut out, name.as_bytes());
            }
            Record::Member(member) => put_member(&mut out, member),
            Record::Message(message) => put_message(&mut out, message),
            Record::Chunk(octets) => {
                out.push(CHUNK);
                out.extend_from_slice(octets);
            }
            Record::Cursor(CursorRecord { node, normal, priority }) => {
                out.push(CURSOR);
                put_number(&mut out, u64::from(node.0));
                put_mark(&mut out, normal);
                put_mark(&mut out, priority);
            }
            Record::Backlog(BacklogRecord { node, lane, messages }) => {
                out.push(BACKLOG);
                put_number(&mut out, u64::from(node.0));
                out.push(lane_flag(*lane));
                put_seqs(&mut out, messages);
            }
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
            Record::User(_) | Record::Group { .. } | Record::Member(_) => 128,
        }
    }
}

pub(super) fn put_user(out: &mut Vec<u8>, user: &UserRecord) {
    out.push(USER);
    put_number(out, u64::from(user.no.0));
    out.extend_from_slice(&user.uid.0);
    put_number(out, u64::from(user.next_node.0));
    put_number(out, user.aliases.len() as u64);
    for alias in &user.aliases {
        put_bytes(out, alias.as_bytes());
    }
    put_number(out, user.nodes.len() as u64);
    for node in &user.nodes {
        put_number(out, u64::from(node.no.0));
        out.extend_from_slice(&node.digest.0);
        put_bytes(out, node.label.as_bytes());
    }
}

fn put_member(out: &mut Vec<u8>, member: &MemberRecord) {
    out.push(MEMBER);
    put_number(out, u64::from(member.group.0));
    put_number(out, u64::from(member.user.0));
    out.push(match member.standing {
        Standing::Invited => 0,
        Standing::Joined => 1,
        Standing::Barred => 2,
    });
    put_bytes(out, member.alias.as_bytes());
}

/// The frame stands last, and its place near the front: a delivery must not walk the recipients.
fn put_message(out: &mut Vec<u8>, message: &MessageRecord<'_>) {
    out.push(MESSAGE);
    let chunked = if matches!(message.payload, Payload::Chunks(_)) { CHUNKED } else { 0 };
    out.push(lane_flag(message.lane) | chunked);
    out.extend_from_slice(&[0; 4]);
    put_rising(out, message.to.iter().map(|node| u64::from(node.0)));
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

fn lane_flag(lane: Lane) -> u8 {
    match lane {
        Lane::Normal => 0,
        Lane::Priority => PRIORITY,
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
