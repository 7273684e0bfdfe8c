//! The one place where the system's clocks are read.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::base::{Mono, Wall};
use crate::relay::Now;

/// The time of a turn, from the system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[allow(clippy::disallowed_methods, reason = "the one place where the monotonic clock is read")]
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The present moment.
    #[allow(clippy::disallowed_methods, reason = "the one place where the system's clocks are read")]
    pub fn now(&self) -> Now {
        let mono = Mono(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono, wall: Wall(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)) }
    }
}
