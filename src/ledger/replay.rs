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
    /// Messages with a chunk that is gone. Right for one that everybody acked, wrong for any other.
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
                    let missing = chunks.iter().filter(|chunk| !self.unclaimed.remove(chunk)).last();
                    self.incomplete.extend(missing.map(|&chunk| (seq, chunk)));
                }
            }
            Record::User(_) | Record::Group { .. } | Record::Member(_) | Record::Cursor(_) | Record::Backlog(_) => {}
        }
        self.ledger.apply(seq, &record, &mut self.dead);
        Ok(())
    }

    /// The facts, and the records that nobody needs: uploads that were never finished, messages that
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
        if let Some((message, chunk)) = incomplete.into_iter().find(|(message, _)| ledger.messages.holds_chunked(*message)) {
            return Err(ReplayError::MissingChunk(message, chunk));
        }
        dead.extend(unclaimed);
        Ok((ledger, dead))
    }
}
