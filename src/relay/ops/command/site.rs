//! Who may join: invite codes, and the mode of registration.

use super::{Refused, sentence};
use crate::base::Wall;
use crate::limits::{INVITE_GROUPS_MAX, INVITE_USES_MAX};
use crate::record::{Mode, Override, Record, Role, SiteRecord};
use crate::relay::command::Answer;
use crate::relay::cx::Cx;
use crate::relay::ops::{invite, shown};

pub(super) fn make_code(cx: &mut Cx<'_>, uses: u32, expires: Option<Wall>, role: Role, groups: &[String]) -> Result<Answer, Refused> {
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

pub(super) fn set_mode(cx: &mut Cx<'_>, mode: Mode, until: Option<Wall>) -> Result<Answer, Refused> {
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
