//! The loop: many links of one protocol in one thread, and a [`Play`] that says what they do.
//!
//! A turn reads every link that has something, hands on what it says, lets the play post, and writes once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use rustls::ClientConfig;

use crate::driver::{Driver, Event, Outcome, Role};
use crate::interrupt;
use crate::link::{Link, READ};

/// Handshakes at a time: a relay gives a newcomer five seconds, and a listener's queue is short.
const GREETING_MAX: usize = 32;
/// How long all links together may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a turn waits for something to do: ends and interrupts are noticed so late at most.
const TICK: Duration = Duration::from_millis(20);

/// What the links do. A link's number is `member * D::ROLES.len() + role`.
pub(crate) trait Play<D: Driver> {
    /// A link has been told something.
    fn event(&mut self, link: usize, event: Event<'_>, now: Instant) -> Outcome<()>;

    /// A link may have room for more posts.
    fn fill(&mut self, link: usize, driver: &mut D, out: &mut Vec<u8>, now: Instant);

    /// A server has closed a link: who allows that?
    fn closed(&mut self, link: usize) -> Outcome<()> {
        Err(format!("the server closed link {link}"))
    }
}

struct Peer<D> {
    driver: D,
    link: Link,
    is_ready: bool,
}

pub(crate) struct Fleet<D> {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    config: Arc<ClientConfig>,
    peers: Vec<Peer<D>>,
    ready: usize,
    scratch: Vec<u8>,
}

impl<D: Driver> Fleet<D> {
    pub(crate) fn new(address: SocketAddr, config: Arc<ClientConfig>) -> Outcome<Fleet<D>> {
        let poll = Poll::new().map_err(|e| format!("epoll: {e}"))?;
        let events = Events::with_capacity(1024);
        Ok(Fleet { poll, events, address, config, peers: Vec::new(), ready: 0, scratch: vec![0; READ] })
    }

    /// Logs in all links of so many members, few at a time.
    pub(crate) fn gather(&mut self, members: usize, in_group: bool, play: &mut impl Play<D>) -> Outcome<()> {
        let end = Instant::now() + PATIENCE;
        let links = members * D::ROLES.len();
        while self.ready < links {
            while self.peers.len() < links && self.peers.len() - self.ready < GREETING_MAX {
                let number = self.peers.len();
                let driver = D::new(number / D::ROLES.len(), self.role(number), in_group);
                self.open(number, driver)?;
            }
            if Instant::now() > end {
                return Err(format!("only {} of {links} links are ready after {PATIENCE:?}", self.ready));
            }
            self.turn(play)?;
        }
        Ok(())
    }

    pub(crate) fn role(&self, link: usize) -> Role {
        D::ROLES[link % D::ROLES.len()]
    }

    /// How others reach a member.
    pub(crate) fn address(&self, member: usize) -> &str {
        self.peers[member * D::ROLES.len()].driver.address()
    }

    /// Connects a link, as a new one or in the place of one that ended.
    fn open(&mut self, number: usize, mut driver: D) -> Outcome<()> {
        let mut link = Link::connect(self.address, &self.config, self.poll.registry(), Token(number))?;
        driver.greet(&mut link.out);
        let peer = Peer { driver, link, is_ready: false };
        match self.peers.get_mut(number) {
            Some(place) => *place = peer,
            None => self.peers.push(peer),
        }
        Ok(())
    }

    /// Ends a link, and lets its member come again.
    pub(crate) fn reopen(&mut self, number: usize) -> Outcome<()> {
        let peer = &mut self.peers[number];
        self.ready -= usize::from(peer.is_ready);
        peer.link.close();
        let driver = peer.driver.successor();
        self.open(number, driver)
    }

    /// Calls `say` for one link, out of turn.
    pub(crate) fn kick(&mut self, number: usize, say: impl FnOnce(&mut D, &mut Vec<u8>)) -> Outcome<()> {
        let Peer { driver, link, .. } = &mut self.peers[number];
        say(driver, &mut link.out);
        link.flush()
    }

    /// Lets the play post on every link, as if each had been told something.
    pub(crate) fn start(&mut self, play: &mut impl Play<D>) -> Outcome<()> {
        for number in 0..self.peers.len() {
            self.kick(number, |driver, out| play.fill(number, driver, out, Instant::now()))?;
        }
        Ok(())
    }

    /// Runs until the play is done or the time is over; whether it is done.
    pub(crate) fn run<P: Play<D>>(&mut self, time: Duration, play: &mut P, is_done: impl Fn(&P) -> bool) -> Outcome<bool> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if is_done(play) {
                return Ok(true);
            }
            self.turn(play)?;
        }
        Ok(is_done(play))
    }

    pub(crate) fn turn(&mut self, play: &mut impl Play<D>) -> Outcome<()> {
        match self.poll.poll(&mut self.events, Some(TICK)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(format!("epoll: {error}")),
            Ok(()) | Err(_) => interrupt::check()?,
        }
        for event in &self.events {
            let number = event.token().0;
            let peer = &mut self.peers[number];
            let was_ready = peer.is_ready;
            let told = |error| format!("link {number}: {error}");
            if serve(number, peer, &mut self.scratch, event.is_read_closed(), play).map_err(told)? {
                play.closed(number)?;
            }
            self.ready += usize::from(peer.is_ready && !was_ready);
        }
        Ok(())
    }
}

/// One link's part of a turn; whether the server has closed it.
fn serve<D: Driver>(number: usize, peer: &mut Peer<D>, scratch: &mut [u8], is_ending: bool, play: &mut impl Play<D>) -> Outcome<bool> {
    let Peer { driver, link, is_ready } = peer;
    let is_closed = link.receive(scratch, is_ending)?;
    let now = Instant::now();
    let mut at = 0;
    while let Some((used, event)) = driver.take(&link.inbox[at..], &mut link.out)? {
        at += used;
        *is_ready |= matches!(event, Event::Ready);
        play.event(number, event, now)?;
    }
    link.inbox.drain(..at);
    play.fill(number, driver, &mut link.out, now);
    driver.settle(&mut link.out);
    if !is_closed {
        link.flush()?;
    }
    Ok(is_closed)
}
