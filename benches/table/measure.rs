//! How long something takes: by the processor's time of this thread, which others on the machine do not lengthen, or by the clock.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::print::median;

/// Long enough for the clock and for the caches, short enough for a table with a hundred rows.
const SLICE: Duration = Duration::from_millis(20);
const SLICES: usize = 7;

/// Processor time of this thread so far. The system is asked, which takes some hundred nanoseconds.
pub(crate) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Processor time that `work` takes of this thread, and what comes of it.
pub(crate) fn processor<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = processor_time();
    let result = work();
    (processor_time() - begin, result)
}

/// The same by the clock.
pub(crate) fn clock<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}

/// Nanoseconds of processor time that `step` takes: the median of some slices of time, after one for warming up.
pub(crate) fn nanos<T>(mut step: impl FnMut() -> T) -> f64 {
    let mut slice = || {
        let begin = processor_time();
        let mut count = 0u32;
        let took = loop {
            // The clock takes as long as the smallest steps: it is asked now and then only.
            (0..64).for_each(|_| drop(black_box(step())));
            count += 64;
            let took = processor_time() - begin;
            if took >= SLICE {
                break took;
            }
        };
        took.as_secs_f64() * 1e9 / f64::from(count)
    };
    slice();
    median(&std::iter::repeat_with(slice).take(SLICES).collect::<Vec<f64>>())
}
