//! What an answer says, in words for a person.

use super::{status, table};
use crate::server::Changes;
use crate::server::control::{Member, Node, Reply, Request, Target, Who};

/// The lines. `symbol` makes the QR symbol of a code, where one is wanted.
pub fn lines(request: &Request, reply: &Reply, symbol: Option<fn(&str) -> Vec<String>>) -> Vec<String> {
    match reply {
        // It is told as a complaint.
        Reply::Refused { .. } => Vec::new(),
        Reply::Code { code, uses, expires, role, groups } => {
            let mut lines = vec![code.clone()];
            lines.extend(symbol.map(|symbol| symbol(code)).unwrap_or_default());
            lines.push(good_for(*uses, expires, role, groups));
            lines
        }
        Reply::Node { uid, nodeid } => vec![
            format!("uid: {uid}"),
            format!("nodeid: {nodeid}"),
            "A device logs in with these two; the nodeid is told this once.".to_owned(),
        ],
        Reply::Member(member) => about(member),
        Reply::Status(status) => status::lines(status),
        Reply::Reloaded(changes) => reloaded(changes),
        Reply::Draining { seconds } => {
            vec![format!("Nobody is let in any more; the relay stops when all deliveries are acknowledged, or in {seconds} seconds.")]
        }
        Reply::Members { members, next } => {
            let mut lines = table::members(members);
            lines.extend(next.as_ref().map(|uid| format!("There are more: mnm ctl members --after {uid}")));
            lines
        }
        Reply::Nodes { nodes, .. } => table::nodes(nodes),
        Reply::Queues { queues, .. } => table::queues(queues),
        Reply::Groups { groups, .. } => table::groups(groups),
        Reply::Links { links, .. } => table::links(links),
        Reply::Ended { ended } => vec![kicked(request, *ended)],
        Reply::Done { .. } => vec![done(request)],
    }
}

fn good_for(uses: u32, expires: &str, role: &str, groups: &[String]) -> String {
    let members = if uses == 1 { "one new member".to_owned() } else { format!("{uses} new members") };
    let until = if expires == "never" { "for ever".to_owned() } else { format!("until {expires}") };
    let groups = if groups.is_empty() { String::new() } else { format!(", and invited to {}", groups.join(", ")) };
    format!("Good for {members}, {until}; role {role}{groups}.")
}

fn about(member: &Member) -> Vec<String> {
    let Member { uid, role, admin, aliases, nodes } = member;
    let mut lines = vec![format!("uid: {uid}"), format!("role: {role}{}", if *admin { ", administrator" } else { "" })];
    lines.extend(aliases.iter().map(|alias| format!("alias: {alias}")));
    lines.extend(nodes.iter().map(device));
    lines
}

fn device(node: &Node) -> String {
    let Node { node, label, made, seen, online, count, bytes } = node;
    let made = made.as_ref().map(|time| format!(", made {time}")).unwrap_or_default();
    let seen = match (online, seen) {
        (true, _) => ", online".to_owned(),
        (false, Some(time)) => format!(", last seen {time}"),
        (false, None) => ", never seen".to_owned(),
    };
    // What its owner called it is nothing that a terminal should obey.
    format!("node {node}: {label:?}{made}{seen}; {count} messages of {bytes} octets wait for it")
}

fn done(request: &Request) -> String {
    match request {
        Request::Register { mode, until: None } => format!("register: {mode}"),
        Request::Register { mode, until: Some(until) } => format!("register: {mode} until {until}; then what held before"),
        Request::Role { whom, role } => format!("{}: role {role}", name(whom)),
        Request::Admin { whom, on: true } => format!("{}: an administrator", name(whom)),
        Request::Admin { whom, on: false } => format!("{}: no administrator", name(whom)),
        Request::DropNode { whom, node } => format!("{}: node {node} is dropped", name(whom)),
        Request::Log { level } => format!("log: {level}, until a restart or a reload"),
        Request::Invite { .. }
        | Request::Member { .. }
        | Request::NewNode { .. }
        | Request::Kick { .. }
        | Request::Members { .. }
        | Request::Nodes { .. }
        | Request::Queues { .. }
        | Request::Groups { .. }
        | Request::Links { .. }
        | Request::Status {}
        | Request::Reload {}
        | Request::Drain { .. } => "done".to_owned(),
    }
}

fn kicked(request: &Request, ended: usize) -> String {
    match (request, ended) {
        (Request::Kick { whom: Target::Link(link) }, _) => format!("link {link} is ended"),
        (Request::Kick { whom: Target::Uid(who) | Target::Alias(who) }, 0) => format!("{who}: is not here"),
        (Request::Kick { whom: Target::Uid(who) | Target::Alias(who) }, 1) => format!("{who}: one link is ended"),
        (Request::Kick { whom: Target::Uid(who) | Target::Alias(who) }, _) => format!("{who}: {ended} links are ended"),
        (_, _) => format!("{ended} links are ended"),
    }
}

fn reloaded(changes: &Changes) -> Vec<String> {
    let told = |words: &str, list: &[String]| list.iter().map(|line| format!("{words}: {line}")).collect::<Vec<_>>();
    let lines = [told("changed", &changes.changed), told("after a restart", &changes.restart)].concat();
    if lines.is_empty() { vec!["nothing has changed".to_owned()] } else { lines }
}

fn name(whom: &Who) -> &str {
    match whom {
        Who::Uid(text) | Who::Alias(text) => text,
    }
}
