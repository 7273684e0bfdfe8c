//! Users and their nodes.

use std::collections::HashMap;

use super::Dead;
use crate::base::{NodeDigest, NodeNo, Seq, Uid, UserNo};
use crate::record::{NodeRecord, UserRecord};

/// One device of a user.
pub type Node = NodeRecord;

/// A member of the site.
#[derive(Clone, Debug)]
pub struct User {
    /// The newest record that says all this.
    seq: Seq,
    record: UserRecord,
}

impl User {
    /// The user's number.
    pub fn no(&self) -> UserNo {
        self.record.no
    }

    /// The user's public id.
    pub fn uid(&self) -> &Uid {
        &self.record.uid
    }

    /// Names by which others may find the user.
    pub fn aliases(&self) -> &[String] {
        &self.record.aliases
    }

    /// Whether that is one of the user's names.
    pub fn has_alias(&self, alias: &str) -> bool {
        self.record.aliases.iter().any(|own| own == alias)
    }

    /// The user's devices.
    pub fn nodes(&self) -> &[Node] {
        &self.record.nodes
    }

    /// The numbers of the user's devices.
    pub fn node_numbers(&self) -> impl Iterator<Item = NodeNo> + '_ {
        self.record.nodes.iter().map(|node| node.no)
    }

    /// The device with that secret. Looks at all of them, so that time tells nothing.
    pub fn node_with(&self, digest: &NodeDigest) -> Option<&Node> {
        self.record.nodes.iter().fold(None, |found, node| if node.digest.matches(digest) { Some(node) } else { found })
    }

    /// A copy of the record, to be changed and applied.
    pub fn to_record(&self) -> UserRecord {
        self.record.clone()
    }
}

#[derive(Debug, Default)]
pub(super) struct Users {
    /// By number. A hole is a user whose record has not come yet, at replay.
    all: Vec<Option<User>>,
    by_uid: HashMap<Uid, UserNo>,
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
        self.by_uid.insert(record.uid, record.no);
        let old = self.all[at].replace(User { seq, record: record.clone() });
        let Some(old) = old else { return Vec::new() };
        dead.push(old.seq);
        old.record.nodes.iter().map(|node| node.no).filter(|no| record.nodes.iter().all(|node| node.no != *no)).collect()
    }

    pub(super) fn next_user(&self) -> UserNo {
        UserNo(u32::try_from(self.all.len()).expect("fewer than 2^32 users"))
    }

    pub(super) fn next_node(&self) -> NodeNo {
        NodeNo(self.next_node)
    }

    pub(super) fn by_uid(&self, uid: &Uid) -> Option<&User> {
        self.by_uid.get(uid).map(|no| self.get(*no))
    }

    pub(super) fn get(&self, no: UserNo) -> &User {
        self.all[no.0 as usize].as_ref().expect("a user's number names a user")
    }

    pub(super) fn count(&self) -> usize {
        self.by_uid.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &User> {
        self.all.iter().flatten()
    }
}
