//! The model of the protocol with what a link adds to it: windows, and the passing of time. Predicts every frame of every link.
//!
//! Time stands still but for [`Predictor::pass`]. A node has one link at most, so what a link gets is kept under its node's number.

use std::collections::BTreeMap;
use std::ops::Deref;

use mnm::relay::Settings;
pub use mnm::sim::ask::{Ask, Part, Speaks};
pub use mnm::sim::model::{Done, Listing, MessageNo, NodeNo, Outcome, Readings, Refusal};
use mnm::sim::model::{Lane, Model, Newcomer, UserNo};
use serde_json::{Value, json};

pub const SECOND: u64 = 1000;
const REDELIVERY: u64 = 30 * SECOND;
const TAKEOVER: u64 = 30 * SECOND;
const IDLE: u64 = 120 * SECOND;

/// A frame that a node's link gets.
#[derive(Clone, Debug)]
pub enum Out {
    /// Just this header, `"ohi"` in any order.
    Plain(Value),
    /// An ack, or the result that comes in its place.
    Ack {
        id: String,
        outcome: Outcome,
    },
    Message(MessageNo),
}

/// A live link in time.
struct Pace {
    heard: u64,
    /// What is on its way and not acked, and since when.
    in_flight: Vec<(MessageNo, u64)>,
}

pub struct Predictor {
    model: Model,
    window: usize,
    now: u64,
    pace: BTreeMap<NodeNo, Pace>,
    /// What was sent since somebody last looked.
    pub sent: BTreeMap<NodeNo, Vec<Out>>,
}

impl Deref for Predictor {
    type Target = Model;

    fn deref(&self) -> &Model {
        &self.model
    }
}

impl Predictor {
    pub fn new(readings: Readings, settings: Settings) -> Predictor {
        let window = settings.window;
        Predictor { model: Model::new(readings, settings), window, now: 0, pace: BTreeMap::new(), sent: BTreeMap::new() }
    }

    /// Registers a user under the uid that the relay chose; false if the alias was refused.
    pub fn register(&mut self, wall: u64, uid: &str, alias: &str, label: &str, speaks: Speaks) -> bool {
        let newcomer = Newcomer { alias: alias.to_owned(), label: label.to_owned(), speaks, code: None, from: None };
        let accepted = self.model.register(wall, uid, &newcomer);
        self.begin(self.model.nodes.len() - 1);
        accepted
    }

    fn begin(&mut self, node: NodeNo) {
        self.pace.insert(node, Pace { heard: self.now, in_flight: Vec::new() });
    }

    /// A node without a live link logs in.
    pub fn login(&mut self, node: NodeNo, speaks: Speaks) {
        let seen: Vec<UserNo> = self.model.login(node, speaks);
        let shown: Vec<&str> = seen.iter().map(|other| self.model.users[*other].uid.as_str()).collect();
        let mut info = json!({ "op": "info", "info": "login ok" });
        if !shown.is_empty() {
            info["ohi"] = json!(shown);
        }
        self.send(node, Out::Plain(json!({ "op": "tmtprev", "id": "1", "name": "mnm", "features": mnm::wire::reply::FEATURES })));
        self.send(node, Out::Plain(info));
        self.begin(node);
        self.model.announce(node);
        self.deliver();
    }

    /// The operator changes a role.
    pub fn command(&mut self, wall: u64, command: &mnm::relay::Command) {
        self.model.command(wall, command);
    }

    /// Whether a node's link was silent for so long that another may log in.
    pub fn half_open(&self, node: NodeNo) -> bool {
        self.pace.get(&node).is_some_and(|pace| self.now - pace.heard >= TAKEOVER)
    }

    /// The end of a link, for whatever reason.
    pub fn end(&mut self, node: NodeNo) {
        self.pace.remove(&node);
        self.model.end(node);
        self.tell();
    }

    pub fn restart(&mut self) {
        self.pace.clear();
        self.model.restart();
    }

    /// Lets time go by, and returns the nodes whose links were silent for too long.
    pub fn pass(&mut self, millis: u64, wall: u64) -> Vec<NodeNo> {
        self.now += millis;
        // Corks may have ended.
        self.model.at(wall);
        self.deliver();
        let now = self.now;
        let ended: Vec<NodeNo> = self.pace.iter().filter(|(_, pace)| now - pace.heard >= IDLE).map(|(node, _)| *node).collect();
        ended.iter().for_each(|node| self.end(*node));
        for (node, pace) in &mut self.pace {
            for (message, since) in &mut pace.in_flight {
                if now - *since >= REDELIVERY {
                    *since = now;
                    self.sent.entry(*node).or_default().push(Out::Message(*message));
                }
            }
        }
        ended
    }

    /// Something came on a node's link.
    pub fn heard(&mut self, node: NodeNo) {
        self.pace.get_mut(&node).expect("it is online").heard = self.now;
    }

    /// An ack of a message; what was not owed stays not owed.
    pub fn ack(&mut self, node: NodeNo, message: MessageNo) {
        self.heard(node);
        self.model.ack(node, message);
        self.pace.get_mut(&node).expect("it is online").in_flight.retain(|(sent, _)| *sent != message);
        let user = self.model.nodes[node].user;
        if self.model.is_to_be_told(user) {
            // What may go goes before the news that something was missed.
            self.deliver();
            self.model.tell_missed(user);
        }
        self.deliver();
    }

    /// A request and its ack.
    pub fn ask(&mut self, wall: u64, node: NodeNo, id: &str, ask: &Ask) {
        self.heard(node);
        let before = self.model.messages.len();
        let outcome = self.model.ask(wall, node, ask);
        let nodes = &self.model.nodes;
        self.pace.retain(|node, _| !nodes[*node].dropped);
        self.tell();
        self.send(node, Out::Ack { id: id.to_owned(), outcome });
        // One after the other, as they were posted.
        (before..self.model.messages.len()).for_each(|newest| self.deliver_up_to(newest));
        self.deliver();
    }

    /// Sends what the windows have room for, `user` messages before all others. What a cork has kept back comes in the order of posting
    /// among the rest, and has a window of its own.
    fn deliver(&mut self) {
        self.deliver_up_to(usize::MAX);
    }

    fn deliver_up_to(&mut self, newest: MessageNo) {
        for (no, pace) in &mut self.pace {
            let model = &self.model;
            let lane_of = |message: &MessageNo| model.lane(*no, *message);
            let mut waiting: Vec<MessageNo> = model.nodes[*no].owed.clone();
            waiting.retain(|message| *message <= newest && !model.is_corked(*no, lane_of(message)));
            waiting.retain(|message| pace.in_flight.iter().all(|(sent, _)| sent != message));
            let (urgent, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|message| lane_of(message) == Lane::Urgent);
            for list in [urgent, others] {
                for message in list {
                    if pace.in_flight.iter().filter(|(sent, _)| lane_of(sent) == lane_of(&message)).count() >= self.window {
                        break;
                    }
                    pace.in_flight.push((message, self.now));
                    self.sent.entry(*no).or_default().push(Out::Message(message));
                }
            }
        }
    }

    /// Presence, to those whom the model names.
    fn tell(&mut self) {
        for told in std::mem::take(&mut self.model.told) {
            let ohi = json!({ "op": "ohi", "from": self.model.users[told.user].uid, "status": told.status });
            self.send(told.node, Out::Plain(ohi));
        }
    }

    fn send(&mut self, node: NodeNo, out: Out) {
        self.sent.entry(node).or_default().push(out);
    }
}
