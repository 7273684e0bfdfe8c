//! What each node still has to ack.

use std::collections::BTreeSet;

use super::Dead;
use super::messages::Messages;
use super::rising::Rising;
use crate::base::{NodeNo, Seq};
use crate::limits::CURSOR_OWED_MAX;
use crate::record::{BacklogRecord, CursorRecord, Lane, Mark};

/// One lane of a queue: what is owed, and what of the rest was acked.
///
/// Invariant: at most `CURSOR_OWED_MAX` entries are owed below `high`, and at most as many acks lie above it, in
/// `islands`. So a cursor record can tell every ack there was, and no message dies whose ack would not be remembered.
#[derive(Debug, Default)]
struct Track {
    owed: Rising,
    high: Seq,
    /// Acks far ahead of what is owed. Hardly any node ever has some.
    #[allow(clippy::box_collection, reason = "there are as many tracks as nodes, and a set takes three times a pointer")]
    islands: Option<Box<BTreeSet<Seq>>>,
}

impl Track {
    const EMPTY: Track = Track { owed: Rising::EMPTY, high: Seq::ZERO, islands: None };

    /// Takes an ack; `false` if it is not owed, or so far ahead, with so many others, that it could not be remembered.
    fn remove(&mut self, seq: Seq) -> bool {
        if !self.owed.contains(seq) {
            return false;
        }
        if self.owed.count_below(seq, CURSOR_OWED_MAX) > CURSOR_OWED_MAX {
            let islands = self.islands.get_or_insert_default();
            if islands.len() >= CURSOR_OWED_MAX {
                return false;
            }
            islands.insert(seq);
        } else {
            self.high = self.high.max(seq);
        }
        self.owed.remove(seq);
        self.raise_over_islands();
        true
    }

    /// Takes islands into what `high` says, as soon as few enough are owed below them.
    fn raise_over_islands(&mut self) {
        let Some(islands) = &mut self.islands else { return };
        while let Some(&island) = islands.first() {
            if island > self.high && self.owed.count_below(island, CURSOR_OWED_MAX) > CURSOR_OWED_MAX {
                return;
            }
            islands.pop_first();
            self.high = self.high.max(island);
        }
        self.islands = None;
    }

    fn mark(&self) -> Mark {
        let owed = self.owed.iter().take_while(|&seq| seq < self.high).collect();
        Mark { high: self.high, owed, ahead: self.islands.iter().flat_map(|islands| islands.iter().copied()).collect() }
    }

    /// Takes over what a mark says; returns what is owed no longer.
    fn catch_up(&mut self, mark: &Mark) -> Vec<Seq> {
        self.high = self.high.max(mark.high);
        let mut gone: Vec<Seq> = mark.ahead.iter().copied().filter(|&seq| self.owed.remove(seq)).collect();
        let ahead = || mark.ahead.iter().copied().filter(|&seq| seq > self.high);
        if ahead().next().is_some() {
            self.islands.get_or_insert_default().extend(ahead());
        }
        gone.extend(self.owed.remove_up_to(mark.high, &mark.owed));
        self.raise_over_islands();
        gone
    }

    fn check_invariants(&self) {
        self.owed.check_invariants();
        assert!(self.owed.count_below(self.high, CURSOR_OWED_MAX) <= CURSOR_OWED_MAX, "a cursor can tell what is owed");
        let islands = self.islands.as_ref().map_or(0, |islands| islands.len());
        assert!(islands <= CURSOR_OWED_MAX, "a cursor can tell what is acked ahead");
    }
}

/// Everything that waits for one node. There is one for every node, so it is small while little waits.
#[derive(Debug, Default)]
pub struct Queue {
    normal: Track,
    /// There since something first waited in it.
    priority: Option<Box<Track>>,
    /// The newest cursor record, or zero.
    cursor: Seq,
    /// The backlog's records, while something in them is owed.
    #[allow(clippy::box_collection, reason = "there are as many queues as nodes, and a list takes three times a pointer")]
    backlog: Option<Box<Vec<Seq>>>,
}

static EMPTY: Queue = Queue { normal: Track::EMPTY, priority: None, cursor: Seq::ZERO, backlog: None };
static EMPTY_TRACK: Track = Track::EMPTY;

impl Queue {
    fn track(&self, lane: Lane) -> &Track {
        match lane {
            Lane::Normal => &self.normal,
            Lane::Priority => self.priority.as_deref().unwrap_or(&EMPTY_TRACK),
            Lane::Held => &EMPTY_TRACK,
        }
    }

    fn track_mut(&mut self, lane: Lane) -> &mut Track {
        match lane {
            Lane::Normal => &mut self.normal,
            Lane::Priority => self.priority.get_or_insert_default(),
            Lane::Held => unimplemented!(),
        }
    }

    /// How many messages are owed.
    pub fn len(&self) -> usize {
        [Lane::Normal, Lane::Priority].into_iter().map(|lane| self.track(lane).owed.len()).sum()
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first owed message of a lane after `seq`.
    pub fn after(&self, lane: Lane, seq: Seq) -> Option<Seq> {
        self.track(lane).owed.after(seq)
    }

    /// Whether a message is owed, and in which lane.
    pub fn lane_of(&self, seq: Seq) -> Option<Lane> {
        [Lane::Normal, Lane::Priority].into_iter().find(|&lane| self.track(lane).owed.contains(seq))
    }

    /// How many messages are owed in a lane.
    pub fn owed_count(&self, lane: Lane) -> usize {
        self.track(lane).owed.len()
    }

    /// What is owed in a lane, oldest first.
    pub fn owed(&self, lane: Lane) -> impl Iterator<Item = Seq> + '_ {
        self.track(lane).owed.iter()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Seq> + '_ {
        self.owed(Lane::Priority).chain(self.owed(Lane::Normal))
    }

    pub(super) fn check_invariants(&self) {
        self.track(Lane::Normal).check_invariants();
        self.track(Lane::Priority).check_invariants();
    }

    fn oldest(&self) -> Option<Seq> {
        [Lane::Normal, Lane::Priority].into_iter().filter_map(|lane| self.track(lane).owed.first()).min()
    }

    /// The backlog's records are dead once nothing older than them is owed.
    fn retire_backlog(&mut self, dead: &mut Dead) {
        let Some(first) = self.backlog.as_ref().and_then(|backlog| backlog.first().copied()) else { return };
        if self.oldest().is_none_or(|oldest| oldest > first) {
            dead.extend(self.backlog.take().into_iter().flat_map(|backlog| *backlog));
        }
    }

    /// Takes note of a cursor record, which makes the one before it needless.
    fn replace_cursor(&mut self, seq: Seq, dead: &mut Dead) {
        let old = std::mem::replace(&mut self.cursor, seq);
        dead.extend((old != Seq::ZERO).then_some(old));
    }
}

/// Queues by node number.
#[derive(Debug, Default)]
pub(super) struct Queues {
    all: Vec<Queue>,
}

impl Queues {
    fn slot(&mut self, node: NodeNo) -> &mut Queue {
        let at = node.0 as usize;
        if self.all.len() <= at {
            self.all.resize_with(at + 1, Queue::default);
        }
        &mut self.all[at]
    }

    pub(super) fn get(&self, node: NodeNo) -> &Queue {
        self.all.get(node.0 as usize).unwrap_or(&EMPTY)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.all.iter()
    }

    /// Gives back what growing has taken too much.
    pub(super) fn shrink(&mut self) {
        for queue in &mut self.all {
            queue.normal.owed.shrink();
            queue.priority.iter_mut().for_each(|priority| priority.owed.shrink());
        }
    }

    /// Nodes that have a queue, empty or not.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeNo> + use<> {
        (0..u32::try_from(self.all.len()).expect("fewer than 2^32 nodes")).map(NodeNo)
    }

    pub(super) fn push(&mut self, node: NodeNo, lane: Lane, seq: Seq) {
        self.slot(node).track_mut(lane).owed.push(seq);
    }

    pub(super) fn acknowledge(&mut self, node: NodeNo, seq: Seq, messages: &mut Messages, dead: &mut Dead) -> Option<Lane> {
        let queue = self.slot(node);
        let lane = queue.lane_of(seq).filter(|&lane| queue.track_mut(lane).remove(seq))?;
        queue.retire_backlog(dead);
        messages.release(seq, dead);
        Some(lane)
    }

    pub(super) fn cursor(&self, node: NodeNo) -> CursorRecord {
        let queue = self.get(node);
        CursorRecord {
            node,
            normal: queue.track(Lane::Normal).mark(),
            priority: queue.track(Lane::Priority).mark(),
            held: Mark::default(),
            seen: 0,
        }
    }

    pub(super) fn put_cursor(&mut self, seq: Seq, cursor: &CursorRecord, messages: &mut Messages, dead: &mut Dead) {
        let queue = self.slot(cursor.node);
        queue.replace_cursor(seq, dead);
        let mut gone = vec![queue.normal.catch_up(&cursor.normal)];
        if cursor.priority != Mark::default() {
            gone.push(queue.track_mut(Lane::Priority).catch_up(&cursor.priority));
        }
        for seq in gone.into_iter().flatten() {
            messages.release(seq, dead);
        }
        queue.retire_backlog(dead);
    }

    /// A new node's first queue. Messages of it that are no more have been acked since, by that node too.
    pub(super) fn put_backlog(&mut self, seq: Seq, record: &BacklogRecord, messages: &mut Messages) {
        let queue = self.slot(record.node);
        queue.backlog.get_or_insert_default().push(seq);
        // A backlog comes first, and in order: the list refuses what does not rise.
        let owed = &mut queue.track_mut(record.lane).owed;
        record.messages.iter().copied().filter(|&message| messages.owe_again(message)).for_each(|message| owed.push(message));
    }

    pub(super) fn drop_node(&mut self, node: NodeNo, messages: &mut Messages, dead: &mut Dead) {
        let queue = std::mem::take(self.slot(node));
        dead.extend((queue.cursor != Seq::ZERO).then_some(queue.cursor));
        dead.extend(queue.backlog.iter().flat_map(|backlog| backlog.iter().copied()));
        for seq in queue.iter() {
            messages.release(seq, dead);
        }
    }
}
