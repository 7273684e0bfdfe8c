//! PostNotify: a message to some, and a note of it to them and others.

use super::post::{check_fanout, resolve};
use super::{Done, Outcome, check_size};
use crate::record::Lane;
use crate::relay::cx::{Cx, Me};
use crate::relay::upload::Data;
use crate::wire::reply::Message;
use crate::wire::{Body, Recipient};

/// Who gets what.
pub(super) struct Lists<'a> {
    pub(super) to: &'a [Recipient<'a>],
    pub(super) note_to: &'a [Recipient<'a>],
    pub(super) not_self: bool,
}

/// `note` is the front of the data, the message the rest of it.
pub(super) fn run(cx: &mut Cx<'_>, me: Me, lists: &Lists<'_>, [note, all]: [Body; 2], data: Data<'_>) -> Outcome {
    let mut nodes = resolve(cx, me, lists.to)?;
    let mut note_nodes = resolve(cx, me, lists.note_to)?;
    note_nodes.extend(&nodes);
    note_nodes.add_or_miss(cx, me.user, Some(me.node));
    if !lists.not_self {
        nodes.add_or_miss(cx, me.user, Some(me.node));
    }
    nodes.settle();
    note_nodes.settle();
    check_fanout(&nodes.nodes)?;
    check_fanout(&note_nodes.nodes)?;
    check_size(cx, all.len, &[&data.note, &data.body], &[&nodes, &note_nodes])?;
    // Whoever misses the message misses the note of it.
    let full = note_nodes.full();
    let told = lists.to.len() + lists.note_to.len() + usize::from(!lists.not_self);
    let body = Body { len: all.len - note.len, ..all };
    let message = Message::Delivery { body, notify: Some(told as u64) };
    let posted = cx.post(me.user, nodes, Lane::Normal, &message, data.body);
    cx.post(me.user, note_nodes, Lane::Normal, &Message::Notify { post_id: posted.id, body: note }, data.note);
    Ok(Done::Partly(posted, full))
}
