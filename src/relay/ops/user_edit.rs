//! UserEdit: another alias, or another device.

use super::account::{add_alias, add_node};
use super::{Outcome, check_room, deny};
use crate::limits::{BACKLOG_MAX, BACKLOG_TOTAL_MAX};
use crate::record::{BacklogRecord, Lane, Payload, Record};
use crate::relay::cx::{Cx, Me};
use crate::wire::Edit;
use crate::wire::reply::Message;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, edit: &Edit<'_>) -> Outcome {
    match edit {
        Edit::Alias(alias) => new_alias(cx, me, alias),
        Edit::Node(label) => new_node(cx, me, label),
    }
}

fn new_alias(cx: &mut Cx<'_>, me: Me, alias: &str) -> Outcome {
    check_room(cx, 0)?;
    if cx.user(me).has_alias(alias, cx.now.wall) {
        return Ok(None);
    }
    let mut user = cx.user(me).to_record();
    add_alias(cx, &mut user, alias)?;
    cx.append(&Record::User(user));
    let nodes = cx.user(me).node_numbers().collect();
    Ok(Some(cx.post(me.user, nodes, Lane::Priority, &Message::NewAlias { alias }, Payload::EMPTY)))
}

/// The new device starts with a copy of everything queued for the one that asks.
fn new_node(cx: &mut Cx<'_>, me: Me, label: &str) -> Outcome {
    // Numbers rise by nanoseconds: most differences take three octets or four.
    const OCTETS_PER_ENTRY: u64 = 6;
    let queue = cx.ledger.queue(me.node);
    if queue.len() > BACKLOG_TOTAL_MAX {
        return deny(format!("newnode cannot start with the {} messages that wait here: take some first", queue.len()));
    }
    check_room(cx, queue.len() as u64 * OCTETS_PER_ENTRY)?;
    let (normal, priority): (Vec<_>, Vec<_>) = (queue.owed(Lane::Normal).collect(), queue.owed(Lane::Priority).collect());
    let mut user = cx.user(me).to_record();
    let (node, secret) = add_node(cx, &mut user, label)?;
    cx.append(&Record::User(user));
    for part in normal.chunks(BACKLOG_MAX) {
        cx.append(&Record::Backlog(BacklogRecord { node, lane: Lane::Normal, messages: part.to_vec() }));
    }
    for part in priority.chunks(BACKLOG_MAX) {
        cx.append(&Record::Backlog(BacklogRecord { node, lane: Lane::Priority, messages: part.to_vec() }));
    }
    let nodes = cx.user(me).node_numbers().collect();
    let secret = secret.reveal();
    Ok(Some(cx.post(me.user, nodes, Lane::Priority, &Message::NewNode { label, secret: &secret }, Payload::EMPTY)))
}
