//! Members.

use std::collections::BTreeSet;

use super::{Alias, Cork, Missed, Model, Reach, Refusal, Tally, UserNo};
use crate::record::Role;

/// A member.
#[derive(Clone, Debug)]
pub struct User {
    /// The name in base32 that the relay chose.
    pub uid: String,
    /// What the account may do.
    pub role: Role,
    /// Whether the user may drop anybody's nodes.
    pub admin: bool,
    /// Oldest first. What has expired is none any more.
    pub aliases: Vec<Alias>,
    /// To whom the links that have used OhiEdit show the user; empty when there is none.
    pub(super) shown_to: BTreeSet<UserNo>,
    /// Who reaches the user.
    pub reach: Reach,
    /// What is to be kept back.
    pub cork: Cork,
    /// Pings.
    pub tally: Tally,
    /// What the user has missed and was not told.
    pub missed: Option<Missed>,
}

impl User {
    pub(super) fn new(uid: &str, role: Role) -> User {
        User {
            uid: uid.to_owned(),
            role,
            admin: false,
            aliases: Vec::new(),
            shown_to: BTreeSet::new(),
            reach: Reach::default(),
            cork: Cork::default(),
            tally: Tally::default(),
            missed: None,
        }
    }
}

impl Model {
    pub(super) fn user(&self, uid: &str) -> Option<UserNo> {
        self.users.iter().position(|user| user.uid == uid)
    }

    /// A user whom somebody may name.
    pub(super) fn user_for(&self, user: UserNo, uid: &str) -> Result<UserNo, Refusal> {
        let other = self.user(uid).filter(|other| self.reaches(user, *other));
        other.ok_or_else(|| Refusal::Unknown("user", uid.to_owned()))
    }
}
