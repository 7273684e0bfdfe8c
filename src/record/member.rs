//! What a member has decided or run into, besides names and devices: most members have none of these.

use super::DecodeError;
use super::codec::{Reader, put_bytes, put_number, put_rising, put_wall};
use crate::base::{Seq, Uid, UserNo, Wall};

pub(super) const REACH: u8 = 11;
pub(super) const CORK: u8 = 12;
pub(super) const TALLY: u8 = 13;
pub(super) const MISSED: u8 = 14;
pub(super) const RETIRED: u8 = 16;

/// What becomes of those whom a member has put on no list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// They reach the member.
    #[default]
    Any,
    /// They do not.
    None,
}

impl Policy {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Policy::Any => "any",
            Policy::None => "none",
        }
    }

    /// Reads the word on the wire.
    pub fn parse(word: &str) -> Option<Policy> {
        [Policy::Any, Policy::None].into_iter().find(|policy| policy.word() == word)
    }
}

/// Whom a user lets through. Nobody is on both lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReachRecord {
    /// Whose.
    pub user: UserNo,
    /// For all others.
    pub policy: Policy,
    /// These do not reach the user; rising.
    pub block: Vec<Uid>,
    /// These do; rising.
    pub allow: Vec<Uid>,
}

/// What a user wants kept back, and how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CorkRecord {
    /// Whose.
    pub user: UserNo,
    /// Until when, to the millisecond; 0: not at all.
    pub until: Wall,
    /// From everybody.
    pub all: bool,
    /// From these, rising; where it is for everybody, those who were named before and of whom something may still be held.
    pub from: Vec<Uid>,
}

/// A user's pings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TallyRecord {
    /// Whose.
    pub user: UserNo,
    /// When they were accepted, in the last 24 hours: seconds since the Unix epoch, not falling.
    pub pings: Vec<u32>,
    /// When they failed, in the last 24 hours and since one was accepted: likewise.
    pub failures: Vec<u32>,
}

/// What a user with a full queue has missed, and was not told yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissedRecord {
    /// Whose.
    pub user: UserNo,
    /// How many messages; 0: the user was told.
    pub count: u64,
    /// The first of them.
    pub first: Seq,
    /// The last of them.
    pub last: Seq,
}

/// An alias that nobody else gets any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetiredRecord {
    /// Who had it last.
    pub user: UserNo,
    /// The alias.
    pub name: String,
}

pub(super) fn put_reach(out: &mut Vec<u8>, reach: &ReachRecord) {
    out.push(REACH);
    put_number(out, u64::from(reach.user.0));
    out.push(match reach.policy {
        Policy::Any => 0,
        Policy::None => 1,
    });
    put_uids(out, &reach.block);
    put_uids(out, &reach.allow);
}

pub(super) fn take_reach(reader: &mut Reader<'_>) -> Result<ReachRecord, DecodeError> {
    let user = UserNo(reader.number32()?);
    let policy = match reader.octet()? {
        0 => Policy::Any,
        1 => Policy::None,
        _ => return Err(DecodeError::Number),
    };
    Ok(ReachRecord { user, policy, block: take_uids(reader)?, allow: take_uids(reader)? })
}

pub(super) fn put_cork(out: &mut Vec<u8>, cork: &CorkRecord) {
    out.push(CORK);
    put_number(out, u64::from(cork.user.0));
    put_wall(out, cork.until);
    out.push(u8::from(cork.all));
    put_uids(out, &cork.from);
}

pub(super) fn take_cork(reader: &mut Reader<'_>) -> Result<CorkRecord, DecodeError> {
    let (user, until) = (UserNo(reader.number32()?), reader.wall()?);
    let all = match reader.octet()? {
        0 => false,
        1 => true,
        _ => return Err(DecodeError::Number),
    };
    Ok(CorkRecord { user, until, all, from: take_uids(reader)? })
}

pub(super) fn put_tally(out: &mut Vec<u8>, tally: &TallyRecord) {
    out.push(TALLY);
    put_number(out, u64::from(tally.user.0));
    put_rising(out, tally.pings.iter().map(|at| u64::from(*at)));
    put_rising(out, tally.failures.iter().map(|at| u64::from(*at)));
}

pub(super) fn take_tally(reader: &mut Reader<'_>) -> Result<TallyRecord, DecodeError> {
    let seconds = |n| u32::try_from(n).ok();
    Ok(TallyRecord { user: UserNo(reader.number32()?), pings: reader.rising(seconds)?, failures: reader.rising(seconds)? })
}

pub(super) fn put_missed(out: &mut Vec<u8>, missed: &MissedRecord) {
    out.push(MISSED);
    put_number(out, u64::from(missed.user.0));
    [missed.count, missed.first.0, missed.last.0].into_iter().for_each(|number| put_number(out, number));
}

pub(super) fn take_missed(reader: &mut Reader<'_>) -> Result<MissedRecord, DecodeError> {
    let user = UserNo(reader.number32()?);
    Ok(MissedRecord { user, count: reader.number()?, first: Seq(reader.number()?), last: Seq(reader.number()?) })
}

pub(super) fn put_retired(out: &mut Vec<u8>, retired: &RetiredRecord) {
    out.push(RETIRED);
    put_number(out, u64::from(retired.user.0));
    put_bytes(out, retired.name.as_bytes());
}

pub(super) fn take_retired(reader: &mut Reader<'_>) -> Result<RetiredRecord, DecodeError> {
    Ok(RetiredRecord { user: UserNo(reader.number32()?), name: reader.text()? })
}

fn put_uids(out: &mut Vec<u8>, uids: &[Uid]) {
    debug_assert!(uids.is_sorted());
    put_number(out, uids.len() as u64);
    uids.iter().for_each(|uid| out.extend_from_slice(&uid.0));
}

fn take_uids(reader: &mut Reader<'_>) -> Result<Vec<Uid>, DecodeError> {
    let mut uids = Vec::new();
    for _ in 0..reader.number()? {
        let uid = Uid(reader.array()?);
        if uids.last().is_some_and(|last| *last >= uid) {
            return Err(DecodeError::Number);
        }
        uids.push(uid);
    }
    Ok(uids)
}
