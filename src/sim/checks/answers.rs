//! Each answer is the model's, in the protocol's words where it has some.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};

use super::decisions::Batch;
use super::{Checked, Checks, Ending, Item, Moment, Oracle, Step, Violation, ensure, fail};
use crate::base::Wall;
use crate::record::Role;
use crate::sim::ask::Ask;
use crate::sim::model::{Done, Lane, Listing, MessageNo, Newcomer, NodeNo, RECEIVES_ONLY, Refusal, Told};

/// What a disk without space makes of a request.
pub(super) const STORAGE_FULL: &str = "storage full, try again later";

/// Somebody who has just registered.
pub(super) struct Registering {
    from: MessageNo,
    step: Step,
}

impl Checks {
    /// A frame that is no message goes to a connection.
    pub(super) fn sent(&mut self, wire: usize, frame: &[u8], moment: Moment) -> Checked {
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
            ("registered", Some(Item::Register { newcomer })) => return self.registered(wire, &header, newcomer, moment),
            // After `registered`, as the end of a registration.
            ("info", Some(Item::Register { .. })) if side.node.is_some() => self.check_info(wire, &header)?,
            ("info", Some(Item::Login { node })) => return self.logged_in(wire, node, &header, moment),
            ("ack" | "result", Some(Item::Ask { id, ask })) if header["id"] == *id => self.answered(wire, &ask, &header, moment)?,
            ("quit", item) => return self.quit(wire, &header, item, moment),
            // An account that may receive only is told so before anything is looked at.
            ("ack", Some(Item::Last { .. })) if header["error"] == RECEIVES_ONLY && self.may_only_receive(wire) => {}
            // So is who sends data for which there is no space, whatever it would have been.
            ("ack", Some(Item::Last { .. })) if header["error"] == STORAGE_FULL && moment.tight => {}
            (_, item) => return unasked(&format!("where {item:?} waits")),
        }
        self.done(wire, moment)
    }

    fn may_only_receive(&self, wire: usize) -> bool {
        let node = self.sides.get(&wire).and_then(|side| side.node);
        node.is_some_and(|node| self.model.users[self.model.nodes[node].user].role == Role::Receive)
    }

    /// The first that waited is answered.
    fn done(&mut self, wire: usize, moment: Moment) -> Checked {
        if self.registering.is_none() {
            self.batch = Batch::default();
            self.check_deliveries(moment)?;
        }
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

    fn registered(&mut self, wire: usize, header: &Value, newcomer: Newcomer, moment: Moment) -> Checked {
        if let Err(reason) = self.model.knock(moment.wall, moment.now, &newcomer) {
            return fail(Oracle::Admission, format!("{newcomer:?} registers, predicted was {reason}"));
        }
        let from = self.model.messages.len();
        let uid = header["uid"].as_str().unwrap_or_default().to_owned();
        let all_well = self.model.register(moment.wall, &uid, &newcomer);
        ensure(Oracle::Answers, all_well == header.get("error").is_none(), || format!("{newcomer:?} is answered with {header}"))?;
        let node = self.model.nodes.len() - 1;
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        side.node = Some(node);
        self.online.insert(node, wire);
        self.secrets.insert(node, header["nodeid"].as_str().unwrap_or_default().to_owned());
        self.registering = Some(Registering { from, step: Step::Register { uid, newcomer } });
        Ok(())
    }

    /// All that comes with a registration has come.
    pub(super) fn finish_registering(&mut self, moment: Moment) -> Checked {
        let Some(Registering { from, step }) = self.registering.take() else { return Ok(()) };
        let batch = std::mem::take(&mut self.batch);
        ensure(Oracle::Atomicity, batch.ended, || "the batch of a registration has no end".into())?;
        self.record_step(step, batch.last, moment);
        self.compare(from, batch.messages)
    }

    fn logged_in(&mut self, wire: usize, node: NodeNo, header: &Value, moment: Moment) -> Checked {
        ensure(Oracle::Answers, !self.online.contains_key(&node), || format!("node {node} logs in twice"))?;
        let may = !self.model.nodes[node].dropped && self.model.users[self.model.nodes[node].user].role != Role::Suspended;
        ensure(Oracle::Admission, may, || format!("node {node} logs in, and was dropped or is suspended"))?;
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        side.node = Some(node);
        let speaks = side.speaks;
        self.online.insert(node, wire);
        self.model.login(node, speaks);
        self.record_step(Step::Login { node, speaks }, 0, moment);
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

    fn answered(&mut self, wire: usize, ask: &Rc<Ask>, header: &Value, moment: Moment) -> Checked {
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
        let was_corked = self.model.is_corked(node, Lane::Held);
        let outcome = self.model.ask(moment.wall, node, ask);
        if was_corked && !self.model.is_corked(node, Lane::Held) {
            self.uncorked.insert(self.model.nodes[node].user);
        }
        let batch = std::mem::take(&mut self.batch);
        ensure(Oracle::Atomicity, batch.ended || batch.last == 0, || format!("the batch of {ask:?} has no end"))?;
        self.compare(from, batch.messages).map_err(|violation| Violation {
            oracle: if outcome == Err(Refusal::Full) { Oracle::Quota } else { violation.oracle },
            what: format!("node {node} asks {ask:?}, predicted {outcome:?}, answered {header}: {}", violation.what),
        })?;
        let code = header["list"][0]["code"].as_str().filter(|_| matches!(**ask, Ask::Code { .. })).map(str::to_owned);
        if let Some(code) = code.as_ref().filter(|_| outcome.is_ok()) {
            self.model.name_code(code);
        }
        self.record_step(Step::Ask { node, ask: ask.clone(), code }, batch.last, moment);
        let wrong = || format!("node {node} asks {ask:?}: predicted {outcome:?}, answered {header}");
        match &outcome {
            Err(refusal) => {
                // A failed ping is counted, whoever it was for: or the time that it takes would tell what the words do not.
                let counts = matches!((&**ask, refusal), (Ask::Ping { .. } | Ask::Invite { .. }, Refusal::Unknown(..)));
                ensure(Oracle::Atomicity, counts == (batch.last > 0), || format!("a record tells of it: {}; {}", !counts, wrong()))?;
                let oracle = if matches!(refusal, Refusal::Unknown(..)) { Oracle::Privacy } else { Oracle::Answers };
                ensure(oracle, error.is_some_and(|error| self.says(ask, refusal, error)), wrong)
            }
            Ok(Done { result: Some(listing), .. }) => {
                ensure(Oracle::Answers, header["op"] == "result" && self.is_listing(header, listing), wrong)
            }
            Ok(Done { message, full, .. }) => {
                let id = message.map(|message| json!(self.seqs.get(&message).map(|seq| format!("{seq:016x}"))));
                let right = header["op"] == "ack" && error.is_none() && header.get("msgid") == id.as_ref();
                ensure(Oracle::Answers, right && (id.is_none() || header["posted"].is_string()), wrong)?;
                ensure(Oracle::Quota, names_who_misses_it(header, full), wrong)
            }
        }
    }

    /// Whether an error is in the words that it should be in.
    fn says(&mut self, ask: &Ask, refusal: &Refusal, error: &str) -> bool {
        match refusal {
            Refusal::Any => true,
            Refusal::Words(words) => error == words,
            Refusal::Until(words) => error.strip_prefix(words.as_str()).is_some_and(|time| Wall::parse_rfc3339(time).is_some()),
            Refusal::Full => error.contains("the queue of ") && error.ends_with(" is full, try again later"),
            Refusal::Unknown(what, name) => {
                let words = error.replace(name.as_str(), "*");
                let known = self.unknown.entry((kind(ask), what)).or_insert_with(|| words.clone());
                *known == words
            }
        }
    }

    /// Whether a result has these entries, besides what only the relay can know.
    fn is_listing(&self, header: &Value, listing: &Listing) -> bool {
        let Some(list) = header["list"].as_array() else { return false };
        let mut came = list.clone();
        for entry in &mut came {
            let Some(entry) = entry.as_object_mut() else { return false };
            let times = ["made", "seen", "oldest"].into_iter().all(|key| entry.remove(key).is_none_or(|time| time.is_string()));
            if !times || entry.remove("code").is_some() != (listing.what == "invite") {
                return false;
            }
        }
        let mut predicted = listing.entries.clone();
        for entries in [&mut came, &mut predicted] {
            if listing.what == "aliases" {
                *entries = self.model.in_order(entries, |entry| entry["alias"].as_str().unwrap_or_default());
            } else if !listing.ordered {
                entries.sort_by_key(Value::to_string);
            }
        }
        header["what"] == listing.what && header.get("cursor").is_none() && came == predicted
    }

    fn quit(&mut self, wire: usize, header: &Value, item: Option<Item>, moment: Moment) -> Checked {
        let reason = header["error"].as_str().unwrap_or_default();
        let node = self.sides[&wire].node;
        let right = match &item {
            _ if node.is_some() && matches!(reason, "node dropped" | "account suspended") => {
                self.endings.extend(node.map(|node| Ending { wire, node, reason: Some(reason.to_owned()) }));
                true
            }
            Some(Item::Last { reason: predicted }) => reason == *predicted,
            Some(Item::Login { node }) if self.model.nodes[*node].dropped => reason == "login failed",
            Some(Item::Login { node }) if self.model.users[self.model.nodes[*node].user].role == Role::Suspended => {
                reason == "account suspended"
            }
            Some(Item::Login { node }) => {
                let heard = self.online.get(node).and_then(|wire| self.sides.get(wire)).map(|side| side.heard);
                let lives = heard.is_some_and(|heard| moment.now - heard < self.timeouts.takeover.as_nanos() as u64);
                reason == "node already connected" && lives
            }
            Some(Item::Register { .. }) if reason == "register failure" => moment.tight,
            Some(Item::Register { newcomer }) => return self.turned_away(wire, newcomer, reason, moment),
            Some(Item::Greeting | Item::Nothing | Item::Ack { .. } | Item::Ask { .. } | Item::Begun { .. }) | None => false,
        };
        ensure(Oracle::Answers, right, || format!("connection {wire} ends with {reason:?} where {item:?} waits"))?;
        self.silence(wire);
        Ok(())
    }

    /// Somebody may not register.
    fn turned_away(&mut self, wire: usize, newcomer: &Newcomer, reason: &str, moment: Moment) -> Checked {
        let wrong_codes = self.model.site.wrong_codes;
        let predicted = self.model.knock(moment.wall, moment.now, newcomer);
        ensure(Oracle::Admission, predicted == Err(reason), || format!("{newcomer:?} is refused, {reason}; predicted was {predicted:?}"))?;
        let batch = std::mem::take(&mut self.batch);
        let counted = self.model.site.wrong_codes > wrong_codes;
        // Or the time that it takes would tell a wrong code from a right one.
        ensure(Oracle::Admission, (batch.last > 0) == counted, || format!("{newcomer:?} is refused, and a record tells of it: {counted}"))?;
        if counted {
            self.record_step(Step::WrongCode, batch.last, moment);
        }
        self.silence(wire);
        Ok(())
    }

    /// The relay has said its last word on a connection.
    fn silence(&mut self, wire: usize) {
        let side = self.sides.get_mut(&wire).expect("the caller has looked");
        side.deaf = true;
        side.waiting.clear();
        self.requests += 1;
    }
}

/// By what answers to it can be told apart.
fn kind(ask: &Ask) -> &'static str {
    match ask {
        Ask::Ping { .. } => "ping",
        Ask::Invite { .. } => "invite",
        Ask::Ohi { .. } => "presence",
        Ask::List { .. } => "list",
        _ => "post",
    }
}

/// Whether an ack lists just these members, each by one of these aliases, and counts those of whom it may not tell one.
fn names_who_misses_it(header: &Value, full: &[BTreeSet<String>]) -> bool {
    let listed: Vec<&str> = header["full"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let once = |aliases: &&BTreeSet<String>| listed.iter().filter(|alias| aliases.contains(**alias)).count() == 1;
    let (shown, hidden): (Vec<_>, Vec<_>) = full.iter().partition(|aliases| !aliases.is_empty());
    header.get("full").is_none() == shown.is_empty()
        && listed.len() == shown.len()
        && shown.iter().all(once)
        && header["fullmore"].as_u64().unwrap_or(0) == hidden.len() as u64
}
