//! Ending links, whose peers may come back at once.
//!
//! They are told no reason: what is ready to go is written, then the link is closed, as the end of a process or of a network
//! closes it. None of the contract's reasons is true here, and clients act on them: at `login failed` a program gives its account up,
//! at `node already connected` it stays away for minutes, and `logout ok` answers somebody who wanted to go. An end without a reason
//! every client must know, and comes back after.

use super::Refused;
use crate::base::{LinkId, UserNo};
use crate::relay::command::Answer;
use crate::relay::cx::Cx;
use crate::relay::ops::end_link;
use crate::relay::session::State;

/// Ends all links of a member. That there is none is no failure: then the member is not here, as was wanted.
pub(super) fn member(cx: &mut Cx<'_>, user: UserNo) -> Answer {
    let links: Vec<LinkId> = cx.ledger.user(user).node_numbers().filter_map(|node| cx.online.link(node)).collect();
    links.iter().for_each(|link| end(cx, *link));
    Answer::Ended(links.len())
}

/// Ends one link, whoever is on it.
pub(super) fn link(cx: &mut Cx<'_>, link: LinkId) -> Result<Answer, Refused> {
    match cx.sessions.get(link).map(|session| &session.state) {
        None => Err(format!("there is no {link}: it has ended, or never was; list the links to see which there are")),
        // Its time to linger runs, and shall not begin anew.
        Some(State::Closing(_)) => Err(format!("{link} is closing already")),
        Some(State::Greeting | State::Anonymous | State::Refused(_) | State::LoggedIn(_)) => {
            end(cx, link);
            Ok(Answer::Ended(1))
        }
    }
}

fn end(cx: &mut Cx<'_>, link: LinkId) {
    log::info!(link = link.text(); "the link ends: kicked by the operator");
    end_link(cx, link, None);
}
