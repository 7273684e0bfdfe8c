//! Register: a new user with a first device.

use super::account::{add_alias, add_node};
use super::{Stop, check_room, login};
use crate::base::{LinkId, NodeNo, Uid};
use crate::record::{Record, Role, UserRecord};
use crate::relay::cx::Cx;
use crate::relay::session::Reason;
use crate::wire::reply;

pub(super) fn run(cx: &mut Cx<'_>, link: LinkId, label: &str, alias: Option<&str>, token: bool) -> Result<(), Reason> {
    if cx.settings.token_required {
        // No token can be verified yet, so the door stays shut rather than open to any.
        log::debug!(
            "{link}: register refused: this site wants a third party's word ({})",
            if token { "a token came" } else { "none came" }
        );
        return Err(Reason::AuthRequired);
    }
    if check_room(cx, 0).is_err() {
        log::debug!("{link}: register refused: storage full");
        return Err(Reason::RegisterFailure);
    }
    let uid = Uid::random(cx.entropy);
    let no = cx.ledger.next_user();
    let mut user = UserRecord { no, uid, role: Role::Full, admin: false, aliases: Vec::new(), nodes: Vec::new(), next_node: NodeNo(0) };
    let Ok((node, secret)) = add_node(cx, &mut user, label) else { return Err(Reason::RegisterFailure) };
    let error = match alias.map_or(Ok(()), |alias| add_alias(cx, &mut user, alias)) {
        Ok(()) => None,
        Err(Stop::Deny(sentence)) => Some(sentence),
        Err(Stop::Refuse(reason)) => return Err(reason),
    };
    cx.append(&Record::User(user));
    log::info!("{link}: registered user {}", no.0);
    cx.send(link, reply::registered(&secret.reveal(), &uid.to_string(), error.as_deref()));
    login::enter(cx, link, no, node);
    Ok(())
}
