//! Invite: a code that lets somebody in. Made by members where the site allows it, and by the operator.

use serde_json::json;

use super::account::{Bounds, future};
use super::{Done, Listed, Outcome, Stop, check_room, deny, group_invite, over};
use crate::base::{GroupNo, InviteCode, Limit, UserNo, Wall};
use crate::limits::{INVITES_MAX, MEMBER_INVITE_LIFE, MEMBER_INVITE_USES_MAX};
use crate::record::{InviteRecord, Record, Role};
use crate::relay::cx::{Cx, Me};

pub(super) fn run(cx: &mut Cx<'_>, me: Me, uses: Option<u64>, expires: Option<&str>, gid: Option<&str>) -> Outcome {
    let most = cx.settings.quotas.member_invites;
    if most == 0 {
        return deny("on this site members make no invite codes");
    }
    check_room(cx, 0)?;
    if cx.ledger.invites_of(me.user, cx.now.wall).count() >= most {
        return over(Limit::Invites, format!("a member has at most {most} unused invite codes at a time"));
    }
    let Bounds { uses, .. } = Bounds::read(cx, uses, None, MEMBER_INVITE_USES_MAX)?;
    let expires = match expires {
        Some(text) => future(cx, "expires", text)?,
        None => Wall::from_seconds(cx.now.wall.plus(MEMBER_INVITE_LIFE).seconds()),
    };
    let group = gid.map(|gid| group_invite::open_group(cx, me, gid)).transpose()?;
    let uses = uses.max(1);
    let code = make(cx, Plan { uses, expires, role: Role::Full, maker: Some(me.user), groups: group.into_iter().collect() })?;
    let entry = json!({ "code": code.to_string(), "expires": expires.to_rfc3339(), "uses": uses });
    Ok(Done::Listed(Listed { what: "invite", list: vec![entry], cursor: None }))
}

/// What a new code is good for.
pub(super) struct Plan {
    pub(super) uses: u32,
    /// 0: for ever.
    pub(super) expires: Wall,
    pub(super) role: Role,
    pub(super) maker: Option<UserNo>,
    pub(super) groups: Vec<GroupNo>,
}

/// Makes a code.
pub(super) fn make(cx: &mut Cx<'_>, plan: Plan) -> Result<InviteCode, Stop> {
    let Plan { uses, expires, role, maker, mut groups } = plan;
    let slot = cx.ledger.free_invite_slot(cx.now.wall);
    if slot as usize >= INVITES_MAX {
        return over(Limit::Invites, format!("there are {INVITES_MAX} unused invite codes already, and more cannot be kept"));
    }
    groups.sort_unstable();
    groups.dedup();
    let code = InviteCode::random(cx.entropy);
    cx.append(&Record::Invite(InviteRecord { slot, digest: code.digest(), uses, expires, role, maker, groups }));
    Ok(code)
}
