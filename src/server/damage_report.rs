//! What a damaged log has lost, in sentences: one for each place of the damage, then one for each fact that is missed.
//!
//! Of secrets it tells nothing, and of messages their ids, senders and recipients. What stands in damaged octets is told as far as
//! it can be decoded, and may be wrong: the checksum says only that something in it is.

use crate::base::{NodeNo, Seq, UserNo};
use crate::ledger::{Kept, Missed};
use crate::record::{Lane, MessageRecord, Record};
use crate::store::{Loss, Lost, Salvage};

/// The sentences.
pub(super) fn report(salvage: &Salvage, kept: &Kept) -> Vec<String> {
    let mut lines: Vec<String> = salvage.losses.iter().map(|loss| loss_line(loss, kept)).collect();
    if !salvage.ends_closed {
        let newest = salvage.newest;
        lines.push(format!("the log's end is not marked as such: messages with ids after {newest} may be lost, if there were any"));
    }
    lines.extend(kept.missed.iter().map(|(missed, nodes)| missed_line(missed, nodes, kept)));
    let needless = salvage.records() - kept.records.len();
    lines.push(format!("{} records are kept, {needless} that can be read are needed no more or of no use", kept.records.len()));
    lines
}

fn loss_line(Loss { file, offset, what }: &Loss, kept: &Kept) -> String {
    match what {
        Lost::File { after, before } => format!("{file} is missing or empty: {}", between(*after, *before)),
        Lost::Header => format!("{file} at offset 0: the segment's header is damaged"),
        Lost::Nothing => {
            format!("{file} at offset {offset}: a record is damaged that is the log's own, or is there a second time: nobody misses it")
        }
        Lost::Gap { bytes, after, before } => {
            format!("{file} at offset {offset}: {bytes} octets in which nothing can be read: {}", between(*after, *before))
        }
        Lost::Record(seq, octets) => format!("{file} at offset {offset}: record {seq} is damaged: {}", record_line(*seq, octets, kept)),
    }
}

fn between(after: Seq, before: Option<Seq>) -> String {
    let range = match (after, before) {
        (Seq::ZERO, None) => "messages of unknown ids".to_owned(),
        (Seq::ZERO, Some(before)) => format!("messages with ids before {before}"),
        (after, None) => format!("messages with ids after {after}"),
        (after, Some(before)) => format!("messages with ids between {after} and {before}"),
    };
    format!("{range}, and older ones that had been copied there, may be lost; senders and recipients unknown but for those named below")
}

fn record_line(seq: Seq, octets: &[u8], kept: &Kept) -> String {
    let Ok(record) = Record::decode(octets) else { return "what it said, from whom and for whom, is unknown".to_owned() };
    if kept.is_replaced(seq, &record) {
        return "a newer one has replaced it, and nothing is lost".to_owned();
    }
    let older = "an older state of that, if one is left, takes its place";
    match &record {
        Record::User(user) => format!(
            "the state of member {}, with its devices, aliases and role; an older one, if one is left, takes its place, with what has \
             been dropped since, else the member must register anew",
            user.uid
        ),
        Record::Group(group) => format!("the group {:?}, or what its moderators have decided; {older}", group.name),
        Record::Member(member) => {
            let (uid, group) = (person(member.user, kept), kept.group(member.group).unwrap_or("unknown"));
            let moderates = if member.moderator { ", which that member moderates" } else { "" };
            format!("how {uid} stands to the group {group:?}{moderates}")
        }
        Record::Message(message) => message_line(seq, message, kept),
        Record::Chunk(octets) => match kept.whole_of(seq) {
            Some(message) => format!("{} octets of message {message}", octets.len()),
            None => "a part of a message that is not there, or of an upload that was never finished".to_owned(),
        },
        Record::Cursor(cursor) => format!("what {} has acknowledged: it will get some messages again", people(&[cursor.node], kept)),
        Record::Backlog(backlog) => format!("{} messages of a new device of {}", backlog.messages.len(), people(&[backlog.node], kept)),
        Record::Reach(reach) => format!("whom {} lets through; {older}, else it is everybody", person(reach.user, kept)),
        Record::Cork(cork) => format!("what {} wants kept back; {older}, else it is nothing", person(cork.user, kept)),
        Record::Tally(tally) => format!("how often {} has pinged; {older}, else it is counted anew", person(tally.user, kept)),
        Record::Missed(missed) if missed.count == 0 => format!("that {} was told what it has missed; {older}", person(missed.user, kept)),
        Record::Missed(missed) => format!("that {} has missed {} messages; {older}", person(missed.user, kept), missed.count),
        Record::Invite(invite) => {
            format!("an invite code, the one at place {}, or that it was used; an older one, if one is left, takes its place", invite.slot)
        }
        Record::Retired(retired) => format!("that the alias {:?} was given up: others may take it now", retired.name),
        Record::Site(_) => {
            format!("who may register, as far as that was changed while the relay ran; {older}, else the configuration holds")
        }
    }
}

fn message_line(seq: Seq, message: &MessageRecord<'_>, kept: &Kept) -> String {
    let waiting = kept.waiting(seq, message);
    if waiting.is_empty() && !message.to.is_empty() {
        return "a message that everybody has acknowledged: nothing is lost".to_owned();
    }
    let kind = match message.lane {
        Lane::Priority => "news of an account",
        Lane::Normal | Lane::Held => "a message",
    };
    format!("{kind}, lost: id {seq}, from {}, for {}", sender(&message.header), people(&waiting, kept))
}

/// The uid in a frame's header, which may be damaged.
fn sender(header: &[u8]) -> String {
    let from = header.get(4..).and_then(|json| serde_json::from_slice::<serde_json::Value>(json).ok());
    let from = from.as_ref().and_then(|json| json.get("from")?.as_str());
    from.map_or_else(|| "unknown".to_owned(), |from| from.chars().filter(|c| !c.is_control()).take(64).collect())
}

fn missed_line(missed: &Missed, nodes: &[NodeNo], kept: &Kept) -> String {
    match missed {
        Missed::Incomplete(message, chunks) => {
            format!("message {message} is lost, for {}: {} parts of its data are gone", people(nodes, kept), chunks.len())
        }
        // The queue that names it may be older than an ack whose record is lost too.
        Missed::Message(message) => {
            format!("message {message} is lost, for {}, unless it was acknowledged already; its sender is unknown", people(nodes, kept))
        }
        Missed::Member(group, user) => {
            let (name, uid) = (kept.group(*group), kept.user(*user));
            let uid = uid.map_or_else(|| format!("number {}, who is lost,", user.0), ToString::to_string);
            format!("member {uid} is no longer in the group {}", name.map_or_else(|| "that is lost".to_owned(), |name| format!("{name:?}")))
        }
        Missed::Node(node, messages) => {
            let ids: Vec<String> = messages.iter().map(Seq::to_string).collect();
            format!("device number {} is lost with its member's state, and for it these messages: {}", node.0, ids.join(", "))
        }
    }
}

/// A member, as far as it is left.
fn person(user: UserNo, kept: &Kept) -> String {
    kept.user(user).map_or_else(|| "an unknown member".to_owned(), |uid| format!("member {uid}"))
}

/// Whose these nodes are, each once.
fn people(nodes: &[NodeNo], kept: &Kept) -> String {
    let mut uids: Vec<String> =
        nodes.iter().map(|node| kept.owner(*node).map_or_else(|| "unknown".to_owned(), ToString::to_string)).collect();
    uids.sort_unstable();
    uids.dedup();
    if uids.is_empty() { "unknown".to_owned() } else { uids.join(", ") }
}
