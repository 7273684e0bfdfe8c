//! The one place that asks what time it is.

use std::time::Instant;

use mnm::base::Mono;

/// Time since the test began. `Copy`, so that whoever needs the time can hold it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Mono {
        Mono(u64::try_from(self.start.elapsed().as_nanos()).expect("64 bits of nanoseconds last for centuries"))
    }
}
