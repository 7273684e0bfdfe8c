//! What Register, UserEdit and those who use an alias share: names for people, and new devices.

use super::{Stop, deny, over, shown};
use crate::base::{Limit, NodeNo, NodeSecret, UserNo, Wall};
use crate::ledger::{Owner, check_name};
use crate::limits::{AHEAD_MAX, NODES_EVER_MAX, RETIRED_MAX};
use crate::record::{AliasRecord, Lane, NodeRecord, Payload, Record, RetiredRecord, UserRecord};
use crate::relay::cx::Cx;
use crate::relay::fanout::Fanout;
use crate::wire::reply::Message;

/// How often a name may be used, and until when; zeroes: as one likes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Bounds {
    pub(super) uses: u32,
    pub(super) expires: Wall,
}

impl Bounds {
    /// Reads what a request says; the largest number of uses is `most`.
    pub(super) fn read(cx: &Cx<'_>, uses: Option<u64>, expires: Option<&str>, most: u64) -> Result<Bounds, Stop> {
        let uses = match uses {
            None => 0,
            Some(uses) if (1..=most).contains(&uses) => uses as u32,
            Some(uses) => return deny(format!("uses {uses} must be from 1 to {most}")),
        };
        let expires = expires.map_or(Ok(Wall(0)), |text| future(cx, "expires", text))?;
        Ok(Bounds { uses, expires })
    }
}

/// Reads a time that has not come yet, and is not too far ahead.
pub(super) fn future(cx: &Cx<'_>, key: &str, text: &str) -> Result<Wall, Stop> {
    let Some(at) = Wall::parse_rfc3339(text) else {
        return deny(format!("{key} {} must be a time of RFC 3339, such as 2027-01-31T18:00:00Z", shown(text)));
    };
    if at <= cx.now.wall {
        return deny(format!("{key} {} has passed: it is {} here", shown(text), cx.now.wall.to_rfc3339()));
    }
    if at > cx.now.wall.plus(AHEAD_MAX) {
        return deny(format!("{key} {} must be at most {} days ahead", shown(text), AHEAD_MAX.as_secs() / 86_400));
    }
    Ok(at)
}

/// Gives the user another alias, or other bounds to one that the user has.
pub(super) fn add_alias(cx: &Cx<'_>, user: &mut UserRecord, alias: &str, bounds: Bounds) -> Result<(), Stop> {
    let Bounds { uses, expires } = bounds;
    if let Some(own) = user.aliases.iter_mut().find(|own| own.name == alias) {
        if is_over(own, cx.now.wall)
            && let Err(sentence) = cx.names.check_reserved("newalias", alias, user.admin)
        {
            return deny(sentence);
        }
        (own.uses, own.expires) = (uses, expires);
        return Ok(());
    }
    if let Err(error) = check_name("newalias", alias) {
        return deny(error.to_string());
    }
    let others = match cx.ledger.owner_of(alias) {
        Some(Owner::User(owner)) => owner != user.no,
        Some(Owner::Group(_)) => true,
        None => cx.ledger.retired(alias).is_some_and(|owner| owner != user.no),
    };
    if others {
        return deny(format!("newalias {alias} is already taken"));
    }
    let is_back = cx.ledger.retired(alias) == Some(user.no);
    let allowed = match is_back {
        true => cx.names.check_reserved("newalias", alias, user.admin),
        false => cx.names.check("newalias", alias, user.admin),
    };
    if let Err(sentence) = allowed {
        return deny(sentence);
    }
    let most = cx.settings.quotas.aliases;
    let living = user.aliases.iter().filter(|alias| !is_over(alias, cx.now.wall)).count();
    if living >= most {
        return over(Limit::Aliases, format!("newalias {alias} would be one too many: a member has at most {most}"));
    }
    if !is_back && cx.ledger.retired_count(user.no) + user.aliases.len() >= RETIRED_MAX {
        return over(
            Limit::Aliases,
            format!("newalias {alias} would be one too many: a member has at most {RETIRED_MAX} in all, given up ones too"),
        );
    }
    user.aliases.push(AliasRecord { name: alias.to_owned(), uses, expires });
    Ok(())
}

fn is_over(alias: &AliasRecord, now: Wall) -> bool {
    alias.expires != Wall(0) && alias.expires <= now
}

/// Writes a user's new state. Aliases whose time is over go with it.
pub(super) fn write_user(cx: &mut Cx<'_>, mut user: UserRecord) {
    let (no, now) = (user.no, cx.now.wall);
    let over: Vec<AliasRecord> = user.aliases.extract_if(.., |alias| is_over(alias, now)).collect();
    cx.append(&Record::User(user));
    for AliasRecord { name, .. } in over {
        cx.append(&Record::Retired(RetiredRecord { user: no, name }));
    }
}

/// Takes an alias from its user, who is told.
pub(super) fn drop_alias(cx: &mut Cx<'_>, owner: UserNo, alias: &str) -> crate::relay::cx::Posted {
    let mut user = cx.ledger.user(owner).to_record();
    user.aliases.retain(|own| own.name != alias);
    write_user(cx, user);
    cx.append(&Record::Retired(RetiredRecord { user: owner, name: alias.to_owned() }));
    let nodes = Fanout::own(cx, owner);
    cx.post(owner, nodes, Lane::Priority, &Message::DropAlias { alias }, Payload::EMPTY)
}

/// Somebody has reached a user by this alias: it may have been the last time.
pub(super) fn use_alias(cx: &mut Cx<'_>, owner: UserNo, alias: &str) {
    let uses = cx.ledger.user(owner).alias(alias).map_or(0, |alias| alias.uses);
    match uses {
        0 => {}
        1 => drop(drop_alias(cx, owner, alias)),
        _ => {
            let mut user = cx.ledger.user(owner).to_record();
            user.aliases.iter_mut().filter(|own| own.name == alias).for_each(|own| own.uses -= 1);
            write_user(cx, user);
        }
    }
}

/// Gives the user another device; returns its number and the secret that only its owner will know.
pub(super) fn add_node(cx: &mut Cx<'_>, user: &mut UserRecord, label: &str) -> Result<(NodeNo, NodeSecret), Stop> {
    let most = cx.settings.quotas.nodes;
    if user.nodes.len() >= most {
        return over(Limit::Nodes, format!("newnode {label} would be one too many: a member has at most {most}"));
    }
    if user.nodes.len() + user.dropped as usize >= NODES_EVER_MAX {
        return over(
            Limit::Nodes,
            format!("newnode {label} would be one too many: a member has at most {NODES_EVER_MAX} in all, dropped ones too"),
        );
    }
    let secret = NodeSecret::random(cx.entropy);
    let no = cx.ledger.next_node();
    user.nodes.push(NodeRecord { no, digest: secret.digest(), label: label.to_owned(), made: cx.now.wall.seconds() });
    user.next_node = NodeNo(no.0.checked_add(1).expect("fewer than 2^32 nodes"));
    Ok((no, secret))
}
