//! GroupEdit: join, be listed under another alias, remove somebody; for moderators: who may do what, and who else moderates.

use super::group_invite::check_groups;
use super::{Done, Outcome, Stop, check_group_room, deny, shown};
use crate::base::{GroupNo, UserNo};
use crate::ledger::{Group, Member};
use crate::record::{GroupRecord, Lane, MemberRecord, Payload, Record, Standing, Who};
use crate::relay::cx::{Cx, Me, Posted};
use crate::relay::fanout::Fanout;
use crate::wire::GroupAct;
use crate::wire::reply::Message;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, gid: &str, act: &GroupAct<'_>) -> Outcome {
    check_group_room(cx, gid, 0)?;
    let Some(group) = cx.ledger.group_by_name(gid) else {
        return deny(format!("gid: group {} is unknown", shown(gid)));
    };
    let own = match group.member(me.user) {
        Some(member) if member.standing != Standing::Barred => member,
        Some(_) | None => return deny(format!("gid: sender is not a member of group {}", shown(gid))),
    };
    let change = match act {
        GroupAct::Join(alias) => join(cx, me, own, alias.as_deref())?,
        GroupAct::Alias(alias) => rename(cx, me, own, alias)?,
        GroupAct::Drop(listed) => Some(drop_member(me, group, own, listed)?),
        GroupAct::Set { invite, post, roster } => {
            let words = [invite.as_deref(), post.as_deref(), roster.as_deref()];
            return set(cx, me, group.no(), words);
        }
        GroupAct::Moderator { to, role } => return moderator(cx, me, group.no(), to, role),
    };
    let no = group.no();
    Ok(change.map_or(Done::Nothing, |change| Done::Posted(change.make(cx, me, no))))
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
    moderator: bool,
}

impl Change {
    fn make(self, cx: &mut Cx<'_>, me: Me, group: GroupNo) -> Posted {
        let alias = self.new_alias.clone().unwrap_or_else(|| self.old_alias.clone());
        let (user, standing, moderator) = (self.user, self.standing, self.moderator);
        cx.append(&Record::Member(MemberRecord { group, user, alias, standing, moderator }));
        let mut nodes = Fanout::new(me.user);
        nodes.add_joined(cx, cx.ledger.group(group));
        if self.act == "drop" {
            nodes.add_or_miss(cx, self.user, None);
        }
        let gid = cx.ledger.group(group).name().to_owned();
        let notice = Message::Member { act: self.act, gid: &gid, alias: &self.old_alias, new_alias: self.new_alias.as_deref() };
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
    check_groups(cx, me.user)?;
    let (old_alias, new_alias) = (own.alias.clone(), alias.map(str::to_owned));
    Ok(Some(Change { act: "join", user: me.user, old_alias, new_alias, standing: Standing::Joined, moderator: false }))
}

fn rename(cx: &Cx<'_>, me: Me, own: &Member, alias: &str) -> Result<Option<Change>, Stop> {
    check_own_alias(cx, me, alias)?;
    Ok(Some(Change {
        act: "alias",
        user: me.user,
        old_alias: own.alias.clone(),
        new_alias: Some(alias.to_owned()),
        standing: own.standing,
        moderator: own.moderator,
    }))
}

fn drop_member(me: Me, group: &Group, own: &Member, listed: &str) -> Result<Change, Stop> {
    let Some((user, member)) = group.listed(listed) else {
        return deny(format!("to: the group lists nobody as {}", shown(listed)));
    };
    let old_alias = member.alias.clone();
    if user == me.user {
        let last = member.moderator && group.moderator_count() == 1 && group.joined_count() > 1;
        if last && group.is_managed() {
            return deny("to: sender is the last moderator of the group, and must make another one before leaving");
        }
        return Ok(Change { act: "drop", user, old_alias, new_alias: None, standing: Standing::Invited, moderator: false });
    }
    if own.standing != Standing::Joined {
        return deny("act drop: sender has not joined the group");
    }
    if group.is_managed() && !group.is_moderated_by(me.user) {
        return deny("act drop: only moderators remove members of this group");
    }
    Ok(Change { act: "drop", user, old_alias, new_alias: None, standing: Standing::Barred, moderator: false })
}

fn check_own_alias(cx: &Cx<'_>, me: Me, alias: &str) -> Result<(), Stop> {
    if cx.user(me).has_alias(alias, cx.now.wall) {
        return Ok(());
    }
    deny("newalias must be an alias of the sender")
}

fn check_moderates(group: &Group, me: Me, act: &str) -> Result<(), Stop> {
    if group.is_moderated_by(me.user) { Ok(()) } else { deny(format!("act {act}: sender does not moderate group {}", group.name())) }
}

/// Decides who may invite, who may post, and who may see the roster.
fn set(cx: &mut Cx<'_>, me: Me, no: GroupNo, words: [Option<&str>; 3]) -> Outcome {
    let group = cx.ledger.group(no);
    check_moderates(group, me, "set")?;
    let mut rules = group.rules();
    let places = [("invite", &mut rules.invite), ("post", &mut rules.post), ("roster", &mut rules.roster)];
    for ((key, place), word) in places.into_iter().zip(words) {
        let Some(word) = word else { continue };
        match Who::parse(word) {
            Some(Who::Anyone) if key == "invite" => return deny("invite must be members or moderators"),
            Some(who) => *place = who,
            None => {
                let choice = if key == "invite" { "members or moderators" } else { "members, moderators or anyone" };
                return deny(format!("{key} {} must be {choice}", shown(word)));
            }
        }
    }
    let (gid, alias) = (group.name().to_owned(), listed(group, me.user));
    cx.append(&Record::Group(GroupRecord { no, name: gid.clone(), rules: Some(rules) }));
    let [invite, post, roster] = words;
    let notice = Message::GroupSet { gid: &gid, alias: &alias, invite, post, roster };
    Ok(Done::Posted(tell_joined(cx, me, no, &notice)))
}

/// Gives or takes the role of a moderator.
fn moderator(cx: &mut Cx<'_>, me: Me, no: GroupNo, to: &str, role: &str) -> Outcome {
    let group = cx.ledger.group(no);
    check_moderates(group, me, "moderator")?;
    let moderator = match role {
        "moderator" => true,
        "member" => false,
        _ => return deny(format!("role {} must be moderator or member", shown(role))),
    };
    let Some((user, member)) = group.listed(to).filter(|(_, member)| member.standing == Standing::Joined) else {
        return deny(format!("to: nobody who joined the group is listed as {}", shown(to)));
    };
    if member.moderator == moderator {
        return Ok(Done::Nothing);
    }
    if !moderator && group.moderator_count() == 1 {
        return deny(format!("to: {to} is the last moderator of the group"));
    }
    let (alias, standing) = (member.alias.clone(), member.standing);
    let (gid, rules) = (group.name().to_owned(), group.rules());
    if !group.is_managed() {
        cx.append(&Record::Group(GroupRecord { no, name: gid.clone(), rules: Some(rules) }));
    }
    cx.append(&Record::Member(MemberRecord { group: no, user, alias: alias.clone(), standing, moderator }));
    let notice = Message::GroupRole { gid: &gid, alias: &alias, role };
    Ok(Done::Posted(tell_joined(cx, me, no, &notice)))
}

fn listed(group: &Group, user: UserNo) -> String {
    group.member(user).map(|member| member.alias.clone()).unwrap_or_default()
}

fn tell_joined(cx: &mut Cx<'_>, me: Me, group: GroupNo, notice: &Message<'_>) -> Posted {
    let mut nodes = Fanout::new(me.user);
    nodes.add_joined(cx, cx.ledger.group(group));
    cx.post(me.user, nodes, Lane::Normal, notice, Payload::EMPTY)
}
