//! Each message that is put into the log is the model's: to whom, what, in one batch.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::side::Out;
use super::{Checked, Checks, Ending, Item, Known, Moment, Oracle, Sent, Step, Violation, ensure, fail};
use crate::base::Seq;
use crate::limits::CURSOR_AGE_MAX;
use crate::record::{Lane, MessageRecord, Payload, Record, Role};
use crate::relay::Effect;
use crate::sim::model::{MessageNo, NodeNo, Told};
use crate::sim::net::Seen;

/// The records of one request.
#[derive(Default)]
pub(super) struct Batch {
    /// The newest of them.
    pub(super) last: u64,
    pub(super) messages: Vec<Posted>,
    pub(super) ended: bool,
}

/// A message that was put into the log.
pub(super) struct Posted {
    seq: u64,
    urgent: bool,
    to: BTreeSet<NodeNo>,
    held: BTreeSet<NodeNo>,
    header: Value,
    data: Vec<u8>,
    crc: u32,
    len: usize,
}

/// Where a header's id, date and sum would be in a frame. They are the relay's to choose.
const STD: [&str; 3] = ["id", "posted", "headsum"];

impl Checks {
    /// Takes in what the relay did.
    pub(in crate::sim) fn see(&mut self, seen: Seen, moment: Moment) -> Checked {
        self.model.at(moment.wall);
        match seen {
            Seen::Read(wire, octets) => {
                self.settle(moment)?;
                let Some(side) = self.sides.get_mut(&wire) else { return fail(Oracle::Limits, "a connection is read that is not there") };
                side.note_read(octets, moment.now);
                side.starved |= moment.tight;
                self.hear(wire, moment)
            }
            Seen::End(wire) | Seen::WriteFailed(wire) => {
                self.settle(moment)?;
                if let Some(side) = self.sides.get_mut(&wire) {
                    side.over = true;
                }
                self.end(wire, moment);
                Ok(())
            }
            Seen::Dropped(wire) => self.dropped(wire, moment),
            Seen::Decided(Effect::Append { seq, payload, end }) => self.appended(seq.0, &payload, end, moment),
            Seen::Decided(Effect::Send { link, frame, .. }) => {
                let Some(&wire) = self.links.get(&link) else {
                    return fail(Oracle::Privacy, format!("a frame goes to {link}, which nobody has"));
                };
                self.sent(wire, &frame, moment)?;
                let out = Out::Frame { crc: crc32c::crc32c(&frame), len: frame.len(), depends: self.binding };
                self.push(wire, out);
                Ok(())
            }
            Seen::Decided(Effect::Deliver { link, message, again, .. }) => {
                let Some(&wire) = self.links.get(&link) else {
                    return fail(Oracle::Privacy, format!("a message goes to {link}, which nobody has"));
                };
                let early = self.batch.last == 0;
                self.deliveries.push(Sent { wire, message: message.0, again, early });
                self.push(wire, Out::Message { seq: message.0, depends: self.binding });
                Ok(())
            }
            Seen::Decided(Effect::Close { link, .. }) => {
                let Some(&wire) = self.links.get(&link) else { return Ok(()) };
                if let Some(side) = self.sides.get_mut(&wire) {
                    (side.closed, side.deaf) = (Some(moment.now), true);
                }
                self.end(wire, moment);
                Ok(())
            }
            Seen::Decided(Effect::Cut { link }) => {
                let Some(&wire) = self.links.get(&link) else { return Ok(()) };
                self.cut(wire, moment)
            }
            Seen::Decided(Effect::Answer { ticket, answer, .. }) => self.commanded(ticket, &answer, moment),
            Seen::Decided(Effect::Forget { .. }) => Ok(()),
        }
    }

    fn push(&mut self, wire: usize, out: Out) {
        if let Some(side) = self.sides.get_mut(&wire) {
            side.outgoing.push_back(out);
        }
    }

    /// The turn is over: nothing is left that the relay should have said.
    pub(in crate::sim) fn end_turn(&mut self, moment: Moment, durable: u64) -> Checked {
        self.settle(moment)?;
        self.recent.clear();
        self.uncorked.clear();
        ensure(Oracle::Atomicity, self.batch.messages.is_empty() && self.batch.last == 0, || "records belong to no request".into())?;
        let order = |told: &mut Vec<Told>| told.sort_by_key(|told| (told.node, told.user));
        let (mut predicted, mut came) = (std::mem::take(&mut self.model.told), std::mem::take(&mut self.told));
        order(&mut predicted);
        order(&mut came);
        ensure(Oracle::Presence, predicted == came, || format!("presence {came:?} was told, predicted was {predicted:?}"))?;
        self.unwritten.retain(|node, _| !self.model.nodes[*node].dropped);
        if let Some((node, since)) = self.unwritten.iter().find(|(_, since)| moment.now - **since >= CURSOR_AGE_MAX.as_nanos() as u64) {
            ensure(Oracle::Limits, moment.tight, || format!("acks of node {node} have waited for their record since {since}"))?;
        }
        if self.binding <= durable && !self.journal.is_empty() {
            self.journal.clear();
            self.checkpoint = self.model.clone();
        }
        Ok(())
    }

    /// Does what had to wait for the end of a decision.
    pub(in crate::sim) fn settle(&mut self, moment: Moment) -> Checked {
        self.model.at(moment.wall);
        self.finish_registering(moment)?;
        if let Some(node) = self.announcing.take() {
            ensure(Oracle::Answers, moment.tight, || format!("nobody is told of the login of node {node}"))?;
        }
        for user in std::mem::take(&mut self.due) {
            let told = !self.model.is_to_be_told(user);
            ensure(Oracle::Quota, told || moment.tight, || format!("user {user} has missed something and is not told"))?;
        }
        self.check_endings()?;
        self.check_deliveries(moment)
    }

    /// Links end whose node is no more, or whose user is suspended; and no others do.
    fn check_endings(&mut self) -> Checked {
        let is_out = |node: NodeNo| {
            let node = &self.model.nodes[node];
            (node.dropped, self.model.users[node.user].role == Role::Suspended)
        };
        for Ending { wire, node, reason } in std::mem::take(&mut self.endings) {
            let (dropped, suspended) = is_out(node);
            let right = dropped && matches!(reason.as_deref(), None | Some("node dropped"))
                || suspended && reason.as_deref() == Some("account suspended");
            ensure(Oracle::Limits, right, || format!("the link of node {node} ends, reason {reason:?}"))?;
            if let Some(side) = self.sides.get_mut(&wire) {
                side.dropped = self.model.nodes[node].dropped;
            }
        }
        let left = self.online.keys().find(|node| is_out(**node) != (false, false));
        ensure(Oracle::Admission, left.is_none(), || format!("node {left:?} is dropped or suspended, and still here"))
    }

    /// Takes in what needs no answer, until something does.
    pub(super) fn hear(&mut self, wire: usize, moment: Moment) -> Checked {
        loop {
            let Some(side) = self.sides.get_mut(&wire) else { return Ok(()) };
            match side.waiting.front() {
                Some(Item::Nothing) => {}
                Some(Item::Begun { ask }) => side.hopeless = side.node.is_some_and(|node| !self.model.can_do(moment.wall, node, ask)),
                Some(Item::Ack { id }) => {
                    let (id, node) = (*id, side.node);
                    if let (Some(node), Some(known)) = (node, self.known.get(&id).copied()) {
                        self.ack(node, known.message, moment);
                    }
                }
                Some(Item::Greeting | Item::Register { .. } | Item::Login { .. } | Item::Ask { .. } | Item::Last { .. }) | None => {
                    return Ok(());
                }
            }
            let side = self.sides.get_mut(&wire).expect("it was just there");
            let item = side.waiting.pop_front();
            self.requests += u64::from(!matches!(item, Some(Item::Begun { .. })));
        }
    }

    fn ack(&mut self, node: NodeNo, message: MessageNo, moment: Moment) {
        if self.model.ack(node, message) {
            let user = self.model.nodes[node].user;
            if self.model.is_to_be_told(user) {
                self.due.insert(user);
            }
            self.acks.insert((node, message), None);
            self.recent.insert((node, message));
            self.unwritten.entry(node).or_insert(moment.now);
            self.record_step(Step::Ack { node, message }, 0, moment);
        }
    }

    fn appended(&mut self, seq: u64, payload: &[u8], end: bool, moment: Moment) -> Checked {
        ensure(Oracle::Monotony, seq > self.last, || format!("record {seq:x} comes after {:x}", self.last))?;
        ensure(Oracle::Monotony, seq > self.left, || format!("id {seq:x} is given again, or one that is higher was seen"))?;
        self.last = seq;
        let record = Record::decode(payload).map_err(|e| Violation { oracle: Oracle::Replay, what: format!("record {seq:x}: {e}") })?;
        match record {
            Record::Chunk(data) => {
                self.chunks.insert(seq, data.into_owned());
                return Ok(());
            }
            Record::Cursor(cursor) => {
                let node = cursor.node.0 as usize;
                for (_, record) in self.acks.range_mut((node, 0)..(node + 1, 0)).filter(|(_, record)| record.is_none()) {
                    *record = Some(seq);
                }
                self.unwritten.remove(&node);
                return Ok(());
            }
            Record::Message(message) => {
                let posted = self.read_message(seq, message)?;
                self.batch.messages.push(posted);
            }
            Record::User(_)
            | Record::Group(_)
            | Record::Member(_)
            | Record::Backlog(_)
            | Record::Reach(_)
            | Record::Cork(_)
            | Record::Tally(_)
            | Record::Missed(_)
            | Record::Invite(_)
            | Record::Retired(_)
            | Record::Site(_) => {}
        }
        ensure(Oracle::Atomicity, !self.batch.ended, || format!("record {seq:x} is of the same request and of another batch"))?;
        (self.batch.ended, self.batch.last, self.binding) = (end, seq, seq);
        if end { self.take_news(moment) } else { Ok(()) }
    }

    /// Takes in a batch that belongs to no request: the news of a login, or of what was missed.
    fn take_news(&mut self, moment: Moment) -> Checked {
        let from = self.model.messages.len();
        let step = if let Some(node) = self.announcing.take() {
            self.model.announce(node);
            Step::Announce { node }
        } else {
            let [news] = self.batch.messages.as_slice() else { return Ok(()) };
            let user = self.due.iter().copied().find(|user| news.header["from"] == self.model.users[*user].uid);
            let Some(user) = user.filter(|_| news.header["op"] == "missed") else { return Ok(()) };
            let held = news.held.clone();
            self.due.remove(&user);
            self.model.tell_missed(user);
            // It may be told between two acks that were read at once: what is held in between is the relay's to know.
            self.model.hold(&held);
            Step::Missed { user, held }
        };
        let batch = std::mem::take(&mut self.batch);
        self.record_step(step, batch.last, moment);
        self.compare(from, batch.messages)
    }

    fn read_message(&mut self, seq: u64, record: MessageRecord<'_>) -> Checked<Posted> {
        let data = match record.payload {
            Payload::Inline(octets) => octets.into_owned(),
            Payload::Chunks(chunks) => chunks.iter().flat_map(|Seq(chunk)| self.chunks.remove(chunk).unwrap_or_default()).collect(),
        };
        let header: Value = serde_json::from_slice(&record.header[4..])
            .map_err(|e| Violation { oracle: Oracle::Answers, what: format!("message {seq:x} has a header that is no JSON: {e}") })?;
        ensure(Oracle::Answers, header["id"] == format!("{seq:016x}"), || format!("message {seq:x} calls itself {}", header["id"]))?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&record.header), &data);
        let [to, held] = [&record.to, &record.held].map(|nodes| nodes.iter().map(|node| node.0 as usize).collect());
        let len = record.header.len() + data.len();
        Ok(Posted { seq, urgent: record.lane == Lane::Priority, to, held, header, data, crc, len })
    }

    /// The messages from `from` on, which the model has posted, are those that came.
    pub(super) fn compare(&mut self, from: MessageNo, posted: Vec<Posted>) -> Checked {
        let predicted = self.model.messages.len() - from;
        ensure(Oracle::Answers, posted.len() == predicted, || format!("{} messages are posted, predicted were {predicted}", posted.len()))?;
        for (at, posted) in posted.into_iter().enumerate() {
            self.compare_message(from + at, posted)?;
        }
        Ok(())
    }

    fn compare_message(&mut self, no: MessageNo, mut posted: Posted) -> Checked {
        let message = self.model.messages[no].clone();
        let id = posted.seq;
        for extra in posted.to.difference(&message.to) {
            let misses = self.model.users[self.model.nodes[*extra].user].missed.is_some_and(|missed| missed.last >= no);
            ensure(Oracle::Quota, !misses, || format!("message {id:x} {} is for node {extra}, whose queue is full", message.header))?;
        }
        if let Some(lacks) = message.to.difference(&posted.to).next() {
            return fail(Oracle::Delivery, format!("message {id:x} {} is not for node {lacks}", message.header));
        }
        if let Some(extra) = posted.to.difference(&message.to).next() {
            return fail(Oracle::Privacy, format!("message {id:x} {} is for node {extra}", message.header));
        }
        STD.iter().for_each(|key| _ = posted.header.as_object_mut().and_then(|map| map.remove(*key)));
        let mut header = message.header.clone();
        if let Some(node) = header["nodeid"].as_str().and_then(|secret| secret.strip_prefix("secret of ")?.parse::<NodeNo>().ok()) {
            header["nodeid"] = posted.header["nodeid"].clone();
            self.secrets.insert(node, posted.header["nodeid"].as_str().unwrap_or_default().to_owned());
        }
        for key in ["postid", "first", "last"] {
            if let Some(post) = header[key].as_str().and_then(|id| id.strip_prefix("id of ")?.parse::<MessageNo>().ok()) {
                header[key] = json!(self.seqs.get(&post).map(|seq| format!("{seq:016x}")));
            }
        }
        if header["op"] == "missed" {
            ensure(Oracle::Quota, header == posted.header, || format!("user is told {}, predicted was {header}", posted.header))?;
        }
        ensure(Oracle::Answers, header == posted.header, || format!("message {id:x} is {}, predicted was {header}", posted.header))?;
        ensure(Oracle::Answers, message.data == posted.data, || format!("the data of message {id:x} is not what was sent"))?;
        ensure(Oracle::Order, message.is_urgent() == posted.urgent, || format!("message {id:x} is in the wrong lane"))?;
        ensure(Oracle::Cork, message.held == posted.held, || {
            format!("message {id:x} is kept back for {:?}, predicted was {:?}", posted.held, message.held)
        })?;
        self.seqs.insert(no, id);
        self.known.insert(id, Known { message: no, crc: posted.crc, len: posted.len });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::plan::Plan;

    /// The store would stop a relay that gives an id twice before a world saw it, so this check is tried by itself.
    #[test]
    fn ids_that_go_back_are_noticed() {
        let mut checks = Checks::new(&Plan::draw(1));
        let moment = Moment { now: 1, wall: 1, tight: false };
        let append = |seq| Seen::Decided(Effect::Append { seq: Seq(seq), payload: Record::Chunk(b"data".into()).encode(), end: true });
        checks.see(append(5), moment).expect("ids rise");
        for again in [5, 4] {
            assert_eq!(checks.see(append(again), moment).expect_err("they do not").oracle, Oracle::Monotony);
        }
        // What somebody has seen binds after a restart, when the log may have lost it.
        checks.left = 9;
        assert_eq!(checks.see(append(8), moment).expect_err("somebody has seen 9").oracle, Oracle::Monotony);
    }
}
