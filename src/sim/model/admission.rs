//! Who may register: modes, and codes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::json;

use super::name::time;
use super::{Alias, Done, Fan, Link, Listing, Model, Nanos, Node, Outcome, Refusal, Standing, User, UserNo, standing};
use crate::limits::{MEMBER_INVITE_LIFE, MEMBER_INVITE_USES_MAX};
use crate::record::{Mode, Role};
use crate::sim::ask::{Part, Speaks};

const HOUR: u64 = 3600 * 1_000_000_000;
const ALPHABET: &str = "3479ACDEFGHJKMNPQRTUWXY";

/// An invite code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// Its 15 characters; empty until somebody was told.
    pub text: String,
    /// How often it may still be used.
    pub uses: u64,
    /// Until when, if not for ever.
    pub expires: Option<Nanos>,
    /// The new members' role.
    pub role: Role,
    /// Who made it, if it was a member.
    pub maker: Option<UserNo>,
    /// Groups that new members are invited to.
    pub groups: Vec<String>,
}

/// What is known of the site as a whole.
#[derive(Clone, Debug)]
pub struct Site {
    /// What the configuration says.
    pub configured: Mode,
    /// What the operator has said since, for good.
    pub said: Option<Mode>,
    /// The same until some time.
    pub for_now: Option<(Mode, Nanos)>,
    /// Codes, used up and expired ones too.
    pub codes: Vec<Code>,
    /// Wrong ones that were heard.
    pub wrong_codes: u64,
    /// When, since the relay started, by where they came from. (On the clock that never steps.)
    guesses: BTreeMap<Vec<u8>, Vec<Nanos>>,
}

impl Site {
    pub(super) fn new(configured: Mode) -> Site {
        Site { configured, said: None, for_now: None, codes: Vec::new(), wrong_codes: 0, guesses: BTreeMap::new() }
    }

    pub(super) fn forget_guesses(&mut self) {
        self.guesses.clear();
    }

    /// Who may register at that time.
    pub fn mode(&self, now: Nanos) -> Mode {
        let for_now = self.for_now.filter(|(_, until)| *until > now).map(|(mode, _)| mode);
        for_now.or(self.said).unwrap_or(self.configured)
    }
}

impl Code {
    /// Whether it can be used at that time.
    pub fn is_good(&self, now: Nanos) -> bool {
        self.uses > 0 && self.expires.is_none_or(|at| at > now)
    }
}

/// Who wants to register.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the protocol's own fields")]
pub struct Newcomer {
    pub alias: String,
    pub label: String,
    pub speaks: Speaks,
    pub code: Option<String>,
    pub from: Option<IpAddr>,
}

impl Model {
    /// Whether somebody may register, at a moment of the clock that never steps; else the reason. A wrong code counts.
    ///
    /// # Errors
    /// The reason.
    pub fn knock(&mut self, now: Nanos, moment: Nanos, newcomer: &Newcomer) -> Result<(), &'static str> {
        self.at(now);
        let mode = self.site.mode(now);
        if mode == Mode::Closed {
            return Err("register failure: this site takes no new members");
        }
        let Some(code) = &newcomer.code else {
            let words = "register failure: this site takes new members with an invite code only";
            return if mode == Mode::Open { Ok(()) } else { Err(words) };
        };
        let place = newcomer.from.map(place);
        let guesses = place.as_ref().and_then(|place| self.site.guesses.get(place)).into_iter().flatten();
        if guesses.filter(|at| *at + HOUR > moment).count() >= self.settings.quotas.wrong_codes {
            return Err("register failure: too many wrong invite codes from this address, try again in an hour");
        }
        let text = read_code(code);
        let reason = match &text {
            Some(text) if self.site.codes.iter().any(|code| code.text == *text && code.is_good(now) && self.trusts(code)) => return Ok(()),
            Some(_) => "register failure: the invite code is not valid",
            None => "register failure: the invite code has a typing error",
        };
        self.site.wrong_codes += 1;
        if let Some(place) = place {
            self.site.guesses.entry(place).or_default().push(moment);
        }
        Err(reason)
    }

    /// Whether who made a code is not suspended.
    fn trusts(&self, code: &Code) -> bool {
        code.maker.is_none_or(|maker| self.users[maker].role != Role::Suspended)
    }

    /// Registers a user who may, under the uid that the relay chose, with a first node, which is online; whether all went well that
    /// was asked for.
    pub fn register(&mut self, now: Nanos, uid: &str, newcomer: &Newcomer) -> bool {
        self.at(now);
        let Newcomer { alias, label, speaks, code, .. } = newcomer;
        let code = code.as_ref().and_then(|code| read_code(code)).and_then(|text| {
            let code = self.site.codes.iter_mut().find(|code| code.text == text && code.is_good(now))?;
            code.uses -= 1;
            Some(code.clone())
        });
        let is_free = self.free(alias, None, "newalias").is_ok();
        let mut user = User::new(uid, code.as_ref().map_or(Role::Full, |code| code.role));
        if is_free {
            user.aliases.push(Alias { name: alias.clone(), uses: None, expires: None });
        }
        self.users.push(user);
        let link = Link { speaks: *speaks, used_ohi: false };
        self.nodes.push(Node::new(self.users.len() - 1, label, Some(link)));
        let mut all_well = is_free;
        if let Some(code) = code {
            let mut groups = code.groups;
            groups.sort_by_key(|gid| self.groups[gid].no);
            for gid in groups {
                all_well &= is_free && self.introduce(&gid, code.maker, alias);
            }
        }
        all_well
    }

    /// The newest member is invited to a group; whether that can be.
    fn introduce(&mut self, gid: &str, maker: Option<UserNo>, alias: &str) -> bool {
        let guest = self.users.len() - 1;
        let group = &self.groups[gid];
        let maker = maker.filter(|maker| standing(group, *maker) == Some(Standing::Joined));
        let first = (0..guest).find(|user| group.is_moderated_by(*user));
        let Some(host) = maker.or(first).filter(|_| group.size() < self.settings.quotas.group_members) else { return false };
        let listed = group.members[&host].alias.clone();
        self.admit(gid, guest, alias);
        let header = json!({ "op": "invite", "gid": gid, "alias": listed, "to": alias });
        self.post(host, header, &Part::default(), &Fan::surely(self.nodes_of(guest)));
        self.tell_group(host, gid, json!({ "op": "member", "act": "invite", "gid": gid, "alias": alias }), &BTreeSet::new());
        true
    }

    pub(super) fn make_code(&mut self, user: UserNo, uses: Option<u64>, expires: Option<&str>, gid: Option<&str>) -> Outcome {
        let life = MEMBER_INVITE_LIFE.as_nanos() as u64;
        // What nobody has asked for is in whole seconds.
        let (uses, in_a_while) = (uses.unwrap_or(1), (self.now + life) / 1_000_000_000 * 1_000_000_000);
        let expires = expires.map_or(Ok(in_a_while), |text| self.limit(text))?;
        let good = self.site.codes.iter().filter(|code| code.maker == Some(user) && code.is_good(self.now)).count();
        let may_not = gid.is_some_and(|gid| !self.may_invite(user, gid));
        if !(1..=MEMBER_INVITE_USES_MAX).contains(&uses) || good >= self.settings.quotas.member_invites || may_not {
            return Err(Refusal::Any);
        }
        let groups = gid.map(str::to_owned).into_iter().collect();
        self.site.codes.push(Code { text: String::new(), uses, expires: Some(expires), role: Role::Full, maker: Some(user), groups });
        let entries = vec![json!({ "expires": time(expires), "uses": uses })];
        Ok(Done { result: Some(Listing { what: "invite".into(), entries, ordered: true }), ..Done::default() })
    }

    /// The newest code was told, and reads so.
    pub fn name_code(&mut self, text: &str) {
        if let Some(code) = self.site.codes.last_mut() {
            code.text = read_code(text).unwrap_or_default();
        }
    }
}

/// Where guesses come from, as far as they are counted together.
fn place(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

/// The 15 characters of a code, unless it has a typing error.
pub(super) fn read_code(typed: &str) -> Option<String> {
    let text: String = typed.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect();
    let values: Option<Vec<usize>> = text.chars().map(|c| ALPHABET.find(c)).collect();
    let values = values.filter(|values| values.len() == 15)?;
    let sum: usize = values.iter().enumerate().map(|(at, value)| (at + 1) * value).sum();
    sum.is_multiple_of(23).then_some(text)
}
