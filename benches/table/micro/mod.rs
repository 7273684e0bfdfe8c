//! Single steps of a message's way through the relay, by the crate's public API: processor time of one thread, everything in its
//! caches; where the disk has a part, the clock's time.

mod layer;
mod log;
mod records;
mod wire;

use super::Plan;
use super::measure::nanos;
use super::print::{Table, number};

/// All steps, in the order in which a message meets them.
pub(crate) fn all(plan: &Plan) -> Vec<Table> {
    let mut steps = Steps(Table::new("Micro-benchmarks", &["", "ns", "a second", "MB/s"]));
    wire::requests(&mut steps);
    wire::replies(&mut steps);
    records::all(&mut steps);
    layer::all(&mut steps, &plan.base);
    vec![steps.0, log::table(plan)]
}

struct Steps(Table);

impl Steps {
    /// One step, with the octets that it handles.
    fn step<T>(&mut self, what: &str, octets: usize, step: impl FnMut() -> T) {
        self.timed(what, octets, nanos(step));
    }

    fn timed(&mut self, what: &str, octets: usize, nanos: f64) {
        self.0.row([what.to_owned(), number(nanos), number(1e9 / nanos), number(octets as f64 * 1e3 / nanos)]);
    }
}
