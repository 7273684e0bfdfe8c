//! How long something takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::print::median;

/// Long enough for the clock and for the caches, short enough for a table with a hundred rows.
const SLICE: Duration = Duration::from_millis(20);
const SLICES: usize = 7;

/// Nanoseconds that `step` takes: the median of some slices of time, after one for warming up.
pub(crate) fn nanos<T>(mut step: impl FnMut() -> T) -> f64 {
    let mut slice = || {
        let begin = Instant::now();
        let mut count = 0u32;
        while begin.elapsed() < SLICE {
            // The clock takes as long as the smallest steps: it is asked now and then only.
            (0..16).for_each(|_| drop(black_box(step())));
            count += 16;
        }
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    };
    slice();
    median(&std::iter::repeat_with(slice).take(SLICES).collect::<Vec<f64>>())
}

/// Seconds that something took, and what came of it.
pub(crate) fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed().as_secs_f64(), result)
}
