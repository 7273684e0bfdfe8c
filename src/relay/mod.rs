//! The promises in flight: sessions, uploads, delivery windows, presence, timers.
//!
//! [`Relay::handle`] takes one [`Input`] and the time, and *tells* what it wants done as [`Effect`]s; it has no
//! socket, file, clock or randomness of its own, so that the whole relay also runs in a simulator. This file
//! only routes. What a request means is in `ops/`, one file an op, each working on a view (`cx::Cx`) of the
//! parts it needs.
//!
//! Invariants: everything that leaves carries `after`, the newest binding record when it was decided (law 1);
//! all records of a request make one batch (law 2); cursors never raise the barrier (law 3).
//! Lost in a crash, by design: everything here that is not in the ledger.

mod command;
mod corks;
mod counts;
mod cx;
mod effect;
mod fanout;
mod guesses;
mod input;
mod journal;
mod names;
mod online;
mod ops;
mod presence;
mod session;
mod settings;
mod timers;
mod upload;

pub use command::{
    Answer, By, Command, GroupInfo, Kicked, LinkInfo, LinkState, List, Listed, MemberInfo, MemberSummary, NodeInfo, OwnedNode, QueueInfo,
    Whom,
};
pub use counts::Counts;
pub use effect::Effect;
pub use input::{Fault, Input, Now};
pub use names::NameGuard;
pub use session::Reason;
pub use settings::{LoginManners, Lookalikes, NameRules, Quotas, Settings, Timeouts};

use core::net::IpAddr;
use std::time::Duration;

use self::corks::Corks;
use self::cx::{Cx, Me};
use self::guesses::Guesses;
use self::journal::Journal;
use self::online::Online;
use self::presence::Presence;
use self::session::{Due, Output, Session, Sessions, State};
use self::timers::Timers;
use self::upload::Upload;
use crate::base::{Entropy, Limit, LinkId, Mono, Seq, Source};
use crate::ledger::Ledger;
use crate::limits::{CURSOR_BYTES_MAX, LOGIN_DELAY_FIRST, LOGIN_DELAY_MAX, LOGIN_PATIENCE, LOGIN_TIMEOUT};
use crate::record::{Lane, Record};
use crate::wire::{Dialect, Request};

/// The relay of one site.
pub struct Relay {
    settings: Settings,
    ledger: Ledger,
    sessions: Sessions,
    online: Online,
    presence: Presence,
    journal: Journal,
    timers: Timers,
    corks: Corks,
    guesses: Guesses,
    failed_logins: Guesses,
    names: NameGuard,
    counts: Counts,
    entropy: Box<dyn Entropy>,
}

impl Relay {
    /// A relay with these facts and nobody connected.
    pub fn new(settings: Settings, ledger: Ledger, entropy: Box<dyn Entropy>) -> Relay {
        let journal = Journal::new(ledger.last());
        let corks = Corks::new(ledger.corks().map(|cork| (cork.until, cork.user)));
        let names = NameGuard::new(&settings.names, ledger.names());
        Relay {
            settings,
            ledger,
            sessions: Sessions::default(),
            online: Online::default(),
            presence: Presence::default(),
            journal,
            timers: Timers::default(),
            corks,
            guesses: Guesses::default(),
            failed_logins: Guesses::default(),
            names,
            counts: Counts::default(),
            entropy,
        }
    }

    /// The facts.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Other settings from now on. What was decided under the old ones stays; a wait that has begun ends as it would have, or sooner.
    ///
    /// Other rules for look-alikes have all taken names looked at, half a second for a million.
    pub fn configure(&mut self, settings: Settings) {
        if settings.names != self.settings.names {
            self.names = NameGuard::new(&settings.names, self.ledger.names());
        }
        self.settings = settings;
    }

    /// The newest binding record: what was decided so far may leave once it is durable.
    pub fn barrier(&self) -> Seq {
        self.journal.barrier
    }

    /// What has happened since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many nodes are logged in.
    pub fn online(&self) -> usize {
        self.online.count()
    }

    /// Whether a link is logged in.
    pub fn is_member(&self, link: LinkId) -> bool {
        self.sessions.get(link).is_some_and(|session| session.login().is_some())
    }

    /// Whether the node on a link still owes an ack for a message. A link that is nobody's gets what was meant for it.
    pub fn owes(&self, link: LinkId, message: Seq) -> bool {
        let login = self.sessions.get(link).and_then(|session| session.login());
        login.is_none_or(|login| self.ledger.queue(login.node).lane_of(message).is_some())
    }

    /// The most room that a request was denied for want of since this was last asked: it will be tried again.
    pub fn take_wanted(&mut self) -> u64 {
        self.journal.wanted.take()
    }

    /// How many devices requests have named since that was last taken.
    pub fn work(&self) -> usize {
        self.journal.work
    }

    /// How many devices requests have named since this was last asked, directly or as members of groups.
    pub fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.journal.work)
    }

    /// Whether a login would be refused only because its node still has a living link, which may be about to end.
    pub fn is_busy(&self, link: LinkId, uid: &str, node: &str, now: Now) -> bool {
        let may_log_in = self.sessions.get(link).is_some_and(|session| matches!(session.state, State::Anonymous));
        may_log_in && ops::is_busy(&self.ledger, &self.online, &self.sessions, (uid, node), self.settings.timeouts.takeover, now.mono)
    }

    /// How long to wait for that end: far less than the silence that gives a node away without it.
    pub fn login_patience(&self) -> Duration {
        LOGIN_PATIENCE.min(self.settings.timeouts.takeover / 4)
    }

    /// Devices that are here.
    pub fn online_count(&self) -> usize {
        self.sessions.iter().filter(|session| session.login().is_some()).count()
    }

    /// Whether data of some request is on its way in.
    pub fn has_uploads(&self) -> bool {
        self.sessions.iter().any(|session| session.upload.is_some())
    }

    /// Deliveries that were sent and are not acked, on all links.
    pub fn deliveries_in_flight(&self) -> usize {
        self.sessions.iter().filter_map(|session| session.login()).map(|login| login.in_flight.len()).sum()
    }

    /// When to call with [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Mono> {
        [self.timers.next(), self.journal.deadline(), self.corks.deadline()].into_iter().flatten().min()
    }

    /// Takes one event in, and says what is to be done about it.
    pub fn handle(&mut self, input: Input<'_>, now: Now, out: &mut Vec<Effect>) {
        let first = out.len();
        match input {
            Input::Opened { link, from } => self.opened(link, from, now),
            Input::Heard { link } => {
                if let Some(session) = self.sessions.get_mut(link) {
                    session.heard_at = now.mono;
                }
            }
            Input::Request { link, request, dialect, body } => self.request(link, request, dialect, body, now, out),
            Input::Body { link, octets } => self.body(link, octets, now, out),
            Input::Broken { link, fault } => {
                log::log!(self.level_for(link), link = link.text(); "the peer breaks the protocol: {fault:?}");
                self.refuse(link, Reason::of(&fault), now, out);
            }
            Input::Blocked { link } => self.output(link, Output::Blocked(now.mono)),
            Input::Drained { link } => self.output(link, Output::Drained(now.mono)),
            Input::Closed { link } => {
                self.depart(link, now, out);
                self.sessions.close(link);
            }
            Input::Room { octets, disk, cursors } => {
                (self.journal.room, self.journal.disk, self.journal.takes_cursors) = (octets, disk, cursors);
            }
            Input::Command { ticket, command } => {
                let answer = ops::command(&mut self.cx(now, out), command);
                out.push(Effect::Answer { ticket, after: self.journal.barrier, answer: Box::new(answer) });
            }
            Input::Tick => self.tick(now, out),
        }
        end_batch(&mut out[first..]);
    }

    /// Whether the log should be committed though nothing binding waits: cursors got old, or chunks many.
    pub fn presses(&self, now: Mono) -> bool {
        self.journal.presses(now)
    }

    /// Called when the log is about to be committed: lazy records ride along.
    pub fn before_commit(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Some((nodes, dead)) = self.journal.depart(now.mono) else { return };
        let mut nodes = nodes.into_iter();
        let mut octets = 0;
        for node in nodes.by_ref() {
            let first = out.len();
            let cursor = self.ledger.cursor(node);
            self.cx(now, out).append_lazily(&Record::Cursor(cursor));
            end_batch(&mut out[first..]);
            octets += out[first..].iter().map(Effect::weight).sum::<usize>();
            if octets >= CURSOR_BYTES_MAX {
                break;
            }
        }
        // What does not fit goes with the next commit, and nothing is forgotten before all of it is durable.
        if nodes.len() > 0 {
            return self.journal.put_back(nodes.collect(), dead, now.mono);
        }
        let after = self.ledger.last();
        if !dead.is_empty() {
            out.push(Effect::Forget { after, seqs: dead });
        }
    }

    /// Makes the next commit take every cursor along, however young: for a clean stop, and for comparing digests.
    pub fn settle(&mut self) {
        self.journal.hurry();
    }

    /// Whether no cursor waits to be written.
    pub fn is_settled(&self) -> bool {
        self.journal.is_settled()
    }

    /// # Panics
    /// If the relay's parts contradict each other.
    pub fn check_invariants(&self) {
        self.ledger.check_invariants();
        for session in self.sessions.iter() {
            let Some(login) = session.login() else { continue };
            assert_eq!(self.online.link(login.node), Some(session.link), "a logged-in node is online on its link");
            for lane in Lane::ALL {
                assert!(login.in_flight_in(lane) <= self.settings.window, "the window holds");
            }
        }
    }

    fn cx<'a>(&'a mut self, now: Now, out: &'a mut Vec<Effect>) -> Cx<'a> {
        Cx {
            now,
            settings: &self.settings,
            ledger: &mut self.ledger,
            sessions: &mut self.sessions,
            online: &mut self.online,
            presence: &mut self.presence,
            journal: &mut self.journal,
            timers: &mut self.timers,
            corks: &mut self.corks,
            guesses: &mut self.guesses,
            names: &mut self.names,
            counts: &mut self.counts,
            entropy: &mut *self.entropy,
            out,
        }
    }

    fn opened(&mut self, link: LinkId, from: Option<IpAddr>, now: Now) {
        let mut session = Session::new(link, from, self.settings.dialect, now.mono);
        self.timers.arm(&mut session.armed, link, now.mono.plus(self.settings.timeouts.login));
        self.sessions.open(session);
    }

    fn output(&mut self, link: LinkId, output: Output) {
        let Some(session) = self.sessions.get_mut(link) else { return };
        session.note_output(output);
        let at = match output {
            Output::Blocked(since) => Some(since.plus(self.settings.timeouts.stall)),
            Output::Drained(_) => session.redelivery_at(&self.settings.timeouts),
        };
        if let Some(at) = at {
            self.timers.arm(&mut session.armed, link, at);
        }
    }

    fn request(&mut self, link: LinkId, request: Request<'_>, dialect: Dialect, body: &[u8], now: Now, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get_mut(link) else { return };
        if matches!(session.state, State::Refused(_) | State::Closing(_)) {
            return;
        }
        session.dialect = dialect;
        self.counts.requests[request.op() as usize] += 1;
        if let Err(reason) = session.state.admit(&request) {
            return self.refuse(link, reason, now, out);
        }
        let whole = request.body().len == body.len() as u64 && body.len() <= self.settings.chunk;
        if whole {
            let data = upload::whole(&request, body);
            return self.run(link, request, Ok(data), now, out);
        }
        self.begin_upload(link, request.into_owned(), now, out);
        self.body(link, body, now, out);
    }

    fn begin_upload(&mut self, link: LinkId, request: Request<'static>, now: Now, out: &mut Vec<Effect>) {
        let Some(me) = self.me(link) else { return };
        let refusal = ops::foresee(&mut self.cx(now, out), me, &request).err();
        let upload = Upload::new(request, refusal, self.settings.chunk, now.mono);
        if let Some(session) = self.sessions.get_mut(link) {
            self.timers.arm(&mut session.armed, link, upload.judged_at());
            session.upload = Some(Box::new(upload));
        }
    }

    fn body(&mut self, link: LinkId, octets: &[u8], now: Now, out: &mut Vec<Effect>) {
        let Some(mut upload) = self.sessions.get_mut(link).and_then(|session| session.upload.take()) else { return };
        let chunk = self.settings.chunk;
        let mut cx = self.cx(now, out);
        if !upload.is_refused() && !cx.has_room(octets.len() as u64 + chunk as u64) {
            cx.counts.refused.note(Limit::Storage);
            let needless = upload.refuse(ops::STORAGE_FULL.to_owned());
            cx.journal.forget_later(needless, now.mono);
        }
        let done = upload.take(octets, chunk, &mut |chunk| {
            cx.journal.lazily(chunk.len());
            cx.append_lazily(&Record::Chunk(chunk.into()))
        });
        if done {
            let (request, data) = upload.finish();
            self.run(link, request, data, now, out);
        } else if let Some(session) = self.sessions.get_mut(link) {
            session.upload = Some(upload);
        }
    }

    fn run(&mut self, link: LinkId, request: Request<'_>, data: Result<upload::Data<'_>, String>, now: Now, out: &mut Vec<Effect>) {
        let outcome = ops::run(&mut self.cx(now, out), link, request, data);
        if let Err(reason) = outcome {
            self.refuse(link, reason, now, out);
        }
    }

    /// How loudly to tell what a peer brought about: strangers could fill a disk with it.
    fn level_for(&self, link: LinkId) -> log::Level {
        if self.is_member(link) { log::Level::Info } else { log::Level::Debug }
    }

    fn me(&self, link: LinkId) -> Option<Me> {
        let login = self.sessions.get(link)?.login()?;
        Some(Me { link, user: login.user, node: login.node })
    }

    /// Ends a link with a reason, which only a TMTP client is told.
    fn refuse(&mut self, link: LinkId, reason: Reason, now: Now, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get(link) else { return };
        if matches!(session.state, State::Refused(_) | State::Closing(_)) {
            return;
        }
        self.counts.note_reason(reason);
        if reason == Reason::LoginFailed && self.postpone(link, now) {
            return;
        }
        let Some(session) = self.sessions.get(link) else { return };
        match session.state {
            State::Refused(_) | State::Closing(_) => return,
            State::Greeting => {
                log::debug!(link = link.text(); "the link ends: {reason} (not told: it never said which revision it speaks)")
            }
            State::Anonymous | State::LoggedIn(_) => {
                log::log!(self.level_for(link), link = link.text(); "the link ends: {reason}");
                return ops::end_link(&mut self.cx(now, out), link, Some(reason));
            }
        }
        ops::end_link(&mut self.cx(now, out), link, None);
    }

    /// Puts off the answer to a failed login where many came from the same address before. Nobody else waits for it, and the link is
    /// one of those that the address may have.
    fn postpone(&mut self, link: LinkId, now: Now) -> bool {
        let LoginManners { free, spares_own } = self.settings.login_manners;
        let Some(session) = self.sessions.get_mut(link) else { return false };
        let from = session.from;
        if spares_own && Source::is_own(from) {
            return false;
        }
        let before = self.failed_logins.count(from, now.mono);
        // More of them would not make the delay any longer.
        self.failed_logins.note(from, free + LOGIN_DELAYS, now.mono);
        let Some(late) = before.checked_sub(free) else { return false };
        let delay = LOGIN_DELAY_MAX.min(LOGIN_DELAY_FIRST * (1 << late.min(LOGIN_DELAYS)));
        // In time for it to be told at all.
        let at = now.mono.plus(delay).min(session.opened_at.plus(self.settings.timeouts.login));
        session.state = State::Refused(at);
        self.timers.arm(&mut session.armed, link, at);
        true
    }

    /// Whoever was on the link is here no longer.
    fn depart(&mut self, link: LinkId, now: Now, out: &mut Vec<Effect>) {
        ops::depart(&mut self.cx(now, out), link);
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.corks.is_late(now) {
            self.corks = Corks::new(self.ledger.corks().map(|cork| (cork.until, cork.user)));
        }
        while let Some(user) = self.corks.pop(now) {
            ops::release(&mut self.cx(now, out), user);
        }
        while let Some((at, link)) = self.timers.pop(now.mono) {
            let level = self.level_for(link);
            let Some(session) = self.sessions.get_mut(link) else { continue };
            if session.armed != Some(at) {
                continue;
            }
            session.armed = None;
            match session.due(now.mono, &self.settings.timeouts, self.settings.upload_rate) {
                Due::Refusal => {
                    self.counts.refused.note(Limit::LoginFailures);
                    log::debug!(link = link.text(); "the link ends: {}", Reason::LoginFailed);
                    ops::end_link(&mut self.cx(now, out), link, Some(Reason::LoginFailed));
                }
                Due::Pace => {
                    session.upload.iter_mut().for_each(|upload| upload.begin_period(now.mono));
                    self.rearm(link, now);
                }
                Due::Cut(limit, why) => {
                    self.counts.refused.note(limit);
                    log::log!(level, link = link.text(); "the link ends: {why}");
                    self.depart(link, now, out);
                    self.sessions.close(link);
                    out.push(Effect::Cut { link });
                }
                Due::Redelivery => self.redeliver(link, now, out),
                Due::Nothing(next) => self.timers.arm(&mut session.armed, link, next),
            }
        }
    }

    /// Sends again what was not acked in time.
    fn redeliver(&mut self, link: LinkId, now: Now, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get_mut(link) else { return };
        let late = self.settings.timeouts.redelivery;
        let State::LoggedIn(login) = &mut session.state else { return };
        for delivery in login.in_flight.iter_mut().filter(|delivery| delivery.is_out && delivery.sent_at.plus(late) <= now.mono) {
            delivery.sent_at = now.mono;
            out.push(Effect::Deliver { link, after: self.journal.barrier, message: delivery.message, again: true });
        }
        self.rearm(link, now);
    }

    fn rearm(&mut self, link: LinkId, now: Now) {
        let Some(session) = self.sessions.get_mut(link) else { return };
        let next = match session.due(now.mono, &self.settings.timeouts, self.settings.upload_rate) {
            Due::Nothing(next) => next,
            // It comes with the next tick.
            Due::Refusal | Due::Pace | Due::Cut(..) | Due::Redelivery => now.mono,
        };
        self.timers.arm(&mut session.armed, link, next);
    }
}

/// So many doublings from the shortest delay of a failed login's answer to the longest.
const LOGIN_DELAYS: usize = 4;
const _: () = assert!(LOGIN_DELAY_FIRST.as_millis() << LOGIN_DELAYS == LOGIN_DELAY_MAX.as_millis());
const _: () = assert!(LOGIN_DELAY_MAX.as_millis() < LOGIN_TIMEOUT.as_millis(), "there is time to tell it");

/// Marks the last record of a batch.
fn end_batch(effects: &mut [Effect]) {
    let last = effects.iter_mut().rev().find_map(|effect| match effect {
        Effect::Append { end, .. } => Some(end),
        Effect::Send { .. }
        | Effect::Deliver { .. }
        | Effect::Close { .. }
        | Effect::Cut { .. }
        | Effect::Answer { .. }
        | Effect::Forget { .. } => None,
    });
    if let Some(end) = last {
        *end = true;
    }
}
