//! GroupInvite: somebody into a group, which begins with its first invitation.

use super::account::use_alias;
use super::ping::reach;
use super::{Done, Outcome, Stop, check_group_room, check_user_room, deny, full, over, shown, text};
use crate::base::{GroupNo, Limit, UserNo};
use crate::ledger::{Owner, check_name};
use crate::record::{GroupRecord, Lane, MemberRecord, Payload, Record, Standing, Who};
use crate::relay::cx::{Cx, Me, Posted};
use crate::relay::fanout::Fanout;
use crate::wire::Body;
use crate::wire::reply::Message;

/// Who is to come where, and on whose word.
pub(super) struct Invitation<'a> {
    pub(super) gid: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) to: &'a str,
}

pub(super) fn run(cx: &mut Cx<'_>, me: Me, invitation: &Invitation<'_>, body: Body, payload: Payload<'_>) -> Outcome {
    let &Invitation { gid, from, to } = invitation;
    text::check(&payload)?;
    check_group_room(cx, gid, body.len)?;
    if from.is_some_and(|from| !cx.user(me).has_alias(from, cx.now.wall)) {
        return deny("from must identify sender");
    }
    let invitee = reach(cx, me.user, to)?;
    if invitee == me.user {
        return deny("to: one cannot invite oneself");
    }
    let group = match cx.ledger.owner_of(gid) {
        None => {
            check_new_group(cx, me, gid)?;
            None
        }
        Some(Owner::User(_)) => return deny(format!("gid {gid} is already taken")),
        Some(Owner::Group(_)) => {
            let no = open_group(cx, me, gid)?;
            check_guest(cx, no, invitee, to)?;
            Some(no)
        }
    };
    let mut nodes = Fanout::new(me.user);
    if !nodes.add_if_fits(cx, invitee, None) {
        return full("to", to);
    }
    check_user_room(cx, invitee)?;
    nodes.add_or_miss(cx, me.user, Some(me.node));
    let own = cx.user(me).aliases().find(|alias| !alias.has_expired(cx.now.wall)).map(|alias| alias.name);
    let listed = from.or(own).map(str::to_owned);
    let group = match (group, listed) {
        (Some(group), _) => group,
        (None, Some(listed)) => found(cx, me, gid, &listed),
        (None, None) => return deny("from: a group lists its members by alias, and the sender has none"),
    };
    let posted = invite(cx, (me.user, from), (invitee, to), group, nodes, (body, payload));
    use_alias(cx, invitee, to);
    Ok(Done::Posted(posted))
}

/// A group that is there and into which the sender may invite.
pub(super) fn open_group(cx: &Cx<'_>, me: Me, gid: &str) -> Result<GroupNo, Stop> {
    let Some(group) = cx.ledger.group_by_name(gid) else {
        return deny(format!("gid: group {} is unknown", shown(gid)));
    };
    if group.member(me.user).is_none_or(|member| member.standing != Standing::Joined) {
        return deny(format!("gid: sender has not joined group {}", shown(gid)));
    }
    match group.rules().invite {
        Who::Moderators if !group.is_moderated_by(me.user) => deny(format!("gid: only moderators invite into group {}", shown(gid))),
        Who::Members | Who::Moderators | Who::Anyone => Ok(group.no()),
    }
}

fn check_new_group(cx: &Cx<'_>, me: Me, gid: &str) -> Result<(), Stop> {
    if let Err(error) = check_name("gid", gid) {
        return deny(error.to_string());
    }
    if cx.ledger.retired(gid).is_some() {
        return deny(format!("gid {gid} is already taken"));
    }
    let most = cx.settings.quotas.group_members;
    if most < 2 {
        return over(Limit::Groups, format!("gid: a group would have two members, and {most} is the most"));
    }
    if let Err(sentence) = cx.names.check("gid", gid, cx.user(me).is_admin()) {
        return deny(sentence);
    }
    check_groups(cx, me.user)
}

/// Whether a user may join one more group.
pub(super) fn check_groups(cx: &Cx<'_>, user: UserNo) -> Result<(), Stop> {
    let most = cx.settings.quotas.groups;
    if cx.ledger.joined_by(user) < most {
        return Ok(());
    }
    over(Limit::Groups, format!("gid: a member joins at most {most} groups"))
}

/// Whether somebody can be invited to a group, whoever asks.
pub(super) fn check_guest(cx: &Cx<'_>, group: GroupNo, guest: UserNo, to: &str) -> Result<(), Stop> {
    let group = cx.ledger.group(group);
    let standing = group.member(guest).map(|member| member.standing);
    let most = cx.settings.quotas.group_members;
    match standing {
        Some(Standing::Joined) => deny(format!("to: {to} has joined group {} already", group.name())),
        None | Some(Standing::Barred) if group.size() >= most => {
            over(Limit::Groups, format!("gid: group {} has {most} members, and more cannot be invited", group.name()))
        }
        None | Some(Standing::Barred | Standing::Invited) => Ok(()),
    }
}

/// Invites somebody whom nothing hinders: `nodes` get the invitation.
pub(super) fn invite(
    cx: &mut Cx<'_>,
    (from, from_alias): (UserNo, Option<&str>),
    (guest, to): (UserNo, &str),
    group: GroupNo,
    nodes: Fanout,
    (body, payload): (Body, Payload<'_>),
) -> Posted {
    let (alias, standing) = (to.to_owned(), Standing::Invited);
    cx.append(&Record::Member(MemberRecord { group, user: guest, alias, standing, moderator: false }));
    let gid = cx.ledger.group(group).name().to_owned();
    let message = Message::Invite { gid: &gid, alias: from_alias, to, body };
    let posted = cx.post(from, nodes, Lane::Normal, &message, payload);
    let mut members = Fanout::new(from);
    members.add_joined(cx, cx.ledger.group(group));
    let notice = Message::Member { act: "invite", gid: &gid, alias: to, new_alias: None };
    cx.post(from, members, Lane::Normal, &notice, Payload::EMPTY);
    posted
}

/// Makes the group, with the sender in it, who moderates it.
fn found(cx: &mut Cx<'_>, me: Me, gid: &str, listed: &str) -> GroupNo {
    let no = cx.ledger.next_group();
    cx.append(&Record::Group(GroupRecord { no, name: gid.to_owned(), rules: None }));
    let (alias, standing) = (listed.to_owned(), Standing::Joined);
    cx.append(&Record::Member(MemberRecord { group: no, user: me.user, alias, standing, moderator: true }));
    cx.names.add(gid);
    no
}
