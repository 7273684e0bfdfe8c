//! Does the one wrong, to frames on their way.

use super::*;

pub(super) enum Order {
    Send(usize, Side, Vec<u8>),
    Close(usize),
}

/// What becomes of the relay's answer to a post.
pub(super) enum Fate {
    Passes,
    IsSwallowed,
    ComesTwice,
    /// The relay does not know of the post: this is the answer, in its turn.
    IsOurs(Vec<u8>),
}

/// Who is at the client's end of a link.
#[derive(Default)]
pub(super) struct Place {
    pub(super) uid: String,
    /// And has not taken leave.
    pub(super) is_logged_in: bool,
    /// Posts without an answer, by their ids; answers come in the order of the posts.
    pub(super) posts: VecDeque<(String, Fate)>,
}

/// A delivery that comes too late.
pub(super) struct Held {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) octets: Vec<u8>,
}

/// Decides what becomes of each frame.
#[derive(Default)]
pub(super) struct Hand {
    pub(super) wrong: Wrong,
    pub(super) nth: u64,
    pub(super) seen: Seen,
    pub(super) links: BTreeMap<usize, Place>,
    /// Who has written to whom, other than in a group.
    pub(super) wrote: BTreeSet<(String, String)>,
    /// Who is or was in which group.
    pub(super) groups: BTreeMap<String, BTreeSet<String>>,
    /// Messages that came, by member and id; and whether they were acked.
    pub(super) came: BTreeMap<(String, String), bool>,
    pub(super) held: Option<Held>,
    /// The delivery that the wrong was done to, by member and id.
    pub(super) wronged: Option<(String, String)>,
    pub(super) orders: Vec<Order>,
}

/// Requests by their numbers in the 2020 draft.
pub(super) mod op {
    pub(super) const LOGIN: u64 = 2;
    pub(super) const GROUP_INVITE: u64 = 5;
    pub(super) const GROUP_EDIT: u64 = 6;
    pub(super) const POST: u64 = 7;
    pub(super) const POST_NOTIFY: u64 = 8;
    pub(super) const ACK: u64 = 10;
    pub(super) const PULSE: u64 = 11;
    pub(super) const QUIT: u64 = 12;
}

impl Hand {
    pub(super) fn place(&mut self, link: usize) -> &mut Place {
        self.links.entry(link).or_default()
    }

    pub(super) fn gone(&mut self, link: usize) {
        self.links.remove(&link);
    }

    pub(super) fn send(&mut self, link: usize, side: Side, octets: Vec<u8>) {
        self.orders.push(Order::Send(link, side, octets));
    }

    /// A request has come.
    pub(super) fn request(&mut self, link: usize, frame: Frame) {
        let uid = self.place(link).uid.clone();
        let header = &frame.header;
        match header.fields().get("op").and_then(|op| op.as_u64()).unwrap_or(u64::MAX) {
            op::LOGIN => self.links.entry(link).or_default().uid = header.text("uid").to_owned(),
            op::GROUP_INVITE | op::GROUP_EDIT => {
                self.groups.entry(header.text("gid").to_owned()).or_default().insert(uid);
            }
            op::POST | op::POST_NOTIFY => return self.post(link, &uid, frame),
            op::ACK => {
                self.came.insert((uid, header.id().to_owned()), true);
            }
            op::QUIT => self.place(link).is_logged_in = false,
            op::PULSE => {
                self.seen.pulses += 1;
                if self.wrong == Wrong::ClosesAtPulse && self.is_due(self.seen.pulses) {
                    return self.orders.push(Order::Close(link));
                }
            }
            _ => {}
        }
        self.send(link, Side::Relay, frame.octets);
    }

    pub(super) fn post(&mut self, link: usize, uid: &str, frame: Frame) {
        self.seen.posts += 1;
        for to in frame.header.list("for") {
            if to["type"] == 1
                && let Some(to) = to["id"].as_str()
            {
                self.wrote.insert((uid.to_owned(), to.to_owned()));
            }
        }
        let id = frame.header.id().to_owned();
        let posts = self.seen.posts;
        let was_struck = self.seen.struck;
        let mut times = 1;
        let wrong = self.wrong;
        let fate = match wrong {
            Wrong::SwallowsAck if self.is_due(posts) => Fate::IsSwallowed,
            Wrong::AcksTwice if self.is_due(posts) => Fate::ComesTwice,
            Wrong::Refuses if self.is_due(posts) => Fate::IsOurs(reply::ack_error(&id, "not today")),
            Wrong::Forgets if self.is_due(posts) => {
                Fate::IsOurs(reply::ack(&id, Some((Seq(7), "2026-01-02T15:04:05.000Z")), &reply::Full::default()))
            }
            Wrong::StoresTwice if self.is_due(posts) => {
                times = 2;
                Fate::Passes
            }
            Wrong::ClosesAtPost if self.is_due(posts) => return self.orders.push(Order::Close(link)),
            _ => Fate::Passes,
        };
        if matches!(fate, Fate::IsOurs(_)) {
            times = 0;
        }
        if self.seen.struck && !was_struck {
            self.seen.struck_for = self.recipients(uid, &frame.header);
        }
        self.place(link).posts.push_back((id.clone(), fate));
        for again in 0..times {
            if again > 0 {
                self.place(link).posts.push_back((id.clone(), Fate::IsSwallowed));
            }
            self.send(link, Side::Relay, frame.octets.clone());
        }
        self.answer_ourselves(link);
    }

    /// How many others a post of this member is for, if it names none of them twice.
    pub(super) fn recipients(&self, uid: &str, header: &Header) -> u64 {
        let names = header.list("for").iter().filter_map(|to| to["id"].as_str());
        let others = |name| self.groups.get(name).map_or(1, |group| group.iter().filter(|member| *member != uid).count() as u64);
        names.map(others).sum()
    }

    /// Gives the answers of our own whose turn it is.
    pub(super) fn answer_ourselves(&mut self, link: usize) {
        while let Some((_, Fate::IsOurs(_))) = self.place(link).posts.front()
            && let Some((_, Fate::IsOurs(octets))) = self.place(link).posts.pop_front()
        {
            self.send(link, Side::Client, octets);
        }
    }

    /// A reply or a message has come from the relay.
    pub(super) fn answer(&mut self, link: usize, frame: Frame) {
        match frame.header.op() {
            "registered" => {
                self.seen.registered += 1;
                if self.wrong == Wrong::ClosesAtRegistered && self.is_due(self.seen.registered) {
                    return self.orders.push(Order::Close(link));
                }
                self.place(link).uid = frame.header.text("uid").to_owned();
            }
            "info" => {
                self.seen.logins += 1;
                self.place(link).is_logged_in = true;
            }
            "ack" if self.place(link).posts.front().is_some_and(|(id, _)| *id == frame.header.id()) => return self.ack(link, &frame),
            "delivery" => return self.delivery(link, frame),
            _ => {}
        }
        self.send(link, Side::Client, frame.octets);
    }

    pub(super) fn ack(&mut self, link: usize, frame: &Frame) {
        if frame.header.optional("error").is_none() {
            self.seen.acks += 1;
        }
        let (_, fate) = self.place(link).posts.pop_front().expect("it was looked at");
        let times = match fate {
            Fate::IsSwallowed => 0,
            Fate::Passes => 1,
            Fate::ComesTwice => 2,
            Fate::IsOurs(_) => unreachable!("one of ours never waits in front"),
        };
        for _ in 0..times {
            self.send(link, Side::Client, frame.octets.clone());
        }
        self.answer_ourselves(link);
    }

    pub(super) fn delivery(&mut self, link: usize, frame: Frame) {
        let uid = self.place(link).uid.clone();
        match self.came.insert((uid.clone(), frame.header.id().to_owned()), false) {
            None => self.seen.deliveries += 1,
            Some(acked) => {
                self.seen.repeated += 1;
                self.seen.repeated_after_ack += u64::from(acked);
                self.seen.struck_came_again |= self.wronged.as_ref().is_some_and(|wronged| *wronged == (uid, frame.header.id().to_owned()));
                return self.send(link, Side::Client, frame.octets);
            }
        }
        let followed = self.held.take_if(|held| held.to == uid && held.from == frame.header.from());
        // Who has taken leave may not read on.
        let is_due = !self.seen.struck && self.seen.deliveries >= self.nth && self.place(link).is_logged_in;
        let octets = if is_due { self.wronged(link, &uid, &frame) } else { None };
        for octets in octets.unwrap_or_else(|| vec![frame.octets]) {
            self.send(link, Side::Client, octets);
        }
        if let Some(held) = followed {
            self.send(link, Side::Client, held.octets);
        }
    }

    /// What comes instead of this delivery; `None` if it is not wronged.
    pub(super) fn wronged(&mut self, link: usize, uid: &str, frame: &Frame) -> Option<Vec<Vec<u8>>> {
        let from = frame.header.from().to_owned();
        let whole = frame.octets.clone();
        let flipped = |at: usize| {
            let mut octets = frame.octets.clone();
            octets[at] ^= 1;
            Some(vec![octets])
        };
        let in_header = |text: &str| text.len() + find(&frame.octets, text.as_bytes());
        let wronged = match self.wrong {
            Wrong::Loses => {
                self.take(link, frame.header.id());
                Some(vec![])
            }
            Wrong::Duplicates => Some(vec![whole.clone(), whole]),
            // Of two who share a group, where there are groups: there will be a next one.
            Wrong::Delays if self.groups.is_empty() || self.share_a_group(&from, uid) => {
                self.take(link, frame.header.id());
                self.held = Some(Held { from, to: uid.to_owned(), octets: whole });
                Some(vec![])
            }
            Wrong::FlipsData => flipped((frame.data + whole.len()) / 2),
            Wrong::FlipsFirst => flipped(frame.data),
            Wrong::FlipsHeader => flipped(in_header("\"posted\":\"")),
            // The second digit: the first must not become a 0.
            Wrong::FlipsSum => flipped(in_header("\"headsum\":") + 1),
            Wrong::AltersSender => {
                let other = self.find(|other| other != from && other != uid)?.1;
                Some(vec![rewritten(frame, |header| header.replace(&from, &other), &whole[frame.data..])])
            }
            Wrong::Cuts => {
                let data = &whole[frame.data..(frame.data + whole.len()) / 2];
                let (was, is) = (whole.len() - frame.data, data.len());
                Some(vec![rewritten(frame, |header| header.replace(&format!("\"datalen\":{was}"), &format!("\"datalen\":{is}")), data)])
            }
            Wrong::ReachesSender => {
                let (sender, _) = self.find(|other| other == from)?;
                self.send(sender, Side::Client, whole.clone());
                Some(vec![whole])
            }
            Wrong::ReachesStranger => {
                let (stranger, _) = self.find(|other| self.is_strange(&from, other))?;
                self.send(stranger, Side::Client, whole.clone());
                Some(vec![whole])
            }
            Wrong::Misdelivers => {
                let (stranger, _) = self.find(|other| self.is_strange(&from, other))?;
                self.take(link, frame.header.id());
                self.send(stranger, Side::Client, whole);
                Some(vec![])
            }
            Wrong::Nothing
            | Wrong::Delays
            | Wrong::SwallowsAck
            | Wrong::AcksTwice
            | Wrong::Refuses
            | Wrong::Forgets
            | Wrong::StoresTwice
            | Wrong::ClosesAtPost
            | Wrong::ClosesAtPulse
            | Wrong::ClosesAtRegistered => None,
        };
        if wronged.is_some() {
            self.seen.struck = true;
            self.wronged = Some((uid.to_owned(), frame.header.id().to_owned()));
        }
        wronged
    }

    /// Acks a message in the client's place.
    pub(super) fn take(&mut self, link: usize, id: &str) {
        let mut octets = Vec::new();
        request::ack(&mut octets, id);
        self.send(link, Side::Relay, octets);
    }

    /// A link of a member who is logged in, and whom `wanted` accepts.
    pub(super) fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<(usize, String)> {
        let found = self.links.iter().find(|(_, place)| place.is_logged_in && wanted(&place.uid));
        found.map(|(link, place)| (*link, place.uid.clone()))
    }

    pub(super) fn is_strange(&self, from: &str, other: &str) -> bool {
        let wrote = self.wrote.contains(&(from.to_owned(), other.to_owned()));
        from != other && !wrote && !self.share_a_group(from, other)
    }

    pub(super) fn share_a_group(&self, one: &str, other: &str) -> bool {
        self.groups.values().any(|group| group.contains(one) && group.contains(other))
    }

    /// Whether the wrong is to be done at this one, the `count`th of its kind.
    pub(super) fn is_due(&mut self, count: u64) -> bool {
        let due = !self.seen.struck && count >= self.nth;
        self.seen.struck |= due;
        due
    }
}

pub(super) fn find(octets: &[u8], part: &[u8]) -> usize {
    octets.windows(part.len()).position(|window| window == part).expect("the field is there")
}

/// The frame with a header altered so and this data; length and headsum are right.
pub(super) fn rewritten(frame: &Frame, alter: impl Fn(&str) -> String, data: &[u8]) -> Vec<u8> {
    let header = std::str::from_utf8(&frame.octets[4..frame.data]).expect("headers are UTF-8");
    let (head, rest) = header.split_once("\"headsum\":").expect("a message has a sum");
    let (_, tail) = rest.split_once(',').expect("keys are sorted, and id follows");
    let (head, tail) = (alter(head), alter(tail));
    let summed = format!("{:04x}{head}{tail}", head.len() + tail.len());
    let header = format!("{head}\"headsum\":{},{tail}", crc32c::crc32c(summed.as_bytes()));
    let mut octets = format!("{:04x}{header}", header.len()).into_bytes();
    octets.extend(data);
    octets
}
