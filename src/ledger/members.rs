//! What members have decided or run into, besides names and devices: whom they let through, what they want kept back, their
//! pings, what they have missed. Most members have none of it.

use std::collections::BTreeMap;

use super::Dead;
use crate::base::{Seq, Uid, UserNo};
use crate::record::{CorkRecord, MissedRecord, Policy, ReachRecord, TallyRecord};

/// One member's, each with the newest record that says so.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) reach: Option<(Seq, ReachRecord)>,
    pub(super) cork: Option<(Seq, CorkRecord)>,
    pub(super) tally: Option<(Seq, TallyRecord)>,
    pub(super) missed: Option<(Seq, MissedRecord)>,
}

/// By user.
#[derive(Debug, Default)]
pub(super) struct Members {
    all: BTreeMap<UserNo, Box<Extras>>,
}

impl Members {
    pub(super) fn put_reach(&mut self, seq: Seq, record: &ReachRecord, dead: &mut Dead) {
        replace(&mut self.slot(record.user).reach, seq, record, dead);
    }

    pub(super) fn put_cork(&mut self, seq: Seq, record: &CorkRecord, dead: &mut Dead) {
        replace(&mut self.slot(record.user).cork, seq, record, dead);
    }

    pub(super) fn put_tally(&mut self, seq: Seq, record: &TallyRecord, dead: &mut Dead) {
        replace(&mut self.slot(record.user).tally, seq, record, dead);
    }

    pub(super) fn put_missed(&mut self, seq: Seq, record: &MissedRecord, dead: &mut Dead) {
        replace(&mut self.slot(record.user).missed, seq, record, dead);
    }

    fn slot(&mut self, user: UserNo) -> &mut Extras {
        self.all.entry(user).or_default()
    }

    pub(super) fn get(&self, user: UserNo) -> Option<&Extras> {
        self.all.get(&user).map(|extras| &**extras)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (UserNo, &Extras)> {
        self.all.iter().map(|(user, extras)| (*user, &**extras))
    }
}

fn replace<T: Clone>(slot: &mut Option<(Seq, T)>, seq: Seq, record: &T, dead: &mut Dead) {
    dead.extend(slot.replace((seq, record.clone())).map(|(old, _)| old));
}

impl ReachRecord {
    /// Whether somebody of this uid, who is not the user, reaches the user.
    pub fn lets(&self, uid: &Uid) -> bool {
        self.allow.binary_search(uid).is_ok() || self.policy == Policy::Any && !self.blocks(uid)
    }

    /// Whether somebody of this uid is kept out even where the user is one of many.
    pub fn blocks(&self, uid: &Uid) -> bool {
        self.block.binary_search(uid).is_ok()
    }
}
