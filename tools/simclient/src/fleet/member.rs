//! One member: an account, at most one link, and what is said before the scenario has its turn.

use std::time::Duration;

use mio::net::TcpStream;
use mnm::base::Mono;
use mnm_client::{Backoff, Frame, Link, LinkError, Sink, request};

use super::{OUT_ENOUGH, Scenario};
use crate::clock::Clock;

/// Where a member stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum State {
    /// No link, and none on the way; or one that is wanted no more.
    #[default]
    Away,
    /// Connecting, or waiting for the answer to the login.
    Greeting { since: Mono },
    /// Logged in.
    Online,
    /// Quit is said; the relay's last words are awaited.
    Leaving,
}

/// What a member logs in with.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Account {
    uid: String,
    node: String,
}

#[derive(Debug, Default)]
pub(super) struct Member {
    pub(super) state: State,
    pub(super) link: Option<Link<TcpStream>>,
    /// The socket may have something to read.
    pub(super) readable: bool,
    /// The poll has told that the relay writes no more; what it wrote may still be unread.
    pub(super) ending: bool,
    /// In the fleet's list of members to be served.
    pub(super) ready: bool,
    account: Option<Account>,
    /// The member has been online before: what it then had in flight must be repeated.
    known: bool,
    connected: bool,
    backoff: Option<Backoff>,
    last_sent: Mono,
}

/// The wait before the first return; it doubles from time to time.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The longest wait before a return.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A member that has said nothing for this long says that it is there; the relay's patience is twice that.
const PULSE_AFTER: Duration = Duration::from_secs(60);

impl Member {
    pub(super) fn is_online(&self) -> bool {
        self.state == State::Online
    }

    pub(super) fn has_account(&self) -> bool {
        self.account.is_some()
    }

    pub(super) fn greeting_since(&self) -> Option<Mono> {
        match self.state {
            State::Greeting { since } => Some(since),
            State::Away | State::Online | State::Leaving => None,
        }
    }

    /// Takes a new link and says what a relay wants to hear first, without waiting in between.
    pub(super) fn greet(&mut self, mut link: Link<TcpStream>, now: Mono) {
        request::tmtprev(&mut link.out);
        match &self.account {
            Some(account) => request::login(&mut link.out, &account.uid, &account.node),
            None => request::register(&mut link.out, "simclient", None, None),
        }
        self.link = Some(link);
        self.state = State::Greeting { since: now };
        self.connected = false;
        self.ending = false;
    }

    pub(super) fn leave(&mut self) {
        match (&mut self.link, self.state) {
            (Some(link), State::Online) => {
                request::quit(&mut link.out);
                self.state = State::Leaving;
            }
            (_, State::Away | State::Greeting { .. } | State::Online | State::Leaving) => {
                self.link = None;
                self.state = State::Away;
            }
        }
    }

    pub(super) fn pulse_if_quiet(&mut self, now: Mono) -> bool {
        let quiet = self.is_online() && now.since(self.last_sent) > PULSE_AFTER;
        if let (Some(link), true) = (&mut self.link, quiet) {
            request::pulse(&mut link.out);
        }
        quiet
    }

    /// How long to stay away this time: doubling, and never quite the same for all.
    pub(super) fn next_backoff(&mut self) -> Duration {
        let backoff = self.backoff.get_or_insert_with(|| Backoff::new(BACKOFF_MIN, BACKOFF_MAX));
        backoff.next_wait(getrandom::u32().unwrap_or(0))
    }

    /// Reads, lets the scenario write, writes. Whether there may be more to read.
    pub(super) fn serve(&mut self, who: usize, scratch: &mut [u8], scenario: &mut impl Scenario, clock: Clock) -> Result<bool, LinkError> {
        let Some(link) = &mut self.link else { return Ok(false) };
        if !self.connected {
            self.connected = is_connected(link)?;
            if !self.connected {
                return Ok(false);
            }
        }
        if self.readable {
            let known = &mut self.known;
            let mut desk = Desk { who, state: &mut self.state, account: &mut self.account, known, scenario, clock };
            self.readable = link.receive(self.ending, scratch, &mut desk)?;
        }
        if self.is_online() {
            self.backoff = None;
        }
        self.send(who, scenario, clock)?;
        Ok(self.readable)
    }

    fn send(&mut self, who: usize, scenario: &mut impl Scenario, clock: Clock) -> Result<(), LinkError> {
        let online = self.is_online();
        let Some(link) = &mut self.link else { return Ok(()) };
        loop {
            if online && link.unsent() < OUT_ENOUGH {
                scenario.fill(who, &mut link.out, clock.now());
            }
            if link.unsent() > 0 {
                self.last_sent = clock.now();
            }
            let nothing_left = link.unsent() == 0;
            if !link.flush()? || nothing_left {
                return Ok(());
            }
        }
    }
}

/// Whether the socket has become writable for the first time; an error if something is wrong with it.
fn is_connected(link: &mut Link<TcpStream>) -> Result<bool, LinkError> {
    let socket = link.socket_mut();
    if let Some(error) = socket.take_error()? {
        return Err(error.into());
    }
    match socket.peer_addr() {
        Ok(_) => {
            socket.set_nodelay(true)?;
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Where a member's frames are opened.
struct Desk<'a, S> {
    who: usize,
    state: &'a mut State,
    account: &'a mut Option<Account>,
    known: &'a mut bool,
    scenario: &'a mut S,
    clock: Clock,
}

impl<S: Scenario> Sink for Desk<'_, S> {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let reply = &frame.reply;
        match reply.op {
            "ack" => self.scenario.answered(self.who, reply.id, reply.error, self.clock.now()),
            "delivery" => {
                let sound = reply.headsum_holds(frame.header);
                self.scenario.delivered(self.who, reply, sound, frame.body, self.clock.now());
            }
            "registered" => *self.account = Some(Account { uid: reply.uid.to_owned(), node: reply.node_id.to_owned() }),
            "info" => self.logged_in(out)?,
            "quit" => return Err(LinkError::Quit(reply.error.unwrap_or("without a reason").to_owned())),
            // Greetings, presence, and messages that are none of the scenario's business.
            _ => {}
        }
        if reply.is_message() {
            self.receipt(reply.id, out);
        }
        Ok(())
    }
}

impl<S: Scenario> Desk<'_, S> {
    fn logged_in(&mut self, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let Some(account) = self.account else { return Err(LinkError::Protocol("info before registered".into())) };
        if account.uid.is_empty() || account.node.is_empty() {
            return Err(LinkError::Protocol("registered without uid or nodeid".into()));
        }
        *self.state = State::Online;
        let again = std::mem::replace(self.known, true);
        self.scenario.online(self.who, &account.uid, again, out);
        Ok(())
    }

    fn receipt(&self, id: &str, out: &mut Vec<u8>) {
        // After Quit the relay reads nothing more.
        if *self.state != State::Leaving {
            request::ack(out, id);
        }
    }
}
