//! The metrics and the health of the relay over HTTP/1.1, within the loop.
//!
//! For whoever is on this machine: there is no password, and nothing can be changed here. `GET` and `HEAD` of `/metrics`, `/health`,
//! `/ready` and `/`; one answer for each connection, which closes after it. It answers while a log is read at start too, since
//! [`Web::meanwhile`] is called from within that.
//!
//! Bounds: how many connections (whoever has kept us waiting for the longest makes way for a newcomer, so that nobody can shut others
//! out by saying nothing), how long a head, how long somebody may take, how many answers in a second. Nothing here waits, and
//! whatever goes wrong ends one connection.

mod answer;
mod exchange;
mod place;

use std::time::Duration;

use self::answer::Scene;
use self::exchange::Exchange;
use super::metrics::{Machine, Teller};
use crate::base::{Mono, Wall};
use crate::config::{Config, ConfigError};
use crate::limits::{WEB_ANSWERS_PER_SECOND, WEB_CONNECTIONS, WEB_TURN_ACCEPTS};
use crate::net::{PeerSocket, Poller, Ready};
use crate::relay::Now;

pub(super) use place::Place;
pub use place::probe;

/// How long the door is left alone after somebody could not be let in.
const PAUSE: Duration = Duration::from_secs(1);
const SECOND: Duration = Duration::from_secs(1);

/// What the relay is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// It reads its log.
    Recovering,
    /// It serves.
    Ready,
    /// It will end soon, and takes nobody new.
    Draining,
}

/// Whoever asks how the relay does.
pub(super) struct Web {
    /// Where they come, if anywhere. Dropped with this, which takes a socket's file away.
    place: Option<Place>,
    /// By slot, the number by which the poller tells of them.
    talks: Vec<Option<Exchange<PeerSocket>>>,
    /// Somebody may want to connect: look at that time.
    knocked: Option<Mono>,
    /// Something may be possible that was not before.
    awake: bool,
    pace: Pace,
    scene: Scene,
    /// What else the poller told meanwhile.
    early: Vec<Ready>,
}

impl Web {
    /// Listens where the configuration says, if it says so.
    ///
    /// # Errors
    /// When that cannot be listened on.
    pub(super) fn open(config: &Config, poller: &mut Poller, now: Now) -> Result<Web, ConfigError> {
        let place = config.metrics.as_ref().map(|metrics| Place::open(metrics, poller)).transpose()?;
        if let Some(place) = &place {
            log::info!("metrics: {place}");
        }
        let machine = Machine { data: config.data.clone(), started: Wall(now.wall.0.saturating_sub(now.mono.0)) };
        let scene = Scene { state: State::Recovering, headway: (0, 0), machine };
        let talks = (0..WEB_CONNECTIONS).map(|_| None).collect();
        Ok(Web { place, talks, knocked: None, awake: false, pace: Pace::default(), scene, early: Vec::new() })
    }

    /// Tells from now on that the relay is about something else.
    pub(super) fn set_state(&mut self, state: State) {
        self.scene.state = state;
    }

    /// Somebody wants to connect.
    pub(super) fn knock(&mut self, now: Now) {
        self.knocked = Some(now.mono);
    }

    /// Something has happened on a connection.
    pub(super) fn wake(&mut self, slot: usize) {
        if let Some(talk) = self.talks.get_mut(slot).and_then(Option::as_mut) {
            talk.wake();
            self.awake = true;
        }
    }

    /// When to come again though nothing happened.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.place.as_ref()?;
        self.talks.iter().flatten().filter_map(|talk| talk.deadline(self.pace.next())).chain(self.knocked).min()
    }

    /// Carries all connections on as far as they go without waiting, and lets in who waits.
    pub(super) fn turn(&mut self, poller: &mut Poller, now: Now, teller: Option<&dyn Teller>) {
        if !std::mem::take(&mut self.awake) && self.next_deadline().is_none_or(|at| at > now.mono) {
            return;
        }
        if self.knocked.is_some_and(|at| at <= now.mono) {
            self.let_in(poller, now);
        }
        let (pace, scene) = (&mut self.pace, &self.scene);
        // Who has waited for longest comes first: answers may not go round in this second.
        let mut slots: Vec<&mut Option<Exchange<PeerSocket>>> = self.talks.iter_mut().filter(|slot| slot.is_some()).collect();
        slots.sort_by_key(|slot| slot.as_ref().map(Exchange::since));
        for slot in slots {
            let Some(talk) = slot else { continue };
            let answer = &mut |asked: &exchange::Asked| pace.allows(now.mono).then(|| answer::answer(asked, scene, now, teller));
            if !talk.go_on(now.mono, answer) {
                *slot = None;
            }
        }
    }

    /// Looks after those who ask while the log is read: `done` of `total` parts are. What else the poller tells is kept for
    /// [`take_early`](Self::take_early).
    pub(super) fn meanwhile(&mut self, poller: &mut Poller, now: Now, (done, total): (usize, usize)) {
        if self.place.is_none() {
            return;
        }
        self.scene.headway = (done, total);
        let mut ready = Vec::new();
        if let Err(error) = poller.wait(Some(Duration::ZERO), &mut ready) {
            // The loop will find it too, and end.
            log::debug!("metrics: {error}");
        }
        for event in ready {
            match event {
                Ready::WebKnock => self.knock(now),
                Ready::Web(slot) => self.wake(slot),
                // Told once is enough: it is looked at when the relay serves.
                Ready::Link { .. } | Ready::Accept(_) | Ready::Knock | Ready::Operator(_) | Ready::Stop | Ready::Hangup | Ready::Bell => {
                    if !self.early.contains(&event) {
                        self.early.push(event);
                    }
                }
            }
        }
        self.turn(poller, now, None);
    }

    /// What the poller told before anybody served.
    pub(super) fn take_early(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.early)
    }

    fn let_in(&mut self, poller: &mut Poller, now: Now) {
        for _ in 0..WEB_TURN_ACCEPTS {
            match poller.accept_web() {
                Ok(None) => return self.knocked = None,
                Ok(Some(socket)) => self.admit(socket, poller, now),
                Err(error) => {
                    log::debug!("metrics: {error}");
                    return self.knocked = Some(now.mono.plus(PAUSE));
                }
            }
        }
        // More may wait, and no event will tell of them again.
        self.knocked = Some(now.mono);
    }

    fn admit(&mut self, mut socket: PeerSocket, poller: &mut Poller, now: Now) {
        let free = self.talks.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            let longest = self.talks.iter().enumerate().min_by_key(|(_, talk)| talk.as_ref().map(Exchange::since));
            longest.map_or(0, |(slot, _)| slot)
        });
        // The one that makes way is closed before the newcomer gets its number.
        self.talks[slot] = None;
        match poller.watch_web(&mut socket, slot) {
            Ok(()) => self.talks[slot] = Some(Exchange::new(socket, now.mono)),
            Err(error) => log::debug!("metrics: a connection cannot be watched: {error}"),
        }
    }
}

/// So many answers in a second, and no more.
#[derive(Debug, Default)]
struct Pace {
    since: Mono,
    given: u32,
}

impl Pace {
    /// Whether one may be given now; then it counts.
    fn allows(&mut self, now: Mono) -> bool {
        if now >= self.next() {
            *self = Pace { since: now, given: 0 };
        }
        let allowed = self.given < WEB_ANSWERS_PER_SECOND;
        self.given += u32::from(allowed);
        allowed
    }

    /// When there are as many again.
    fn next(&self) -> Mono {
        self.since.plus(SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_given_so_often_in_a_second() {
        let mut pace = Pace::default();
        let start = Mono(5_000_000_000);
        let given = |pace: &mut Pace, at: Mono| (0..2 * WEB_ANSWERS_PER_SECOND).filter(|_| pace.allows(at)).count();
        assert_eq!(given(&mut pace, start), WEB_ANSWERS_PER_SECOND as usize);
        assert_eq!(pace.next(), start.plus(SECOND));
        assert_eq!(given(&mut pace, Mono(start.0 + 999_999_999)), 0);
        assert_eq!(given(&mut pace, start.plus(SECOND)), WEB_ANSWERS_PER_SECOND as usize);
    }
}
