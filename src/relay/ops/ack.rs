//! Ack: a node has a message, so the relay forgets it for that node.

use super::missed;
use crate::base::Seq;
use crate::ledger::Dead;
use crate::relay::cx::{Cx, Me};

pub(super) fn run(cx: &mut Cx<'_>, me: Me, id: &str) {
    let mut dead = Dead::new();
    let acked = Seq::from_hex(id).filter(|&message| cx.ledger.acknowledge(me.node, message, &mut dead).is_some());
    let Some(message) = acked else {
        cx.counts.stray_acks += 1;
        log::debug!(link = me.link.text(); "ack of something that is not outstanding");
        return;
    };
    cx.counts.acks += 1;
    cx.saw(me.node);
    cx.journal.forget_later(dead, cx.now.mono);
    if let Some(login) = cx.sessions.get_mut(me.link).and_then(|session| session.login_mut())
        && let Some(at) = login.in_flight.iter().position(|delivery| delivery.message == message)
    {
        login.in_flight.remove(at);
    }
    cx.pump(me.node);
    if cx.ledger.missed(me.user).is_some() && !cx.is_full(me.user) {
        missed::tell(cx, me.user);
    }
}
