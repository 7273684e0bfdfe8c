//! Members, and the names by which others find them.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Model, Outcome, UserNo};
use crate::limits::ALIASES_MAX;
use crate::sim::ask::Part;

/// A member.
#[derive(Clone, Debug)]
pub struct User {
    /// The name in base32 that the relay chose.
    pub uid: String,
    /// Oldest first.
    pub aliases: Vec<String>,
    /// To whom the links that have used OhiEdit show the user; empty when there is none.
    pub(super) shown_to: BTreeSet<UserNo>,
}

impl Model {
    pub(super) fn new_alias(&mut self, user: UserNo, name: &str) -> Outcome {
        if self.readings.own_alias_is_acked && self.owner(name) == Ok(user) {
            return Ok(None);
        }
        self.free(name, "newalias must be 8+ characters")?;
        if self.users[user].aliases.len() >= ALIASES_MAX {
            return Err("");
        }
        self.users[user].aliases.push(name.to_owned());
        Ok(Some(self.post(user, json!({ "op": "user", "newalias": name }), &Part::default(), &self.nodes_of(user))))
    }

    /// A name that nobody has: aliases and groups share one space.
    pub(super) fn free(&self, name: &str, too_short: &'static str) -> Result<(), &'static str> {
        let taken = self.groups.contains_key(name) || self.owner(name).is_ok();
        if taken { Err("") } else { (name.chars().count() >= 8).then_some(()).ok_or(too_short) }
    }

    pub(super) fn owner(&self, alias: &str) -> Result<UserNo, &'static str> {
        self.users.iter().position(|user| user.aliases.iter().any(|own| own == alias)).ok_or("")
    }

    pub(super) fn user(&self, uid: &str) -> Result<UserNo, &'static str> {
        self.users.iter().position(|user| user.uid == uid).ok_or("")
    }
}
