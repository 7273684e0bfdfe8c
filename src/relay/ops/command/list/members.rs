//! Members, their devices, and what waits for those. All three go through the users in the order of their numbers, and a part ends
//! between two users.

use std::cmp::Reverse;

use super::part::Part;
use crate::base::{UserNo, Wall};
use crate::ledger::User;
use crate::record::NodeView;
use crate::relay::command::{By, Listed, MemberSummary, OwnedNode, QueueInfo};
use crate::relay::cx::Cx;
use crate::relay::ops::command::member;

pub(super) fn members(cx: &Cx<'_>, first: UserNo, most: usize) -> Listed {
    let (part, next) = go_through(cx, first, |part, user| {
        if part.entries.len() == most {
            return false;
        }
        let summary = summary(cx, user);
        // With what stands around each.
        let octets = summary.aliases.iter().map(|alias| alias.len() + 3).sum();
        part.add(summary, octets);
        true
    });
    Listed::Members(part.entries, next)
}

pub(super) fn nodes(cx: &Cx<'_>, first: UserNo) -> Listed {
    let (part, next) = go_through(cx, first, |part, user| {
        add_nodes(cx, part, user);
        true
    });
    Listed::Nodes(part.entries, next)
}

pub(super) fn nodes_of(cx: &Cx<'_>, user: UserNo) -> Listed {
    let mut part = Part::new();
    add_nodes(cx, &mut part, cx.ledger.user(user));
    Listed::Nodes(part.entries, None)
}

/// Queues in which something waits, the first `top` of those that this part looks at.
pub(super) fn queues(cx: &Cx<'_>, first: UserNo, top: usize, by: By) -> Listed {
    let (mut part, next) = go_through(cx, first, |part, user| {
        for node in user.nodes() {
            let Some(oldest) = cx.ledger.queue(node.no).oldest() else { continue };
            let owned = owned(cx, user, node);
            let octets = texts(&owned);
            // Where the clock was wrong it may have been posted in the future.
            let age = cx.now.wall.since(Wall(oldest.0));
            part.add(QueueInfo { node: owned, oldest, age }, octets);
        }
        true
    });
    // Where two are alike, that of the older member stays before the other.
    match by {
        By::Count => part.entries.sort_by_key(|queue| Reverse(queue.node.node.count)),
        By::Bytes => part.entries.sort_by_key(|queue| Reverse(queue.node.node.bytes)),
        By::Age => part.entries.sort_by_key(|queue| queue.oldest),
    }
    part.entries.truncate(top);
    Listed::Queues(part.entries, next)
}

/// Shows `take` one user after the other until the part is full or `take` wants no more; with the uid of the last one it took, if
/// there are others.
fn go_through<T>(cx: &Cx<'_>, first: UserNo, mut take: impl FnMut(&mut Part<T>, &User) -> bool) -> (Part<T>, Option<String>) {
    let mut part = Part::new();
    let mut last: Option<&User> = None;
    for user in cx.ledger.users_from(first) {
        if part.is_full() || !take(&mut part, user) {
            return (part, last.map(|user| user.uid().to_string()));
        }
        part.look(1 + user.nodes().len());
        last = Some(user);
    }
    (part, None)
}

fn summary(cx: &Cx<'_>, user: &User) -> MemberSummary {
    let (mut count, mut bytes, mut online) = (0, 0, 0);
    for node in user.node_numbers() {
        let queue = cx.ledger.queue(node);
        count += queue.len() as u64;
        bytes += queue.octets();
        online += usize::from(cx.online.link(node).is_some());
    }
    MemberSummary {
        uid: user.uid().to_string(),
        role: user.role(),
        admin: user.is_admin(),
        aliases: member::aliases(cx, user).map(str::to_owned).collect(),
        devices: user.nodes().len(),
        online,
        count,
        bytes,
    }
}

fn add_nodes(cx: &Cx<'_>, part: &mut Part<OwnedNode>, user: &User) {
    for node in user.nodes() {
        let owned = owned(cx, user, node);
        let octets = texts(&owned);
        part.add(owned, octets);
    }
}

fn owned(cx: &Cx<'_>, user: &User, node: NodeView<'_>) -> OwnedNode {
    let alias = member::aliases(cx, user).next().map(str::to_owned);
    OwnedNode { uid: user.uid().to_string(), alias, node: member::device(cx, node) }
}

fn texts(owned: &OwnedNode) -> usize {
    owned.node.label.len() + owned.alias.as_ref().map_or(0, String::len)
}
