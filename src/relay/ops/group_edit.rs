//! GroupEdit: join, be listed under another alias, or remove somebody.

use super::{Outcome, Stop, check_group_room, deny};
use crate::base::{GroupNo, NodeNo, UserNo};
use crate::ledger::{Group, Member};
use crate::record::{Lane, MemberRecord, Payload, Record, Standing};
use crate::relay::cx::{Cx, Me};
use crate::wire::GroupAct;
use crate::wire::reply::Message;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, gid: &str, act: &GroupAct<'_>) -> Outcome {
    check_group_room(cx, gid, 0)?;
    let shown: String = gid.chars().take(255).collect();
    let Some(group) = cx.ledger.group_by_name(gid) else {
        return deny(format!("gid: group {shown} is unknown"));
    };
    let own = match group.member(me.user) {
        Some(member) if member.standing != Standing::Barred => member,
        Some(_) | None => return deny(format!("gid: sender is not a member of group {shown}")),
    };
    let change = match act {
        GroupAct::Join(alias) => join(cx, me, own, alias.as_deref())?,
        GroupAct::Alias(alias) => rename(cx, me, own, alias)?,
        GroupAct::Drop(listed) => Some(drop_member(cx, me, group, own, listed)?),
    };
    let no = group.no();
    Ok(change.map(|change| change.make(cx, me, no, gid)))
}

/// One member's new state, and the notice of it.
struct Change {
    act: &'static str,
    user: UserNo,
    /// Listed so until now.
    old_alias: String,
    /// Listed so from now on, if that differs.
    new_alias: Option<String>,
    standing: Standing,
}

impl Change {
    fn make(self, cx: &mut Cx<'_>, me: Me, group: GroupNo, gid: &str) -> crate::relay::cx::Posted {
        let alias = self.new_alias.clone().unwrap_or_else(|| self.old_alias.clone());
        cx.append(&Record::Member(MemberRecord { group, user: self.user, alias, standing: self.standing, moderator: false }));
        let group = cx.ledger.group_by_name(gid).expect("it was there before the change");
        let mut nodes: Vec<NodeNo> = cx.ledger.group_nodes(group, None).collect();
        if self.act == "drop" {
            nodes.extend(cx.ledger.user(self.user).node_numbers());
        }
        let notice = Message::Member { act: self.act, gid, alias: &self.old_alias, new_alias: self.new_alias.as_deref() };
        cx.post(me.user, nodes, Lane::Normal, &notice, Payload::EMPTY)
    }
}

fn join(cx: &Cx<'_>, me: Me, own: &Member, alias: Option<&str>) -> Result<Option<Change>, Stop> {
    if let Some(alias) = alias {
        check_own_alias(cx, me, alias)?;
    }
    if own.standing == Standing::Joined {
        return Ok(None);
    }
    let new_alias = alias.map(str::to_owned);
    Ok(Some(Change { act: "join", user: me.user, old_alias: own.alias.clone(), new_alias, standing: Standing::Joined }))
}

fn rename(cx: &Cx<'_>, me: Me, own: &Member, alias: &str) -> Result<Option<Change>, Stop> {
    check_own_alias(cx, me, alias)?;
    Ok(Some(Change {
        act: "alias",
        user: me.user,
        old_alias: own.alias.clone(),
        new_alias: Some(alias.to_owned()),
        standing: own.standing,
    }))
}

fn drop_member(cx: &Cx<'_>, me: Me, group: &Group, own: &Member, listed: &str) -> Result<Change, Stop> {
    let named = cx.ledger.user_by_alias(listed, cx.now.wall).and_then(|user| Some((user.no(), group.member(user.no())?)));
    let Some((user, member)) = named.filter(|(_, member)| member.alias == listed) else {
        let shown: String = listed.chars().take(255).collect();
        return deny(format!("to: the group lists nobody as {shown}"));
    };
    if user == me.user {
        return Ok(Change { act: "drop", user, old_alias: member.alias.clone(), new_alias: None, standing: Standing::Invited });
    }
    if own.standing != Standing::Joined {
        return deny("act drop: sender has not joined the group");
    }
    Ok(Change { act: "drop", user, old_alias: member.alias.clone(), new_alias: None, standing: Standing::Barred })
}

fn check_own_alias(cx: &Cx<'_>, me: Me, alias: &str) -> Result<(), Stop> {
    if cx.user(me).has_alias(alias, cx.now.wall) {
        return Ok(());
    }
    deny("newalias must be an alias of the sender")
}
