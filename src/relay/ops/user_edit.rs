//! UserEdit: another alias or one fewer, another device or one fewer.

use super::account::{Bounds, add_alias, add_node, drop_alias, write_user};
use super::{Done, Outcome, Stop, check_room, check_user_room, deny, drop_node, over, shown};
use crate::base::{Limit, NodeNo, NodeSecret, UserNo, Wall};
use crate::limits::{ALIAS_USES_MAX, BACKLOG_MAX, BACKLOG_TOTAL_MAX};
use crate::record::{BacklogRecord, Lane, Payload, Record};
use crate::relay::cx::{Cx, Me, Posted};
use crate::relay::fanout::Fanout;
use crate::wire::Edit;
use crate::wire::reply::Message;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, edit: &Edit<'_>) -> Outcome {
    match edit {
        Edit::Alias { alias, uses, expires } => new_alias(cx, me, alias, *uses, expires.as_deref()),
        Edit::Node(label) => new_node(cx, me.user, Some(me.node), label).map(|(_, _, posted)| Done::Posted(posted)),
        Edit::DropAlias(alias) => give_up(cx, me, alias),
        Edit::DropNode { node, of } => drop_node::run(cx, me, node, of.as_deref()),
    }
}

fn new_alias(cx: &mut Cx<'_>, me: Me, alias: &str, uses: Option<u64>, expires: Option<&str>) -> Outcome {
    check_user_room(cx, me.user)?;
    let bounds = Bounds::read(cx, uses, expires, ALIAS_USES_MAX)?;
    if cx.user(me).has_alias(alias, cx.now.wall) && bounds == Bounds::default() {
        return Ok(Done::Nothing);
    }
    let mut user = cx.user(me).to_record();
    add_alias(cx, &mut user, alias, bounds)?;
    write_user(cx, user);
    cx.names.add(alias);
    let nodes = Fanout::own(cx, me.user);
    let until = (bounds.expires != Wall(0)).then(|| bounds.expires.to_rfc3339());
    let message = Message::NewAlias { alias, uses, expires: until.as_deref() };
    Ok(Done::Posted(cx.post(me.user, nodes, Lane::Priority, &message, Payload::EMPTY)))
}

fn give_up(cx: &mut Cx<'_>, me: Me, alias: &str) -> Outcome {
    check_user_room(cx, me.user)?;
    if !cx.user(me).has_alias(alias, cx.now.wall) {
        return deny(format!("dropalias {} is not an alias of the sender", shown(alias)));
    }
    Ok(Done::Posted(drop_alias(cx, me.user, alias)))
}

/// The new device starts with a copy of everything queued for the one that asks; with what waits for the oldest one if the
/// operator asks.
pub(super) fn new_node(cx: &mut Cx<'_>, user: UserNo, asks: Option<NodeNo>, label: &str) -> Result<(NodeNo, NodeSecret, Posted), Stop> {
    // Numbers rise by nanoseconds: most differences take three octets or four.
    const OCTETS_PER_ENTRY: u64 = 6;
    let mut lanes: Vec<(Lane, Vec<_>)> = Vec::new();
    let mut octets = 0;
    let oldest = cx.ledger.user(user).node_numbers().next();
    if let Some(asks) = asks.or(oldest) {
        let queue = cx.ledger.queue(asks);
        if queue.len() > BACKLOG_TOTAL_MAX {
            return over(Limit::Fanout, format!("newnode cannot start with the {} messages that wait here: take some first", queue.len()));
        }
        octets = queue.len() as u64 * OCTETS_PER_ENTRY;
        lanes.extend(Lane::ALL.map(|lane| (lane, queue.owed(lane).collect())));
    }
    check_room(cx, octets + 2 * cx.ledger.user(user).octets() as u64)?;
    let mut record = cx.ledger.user(user).to_record();
    let (node, secret) = add_node(cx, &mut record, label)?;
    write_user(cx, record);
    for (lane, messages) in lanes {
        for part in messages.chunks(BACKLOG_MAX) {
            cx.append(&Record::Backlog(BacklogRecord { node, lane, messages: part.to_vec() }));
        }
    }
    // The operator makes one for who has lost another, which may listen: the secret is for the new one alone.
    let mut nodes = Fanout::own(cx, user);
    if asks.is_none() {
        nodes.nodes.retain(|other| *other == node);
    }
    let told = secret.reveal();
    let posted = cx.post(user, nodes, Lane::Priority, &Message::NewNode { label, secret: &told }, Payload::EMPTY);
    Ok((node, secret, posted))
}
