//! Post: data to users' and groups' nodes.

use std::collections::BTreeSet;

use super::{Outcome, Stop, check_size, deny};
use crate::base::{NodeNo, Uid};
use crate::ledger::Group;
use crate::limits::FANOUT_MAX;
use crate::record::{Lane, Payload, Standing};
use crate::relay::cx::{Cx, Me};
use crate::wire::reply::Message;
use crate::wire::{Body, Recipient};

const TO_USER: u64 = 1;
const TO_GROUP_AND_SELF: u64 = 2;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, to: &[Recipient<'_>], body: Body, payload: Payload<'_>) -> Outcome {
    check_size(cx, body.len, &[&payload])?;
    let mut nodes = resolve(cx, me, to)?;
    nodes.extend(cx.other_nodes(me));
    check_fanout(&nodes)?;
    let posted = cx.post(me.user, nodes, Lane::Normal, &Message::Delivery { body, notify: None }, payload);
    Ok(Some(posted))
}

/// The nodes that a list of recipients means. All of the list, or nothing.
pub(super) fn resolve(cx: &Cx<'_>, me: Me, to: &[Recipient<'_>]) -> Result<Vec<NodeNo>, Stop> {
    let mut nodes = Vec::with_capacity(to.len() + 1);
    // A recipient that is named often is looked up once: a group may be large, and the list long.
    let mut seen = BTreeSet::new();
    for recipient in to.iter().filter(|recipient| to.len() == 1 || seen.insert((recipient.kind, &recipient.id))) {
        if nodes.len() > FANOUT_MAX {
            nodes.sort_unstable();
            nodes.dedup();
            check_fanout(&nodes)?;
        }
        if recipient.kind == Some(TO_USER) {
            let Some(user) = Uid::parse(&recipient.id).and_then(|uid| cx.ledger.user_of(&uid)) else {
                return deny(format!("for: user {} is unknown", recipient.id));
            };
            nodes.extend(user.node_numbers());
        } else {
            let group = group_of(cx, me, &recipient.id)?;
            let except = if recipient.kind == Some(TO_GROUP_AND_SELF) { None } else { Some(me.user) };
            nodes.extend(cx.ledger.group_nodes(group, except));
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    Ok(nodes)
}

/// One record names all recipients of a post.
pub(super) fn check_fanout(nodes: &[NodeNo]) -> Result<(), Stop> {
    if nodes.len() <= FANOUT_MAX {
        return Ok(());
    }
    deny(format!("for: {} devices are more than the {FANOUT_MAX} that one message can go to", nodes.len()))
}

/// A group that the sender may post to: joined or invited.
fn group_of<'a>(cx: &'a Cx<'_>, me: Me, gid: &str) -> Result<&'a Group, Stop> {
    let shown: String = gid.chars().take(255).collect();
    let Some(group) = cx.ledger.group_by_name(gid) else {
        return deny(format!("for: group {shown} is unknown"));
    };
    match group.member(me.user).map(|member| member.standing) {
        Some(Standing::Joined | Standing::Invited) => Ok(group),
        Some(Standing::Barred) | None => deny(format!("for: sender is not a member of group {shown}")),
    }
}
