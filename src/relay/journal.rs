//! What the log has yet to learn: the barrier, and the cursors that wait for company.

use std::cell::Cell;

use crate::base::{Mono, NodeNo, Seq};
use crate::ledger::Dead;
use crate::limits::{CURSOR_AGE_MAX, CURSOR_DIRTY_MAX, CURSOR_RIDE_AGE, LAZY_BYTES_MAX, RECORD_OVERHEAD};

/// Bookkeeping of appends.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The newest binding record: nothing that was decided since may leave before it is durable.
    pub(super) barrier: Seq,
    /// Octets that the store takes for sure.
    pub(super) room: u64,
    /// Octets that are free on the disk.
    pub(super) disk: u64,
    /// Whether the store takes cursors. While it does not, acks hold as long as the process does.
    pub(super) takes_cursors: bool,
    /// Nodes whose cursor moved since it was written.
    dirty: Vec<NodeNo>,
    is_dirty: Vec<bool>,
    /// Records that those cursors, once durable, make needless.
    dead: Dead,
    /// When the first of `dirty` and `dead` came.
    waiting_since: Option<Mono>,
    /// Octets of chunks appended since the last commit.
    lazy_bytes: usize,
    /// Nothing waits for company any more.
    hurried: bool,
    /// The most room that was asked for in vain since the shell last asked.
    pub(super) wanted: Cell<u64>,
    /// Devices that requests have named since the shell last asked.
    pub(super) work: usize,
}

impl Journal {
    /// A journal after this record, with room for everything until told otherwise.
    pub(super) fn new(last: Seq) -> Journal {
        Journal { barrier: last, room: u64::MAX, disk: u64::MAX, takes_cursors: true, ..Journal::default() }
    }

    /// What a node's cursor says has changed.
    pub(super) fn touch(&mut self, node: NodeNo, now: Mono) {
        let at = node.0 as usize;
        if self.is_dirty.len() <= at {
            self.is_dirty.resize(at + 1, false);
        }
        if !self.is_dirty[at] {
            self.is_dirty[at] = true;
            self.dirty.push(node);
        }
        self.waiting_since.get_or_insert(now);
    }

    /// A node is no more: nothing of it is written again.
    pub(super) fn forget_node(&mut self, node: NodeNo) {
        if let Some(dirty) = self.is_dirty.get_mut(node.0 as usize).filter(|dirty| **dirty) {
            *dirty = false;
            self.dirty.retain(|other| *other != node);
        }
    }

    /// Records to forget with the next cursors.
    pub(super) fn forget_later(&mut self, dead: impl IntoIterator<Item = Seq>, now: Mono) {
        let before = self.dead.len();
        self.dead.extend(dead);
        if self.dead.len() > before {
            self.waiting_since.get_or_insert(now);
        }
    }

    /// A record of that many octets goes to the store.
    pub(super) fn spend(&mut self, octets: usize) {
        self.room = self.room.saturating_sub((octets + RECORD_OVERHEAD) as u64);
    }

    /// A chunk of that many octets was appended and binds nobody yet.
    pub(super) fn lazily(&mut self, octets: usize) {
        self.lazy_bytes += octets;
    }

    /// When the waiting cursors must be written at the latest.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.waiting_since.map(|since| since.plus(CURSOR_AGE_MAX))
    }

    /// Whether there is reason for a commit besides the barrier.
    pub(super) fn presses(&self, now: Mono) -> bool {
        (self.hurried || self.dirty.len() >= CURSOR_DIRTY_MAX) && self.takes_cursors && self.waiting_since.is_some()
            || self.lazy_bytes >= LAZY_BYTES_MAX
            || self.deadline().is_some_and(|at| at <= now)
    }

    /// The cursors that ride with a commit of this turn, and what may be forgotten after it. None of a young
    /// age: they wait for others of the same node, so that a busy node writes few.
    pub(super) fn depart(&mut self, now: Mono) -> Option<(Vec<NodeNo>, Dead)> {
        self.lazy_bytes = 0;
        let since = self.waiting_since?;
        if !self.takes_cursors {
            // They are asked for again in a while.
            self.waiting_since = Some(now);
            return None;
        }
        if !self.hurried && self.dirty.len() < CURSOR_DIRTY_MAX && now < since.plus(CURSOR_RIDE_AGE) {
            return None;
        }
        self.waiting_since = None;
        self.hurried = false;
        let nodes = std::mem::take(&mut self.dirty);
        for node in &nodes {
            self.is_dirty[node.0 as usize] = false;
        }
        Some((nodes, std::mem::take(&mut self.dead)))
    }

    /// Cursors that found no place wait on, and so does all that their departure would have made needless.
    pub(super) fn put_back(&mut self, nodes: Vec<NodeNo>, dead: Dead, now: Mono) {
        self.waiting_since = Some(now);
        self.hurried = true;
        for node in &nodes {
            self.is_dirty[node.0 as usize] = true;
        }
        self.dirty = nodes;
        self.dead = dead;
    }

    /// Whether nothing waits that could be written.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting_since.is_none() || !self.takes_cursors
    }

    /// All that waits departs with the next commit, young or not: the relay is about to stop.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }
}
