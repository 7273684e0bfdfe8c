//! What members ask for of the protocol's second part.

use super::{alias_of, any_name, some_group, some_uid, text};
use crate::base::Wall;
use crate::sim::ask::Ask;
use crate::sim::model::{Model, Nanos, NodeNo, Standing, UserNo, standing};
use crate::sim::plan::{Plan, SECOND};
use crate::sim::prng::Prng;

/// Names that the site keeps for itself, or that look like others.
const ODD_NAMES: [&str; 3] = ["Postmaster", "\u{430}nother name a", "member number \u{430}"];
/// Whether members put themselves on their list of those who are blocked: tests/model.rs and a transcript do.
const BLOCKS_ONESELF: bool = false;
/// A uid that nobody has.
const NOBODY: &str = "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%";
const WHAT: [&str; 11] = ["account", "nodes", "aliases", "groups", "roster", "queue", "limits", "policy", "cork", "invites", "the weather"];

/// A request that this node could make.
pub(super) fn ask(model: &Model, node: NodeNo, plan: &Plan, now: Nanos, prng: &mut Prng) -> Ask {
    let user = model.nodes[node].user;
    // Who has no name cannot do much.
    let roll = if model.users[user].aliases.is_empty() && prng.chance(1, 3) { 0 } else { prng.roll(100) };
    match roll {
        0..=13 => {
            let name = if prng.chance(1, 3) { own_alias(model, user, prng) } else { name(user, prng) };
            let uses = prng.chance(2, 3).then(|| *prng.pick(&[1, 1, 2, 3, 1_000_000, 0]));
            let expires = prng.chance(1, 2).then(|| time(plan, now, prng));
            Ask::NewAlias { name, uses, expires }
        }
        14..=19 => Ask::DropAlias(own_alias(model, user, prng)),
        20..=23 => drop_node(model, node, prng),
        24..=37 => in_group(model, user, plan, prng),
        38..=53 => {
            let what = *prng.pick(&WHAT);
            let cursor = prng.chance(1, 40).then(|| "no cursor".to_owned());
            let gid = (what == "roster" || prng.chance(1, 20)).then(|| known_group(model, user, plan, prng));
            Ask::List { what, cursor, gid }
        }
        54..=65 => {
            let act = prng.chance(4, 5).then(|| *prng.pick(&["block", "block", "allow", "allow", "clear", "clear", "clear", "hate"]));
            let mut whom = if act.is_some() { whom(model, prng) } else { Vec::new() };
            // Who blocks oneself is not blocked, says the protocol.
            whom.retain(|uid| BLOCKS_ONESELF || act == Some("clear") || *uid != model.users[user].uid);
            let act = act.filter(|_| !whom.is_empty());
            let policy = (act.is_none() || prng.chance(1, 6)).then(|| *prng.pick(&["any", "any", "any", "none", "perhaps"]));
            Ask::Reach { act, whom, policy }
        }
        66..=77 => {
            let until = prng.chance(2, 3).then(|| time(plan, now, prng));
            let from = if until.is_some() && prng.chance(2, 3) { whom(model, prng) } else { Vec::new() };
            Ask::Cork { until, from }
        }
        78..=83 => {
            let uses = prng.chance(1, 2).then(|| *prng.pick(&[1, 2, 100, 0, 101]));
            let expires = prng.chance(1, 2).then(|| time(plan, now, prng));
            Ask::Code { uses, expires, gid: prng.chance(1, 2).then(|| known_group(model, user, plan, prng)) }
        }
        84..=91 => {
            let guest = prng.index(model.users.len());
            let (gid, from, to) = (known_group(model, user, plan, prng), own_alias(model, user, prng), alias_of(model, guest, prng));
            Ask::Invite { gid, from: Some(from), to, text: text(prng) }
        }
        _ => {
            let whom = prng.index(model.users.len());
            let to = if prng.chance(1, 5) { any_name(prng) } else { alias_of(model, whom, prng) };
            Ask::Ping { from: Some(own_alias(model, user, prng)), to, text: text(prng) }
        }
    }
}

/// A name to take: one that only this user ever wants, one that many do, or an odd one.
fn name(user: UserNo, prng: &mut Prng) -> String {
    match prng.roll(10) {
        0 => (*prng.pick(&ODD_NAMES)).to_owned(),
        1..=4 => any_name(prng),
        _ => format!("name {} of {user}", prng.roll(4)),
    }
}

fn own_alias(model: &Model, user: UserNo, prng: &mut Prng) -> String {
    alias_of(model, user, prng)
}

/// Users, hardly ever one that there is not.
fn whom(model: &Model, prng: &mut Prng) -> Vec<String> {
    let one = |prng: &mut Prng| if prng.chance(1, 20) { NOBODY.to_owned() } else { some_uid(model, prng) };
    (0..=prng.index(2)).map(|_| one(prng)).collect()
}

/// When something ends: soon or late, sometimes too late, or not a time at all.
fn time(plan: &Plan, now: Nanos, prng: &mut Prng) -> String {
    let ahead = plan.extensions.as_ref().map_or(SECOND, |extensions| extensions.ahead);
    match prng.roll(30) {
        0 => Wall(now - prng.between(0, SECOND)).to_rfc3339(),
        1 => Wall(now + 401 * 86_400 * SECOND).to_rfc3339(),
        2 => "tomorrow".to_owned(),
        _ => Wall(now + prng.between(SECOND / 100, ahead)).to_rfc3339(),
    }
}

fn drop_node(model: &Model, node: NodeNo, prng: &mut Prng) -> Ask {
    let user = model.nodes[node].user;
    if (model.users[user].admin || prng.chance(1, 10)) && prng.chance(2, 3) {
        let other = prng.index(model.users.len());
        let number = some_node(model, other, node, prng);
        // An administrator's own uid would say what goes without saying.
        return Ask::DropNode { number, uid: Some(model.users[other].uid.clone()).filter(|_| other != user) };
    }
    let other = if prng.chance(1, 10) { prng.index(model.users.len()) } else { user };
    Ask::DropNode { number: some_node(model, other, node, prng), uid: None }
}

fn some_node(model: &Model, user: UserNo, own: NodeNo, prng: &mut Prng) -> String {
    let nodes: Vec<NodeNo> = model.nodes_of(user).into_iter().collect();
    if nodes.is_empty() || prng.chance(1, 10) { own.to_string() } else { prng.pick(&nodes).to_string() }
}

/// A group: most often one that the user has joined.
fn known_group(model: &Model, user: UserNo, plan: &Plan, prng: &mut Prng) -> String {
    let known: Vec<&String> =
        model.groups.iter().filter(|(_, group)| standing(group, user) == Some(Standing::Joined)).map(|(gid, _)| gid).collect();
    if known.is_empty() || prng.chance(1, 8) { some_group(plan, prng) } else { (*prng.pick(&known)).clone() }
}

fn in_group(model: &Model, user: UserNo, plan: &Plan, prng: &mut Prng) -> Ask {
    let gid = known_group(model, user, plan, prng);
    if prng.chance(1, 2) {
        let some = |words: &[&'static str], prng: &mut Prng| prng.chance(1, 2).then(|| *prng.pick(words));
        let post = *prng.pick(&["members", "moderators", "anyone", "members", "anyone"]);
        let invite = some(&["members", "members", "moderators", "anyone"], prng);
        let roster = some(&["members", "moderators", "anyone", "everybody"], prng);
        return Ask::Rules { gid, invite, post: (invite.is_none() && roster.is_none() || prng.chance(1, 2)).then_some(post), roster };
    }
    let listed = model.listed(&gid);
    let to = if listed.is_empty() { any_name(prng) } else { (*prng.pick(&listed)).to_owned() };
    Ask::Moderator { gid, to, role: ["moderator", "moderator", "member", "member", "king"][prng.index(5)] }
}
