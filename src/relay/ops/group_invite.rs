//! GroupInvite: somebody into a group, which begins with its first invitation.

use super::{Outcome, check_group_room, deny, text};
use crate::base::GroupNo;
use crate::ledger::{Owner, check_name};
use crate::record::{GroupRecord, Lane, MemberRecord, Payload, Record, Standing};
use crate::relay::cx::{Cx, Me};
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
    let Some(invitee) = cx.ledger.user_by_alias(to, cx.now.wall).map(|user| user.no()) else {
        let shown: String = to.chars().take(255).collect();
        return deny(format!("to: alias {shown} is unknown"));
    };
    if invitee == me.user {
        return deny("to: one cannot invite oneself");
    }
    let group = match cx.ledger.owner_of(gid) {
        None => {
            if let Err(error) = check_name("gid", gid) {
                return deny(error.to_string());
            }
            None
        }
        Some(Owner::User(_)) => return deny(format!("gid {gid} is already taken")),
        Some(Owner::Group(no)) => {
            let group = cx.ledger.group_by_name(gid).expect("its name has an owner");
            if group.member(me.user).is_none_or(|member| member.standing != Standing::Joined) {
                return deny(format!("gid: sender has not joined group {gid}"));
            }
            if group.member(invitee).is_some_and(|member| member.standing == Standing::Joined) {
                return deny(format!("to: {to} has joined group {gid} already"));
            }
            Some(no)
        }
    };
    let listed = from.or(cx.user(me).aliases().next().map(|alias| alias.name)).map(str::to_owned);
    let group = match (group, listed) {
        (Some(group), _) => group,
        (None, Some(listed)) => found(cx, me, gid, &listed),
        (None, None) => return deny("from: a group lists its members by alias, and the sender has none"),
    };
    cx.append(&Record::Member(MemberRecord { group, user: invitee, alias: to.to_owned(), standing: Standing::Invited, moderator: false }));
    let nodes = cx.ledger.user(invitee).node_numbers().chain(cx.other_nodes(me)).collect();
    let posted = cx.post(me.user, nodes, Lane::Normal, &Message::Invite { gid, alias: from, to, body }, payload);
    let group = cx.ledger.group_by_name(gid).expect("it was there or was founded");
    let members = cx.ledger.group_nodes(group, None).collect();
    let notice = Message::Member { act: "invite", gid, alias: to, new_alias: None };
    cx.post(me.user, members, Lane::Normal, &notice, Payload::EMPTY);
    Ok(Some(posted))
}

/// Makes the group, with the sender in it.
fn found(cx: &mut Cx<'_>, me: Me, gid: &str, listed: &str) -> GroupNo {
    let no = cx.ledger.next_group();
    cx.append(&Record::Group(GroupRecord { no, name: gid.to_owned(), rules: None }));
    cx.append(&Record::Member(MemberRecord {
        group: no,
        user: me.user,
        alias: listed.to_owned(),
        standing: Standing::Joined,
        moderator: true,
    }));
    no
}
