//! What goes out is what was put there, to those it is for, in order, not again without need, not before it is durable.

use super::side::Out;
use super::{Checked, Checks, Ending, Known, Moment, Oracle, Sent, ensure, fail};
use crate::limits::OUTPUT_MAX;
use crate::sim::model::Lane;

/// Whether what a cork kept back shares the window with what is normal, as the protocol says where it tells of windows. In the relay it
/// does not.
const HELD_SHARES_WINDOW: bool = false;

impl Checks {
    /// Checks the deliveries that were decided, now that the model knows their messages.
    pub(super) fn check_deliveries(&mut self, moment: Moment) -> Checked {
        for sent in std::mem::take(&mut self.deliveries) {
            let seq = sent.message;
            let Some(&Known { message, .. }) = self.known.get(&seq) else { return fail(Oracle::Privacy, format!("nobody posted {seq:x}")) };
            self.check_delivery(message, sent, moment)?;
        }
        Ok(())
    }

    fn check_delivery(&mut self, message: usize, Sent { wire, again, early, .. }: Sent, moment: Moment) -> Checked {
        let Some(side) = self.sides.get(&wire) else { return Ok(()) };
        ensure(Oracle::Privacy, !side.dropped, || format!("message {message} goes to connection {wire}, whose node was dropped"))?;
        // What is decided for a link that ends in the same turn is nobody's business.
        let Some(node) = side.node else {
            return ensure(Oracle::Privacy, side.over || side.deaf, || format!("message {message} goes to nobody"));
        };
        if self.model.nodes[node].dropped {
            return ensure(Oracle::Privacy, early, || format!("message {message} goes to node {node}, which was dropped"));
        }
        let (owes, acked_now) = (self.owes(node, message), self.recent.contains(&(node, message)));
        if again {
            let written = side.sent_here.get(&message).copied().flatten();
            let late = self.timeouts.redelivery.as_nanos() as u64;
            ensure(Oracle::Duplicates, owes || acked_now, || format!("message {message} goes to node {node} again, and was acked"))?;
            return match written {
                Some(at) => ensure(Oracle::Duplicates, moment.now - at >= late, || {
                    format!("message {message} is repeated after {} ns", moment.now - at)
                }),
                None => fail(Oracle::Delivery, format!("message {message} is repeated on connection {wire}, where it never went")),
            };
        }
        ensure(Oracle::Duplicates, !side.sent_here.contains_key(&message), || format!("message {message} goes twice to node {node}"))?;
        if !owes && !acked_now {
            let was_for = self.seqs.contains_key(&message) && self.is_for(node, message);
            let oracle = if was_for { Oracle::Duplicates } else { Oracle::Privacy };
            return fail(oracle, format!("message {message} goes to node {node}, which does not owe an ack for it"));
        }
        let lane = self.model.lane(node, message);
        ensure(Oracle::Cork, early || !self.model.is_corked(node, lane), || {
            format!("message {message} goes to node {node}, which wants it kept back")
        })?;
        let in_lane = |no: usize| self.model.lane(node, no) == lane;
        let owed = &self.model.nodes[node].owed;
        let last = side.position.get(&lane).copied();
        let from = last.map_or(0, |last| owed.partition_point(|no| *no <= last));
        let skipped = owed[from..].iter().take_while(|no| **no < message).find(|no| in_lane(**no));
        // Where no cork keeps anything back, all that is not news of the own account goes in the order of posting; what one sender posts
        // does in any case.
        let sender = |no: usize| &self.model.messages[no].header["from"];
        // A request that ends the cork is answered after what an ack before it, in the same turn, has let go.
        let under_cork = early && self.uncorked.contains(&self.model.nodes[node].user);
        let is_open = !self.model.is_corked(node, Lane::Held) && !under_cork;
        let ahead = |no: &&usize| {
            let waits = **no < message && self.model.lane(node, **no) != Lane::Urgent && !side.sent_here.contains_key(no);
            // What was acked before a crash and is owed again has been there before.
            waits && lane != Lane::Urgent && !self.risen.contains(&(node, **no)) && (is_open || sender(**no) == sender(message))
        };
        let skipped = skipped.or_else(|| owed.iter().find(ahead));
        let in_order = last.is_none_or(|last| last < message) && skipped.is_none();
        ensure(Oracle::Order, in_order, || {
            let show = |no: &usize| format!("{no} ({:x?}: {})", self.seqs.get(no), self.model.messages[*no].header);
            let last = last.as_ref().map(show);
            format!("message {} goes to node {node} after {last:?}, and {:?} was due", show(&message), skipped.map(show))
        })?;
        // News of the own account has a window of its own; so, for the relay, has what a cork kept back.
        let shares = |no: usize| match self.model.lane(node, no) {
            other if HELD_SHARES_WINDOW => (other == Lane::Urgent) == (lane == Lane::Urgent),
            other => other == lane,
        };
        let in_flight = side.sent_here.keys().filter(|no| self.owes(node, **no) && shares(**no)).count();
        ensure(Oracle::Limits, in_flight < self.window, || format!("{in_flight} messages are on their way to node {node}"))?;
        let side = self.sides.get_mut(&wire).expect("it was just there");
        side.position.insert(lane, message);
        side.sent_here.insert(message, None);
        Ok(())
    }

    /// Whether a message was meant for a node when it was posted, or was queued for the node that made it.
    fn is_for(&self, node: usize, message: usize) -> bool {
        self.model.messages[message].to.contains(&node)
            || self.acks.contains_key(&(node, message))
            || self.model.messages[message].to.iter().any(|other| self.model.nodes[*other].user == self.model.nodes[node].user)
    }

    /// Octets were written to a connection.
    pub(in crate::sim) fn wrote(&mut self, wire: usize, octets: &[u8], now: u64, durable: u64) -> Checked {
        let Some(side) = self.sides.get_mut(&wire) else {
            return fail(Oracle::Privacy, format!("connection {wire} is written to, and is not there"));
        };
        side.spoken.extend_from_slice(octets);
        side.written = now;
        while self.wrote_frame(wire, now, durable)? {}
        Ok(())
    }

    /// Takes one frame off what was spoken, if one is whole.
    fn wrote_frame(&mut self, wire: usize, now: u64, durable: u64) -> Checked<bool> {
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        if side.spoken.is_empty() {
            return Ok(false);
        }
        let (crc, len, depends, message) = match side.outgoing.front().copied() {
            None => return fail(Oracle::Duplicates, format!("connection {wire} gets {} octets that nobody decided", side.spoken.len())),
            Some(Out::Frame { crc, len, depends }) => (crc, len, depends, None),
            Some(Out::Message { seq, depends }) => {
                let Known { message, crc, len } = self.known[&seq];
                let gone = side.node.is_none_or(|node| self.model.nodes[node].owed.binary_search(&message).is_err());
                if gone {
                    // It was acked while it waited, for what was said on an earlier link or as a repetition, and may be left out.
                    let Some(header) = side.spoken_header() else { return Ok(false) };
                    let id = format!(r#""id":"{seq:016x}""#);
                    if !header.windows(id.len()).any(|window| window == id.as_bytes()) {
                        side.outgoing.pop_front();
                        return Ok(true);
                    }
                }
                (crc, len, depends, Some((message, seq)))
            }
        };
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        if side.spoken.len() < len {
            return Ok(false);
        }
        let frame: Vec<u8> = side.spoken.drain(..len).collect();
        side.outgoing.pop_front();
        ensure(Oracle::Answers, crc32c::crc32c(&frame) == crc, || {
            format!("connection {wire} gets other octets than were decided: {}", String::from_utf8_lossy(&frame[..len.min(200)]))
        })?;
        ensure(Oracle::Durability, depends <= durable, || {
            format!("a frame leaves that depends on record {depends:x}; the log is durable up to {durable:x}")
        })?;
        if let Some((message, seq)) = message {
            side.sent_here.insert(message, Some(now));
            self.delivered += 1;
            self.left = self.left.max(seq);
        }
        self.left = self.left.max(depends);
        Ok(true)
    }

    /// The relay ends a link without a word: its time must be up.
    pub(super) fn cut(&mut self, wire: usize, moment: Moment) -> Checked {
        let Some(side) = self.sides.get(&wire) else { return Ok(()) };
        let since = |at: u64| u128::from(moment.now - at);
        let late = match (side.closed, side.node) {
            (Some(closed), _) => since(closed) >= self.timeouts.linger.as_nanos(),
            (None, None) => side.over || since(side.opened) >= self.timeouts.login.as_nanos(),
            // The last may be a takeover, which a login follows.
            (None, Some(_)) => since(side.heard) >= self.timeouts.idle.min(self.timeouts.takeover).as_nanos(),
        };
        if let Some(node) = side.node.filter(|_| !late && !side.blocked) {
            // It may have been dropped: that is known when the request is answered.
            self.endings.push(Ending { wire, node, reason: None });
        } else {
            ensure(Oracle::Limits, late || side.blocked, || format!("connection {wire} is cut, and its time was not up: {side:?}"))?;
        }
        let side = self.sides.get_mut(&wire).expect("it was just there");
        (side.over, side.deaf) = (true, true);
        self.end(wire, moment);
        Ok(())
    }

    /// The relay has let go of a connection.
    pub(super) fn dropped(&mut self, wire: usize, moment: Moment) -> Checked {
        self.end(wire, moment);
        let Some(side) = self.sides.remove(&wire) else { return Ok(()) };
        self.links.retain(|_, of| *of != wire);
        // Others' news may have piled up.
        let weight: usize = side.outgoing.iter().map(|out| if let Out::Frame { len, .. } = out { len + 64 } else { 0 }).sum();
        let right = side.over || side.closed.is_some() || weight > OUTPUT_MAX / 2;
        ensure(Oracle::Limits, right, || format!("connection {wire} ends without a reason: {side:?}"))
    }
}
