//! Names: aliases and groups share one space.

use serde_json::{Value, json};

use super::{Done, Fan, Model, Nanos, Outcome, Refusal, UserNo};
use crate::base::Wall;
use crate::limits::{ALIAS_USES_MAX, NAME_MIN_CHARS};
use crate::relay::Lookalikes;
use crate::sim::ask::Part;

/// A name of a user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// How often it may still be used, if that is limited.
    pub uses: Option<u64>,
    /// When it is unknown, if ever.
    pub expires: Option<Nanos>,
}

/// A time as it is written.
pub(super) fn time(at: Nanos) -> String {
    Wall(at).to_rfc3339()
}

impl Model {
    pub(super) fn new_alias(&mut self, user: UserNo, name: &str, uses: Option<u64>, expires: Option<&str>) -> Outcome {
        let until = expires.map(|text| self.limit(text)).transpose()?;
        if uses.is_some_and(|uses| !(1..=ALIAS_USES_MAX).contains(&uses)) {
            return Err(Refusal::Any);
        }
        let has_it = self.owner(name) == Some(user);
        if has_it && uses.is_none() && until.is_none() && self.readings.own_alias_is_acked {
            return Done::nothing();
        }
        if !has_it {
            self.free(name, Some(user), "newalias")?;
            if self.users[user].aliases.len() >= self.settings.quotas.aliases {
                return Err(Refusal::Any);
            }
        }
        let alias = Alias { name: name.to_owned(), uses, expires: until };
        let aliases = &mut self.users[user].aliases;
        match aliases.iter().position(|own| own.name == name) {
            Some(at) => aliases[at] = alias,
            None => aliases.push(alias),
        }
        let mut header = json!({ "op": "user", "newalias": name });
        if let Some(uses) = uses {
            header["uses"] = json!(uses);
        }
        if let Some(until) = until {
            header["expires"] = json!(time(until));
        }
        Done::posted(self.tell_own(user, header))
    }

    pub(super) fn drop_alias(&mut self, user: UserNo, name: &str) -> Outcome {
        if self.owner(name) != Some(user) {
            return Err(Refusal::Any);
        }
        Done::posted(self.retire(user, name))
    }

    /// Nobody finds the user by that name any more.
    fn retire(&mut self, user: UserNo, name: &str) -> usize {
        self.users[user].aliases.retain(|alias| alias.name != name);
        self.retired.insert(name.to_owned(), user);
        self.tell_own(user, json!({ "op": "user", "dropalias": name }))
    }

    /// The name was good for a ping or an invitation.
    pub(super) fn use_alias(&mut self, name: &str) {
        let Some(user) = self.owner(name) else { return };
        let alias = self.users[user].aliases.iter_mut().find(|alias| alias.name == name).expect("its owner has it");
        alias.uses = alias.uses.map(|uses| uses - 1);
        if alias.uses == Some(0) {
            self.retire(user, name);
        }
    }

    /// News of the own account, to all nodes.
    fn tell_own(&mut self, user: UserNo, header: Value) -> usize {
        self.post(user, header, &Part::default(), &Fan::surely(self.nodes_of(user))).0
    }

    /// A name that this user may take, or that a group may have.
    pub(super) fn free(&self, name: &str, user: Option<UserNo>, field: &str) -> Result<(), Refusal> {
        let others = |owner: UserNo| Some(owner) != user;
        let taken = self.groups.contains_key(name)
            || self.users.iter().enumerate().any(|(no, other)| others(no) && other.aliases.iter().any(|alias| alias.name == name))
            || self.retired.get(name).is_some_and(|owner| others(*owner));
        if taken {
            return Err(Refusal::Any);
        }
        if name.chars().count() < NAME_MIN_CHARS {
            return Err(Refusal::Words(format!("{field} must be 8+ characters")));
        }
        let looks = skeleton(name);
        let aliases = self.users.iter().flat_map(|user| &user.aliases).map(|alias| &alias.name);
        let alike = self.settings.names.lookalikes != Lookalikes::Allow;
        if alike && aliases.chain(self.groups.keys()).chain(self.retired.keys()).any(|other| other != name && skeleton(other) == looks) {
            return Err(Refusal::Any);
        }
        let plain = looks.to_lowercase();
        let reserved = self.settings.names.reserved.contains(&plain) && !user.is_some_and(|user| self.users[user].admin);
        if reserved { Err(Refusal::Any) } else { Ok(()) }
    }

    /// A user's aliases in an order in which they can be compared: the oldest first, and those at the end that were had before, as the
    /// protocol does not say how old they are then.
    pub fn in_order<T: Clone>(&self, aliases: &[T], name: impl Fn(&T) -> &str) -> Vec<T> {
        let (mut old, mut new): (Vec<T>, Vec<T>) = aliases.iter().cloned().partition(|alias| self.retired.contains_key(name(alias)));
        old.sort_by(|one, other| name(one).cmp(name(other)));
        new.extend(old);
        new
    }

    /// Who is found by an alias now.
    pub fn owner(&self, alias: &str) -> Option<UserNo> {
        self.users.iter().position(|user| user.aliases.iter().any(|own| own.name == alias))
    }

    /// Who is found by an alias that this user may use.
    pub(super) fn owner_for(&self, user: UserNo, alias: &str) -> Result<UserNo, Refusal> {
        let other = self.owner(alias).filter(|other| self.reaches(user, *other));
        other.ok_or_else(|| Refusal::Unknown("alias", alias.to_owned()))
    }
}

/// What a name looks like, as far as members of simulated worlds write names that look like others.
fn skeleton(name: &str) -> String {
    name.chars().map(|c| if c == '\u{430}' { 'a' } else { c }).collect()
}
