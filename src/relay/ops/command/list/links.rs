//! The links that there are now.

use super::part::Part;
use crate::relay::command::{LinkInfo, LinkState, Listed};
use crate::relay::cx::Cx;
use crate::relay::ops::command::member;
use crate::relay::session::{Session, State};

pub(super) fn links(cx: &Cx<'_>, first: usize) -> Listed {
    let mut part = Part::new();
    let mut next = None;
    for (slot, session) in cx.sessions.places_from(first) {
        if part.is_full() {
            return Listed::Links(part.entries, next);
        }
        next = u32::try_from(slot).ok();
        part.look(1);
        let Some(session) = session else { continue };
        let info = tell(cx, session);
        let octets = match &info.state {
            LinkState::Member { alias, .. } => alias.as_ref().map_or(0, String::len),
            LinkState::Greeting | LinkState::Anonymous | LinkState::Closing => 0,
        };
        part.add(info, octets);
    }
    Listed::Links(part.entries, None)
}

fn tell(cx: &Cx<'_>, session: &Session) -> LinkInfo {
    let state = match &session.state {
        State::Greeting => LinkState::Greeting,
        State::Anonymous | State::Refused(_) => LinkState::Anonymous,
        State::Closing(_) => LinkState::Closing,
        State::LoggedIn(login) => {
            let user = cx.ledger.user(login.user);
            LinkState::Member {
                uid: user.uid().to_string(),
                alias: member::aliases(cx, user).next().map(str::to_owned),
                node: login.node.0.to_string(),
                flying: login.in_flight.len(),
            }
        }
    };
    LinkInfo {
        link: session.link,
        from: session.from,
        state,
        open: cx.now.mono.since(session.opened_at),
        silent: cx.now.mono.since(session.heard_at),
        upload: session.upload.is_some(),
    }
}
