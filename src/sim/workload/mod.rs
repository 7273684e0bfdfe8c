//! What members ask for, what hostile ones send, and what strangers say at the door.

mod codes;
mod extended;
mod operator;

use serde_json::json;

pub(super) use self::codes::{address, code};
pub(super) use self::operator::{command, opening};
use super::ask::{Ask, Part, Speaks, frame};
use super::model::{Model, Nanos, NodeNo};
use super::plan::Plan;
use super::prng::Prng;

/// Aliases and group names that are asked for, besides each member's first.
const NAMES: [&str; 8] = [
    "another name a",
    "another name b",
    "another name c",
    "<&> \u{e9}\u{4e2d} name",
    "7 chars",
    "group number 0",
    "nobody at all",
    "trailing name",
];

/// Headers that end a link, the octets of data behind them, and the reason that is given.
const BREAKS: [(&str, usize, &str); 8] = [
    (r#"{"op":0,"id":"1"}"#, 0, "disallowed op repetition"),
    (r#"{"op":1,"newnode":"first"}"#, 0, "disallowed op on connected link"),
    (r#"{"op":2,"uid":"x","node":"%%%%%%%%"}"#, 0, "disallowed op on connected link"),
    (r#"{"op":7,"id":"p","for":[],"datalen":0}"#, 0, "invalid header"),
    (r#"{"op":3,"id":"u"}"#, 0, "invalid header"),
    (r#"{"op":"seven"}"#, 0, "invalid header"),
    (r#"{"op":5,"id":"i","gid":"the group","from":"a","to":"b","datalen":1}"#, 1, "data not valid UTF8"),
    ("", 0, "invalid header length"),
];

/// The first alias that the n-th registration asks for.
pub(super) fn first_alias(registration: usize) -> String {
    // Some ask for one that is taken.
    format!("member number {}", registration - registration % 5 / 4)
}

/// The name of a group.
fn gid(group: usize) -> String {
    format!("group number {group}")
}

/// A request that this node could make.
pub(super) fn ask(model: &Model, node: NodeNo, plan: &Plan, now: Nanos, prng: &mut Prng) -> Ask {
    if let Some(extensions) = plan.extensions.as_ref().filter(|extensions| extensions.share > 0)
        && prng.chance(extensions.share, 100)
    {
        return extended::ask(model, node, plan, now, prng);
    }
    let user = model.nodes[node].user;
    let alias_of = |user, prng: &mut Prng| alias_of(model, user, prng);
    let own = alias_of(user, prng);
    let group = some_group(plan, prng);
    match prng.roll(100) {
        0..=3 => Ask::NewAlias { name: any_name(prng), uses: None, expires: None },
        4..=7 if model.nodes_of(user).len() < plan.nodes_of_one => Ask::NewNode(format!("node {}", model.nodes.len())),
        8..=17 => {
            let to = (0..=prng.index(3)).map(|_| some_uid(model, prng)).collect();
            let act = ["add", "add", "drop", "init"][prng.index(4)];
            Ask::Ohi { to, act }
        }
        18..=29 => {
            let guest = prng.index(model.users.len());
            Ask::Invite { gid: group, from: Some(own), to: alias_of(guest, prng), text: text(prng) }
        }
        30..=44 => edit(model, group, own, prng),
        45..=50 => {
            let whom = prng.index(model.users.len());
            Ask::Ping { from: Some(own), to: alias_of(whom, prng), text: text(prng) }
        }
        51..=58 => {
            let speaks = model.nodes[node].link.as_ref().map(|link| link.speaks);
            let (to, note_to) = (recipients(model, plan, prng), recipients(model, plan, prng));
            let not_self = prng.chance(1, 3) && !to.is_empty();
            match speaks {
                Some(Speaks::Draft2020) => Ask::PostNotify { to, note_to, not_self, note: data(plan, prng), part: data(plan, prng) },
                _ => Ask::Post { to, part: data(plan, prng) },
            }
        }
        _ => Ask::Post { to: recipients(model, plan, prng), part: data(plan, prng) },
    }
}

fn any_name(prng: &mut Prng) -> String {
    prng.pick(&NAMES).to_string()
}

/// A name of a user, or any.
fn alias_of(model: &Model, user: usize, prng: &mut Prng) -> String {
    let aliases = &model.users[user].aliases;
    if aliases.is_empty() || prng.chance(1, 20) { any_name(prng) } else { prng.pick(aliases).name.clone() }
}

fn some_group(plan: &Plan, prng: &mut Prng) -> String {
    if plan.groups == 0 || prng.chance(1, 20) { any_name(prng) } else { gid(prng.index(plan.groups)) }
}

fn edit(model: &Model, gid: String, own: String, prng: &mut Prng) -> Ask {
    let newalias = prng.chance(1, 4).then(|| own.clone());
    match prng.roll(8) {
        0..=3 => Ask::Group { gid, act: "join", to: None, newalias },
        4 => Ask::Group { gid, act: "alias", to: None, newalias: Some(own) },
        _ => {
            let listed = model.listed(&gid);
            let to = if listed.is_empty() { own } else { (*prng.pick(&listed)).to_owned() };
            Ask::Group { gid, act: "drop", to: Some(to), newalias: None }
        }
    }
}

fn some_uid(model: &Model, prng: &mut Prng) -> String {
    if prng.chance(1, 30) { "nobody".to_owned() } else { prng.pick(&model.users).uid.clone() }
}

fn recipients(model: &Model, plan: &Plan, prng: &mut Prng) -> Vec<(String, u8)> {
    let one = |prng: &mut Prng| match prng.roll(3) {
        0 if plan.groups > 0 => (gid(prng.index(plan.groups)), prng.between(2, 3) as u8),
        _ => (some_uid(model, prng), 1),
    };
    (0..prng.index(4)).map(|_| one(prng)).collect()
}

fn text(prng: &mut Prng) -> Part {
    let len = prng.index(60);
    Part { octets: (0..len).map(|_| b'a' + prng.roll(26) as u8).collect(), head: 0, sum: 0 }
}

/// Data that no other message has.
fn data(plan: &Plan, prng: &mut Prng) -> Part {
    let len = match prng.roll(100) {
        roll if roll < plan.large => prng.between(1, plan.message_max as u64 + 100) as usize,
        _ => prng.between(1, 200) as usize,
    };
    let seed = prng.roll(1 << 30) as usize;
    let octets: Vec<u8> =
        seed.to_le_bytes().iter().copied().chain((0..).map(|at: usize| (at.wrapping_mul(seed | 1) >> 7) as u8)).take(len).collect();
    let head = if prng.chance(1, 5) { prng.index(len + 1) } else { 0 };
    Part { octets, head, sum: if prng.chance(1, 5) { prng.roll(1 << 31) as u32 } else { 0 } }
}

/// Octets that end a member's link, and the reason that is given.
pub(super) fn break_protocol(prng: &mut Prng) -> (Vec<u8>, &'static str) {
    let &(header, octets, reason) = prng.pick(&BREAKS);
    if header.is_empty() {
        return (b"zzzz".to_vec(), reason);
    }
    let mut sent = format!("{:04x}{header}", header.len()).into_bytes();
    sent.extend(std::iter::repeat_n(0xff, octets));
    (sent, reason)
}

/// What a stranger says, and whether the stranger goes at once.
pub(super) fn stranger(model: &Model, prng: &mut Prng) -> (Vec<u8>, bool) {
    let mut octets = Vec::new();
    if prng.chance(2, 3) {
        octets.extend(frame(&json!({ "op": 0, "id": "1" }), b""));
    }
    match prng.roll(7) {
        0 => {}
        1 => octets.extend((0..prng.index(300)).map(|_| prng.roll(256) as u8)),
        2 => octets.extend(b"ffff{\"op\":7,"),
        3 if !model.users.is_empty() => {
            let uid = prng.pick(&model.users).uid.clone();
            octets.extend(frame(&json!({ "op": 2, "uid": uid, "node": "%".repeat(40) }), b""));
        }
        4 => octets.extend(frame(&json!({ "op": 7, "id": "p", "for": [], "datalen": 3 }), b"abc")),
        5 => octets.extend(frame(&json!({ "op": 1, "newnode": "" }), b"")),
        _ => octets.extend(frame(&json!({ "op": 2, "uid": "nobody", "node": "no base32!" }), b"")),
    }
    (octets, prng.chance(1, 2))
}
