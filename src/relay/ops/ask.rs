//! Ask: what a member may know of the own account, its devices, its groups, and what waits.
//!
//! Each question is a list of entries, told page by page. The cursor is the key of the first entry that did not fit, so that
//! what comes or goes meanwhile moves nothing else.

use serde_json::{Value, json};

use super::{Done, Listed, Outcome, Stop, deny, ping, shown};
use crate::base::{GroupNo, NodeNo, Uid, UserNo, Wall};
use crate::ledger::Group;
use crate::limits::RESULT_BYTES_MAX;
use crate::record::{Standing, Who};
use crate::relay::cx::{Cx, Me};
use crate::wire::reply::entry_size;

/// What an entry costs, in devices that are looked up for a post.
const WORK_PER_ENTRY: usize = 50;

/// An entry with the key by which a cursor finds it: keys rise.
type Entry = (String, Value);

pub(super) fn run(cx: &mut Cx<'_>, me: Me, what: &str, cursor: Option<&str>, gid: Option<&str>) -> Outcome {
    let from = cursor.unwrap_or_default();
    let (what, page) = match what {
        "account" => ("account", page(account(cx, me), from)),
        "nodes" => ("nodes", page(nodes(cx, me), from)),
        "aliases" => ("aliases", page(aliases(cx, me), from)),
        "groups" => ("groups", page(groups(cx, me, number(from)), from)),
        "roster" => {
            let Some(gid) = gid.filter(|gid| !gid.is_empty()) else { return deny("gid: whose roster is not said") };
            ("roster", page(roster(visible(cx, me, gid)?, me, number(from)), from))
        }
        "queue" => ("queue", page(queues(cx, me), from)),
        "limits" => ("limits", page(limits(cx, me), from)),
        "policy" => ("policy", page(policy(cx, me), from)),
        "cork" => ("cork", page(cork(cx, me), from)),
        "invites" => ("invites", page(invites(cx, me), from)),
        what => {
            return deny(format!(
                "what {} is none of account, nodes, aliases, groups, roster, queue, limits, policy, cork, invites",
                shown(what)
            ));
        }
    };
    let Some((list, cursor)) = page else {
        return deny(format!("cursor {} is none that a result had", shown(from)));
    };
    // Lists of some thousand entries are walked from their beginning.
    cx.journal.work += (list.len() + 1) * WORK_PER_ENTRY;
    Ok(Done::Listed(Listed { what, list, cursor }))
}

/// The entries from a key on that fit one result, and the key of the next one. `None` if there is no such key.
fn page(entries: impl Iterator<Item = Entry>, from: &str) -> Option<(Vec<Value>, Option<String>)> {
    if !from.is_empty() && !is_key(from) {
        return None;
    }
    let mut list = Vec::new();
    let mut octets = 0;
    for (key, entry) in entries.skip_while(|(key, _)| key.as_str() < from) {
        octets += entry_size(&entry);
        if octets > RESULT_BYTES_MAX && !list.is_empty() {
            return Some((list, Some(key)));
        }
        list.push(entry);
    }
    Some((list, None))
}

/// Keys are numbers in sixteen hex digits, with the uid behind them where the order is that of uids.
fn key(number: u64) -> String {
    format!("{number:016x}")
}

/// The number of a key; 0 of what is none.
fn number(key: &str) -> u32 {
    key.get(..16).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

fn is_key(text: &str) -> bool {
    text.is_ascii() && text.len() >= 16 && text[..16].bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn account(cx: &Cx<'_>, me: Me) -> impl Iterator<Item = Entry> {
    let user = cx.user(me);
    let mut entry = json!({ "role": user.role().word(), "uid": user.uid().to_string() });
    if user.is_admin() {
        entry["admin"] = json!(true);
    }
    std::iter::once((key(0), entry))
}

fn nodes<'a>(cx: &'a Cx<'_>, me: Me) -> impl Iterator<Item = Entry> + 'a {
    cx.user(me).nodes().map(move |node| {
        let mut entry = json!({ "label": node.label, "node": node.no.0.to_string() });
        put_time(&mut entry, "made", node.made);
        put_time(&mut entry, "seen", cx.ledger.queue(node.no).seen());
        put_true(&mut entry, "online", cx.online.link(node.no).is_some());
        put_true(&mut entry, "self", node.no == me.node);
        (key(u64::from(node.no.0)), entry)
    })
}

fn put_time(entry: &mut Value, name: &str, seconds: u32) {
    if seconds > 0 {
        entry[name] = json!(Wall::from_seconds(seconds).to_rfc3339());
    }
}

fn put_true(entry: &mut Value, name: &str, holds: bool) {
    if holds {
        entry[name] = json!(true);
    }
}

fn aliases<'a>(cx: &'a Cx<'_>, me: Me) -> impl Iterator<Item = Entry> + 'a {
    let living = cx.user(me).aliases().filter(|alias| !alias.has_expired(cx.now.wall));
    living.enumerate().map(|(at, alias)| {
        let mut entry = json!({ "alias": alias.name });
        if alias.uses > 0 {
            entry["uses"] = json!(alias.uses);
        }
        if alias.expires != Wall(0) {
            entry["expires"] = json!(alias.expires.to_rfc3339());
        }
        (key(at as u64), entry)
    })
}

fn groups<'a>(cx: &'a Cx<'_>, me: Me, from: u32) -> impl Iterator<Item = Entry> + 'a {
    cx.ledger.groups_of(me.user).skip_while(move |group| group.no().0 < from).filter_map(move |group| {
        let member = group.member(me.user).filter(|member| member.standing != Standing::Barred)?;
        let rules = group.rules();
        let mut entry = json!({
            "alias": member.alias,
            "gid": group.name(),
            "invite": rules.invite.word(),
            "post": rules.post.word(),
            "roster": rules.roster.word(),
            "standing": member.standing.word(),
        });
        put_true(&mut entry, "moderator", member.moderator);
        Some((key(u64::from(group.no().0)), entry))
    })
}

/// A group whose roster the sender may see. Of another it is not told whether it is there.
fn visible<'a>(cx: &'a Cx<'_>, me: Me, gid: &str) -> Result<&'a Group, Stop> {
    match cx.ledger.group_by_name(gid).filter(|group| shows_roster(group, me)) {
        Some(group) => Ok(group),
        None => deny(format!("gid: group {} is unknown", shown(gid))),
    }
}

/// Whether a group shows somebody who is in it.
pub(super) fn shows_roster(group: &Group, me: Me) -> bool {
    let standing = group.member(me.user).map(|member| member.standing);
    match group.rules().roster {
        Who::Members => standing == Some(Standing::Joined),
        Who::Moderators => group.is_moderated_by(me.user),
        Who::Anyone => standing != Some(Standing::Barred),
    }
}

fn roster(group: &Group, me: Me, from: u32) -> impl Iterator<Item = Entry> + '_ {
    let moderates = group.is_moderated_by(me.user);
    let listed = group.members_from(UserNo(from)).filter(move |(_, member)| moderates || member.standing != Standing::Barred);
    listed.map(|(user, member)| {
        let mut entry = json!({ "alias": member.alias, "standing": member.standing.word() });
        put_true(&mut entry, "moderator", member.moderator);
        (key(u64::from(user.0)), entry)
    })
}

fn queues<'a>(cx: &'a Cx<'_>, me: Me) -> impl Iterator<Item = Entry> + 'a {
    cx.user(me).nodes().map(move |node| {
        let queue = cx.ledger.queue(node.no);
        let mut entry = json!({ "bytes": queue.octets(), "count": queue.len(), "label": node.label, "node": node.no.0.to_string() });
        // A message's number follows the clock at which it was posted.
        if let Some(oldest) = queue.oldest() {
            entry["oldest"] = json!(Wall(oldest.0).to_rfc3339());
        }
        (key(u64::from(node.no.0)), entry)
    })
}

fn limits(cx: &Cx<'_>, me: Me) -> impl Iterator<Item = Entry> {
    let quotas = &cx.settings.quotas;
    let user = cx.user(me);
    let tally = ping::recent(cx, me.user);
    let fullest = |size: &dyn Fn(NodeNo) -> u64| user.node_numbers().map(size).max().unwrap_or(0);
    let rows = [
        ("aliases", quotas.aliases as u64, aliases(cx, me).count() as u64),
        ("failed_pings", quotas.failed_pings as u64, tally.failures.len() as u64),
        ("groups", quotas.groups as u64, cx.ledger.joined_by(me.user) as u64),
        ("invites", quotas.member_invites as u64, cx.ledger.invites_of(me.user, cx.now.wall).count() as u64),
        ("nodes", quotas.nodes as u64, user.nodes().len() as u64),
        ("pings", quotas.pings as u64, tally.pings.len() as u64),
        ("queue_bytes", quotas.queue_bytes, fullest(&|node| cx.ledger.queue(node).octets())),
        ("queue_messages", quotas.queue_messages as u64, fullest(&|node| cx.ledger.queue(node).len() as u64)),
    ];
    let entry = |(at, (limit, max, used))| (key(at as u64), json!({ "limit": limit, "max": max, "used": used }));
    rows.into_iter().enumerate().map(entry)
}

fn policy<'a>(cx: &'a Cx<'_>, me: Me) -> impl Iterator<Item = Entry> + 'a {
    let reach = cx.ledger.reach(me.user);
    let policy = reach.map(|reach| reach.policy).unwrap_or_default();
    let lists = reach.map_or((&[][..], &[][..]), |reach| (&reach.block, &reach.allow));
    let mut entries: Vec<(Uid, &str)> = lists.0.iter().map(|uid| (*uid, "block")).collect();
    entries.extend(lists.1.iter().map(|uid| (*uid, "allow")));
    entries.sort_unstable();
    let named = entries.into_iter().map(|(uid, act)| (by_uid(&uid), json!({ "act": act, "uid": uid.to_string() })));
    std::iter::once((key(0), json!({ "policy": policy.word() }))).chain(named)
}

/// The order of uids is that of their octets, not of their text.
fn by_uid(uid: &Uid) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = uid.0.iter().flat_map(|octet| [octet >> 4, octet & 15]).map(|digit| char::from(DIGITS[usize::from(digit)]));
    key(1).chars().chain(digits).collect()
}

fn cork<'a>(cx: &'a Cx<'_>, me: Me) -> impl Iterator<Item = Entry> + 'a {
    let cork = cx.ledger.cork(me.user).filter(|cork| cork.until > cx.now.wall);
    let until = cork.map(|cork| (key(0), json!({ "until": cork.until.to_rfc3339() })));
    let named = cork.filter(|cork| !cork.all).map_or(&[][..], |cork| &cork.from);
    until.into_iter().chain(named.iter().map(|uid| (by_uid(uid), json!({ "uid": uid.to_string() }))))
}

fn invites<'a>(cx: &'a Cx<'_>, me: Me) -> impl Iterator<Item = Entry> + 'a {
    cx.ledger.invites_of(me.user, cx.now.wall).map(|invite| {
        let mut entry = json!({ "expires": invite.expires.to_rfc3339(), "uses": invite.uses });
        if let Some(group) = invite.groups.first() {
            entry["gid"] = json!(name(cx, *group));
        }
        (key(u64::from(invite.slot)), entry)
    })
}

fn name(cx: &Cx<'_>, group: GroupNo) -> String {
    cx.ledger.group(group).name().to_owned()
}
