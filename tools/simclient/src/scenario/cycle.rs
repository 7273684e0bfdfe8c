//! Members who live: a cycle of 19 steps, again and again. Log in, show to whom one is here, 15 posts to two others each and 2 to
//! a group, 1 to 30 seconds apart; then log out and stay away for 1 to 30 seconds. (`--speedup` divides the seconds.)
//!
//! The two others are one of four pairs that a member knows: people write to the same few.

use std::time::Duration;

use mnm::base::Mono;

use super::groups;
use crate::cli;
use crate::crowd::{Crowd, Play, Task, To};
use crate::fleet::Order;

/// Login, presence, and 17 posts.
const STEPS: u32 = 19;
/// Posts that go to the group.
const TO_GROUP: [u32; 2] = [9, 18];
/// Pairs of others whom a member writes to.
const PAIRS: usize = 4;
/// The members' clocks: the shortest and the longest time between two steps.
const PAUSE_SECONDS: (f64, f64) = (1.0, 30.0);

#[derive(Clone, Copy, Debug, Default)]
struct Life {
    /// The step that comes next.
    step: u32,
    /// A post to this audience is to be made as soon as there is room.
    to_post: Option<u32>,
}

pub(super) struct Cycle {
    group: usize,
    speedup: f64,
    prefix: String,
    lives: Vec<Life>,
    /// Drawn from with a fixed seed: a member's cycle is the same in every test.
    dice: u64,
    cycles: u64,
}

impl Cycle {
    pub(super) fn new(options: &cli::Cycle, members: usize, prefix: String) -> Cycle {
        Cycle { group: options.group as usize, speedup: options.speedup, prefix, lives: vec![Life::default(); members], dice: 1, cycles: 0 }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.dice >> 33) % sides
    }

    fn pause(&mut self, crowd: &mut Crowd, who: usize, now: Mono) {
        let (least, most) = PAUSE_SECONDS;
        let seconds = least + (most - least) * self.roll(1_000_000) as f64 / 1e6;
        crowd.order(Order::Wake(who, now.plus(Duration::from_secs_f64(seconds / self.speedup))));
    }

    fn some_pair(&mut self, who: usize, members: usize) -> Vec<usize> {
        let mut pair = Vec::new();
        while pair.len() < 2 {
            let other = self.roll(members as u64) as usize;
            if other != who && !pair.contains(&other) {
                pair.push(other);
            }
        }
        pair
    }

    fn step(&mut self, crowd: &mut Crowd, who: usize, now: Mono) {
        let step = self.lives[who].step;
        match step {
            // The login itself; what follows waits until it is done.
            0 => return crowd.order(Order::Come(who)),
            1 => {
                let uids = crowd.addressees(who).into_iter().map(|other| crowd.uid(other).to_owned()).collect();
                crowd.send_on_errand(who, Task::ShowPresence { uids }.into());
            }
            2..STEPS => {
                let audience = if TO_GROUP.contains(&step) { PAIRS as u32 } else { self.roll(PAIRS as u64) as u32 };
                self.lives[who].to_post = Some(audience);
                crowd.order(Order::Kick(who));
            }
            _ => {
                // What is under way is waited for, or it would have to be posted again.
                if crowd.books.in_flight(who) > 0 {
                    return self.pause(crowd, who, now);
                }
                self.cycles += 1;
                self.lives[who].step = 0;
                return crowd.order(Order::Leave(who));
            }
        }
        self.lives[who].step += 1;
        self.pause(crowd, who, now);
    }
}

impl Play for Cycle {
    fn prepare(&mut self, crowd: &mut Crowd) {
        for who in 0..crowd.len() {
            for _ in 0..PAIRS {
                let pair = self.some_pair(who, crowd.len());
                crowd.add_audience(who, To::Members(pair.clone()), pair);
            }
            groups::write_to(crowd, who, self.group, &self.prefix);
        }
        groups::found(crowd, self.group, &self.prefix);
    }

    fn begin(&mut self, crowd: &mut Crowd, _now: Mono) {
        for who in 0..crowd.len() {
            crowd.order(Order::Leave(who));
        }
    }

    fn left(&mut self, crowd: &mut Crowd, who: usize, now: Mono) {
        if crowd.posting {
            self.pause(crowd, who, now);
        }
    }

    fn online(&mut self, crowd: &mut Crowd, who: usize, now: Mono) {
        if crowd.posting && self.lives[who].step == 0 {
            self.lives[who].step = 1;
            self.pause(crowd, who, now);
        }
    }

    fn woken(&mut self, crowd: &mut Crowd, who: usize, now: Mono) {
        // Who has lost its link goes on when it is back.
        if self.lives[who].step > 0 && !crowd.here.contains(&who) {
            return self.pause(crowd, who, now);
        }
        self.step(crowd, who, now);
    }

    fn fill(&mut self, crowd: &mut Crowd, who: usize, out: &mut Vec<u8>, now: Mono) {
        if crowd.left > 0
            && let Some(audience) = self.lives[who].to_post.take()
        {
            crowd.post(who, audience, out, now);
        }
    }

    fn extra(&self) -> Vec<(&'static str, f64)> {
        vec![("cycles", self.cycles as f64)]
    }
}
