//! What Register and UserEdit share: names for people, and new devices.

use super::{Stop, deny};
use crate::base::{NodeNo, NodeSecret, Wall};
use crate::ledger::check_name;
use crate::limits::{ALIASES_MAX, NODES_MAX};
use crate::record::{AliasRecord, NodeRecord, UserRecord};
use crate::relay::cx::Cx;

/// Gives the user another alias.
pub(super) fn add_alias(cx: &Cx<'_>, user: &mut UserRecord, alias: &str) -> Result<(), Stop> {
    if let Err(error) = check_name("newalias", alias) {
        return deny(error.to_string());
    }
    if cx.ledger.owner_of(alias).is_some() {
        return deny(format!("newalias {alias} is already taken"));
    }
    if user.aliases.len() >= ALIASES_MAX {
        return deny(format!("newalias {alias} would be one too many: a member has at most {ALIASES_MAX}"));
    }
    user.aliases.push(AliasRecord { name: alias.to_owned(), uses: 0, expires: Wall(0) });
    Ok(())
}

/// Gives the user another device; returns its number and the secret that only its owner will know.
pub(super) fn add_node(cx: &mut Cx<'_>, user: &mut UserRecord, label: &str) -> Result<(NodeNo, NodeSecret), Stop> {
    if user.nodes.len() >= NODES_MAX {
        return deny(format!("newnode {label} would be one too many: a member has at most {NODES_MAX}"));
    }
    let secret = NodeSecret::random(cx.entropy);
    let no = cx.ledger.next_node();
    user.nodes.push(NodeRecord { no, digest: secret.digest(), label: label.to_owned(), made: cx.now.wall.seconds() });
    user.next_node = NodeNo(no.0.checked_add(1).expect("fewer than 2^32 nodes"));
    Ok((no, secret))
}
