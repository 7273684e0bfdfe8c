//! OhiEdit: to whom one shows that one is here.

use super::{Done, Outcome, check_room, deny, over};
use crate::base::{Limit, Uid, UserNo};
use crate::limits::PRESENCE_MAX;
use crate::record::{Lane, Payload};
use crate::relay::cx::{Cx, Me};
use crate::relay::fanout::Fanout;
use crate::wire::reply::{self, Message};
use crate::wire::{Dialect, OhiAct, Recipient};

pub(super) fn run(cx: &mut Cx<'_>, me: Me, users: &[Recipient<'_>], act: OhiAct) -> Outcome {
    check_room(cx, 0)?;
    let mut named = Vec::with_capacity(users.len());
    for entry in users {
        // Who is named and not reached is named nevertheless: the list is the user's, and what comes of it the other's.
        match Uid::parse(&entry.id).and_then(|uid| cx.ledger.user_of(&uid)) {
            Some(user) => named.push(user.no()),
            None => return deny(format!("for: user {} is unknown", entry.id.chars().take(64).collect::<String>())),
        }
    }
    let added = named.iter().filter(|&&other| !cx.presence.shows(me.user, other)).count();
    if act != OhiAct::Drop && cx.presence.breadth(me.user) + added > PRESENCE_MAX {
        return over(Limit::Fanout, format!("for: a member shows to at most {PRESENCE_MAX} others"));
    }
    let echoes = join(cx, me) && act != OhiAct::Init;
    let show = act != OhiAct::Drop;
    let change = |other: &UserNo| if show { cx.presence.show(me.user, *other) } else { cx.presence.hide(me.user, *other) };
    let changed: Vec<UserNo> = named.into_iter().filter(change).collect();
    let changes = !changed.is_empty();
    tell(cx, me.user, changed, show);
    if !echoes || !changes {
        return Ok(Done::Nothing);
    }
    let uids: Vec<String> = users.iter().map(|entry| entry.id.clone().into_owned()).collect();
    let nodes = Fanout::own(cx, me.user);
    let message = Message::OhiEdit { users: &uids, act: act.word() };
    Ok(Done::Posted(cx.post(me.user, nodes, Lane::Normal, &message, Payload::EMPTY)))
}

/// The link takes part in its user's presence from now on. Whether the other nodes are told of this edit:
/// the 2018 draft, which has no `init`, takes the first one after login for it.
fn join(cx: &mut Cx<'_>, me: Me) -> bool {
    let Some(session) = cx.sessions.get_mut(me.link) else { return false };
    let old_dialect = session.dialect == Dialect::Draft2018;
    let Some(login) = session.login_mut() else { return false };
    if login.shows_presence {
        return true;
    }
    login.shows_presence = true;
    cx.presence.join(me.user);
    !old_dialect
}

/// Tells these users, as far as they are here and `user` reaches them, that `user` came or went.
pub(super) fn tell(cx: &mut Cx<'_>, user: UserNo, others: Vec<UserNo>, online: bool) {
    for other in others {
        if cx.ledger.reaches(user, other) {
            show(cx, user, other, online);
        }
    }
}

/// Tells one user that another came or went.
pub(super) fn show(cx: &mut Cx<'_>, user: UserNo, other: UserNo, online: bool) {
    let links: Vec<_> = cx.ledger.user(other).node_numbers().filter_map(|node| cx.online.link(node)).collect();
    if links.is_empty() {
        return;
    }
    let uid = cx.ledger.user(user).uid().to_string();
    for link in links {
        cx.send(link, reply::ohi(&uid, online));
    }
}
