//! Who may join: invite codes, and what the operator has changed while the relay ran.

use super::DecodeError;
use super::codec::{Reader, put_number, put_rising, put_wall};
use super::user::Role;
use crate::base::{GroupNo, UserNo, Wall};

pub(super) const INVITE: u8 = 15;
pub(super) const SITE: u8 = 17;

/// Who may register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Whoever wants to.
    #[default]
    Open,
    /// Who has a code.
    Invite,
    /// Nobody.
    Closed,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 3] = [Mode::Open, Mode::Invite, Mode::Closed];

    /// The word in the configuration and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Open => "open",
            Mode::Invite => "invite",
            Mode::Closed => "closed",
        }
    }

    fn octet(self) -> u8 {
        match self {
            Mode::Open => 0,
            Mode::Invite => 1,
            Mode::Closed => 2,
        }
    }

    fn of(octet: u8) -> Result<Mode, DecodeError> {
        match octet {
            0 => Ok(Mode::Open),
            1 => Ok(Mode::Invite),
            2 => Ok(Mode::Closed),
            _ => Err(DecodeError::Number),
        }
    }
}

/// An invite code. Slots of codes that are used up or have expired are used again, so that there are never more of these records
/// than there were good codes at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteRecord {
    /// Its place.
    pub slot: u32,
    /// SHA-256 of its characters.
    pub digest: [u8; 32],
    /// How often it may still be used.
    pub uses: u32,
    /// Until when, to the millisecond; 0: for ever.
    pub expires: Wall,
    /// The new members' role.
    pub role: Role,
    /// Who made it; `None`: the operator.
    pub maker: Option<UserNo>,
    /// Groups that new members are invited to; rising.
    pub groups: Vec<GroupNo>,
}

/// Who may register instead of whom the configuration says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Override {
    /// What holds.
    pub mode: Mode,
    /// Until when, to the millisecond; 0: until it is changed.
    pub until: Wall,
    /// What holds after that.
    pub then: Mode,
    /// What the configuration said then: once it says something else, that holds.
    pub configured: Mode,
}

impl Override {
    /// Who may register at that time.
    fn mode_at(&self, now: Wall) -> Mode {
        if self.until == Wall(0) || self.until > now { self.mode } else { self.then }
    }
}

/// What is kept of the site as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SiteRecord {
    /// What the operator has changed.
    pub mode: Option<Override>,
    /// Wrong invite codes that were ever tried.
    pub wrong_codes: u64,
}

impl SiteRecord {
    /// Who may register at that time, where the configuration says that.
    pub fn mode_in_force(&self, configured: Mode, now: Wall) -> Mode {
        self.change(configured).map_or(configured, |change| change.mode_at(now))
    }

    /// Who may register once no change for a time holds any more.
    pub fn lasting_mode(&self, configured: Mode) -> Mode {
        self.change(configured).map_or(configured, |change| if change.until == Wall(0) { change.mode } else { change.then })
    }

    /// What the operator has changed, unless the configuration says something else since.
    pub fn change(&self, configured: Mode) -> Option<Override> {
        self.mode.filter(|change| change.configured == configured)
    }
}

pub(super) fn put_invite(out: &mut Vec<u8>, invite: &InviteRecord) {
    out.push(INVITE);
    put_number(out, u64::from(invite.slot));
    out.extend_from_slice(&invite.digest);
    put_number(out, u64::from(invite.uses));
    put_wall(out, invite.expires);
    out.push(invite.role.octet());
    put_number(out, invite.maker.map_or(0, |maker| u64::from(maker.0) + 1));
    put_rising(out, invite.groups.iter().map(|group| u64::from(group.0)));
}

pub(super) fn take_invite(reader: &mut Reader<'_>) -> Result<InviteRecord, DecodeError> {
    let (slot, digest, uses, expires) = (reader.number32()?, reader.array()?, reader.number32()?, reader.wall()?);
    let role = Role::of(reader.octet()?)?;
    let maker = match reader.number()?.checked_sub(1) {
        None => None,
        Some(no) => Some(UserNo(u32::try_from(no).map_err(|_| DecodeError::Number)?)),
    };
    let groups = reader.rising(|n| u32::try_from(n).ok().map(GroupNo))?;
    Ok(InviteRecord { slot, digest, uses, expires, role, maker, groups })
}

pub(super) fn put_site(out: &mut Vec<u8>, site: &SiteRecord) {
    out.push(SITE);
    out.push(u8::from(site.mode.is_some()));
    if let Some(Override { mode, until, then, configured }) = site.mode {
        out.extend([mode, then, configured].map(Mode::octet));
        put_wall(out, until);
    }
    put_number(out, site.wrong_codes);
}

pub(super) fn take_site(reader: &mut Reader<'_>) -> Result<SiteRecord, DecodeError> {
    let mode = match reader.octet()? {
        0 => None,
        1 => {
            let mut mode = || Mode::of(reader.octet()?);
            let (mode, then, configured) = (mode()?, mode()?, mode()?);
            Some(Override { mode, until: reader.wall()?, then, configured })
        }
        _ => return Err(DecodeError::Number),
    };
    Ok(SiteRecord { mode, wrong_codes: reader.number()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_changed_holds_until_its_time_or_until_the_configuration_says_something_else() {
        let site = |until| {
            let change = Override { mode: Mode::Closed, until, then: Mode::Invite, configured: Mode::Open };
            SiteRecord { mode: Some(change), wrong_codes: 0 }
        };
        let (now, later) = (Wall::from_seconds(1000), Wall::from_seconds(1001));
        assert_eq!(SiteRecord::default().mode_in_force(Mode::Invite, now), Mode::Invite);
        assert_eq!(site(Wall(0)).mode_in_force(Mode::Open, now), Mode::Closed);
        assert_eq!(site(Wall(0)).mode_in_force(Mode::Invite, now), Mode::Invite);
        assert_eq!(site(later).mode_in_force(Mode::Open, now), Mode::Closed);
        assert_eq!(site(later).mode_in_force(Mode::Open, later), Mode::Invite);
        assert_eq!([site(Wall(0)), site(later)].map(|site| site.lasting_mode(Mode::Open)), [Mode::Closed, Mode::Invite]);
        assert_eq!(site(later).lasting_mode(Mode::Closed), Mode::Closed);
    }
}
