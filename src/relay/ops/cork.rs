//! Cork: a member keeps messages back for a while.

use super::{Done, Outcome, account, check_room, over, reach};
use crate::base::{Limit, Uid, UserNo, Wall};
use crate::limits::CORK_NAMES_MAX;
use crate::record::{CorkRecord, Lane, Record};
use crate::relay::cx::{Cx, Me};
use crate::wire::Recipient;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, until: Option<&str>, users: Option<&[Recipient<'_>]>) -> Outcome {
    let before = cx.ledger.cork(me.user).cloned();
    let holds = before.as_ref().is_some_and(|cork| cork.until > cx.now.wall);
    let until = until.map_or(Ok(Wall(0)), |text| account::future(cx, "until", text))?;
    let all = users.is_none();
    let mut from = users.map_or(Ok(Vec::new()), reach::uids)?;
    // Of those who were named before something may be held, and what they post next must not overtake it.
    let was_named = before.as_ref().is_some_and(|cork| !cork.all);
    if holds && !all && was_named || cx.user(me).node_numbers().any(|node| cx.ledger.queue(node).owed_count(Lane::Held) > 0) {
        from.extend(before.iter().flat_map(|cork| &cork.from));
    }
    from.sort_unstable();
    from.dedup();
    if from.len() > CORK_NAMES_MAX {
        return over(Limit::Fanout, format!("for: the cork would name {} users, and {CORK_NAMES_MAX} are the most", from.len()));
    }
    check_room(cx, (from.len() * size_of::<Uid>()) as u64)?;
    if let Some(before) = &before {
        cx.corks.remove(before.until, me.user);
    }
    if holds || until != Wall(0) {
        cx.append(&Record::Cork(CorkRecord { user: me.user, until, all, from }));
    }
    if until != Wall(0) {
        cx.corks.add(until, me.user, cx.now);
    }
    // More may go than before, or all of it.
    release(cx, me.user);
    Ok(Done::Nothing)
}

/// Sends a user's nodes what may go to them now.
pub(in crate::relay) fn release(cx: &mut Cx<'_>, user: UserNo) {
    let nodes: Vec<_> = cx.ledger.user(user).node_numbers().collect();
    nodes.into_iter().for_each(|node| cx.pump(node));
}
