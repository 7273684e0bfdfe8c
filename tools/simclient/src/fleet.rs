//! The members and their links: connecting, logging in, coming back, and the poll loop under it all.
//!
//! A scenario is asked for messages when a link has room ([`Scenario::fill`]) and told what came. The
//! fleet itself acks every message, whatever its op: a member that did not would be sent it again.

mod member;
mod setup;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use mnm::base::Mono;
use mnm_client::{Link, LinkError, Reply};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::Failure;
use crate::cli::Options;
use crate::clock::Clock;
use crate::control::Control;
use member::{Member, State};

/// What the members do once they are logged in. Members are known by their index.
pub(crate) trait Scenario {
    /// A member has logged in; `again` if it was before. What is written here goes before anything else.
    fn online(&mut self, who: usize, uid: &str, again: bool, out: &mut Vec<u8>);
    /// The relay has answered a request.
    fn answered(&mut self, who: usize, id: &str, error: Option<&str>, now: Mono);
    /// A delivery came, and is acked by the fleet. `sound`: its headsum holds.
    fn delivered(&mut self, who: usize, header: &Reply<'_>, sound: bool, body: &[u8], now: Mono);
    /// There is room: append requests as long as [`OUT_ENOUGH`] is not reached.
    fn fill(&mut self, who: usize, out: &mut Vec<u8>, now: Mono);
    /// Members who may now send although nothing came for them.
    fn take_kicks(&mut self) -> Vec<usize>;
    /// Something happened that does not end the test.
    fn link_note(&mut self, text: String);
}

/// Output that is enough for one go, in octets: more only costs memory.
pub(crate) const OUT_ENOUGH: usize = 64 << 10;

/// Links that may be on their way to a login at the same time: more would only wait in the relay's backlog.
const GREETING_MAX: usize = 64;
/// A login that is not answered for this long never will be. The relay's own patience ends at 5 s.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long good-byes may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// With --reconnect, how long a relay may be away before all members have logged in for the first time.
const ABSENCE_MAX: Duration = Duration::from_secs(60);
/// How often every member is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Decrypting in larger pieces gains nothing.
const SCRATCH: usize = 64 << 10;

/// All members and what connects them.
pub(crate) struct Fleet {
    pub(crate) clock: Clock,
    pub(crate) reconnects: u64,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    addr: SocketAddr,
    tls: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    reconnect: bool,
    connect_every: Duration,
    members: Vec<Member>,
    /// Members to be connected, when the rate and [`GREETING_MAX`] allow.
    queue: VecDeque<usize>,
    /// Members that wait to come back, by when.
    absent: BinaryHeap<Reverse<(Mono, usize)>>,
    /// Members to be served in this turn.
    ready: Vec<usize>,
    greeting: usize,
    online: usize,
    control: Arc<Control>,
    next_connect: Mono,
    next_tick: Mono,
    last_login: Mono,
}

impl Fleet {
    pub(crate) fn new(options: &Options, control: Arc<Control>) -> Result<Fleet, Failure> {
        let count = options.members as usize;
        setup::allow_descriptors(count)?;
        let (addr, server_name) = setup::relay_of(options)?;
        let connect_every = Duration::from_secs(1).checked_div(options.connect_rate).unwrap_or_default();
        Ok(Fleet {
            clock: Clock::start(),
            reconnects: 0,
            poll: Poll::new().map_err(|e| Failure::Usage(format!("the system has no poll: {e}")))?,
            events: Events::with_capacity(1024),
            scratch: vec![0; SCRATCH],
            addr,
            tls: setup::tls_of(options)?,
            server_name,
            reconnect: options.reconnect,
            connect_every,
            members: std::iter::repeat_with(Member::default).take(count).collect(),
            queue: (0..count).collect(),
            absent: BinaryHeap::new(),
            ready: Vec::new(),
            greeting: 0,
            control,
            online: 0,
            next_connect: Mono::default(),
            next_tick: Mono::default(),
            last_login: Mono::default(),
        })
    }

    /// Members who are logged in.
    pub(crate) fn online(&self) -> usize {
        self.online
    }

    /// Whether somebody wants the test to end early.
    pub(crate) fn interrupted(&self) -> bool {
        self.control.is_stopped()
    }

    /// Tells those who watch the test how many posts were acked.
    pub(crate) fn tell_acked(&self, acked: u64) {
        self.control.tell_acked(acked);
    }

    /// Runs turns until every member has an account and a link.
    pub(crate) fn gather(&mut self, scenario: &mut impl Scenario, mut each: impl FnMut(&Fleet)) -> Result<(), Failure> {
        while self.online < self.members.len() {
            self.turn(scenario)?;
            each(self);
            if self.interrupted() {
                return Err(Failure::Connection("interrupted before all members were logged in".into()));
            }
            if self.clock.now().since(self.last_login) > ABSENCE_MAX {
                let (online, all) = (self.online, self.members.len());
                return Err(Failure::Connection(format!("{online} of {all} members are logged in, and no more come: giving up")));
            }
        }
        Ok(())
    }

    /// Asks the scenario for every member's messages.
    pub(crate) fn kick_all(&mut self) {
        for who in 0..self.members.len() {
            self.make_ready(who);
        }
    }

    /// Waits for something to happen, at most until the next tick, and handles it.
    pub(crate) fn turn(&mut self, scenario: &mut impl Scenario) -> Result<(), Failure> {
        let now = self.clock.now();
        self.tick(scenario, now)?;
        self.start_links(scenario, now)?;
        let wait = if self.ready.is_empty() { self.next_deadline().since(now) } else { Duration::ZERO };
        // Rounded up to the clock of epoll, or we would spin until the deadline.
        let wait = if wait.is_zero() { wait } else { wait + Duration::from_millis(1) };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(Failure::Connection(format!("poll: {error}")));
            }
            Ok(()) | Err(_) => {}
        }
        for event in &self.events {
            let who = event.token().0;
            let member = &mut self.members[who];
            member.ending |= event.is_read_closed() || event.is_error();
            member.readable |= event.is_readable() || member.ending;
            if !std::mem::replace(&mut member.ready, true) {
                self.ready.push(who);
            }
        }
        for who in std::mem::take(&mut self.ready) {
            self.members[who].ready = false;
            self.serve(who, scenario)?;
        }
        for who in scenario.take_kicks() {
            self.make_ready(who);
        }
        Ok(())
    }

    /// Whether every octet meant for the relay has been given to the socket.
    pub(crate) fn flushed(&self) -> bool {
        self.members.iter().all(|m| m.link.as_ref().is_none_or(|link| link.unsent() == 0))
    }

    /// Quits every link and waits for the answers; what still comes is counted.
    pub(crate) fn leave(&mut self, scenario: &mut impl Scenario) -> Result<(), Failure> {
        self.queue.clear();
        self.absent.clear();
        for who in 0..self.members.len() {
            self.members[who].leave();
            self.make_ready(who);
        }
        let give_up = self.clock.now().plus(LEAVE_TIMEOUT);
        while self.members.iter().any(|m| m.link.is_some()) {
            self.turn(scenario)?;
            if self.clock.now() > give_up {
                let left = self.members.iter().filter(|m| m.link.is_some()).count();
                scenario.link_note(format!("{left} members said quit and got no answer"));
                break;
            }
        }
        Ok(())
    }

    fn make_ready(&mut self, who: usize) {
        if !std::mem::replace(&mut self.members[who].ready, true) {
            self.ready.push(who);
        }
    }

    fn next_deadline(&self) -> Mono {
        let mut deadline = self.next_tick;
        if let Some(Reverse((due, _))) = self.absent.peek() {
            deadline = deadline.min(*due);
        }
        if !self.queue.is_empty() && self.greeting < GREETING_MAX {
            deadline = deadline.min(self.next_connect);
        }
        deadline
    }

    /// Once a second: pulses, and links that never get through their login.
    fn tick(&mut self, scenario: &mut impl Scenario, now: Mono) -> Result<(), Failure> {
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now.plus(TICK);
        for who in 0..self.members.len() {
            if self.members[who].greeting_since().is_some_and(|since| now.since(since) > GREETING_TIMEOUT) {
                self.lose(who, LinkError::Silent, scenario)?;
            } else if self.members[who].pulse_if_quiet(now) {
                self.make_ready(who);
            }
        }
        Ok(())
    }

    fn start_links(&mut self, scenario: &mut impl Scenario, now: Mono) -> Result<(), Failure> {
        while let Some(Reverse((due, who))) = self.absent.peek().copied()
            && due <= now
        {
            self.absent.pop();
            self.queue.push_back(who);
        }
        while self.greeting < GREETING_MAX
            && now >= self.next_connect
            && let Some(who) = self.queue.pop_front()
        {
            self.next_connect = self.next_connect.max(Mono(now.0.saturating_sub(TICK.as_nanos() as u64 / 10))).plus(self.connect_every);
            self.greeting += 1;
            match self.connect(who) {
                Ok(link) => self.members[who].greet(link, now),
                Err(error) => {
                    self.members[who].state = State::Greeting { since: now };
                    self.lose(who, error, scenario)?;
                }
            }
        }
        Ok(())
    }

    fn connect(&self, who: usize) -> Result<Link<TcpStream>, LinkError> {
        let mut socket = TcpStream::connect(self.addr)?;
        self.poll.registry().register(&mut socket, Token(who), Interest::READABLE | Interest::WRITABLE)?;
        Link::new(socket, self.tls.clone(), self.server_name.clone())
    }

    fn serve(&mut self, who: usize, scenario: &mut impl Scenario) -> Result<(), Failure> {
        let member = &mut self.members[who];
        let was_online = member.is_online();
        let result = member.serve(who, &mut self.scratch, scenario, self.clock);
        if !was_online && member.is_online() {
            self.online += 1;
            self.greeting -= 1;
            self.last_login = self.clock.now();
        }
        match result {
            Ok(more) => {
                if more {
                    self.make_ready(who);
                }
                Ok(())
            }
            Err(error) => self.lose(who, error, scenario),
        }
    }

    /// A link has ended. Decides whether that ends the test, and otherwise when the member comes back.
    fn lose(&mut self, who: usize, error: LinkError, scenario: &mut impl Scenario) -> Result<(), Failure> {
        let member = &mut self.members[who];
        member.link = None;
        match std::mem::replace(&mut member.state, State::Away) {
            State::Leaving | State::Away => return Ok(()),
            State::Greeting { .. } => self.greeting -= 1,
            State::Online => self.online -= 1,
        }
        if !self.reconnect || !error.is_transient() {
            return Err(Failure::Connection(format!("member {who} at {}: {error}", self.addr)));
        }
        if member.has_account() {
            self.reconnects += 1;
        }
        let wait = member.next_backoff();
        scenario.link_note(format!("member {who}: {error}; back in {} ms", wait.as_millis()));
        self.absent.push(Reverse((self.clock.now().plus(wait), who)));
        Ok(())
    }
}
