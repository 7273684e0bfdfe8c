//! Dropping a device: its link is cut at once, its queue released, its secret dead.

use super::{Done, Outcome, account, check_user_room, deny, login, shown};
use crate::base::{NodeNo, Uid, UserNo};
use crate::record::{Lane, Payload};
use crate::relay::Effect;
use crate::relay::cx::{Cx, Me, Posted};
use crate::relay::fanout::Fanout;
use crate::wire::reply::Message;

/// A device by the number that its user is told.
pub(super) fn find(cx: &Cx<'_>, user: UserNo, node: &str) -> Option<NodeNo> {
    cx.ledger.user(user).node_numbers().find(|no| no.0.to_string() == node)
}

pub(super) fn run(cx: &mut Cx<'_>, me: Me, node: &str, of: Option<&str>) -> Outcome {
    let owner = match of {
        None => me.user,
        Some(_) if !cx.user(me).is_admin() => return deny("uid: only an administrator drops nodes of others"),
        Some(uid) => match Uid::parse(uid).and_then(|uid| cx.ledger.user_of(&uid)) {
            Some(user) => user.no(),
            None => return deny(format!("uid: user {} is unknown", shown(uid))),
        },
    };
    let Some(no) = find(cx, owner, node) else {
        return deny(format!("dropnode {} is no node of {}", shown(node), if of.is_some() { "that user" } else { "the sender" }));
    };
    if of.is_none() {
        if no < me.node {
            return deny(format!("dropnode {node} was made before the node that asks: a node drops itself and younger ones"));
        }
        if cx.user(me).nodes().len() == 1 {
            return deny(format!("dropnode {node} is the last node of the account"));
        }
    }
    check_user_room(cx, owner)?;
    let posted = drop_node(cx, owner, no, Some(me.node));
    Ok(if no == me.node { Done::Left(posted) } else { Done::Posted(posted) })
}

/// Drops a device. The link of the one that `asks` stays for the answer.
pub(super) fn drop_node(cx: &mut Cx<'_>, owner: UserNo, no: NodeNo, asks: Option<NodeNo>) -> Posted {
    if let Some(link) = cx.online.link(no).filter(|_| asks != Some(no)) {
        log::info!(link = link.text(); "the link ends: its node was dropped");
        login::depart(cx, link);
        cx.sessions.close(link);
        cx.out.push(Effect::Cut { link });
    }
    match asks.and_then(|node| cx.online.link(node)) {
        Some(link) => log::info!(link = link.text(), user = cx.name_of(owner), node = no.0; "a node was dropped"),
        None => log::info!(user = cx.name_of(owner), node = no.0; "a node was dropped by the operator"),
    }
    let mut user = cx.ledger.user(owner).to_record();
    let label = user.nodes.iter().find(|node| node.no == no).map(|node| node.label.clone()).unwrap_or_default();
    user.nodes.retain(|node| node.no != no);
    user.dropped += 1;
    account::write_user(cx, user);
    cx.journal.forget_node(no);
    let nodes = Fanout::own(cx, owner);
    let message = Message::DropNode { node: &no.0.to_string(), label: &label };
    cx.post(owner, nodes, Lane::Priority, &message, Payload::EMPTY)
}
