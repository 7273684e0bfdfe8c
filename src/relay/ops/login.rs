//! Login: a device proves whose it is; and what happens when it goes.

use std::time::Duration;

use super::{check_room, missed};
use crate::base::{LinkId, Mono, NodeDigest, NodeNo, Uid, UserNo, base32_decode};
use crate::ledger::Ledger;
use crate::limits::INFO_USERS_MAX;
use crate::record::{Lane, Payload, Role};
use crate::relay::Effect;
use crate::relay::cx::Cx;
use crate::relay::fanout::Fanout;
use crate::relay::online::Online;
use crate::relay::session::{LoggedIn, Reason, Sessions, State};
use crate::wire::reply::{self, Message};

pub(super) fn run(cx: &mut Cx<'_>, link: LinkId, uid: &str, node: &str) -> Result<(), Reason> {
    let secret = base32_decode(node).ok_or(Reason::CorruptBase32)?;
    // Hashed before the user is looked up: a stranger and a known user with a wrong secret take the same time.
    let digest = NodeDigest::of(&secret);
    let user = Uid::parse(uid).and_then(|uid| cx.ledger.user_of(&uid)).ok_or(Reason::LoginFailed)?;
    let node = user.node_with(&digest).ok_or(Reason::LoginFailed)?;
    if user.role() == Role::Suspended {
        return Err(Reason::Suspended);
    }
    let (user_no, node_no, label) = (user.no(), node.no, node.label.to_owned());
    free_node(cx, node_no)?;
    log::info!(link = link.text(), user = cx.name_of(user_no), node = node_no.0, from = cx.origin(link); "logged in");
    // Deliveries begin with `enter`, so the news of this login comes after what waited before it.
    enter(cx, link, user_no, node_no);
    if check_room(cx, 0).is_ok() {
        let nodes = Fanout::own(cx, user_no);
        cx.post(user_no, nodes, Lane::Normal, &Message::Login { node: &label }, Payload::EMPTY);
    }
    missed::tell(cx, user_no);
    Ok(())
}

/// Whether a login would be refused only because its node still has a living link.
pub(in crate::relay) fn is_busy(
    ledger: &Ledger,
    online: &Online,
    sessions: &Sessions,
    claim: (&str, &str),
    silence: Duration,
    now: Mono,
) -> bool {
    let (uid, node) = claim;
    let digest = base32_decode(node).map(|secret| NodeDigest::of(&secret));
    let user = Uid::parse(uid).and_then(|uid| ledger.user_of(&uid));
    let link = digest.and_then(|digest| online.link(user?.node_with(&digest)?.no));
    let heard_at = link.and_then(|link| sessions.get(link)).map(|session| session.heard_at);
    heard_at.is_some_and(|at| now.since(at) < silence)
}

/// A node has one link. A half-open one, silent for long, makes way; a living one does not.
fn free_node(cx: &mut Cx<'_>, node: NodeNo) -> Result<(), Reason> {
    let Some(old) = cx.online.link(node) else { return Ok(()) };
    let heard_at = cx.sessions.get(old).map(|session| session.heard_at);
    let silent = heard_at.is_some_and(|at| cx.now.mono.since(at) >= cx.settings.timeouts.takeover);
    if !silent {
        return Err(Reason::NodeConnected);
    }
    log::info!(link = old.text(); "the link ends: silent, and its node logged in again");
    depart(cx, old);
    cx.sessions.close(old);
    cx.out.push(Effect::Cut { link: old });
    Ok(())
}

/// The link is the user's node from now on: it is told so, and gets what waits for it.
pub(super) fn enter(cx: &mut Cx<'_>, link: LinkId, user: UserNo, node: NodeNo) {
    let online: Vec<String> = cx
        .presence
        .seen_by(user)
        .filter(|other| cx.ledger.reaches(*other, user))
        .map(|other| cx.ledger.user(other).uid().to_string())
        .collect();
    let (listed, others) = online.split_at(online.len().min(INFO_USERS_MAX));
    cx.send(link, reply::info(listed));
    for uid in others {
        cx.send(link, reply::ohi(uid, true));
    }
    if let Some(session) = cx.sessions.get_mut(link) {
        session.state = State::LoggedIn(LoggedIn::new(user, node));
        // Silence may be allowed for less time than was left to log in.
        cx.timers.arm(&mut session.armed, link, cx.now.mono.plus(cx.settings.timeouts.idle));
    }
    cx.online.enter(node, link);
    cx.saw(node);
    cx.pump(node);
}

/// Ends a link once its output is written, with a reason for those who are told one.
pub(in crate::relay) fn end_link(cx: &mut Cx<'_>, link: LinkId, reason: Option<Reason>) {
    if let Some(reason) = reason {
        cx.send(link, reply::quit(reason.words()));
    }
    depart(cx, link);
    let Some(session) = cx.sessions.get_mut(link) else { return };
    session.state = State::Closing(cx.now.mono);
    cx.timers.arm(&mut session.armed, link, cx.now.mono.plus(cx.settings.timeouts.linger));
    cx.out.push(Effect::Close { link, after: cx.journal.barrier });
}

/// The link is a node's no longer; those who see the user's presence learn it, if this was the last link that showed it.
pub(in crate::relay) fn depart(cx: &mut Cx<'_>, link: LinkId) {
    // What they were sending will not come.
    let upload = cx.sessions.get_mut(link).and_then(|session| session.upload.take());
    if let Some(mut upload) = upload {
        cx.journal.forget_later(upload.refuse(String::new()), cx.now.mono);
    }
    let Some(login) = cx.sessions.get(link).and_then(|session| session.login()) else { return };
    let (user, node, shows) = (login.user, login.node, login.shows_presence);
    cx.online.leave(node);
    if cx.ledger.user(user).node_numbers().any(|other| other == node) {
        cx.saw(node);
    }
    if shows {
        let told = cx.presence.leave(user);
        super::ohi_edit::tell(cx, user, told, false);
    }
    if let Some(session) = cx.sessions.get_mut(link) {
        session.state = State::Anonymous;
    }
}
