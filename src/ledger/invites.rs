//! Invite codes that are good, by what they hash to.

use std::collections::{BTreeSet, HashMap};

use super::Dead;
use crate::base::{Seq, UserNo, Wall};
use crate::record::InviteRecord;

/// Codes by slot. A slot whose code is used up or has expired is free for another.
#[derive(Debug, Default)]
pub(super) struct Invites {
    slots: Vec<Option<(Seq, InviteRecord)>>,
    by_digest: HashMap<[u8; 32], u32>,
    by_maker: HashMap<UserNo, BTreeSet<u32>>,
}

impl InviteRecord {
    /// Whether the code can be used at that time.
    pub fn is_good(&self, now: Wall) -> bool {
        self.uses > 0 && (self.expires == Wall(0) || self.expires > now)
    }
}

impl Invites {
    pub(super) fn put(&mut self, seq: Seq, record: &InviteRecord, dead: &mut Dead) {
        let at = record.slot as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        if let Some((old, before)) = self.slots[at].replace((seq, record.clone())) {
            self.by_digest.remove(&before.digest);
            if let Some(slots) = before.maker.and_then(|maker| self.by_maker.get_mut(&maker)) {
                slots.remove(&before.slot);
            }
            dead.push(old);
        }
        self.by_digest.insert(record.digest, record.slot);
        if let Some(maker) = record.maker {
            self.by_maker.entry(maker).or_default().insert(record.slot);
        }
    }

    pub(super) fn by_digest(&self, digest: &[u8; 32]) -> Option<&InviteRecord> {
        let slot = *self.by_digest.get(digest)?;
        self.slots[slot as usize].as_ref().map(|(_, record)| record)
    }

    /// The lowest slot that is free at that time.
    pub(super) fn free_slot(&self, now: Wall) -> u32 {
        let free = |slot: &Option<(Seq, InviteRecord)>| slot.as_ref().is_none_or(|(_, record)| !record.is_good(now));
        let at = self.slots.iter().position(free).unwrap_or(self.slots.len());
        u32::try_from(at).expect("fewer than 2^32 invite codes")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &InviteRecord> {
        self.slots.iter().flatten().map(|(_, record)| record)
    }

    /// Codes that a user has made and that are good at that time.
    pub(super) fn of_maker(&self, maker: UserNo, now: Wall) -> impl Iterator<Item = &InviteRecord> {
        let slots = self.by_maker.get(&maker).into_iter().flatten();
        slots.filter_map(|slot| self.slots[*slot as usize].as_ref()).map(|(_, record)| record).filter(move |record| record.is_good(now))
    }
}
