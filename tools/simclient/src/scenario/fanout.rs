//! Groups, in each of which some members post to all the others.

use mnm::base::Mono;

use super::groups;
use crate::cli;
use crate::crowd::{Crowd, Play};

pub(super) struct Fanout {
    group: usize,
    posters: usize,
    window: u64,
    backlog: u64,
    prefix: String,
}

impl Fanout {
    pub(super) fn new(options: &cli::Fanout, prefix: String) -> Fanout {
        let posters = if options.posters == 0 { options.group } else { options.posters.min(options.group) };
        let backlog = if options.window.backlog == 0 { u64::MAX } else { options.window.backlog };
        Fanout { group: options.group as usize, posters: posters as usize, window: u64::from(options.window.window), backlog, prefix }
    }
}

impl Play for Fanout {
    fn prepare(&mut self, crowd: &mut Crowd) {
        groups::found(crowd, self.group, &self.prefix);
        for who in 0..crowd.len() {
            groups::write_to(crowd, who, self.group, &self.prefix);
        }
    }

    fn fill(&mut self, crowd: &mut Crowd, who: usize, out: &mut Vec<u8>, now: Mono) {
        if who % self.group < self.posters {
            crowd.post_within(who, self.window, self.backlog, out, now);
        }
    }
}
