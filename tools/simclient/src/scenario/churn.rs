//! Members who connect, log in, perhaps post, and quit, again and again; at the end each posts one message, so that accounts that
//! have suffered are found out.

use std::time::Duration;

use mnm::base::Mono;

use crate::cli;
use crate::crowd::{Crowd, Play};
use crate::fleet::Order;

/// A relay that does not tell of the login is not waited for longer than this.
const NOTICE_MAX: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, Default)]
struct Visit {
    /// The notice of this login has come, and is acked: else the notices would pile up.
    told: bool,
    to_post: u32,
    number: u64,
    due: Mono,
}

pub(super) struct Churn {
    posts: u32,
    visits: Vec<Visit>,
}

impl Churn {
    pub(super) fn new(options: &cli::Churn, members: usize) -> Churn {
        Churn { posts: options.posts, visits: vec![Visit::default(); members] }
    }

    fn leave_if_done(&self, crowd: &mut Crowd, who: usize) {
        let visit = &self.visits[who];
        if crowd.posting && visit.told && visit.to_post == 0 && crowd.books.in_flight(who) == 0 && crowd.here.contains(&who) {
            crowd.order(Order::Leave(who));
        }
    }
}

impl Play for Churn {
    fn prepare(&mut self, crowd: &mut Crowd) {
        crowd.pair_up();
    }

    fn begin(&mut self, crowd: &mut Crowd, _now: Mono) {
        for who in 0..crowd.len() {
            crowd.order(Order::Leave(who));
        }
    }

    fn online(&mut self, crowd: &mut Crowd, who: usize, now: Mono) {
        if !crowd.posting {
            return;
        }
        let visit = &mut self.visits[who];
        *visit = Visit { told: false, to_post: self.posts, number: visit.number + 1, due: now.plus(NOTICE_MAX) };
        crowd.order(Order::Wake(who, visit.due));
    }

    fn noticed(&mut self, crowd: &mut Crowd, who: usize, op: &str, _now: Mono) {
        if op == "login" {
            self.visits[who].told = true;
            self.leave_if_done(crowd, who);
        }
    }

    fn fill(&mut self, crowd: &mut Crowd, who: usize, out: &mut Vec<u8>, now: Mono) {
        while self.visits[who].to_post > 0 && crowd.left > 0 {
            self.visits[who].to_post -= 1;
            crowd.post(who, 0, out, now);
        }
    }

    fn acked(&mut self, crowd: &mut Crowd, who: usize, _now: Mono) {
        self.leave_if_done(crowd, who);
    }

    fn woken(&mut self, crowd: &mut Crowd, who: usize, now: Mono) {
        if now >= self.visits[who].due && crowd.here.contains(&who) {
            self.visits[who].told = true;
            self.leave_if_done(crowd, who);
        }
    }

    fn left(&mut self, crowd: &mut Crowd, who: usize, _now: Mono) {
        if crowd.posting {
            crowd.order(Order::Come(who));
        }
    }

    fn finish(&mut self, crowd: &mut Crowd) {
        crowd.all_come();
        crowd.all_speak();
    }

    fn extra(&self) -> Vec<(&'static str, f64)> {
        vec![("visits", self.visits.iter().map(|visit| visit.number).sum::<u64>() as f64)]
    }
}
