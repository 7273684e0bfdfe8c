//! What the relay wants done. It does nothing itself.

use super::command::Answer;
use crate::base::{LinkId, Seq};
use crate::limits::RECORD_OVERHEAD;

/// One wish. Those with `after` may be granted only when every record up to it is on stable storage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Put a record into the log.
    Append {
        /// Its number.
        seq: Seq,
        /// Its octets.
        payload: Vec<u8>,
        /// The last one of its batch: all of a batch survives a crash, or nothing.
        end: bool,
    },
    /// Write a frame to a link.
    Send {
        /// To whom.
        link: LinkId,
        /// Not before this is durable.
        after: Seq,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Write a stored message to a link.
    Deliver {
        /// To whom.
        link: LinkId,
        /// Not before this is durable.
        after: Seq,
        /// The message.
        message: Seq,
        /// It was sent on this link before: not worth sending if it is acked by the time.
        again: bool,
    },
    /// Write what there is to write to a link, then close it.
    Close {
        /// Which link.
        link: LinkId,
        /// Not before this is durable.
        after: Seq,
    },
    /// Close a link at once, whatever there is to write: its time is up, or it is nobody's any more.
    Cut {
        /// Which link.
        link: LinkId,
    },
    /// Answer the operator.
    Answer {
        /// The command's.
        ticket: u64,
        /// Not before this is durable.
        after: Seq,
        /// What came of it. Boxed, since effects are kept by the thousand and answers are rare.
        answer: Box<Answer>,
    },
    /// Nobody needs these records any more.
    Forget {
        /// Not before this, which made them needless, is durable.
        after: Seq,
        /// The records: a cursor may release thousands.
        seqs: Vec<Seq>,
    },
}

impl Effect {
    /// Octets that it puts into the log, at most.
    pub(super) fn weight(&self) -> usize {
        match self {
            Effect::Append { payload, .. } => payload.len() + RECORD_OVERHEAD,
            Effect::Send { .. }
            | Effect::Deliver { .. }
            | Effect::Close { .. }
            | Effect::Cut { .. }
            | Effect::Answer { .. }
            | Effect::Forget { .. } => 0,
        }
    }
}
