//! What the operator wants done, one noun a file.

mod device;
mod kick;
mod list;
mod member;
mod site;

use super::{Stop, shown};
use crate::base::{Uid, UserNo};
use crate::relay::command::{Answer, Command, Kicked, Whom};
use crate::relay::cx::Cx;

/// A sentence that says why not.
type Refused = String;

pub(in crate::relay) fn run(cx: &mut Cx<'_>, command: Command) -> Answer {
    // A question writes nothing, and a kick no more than any end of a link.
    let writes = !command.only_asks() && !matches!(command, Command::Kick(_));
    if writes && super::check_room(cx, 0).is_err() {
        return Answer::Refused(super::STORAGE_FULL.to_owned());
    }
    let done = match command {
        Command::Invite { uses, expires, role, groups } => site::make_code(cx, uses, expires, role, &groups),
        Command::Register { mode, until } => site::set_mode(cx, mode, until),
        Command::Member(whom) => find(cx, &whom).map(|user| Answer::Member(member::tell(cx, user))),
        Command::Role(whom, role) => find(cx, &whom).map(|user| member::set_role(cx, user, role)),
        Command::Admin(whom, admin) => find(cx, &whom).map(|user| member::set_admin(cx, user, admin)),
        Command::DropNode(whom, node) => find(cx, &whom).and_then(|user| device::drop_one(cx, user, &node)),
        Command::NewNode(whom, label) => find(cx, &whom).and_then(|user| device::new_node(cx, user, &label)),
        Command::Kick(Kicked::Member(whom)) => find(cx, &whom).map(|user| kick::member(cx, user)),
        Command::Kick(Kicked::Link(link)) => kick::link(cx, link),
        Command::List(list) => list::tell(cx, &list).map(Answer::Listed),
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

fn sentence(stop: Stop) -> Refused {
    match stop {
        Stop::Deny(sentence) | Stop::Over(_, sentence) => sentence,
        Stop::Refuse(reason) => reason.words().to_owned(),
    }
}
