//! Where the threads of a test wait for each other, and what they show of themselves meanwhile.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use hdrhistogram::Histogram;
use mnm::base::Mono;

use crate::clock::Clock;
use crate::summary::Counts;
use crate::usage::{Reading, Watched};

/// What all threads must have done before any goes on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Act {
    /// Everybody has an account, and all is prepared: the posting begins.
    Ready,
    /// The posting has ended, and who was away is called.
    Posted,
    /// All has been delivered, or never will be.
    Drained,
    /// Everybody is gone.
    Over,
}

const ACTS: usize = 4;

/// What one thread shows of itself.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) at: Mono,
    pub(crate) phase: &'static str,
    pub(crate) online: usize,
    pub(crate) counts: Counts,
    pub(crate) logins: u64,
    pub(crate) in_flight: u64,
    pub(crate) backlog: u64,
    /// Latencies since it was last looked at.
    pub(crate) recent: [Option<Histogram<u64>>; 3],
}

/// When an act was done by all, and what had been used by then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) at: Mono,
    pub(crate) reading: Reading,
}

#[derive(Debug, Default)]
struct State {
    arrived: [usize; ACTS],
    marks: [Option<Mark>; ACTS],
    ended: usize,
    failed: bool,
    shown: Vec<Shown>,
}

/// Shared by the threads of a test and the one that watches.
#[derive(Debug)]
pub(crate) struct Acts {
    threads: usize,
    clock: Clock,
    watched: Watched,
    state: Mutex<State>,
    ended: Condvar,
}

impl Acts {
    pub(crate) fn new(threads: usize, clock: Clock, watched: Watched) -> Acts {
        let shown = std::iter::repeat_with(Shown::default).take(threads).collect();
        Acts { threads, clock, watched, state: Mutex::new(State { shown, ..State::default() }), ended: Condvar::new() }
    }

    /// A thread has done its part of an act. The last one looks at what was used.
    pub(crate) fn arrive(&self, act: Act) {
        let mut state = self.lock();
        state.arrived[act as usize] += 1;
        if state.arrived[act as usize] == self.threads {
            state.marks[act as usize] = Some(Mark { at: self.clock.now(), reading: self.watched.read() });
        }
    }

    /// When all have done their part; `None` before.
    pub(crate) fn done(&self, act: Act) -> Option<Mark> {
        self.lock().marks[act as usize]
    }

    /// Whether a thread cannot go on, so that nobody should.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().failed
    }

    /// Shows what has changed in a thread; latencies are added to those that nobody has looked at yet.
    pub(crate) fn show(&self, thread: usize, shown: Shown) {
        let place = &mut self.lock().shown[thread];
        let before = std::mem::replace(place, shown);
        for (now, before) in place.recent.iter_mut().zip(before.recent) {
            match (now, before) {
                (Some(now), Some(before)) => now.add(&before).expect("the same bounds"),
                (now @ None, before) => *now = before,
                (Some(_), None) => {}
            }
        }
    }

    /// What all threads show, added up.
    pub(crate) fn look(&self) -> Shown {
        let mut state = self.lock();
        let mut sum = Shown::default();
        for shown in &mut state.shown {
            sum.phase = if sum.phase.is_empty() { shown.phase } else { sum.phase };
            sum.at = sum.at.max(shown.at);
            sum.online += shown.online;
            sum.counts.add(&shown.counts);
            sum.logins += shown.logins;
            sum.in_flight += shown.in_flight;
            sum.backlog += shown.backlog;
            for (sum, part) in sum.recent.iter_mut().zip(&mut shown.recent) {
                match (sum, part.take()) {
                    (Some(sum), Some(part)) => sum.add(&part).expect("the same bounds"),
                    (sum @ None, part) => *sum = part,
                    (Some(_), None) => {}
                }
            }
        }
        sum
    }

    /// What is used at this moment.
    pub(crate) fn read(&self) -> Reading {
        self.watched.read()
    }

    /// A thread is at its end, well or not.
    pub(crate) fn end(&self, well: bool) {
        let mut state = self.lock();
        state.ended += 1;
        state.failed |= !well;
        self.ended.notify_all();
    }

    /// Waits until all threads have ended, but not longer than this; whether they have.
    pub(crate) fn wait_for_end(&self, within: Duration) -> bool {
        let all = |state: &mut State| state.ended < self.threads;
        let (state, _) = self.ended.wait_timeout_while(self.lock(), within, all).unwrap_or_else(|poisoned| poisoned.into_inner());
        state.ended == self.threads
    }

    /// A thread that panicked has told of it; what it left is counters.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
