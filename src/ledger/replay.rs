//! From surviving records to facts, at start.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use super::messages::Messages;
use super::{Dead, Ledger};
use crate::base::Seq;
use crate::record::{DecodeError, Payload, Record};

/// A record of the log makes no sense. The log's checksums held, so it is not damage of the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplayError {
    /// It is no record that this version knows.
    Undecodable(Seq, DecodeError),
    /// A message names a chunk that is not there.
    MissingChunk(Seq, Seq),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Undecodable(seq, error) => write!(f, "record {seq}: {error}"),
            ReplayError::MissingChunk(seq, chunk) => write!(f, "message {seq} needs chunk {chunk}, which is not in the log"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// A ledger in the making. Feed it all surviving records in order of `Seq`, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Replay {
    ledger: Ledger,
    dead: Dead,
    /// Chunks that no message has named yet.
    unclaimed: BTreeSet<Seq>,
    /// Messages with a chunk that is gone, and each such chunk. Right for one that everybody acked, wrong for any other.
    incomplete: Vec<(Seq, Seq)>,
}

impl Default for Replay {
    fn default() -> Replay {
        Replay::new()
    }
}

impl Replay {
    /// Nothing yet.
    pub fn new() -> Replay {
        let ledger = Ledger { messages: Messages::replaying(), ..Ledger::default() };
        Replay { ledger, dead: Dead::new(), unclaimed: BTreeSet::new(), incomplete: Vec::new() }
    }

    /// Takes the next record in.
    ///
    /// # Errors
    /// [`ReplayError`]; the log must not be served then.
    pub fn take(&mut self, seq: Seq, octets: &[u8]) -> Result<(), ReplayError> {
        let record = Record::decode(octets).map_err(|error| ReplayError::Undecodable(seq, error))?;
        match &record {
            Record::Chunk(_) => {
                self.unclaimed.insert(seq);
            }
            Record::Message(message) => {
                if let Payload::Chunks(chunks) = &message.payload {
                    let missing = chunks.iter().filter(|chunk| !self.unclaimed.remove(chunk));
                    self.incomplete.extend(missing.map(|&chunk| (seq, chunk)));
                }
            }
            Record::User(_)
            | Record::Group(_)
            | Record::Member(_)
            | Record::Cursor(_)
            | Record::Backlog(_)
            | Record::Reach(_)
            | Record::Cork(_)
            | Record::Tally(_)
            | Record::Missed(_)
            | Record::Invite(_)
            | Record::Retired(_)
            | Record::Site(_) => {}
        }
        self.ledger.apply(seq, &record, &mut self.dead);
        Ok(())
    }

    /// The facts, and the records that nobody needs and that are there: uploads that were never finished, messages that
    /// everybody acked, queues of nodes that are no more.
    ///
    /// # Errors
    /// [`ReplayError::MissingChunk`] if a message that somebody owes lacks a part.
    pub fn finish(self) -> Result<(Ledger, Dead), ReplayError> {
        let Replay { mut ledger, mut dead, unclaimed, incomplete } = self;
        let living: HashSet<_> = ledger.users.iter().flat_map(|user| user.node_numbers()).collect();
        for node in ledger.queues.nodes().filter(|node| !living.contains(node)) {
            ledger.queues.drop_node(node, &mut ledger.messages, &mut dead);
        }
        ledger.messages.settle(&mut dead);
        ledger.queues.shrink();
        if let Some(&(message, chunk)) = incomplete.iter().find(|(message, _)| ledger.messages.holds_chunked(*message)) {
            return Err(ReplayError::MissingChunk(message, chunk));
        }
        let gone: HashSet<_> = incomplete.iter().map(|(_, chunk)| *chunk).collect();
        dead.retain(|seq| !gone.contains(seq));
        dead.extend(unclaimed);
        Ok((ledger, dead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{NodeDigest, NodeNo, Uid, UserNo};
    use crate::record::{CursorRecord, Lane, Mark, MessageRecord, NodeRecord, Role, UserRecord};

    #[test]
    fn what_is_gone_already_is_not_among_what_nobody_needs() {
        let node = NodeRecord { no: NodeNo(0), digest: NodeDigest([1; 32]), label: "phone".into(), made: 0 };
        let (no, uid, next_node) = (UserNo(0), Uid([2; 20]), NodeNo(1));
        let user = UserRecord { no, uid, role: Role::Full, admin: false, aliases: vec![], nodes: vec![node], dropped: 0, next_node };
        let payload = Payload::Chunks(vec![Seq(7), Seq(8), Seq(9)]);
        let header = b"0008{\"op\":0}"[..].into();
        let message = MessageRecord { lane: Lane::Normal, to: vec![NodeNo(0)], held: vec![], header, payload };
        let records = [(1, Record::User(user)), (8, Record::Chunk(b"a part"[..].into())), (10, Record::Message(message))];
        let mut replay = Replay::new();
        for (seq, record) in &records {
            replay.take(Seq(*seq), &record.encode()).expect("a record");
        }
        let normal = Mark { high: Seq(10), ..Mark::default() };
        let cursor = CursorRecord { node: NodeNo(0), normal, priority: Mark::default(), held: Mark::default(), seen: 0 };
        replay.take(Seq(11), &Record::Cursor(cursor).encode()).expect("a record");
        let (_, mut dead) = replay.finish().expect("everybody acked the message");
        dead.sort_unstable();
        assert_eq!(dead, [Seq(8), Seq(10)]);
    }
}
