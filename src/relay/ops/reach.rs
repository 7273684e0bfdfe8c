//! Reach: whom a member lets through.

use super::{Done, Outcome, check_room, deny, ohi_edit, over, shown};
use crate::base::{Limit, Uid, UserNo};
use crate::limits::REACH_LIST_MAX;
use crate::record::{Policy, ReachRecord, Record};
use crate::relay::cx::{Cx, Me};
use crate::wire::{ReachList, Recipient};

pub(super) fn run(cx: &mut Cx<'_>, me: Me, list: Option<&ReachList<'_>>, policy: Option<&str>) -> Outcome {
    let before = cx.ledger.reach(me.user).cloned();
    let blank = ReachRecord { user: me.user, policy: Policy::Any, block: Vec::new(), allow: Vec::new() };
    let mut reach = before.clone().unwrap_or_else(|| blank.clone());
    if let Some(list) = list {
        edit(&mut reach, list)?;
    }
    if let Some(word) = policy {
        let Some(policy) = Policy::parse(word) else {
            return deny(format!("policy {} must be any or none", shown(word)));
        };
        reach.policy = policy;
    }
    let octets = (reach.block.len() + reach.allow.len()) * size_of::<Uid>();
    check_room(cx, octets as u64)?;
    if reach != before.unwrap_or(blank) {
        let seen: Vec<UserNo> = cx.presence.seen_by(me.user).collect();
        let reached: Vec<bool> = seen.iter().map(|other| cx.ledger.reaches(*other, me.user)).collect();
        cx.append(&Record::Reach(reach));
        // Who does not reach a user any more is not seen by the user either, and the other way round.
        for (other, before) in seen.into_iter().zip(reached) {
            let now = cx.ledger.reaches(other, me.user);
            if now != before {
                ohi_edit::show(cx, other, me.user, now);
            }
        }
    }
    Ok(Done::Nothing)
}

fn edit(reach: &mut ReachRecord, list: &ReachList<'_>) -> Result<(), super::Stop> {
    let (block, allow) = match &*list.act {
        "block" => (true, false),
        "allow" => (false, true),
        "clear" => (false, false),
        act => return deny(format!("act {} must be block, allow or clear", shown(act))),
    };
    for uid in uids(&list.users)? {
        set(&mut reach.block, uid, block);
        set(&mut reach.allow, uid, allow);
    }
    for (act, list) in [("block", &reach.block), ("allow", &reach.allow)] {
        if list.len() > REACH_LIST_MAX {
            return over(
                Limit::Fanout,
                format!("for: the list to {act} would have {} entries, and {REACH_LIST_MAX} are the most", list.len()),
            );
        }
    }
    Ok(())
}

/// The uids of a list. Whether there are such users is nobody's business.
pub(super) fn uids(users: &[Recipient<'_>]) -> Result<Vec<Uid>, super::Stop> {
    let read = |entry: &Recipient<'_>| match Uid::parse(&entry.id) {
        Some(uid) => Ok(uid),
        None => deny(format!("for: {} is no uid", shown(&entry.id))),
    };
    users.iter().map(read).collect()
}

/// Puts an entry into a rising list, or takes it out.
fn set(list: &mut Vec<Uid>, uid: Uid, is_in: bool) {
    match list.binary_search(&uid) {
        Ok(at) if !is_in => drop(list.remove(at)),
        Err(at) if is_in => list.insert(at, uid),
        Ok(_) | Err(_) => {}
    }
}
