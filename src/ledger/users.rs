//! Users and their nodes.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::Dead;
use crate::base::{NodeDigest, NodeNo, Seq, Uid, UserNo, Wall};
use crate::record::{AliasView, NodeView, PackedUser, Role, UserRecord};

/// A member of the site.
#[derive(Clone, Debug)]
pub struct User {
    /// The newest record that says all this.
    seq: Seq,
    packed: PackedUser,
}

impl User {
    /// The user's number.
    pub fn no(&self) -> UserNo {
        self.packed.no()
    }

    /// The user's public id.
    pub fn uid(&self) -> Uid {
        self.packed.uid()
    }

    /// What the account may do.
    pub fn role(&self) -> Role {
        self.packed.role()
    }

    /// Whether the user may drop anybody's nodes.
    pub fn is_admin(&self) -> bool {
        self.packed.is_admin()
    }

    /// Names by which others may find the user, oldest first; those that have expired too.
    pub fn aliases(&self) -> impl ExactSizeIterator<Item = AliasView<'_>> {
        self.packed.aliases()
    }

    /// One of the user's names, expired or not.
    pub fn alias(&self, name: &str) -> Option<AliasView<'_>> {
        self.aliases().find(|own| own.name == name)
    }

    /// Whether that is one of the user's names at that time.
    pub fn has_alias(&self, name: &str, now: Wall) -> bool {
        self.alias(name).is_some_and(|alias| !alias.has_expired(now))
    }

    /// The user's devices.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeView<'_>> {
        self.packed.nodes()
    }

    /// The numbers of the user's devices.
    pub fn node_numbers(&self) -> impl Iterator<Item = NodeNo> + '_ {
        self.nodes().map(|node| node.no)
    }

    /// The device with that secret. Looks at all of them, so that time tells nothing.
    pub fn node_with(&self, digest: &NodeDigest) -> Option<NodeView<'_>> {
        self.nodes().fold(None, |found, node| if node.digest.matches(digest) { Some(node) } else { found })
    }

    /// Octets of the record.
    pub fn octets(&self) -> usize {
        self.packed.octets()
    }

    /// A copy of the record, to be changed and applied.
    pub fn to_record(&self) -> UserRecord {
        self.packed.unpack()
    }
}

#[derive(Debug, Default)]
pub(super) struct Users {
    /// By number. A hole is a user whose record has not come yet, at replay.
    all: Vec<Option<User>>,
    /// Numbers, to be found by the uid that their user has.
    by_uid: HashTable<UserNo>,
    hasher: RandomState,
    next_node: u32,
}

impl Users {
    /// Puts in a user's new state; returns the nodes that it no longer has.
    pub(super) fn put(&mut self, seq: Seq, record: &UserRecord, dead: &mut Dead) -> Vec<NodeNo> {
        let at = record.no.0 as usize;
        if self.all.len() <= at {
            self.all.resize_with(at + 1, || None);
        }
        self.next_node = self.next_node.max(record.next_node.0);
        let Some(old) = self.all[at].replace(User { seq, packed: PackedUser::of(record) }) else {
            let Users { all, by_uid, hasher, .. } = self;
            let hash_of = |no: &UserNo| hasher.hash_one(of(all, *no).uid());
            by_uid.insert_unique(hasher.hash_one(record.uid), record.no, hash_of);
            return Vec::new();
        };
        dead.push(old.seq);
        old.node_numbers().filter(|no| record.nodes.iter().all(|node| node.no != *no)).collect()
    }

    pub(super) fn next_user(&self) -> UserNo {
        UserNo(u32::try_from(self.all.len()).expect("fewer than 2^32 users"))
    }

    pub(super) fn next_node(&self) -> NodeNo {
        NodeNo(self.next_node)
    }

    pub(super) fn by_uid(&self, uid: &Uid) -> Option<&User> {
        let no = self.by_uid.find(self.hasher.hash_one(uid), |no| self.get(*no).uid() == *uid)?;
        Some(self.get(*no))
    }

    pub(super) fn get(&self, no: UserNo) -> &User {
        of(&self.all, no)
    }

    pub(super) fn count(&self) -> usize {
        self.by_uid.len()
    }

    /// Users of that number or a higher one.
    pub(super) fn starting_at(&self, no: UserNo) -> impl Iterator<Item = &User> {
        self.all.iter().skip(no.0 as usize).flatten()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &User> {
        self.all.iter().flatten()
    }
}

fn of(all: &[Option<User>], no: UserNo) -> &User {
    all[no.0 as usize].as_ref().expect("a user's number names a user")
}
