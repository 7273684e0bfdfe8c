//! Half of the members go away; the others post to them; then the absent come and take it all.

use mnm::base::Mono;

use crate::cli;
use crate::crowd::{Crowd, Play};
use crate::fleet::Order;

pub(super) struct Offline {
    each: u64,
    window: u64,
    /// Posts that each may still make.
    left: Vec<u64>,
    /// Of those who go away, so many are still here.
    going: usize,
}

/// The even ones write to the odd ones.
fn goes_away(who: usize) -> bool {
    who % 2 == 1
}

impl Offline {
    pub(super) fn new(options: &cli::Offline, members: usize) -> Offline {
        let left = (0..members).map(|who| if goes_away(who) { 0 } else { options.each }).collect();
        Offline { each: options.each, window: u64::from(options.window), left, going: members / 2 }
    }
}

impl Play for Offline {
    fn prepare(&mut self, crowd: &mut Crowd) {
        crowd.pair_up();
    }

    fn begin(&mut self, crowd: &mut Crowd, _now: Mono) {
        for who in (0..crowd.len()).filter(|who| goes_away(*who)) {
            crowd.order(Order::Leave(who));
        }
    }

    fn left(&mut self, crowd: &mut Crowd, _who: usize, _now: Mono) {
        self.going = self.going.saturating_sub(1);
        if self.going == 0 {
            for who in 0..crowd.len() {
                crowd.order(Order::Kick(who));
            }
        }
    }

    fn fill(&mut self, crowd: &mut Crowd, who: usize, out: &mut Vec<u8>, now: Mono) {
        if self.going > 0 {
            return;
        }
        let before = crowd.tally.counts.sent;
        crowd.left = self.left[who];
        crowd.post_within(who, self.window, u64::MAX, out, now);
        self.left[who] -= crowd.tally.counts.sent - before;
        crowd.left = u64::MAX;
    }

    fn is_over(&self, crowd: &Crowd) -> bool {
        self.going == 0 && self.left.iter().all(|left| *left == 0) && crowd.books.outstanding().0 == 0
    }

    fn extra(&self) -> Vec<(&'static str, f64)> {
        vec![("messages_for_each", self.each as f64)]
    }
}
