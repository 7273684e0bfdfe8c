//! The oracles: whatever the relay does is held against the model, as it happens.
//!
//! [`Checks`] follows what the relay read, decided and wrote, in that order. It knows which requests the octets of a connection
//! stand for, since the devices tell it; so it needs no parser of its own and believes none. What each file holds:
//!
//! - `decisions`: each message that is put into the log is the model's: to whom, what, in one batch
//! - `answers`: and so is each answer, in the protocol's words where it has some
//! - `operator`: and what the operator is told
//! - `deliveries`: what goes out is what was put there, to those it is for, in order, not again without need, not before it is durable
//! - `restart`: what a crash left is a prefix of what was decided, with everything in it that anybody was told
//! - `facts`: users, groups and the rest are the model's
//! - `quiet`: bounds that hold at any time; and when nothing moves any more: nothing is owed, nothing is kept, presence is right

mod answers;
mod decisions;
mod deliveries;
mod facts;
mod operator;
mod quiet;
mod restart;
mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

pub(super) use self::side::{Item, Side};

use self::answers::Registering;
use self::decisions::Batch;
use super::ask::{Ask, Speaks};
use super::model::{MessageNo, Model, Nanos, Newcomer, NodeNo, Readings, Told, UserNo};
use super::plan::Plan;
use crate::base::LinkId;
use crate::relay::{Command, Timeouts};

/// What is checked, one name for each promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Oracle {
    /// Every answer is the one that the protocol gives.
    Answers,
    /// Every message that was acked to its sender reaches each of its nodes that keeps coming.
    Delivery,
    /// Nothing reaches anybody else.
    Privacy,
    /// Messages come in the order of their ids, and none is left out.
    Order,
    /// A message comes again only if its ack may have been lost.
    Duplicates,
    /// Nothing leaves before it is durable.
    Durability,
    /// One request, one batch.
    Atomicity,
    /// The facts of the log are the facts in memory.
    Replay,
    /// Ids and cursors never go back.
    Monotony,
    /// Storage returns to its floor when all is acked, and never takes more than its share.
    Storage,
    /// Presence is the set of those who are here.
    Presence,
    /// Users and groups, and what is kept of them, are the model's.
    Groups,
    /// Who may register does, as often as a code says; who was dropped or suspended comes no more.
    Admission,
    /// Nothing passes a cork, and all that it kept back comes when it ends.
    Cork,
    /// A full queue does not grow, and what is missed for that is told.
    Quota,
    /// Every limit holds, and no link ends without a reason.
    Limits,
    /// When faults stop, everything comes to rest.
    Liveness,
    /// The relay starts from whatever a crash leaves.
    Start,
    /// Nothing panics.
    Panic,
}

/// An oracle says no.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub oracle: Oracle,
    /// Why.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.oracle, self.what)
    }
}

pub(super) type Checked<T = ()> = Result<T, Violation>;

/// Fails an oracle unless the condition holds.
fn ensure(oracle: Oracle, holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation { oracle, what: what() }) }
}

fn fail<T>(oracle: Oracle, what: impl Into<String>) -> Checked<T> {
    Err(Violation { oracle, what: what.into() })
}

/// A message that is in the log.
#[derive(Clone, Copy, Debug)]
struct Known {
    message: MessageNo,
    /// Of the frame that recipients get.
    crc: u32,
    len: usize,
}

/// The end of a node's link.
#[derive(Clone, Debug)]
struct Ending {
    wire: usize,
    node: NodeNo,
    /// As it was told.
    reason: Option<String>,
}

/// A delivery that was decided.
#[derive(Clone, Copy, Debug)]
struct Sent {
    wire: usize,
    message: u64,
    /// It went there before.
    again: bool,
    /// Before the request that is answered next changed anything.
    early: bool,
}

/// What changed the model, to be done again from the last checkpoint after a crash.
#[derive(Clone, Debug)]
enum Step {
    Register {
        uid: String,
        newcomer: Newcomer,
    },
    WrongCode,
    Login {
        node: NodeNo,
        speaks: Speaks,
    },
    Announce {
        node: NodeNo,
    },
    /// With the code that was made, if one was.
    Ask {
        node: NodeNo,
        ask: Rc<Ask>,
        code: Option<String>,
    },
    Command {
        command: Command,
        code: Option<String>,
    },
    Ack {
        node: NodeNo,
        message: MessageNo,
    },
    /// A user was told what was missed; the message is kept back from these.
    Missed {
        user: UserNo,
        held: BTreeSet<NodeNo>,
    },
    End {
        node: NodeNo,
    },
}

/// One of them, when it was, and the record that makes it durable.
#[derive(Clone, Debug)]
struct Past {
    step: Step,
    wall: Nanos,
    seq: u64,
}

/// The moment's circumstances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: u64,
    /// What the clock shows that may jump.
    pub(super) wall: Nanos,
    /// The disk has little space or no descriptors, or had a short while ago: requests may be refused for that.
    pub(super) tight: bool,
}

/// See the [module](self).
pub(super) struct Checks {
    pub(super) model: Model,
    /// The model as of `journal`'s beginning, when everything was durable.
    checkpoint: Model,
    journal: Vec<Past>,
    timeouts: Timeouts,
    window: usize,
    pub(super) sides: BTreeMap<usize, Side>,
    links: BTreeMap<LinkId, usize>,
    /// On which connection a node is.
    online: BTreeMap<NodeNo, usize>,
    known: BTreeMap<u64, Known>,
    seqs: BTreeMap<MessageNo, u64>,
    chunks: BTreeMap<u64, Vec<u8>>,
    /// Acks that were read, and the record that makes each durable, as soon as there is one.
    acks: BTreeMap<(NodeNo, MessageNo), Option<u64>>,
    /// Since when a node has acks without a record.
    unwritten: BTreeMap<NodeNo, u64>,
    /// Acks of this turn.
    recent: BTreeSet<(NodeNo, MessageNo)>,
    /// Users who have ended their cork in this turn: what was decided before may have been decided under it.
    uncorked: BTreeSet<usize>,
    batch: Batch,
    /// A login's news should come next.
    announcing: Option<NodeNo>,
    /// Who has just registered: more of the same batch may come.
    registering: Option<Registering>,
    /// Users who should be told now what they have missed.
    due: BTreeSet<UserNo>,
    /// What the operator has just asked for.
    command: Option<(u64, Command)>,
    /// Records on which answers to the operator depend.
    tickets: BTreeMap<u64, u64>,
    /// Nodes that were here when they were kicked.
    kicked: Vec<NodeNo>,
    /// Links of nodes that have ended in this decision.
    endings: Vec<Ending>,
    /// How it is told that something is unknown, with a star for its name; by what was asked.
    unknown: BTreeMap<(&'static str, &'static str), String>,
    /// Deliveries of which the model does not know the message yet.
    deliveries: Vec<Sent>,
    told: Vec<Told>,
    /// The newest record that binds.
    binding: u64,
    /// Messages that a node had acked, and owes again since a crash.
    risen: BTreeSet<(NodeNo, MessageNo)>,
    /// The newest record.
    last: u64,
    /// The newest record on which anything that left depends.
    left: u64,
    pub(super) secrets: BTreeMap<NodeNo, String>,
    /// Requests that were read.
    pub(super) requests: u64,
    /// Messages that went out, repetitions too.
    pub(super) delivered: u64,
    /// Requests that were refused for want of space.
    pub(super) refused: u64,
}

impl Checks {
    pub(super) fn new(plan: &Plan) -> Checks {
        let model = Model::new(Readings::OURS, plan.settings());
        Checks {
            checkpoint: model.clone(),
            model,
            journal: Vec::new(),
            timeouts: plan.settings().timeouts,
            window: plan.window,
            sides: BTreeMap::new(),
            links: BTreeMap::new(),
            online: BTreeMap::new(),
            known: BTreeMap::new(),
            seqs: BTreeMap::new(),
            chunks: BTreeMap::new(),
            acks: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            recent: BTreeSet::new(),
            uncorked: BTreeSet::new(),
            batch: Batch::default(),
            announcing: None,
            registering: None,
            due: BTreeSet::new(),
            command: None,
            tickets: BTreeMap::new(),
            kicked: Vec::new(),
            endings: Vec::new(),
            unknown: BTreeMap::new(),
            deliveries: Vec::new(),
            told: Vec::new(),
            binding: 0,
            risen: BTreeSet::new(),
            last: 0,
            left: 0,
            secrets: BTreeMap::new(),
            requests: 0,
            delivered: 0,
            refused: 0,
        }
    }

    /// A connection that the relay takes in.
    pub(super) fn opened(&mut self, wire: usize, link: LinkId, side: Side) {
        self.links.insert(link, wire);
        self.sides.insert(wire, side);
    }

    /// Whether a node still owes an ack.
    fn owes(&self, node: NodeNo, message: MessageNo) -> bool {
        self.model.nodes[node].owed.binary_search(&message).is_ok()
    }

    /// The model has changed; the record makes that durable, if it is not zero.
    fn record_step(&mut self, step: Step, seq: u64, moment: Moment) {
        self.journal.push(Past { step, wall: moment.wall, seq });
    }

    /// Whoever was on a connection is here no longer.
    fn end(&mut self, wire: usize, moment: Moment) {
        let Some(side) = self.sides.get_mut(&wire) else { return };
        let Some(node) = side.node.take() else { return };
        if self.online.get(&node) == Some(&wire) {
            self.online.remove(&node);
            self.model.end(node);
            self.record_step(Step::End { node }, 0, moment);
        }
    }
}
