//! All links break at once, without a word, and everybody comes back at once and posts a message; so many times.

use std::time::Duration;

use mnm::base::Mono;

use crate::cli;
use crate::crowd::{Crowd, Play};
use crate::fleet::Order;

pub(super) struct Storm {
    rounds: u32,
    pause: Duration,
    members: usize,
    /// Storms that have been.
    begun: u32,
    /// The present one has brought not all back yet.
    raging: bool,
    since: Mono,
    /// How long each took, in seconds.
    took: Vec<f64>,
}

impl Storm {
    pub(super) fn new(options: &cli::Storm, members: usize) -> Storm {
        Storm { rounds: options.rounds, pause: options.pause, members, begun: 0, raging: false, since: Mono::default(), took: Vec::new() }
    }
}

impl Play for Storm {
    fn prepare(&mut self, crowd: &mut Crowd) {
        crowd.pair_up();
    }

    fn begin(&mut self, crowd: &mut Crowd, now: Mono) {
        crowd.order(Order::Wake(0, now.plus(self.pause)));
    }

    fn woken(&mut self, crowd: &mut Crowd, _who: usize, now: Mono) {
        if self.raging || self.begun == self.rounds {
            return;
        }
        self.begun += 1;
        self.raging = true;
        self.since = now;
        for who in 0..self.members {
            crowd.order(Order::Cut(who));
        }
        for who in 0..self.members {
            crowd.order(Order::Come(who));
        }
        crowd.to_speak = (0..self.members).collect();
    }

    fn online(&mut self, crowd: &mut Crowd, _who: usize, now: Mono) {
        if self.raging && crowd.here.len() == self.members {
            self.raging = false;
            self.took.push(now.since(self.since).as_secs_f64());
            crowd.order(Order::Wake(0, now.plus(self.pause)));
        }
    }

    fn is_over(&self, _crowd: &Crowd) -> bool {
        self.begun == self.rounds && !self.raging
    }

    fn rests(&self) -> bool {
        !self.raging
    }

    fn extra(&self) -> Vec<(&'static str, f64)> {
        if self.took.is_empty() {
            return vec![("storms", f64::from(self.begun))];
        }
        let longest = self.took.iter().copied().fold(0.0, f64::max);
        let mean = self.took.iter().sum::<f64>() / self.took.len() as f64;
        vec![("storms", f64::from(self.begun)), ("seconds_until_all_are_back_mean", mean), ("seconds_until_all_are_back_max", longest)]
    }
}
