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
/// Devices that one request may name before those that it names twice are found.
const NAMED_MAX: usize = 4 * FANOUT_MAX;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, to: &[Recipient<'_>], body: Body, payload: Payload<'_>) -> Outcome {
    let mut nodes = resolve(cx, me, to)?;
    nodes.extend(cx.other_nodes(me));
    check_fanout(&nodes)?;
    check_size(cx, body.len, &[&payload], nodes.len())?;
    let posted = cx.post(me.user, nodes, Lane::Normal, &Message::Delivery { body, notify: None }, payload);
    Ok(Some(posted))
}

/// The nodes that a list of recipients means. All of the list, or nothing.
pub(super) fn resolve(cx: &mut Cx<'_>, me: Me, to: &[Recipient<'_>]) -> Result<Vec<NodeNo>, Stop> {
    let mut nodes = Vec::with_capacity(to.len() + 1);
    // A recipient that is named often is looked up once: a group may be large, and the list long.
    let mut seen = BTreeSet::new();
    for recipient in to.iter().filter(|recipient| to.len() == 1 || seen.insert((recipient.kind, &recipient.id))) {
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
        // Large groups that overlap are counted twice, but not for ever.
        if nodes.len() > NAMED_MAX {
            return deny(format!("for: these groups have more than {NAMED_MAX} devices, too many for one message"));
        }
    }
    cx.journal.work += nodes.len();
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
