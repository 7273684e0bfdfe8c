//! Ping: a first word to somebody whose alias one knows.

use super::{Outcome, check_room, deny, text};
use crate::record::{Lane, Payload};
use crate::relay::cx::{Cx, Me};
use crate::wire::Body;
use crate::wire::reply::Message;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, to: &str, from: Option<&str>, body: Body, payload: Payload<'_>) -> Outcome {
    text::check(&payload)?;
    check_room(cx, body.len)?;
    if from.is_some_and(|from| !cx.user(me).has_alias(from, cx.now.wall)) {
        return deny("from must identify sender");
    }
    let Some(user) = cx.ledger.user_by_alias(to, cx.now.wall) else {
        let shown: String = to.chars().take(255).collect();
        return deny(format!("to: alias {shown} is unknown"));
    };
    let nodes = user.node_numbers().chain(cx.other_nodes(me)).collect();
    let posted = cx.post(me.user, nodes, Lane::Normal, &Message::Ping { alias: from, to, body }, payload);
    Ok(Some(posted))
}
