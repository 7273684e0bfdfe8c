//! Telling a member what came while the queue was full.

use super::check_room;
use crate::base::{Seq, UserNo};
use crate::record::{Lane, MissedRecord, Payload, Record};
use crate::relay::cx::Cx;
use crate::relay::fanout::Fanout;
use crate::wire::reply::Message;

/// Tells a user all that was missed, and begins anew.
pub(super) fn tell(cx: &mut Cx<'_>, user: UserNo) {
    let Some(&MissedRecord { count, first, last, .. }) = cx.ledger.missed(user) else { return };
    if check_room(cx, 0).is_err() {
        return;
    }
    cx.append(&Record::Missed(MissedRecord { user, count: 0, first: Seq::ZERO, last: Seq::ZERO }));
    let nodes = Fanout::own(cx, user);
    cx.post(user, nodes, Lane::Normal, &Message::Missed { first, last, number: count }, Payload::EMPTY);
}
