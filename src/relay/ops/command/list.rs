//! Parts of lists, each as much as one request may look at.

mod links;
mod members;
mod part;

use self::part::Part;
use super::{Refused, find};
use crate::base::{GroupNo, Uid, UserNo};
use crate::relay::command::{GroupInfo, List, Listed};
use crate::relay::cx::Cx;
use crate::relay::ops::shown;

pub(super) fn tell(cx: &Cx<'_>, list: &List) -> Result<Listed, Refused> {
    Ok(match list {
        List::Members { after, most } => members::members(cx, following(cx, after.as_deref())?, *most),
        List::Nodes { after } => members::nodes(cx, following(cx, after.as_deref())?),
        List::NodesOf(whom) => members::nodes_of(cx, find(cx, whom)?),
        List::Queues { after, top, by } => members::queues(cx, following(cx, after.as_deref())?, *top, *by),
        List::Groups { after } => groups(cx, after.map_or(0, |no| no.saturating_add(1))),
        List::Links { after } => links::links(cx, after.map_or(0, |slot| slot as usize + 1)),
    })
}

/// The number after that of the member whom a list goes on after.
fn following(cx: &Cx<'_>, after: Option<&str>) -> Result<UserNo, Refused> {
    let Some(text) = after else { return Ok(UserNo(0)) };
    let user = Uid::parse(text).and_then(|uid| cx.ledger.user_of(&uid));
    // No number is the last: the next user's is not given yet.
    user.map(|user| UserNo(user.no().0 + 1)).ok_or_else(|| format!("after is {:?}; expected the uid of a member", shown(text)))
}

fn groups(cx: &Cx<'_>, first: u32) -> Listed {
    let mut part = Part::new();
    let mut next = None;
    for group in cx.ledger.groups_from(GroupNo(first)) {
        if part.is_full() {
            return Listed::Groups(part.entries, next);
        }
        next = Some(group.no().0);
        part.look(1);
        // A damaged log may have lost the record that names it.
        if group.name().is_empty() {
            continue;
        }
        let (joined, invited, barred) = (group.joined_count(), group.invited_count(), group.barred_count());
        part.add(GroupInfo { gid: group.name().to_owned(), joined, invited, barred }, group.name().len());
    }
    Listed::Groups(part.entries, None)
}
