//! Groups, and who is in them.

use super::DecodeError;
use super::codec::{Reader, put_bytes, put_number};
use crate::base::{GroupNo, UserNo};

pub(super) const PLAIN_GROUP: u8 = 2;
pub(super) const MEMBER: u8 = 3;
pub(super) const MANAGED_GROUP: u8 = 9;

/// Who may do something with a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Who joined; to post also who is invited.
    Members,
    /// Who moderates.
    Moderators,
    /// Every member of the site who is not barred.
    Anyone,
}

impl Who {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Who::Members => "members",
            Who::Moderators => "moderators",
            Who::Anyone => "anyone",
        }
    }

    /// Reads the word on the wire.
    pub fn parse(word: &str) -> Option<Who> {
        [Who::Members, Who::Moderators, Who::Anyone].into_iter().find(|who| who.word() == word)
    }

    fn octet(self) -> u8 {
        match self {
            Who::Members => 0,
            Who::Moderators => 1,
            Who::Anyone => 2,
        }
    }

    fn of(octet: u8) -> Result<Who, DecodeError> {
        match octet {
            0 => Ok(Who::Members),
            1 => Ok(Who::Moderators),
            2 => Ok(Who::Anyone),
            _ => Err(DecodeError::Number),
        }
    }
}

/// What a group's moderators have decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupRules {
    /// Who may invite: not [`Who::Anyone`].
    pub invite: Who,
    /// Who may post.
    pub post: Who,
    /// Who may see the roster.
    pub roster: Who,
}

impl Default for GroupRules {
    /// The drafts'.
    fn default() -> GroupRules {
        GroupRules { invite: Who::Members, post: Who::Members, roster: Who::Members }
    }
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupRecord {
    /// Its number.
    pub no: GroupNo,
    /// Its name.
    pub name: String,
    /// What was decided, since a moderator first decided anything.
    pub rules: Option<GroupRules>,
}

/// How a user stands to a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// May join and may post.
    Invited,
    /// Gets what is posted to the group.
    Joined,
    /// Was removed by another member.
    Barred,
}

impl Standing {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Invited => "invited",
            Standing::Joined => "joined",
            Standing::Barred => "barred",
        }
    }
}

/// A user in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberRecord {
    /// Which group.
    pub group: GroupNo,
    /// Which user.
    pub user: UserNo,
    /// The alias by which the group lists the user.
    pub alias: String,
    /// How the user stands to it.
    pub standing: Standing,
    /// Whether the user moderates the group: only who joined can.
    pub moderator: bool,
}

pub(super) fn put_group(out: &mut Vec<u8>, group: &GroupRecord) {
    out.push(if group.rules.is_some() { MANAGED_GROUP } else { PLAIN_GROUP });
    put_number(out, u64::from(group.no.0));
    put_bytes(out, group.name.as_bytes());
    if let Some(GroupRules { invite, post, roster }) = group.rules {
        out.extend([invite, post, roster].map(Who::octet));
    }
}

pub(super) fn take_group(reader: &mut Reader<'_>, managed: bool) -> Result<GroupRecord, DecodeError> {
    let (no, name) = (GroupNo(reader.number32()?), reader.text()?);
    let mut who = || Who::of(reader.octet()?);
    let rules = if managed { Some(GroupRules { invite: who()?, post: who()?, roster: who()? }) } else { None };
    if rules.is_some_and(|rules| rules.invite == Who::Anyone) {
        return Err(DecodeError::Number);
    }
    Ok(GroupRecord { no, name, rules })
}

pub(super) fn put_member(out: &mut Vec<u8>, member: &MemberRecord) {
    out.push(MEMBER);
    put_number(out, u64::from(member.group.0));
    put_number(out, u64::from(member.user.0));
    out.push(match (member.standing, member.moderator) {
        (Standing::Invited, _) => 0,
        (Standing::Joined, false) => 1,
        (Standing::Barred, _) => 2,
        (Standing::Joined, true) => 3,
    });
    put_bytes(out, member.alias.as_bytes());
}

pub(super) fn take_member(reader: &mut Reader<'_>) -> Result<MemberRecord, DecodeError> {
    let (group, user) = (GroupNo(reader.number32()?), UserNo(reader.number32()?));
    let (standing, moderator) = match reader.octet()? {
        0 => (Standing::Invited, false),
        1 => (Standing::Joined, false),
        2 => (Standing::Barred, false),
        3 => (Standing::Joined, true),
        _ => return Err(DecodeError::Number),
    };
    Ok(MemberRecord { group, user, alias: reader.text()?, standing, moderator })
}
