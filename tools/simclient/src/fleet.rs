//! The members of one thread and their links: connecting, logging in, coming back, and the poll loop under it all.
//!
//! A [`Script`] is told what happens and asked for requests when a link has room; what it wants of the fleet it says by
//! [`Order`]s. The fleet itself acks every message, whatever its op: a member that did not would be sent it again.

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
use mnm_client::{Account, Link, LinkError, Reply};
use rustls::pki_types::ServerName;

use crate::Failure;
use crate::clock::Clock;
use crate::control::Control;
use member::{Member, State};
pub(crate) use setup::{Place, allow_descriptors};

/// What the members do. They are known by their index in the fleet.
pub(crate) trait Script {
    /// A member has logged in, on a link that it began at `began`; `again` if it was before. What is written here goes
    /// before anything else.
    fn online(&mut self, who: usize, account: &Account, again: bool, began: Mono, now: Mono, out: &mut Vec<u8>);
    /// The relay has answered a request.
    fn answered(&mut self, who: usize, id: &str, error: Option<&str>, now: Mono);
    /// A delivery came, and is acked by the fleet. `sound`: its headsum holds.
    fn delivered(&mut self, who: usize, header: &Reply<'_>, sound: bool, body: &[u8], now: Mono);
    /// The delivery that came last is not acked: the member has said good-bye.
    fn unacked(&mut self, who: usize, id: &str);
    /// Another message came, and is acked.
    fn noticed(&mut self, who: usize, op: &str, now: Mono);
    /// There is room: append requests as long as [`OUT_ENOUGH`] is not reached.
    fn fill(&mut self, who: usize, out: &mut Vec<u8>, now: Mono);
    /// A member has gone, as it was ordered to. `in_order`: it had said good-bye and was answered.
    fn left(&mut self, who: usize, in_order: bool, now: Mono);
    /// The time has come for which a member wanted to be woken.
    fn woken(&mut self, who: usize, now: Mono);
    /// A link ended that should not have; `back` says when the member comes back.
    fn lost(&mut self, who: usize, was_online: bool, error: &LinkError, back: Duration);
    /// What is to be done now.
    fn take_orders(&mut self) -> Vec<Order>;
}

/// What a script wants of the fleet, each for one member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// It may now send something although nothing came for it.
    Kick(usize),
    /// It is to log in.
    Come(usize),
    /// It is to quit.
    Leave(usize),
    /// Its link breaks, without a word.
    Cut(usize),
    /// It is to be woken at a time.
    Wake(usize, Mono),
}

/// What a lost link means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnLoss {
    /// The test cannot go on.
    Fail,
    /// The member comes back, and all is well.
    ComeBack,
    /// The member comes back; that a logged-in link was lost is told, and is a fault.
    Fault,
}

/// How a fleet connects.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) place: Place,
    pub(crate) on_loss: OnLoss,
    /// A relay that is not there at first is waited for.
    pub(crate) waits_for_relay: bool,
    /// The shortest time between two connects.
    pub(crate) connect_every: Duration,
    /// Links that may be on their way to a login at the same time: more would only wait in the relay's backlog.
    pub(crate) greeting_max: usize,
    /// A link that has said nothing for this long says that it is there.
    pub(crate) pulse_after: Duration,
    /// A code to register with.
    pub(crate) invite: Option<String>,
}

/// What each member is: an account that exists, or somebody who has yet to register.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    Known(Account),
    New,
}

/// Output that is enough for one go, in octets: more only costs memory.
pub(crate) const OUT_ENOUGH: usize = 64 << 10;
/// As many greetings at a time as make a relay busy.
pub(crate) const GREETING_MAX: usize = 64;
/// The pulse of members who have nothing better to say; the relay's patience is twice that.
pub(crate) const PULSE_AFTER: Duration = Duration::from_secs(60);

/// A login that is not answered for this long never will be. The relay's own patience ends at 5 s.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long good-byes may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a relay may be away before all members have logged in for the first time.
const ABSENCE_MAX: Duration = Duration::from_secs(60);
/// How often every member is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Decrypting in larger pieces gains nothing.
const SCRATCH: usize = 64 << 10;

/// The members of one thread and what connects them.
pub(crate) struct Fleet {
    pub(crate) clock: Clock,
    pub(crate) reconnects: u64,
    manner: Manner,
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    addr: SocketAddr,
    server_name: ServerName<'static>,
    members: Vec<Member>,
    /// Members to be connected, when the rate and the greetings under way allow.
    queue: VecDeque<usize>,
    /// Members that wait to come back, by when.
    absent: BinaryHeap<Reverse<(Mono, usize)>>,
    /// Members to be woken, by when.
    agenda: BinaryHeap<Reverse<(Mono, usize)>>,
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
    pub(crate) fn new(
        manner: Manner,
        identities: Vec<(Identity, Option<String>)>,
        clock: Clock,
        control: Arc<Control>,
    ) -> Result<Fleet, Failure> {
        Ok(Fleet {
            clock,
            reconnects: 0,
            poll: Poll::new().map_err(|e| Failure::Usage(format!("the system has no poll: {e}")))?,
            events: Events::with_capacity(1024),
            scratch: vec![0; SCRATCH],
            addr: manner.place.addr,
            server_name: manner.place.server_name.clone(),
            queue: (0..identities.len()).collect(),
            members: identities.into_iter().map(|(identity, alias)| Member::new(identity, alias, manner.place.tls_of_member())).collect(),
            absent: BinaryHeap::new(),
            agenda: BinaryHeap::new(),
            ready: Vec::new(),
            greeting: 0,
            control,
            online: 0,
            next_connect: Mono::default(),
            next_tick: Mono::default(),
            last_login: clock.now(),
            manner,
        })
    }

    /// Members who are logged in.
    pub(crate) fn online(&self) -> usize {
        self.online
    }

    /// Members in all.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The accounts, of those who have one.
    pub(crate) fn accounts(&self) -> Vec<Option<Account>> {
        self.members.iter().map(|member| member.account().cloned()).collect()
    }

    /// The aliases, of those who have one.
    pub(crate) fn aliases(&self) -> Vec<Option<String>> {
        self.members.iter().map(|member| member.alias().map(str::to_owned)).collect()
    }

    /// Whether somebody wants the test to end early.
    pub(crate) fn interrupted(&self) -> bool {
        self.control.is_stopped()
    }

    /// Whether members came to be logged in not so long ago that there is no hope for the others.
    pub(crate) fn has_hope(&self) -> bool {
        self.clock.now().since(self.last_login) <= ABSENCE_MAX
    }

    /// Asks the script for every member's messages.
    pub(crate) fn kick_all(&mut self) {
        for who in 0..self.members.len() {
            self.make_ready(who);
        }
    }

    /// Waits for something to happen, at most until `until`, and handles it.
    pub(crate) fn turn(&mut self, script: &mut impl Script, until: Mono) -> Result<(), Failure> {
        let now = self.clock.now();
        self.tick(script, now)?;
        while let Some(Reverse((due, who))) = self.agenda.peek().copied()
            && due <= now
        {
            self.agenda.pop();
            script.woken(who, now);
        }
        self.obey(script, now);
        self.start_links(script, now)?;
        let wait = if self.ready.is_empty() { self.next_deadline().min(until).since(now) } else { Duration::ZERO };
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
            self.serve(who, script)?;
        }
        self.obey(script, self.clock.now());
        Ok(())
    }

    /// Whether every octet meant for the relay has been given to the socket.
    pub(crate) fn flushed(&self) -> bool {
        self.members.iter().all(|m| m.link.as_ref().is_none_or(|link| link.unsent() == 0))
    }

    /// Quits every link and waits for the answers; what still comes is counted. How many got none.
    pub(crate) fn leave(&mut self, script: &mut impl Script) -> Result<usize, Failure> {
        self.queue.clear();
        self.absent.clear();
        self.agenda.clear();
        for who in 0..self.members.len() {
            if self.members[who].leave() {
                self.online -= usize::from(self.members[who].link.is_some());
                self.make_ready(who);
            }
        }
        let give_up = self.clock.now().plus(LEAVE_TIMEOUT);
        while self.members.iter().any(|m| m.link.is_some()) && self.clock.now() < give_up {
            self.turn(script, give_up)?;
        }
        Ok(self.members.iter().filter(|m| m.link.is_some()).count())
    }

    fn obey(&mut self, script: &mut impl Script, now: Mono) {
        // What is done to obey may bring more orders.
        for _ in 0..4 {
            let orders = script.take_orders();
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::Kick(who) => self.make_ready(who),
                    Order::Come(who) => self.queue.push_back(who),
                    Order::Wake(who, at) => self.agenda.push(Reverse((at, who))),
                    Order::Leave(who) => {
                        if self.members[who].is_online() {
                            self.online -= 1;
                            self.members[who].leave();
                            self.make_ready(who);
                        }
                    }
                    Order::Cut(who) => {
                        self.online -= usize::from(self.members[who].is_online());
                        self.greeting -= usize::from(self.members[who].greeting_since().is_some());
                        self.members[who].cut();
                        script.left(who, false, now);
                    }
                }
            }
        }
    }

    fn make_ready(&mut self, who: usize) {
        if !std::mem::replace(&mut self.members[who].ready, true) {
            self.ready.push(who);
        }
    }

    fn next_deadline(&self) -> Mono {
        let due = |heap: &BinaryHeap<Reverse<(Mono, usize)>>| heap.peek().map(|Reverse((due, _))| *due);
        let connect = (!self.queue.is_empty() && self.greeting < self.manner.greeting_max).then_some(self.next_connect);
        [due(&self.absent), due(&self.agenda), connect].into_iter().flatten().fold(self.next_tick, Mono::min)
    }

    /// Once a second: pulses, and links that never get through their login.
    fn tick(&mut self, script: &mut impl Script, now: Mono) -> Result<(), Failure> {
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now.plus(TICK);
        for who in 0..self.members.len() {
            if self.members[who].greeting_since().is_some_and(|since| now.since(since) > GREETING_TIMEOUT) {
                self.lose(who, LinkError::Silent, script)?;
            } else if self.members[who].pulse_if_quiet(self.manner.pulse_after, now) {
                self.make_ready(who);
            }
        }
        Ok(())
    }

    fn start_links(&mut self, script: &mut impl Script, now: Mono) -> Result<(), Failure> {
        while let Some(Reverse((due, who))) = self.absent.peek().copied()
            && due <= now
        {
            self.absent.pop();
            self.queue.push_back(who);
        }
        while self.greeting < self.manner.greeting_max
            && now >= self.next_connect
            && let Some(who) = self.queue.pop_front()
        {
            if !self.members[who].is_away() {
                continue;
            }
            let earliest = Mono(now.0.saturating_sub(TICK.as_nanos() as u64 / 10));
            self.next_connect = self.next_connect.max(earliest).plus(self.manner.connect_every);
            self.greeting += 1;
            match self.connect(who) {
                Ok(link) => self.members[who].greet(link, self.manner.invite.as_deref(), self.clock.now()),
                Err(error) => {
                    self.members[who].state = State::Greeting { since: now };
                    self.lose(who, error, script)?;
                }
            }
        }
        Ok(())
    }

    fn connect(&self, who: usize) -> Result<Link<TcpStream>, LinkError> {
        let mut socket = TcpStream::connect(self.addr)?;
        self.poll.registry().register(&mut socket, Token(who), Interest::READABLE | Interest::WRITABLE)?;
        Link::new(socket, self.members[who].tls.clone(), self.server_name.clone())
    }

    fn serve(&mut self, who: usize, script: &mut impl Script) -> Result<(), Failure> {
        let member = &mut self.members[who];
        let was_greeting = member.greeting_since().is_some();
        let result = member.serve(who, &mut self.scratch, script, self.clock);
        if was_greeting && member.is_online() {
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
            Err(error) => self.lose(who, error, script),
        }
    }

    /// A link has ended. Decides whether that ends the test, and otherwise when the member comes back.
    fn lose(&mut self, who: usize, error: LinkError, script: &mut impl Script) -> Result<(), Failure> {
        let member = &mut self.members[who];
        member.link = None;
        let was_online = match std::mem::replace(&mut member.state, State::Away) {
            State::Away => return Ok(()),
            State::Leaving => {
                script.left(who, matches!(error, LinkError::Quit(_)), self.clock.now());
                return Ok(());
            }
            State::Greeting { .. } => {
                self.greeting -= 1;
                false
            }
            State::Online => {
                self.online -= 1;
                true
            }
        };
        let may_come_back = match self.manner.on_loss {
            OnLoss::Fail => false,
            OnLoss::ComeBack | OnLoss::Fault => member.is_known() || self.manner.waits_for_relay,
        };
        if !may_come_back || !error.is_transient() {
            return Err(Failure::Connection(format!("member {who} at {}: {error}", self.addr)));
        }
        self.reconnects += u64::from(member.account().is_some());
        let wait = member.next_backoff();
        script.lost(who, was_online, &error, wait);
        self.absent.push(Reverse((self.clock.now().plus(wait), who)));
        Ok(())
    }
}
