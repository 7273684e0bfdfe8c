//! Members who are logged in and say nothing but that they are there; at the end each posts one message, so that a link that
//! only seems alive is found out.

use crate::crowd::{Crowd, Play};

pub(super) struct Idle;

impl Play for Idle {
    fn prepare(&mut self, crowd: &mut Crowd) {
        crowd.pair_up();
    }

    fn finish(&mut self, crowd: &mut Crowd) {
        crowd.all_come();
        crowd.all_speak();
    }
}
