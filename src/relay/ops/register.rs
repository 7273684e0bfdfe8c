//! Register: a new user with a first device, if the site takes one.

use super::account::{Bounds, add_alias, add_node, write_user};
use super::{Stop, check_room, group_invite, login, news_of};
use crate::base::{GroupNo, InviteCode, LinkId, NodeNo, Uid, UserNo};
use crate::record::{InviteRecord, Mode, Record, Role, SiteRecord, Standing, UserRecord};
use crate::relay::cx::Cx;
use crate::relay::fanout::Fanout;
use crate::relay::session::Reason;
use crate::wire::{Body, reply};

/// Headers of an invitation and of the news of it, at most: each has two names, escaped.
const HEADERS: u64 = 8192;

/// What somebody wants to register with.
pub(super) struct Wish<'a> {
    pub(super) label: &'a str,
    pub(super) alias: Option<&'a str>,
    pub(super) invite: Option<&'a str>,
    /// A third party's word came along.
    pub(super) token: bool,
}

pub(super) fn run(cx: &mut Cx<'_>, link: LinkId, wish: &Wish<'_>) -> Result<(), Reason> {
    if cx.settings.token_required {
        // No token can be verified yet, so the door stays shut rather than open to any.
        log::debug!(
            link = link.text();
            "register refused: this site wants a third party's word ({})",
            if wish.token { "a token came" } else { "none came" }
        );
        return Err(Reason::AuthRequired);
    }
    if check_room(cx, 0).is_err() {
        log::debug!(link = link.text(); "register refused: storage full");
        return Err(Reason::RegisterFailure);
    }
    let invite = admitted(cx, link, wish)?;
    let groups = invite.iter().flat_map(|invite| &invite.groups);
    let news: u64 = groups.map(|no| news_of(cx, *no) + HEADERS).sum();
    if check_room(cx, news).is_err() {
        log::debug!(link = link.text(); "register refused: storage full");
        return Err(Reason::RegisterFailure);
    }
    let uid = Uid::random(cx.entropy);
    let no = cx.ledger.next_user();
    let role = invite.as_ref().map_or(Role::Full, |invite| invite.role);
    let mut user = UserRecord { no, uid, role, admin: false, aliases: Vec::new(), nodes: Vec::new(), dropped: 0, next_node: NodeNo(0) };
    let Ok((node, secret)) = add_node(cx, &mut user, wish.label) else { return Err(Reason::RegisterFailure) };
    let mut troubles = Vec::new();
    match wish.alias.map_or(Ok(()), |alias| add_alias(cx, &mut user, alias, Bounds::default())) {
        Ok(()) => {}
        Err(Stop::Deny(sentence)) => troubles.push(sentence),
        Err(Stop::Over(limit, sentence)) => {
            cx.counts.refused.note(limit);
            troubles.push(sentence);
        }
        Err(Stop::Refuse(reason)) => return Err(reason),
    }
    let alias = user.aliases.first().map(|alias| alias.name.clone());
    write_user(cx, user);
    if let Some(alias) = &alias {
        cx.names.add(alias);
    }
    let mut hosts = Vec::new();
    if let Some(mut invite) = invite {
        invite.uses -= 1;
        cx.append(&Record::Invite(invite.clone()));
        hosts = invitations(cx, &invite, alias.as_deref(), &mut troubles);
    }
    log::info!(link = link.text(), user = cx.name_of(no), from = cx.origin(link); "registered");
    let error = (!troubles.is_empty()).then(|| troubles.join("; "));
    cx.send(link, reply::registered(&secret.reveal(), &uid.to_string(), error.as_deref()));
    login::enter(cx, link, no, node);
    for (group, host) in hosts {
        let Some(alias) = &alias else { continue };
        let from = cx.ledger.group(group).member(host).map(|member| member.alias.clone());
        let mut nodes = Fanout::new(host);
        nodes.add(cx, no, None);
        let nothing = (Body::default(), crate::record::Payload::EMPTY);
        group_invite::invite(cx, (host, from.as_deref()), (no, alias), group, nodes, nothing);
    }
    Ok(())
}

/// Whether somebody may register, and with which code.
fn admitted(cx: &mut Cx<'_>, link: LinkId, wish: &Wish<'_>) -> Result<Option<InviteRecord>, Reason> {
    let mode = cx.ledger.site().mode_in_force(cx.settings.register, cx.now.wall);
    let code = match (mode, wish.invite) {
        (Mode::Closed, _) => return Err(Reason::Closed),
        (Mode::Invite, None) => return Err(Reason::CodeRequired),
        (Mode::Open, None) => return Ok(None),
        (Mode::Open | Mode::Invite, Some(code)) => code,
    };
    let from = cx.sessions.get(link).and_then(|session| session.from);
    if !cx.guesses.hears(from, cx.settings.quotas.wrong_codes, cx.now.mono) {
        return Err(Reason::CodeGuessed);
    }
    let found = InviteCode::parse(code).map(|code| cx.ledger.invite(&code.digest()).filter(|invite| invite.is_good(cx.now.wall)));
    // Whoever is suspended lets nobody in either.
    let is_trusted = |invite: &&InviteRecord| invite.maker.is_none_or(|maker| cx.ledger.user(maker).role() != Role::Suspended);
    let found = found.map(|invite| invite.filter(is_trusted));
    if let Some(Some(invite)) = found {
        return Ok(Some(invite.clone()));
    }
    let reason = if found.is_none() { Reason::CodeMistyped } else { Reason::CodeInvalid };
    // A wrong code costs what a right one costs: a record on the disk.
    let site = cx.ledger.site();
    cx.append(&Record::Site(SiteRecord { wrong_codes: site.wrong_codes.saturating_add(1), ..site }));
    cx.guesses.note(from, cx.settings.quotas.wrong_codes, cx.now.mono);
    Err(reason)
}

/// The groups of a code that a new member can be invited to, and by whom.
fn invitations(cx: &Cx<'_>, invite: &InviteRecord, alias: Option<&str>, troubles: &mut Vec<String>) -> Vec<(GroupNo, UserNo)> {
    let mut hosts = Vec::new();
    for &no in &invite.groups {
        let group = cx.ledger.group(no);
        let trouble = if alias.is_none() {
            "the new member has no alias to be listed by"
        } else if group.size() + 1 > cx.settings.quotas.group_members {
            "it has as many members as it may have"
        } else {
            let made = invite.maker.filter(|maker| group.member(*maker).is_some_and(|member| member.standing == Standing::Joined));
            let moderator = || group.joined().find(|(_, member)| member.moderator).map(|(user, _)| user);
            let anybody = || group.joined().next().map(|(user, _)| user);
            match made.or_else(moderator).or_else(anybody) {
                Some(host) => {
                    hosts.push((no, host));
                    continue;
                }
                None => "nobody is there",
            }
        };
        troubles.push(format!("no invitation to group {}: {trouble}", group.name()));
    }
    hosts
}
