//! The loop over the operating system: wait, note who is ready, turn.

use std::time::Duration;

use super::RunError;
use super::control::{Control, Errand, Reply};
use super::door::Door;
use super::host::{Host, Wish};
use super::manager::Manager;
use super::reload::Reloader;
use super::run::Tcp;
use super::web::{State, Web};
use super::{Clock, settings};
use crate::base::Mono;
use crate::limits::DRAIN_LOOK;
use crate::net::{Poller, Ready};
use crate::relay::Now;

/// What is answered to who wants to change the log of a program that the relay is a part of.
const NOT_OURS: &str = "this relay is a part of another program, whose log it is; change that program's level";

/// Everything of a relay that runs.
pub(super) struct Shell<'a> {
    pub(super) server: Tcp,
    pub(super) poller: Poller,
    pub(super) door: Door,
    pub(super) control: Control,
    pub(super) web: Web,
    pub(super) reloader: Reloader<'a>,
    pub(super) manager: Manager,
    pub(super) host: Host,
    pub(super) clock: Clock,
    /// It lets nobody in any more, and ends.
    pub(super) drain: Option<Drain>,
    pub(super) started: Now,
}

/// How a relay ends that finishes first what is on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// It ends then in any case.
    until: Mono,
    /// It looks next whether it can end.
    look_at: Mono,
}

impl Shell<'_> {
    /// Until the operator, or the program that the relay is a part of, wants it to end.
    ///
    /// # Errors
    /// [`RunError`]; what was acked is durable in any case.
    pub(super) fn serve(mut self) -> Result<(), RunError> {
        let mut ready = self.web.take_early();
        loop {
            // Before the wait, which tells what they did before they wished.
            let wishes = self.host.take_wishes();
            let timeout = if self.server.has_work() || !ready.is_empty() || !wishes.is_empty() {
                Some(Duration::ZERO)
            } else {
                self.next_deadline().map(|at| at.since(self.clock.now().mono))
            };
            self.poller.wait(timeout.map(round_up), &mut ready)?;
            let now = self.clock.now();
            self.manager.beat(now);
            ready.extend(self.door.rested(now).into_iter().map(Ready::Accept));
            let mut stop = self.is_drained(now) || wishes.iter().any(|wish| matches!(wish, Wish::Stop));
            for event in ready.drain(..) {
                match event {
                    Ready::Link { .. } => {
                        note_link(&mut self.server, &event);
                    }
                    Ready::Accept(listener) => self.door.open(&mut self.server, &mut self.poller, listener, now),
                    Ready::Knock => self.control.knock(now),
                    Ready::Operator(slot) => self.control.wake(slot),
                    Ready::WebKnock => self.web.knock(now),
                    Ready::Web(slot) => self.web.wake(slot),
                    Ready::Hangup => drop(self.reload("SIGHUP", now)),
                    Ready::Stop => stop = true,
                    // The wait is over, and that was all.
                    Ready::Bell => {}
                }
            }
            if stop {
                return self.stop(now);
            }
            self.turn(now, &mut ready, wishes)?;
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        let drain = self.drain.map(|drain| drain.look_at.min(drain.until));
        let rooms = [
            self.server.next_deadline(),
            self.door.next_deadline(),
            self.control.next_deadline(),
            self.web.next_deadline(),
            self.manager.next_deadline(),
            self.reloader.next_deadline(),
            drain,
        ];
        rooms.into_iter().flatten().min()
    }

    fn turn(&mut self, now: Now, ready: &mut Vec<Ready>, wishes: Vec<Wish>) -> Result<(), RunError> {
        let server = &mut self.server;
        self.control.hear(server, &mut self.poller, now)?;
        server.hear(now)?;
        // A post that comes while the disk is at work waits for that, and then for its own commit.
        if server.hears_more() {
            self.poller.wait(Some(Duration::ZERO), ready)?;
            ready.retain(|event| !note_link(server, event));
            server.hear(now)?;
        }
        server.conclude(now)?;
        self.control.answer(server.take_answers(), now);
        self.door.note_departed(server.take_departed());
        // After those who go have made room.
        self.let_in_from_host(wishes, now);
        self.door.report(self.server.take_strangers(), now);
        while let Some((ticket, errand)) = self.control.next_errand() {
            let reply = self.run(errand, now);
            self.control.reply(ticket, &reply, now);
        }
        if self.reloader.is_due(now) {
            self.look_at_certificates(now);
        }
        self.web.turn(&mut self.poller, now, Some(&self.server));
        Ok(())
    }

    /// Lets in who comes from the program that the relay is a part of.
    fn let_in_from_host(&mut self, wishes: Vec<Wish>, now: Now) {
        for wish in wishes {
            match wish {
                // A drain lets nobody in, from wherever.
                Wish::Link(_) if self.drain.is_some() => {}
                Wish::Link(socket) => self.door.welcome(&mut self.server, &mut self.poller, socket, now),
                Wish::Operator(socket, place) => self.control.welcome(socket, place, &mut self.poller, now),
                // Heard before the turn.
                Wish::Stop => {}
            }
        }
    }

    /// What the operator wants of the process and not of the relay.
    fn run(&mut self, errand: Errand, now: Now) -> Reply {
        match errand {
            Errand::Status => Reply::Status(Box::new(self.status(now))),
            Errand::Log(_) if self.host.is_there() => Reply::refused(NOT_OURS.to_owned()),
            Errand::Log(level) => {
                log::set_max_level(level);
                Reply::Done { done: true }
            }
            Errand::Reload => self.reload("mnm ctl", now),
            Errand::Drain(limit) => {
                self.poller.close_doors();
                self.drain = Some(Drain { until: now.mono.plus(limit), look_at: now.mono });
                log::info!("draining: nobody is let in any more; the relay stops when all deliveries are acknowledged, or in {limit:?}");
                self.manager.status("draining");
                self.web.set_state(State::Draining);
                Reply::Draining { seconds: limit.as_secs() }
            }
        }
    }

    fn reload(&mut self, who: &str, now: Now) -> Reply {
        self.manager.reloading();
        let done = self.reloader.reload(&mut self.server, &mut self.door, now);
        self.manager.ready(if self.drain.is_some() { "draining" } else { "serving" });
        match done {
            Ok(changes) => {
                log::info!("{who}: the configuration is read again: {}", changes.in_words());
                Reply::Reloaded(changes)
            }
            Err(sentence) => {
                log::error!("{who}: the configuration stays as it was: {sentence}");
                Reply::refused(sentence)
            }
        }
    }

    fn look_at_certificates(&mut self, now: Now) {
        if let Some(ways) = self.reloader.look_at_certificates(now) {
            self.door.change(ways, self.reloader.config().limits);
        }
    }

    fn is_drained(&mut self, now: Now) -> bool {
        let Some(drain) = &mut self.drain else { return false };
        if drain.until <= now.mono {
            return true;
        }
        if drain.look_at > now.mono {
            return false;
        }
        drain.look_at = now.mono.plus(DRAIN_LOOK);
        self.server.is_quiet()
    }

    fn stop(mut self, now: Now) -> Result<(), RunError> {
        log::info!("stopping");
        self.manager.stopping();
        self.poller.stop_listening();
        self.server.turn(now)?;
        self.control.close(self.server.take_answers(), now);
        self.server.stop(now)?;
        log::info!("stopped");
        Ok(())
    }

    pub(super) fn register_mode(&self, now: Now) -> &'static str {
        let configured = settings(self.reloader.config()).register;
        self.server.relay().ledger().site().mode_in_force(configured, now.wall).word()
    }
}

/// Notes what the poll has told of a link; whether it was about a link.
fn note_link(server: &mut Tcp, event: &Ready) -> bool {
    let Ready::Link { slot, readable, writable, ending } = *event else { return false };
    if ending {
        server.ending(slot);
    }
    server.ready(slot, readable, writable);
    true
}

/// Polling takes milliseconds: waiting a little too short would spin until the deadline.
fn round_up(wait: Duration) -> Duration {
    if wait.is_zero() { wait } else { wait + Duration::from_millis(1) }
}
