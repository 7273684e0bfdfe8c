//! One connection, as the oracles see it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;

use crate::sim::ask::{Ask, Speaks};
use crate::sim::model::{Lane, MessageNo, Newcomer, NodeNo};

/// What some of a device's octets mean.
#[derive(Clone, Debug)]
pub(in crate::sim) enum Item {
    Greeting,
    Register {
        newcomer: Newcomer,
    },
    Login {
        node: NodeNo,
    },
    /// Nothing is answered, nothing changes.
    Nothing,
    Ack {
        id: u64,
    },
    Ask {
        id: String,
        ask: Rc<Ask>,
    },
    /// The header of a request has come, and not all of its data.
    Begun {
        ask: Rc<Ask>,
    },
    /// The link ends, with this reason.
    Last {
        reason: &'static str,
    },
}

/// Something on its way from the relay's decision to the socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Out {
    Frame { crc: u32, len: usize, depends: u64 },
    Message { seq: u64, depends: u64 },
}

/// See the [module](self).
pub(in crate::sim) struct Side {
    /// Nobody's: it must get nothing but `tmtprev` and `quit`.
    pub(super) stranger: bool,
    pub(super) speaks: Speaks,
    /// Who is logged in.
    pub(super) node: Option<NodeNo>,
    pub(super) opened: u64,
    pub(super) heard: u64,
    /// When the relay said its last word.
    pub(super) closed: Option<u64>,
    /// The relay knows that it is over, or has cut it.
    pub(super) over: bool,
    /// Its node was dropped: nothing goes there any more.
    pub(super) dropped: bool,
    /// What is sent, with the number of the octet that completes it.
    items: VecDeque<(u64, Item)>,
    sent: u64,
    read: u64,
    /// The first of `items` was begun.
    begun: bool,
    /// The request whose data is coming cannot be done, as things stood when it began.
    pub(super) hopeless: bool,
    /// Space was wanting while the request that is answered next came.
    pub(super) starved: bool,
    /// What was read and not answered.
    pub(super) waiting: VecDeque<Item>,
    /// Nothing more is understood.
    pub(super) deaf: bool,
    pub(super) outgoing: VecDeque<Out>,
    /// Written, and not yet a whole frame.
    pub(super) spoken: Vec<u8>,
    /// When something was last written.
    pub(super) written: u64,
    /// The newest message that was sent here, in each lane.
    pub(super) position: BTreeMap<Lane, MessageNo>,
    /// What was decided to be sent here, and when the last of it was written.
    pub(super) sent_here: BTreeMap<MessageNo, Option<u64>>,
    /// The relay was seen to wait for the device to read.
    pub(super) blocked: bool,
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Side { node, opened, heard, closed, sent, read, waiting, outgoing, blocked, .. } = self;
        write!(f, "node {node:?}, opened at {opened}, heard at {heard}, closed {closed:?}, {read} of {sent} octets read, ")?;
        write!(f, "{} requests wait, {} frames to be written, blocked {blocked}", waiting.len(), outgoing.len())
    }
}

impl Side {
    pub(in crate::sim) fn new(speaks: Speaks, stranger: bool, now: u64) -> Side {
        Side {
            stranger,
            speaks,
            node: None,
            opened: now,
            heard: now,
            closed: None,
            over: false,
            dropped: false,
            items: VecDeque::new(),
            sent: 0,
            read: 0,
            begun: false,
            hopeless: false,
            starved: false,
            waiting: VecDeque::new(),
            deaf: false,
            outgoing: VecDeque::new(),
            spoken: Vec::new(),
            written: now,
            position: BTreeMap::new(),
            sent_here: BTreeMap::new(),
            blocked: false,
        }
    }

    /// The device sends so many octets, which mean this when all of them are there.
    pub(in crate::sim) fn note_sent(&mut self, octets: usize, item: Option<Item>) {
        self.sent += octets as u64;
        self.items.extend(item.map(|item| (self.sent, item)));
    }

    /// The header of the frame that is being written, if it is whole.
    pub(super) fn spoken_header(&self) -> Option<&[u8]> {
        let digits = std::str::from_utf8(self.spoken.get(..4)?).ok()?;
        self.spoken.get(4..4 + usize::from_str_radix(digits, 16).ok()?)
    }

    /// The relay has read so many octets more.
    pub(super) fn note_read(&mut self, octets: usize, now: u64) {
        self.read += octets as u64;
        self.heard = now;
        while self.items.front().is_some_and(|(end, _)| *end <= self.read) {
            let item = self.items.pop_front().map(|(_, item)| item);
            self.begun = false;
            if !self.deaf {
                self.waiting.extend(item);
            }
        }
        if let Some((end, Item::Ask { ask, .. })) = self.items.front()
            && !self.begun
            && end - ask.data_len() as u64 <= self.read
        {
            self.begun = true;
            self.waiting.push_back(Item::Begun { ask: ask.clone() });
        }
    }
}
