//! Members in pairs, each posting to its partner as fast as its window allows.

use mnm::base::Mono;

use crate::cli;
use crate::crowd::{Crowd, Play};

pub(super) struct Pairs {
    window: u64,
    backlog: u64,
}

impl Pairs {
    pub(super) fn new(options: &cli::Pairs) -> Pairs {
        let backlog = if options.window.backlog == 0 { u64::MAX } else { options.window.backlog };
        Pairs { window: u64::from(options.window.window), backlog }
    }
}

impl Play for Pairs {
    fn prepare(&mut self, crowd: &mut Crowd) {
        crowd.pair_up();
    }

    fn fill(&mut self, crowd: &mut Crowd, who: usize, out: &mut Vec<u8>, now: Mono) {
        crowd.post_within(who, self.window, self.backlog, out, now);
    }
}
