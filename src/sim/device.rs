//! A member's program, as existing ones are: it connects, logs in, asks, acks, comes again; some are slow, hasty or rude.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

use serde_json::{Value, json};

use super::ask::{Ask, Speaks, encode, frame};
use super::checks::Item;
use super::model::{Newcomer, NodeNo};
use super::plan::{MILLI, Plan, SECOND};
use super::prng::Prng;

/// A request without an answer.
#[derive(Debug)]
struct Asking {
    id: String,
    ask: Rc<Ask>,
    octets: Vec<u8>,
    at: u64,
}

/// Where a device knocks from, and with which code.
#[derive(Default)]
pub(super) struct Door {
    pub(super) from: Option<IpAddr>,
    pub(super) code: Option<String>,
}

/// What a device wants to be sent.
pub(super) struct Words {
    pub(super) octets: Vec<u8>,
    pub(super) item: Option<Item>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Device {
    /// Which node it is, as soon as it knows its secret.
    pub(super) node: Option<NodeNo>,
    pub(super) uid: String,
    pub(super) secret: String,
    /// What it registers with.
    pub(super) alias: String,
    /// The relay says that it is nobody: it was dropped.
    pub(super) is_out: bool,
    pub(super) wire: Option<usize>,
    /// The relay has let it in.
    pub(super) greeted: bool,
    speaks: Speaks,
    partial: Vec<u8>,
    asking: VecDeque<Asking>,
    /// Acks to be sent, and when.
    acks: VecDeque<(u64, String)>,
    /// Users who show that they are here.
    pub(super) sees: BTreeSet<String>,
    asked: u64,
    think_at: u64,
    leave_at: u64,
    pub(super) return_at: u64,
    pulse_at: u64,
    pub(super) slow: bool,
    /// Requests that it sends at once.
    hurry: usize,
    /// The world wants to come to rest: it stays, acks, and asks nothing but this often.
    pub(super) calm: Option<u32>,
    /// When it is to be woken.
    pub(super) armed: Option<u64>,
}

/// What came of a frame.
pub(super) enum News {
    Nothing,
    /// It is somebody now.
    Registered,
    /// Another device of the same user was made, with this secret.
    Another(String),
    /// A code to register with.
    Code(String),
    /// The relay has said its last word.
    Over,
}

impl Device {
    pub(super) fn new(alias: String, uid: String, secret: String, return_at: u64) -> Device {
        Device {
            node: None,
            uid,
            secret,
            alias,
            is_out: false,
            wire: None,
            greeted: false,
            speaks: Speaks::Draft2020,
            partial: Vec::new(),
            asking: VecDeque::new(),
            acks: VecDeque::new(),
            sees: BTreeSet::new(),
            asked: 0,
            think_at: 0,
            leave_at: 0,
            return_at,
            pulse_at: 0,
            slow: false,
            hurry: 1,
            calm: None,
            armed: None,
        }
    }

    pub(super) fn speaks(&self) -> Speaks {
        self.speaks
    }

    /// The connection is there: the first words, which nobody waits for an answer between.
    pub(super) fn connect(&mut self, wire: usize, door: Door, now: u64, plan: &Plan, prng: &mut Prng) -> Vec<Words> {
        (self.wire, self.greeted) = (Some(wire), false);
        self.partial.clear();
        self.sees.clear();
        if self.asked == 0 {
            self.speaks = *prng.pick(&[Speaks::Draft2018, Speaks::Draft2020]);
        }
        (self.slow, self.hurry) = (prng.chance(plan.slow_readers, 100), if prng.chance(plan.pipelines, 100) { 8 } else { 1 });
        if self.calm.is_some() {
            (self.slow, self.hurry) = (false, 1);
        }
        self.leave_at = now + prng.between(plan.stay / 4, 2 * plan.stay);
        self.pulse_at = now + SECOND;
        let (login, item) = match self.node {
            None => {
                let (label, alias, Door { code, from }) = (format!("device of {}", self.alias), self.alias.clone(), door);
                let mut header = json!({ "op": 1, "newnode": label, "newalias": alias });
                if let Some(code) = &code {
                    header["invite"] = json!(code);
                }
                (header, Item::Register { newcomer: Newcomer { alias, label, speaks: self.speaks, code, from } })
            }
            Some(node) => (json!({ "op": 2, "uid": self.uid, "node": self.secret }), Item::Login { node }),
        };
        vec![
            Words { octets: frame(&json!({ "op": 0, "id": "1" }), b""), item: Some(Item::Greeting) },
            Words { octets: frame(&login, b""), item: Some(item) },
        ]
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self, now: u64, plan: &Plan, prng: &mut Prng) {
        (self.wire, self.greeted) = (None, false);
        // Some remember what they have got, and ack it on the next link.
        if prng.chance(1, 2) {
            self.acks.clear();
        }
        self.return_at = now + if self.calm.is_some() { 100 * MILLI } else { prng.between(plan.away / 10, 2 * plan.away) };
        // Who is out tries again now and then.
        if self.is_out {
            self.return_at = if prng.chance(1, 4) { self.return_at.saturating_add(30 * SECOND) } else { u64::MAX };
        }
    }

    /// When it next wants to do something.
    pub(super) fn next(&self, plan: &Plan) -> u64 {
        if self.wire.is_none() {
            return self.return_at;
        }
        let asked = self.asking.front().map_or(u64::MAX, |asking| asking.at + resend(plan));
        let think = if self.wants_more() { self.think_at } else { u64::MAX };
        let ack = self.acks.front().map_or(u64::MAX, |(at, _)| *at);
        let leave = if self.calm.is_some() { u64::MAX } else { self.leave_at };
        [if self.greeted { think.min(asked).min(ack).min(self.pulse_at) } else { u64::MAX }, leave].into_iter().min().unwrap_or(u64::MAX)
    }

    fn wants_more(&self) -> bool {
        self.asking.len() < self.hurry && self.calm.is_none_or(|left| left > 0)
    }

    /// It does not ask again for what would keep messages back for long.
    pub(super) fn forget_corks(&mut self) {
        self.asking.retain(|asking| !matches!(*asking.ask, Ask::Cork { until: Some(_), .. }));
    }

    /// It has said goodbye, and gives the relay until then to answer.
    pub(super) fn postpone_leaving(&mut self, until: u64) {
        self.leave_at = until;
    }

    /// Whether it stays longer.
    pub(super) fn stays(&self, now: u64) -> bool {
        self.calm.is_some() || now < self.leave_at
    }

    /// Whether all it asked is answered, and it wants nothing more.
    pub(super) fn is_content(&self) -> bool {
        self.is_out || self.greeted && self.asking.is_empty() && self.acks.is_empty() && self.calm == Some(0)
    }

    /// What it says now. `new_ask` makes up a request.
    pub(super) fn speak(&mut self, now: u64, plan: &Plan, prng: &mut Prng, mut new_ask: impl FnMut(&mut Prng) -> Ask) -> Vec<Words> {
        let mut words = Vec::new();
        if !self.greeted {
            return words;
        }
        while self.acks.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.acks.pop_front() else { break };
            // Now and then an ack is said twice, or names what never was.
            let stray = if prng.chance(1, 2) { id.clone() } else { format!("{:016x}", prng.roll(1 << 30)) };
            words.extend([id, stray].iter().take(if prng.chance(1, 50) { 2 } else { 1 }).map(|id| self.ack(id)));
        }
        if let Some(first) = self.asking.front_mut().filter(|first| first.at + resend(plan) <= now) {
            first.at = now;
            let (octets, id, ask) = (first.octets.clone(), first.id.clone(), first.ask.clone());
            words.push(Words { octets, item: Some(Item::Ask { id, ask }) });
        }
        if self.think_at <= now && self.wants_more() {
            while self.wants_more() {
                let ask = Rc::new(new_ask(prng));
                words.push(self.ask(ask, now));
                self.calm = self.calm.map(|left| left.saturating_sub(1));
            }
            self.think_at = now + prng.between(plan.think / 4, 2 * plan.think);
        }
        if self.pulse_at <= now {
            self.pulse_at = now + 40 * SECOND / u64::from(plan.haste);
            words.push(Words { octets: frame(&self.speaks.pulse(), b""), item: Some(Item::Nothing) });
        }
        words
    }

    fn ack(&self, id: &str) -> Words {
        let number = u64::from_str_radix(id, 16).unwrap_or(0);
        Words { octets: frame(&self.speaks.ack(id), b""), item: Some(Item::Ack { id: number }) }
    }

    fn ask(&mut self, ask: Rc<Ask>, now: u64) -> Words {
        self.asked += 1;
        let id = format!("<{}>", self.asked);
        let (header, body) = encode(&ask, &id, self.speaks);
        let octets = frame(&header, &body);
        self.asking.push_back(Asking { id: id.clone(), ask: ask.clone(), octets: octets.clone(), at: now });
        Words { octets, item: Some(Item::Ask { id, ask }) }
    }

    /// Takes octets of the relay in; `news` gets what each frame was.
    ///
    /// # Errors
    /// Octets that are no frame.
    pub(super) fn hear(
        &mut self,
        octets: &[u8],
        now: u64,
        plan: &Plan,
        prng: &mut Prng,
        words: &mut Vec<Words>,
    ) -> Result<Vec<News>, String> {
        self.partial.extend_from_slice(octets);
        let mut news = Vec::new();
        loop {
            let Some(digits) = self.partial.get(..4) else { return Ok(news) };
            let len = usize::from_str_radix(&String::from_utf8_lossy(digits), 16).map_err(|_| format!("{digits:?} is no length"))?;
            let Some(header) = self.partial.get(4..4 + len) else { return Ok(news) };
            let header: Value = serde_json::from_slice(header).map_err(|e| format!("a header that is no JSON: {e}"))?;
            let whole = 4 + len + header["datalen"].as_u64().unwrap_or(0) as usize;
            if self.partial.len() < whole {
                return Ok(news);
            }
            self.partial.drain(..whole);
            news.push(self.take(&header, now, plan, prng, words));
        }
    }

    fn take(&mut self, header: &Value, now: u64, plan: &Plan, prng: &mut Prng, words: &mut Vec<Words>) -> News {
        let text = |key: &str| header[key].as_str().unwrap_or_default().to_owned();
        if header.get("headsum").is_some() {
            if self.calm.is_some() || !prng.chance(plan.ack_lapses, 100) {
                let due = now + if self.calm.is_some() { MILLI } else { prng.between(0, plan.ack_delay) };
                let at = self.acks.partition_point(|(other, _)| *other <= due);
                self.acks.insert(at, (due, text("id")));
            }
            return if header.get("nodeid").is_some() { News::Another(text("nodeid")) } else { News::Nothing };
        }
        match header["op"].as_str() {
            Some("registered") => {
                (self.uid, self.secret) = (text("uid"), text("nodeid"));
                return News::Registered;
            }
            Some("info") => {
                self.greeted = true;
                self.sees.extend(header["ohi"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
                words.push(Words { octets: frame(&self.speaks.latch(), b""), item: Some(Item::Nothing) });
                // What was not answered is asked again, under the same id.
                for asking in &mut self.asking {
                    asking.at = now;
                    let (header, body) = encode(&asking.ask, &asking.id, self.speaks);
                    asking.octets = frame(&header, &body);
                    let item = Item::Ask { id: asking.id.clone(), ask: asking.ask.clone() };
                    words.push(Words { octets: asking.octets.clone(), item: Some(item) });
                }
            }
            Some("ohi") if header["status"] == 1 => _ = self.sees.insert(text("from")),
            Some("ohi") => _ = self.sees.remove(&text("from")),
            Some("ack" | "result") => {
                let id = text("id");
                self.asking.retain(|asking| asking.id != id);
                self.think_at = self.think_at.max(now);
                if let Some(code) = header["list"][0]["code"].as_str() {
                    return News::Code(code.to_owned());
                }
            }
            Some("quit") => {
                self.is_out |= matches!(header["error"].as_str(), Some("login failed" | "node dropped"));
                return News::Over;
            }
            _ => {}
        }
        News::Nothing
    }
}

/// After so long without an answer a request is sent again.
fn resend(plan: &Plan) -> u64 {
    15 * SECOND / u64::from(plan.haste)
}
