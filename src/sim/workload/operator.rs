//! What the operator wants.

use super::{gid, some_uid};
use crate::base::Wall;
use crate::record::{Mode, Role};
use crate::relay::{Command, Kicked, Whom};
use crate::sim::model::{Model, Nanos};
use crate::sim::plan::{Extensions, Plan, SECOND};
use crate::sim::prng::Prng;

/// What the operator does first, so that somebody can register at all.
pub(in crate::sim) fn opening(plan: &Plan, now: Nanos) -> Option<Command> {
    match plan.extensions.as_ref()?.mode {
        Mode::Open => None,
        Mode::Invite => Some(Command::Invite { uses: plan.users as u32, expires: None, role: Role::Full, groups: Vec::new() }),
        Mode::Closed => Some(Command::Register { mode: Mode::Open, until: Some(Wall((now + 60 * SECOND) / 1_000_000 * 1_000_000)) }),
    }
}

/// Something that the operator wants of a site with members.
pub(in crate::sim) fn command(model: &Model, extensions: &Extensions, groups: usize, now: Nanos, prng: &mut Prng) -> Command {
    let until = |prng: &mut Prng| {
        let at = now + prng.between(SECOND, extensions.ahead);
        prng.chance(2, 3).then_some(Wall(at / 1_000_000 * 1_000_000))
    };
    match prng.roll(100) {
        0..=5 => Command::Kick(Kicked::Member(whom(model, prng))),
        6..=29 => {
            let mut names: Vec<String> = (0..prng.index(3)).map(|_| gid(prng.index(groups.max(1)))).collect();
            names.dedup();
            // Hardly ever one that there is not: that is refused.
            names.retain(|gid| model.has_group(gid) || prng.chance(1, 10));
            let role = if prng.chance(1, 5) { Role::Receive } else { Role::Full };
            Command::Invite { uses: prng.between(1, 3) as u32, expires: until(prng), role, groups: names }
        }
        30..=44 => Command::Register { mode: *prng.pick(&[Mode::Open, Mode::Open, Mode::Invite, Mode::Closed]), until: until(prng) },
        45..=59 => Command::Member(whom(model, prng)),
        60..=79 => Command::Role(whom(model, prng), *prng.pick(&[Role::Full, Role::Full, Role::Receive, Role::Suspended])),
        80..=87 => Command::Admin(whom(model, prng), prng.chance(1, 2)),
        88..=93 => {
            let whom = whom(model, prng);
            let user = model.users.iter().position(|user| matches!(&whom, Whom::Uid(uid) if *uid == user.uid));
            let nodes: Vec<usize> = user.map(|user| model.nodes_of(user).into_iter().collect()).unwrap_or_default();
            let node = if nodes.is_empty() { 0 } else { *prng.pick(&nodes) };
            Command::DropNode(whom, node.to_string())
        }
        _ => Command::NewNode(whom(model, prng), format!("node {} of the operator", model.nodes.len())),
    }
}

fn whom(model: &Model, prng: &mut Prng) -> Whom {
    let aliases: Vec<&str> = model.users.iter().flat_map(|user| &user.aliases).map(|alias| alias.name.as_str()).collect();
    if !aliases.is_empty() && prng.chance(1, 3) {
        return Whom::Alias((*prng.pick(&aliases)).to_owned());
    }
    Whom::Uid(if model.users.is_empty() { "nobody".to_owned() } else { some_uid(model, prng) })
}
