//! What happens to disk and clock meanwhile.

use super::{Event, World};
use crate::sim::plan::{MILLI, SECOND};

impl World {
    pub(super) fn chore(&mut self) {
        if self.calm {
            return;
        }
        let segment = u64::from(self.plan.segment_bytes);
        // What is tight now was so until this moment, however long the last turn took.
        self.moment();
        if self.chores.chance(self.plan.fills, 100) {
            let capacity = self.disk.used() + self.chores.roll(4) * segment / 2;
            self.note(|| format!("disk has {capacity} octets only"));
            self.disk.set_capacity(capacity);
        } else if self.chores.chance(1, 3) && self.disk.capacity() < self.plan.capacity * segment {
            self.note(|| "disk has space again".to_owned());
            self.disk.set_capacity(self.plan.capacity * segment);
        }
        let starved = self.chores.chance(self.plan.starvations, 100);
        if starved != self.starved {
            self.note(|| format!("no descriptors: {starved}"));
            self.starved = starved;
            self.disk.starve(starved);
        }
        if self.chores.chance(self.plan.jumps, 100) {
            let span = *self.chores.pick(&[MILLI, SECOND, 3600 * SECOND, 86400 * SECOND]);
            let jump = self.chores.between(0, 2 * span) as i64 - span as i64;
            // What ended by the clock must not begin again: the protocol does not say what then.
            let back = self.time().wall.0.saturating_sub(self.checks.model.ended()) as i64;
            let jump = jump.max(-back);
            self.note(|| format!("wall clock jumps by {jump} ns"));
            self.wall_offset += jump;
        }
        let wait = self.chores.between(1, 4 * SECOND);
        self.plan_event(wait, Event::Chore);
    }
}
