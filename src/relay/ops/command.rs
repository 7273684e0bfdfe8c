//! What the operator wants done.

use super::{Stop, drop_node, end_link_of, invite, shown, user_edit};
use crate::base::{Uid, UserNo, Wall};
use crate::limits::{INVITE_GROUPS_MAX, INVITE_USES_MAX, LABEL_MAX};
use crate::record::{Mode, Override, Record, Role, SiteRecord};
use crate::relay::command::{Answer, Command, MemberInfo, NodeInfo, Whom};
use crate::relay::cx::Cx;
use crate::relay::session::Reason;

/// A sentence that says why not.
type Refused = String;

pub(in crate::relay) fn run(cx: &mut Cx<'_>, command: Command) -> Answer {
    if super::check_room(cx, 0).is_err() && !matches!(command, Command::Member(_)) {
        return Answer::Refused(super::STORAGE_FULL.to_owned());
    }
    let done = match command {
        Command::Invite { uses, expires, role, groups } => make_code(cx, uses, expires, role, &groups),
        Command::Register { mode, until } => set_mode(cx, mode, until),
        Command::Member(whom) => find(cx, &whom).map(|user| Answer::Member(tell(cx, user))),
        Command::Role(whom, role) => find(cx, &whom).map(|user| set_role(cx, user, role)),
        Command::Admin(whom, admin) => find(cx, &whom).map(|user| set_admin(cx, user, admin)),
        Command::DropNode(whom, node) => find(cx, &whom).and_then(|user| drop_one(cx, user, &node)),
        Command::NewNode(whom, label) => find(cx, &whom).and_then(|user| new_node(cx, user, &label)),
    };
    done.unwrap_or_else(Answer::Refused)
}

fn find(cx: &Cx<'_>, whom: &Whom) -> Result<UserNo, Refused> {
    match whom {
        Whom::Uid(uid) => {
            let user = Uid::parse(uid).and_then(|uid| cx.ledger.user_of(&uid));
            user.map(|user| user.no()).ok_or_else(|| format!("no member has the uid {}", shown(uid)))
        }
        Whom::Alias(alias) => {
            let user = cx.ledger.user_by_alias(alias, cx.now.wall);
            user.map(|user| user.no()).ok_or_else(|| format!("no member has the alias {}", shown(alias)))
        }
    }
}

fn make_code(cx: &mut Cx<'_>, uses: u32, expires: Option<Wall>, role: Role, groups: &[String]) -> Result<Answer, Refused> {
    if !(1..=INVITE_USES_MAX).contains(&uses) {
        return Err(format!("uses {uses} must be from 1 to {INVITE_USES_MAX}"));
    }
    if let Some(at) = expires.filter(|at| *at <= cx.now.wall) {
        return Err(format!("the code would have expired at {} already: it is {} here", at.to_rfc3339(), cx.now.wall.to_rfc3339()));
    }
    if role == Role::Suspended {
        return Err("an invite code's role is full or receive: a suspended member could not log in".to_owned());
    }
    if groups.len() > INVITE_GROUPS_MAX {
        return Err(format!("{} groups are more than the {INVITE_GROUPS_MAX} that a code invites to", groups.len()));
    }
    let of_name = |name: &String| {
        let group = cx.ledger.group_by_name(name);
        group.map(|group| group.no()).ok_or_else(|| format!("there is no group {}: its first invitation makes one", shown(name)))
    };
    let groups = groups.iter().map(of_name).collect::<Result<_, _>>()?;
    let expires = expires.and_then(|at| Wall::from_millis(at.millis())).unwrap_or_default();
    match invite::make(cx, invite::Plan { uses, expires, role, maker: None, groups }) {
        Ok(code) => Ok(Answer::Code(code)),
        Err(stop) => Err(sentence(stop)),
    }
}

fn set_mode(cx: &mut Cx<'_>, mode: Mode, until: Option<Wall>) -> Result<Answer, Refused> {
    if until.is_some_and(|until| until <= cx.now.wall) {
        return Err("the time until which it is to hold has passed".to_owned());
    }
    let until = until.and_then(|at| Wall::from_millis(at.millis())).unwrap_or_default();
    let configured = cx.settings.register;
    let site = cx.ledger.site();
    // After a time comes what held before it, and not what the operator had changed for good.
    let then = if until == Wall(0) { mode } else { site.lasting_mode(configured) };
    cx.append(&Record::Site(SiteRecord { mode: Some(Override { mode, until, then, configured }), ..site }));
    log::info!("the operator has set registration to {}", mode.word());
    Ok(Answer::Done)
}

fn tell(cx: &Cx<'_>, user: UserNo) -> MemberInfo {
    let member = cx.ledger.user(user);
    let nodes = member.nodes().map(|node| {
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
    });
    MemberInfo {
        uid: member.uid().to_string(),
        role: member.role(),
        admin: member.is_admin(),
        aliases: member.aliases().filter(|alias| !alias.has_expired(cx.now.wall)).map(|alias| alias.name.to_owned()).collect(),
        nodes: nodes.collect(),
    }
}

fn set_role(cx: &mut Cx<'_>, user: UserNo, role: Role) -> Answer {
    let mut record = cx.ledger.user(user).to_record();
    if record.role != role {
        record.role = role;
        super::account::write_user(cx, record);
        log::info!("the operator has given user {} the role {}", user.0, role.word());
    }
    if role == Role::Suspended {
        end_link_of(cx, user, Reason::Suspended);
    }
    Answer::Done
}

fn set_admin(cx: &mut Cx<'_>, user: UserNo, admin: bool) -> Answer {
    let mut record = cx.ledger.user(user).to_record();
    if record.admin != admin {
        record.admin = admin;
        super::account::write_user(cx, record);
        log::info!("the operator has made user {} {}", user.0, if admin { "an administrator" } else { "no administrator any more" });
    }
    Answer::Done
}

fn drop_one(cx: &mut Cx<'_>, user: UserNo, node: &str) -> Result<Answer, Refused> {
    let Some(no) = drop_node::find(cx, user, node) else {
        return Err(format!("{} is no node of that member", shown(node)));
    };
    drop_node::drop_node(cx, user, no, None);
    Ok(Answer::Done)
}

fn new_node(cx: &mut Cx<'_>, user: UserNo, label: &str) -> Result<Answer, Refused> {
    if label.is_empty() || label.len() > LABEL_MAX || label.contains(char::is_control) {
        return Err(format!("the label must have 1 to {LABEL_MAX} octets and no control characters"));
    }
    match user_edit::new_node(cx, user, None, label) {
        Ok((_, secret, _)) => Ok(Answer::Node { uid: cx.ledger.user(user).uid().to_string(), secret: secret.reveal() }),
        Err(stop) => Err(sentence(stop)),
    }
}

fn sentence(stop: Stop) -> Refused {
    match stop {
        Stop::Deny(sentence) | Stop::Over(_, sentence) => sentence,
        Stop::Refuse(reason) => reason.words().to_owned(),
    }
}
