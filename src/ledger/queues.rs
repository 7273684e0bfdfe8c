//! What each node still has to ack.

use super::Dead;
use super::messages::Messages;
use super::track::Track;
use super::weight::octets;
use crate::base::{NodeNo, Seq};
use crate::record::{BacklogRecord, CursorRecord, Lane, Mark};

/// Everything that waits for one node. There is one for every node, so it is small while little waits.
#[derive(Debug, Default)]
pub struct Queue {
    normal: Track,
    /// There since something first was in it.
    rare: Option<Box<Rare>>,
    /// The newest cursor record, or zero.
    cursor: Seq,
    /// When the node was last heard of, in seconds since the Unix epoch; 0: never.
    seen: u32,
}

/// What most nodes have nothing of.
#[derive(Debug)]
struct Rare {
    priority: Track,
    held: Track,
    /// The backlog's records, while something in them is owed.
    backlog: Vec<Seq>,
}

impl Rare {
    const EMPTY: Rare = Rare { priority: Track::EMPTY, held: Track::EMPTY, backlog: Vec::new() };
}

impl Default for Rare {
    fn default() -> Rare {
        Rare::EMPTY
    }
}

static EMPTY: Queue = Queue { normal: Track::EMPTY, rare: None, cursor: Seq::ZERO, seen: 0 };
static EMPTY_RARE: Rare = Rare::EMPTY;

impl Queue {
    fn track(&self, lane: Lane) -> &Track {
        let rare = self.rare.as_deref().unwrap_or(&EMPTY_RARE);
        match lane {
            Lane::Normal => &self.normal,
            Lane::Priority => &rare.priority,
            Lane::Held => &rare.held,
        }
    }

    fn track_mut(&mut self, lane: Lane) -> &mut Track {
        match lane {
            Lane::Normal => &mut self.normal,
            Lane::Priority => &mut self.rare.get_or_insert_default().priority,
            Lane::Held => &mut self.rare.get_or_insert_default().held,
        }
    }

    /// How many messages are owed.
    pub fn len(&self) -> usize {
        Lane::ALL.into_iter().map(|lane| self.track(lane).owed.len()).sum()
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
        Lane::ALL.into_iter().find(|&lane| self.track(lane).owed.contains(seq))
    }

    /// How many messages are owed in a lane.
    pub fn owed_count(&self, lane: Lane) -> usize {
        self.track(lane).owed.len()
    }

    /// What is owed in a lane, oldest first.
    pub fn owed(&self, lane: Lane) -> impl Iterator<Item = Seq> + '_ {
        self.track(lane).owed.iter()
    }

    /// What the messages that are owed count, in octets: see [`weight_octets`](super::weight_octets).
    pub fn octets(&self) -> u64 {
        octets(Lane::ALL.into_iter().map(|lane| self.track(lane).owed.weight()).sum())
    }

    /// What a message that is owed weighs.
    fn weight(&self, seq: Seq) -> Option<u32> {
        let lane = self.lane_of(seq)?;
        self.track(lane).owed.weights(&[seq])?.pop()
    }

    /// When the node was last heard of, in seconds since the Unix epoch; 0: never.
    pub fn seen(&self) -> u32 {
        self.seen
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Seq> + '_ {
        Lane::ALL.into_iter().flat_map(|lane| self.owed(lane))
    }

    pub(super) fn check_invariants(&self) {
        Lane::ALL.into_iter().for_each(|lane| self.track(lane).check_invariants());
    }

    /// The oldest message that is owed.
    pub fn oldest(&self) -> Option<Seq> {
        Lane::ALL.into_iter().filter_map(|lane| self.track(lane).owed.first()).min()
    }

    /// The backlog's records are dead once nothing older than them is owed.
    fn retire_backlog(&mut self, dead: &mut Dead) {
        let oldest = self.oldest();
        let Some(backlog) = self.rare.as_mut().map(|rare| &mut rare.backlog) else { return };
        if backlog.first().is_some_and(|first| oldest.is_none_or(|oldest| oldest > *first)) {
            dead.append(&mut std::mem::take(backlog));
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
            if let Some(rare) = &mut queue.rare {
                rare.priority.owed.shrink();
                rare.held.owed.shrink();
                rare.backlog.shrink_to_fit();
            }
        }
    }

    /// Nodes that have a queue, empty or not.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeNo> + use<> {
        (0..u32::try_from(self.all.len()).expect("fewer than 2^32 nodes")).map(NodeNo)
    }

    pub(super) fn push(&mut self, node: NodeNo, lane: Lane, seq: Seq, weight: u32) {
        self.slot(node).track_mut(lane).owed.push(seq, weight);
    }

    pub(super) fn saw(&mut self, node: NodeNo, seconds: u32) {
        let queue = self.slot(node);
        queue.seen = queue.seen.max(seconds);
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
        let mark = |lane| queue.track(lane).mark();
        let [normal, priority, held] = [Lane::Normal, Lane::Priority, Lane::Held].map(mark);
        CursorRecord { node, normal, priority, held, seen: queue.seen }
    }

    pub(super) fn put_cursor(&mut self, seq: Seq, cursor: &CursorRecord, messages: &mut Messages, dead: &mut Dead) {
        let queue = self.slot(cursor.node);
        queue.replace_cursor(seq, dead);
        queue.seen = queue.seen.max(cursor.seen);
        for (lane, mark) in [(Lane::Normal, &cursor.normal), (Lane::Priority, &cursor.priority), (Lane::Held, &cursor.held)] {
            // Most marks of the rare lanes say nothing, and shall not make room for it.
            if *mark == Mark::default() {
                continue;
            }
            for seq in queue.track_mut(lane).catch_up(mark) {
                messages.release(seq, dead);
            }
        }
        queue.retire_backlog(dead);
    }

    /// A new node's first queue: what waits for another node, most likely for one of `siblings`. At replay messages of it that are
    /// no more have been acked since, by the new node too.
    pub(super) fn put_backlog(&mut self, seq: Seq, record: &BacklogRecord, siblings: &[NodeNo], messages: &mut Messages) {
        let found = messages.weights_at_replay(&record.messages).unwrap_or_else(|| self.weights(record, siblings));
        let queue = self.slot(record.node);
        queue.rare.get_or_insert_default().backlog.push(seq);
        // A backlog comes first, and in order: the list refuses what does not rise.
        let owed = &mut queue.track_mut(record.lane).owed;
        for (message, weight) in found {
            messages.owe_again(message);
            owed.push(message, weight);
        }
    }

    /// What the messages of a backlog weigh, where they wait already.
    fn weights(&self, record: &BacklogRecord, likely: &[NodeNo]) -> Vec<(Seq, u32)> {
        let in_queue = |queue: &Queue, seqs: &[Seq]| queue.track(record.lane).owed.weights(seqs);
        let weights = likely.iter().find_map(|node| in_queue(self.get(*node), &record.messages)).unwrap_or_else(|| {
            // Slow, and never so slow in service: there the messages are those of the node that asks for a new one.
            let anywhere = |seq: &Seq| self.all.iter().find_map(|queue| queue.weight(*seq));
            record.messages.iter().map(|seq| anywhere(seq).expect("what a backlog repeats is in a queue")).collect()
        });
        record.messages.iter().copied().zip(weights).collect()
    }

    pub(super) fn drop_node(&mut self, node: NodeNo, messages: &mut Messages, dead: &mut Dead) {
        let queue = std::mem::take(self.slot(node));
        dead.extend((queue.cursor != Seq::ZERO).then_some(queue.cursor));
        dead.extend(queue.rare.iter().flat_map(|rare| rare.backlog.iter().copied()));
        for seq in queue.iter() {
            messages.release(seq, dead);
        }
    }
}

// One for each node that ever was, a million perhaps.
const _: () = assert!(size_of::<Queue>() <= 88, "a queue in which nothing waits is small");
