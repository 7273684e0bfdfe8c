//! TmtpRev: which revision, and whose site is this. The answer waits for nothing.

use crate::base::LinkId;
use crate::relay::cx::Cx;
use crate::relay::session::State;
use crate::wire::reply;

pub(super) fn run(cx: &mut Cx<'_>, link: LinkId) {
    if let Some(session) = cx.sessions.get_mut(link) {
        session.state = State::Anonymous;
    }
    let frame = reply::tmtprev(&cx.settings.site);
    cx.send(link, frame);
}
