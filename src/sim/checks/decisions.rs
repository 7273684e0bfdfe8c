//! Each answer is the model's, and so is each message that is put into the log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::side::Out;
use super::{Checked, Checks, Item, Known, Moment, Oracle, Step, Violation, ensure, fail};
use crate::base::Seq;
use crate::limits::CURSOR_AGE_MAX;
use crate::record::{Lane, MessageRecord, Payload, Record};
use crate::relay::Effect;
use crate::sim::ask::Ask;
use crate::sim::model::{MessageNo, NodeNo, Told};
use crate::sim::net::Seen;

/// What a disk without space makes of a request.
const STORAGE_FULL: &str = "storage full, try again later";

/// The records of one request.
#[derive(Default)]
pub(super) struct Batch {
    /// The newest of them.
    pub(super) last: u64,
    messages: Vec<Posted>,
    ended: bool,
}

/// A message that was put into the log.
struct Posted {
    seq: u64,
    urgent: bool,
    to: BTreeSet<NodeNo>,
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
        match seen {
            Seen::Read(wire, octets) => {
                self.settle(moment)?;
                let Some(side) = self.sides.get_mut(&wire) else { return fail(Oracle::Limits, "a connection is read that is not there") };
                side.note_read(octets, moment.now);
                side.starved |= moment.tight;
                self.hear(wire, moment)
            }
            Seen::End(wire) | Seen::WriteFailed(wire) => {
                if let Some(side) = self.sides.get_mut(&wire) {
                    side.over = true;
                }
                self.end(wire);
                Ok(())
            }
            Seen::Dropped(wire) => self.dropped(wire),
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
                self.deliveries.push((wire, message.0, again));
                self.push(wire, Out::Message { seq: message.0, depends: self.binding });
                Ok(())
            }
            Seen::Decided(Effect::Close { link, .. }) => {
                let Some(&wire) = self.links.get(&link) else { return Ok(()) };
                if let Some(side) = self.sides.get_mut(&wire) {
                    (side.closed, side.deaf) = (Some(moment.now), true);
                }
                self.end(wire);
                Ok(())
            }
            Seen::Decided(Effect::Cut { link }) => {
                let Some(&wire) = self.links.get(&link) else { return Ok(()) };
                self.cut(wire, moment)
            }
            Seen::Decided(Effect::Answer { .. } | Effect::Forget { .. }) => Ok(()),
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
        ensure(Oracle::Atomicity, self.batch.messages.is_empty() && self.batch.last == 0, || "records belong to no request".into())?;
        let order = |told: &mut Vec<Told>| told.sort_by_key(|told| (told.node, told.user));
        let (mut predicted, mut came) = (std::mem::take(&mut self.model.told), std::mem::take(&mut self.told));
        order(&mut predicted);
        order(&mut came);
        ensure(Oracle::Presence, predicted == came, || format!("presence {came:?} was told, predicted was {predicted:?}"))?;
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
        if let Some(node) = self.announcing.take() {
            ensure(Oracle::Answers, moment.tight, || format!("nobody is told of the login of node {node}"))?;
        }
        self.check_deliveries(moment)
    }

    /// Takes in what needs no answer, until something does.
    fn hear(&mut self, wire: usize, moment: Moment) -> Checked {
        loop {
            let Some(side) = self.sides.get_mut(&wire) else { return Ok(()) };
            match side.waiting.front() {
                Some(Item::Nothing) => {}
                Some(Item::Begun { ask }) => side.hopeless = side.node.is_some_and(|node| self.model.foresee(node, ask).is_err()),
                Some(Item::Ack { id }) => {
                    let (id, node) = (*id, side.node);
                    if let (Some(node), Some(known)) = (node, self.known.get(&id).copied()) {
                        self.ack(node, known.message, moment.now);
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

    fn ack(&mut self, node: NodeNo, message: MessageNo, now: u64) {
        if self.model.ack(node, message) {
            self.acks.insert((node, message), None);
            self.recent.insert((node, message));
            self.unwritten.entry(node).or_insert(now);
            self.record_step(Step::Ack { node, message });
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
                if let Some(node) = self.announcing.take() {
                    let from = self.model.messages.len();
                    self.model.announce(node);
                    self.binding = seq;
                    self.record_step(Step::Announce { node });
                    ensure(Oracle::Atomicity, end, || "the news of a login is a batch".into())?;
                    return self.compare(from, vec![posted]);
                }
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
        ensure(Oracle::Answers, self.announcing.is_none(), || format!("a login posts nothing at {}", moment.now))?;
        ensure(Oracle::Atomicity, !self.batch.ended, || format!("record {seq:x} is of the same request and of another batch"))?;
        (self.batch.ended, self.batch.last, self.binding) = (end, seq, seq);
        Ok(())
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
        let to = record.to.iter().map(|node| node.0 as usize).collect();
        let len = record.header.len() + data.len();
        Ok(Posted { seq, urgent: record.lane == Lane::Priority, to, header, data, crc, len })
    }

    /// The messages from `from` on, which the model has posted, are those that came.
    fn compare(&mut self, from: MessageNo, posted: Vec<Posted>) -> Checked {
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
        if let Some(post) = header["postid"].as_str().and_then(|id| id.strip_prefix("id of ")?.parse::<MessageNo>().ok()) {
            header["postid"] = json!(self.seqs.get(&post).map(|seq| format!("{seq:016x}")));
        }
        ensure(Oracle::Answers, header == posted.header, || format!("message {id:x} is {}, predicted was {header}", posted.header))?;
        ensure(Oracle::Answers, message.data == posted.data, || format!("the data of message {id:x} is not what was sent"))?;
        ensure(Oracle::Order, message.is_urgent() == posted.urgent, || format!("message {id:x} is in the wrong lane"))?;
        self.seqs.insert(no, id);
        self.known.insert(id, Known { message: no, crc: posted.crc, len: posted.len });
        Ok(())
    }

    /// A frame that is no message goes to a connection.
    fn sent(&mut self, wire: usize, frame: &[u8], moment: Moment) -> Checked {
        let header: Value = serde_json::from_slice(&frame[4..])
            .map_err(|e| Violation { oracle: Oracle::Answers, what: format!("a frame's header is no JSON: {e}") })?;
        let op = header["op"].as_str().unwrap_or_default();
        let Some(side) = self.sides.get_mut(&wire) else { return Ok(()) };
        if side.stranger {
            return ensure(Oracle::Privacy, matches!(op, "tmtprev" | "quit"), || format!("a stranger gets {header}"));
        }
        let unasked = |what: &str| fail(Oracle::Answers, format!("connection {wire} gets {header} {what}"));
        match (op, side.waiting.front().cloned()) {
            ("ohi", _) => return self.tell(wire, &header),
            ("tmtprev", Some(Item::Greeting)) => {}
            ("registered", Some(Item::Register { alias, label })) => return self.registered(wire, &header, alias, label),
            // After `registered`, as the end of a registration.
            ("info", Some(Item::Register { .. })) if side.node.is_some() => self.check_info(wire, &header)?,
            ("info", Some(Item::Login { node })) => return self.logged_in(wire, node, &header, moment),
            ("ack", Some(Item::Ask { id, ask })) if header["id"] == *id => self.answered(wire, &ask, &header, moment)?,
            ("quit", item) => return self.quit(wire, &header, item, moment),
            (_, item) => return unasked(&format!("where {item:?} waits")),
        }
        self.done(wire, moment)
    }

    /// The first that waited is answered.
    fn done(&mut self, wire: usize, moment: Moment) -> Checked {
        self.batch = Batch::default();
        self.check_deliveries(moment)?;
        if let Some(side) = self.sides.get_mut(&wire) {
            side.waiting.pop_front();
            (side.starved, side.hopeless) = (false, false);
            self.requests += 1;
        }
        self.hear(wire, moment)
    }

    fn tell(&mut self, wire: usize, header: &Value) -> Checked {
        let user = self.model.users.iter().position(|user| header["from"] == user.uid);
        // Who has just left may still be written to.
        let node = self.sides.get(&wire).and_then(|side| side.node);
        let (Some(user), Some(node)) = (user, node) else {
            return fail(Oracle::Privacy, format!("connection {wire} without a member gets {header}"));
        };
        self.told.push(Told { node, user, status: header["status"].as_u64().unwrap_or(0) as u8 });
        Ok(())
    }

    fn registered(&mut self, wire: usize, header: &Value, alias: String, label: String) -> Checked {
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        let speaks = side.speaks;
        let uid = header["uid"].as_str().unwrap_or_default().to_owned();
        let accepted = self.model.register(&uid, &alias, &label, speaks);
        ensure(Oracle::Answers, accepted == header.get("error").is_none(), || format!("alias {alias} is answered with {header}"))?;
        let node = self.model.nodes.len() - 1;
        side.node = Some(node);
        self.online.insert(node, wire);
        self.secrets.insert(node, header["nodeid"].as_str().unwrap_or_default().to_owned());
        self.record_step(Step::Register { uid, alias, label, speaks });
        Ok(())
    }

    fn logged_in(&mut self, wire: usize, node: NodeNo, header: &Value, moment: Moment) -> Checked {
        ensure(Oracle::Answers, !self.online.contains_key(&node), || format!("node {node} logs in twice"))?;
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        side.node = Some(node);
        let speaks = side.speaks;
        self.online.insert(node, wire);
        self.model.login(node, speaks);
        self.record_step(Step::Login { node, speaks });
        self.check_info(wire, header)?;
        self.done(wire, moment)?;
        self.announcing = Some(node);
        Ok(())
    }

    fn check_info(&mut self, wire: usize, header: &Value) -> Checked {
        let node = self.sides[&wire].node.expect("the caller has looked");
        let seen = self.model.seen_by(self.model.nodes[node].user);
        let predicted: BTreeSet<&str> = seen.iter().map(|user| self.model.users[*user].uid.as_str()).collect();
        let came: BTreeSet<&str> = header["ohi"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        ensure(Oracle::Presence, predicted == came, || format!("node {node} is told that {came:?} are here, predicted were {predicted:?}"))
    }

    fn answered(&mut self, wire: usize, ask: &std::rc::Rc<Ask>, header: &Value, moment: Moment) -> Checked {
        let Some(node) = self.sides[&wire].node else { return fail(Oracle::Answers, format!("nobody is logged in and gets {header}")) };
        if header["error"] == STORAGE_FULL {
            self.refused += 1;
            let excused = moment.tight || self.sides.get(&wire).is_some_and(|side| side.starved);
            ensure(Oracle::Limits, excused, || format!("{ask:?} is refused for want of space, and there is some"))?;
            return ensure(Oracle::Atomicity, self.batch.last == 0, || format!("{ask:?} is refused, and yet something is done"));
        }
        let error = header.get("error").and_then(Value::as_str);
        // What was refused when it began stays refused.
        if self.sides.get_mut(&wire).is_some_and(|side| std::mem::take(&mut side.hopeless)) && error.is_some() {
            return ensure(Oracle::Atomicity, self.batch.last == 0, || format!("{ask:?} is refused, and yet something is done"));
        }
        let from = self.model.messages.len();
        let outcome = self.model.ask(node, ask);
        let batch = std::mem::take(&mut self.batch);
        ensure(Oracle::Atomicity, batch.ended || batch.last == 0, || format!("the batch of {ask:?} has no end"))?;
        self.compare(from, batch.messages).map_err(|violation| Violation {
            what: format!("node {node} asks {ask:?}, predicted {outcome:?}, answered {header}: {}", violation.what),
            ..violation
        })?;
        self.batch.last = batch.last;
        self.record_step(Step::Ask { node, ask: ask.clone() });
        let wrong = || format!("node {node} asks {ask:?}: predicted {outcome:?}, answered {header}");
        match outcome {
            Err(words) => ensure(Oracle::Answers, error.is_some_and(|error| words.is_empty() || error == words), wrong),
            Ok(None) => ensure(Oracle::Answers, error.is_none() && header.get("msgid").is_none(), wrong),
            Ok(Some(message)) => {
                let id = self.seqs.get(&message).map(|seq| json!(format!("{seq:016x}")));
                ensure(Oracle::Answers, error.is_none() && header.get("msgid") == id.as_ref() && header["posted"].is_string(), wrong)
            }
        }
    }

    fn quit(&mut self, wire: usize, header: &Value, item: Option<Item>, moment: Moment) -> Checked {
        let reason = header["error"].as_str().unwrap_or_default();
        let right = match &item {
            Some(Item::Last { reason: predicted }) => reason == *predicted,
            Some(Item::Login { node }) => {
                let heard = self.online.get(node).and_then(|wire| self.sides.get(wire)).map(|side| side.heard);
                let lives = heard.is_some_and(|heard| moment.now - heard < self.timeouts.takeover.as_nanos() as u64);
                reason == "node already connected" && lives
            }
            Some(Item::Register { .. }) => reason == "register failure" && moment.tight,
            Some(Item::Greeting | Item::Nothing | Item::Ack { .. } | Item::Ask { .. } | Item::Begun { .. }) | None => false,
        };
        ensure(Oracle::Answers, right, || format!("connection {wire} ends with {reason:?} where {item:?} waits"))?;
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        side.deaf = true;
        side.waiting.clear();
        self.requests += 1;
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
        let moment = Moment { now: 1, tight: false };
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
