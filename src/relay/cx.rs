//! What an op may touch: named borrows of the relay's parts, and the few verbs that all ops share.

use super::corks::Corks;
use super::counts::Counts;
use super::effect::Effect;
use super::fanout::Fanout;
use super::guesses::Guesses;
use super::input::Now;
use super::journal::Journal;
use super::names::NameGuard;
use super::online::Online;
use super::presence::Presence;
use super::session::{InFlight, LoggedIn, Output, Sessions, State};
use super::settings::Settings;
use super::timers::Timers;
use crate::base::{Entropy, LinkId, NodeNo, Seq, UserNo};
use crate::ledger::{Dead, Ledger, Queue, User};
use crate::limits::{FANOUT_MAX, RECORD_OVERHEAD};
use crate::record::{CorkRecord, Lane, MessageRecord, MissedRecord, Payload, Record};
use crate::wire::reply::{Message, Std};

/// What a note of a missed message costs, in devices that are looked up for a post.
const WORK_PER_MISSED: usize = 50;

/// Who makes a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Me {
    pub(super) link: LinkId,
    pub(super) user: UserNo,
    pub(super) node: NodeNo,
}

/// A message that was posted: its id and its date.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) id: Seq,
    pub(super) date: String,
}

/// The view that ops work on.
pub(super) struct Cx<'a> {
    pub(super) now: Now,
    pub(super) settings: &'a Settings,
    pub(super) ledger: &'a mut Ledger,
    pub(super) sessions: &'a mut Sessions,
    pub(super) online: &'a mut Online,
    pub(super) presence: &'a mut Presence,
    pub(super) names: &'a mut NameGuard,
    pub(super) counts: &'a mut Counts,
    pub(super) journal: &'a mut Journal,
    pub(super) timers: &'a mut Timers,
    pub(super) corks: &'a mut Corks,
    pub(super) guesses: &'a mut Guesses,
    pub(super) entropy: &'a mut dyn Entropy,
    pub(super) out: &'a mut Vec<Effect>,
}

impl Cx<'_> {
    /// Writes a frame to a link, once all that was decided so far is durable.
    pub(super) fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.out.push(Effect::Send { link, after: self.journal.barrier, frame });
    }

    /// Decides a fact: it holds from now on, and nothing leaves before it is durable.
    pub(super) fn append(&mut self, record: &Record<'_>) -> Seq {
        let seq = self.append_lazily(record);
        self.journal.barrier = seq;
        seq
    }

    /// Puts a record into the log that nobody waits for.
    pub(super) fn append_lazily(&mut self, record: &Record<'_>) -> Seq {
        let seq = self.next_seq();
        let payload = record.encode();
        let mut dead = Dead::new();
        self.ledger.apply(seq, record, &mut dead);
        self.journal.spend(payload.len());
        self.out.push(Effect::Append { seq, payload, end: false });
        if !dead.is_empty() {
            self.out.push(Effect::Forget { after: seq, seqs: dead });
        }
        seq
    }

    fn next_seq(&self) -> Seq {
        self.ledger.last().next(self.now.wall.0)
    }

    /// Whether the store takes that many octets more. Asked before anything is promised.
    pub(super) fn has_room(&self, octets: u64) -> bool {
        let octets = octets.saturating_add(RECORD_OVERHEAD as u64);
        let fits = self.journal.room >= octets;
        if !fits {
            self.journal.wanted.set(self.journal.wanted.get().max(octets));
        }
        fits
    }

    /// A node was heard of now: to be written with its next cursor.
    pub(super) fn saw(&mut self, node: NodeNo) {
        self.ledger.saw(node, self.now.wall.seconds());
        self.journal.touch(node, self.now.mono);
    }

    /// What the log calls a user.
    pub(super) fn name_of(&self, user: UserNo) -> String {
        self.ledger.user(user).uid().short()
    }

    /// Where a link comes from, for the log.
    pub(super) fn origin(&self, link: LinkId) -> String {
        let from = self.sessions.get(link).and_then(|session| session.from);
        from.map_or_else(|| "local".to_owned(), |address| address.to_canonical().to_string())
    }

    /// The user who makes a request.
    pub(super) fn user(&self, me: Me) -> &User {
        self.ledger.user(me.user)
    }

    /// Posts a message to these nodes, each once however often it is named, and sends it to those that are here. Who misses it
    /// will be told.
    ///
    /// More nodes than one record can name get records of their own, each with its id; only data in chunks
    /// cannot be shared, so whoever posts it has checked the number.
    pub(super) fn post(&mut self, from: UserNo, mut to: Fanout, lane: Lane, message: &Message<'_>, payload: Payload<'_>) -> Posted {
        to.settle();
        let date = self.now.wall.to_rfc3339();
        let uid = self.ledger.user(from).uid().to_string();
        let mut rest = std::mem::take(&mut to.nodes);
        let held = if lane == Lane::Normal { &to.held[..] } else { &[] };
        let mut first = None;
        loop {
            let more = rest.split_off(rest.len().min(FANOUT_MAX));
            let held = held.iter().copied().filter(|node| rest.binary_search(node).is_ok()).collect();
            let id = self.post_record(&uid, &date, (rest, held), lane, message, payload.clone());
            first.get_or_insert(id);
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        let id = first.expect("one record at least was posted");
        self.journal.work += to.missed.len() * WORK_PER_MISSED;
        for user in to.missed {
            self.note_missed(user, id);
        }
        Posted { id, date }
    }

    fn post_record(
        &mut self,
        uid: &str,
        date: &str,
        (to, held): (Vec<NodeNo>, Vec<NodeNo>),
        lane: Lane,
        message: &Message<'_>,
        payload: Payload<'_>,
    ) -> Seq {
        let std = Std { from: uid, id: self.next_seq(), posted: date };
        let record = Record::Message(MessageRecord { lane, to, held, header: message.frame(std).into(), payload });
        let id = self.append(&record);
        self.counts.messages += 1;
        debug_assert_eq!(id, std.id);
        let Record::Message(record) = record else { unreachable!("it was made a message above") };
        for node in record.to {
            self.pump(node);
        }
        id
    }

    /// A user's queue is full, and a message was not put into it.
    fn note_missed(&mut self, user: UserNo, id: Seq) {
        let before = self.ledger.missed(user).copied();
        let (count, first) = before.map_or((0, id), |missed| (missed.count, missed.first));
        self.append(&Record::Missed(MissedRecord { user, count: count + 1, first, last: id }));
    }

    /// Whether as much waits for one of a user's nodes as may wait.
    pub(super) fn is_full(&self, user: UserNo) -> bool {
        self.ledger.user(user).node_numbers().any(|node| self.has_full_queue(node))
    }

    /// Whether as much waits for a node as may wait.
    pub(super) fn has_full_queue(&self, node: NodeNo) -> bool {
        let quotas = &self.settings.quotas;
        let queue = self.ledger.queue(node);
        queue.len() >= quotas.queue_messages || queue.octets() >= quotas.queue_bytes
    }

    /// What a user's cork keeps back now.
    fn corked(&self, user: UserNo) -> Option<&CorkRecord> {
        self.ledger.cork(user).filter(|cork| cork.until > self.now.wall)
    }

    /// Whether a message from somebody waits for the end of a user's cork because of who it is from.
    pub(super) fn holds_back(&self, user: UserNo, from: UserNo) -> bool {
        let Some(cork) = self.ledger.cork(user).filter(|cork| !cork.from.is_empty()) else { return false };
        if cork.from.binary_search(&self.ledger.user(from).uid()).is_err() {
            return false;
        }
        // As long as something waits, what comes after it must not overtake it during another cork.
        let waits = |node: NodeNo| self.ledger.queue(node).owed_count(Lane::Held) > 0;
        cork.until > self.now.wall || self.ledger.user(user).node_numbers().any(waits)
    }

    /// Lanes whose messages may go to a user's nodes, besides news of the user's own account.
    fn open_lanes(&self, user: UserNo) -> &'static [Lane] {
        match self.corked(user) {
            None => &[Lane::Normal, Lane::Held],
            Some(CorkRecord { all: false, .. }) => &[Lane::Normal],
            Some(CorkRecord { all: true, .. }) => &[],
        }
    }

    /// Sends a node what it is owed, as far as its window goes.
    pub(super) fn pump(&mut self, node: NodeNo) {
        let Some(link) = self.online.link(node) else { return };
        let Some(user) = self.sessions.get(link).and_then(|session| session.login()).map(|login| login.user) else { return };
        let lanes = self.open_lanes(user);
        let Some(session) = self.sessions.get_mut(link) else { return };
        let State::LoggedIn(login) = &mut session.state else { return };
        let queue = self.ledger.queue(node);
        let was_idle = login.in_flight.is_empty();
        let is_out = matches!(session.output, Output::Drained(_));
        let mut room = Lane::ALL.map(|lane| self.settings.window.saturating_sub(login.in_flight_in(lane)));
        while let Some((message, lane)) = next(queue, login, lanes, &room) {
            *login.sent(lane) = message;
            room[lane as usize] -= 1;
            login.in_flight.push_back(InFlight { message, lane, sent_at: self.now.mono, is_out });
            self.out.push(Effect::Deliver { link, after: self.journal.barrier, message, again: false });
        }
        if was_idle && !login.in_flight.is_empty() {
            let at = self.now.mono.plus(self.settings.timeouts.redelivery);
            self.timers.arm(&mut session.armed, link, at);
        }
    }
}

/// The message that goes to a node next. What was held goes in the order of posting with what was not, or one sender's messages
/// could overtake each other: so a full window of one lane stops both.
fn next(queue: &Queue, login: &LoggedIn, lanes: &[Lane], room: &[usize; Lane::ALL.len()]) -> Option<(Seq, Lane)> {
    let head = |lane: Lane| queue.after(lane, login.sent[lane as usize]).map(|message| (message, lane));
    let fits = |(_, lane): &(Seq, Lane)| room[*lane as usize] > 0;
    head(Lane::Priority).filter(fits).or_else(|| lanes.iter().filter_map(|lane| head(*lane)).min().filter(fits))
}
