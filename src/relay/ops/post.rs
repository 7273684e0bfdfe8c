//! Post: data to users' and groups' nodes.

use std::collections::BTreeSet;

use super::{Done, Outcome, Stop, ask, check_size, deny, full, over, shown};
use crate::base::{Limit, NodeNo, Uid, UserNo};
use crate::ledger::Group;
use crate::limits::FANOUT_MAX;
use crate::record::{Lane, Payload, Standing, Who};
use crate::relay::cx::{Cx, Me};
use crate::relay::fanout::{Fanout, Listed};
use crate::wire::reply::Message;
use crate::wire::{Body, Recipient};

const TO_USER: u64 = 1;
const TO_GROUP_AND_SELF: u64 = 2;
/// Devices that one request may name before those that it names twice are found.
const NAMED_MAX: usize = 4 * FANOUT_MAX;

pub(super) fn run(cx: &mut Cx<'_>, me: Me, to: &[Recipient<'_>], body: Body, payload: Payload<'_>) -> Outcome {
    let mut nodes = resolve(cx, me, to)?;
    nodes.add_or_miss(cx, me.user, Some(me.node));
    nodes.settle();
    check_fanout(&nodes.nodes)?;
    check_size(cx, body.len, &[&payload], &[&nodes])?;
    let full = nodes.full();
    let posted = cx.post(me.user, nodes, Lane::Normal, &Message::Delivery { body, notify: None }, payload);
    Ok(Done::Partly(posted, full))
}

/// Whom a list of recipients means. All of the list, or nothing.
pub(super) fn resolve(cx: &mut Cx<'_>, me: Me, to: &[Recipient<'_>]) -> Result<Fanout, Stop> {
    let mut nodes = Fanout::new(me.user);
    // A recipient that is named often is looked up once: a group may be large, and the list long.
    let mut seen = BTreeSet::new();
    for recipient in to.iter().filter(|recipient| to.len() == 1 || seen.insert((recipient.kind, &recipient.id))) {
        if recipient.kind == Some(TO_USER) {
            let Some(user) = reached(cx, me.user, &recipient.id) else {
                return deny(format!("for: user {} is unknown", recipient.id));
            };
            if !nodes.add_if_fits(cx, user, None) {
                return full("for", &recipient.id);
            }
        } else {
            let group = group_of(cx, me, &recipient.id)?;
            let shows = ask::shows_roster(group, me);
            let except = if recipient.kind == Some(TO_GROUP_AND_SELF) { None } else { Some(me.user) };
            for (user, member) in group.joined() {
                if Some(user) == except {
                    continue;
                }
                let listed = if shows { Listed::As(&member.alias) } else { Listed::Hidden(group.no()) };
                if cx.ledger.blocks(user, me.user) {
                    nodes.pretend(cx, user, &listed);
                } else {
                    nodes.add_member(cx, user, &listed);
                }
            }
        }
        // Large groups that overlap are counted twice, but not for ever.
        if nodes.nodes.len() > NAMED_MAX {
            return over(Limit::Fanout, format!("for: these groups have more than {NAMED_MAX} devices, too many for one message"));
        }
    }
    cx.journal.work += nodes.nodes.len();
    nodes.settle();
    Ok(nodes)
}

/// Who has a uid and is reached by somebody.
pub(super) fn reached(cx: &Cx<'_>, from: UserNo, uid: &str) -> Option<UserNo> {
    let user = Uid::parse(uid).and_then(|uid| cx.ledger.user_of(&uid))?.no();
    cx.ledger.reaches(from, user).then_some(user)
}

/// One record names all recipients of a post.
pub(super) fn check_fanout(nodes: &[NodeNo]) -> Result<(), Stop> {
    if nodes.len() <= FANOUT_MAX {
        return Ok(());
    }
    over(Limit::Fanout, format!("for: {} devices are more than the {FANOUT_MAX} that one message can go to", nodes.len()))
}

/// A group that the sender may post to.
fn group_of<'a>(cx: &'a Cx<'_>, me: Me, gid: &str) -> Result<&'a Group, Stop> {
    let Some(group) = cx.ledger.group_by_name(gid) else {
        return deny(format!("for: group {} is unknown", shown(gid)));
    };
    match (group.rules().post, group.member(me.user).map(|member| member.standing)) {
        (Who::Members, Some(Standing::Joined | Standing::Invited)) => Ok(group),
        (Who::Moderators, Some(Standing::Joined)) if group.is_moderated_by(me.user) => Ok(group),
        (Who::Anyone, None | Some(Standing::Joined | Standing::Invited)) => Ok(group),
        (Who::Moderators, Some(Standing::Joined | Standing::Invited)) => deny(format!("for: only moderators post to group {}", shown(gid))),
        (_, Some(Standing::Barred)) | (Who::Members | Who::Moderators, None) => {
            deny(format!("for: sender is not a member of group {}", shown(gid)))
        }
    }
}
