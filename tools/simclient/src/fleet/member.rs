//! One member: an account, at most one link, and what is said before the script has its turn.

use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mnm::base::Mono;
use mnm_client::{Account, Backoff, Frame, Link, LinkError, Sink, request};
use rustls::ClientConfig;

use super::{Identity, OUT_ENOUGH, Script};
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

#[derive(Debug)]
pub(super) struct Member {
    pub(super) state: State,
    pub(super) link: Option<Link<TcpStream>>,
    pub(super) tls: Arc<ClientConfig>,
    /// The socket may have something to read.
    pub(super) readable: bool,
    /// The poll has told that the relay writes no more; what it wrote may still be unread.
    pub(super) ending: bool,
    /// In the fleet's list of members to be served.
    pub(super) ready: bool,
    identity: Identity,
    /// The alias it has, or will have.
    alias: Option<String>,
    /// Registrations that were begun.
    attempts: u32,
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
/// What the members' devices are called.
const LABEL: &str = "simclient";

impl Member {
    pub(super) fn new(identity: Identity, alias: Option<String>, tls: Arc<ClientConfig>) -> Member {
        Member {
            alias,
            tls,
            attempts: 0,
            state: State::Away,
            link: None,
            readable: false,
            ending: false,
            ready: false,
            identity,
            known: false,
            connected: false,
            backoff: None,
            last_sent: Mono::default(),
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.state == State::Online
    }

    pub(super) fn is_away(&self) -> bool {
        self.state == State::Away
    }

    pub(super) fn account(&self) -> Option<&Account> {
        match &self.identity {
            Identity::Known(account) => Some(account),
            Identity::New => None,
        }
    }

    pub(super) fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// Whether it has been online.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn greeting_since(&self) -> Option<Mono> {
        match self.state {
            State::Greeting { since } => Some(since),
            State::Away | State::Online | State::Leaving => None,
        }
    }

    /// Takes a new link and says what a relay wants to hear first, without waiting in between.
    pub(super) fn greet(&mut self, mut link: Link<TcpStream>, invite: Option<&str>, now: Mono) {
        request::tmtprev(&mut link.out);
        match &self.identity {
            Identity::Known(account) => request::login(&mut link.out, &account.uid, &account.node),
            Identity::New => {
                // The last attempt may have made an account, and that has the alias.
                if let (Some(alias), 1..) = (&mut self.alias, self.attempts) {
                    alias.push('+');
                }
                self.attempts += 1;
                request::register(&mut link.out, LABEL, self.alias.as_deref(), invite);
            }
        }
        self.link = Some(link);
        self.state = State::Greeting { since: now };
        self.connected = false;
        self.readable = false;
        self.ending = false;
    }

    /// Says good-bye if there is somebody to hear it, else goes without; whether anything was to be done.
    pub(super) fn leave(&mut self) -> bool {
        match (&mut self.link, self.state) {
            (_, State::Leaving) => true,
            (Some(link), State::Online) => {
                request::quit(&mut link.out);
                self.state = State::Leaving;
                true
            }
            (_, State::Away | State::Greeting { .. } | State::Online) => {
                self.cut();
                false
            }
        }
    }

    /// Goes without a word.
    pub(super) fn cut(&mut self) {
        self.link = None;
        self.state = State::Away;
    }

    pub(super) fn pulse_if_quiet(&mut self, after: Duration, now: Mono) -> bool {
        let quiet = self.is_online() && now.since(self.last_sent) >= after;
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

    /// Reads, lets the script write, writes. Whether there may be more to read.
    pub(super) fn serve(&mut self, who: usize, scratch: &mut [u8], script: &mut impl Script, clock: Clock) -> Result<bool, LinkError> {
        let Some(link) = &mut self.link else { return Ok(false) };
        if !self.connected {
            self.connected = is_connected(link)?;
            if !self.connected {
                return Ok(false);
            }
        }
        if self.readable {
            let mut desk = Desk { who, state: &mut self.state, identity: &mut self.identity, known: &mut self.known, script, clock };
            self.readable = link.receive(self.ending, scratch, &mut desk)?;
        }
        if self.is_online() {
            self.backoff = None;
        }
        self.send(who, script, clock)?;
        Ok(self.readable)
    }

    fn send(&mut self, who: usize, script: &mut impl Script, clock: Clock) -> Result<(), LinkError> {
        let online = self.is_online();
        let Some(link) = &mut self.link else { return Ok(()) };
        loop {
            if online && link.unsent() < OUT_ENOUGH {
                script.fill(who, &mut link.out, clock.now());
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
    identity: &'a mut Identity,
    known: &'a mut bool,
    script: &'a mut S,
    clock: Clock,
}

impl<S: Script> Sink for Desk<'_, S> {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let reply = &frame.reply;
        match reply.op {
            "ack" => self.script.answered(self.who, reply.id, reply.error, self.clock.now()),
            "delivery" => {
                let sound = reply.headsum_holds(frame.header);
                self.script.delivered(self.who, reply, sound, frame.body, self.clock.now());
            }
            "registered" => self.registered(reply.uid, reply.node_id, reply.error)?,
            "info" => self.logged_in(out)?,
            "quit" => return Err(LinkError::Quit(reply.error.unwrap_or("without a reason").to_owned())),
            // Messages that say something of the site; greetings and presence.
            op if reply.is_message() => self.script.noticed(self.who, op, self.clock.now()),
            _ => {}
        }
        if reply.is_message() {
            self.receipt(reply.id, out);
        }
        Ok(())
    }
}

impl<S: Script> Desk<'_, S> {
    fn registered(&mut self, uid: &str, node: &str, error: Option<&str>) -> Result<(), LinkError> {
        if uid.is_empty() || node.is_empty() {
            return Err(LinkError::Protocol("registered without uid or nodeid".into()));
        }
        if let Some(error) = error {
            return Err(LinkError::Useless(format!("an account was made, but not all of it: {error}")));
        }
        *self.identity = Identity::Known(Account { uid: uid.to_owned(), node: node.to_owned() });
        Ok(())
    }

    fn logged_in(&mut self, out: &mut Vec<u8>) -> Result<(), LinkError> {
        let Identity::Known(account) = self.identity else { return Err(LinkError::Protocol("info before registered".into())) };
        let State::Greeting { since } = *self.state else { return Err(LinkError::Protocol("info without a login".into())) };
        *self.state = State::Online;
        let again = std::mem::replace(self.known, true);
        self.script.online(self.who, account, again, since, self.clock.now(), out);
        Ok(())
    }

    fn receipt(&mut self, id: &str, out: &mut Vec<u8>) {
        // After Quit the relay reads nothing more.
        if *self.state == State::Leaving {
            self.script.unacked(self.who, id);
        } else {
            request::ack(out, id);
        }
    }
}
