//! The control socket: where the operator tells a relay that runs what to do.
//!
//! `control.sock` in the data directory, for the relay's own user alone. Each line is a JSON object ([`Request`]), answered by one
//! line ([`Reply`]), in order; what an answer tells is durable. A program that the relay is a part of speaks the same over a pair of
//! sockets, and waits for room where others are told to come again. It is watched by the loop like any link and has bounds of its own:
//! how many connections, how long a line, how many lines in a turn, how long somebody may think. Whatever goes wrong here ends one
//! connection, and a relay that cannot make the socket runs without it.
//!
//! Not here: what commands mean, which is the relay's. Who asks most often is [`crate::ctl`].

mod place;
mod talk;
mod words;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::talk::{Asked, Heard, Talk};
use super::Server;
use super::host::Place;
use crate::base::Mono;
use crate::limits::{CONTROL_CONNECTIONS, CONTROL_TURN_LINES, TURN_ACCEPTS_MAX};
use crate::net::{LocalSocket, Poller, Socket};
use crate::relay::{Answer, Now};
use crate::store::{Disk, StoreError};

pub use place::{SOCKET, call};
pub use words::{Errand, Group, Link, Member, MemberLine, Node, OwnedNode, Queue, Reply, Request, Target, Who};

/// How long the door is left alone after somebody could not be let in.
const PAUSE: Duration = Duration::from_secs(1);

/// The operator's connections.
pub(super) struct Control {
    /// Where the socket is, if there is one.
    data: Option<PathBuf>,
    /// By slot, the number by which the poller tells of them.
    talks: Vec<Option<Talk<LocalSocket>>>,
    /// Those from within this process for whom there is no room yet.
    waiting: VecDeque<(LocalSocket, Place)>,
    /// Somebody may want to connect: look at that time.
    knocked: Option<Mono>,
    tickets: u64,
    /// What the process is asked, and has not done yet.
    errands: VecDeque<(u64, Errand)>,
}

impl Control {
    /// Makes the socket and has it watched. Where that fails the operator is told, and the relay runs without one.
    ///
    /// Only for whoever holds the directory's lock: a socket that is there is taken for that of a relay that died.
    pub(super) fn open(data: &Path, poller: &mut Poller) -> Control {
        let made = place::listen(data).and_then(|bound| poller.watch_local(bound));
        if let Err(error) = &made {
            log::warn!(
                "{}: the control socket cannot be made ({error}): mnm ctl and mnm invite will work only while the relay is stopped; move \
                 away what has its name, or give the data directory a file system that takes sockets",
                data.join(SOCKET).display()
            );
        }
        let talks = (0..CONTROL_CONNECTIONS).map(|_| None).collect();
        Control {
            data: made.is_ok().then(|| data.to_owned()),
            talks,
            waiting: VecDeque::new(),
            knocked: None,
            tickets: 0,
            errands: VecDeque::new(),
        }
    }

    /// Somebody wants to connect.
    pub(super) fn knock(&mut self, now: Now) {
        self.knocked = Some(now.mono);
    }

    /// Something has happened on a connection.
    pub(super) fn wake(&mut self, slot: usize) {
        if let Some(talk) = self.talks.get_mut(slot).and_then(Option::as_mut) {
            talk.wake();
        }
    }

    /// When to come again though nothing happened.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.talks.iter().flatten().filter_map(Talk::deadline).chain(self.knocked).min()
    }

    /// Hands what is asked to the relay, one command of each connection, and no further line of it before that is answered; and lets
    /// in who waits.
    ///
    /// # Errors
    /// [`StoreError`]: the process must end.
    pub(super) fn hear<S: Socket, D: Disk>(&mut self, server: &mut Server<S, D>, poller: &mut Poller, now: Now) -> Result<(), StoreError> {
        for slot in 0..self.talks.len() {
            let Some(talk) = &mut self.talks[slot] else { continue };
            talk.expire(now.mono);
            if talk.is_awake() && !hear_one(talk, &mut self.tickets, &mut self.errands, server, now)? {
                self.talks[slot] = None;
            }
        }
        // After those who go have made room.
        if self.knocked.is_some_and(|at| at <= now.mono) {
            self.let_in(poller, now);
        }
        self.let_in_waiting(poller, now);
        Ok(())
    }

    /// The next thing that the process is asked for, and the ticket of its answer.
    pub(super) fn next_errand(&mut self) -> Option<(u64, Errand)> {
        self.errands.pop_front()
    }

    /// Tells what came of an errand.
    pub(super) fn reply(&mut self, ticket: u64, reply: &Reply, now: Now) {
        let asked_it = |talk: &&mut Talk<LocalSocket>| talk.asked().is_some_and(|asked| asked.ticket == ticket);
        let Some(talk) = self.talks.iter_mut().flatten().find(asked_it) else { return };
        talk.take_asked();
        talk.say(&reply.line(), now.mono);
    }

    /// Tells what came of commands.
    pub(super) fn answer(&mut self, answers: Vec<(u64, Answer)>, now: Now) {
        for (ticket, answer) in answers {
            let asked_it = |talk: &&mut Talk<LocalSocket>| talk.asked().is_some_and(|asked| asked.ticket == ticket);
            // It is not given up while the relay has a command of it.
            let Some(talk) = self.talks.iter_mut().flatten().find(asked_it) else { continue };
            let Some(Asked { command: Some(command), line, .. }) = talk.take_asked() else { continue };
            let reply = Reply::new(&command, answer);
            if let Reply::Refused { error } = &reply {
                log::info!("control socket: {line} is refused: {error}");
            } else {
                // A long list is asked for a thousand times, and nothing is other than before.
                let level = if command.only_asks() { log::Level::Debug } else { log::Level::Info };
                log::log!(level, "control socket: {line} is done");
            }
            talk.say(&reply.line(), now.mono);
        }
    }

    /// Tells the last answers, and takes the socket away. Only for whoever holds the directory's lock still: another relay would
    /// lose its own.
    pub(super) fn close(mut self, answers: Vec<(u64, Answer)>, now: Now) {
        self.answer(answers, now);
        if let Some(data) = &self.data {
            place::remove(data);
        }
    }

    fn let_in(&mut self, poller: &mut Poller, now: Now) {
        for _ in 0..TURN_ACCEPTS_MAX {
            match poller.accept_local() {
                Ok(None) => return self.knocked = None,
                Ok(Some(socket)) => self.admit(socket, poller, now),
                Err(error) => {
                    log::debug!("control socket: {error}");
                    return self.knocked = Some(now.mono.plus(PAUSE));
                }
            }
        }
        // More may wait, and no event will tell of them again.
        self.knocked = Some(now.mono);
    }

    fn let_in_waiting(&mut self, poller: &mut Poller, now: Now) {
        while let Some(slot) = self.vacancy()
            && let Some((socket, _place)) = self.waiting.pop_front()
        {
            self.seat(slot, socket, poller, now);
        }
    }

    /// Hears who comes from within this process, as soon as there is room.
    pub(super) fn welcome(&mut self, socket: LocalSocket, place: Place, poller: &mut Poller, now: Now) {
        self.waiting.push_back((socket, place));
        self.let_in_waiting(poller, now);
    }

    /// Hears who has come through the door, if there is room.
    fn admit(&mut self, mut socket: LocalSocket, poller: &mut Poller, now: Now) {
        let Some(slot) = self.vacancy() else {
            let reply =
                Reply::refused(format!("{CONTROL_CONNECTIONS} connections to the control socket are open already; try again later"));
            // Who does not get it finds the connection closed.
            let _ = socket.write(reply.line().as_bytes());
            return;
        };
        self.seat(slot, socket, poller, now);
    }

    fn vacancy(&self) -> Option<usize> {
        self.talks.iter().position(Option::is_none)
    }

    fn seat(&mut self, slot: usize, mut socket: LocalSocket, poller: &mut Poller, now: Now) {
        match poller.watch_operator(&mut socket, slot) {
            Ok(()) => self.talks[slot] = Some(Talk::new(socket, now.mono)),
            Err(error) => log::debug!("control socket: a connection cannot be watched: {error}"),
        }
    }
}

/// Carries a connection on as far as it goes without waiting, and within its share of the turn; whether it is there still.
fn hear_one<S: Socket, D: Disk>(
    talk: &mut Talk<LocalSocket>,
    tickets: &mut u64,
    errands: &mut VecDeque<(u64, Errand)>,
    server: &mut Server<S, D>,
    now: Now,
) -> Result<bool, StoreError> {
    for _ in 0..CONTROL_TURN_LINES {
        let line = match talk.next(now.mono) {
            Heard::Gone => return Ok(false),
            Heard::Nothing => return Ok(true),
            Heard::Line(line) => line,
        };
        if line.trim_ascii().is_empty() {
            continue;
        }
        // Written anew for the log, since a line may hold anything.
        let read = Request::read(&line);
        if let Some(errand) = read.as_ref().ok().and_then(Errand::of) {
            match errand {
                Err(sentence) => talk.say(&Reply::refused(sentence).line(), now.mono),
                Ok(errand) => {
                    *tickets += 1;
                    talk.ask(Asked { ticket: *tickets, command: None, line: String::new() });
                    errands.push_back((*tickets, errand));
                }
            }
            continue;
        }
        let read = read.and_then(|request| Ok((request.line(), request.command(now.wall)?)));
        match read {
            Err(sentence) => talk.say(&Reply::refused(sentence).line(), now.mono),
            Ok((line, command)) => {
                *tickets += 1;
                talk.ask(Asked { ticket: *tickets, command: Some(command.clone()), line: line.trim_end().to_owned() });
                server.command(*tickets, command, now)?;
            }
        }
    }
    talk.wake();
    Ok(true)
}
