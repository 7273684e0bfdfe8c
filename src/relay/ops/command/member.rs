//! One member: what is told of it, its role, whether it is an administrator.

use crate::base::{UserNo, Wall};
use crate::ledger::User;
use crate::record::{NodeView, Role};
use crate::relay::command::{Answer, MemberInfo, NodeInfo};
use crate::relay::cx::Cx;
use crate::relay::ops::{account, end_link_of};
use crate::relay::session::Reason;

pub(super) fn tell(cx: &Cx<'_>, user: UserNo) -> MemberInfo {
    let member = cx.ledger.user(user);
    MemberInfo {
        uid: member.uid().to_string(),
        role: member.role(),
        admin: member.is_admin(),
        aliases: aliases(cx, member).map(str::to_owned).collect(),
        nodes: member.nodes().map(|node| device(cx, node)).collect(),
    }
}

/// Names that hold now, oldest first.
pub(super) fn aliases<'a>(cx: &Cx<'_>, member: &'a User) -> impl Iterator<Item = &'a str> {
    let now = cx.now.wall;
    member.aliases().filter(move |alias| !alias.has_expired(now)).map(|alias| alias.name)
}

pub(super) fn device(cx: &Cx<'_>, node: NodeView<'_>) -> NodeInfo {
    let queue = cx.ledger.queue(node.no);
    NodeInfo {
        node: node.no.0.to_string(),
        label: node.label.to_owned(),
        made: (node.made > 0).then(|| Wall::from_seconds(node.made)),
        seen: (queue.seen() > 0).then(|| Wall::from_seconds(queue.seen())),
        online: cx.online.link(node.no).is_some(),
        count: queue.len() as u64,
        bytes: queue.octets(),
    }
}

pub(super) fn set_role(cx: &mut Cx<'_>, user: UserNo, role: Role) -> Answer {
    let mut record = cx.ledger.user(user).to_record();
    if record.role != role {
        record.role = role;
        account::write_user(cx, record);
        log::info!(user = cx.name_of(user), role = role.word(); "the operator has changed a role");
    }
    if role == Role::Suspended {
        end_link_of(cx, user, Reason::Suspended);
    }
    Answer::Done
}

pub(super) fn set_admin(cx: &mut Cx<'_>, user: UserNo, admin: bool) -> Answer {
    let mut record = cx.ledger.user(user).to_record();
    if record.admin != admin {
        record.admin = admin;
        account::write_user(cx, record);
        log::info!(user = cx.name_of(user), admin = admin; "the operator has changed who is an administrator");
    }
    Answer::Done
}
