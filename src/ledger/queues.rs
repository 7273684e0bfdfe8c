//! What each node still has to ack, and which messages anybody still has to.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::Dead;
use crate::base::{NodeNo, Seq};
use crate::limits::CURSOR_OWED_MAX;
use crate::record::{BacklogRecord, CursorRecord, Lane, Mark, MessageRecord, Payload};

/// One lane of a queue: what is owed, rising, and what of the rest was acked.
///
/// Invariant: at most `CURSOR_OWED_MAX` entries are owed below `high`, and at most as many acks lie above it, in
/// `islands`. So a cursor record can tell every ack there was, and no message dies whose ack would not be remembered.
#[derive(Debug, Default)]
struct Track {
    owed: VecDeque<Seq>,
    high: Seq,
    /// Acks far ahead of what is owed.
    islands: BTreeSet<Seq>,
}

impl Track {
    /// Takes an ack; `false` if it is not owed, or so far ahead, with so many others, that it could not be remembered.
    fn remove(&mut self, seq: Seq) -> bool {
        let Ok(at) = self.owed.binary_search(&seq) else { return false };
        if at > CURSOR_OWED_MAX {
            if self.islands.len() >= CURSOR_OWED_MAX {
                return false;
            }
            self.islands.insert(seq);
        } else {
            self.high = self.high.max(seq);
        }
        self.owed.remove(at);
        self.shrink_if_sparse();
        self.raise_over_islands();
        true
    }

    /// A queue that was long gives its memory back as it empties.
    fn shrink_if_sparse(&mut self) {
        const SMALL: usize = 64;
        if self.owed.capacity() > SMALL && self.owed.len() * 4 <= self.owed.capacity() {
            self.owed.shrink_to((self.owed.len() * 2).max(SMALL));
        }
    }

    /// Takes islands into what `high` says, as soon as few enough are owed below them.
    fn raise_over_islands(&mut self) {
        while let Some(&island) = self.islands.first() {
            if island > self.high && self.owed.partition_point(|&seq| seq < island) > CURSOR_OWED_MAX {
                return;
            }
            self.islands.pop_first();
            self.high = self.high.max(island);
        }
    }

    fn mark(&self) -> Mark {
        let owed = self.owed.iter().copied().take_while(|&seq| seq < self.high).collect();
        Mark { high: self.high, owed, ahead: self.islands.iter().copied().collect() }
    }

    /// Takes over what a mark says; returns what is owed no longer.
    fn catch_up(&mut self, mark: &Mark) -> Vec<Seq> {
        self.high = self.high.max(mark.high);
        let mut gone = Vec::new();
        for seq in &mark.ahead {
            if let Ok(at) = self.owed.binary_search(seq) {
                self.owed.remove(at);
                gone.push(*seq);
            }
        }
        self.islands.extend(mark.ahead.iter().filter(|&&seq| seq > self.high));
        let below = self.owed.partition_point(|&seq| seq <= mark.high);
        if below > mark.owed.len() {
            let old: Vec<Seq> = self.owed.drain(..below).collect();
            let (kept, dropped): (Vec<Seq>, Vec<Seq>) = old.into_iter().partition(|seq| mark.owed.binary_search(seq).is_ok());
            for seq in kept.into_iter().rev() {
                self.owed.push_front(seq);
            }
            gone.extend(dropped);
        }
        self.raise_over_islands();
        gone
    }

    fn check_invariants(&self) {
        assert!(self.owed.iter().is_sorted_by(|a, b| a < b), "a queue rises");
        assert!(self.owed.partition_point(|&seq| seq < self.high) <= CURSOR_OWED_MAX, "a cursor can tell what is owed");
        assert!(self.islands.len() <= CURSOR_OWED_MAX, "a cursor can tell what is acked ahead");
    }
}

/// Everything that waits for one node.
#[derive(Debug, Default)]
pub struct Queue {
    normal: Track,
    priority: Track,
    /// The newest cursor record, if there is one.
    cursor: Option<Seq>,
    /// The backlog's records, while something in them is owed.
    backlog: Vec<Seq>,
}

static EMPTY: Queue = Queue {
    normal: Track { owed: VecDeque::new(), high: Seq::ZERO, islands: BTreeSet::new() },
    priority: Track { owed: VecDeque::new(), high: Seq::ZERO, islands: BTreeSet::new() },
    cursor: None,
    backlog: Vec::new(),
};

impl Queue {
    fn track(&self, lane: Lane) -> &Track {
        match lane {
            Lane::Normal => &self.normal,
            Lane::Priority => &self.priority,
        }
    }

    fn track_mut(&mut self, lane: Lane) -> &mut Track {
        match lane {
            Lane::Normal => &mut self.normal,
            Lane::Priority => &mut self.priority,
        }
    }

    /// How many messages are owed.
    pub fn len(&self) -> usize {
        self.normal.owed.len() + self.priority.owed.len()
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first owed message of a lane after `seq`.
    pub fn after(&self, lane: Lane, seq: Seq) -> Option<Seq> {
        let owed = &self.track(lane).owed;
        match owed.front() {
            Some(&first) if first > seq => Some(first),
            _ => owed.get(owed.partition_point(|&s| s <= seq)).copied(),
        }
    }

    /// Whether a message is owed, and in which lane.
    pub fn lane_of(&self, seq: Seq) -> Option<Lane> {
        [Lane::Normal, Lane::Priority].into_iter().find(|&lane| self.track(lane).owed.binary_search(&seq).is_ok())
    }

    /// What is owed in a lane, oldest first.
    pub fn owed(&self, lane: Lane) -> impl ExactSizeIterator<Item = Seq> + '_ {
        self.track(lane).owed.iter().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Seq> + '_ {
        self.owed(Lane::Priority).chain(self.owed(Lane::Normal))
    }

    pub(super) fn check_invariants(&self) {
        self.normal.check_invariants();
        self.priority.check_invariants();
    }

    fn oldest(&self) -> Option<Seq> {
        self.normal.owed.front().into_iter().chain(self.priority.owed.front()).min().copied()
    }

    /// The backlog's records are dead once nothing older than them is owed.
    fn retire_backlog(&mut self, dead: &mut Dead) {
        let Some(&first) = self.backlog.first() else { return };
        if self.oldest().is_none_or(|oldest| oldest > first) {
            dead.append(&mut self.backlog);
        }
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
            queue.normal.owed.shrink_to_fit();
            queue.priority.owed.shrink_to_fit();
        }
    }

    /// Nodes that have a queue, empty or not.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeNo> + use<> {
        (0..u32::try_from(self.all.len()).expect("fewer than 2^32 nodes")).map(NodeNo)
    }

    pub(super) fn push(&mut self, node: NodeNo, lane: Lane, seq: Seq) {
        self.slot(node).track_mut(lane).owed.push_back(seq);
    }

    pub(super) fn acknowledge(&mut self, node: NodeNo, seq: Seq, messages: &mut Messages, dead: &mut Dead) -> Option<Lane> {
        let queue = self.slot(node);
        let lane = [Lane::Normal, Lane::Priority].into_iter().find(|&lane| queue.track_mut(lane).remove(seq))?;
        queue.retire_backlog(dead);
        messages.release(seq, dead);
        Some(lane)
    }

    pub(super) fn cursor(&self, node: NodeNo) -> CursorRecord {
        let queue = self.get(node);
        CursorRecord { node, normal: queue.normal.mark(), priority: queue.priority.mark() }
    }

    pub(super) fn put_cursor(&mut self, seq: Seq, cursor: &CursorRecord, messages: &mut Messages, dead: &mut Dead) {
        let queue = self.slot(cursor.node);
        dead.extend(queue.cursor.replace(seq));
        let gone = [queue.normal.catch_up(&cursor.normal), queue.priority.catch_up(&cursor.priority)];
        for seq in gone.into_iter().flatten() {
            messages.release(seq, dead);
        }
        queue.retire_backlog(dead);
    }

    /// A new node's first queue. Messages of it that are no more have been acked since, by that node too.
    pub(super) fn put_backlog(&mut self, seq: Seq, record: &BacklogRecord, messages: &mut Messages) {
        let queue = self.slot(record.node);
        queue.backlog.push(seq);
        let owed = &mut queue.track_mut(record.lane).owed;
        debug_assert!(owed.back() < record.messages.first(), "a backlog comes first, and in order");
        owed.extend(record.messages.iter().copied().filter(|&message| messages.owe_again(message)));
    }

    pub(super) fn drop_node(&mut self, node: NodeNo, messages: &mut Messages, dead: &mut Dead) {
        let queue = std::mem::take(self.slot(node));
        dead.extend(queue.cursor);
        dead.extend(&queue.backlog);
        for seq in queue.iter() {
            messages.release(seq, dead);
        }
    }
}

#[derive(Debug)]
struct Message {
    owed: u32,
    chunks: Box<[Seq]>,
}

impl Message {
    /// Nothing has to be written down of a message that one node owes and whose data is in its record.
    fn is_plain(&self) -> bool {
        self.owed == 1 && self.chunks.is_empty()
    }
}

/// How many nodes owe each message, and what its data consists of.
///
/// Most messages wait for one node. They are only counted: what is in a queue and not in `noted` is owed once.
#[derive(Debug, Default)]
pub(super) struct Messages {
    noted: HashMap<Seq, Message>,
    plain: usize,
    /// At replay a message that nobody owes yet may be owed through a later backlog, so none dies, and all are noted,
    /// before the end.
    replaying: bool,
}

impl Messages {
    pub(super) fn replaying() -> Messages {
        Messages { replaying: true, ..Messages::default() }
    }

    pub(super) fn add(&mut self, seq: Seq, record: &MessageRecord<'_>, dead: &mut Dead) {
        let chunks = match &record.payload {
            Payload::Inline(_) => Box::default(),
            Payload::Chunks(chunks) => chunks.as_slice().into(),
        };
        let owed = u32::try_from(record.to.len()).expect("fewer than 2^32 nodes");
        let message = Message { owed, chunks };
        if self.replaying {
            self.noted.insert(seq, message);
        } else if owed == 0 {
            bury(seq, message, dead);
        } else if message.is_plain() {
            self.plain += 1;
        } else {
            self.noted.insert(seq, message);
        }
    }

    fn release(&mut self, seq: Seq, dead: &mut Dead) {
        let Some(message) = self.noted.get_mut(&seq) else {
            self.plain = self.plain.checked_sub(1).expect("what is queued is owed");
            dead.push(seq);
            return;
        };
        message.owed -= 1;
        if self.replaying {
            return;
        }
        if message.owed == 0 {
            let message = self.noted.remove(&seq).expect("it was just there");
            bury(seq, message, dead);
        } else if message.is_plain() {
            self.noted.remove(&seq);
            self.plain += 1;
        }
    }

    /// One more node owes a message that is in another's queue; `false` at replay, if it is no more.
    fn owe_again(&mut self, seq: Seq) -> bool {
        match self.noted.get_mut(&seq) {
            Some(message) => message.owed += 1,
            None if self.replaying => return false,
            None => {
                self.plain = self.plain.checked_sub(1).expect("what is queued is owed");
                self.noted.insert(seq, Message { owed: 2, chunks: Box::default() });
            }
        }
        true
    }

    /// Ends the replay: what nobody owes now is dead.
    #[allow(clippy::disallowed_methods, reason = "what it gives is sorted before anybody sees it")]
    pub(super) fn settle(&mut self, dead: &mut Dead) {
        self.replaying = false;
        let before = dead.len();
        self.noted.retain(|&seq, message| {
            if message.owed == 0 {
                bury(seq, Message { owed: 0, chunks: std::mem::take(&mut message.chunks) }, dead);
                return false;
            }
            self.plain += usize::from(message.is_plain());
            !message.is_plain()
        });
        self.noted.shrink_to_fit();
        dead[before..].sort_unstable();
    }

    /// Whether a message with chunks is owed.
    pub(super) fn holds_chunked(&self, seq: Seq) -> bool {
        self.noted.contains_key(&seq)
    }

    pub(super) fn count(&self) -> usize {
        self.noted.len() + self.plain
    }

    pub(super) fn check_invariants(&self, owed: &HashMap<Seq, u32>) {
        assert_eq!(self.count(), owed.len(), "messages are those that are queued");
        for (seq, count) in owed {
            let noted = self.noted.get(seq).map_or(1, |message| message.owed);
            assert_eq!(noted, *count, "{seq} is owed as often as it is queued");
        }
    }
}

fn bury(seq: Seq, message: Message, dead: &mut Dead) {
    dead.push(seq);
    dead.extend(message.chunks);
}
