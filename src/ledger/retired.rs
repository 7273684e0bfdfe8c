//! Aliases that were given up: nobody else gets them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::Dead;
use crate::base::{Seq, UserNo};
use crate::record::RetiredRecord;

/// All of them, to be found by name.
#[derive(Debug, Default)]
pub(super) struct Retired {
    table: HashTable<Entry>,
    hasher: RandomState,
    counts: HashMap<UserNo, usize>,
}

#[derive(Debug)]
struct Entry {
    seq: Seq,
    user: UserNo,
    name: Box<str>,
}

impl Retired {
    pub(super) fn put(&mut self, seq: Seq, record: &RetiredRecord, dead: &mut Dead) {
        let Retired { table, hasher, counts } = self;
        let hash = hasher.hash_one(record.name.as_str());
        match table.find_mut(hash, |entry| *entry.name == *record.name) {
            Some(entry) => {
                dead.push(std::mem::replace(&mut entry.seq, seq));
                let before = std::mem::replace(&mut entry.user, record.user);
                if let Some(count) = counts.get_mut(&before) {
                    *count -= 1;
                }
            }
            None => {
                let entry = Entry { seq, user: record.user, name: record.name.as_str().into() };
                table.insert_unique(hash, entry, |entry| hasher.hash_one(&*entry.name));
            }
        }
        *counts.entry(record.user).or_default() += 1;
    }

    pub(super) fn owner(&self, name: &str) -> Option<UserNo> {
        self.table.find(self.hasher.hash_one(name), |entry| *entry.name == *name).map(|entry| entry.user)
    }

    pub(super) fn count(&self, user: UserNo) -> usize {
        self.counts.get(&user).copied().unwrap_or(0)
    }

    /// In no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.table.iter().map(|entry| &*entry.name)
    }

    /// A number for all of it, whatever the order.
    pub(super) fn sum(&self, hash: impl Fn(UserNo, &str) -> u64) -> u64 {
        self.table.iter().fold(0, |sum, entry| sum.wrapping_add(hash(entry.user, &entry.name)))
    }
}
