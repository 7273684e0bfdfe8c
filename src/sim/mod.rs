//! A world in which the relay is tried: simulated disk, network, clock and members, all of it drawn from one seed.
//!
//! [`run`] drives the real turn of the real server, from the octets of a socket to those of the log and back; only TLS, mio and
//! the kernel are left out. Whatever the relay does is held against a small [`model`] of the protocol and against the laws
//! (`checks`). A seed is one whole world ([`Plan`]), so that a failure can be repeated from a number.
//!
//! Only in builds with the feature `sim`. `docs/TESTING.md` says what is simulated, what is not, and which test covers that.

pub mod ask;
mod checks;
mod device;
mod disk;
pub mod model;
mod net;
mod plan;
mod plant;
mod prng;
pub mod targets;
mod trace;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use checks::{Oracle, Violation};
pub use disk::{Keep, MemDisk, MemFile};
pub use plan::Plan;
pub use plant::Plant;
pub use prng::Prng;
pub use world::Counts;

use self::world::World;

/// What became of a world.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was wrong, if anything was.
    pub violation: Option<Violation>,
    /// How much happened.
    pub counts: Counts,
    /// Of everything that happened: the same for the same seed.
    pub digest: u64,
    /// What happened, a line each; empty unless it was asked for.
    pub trace: String,
}

/// Lives through the world of a plan. With `readable`, the trace is kept.
///
/// Panics of the relay are caught and are violations.
pub fn run(plan: &Plan, plant: Plant, readable: bool) -> Outcome {
    let mut world = World::new(plan.clone(), plant, readable);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let panicked = outcome.is_err();
    let violation = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            Some(Violation { oracle: Oracle::Panic, what: words.unwrap_or_default() })
        }
    };
    let (counts, trace) = world.into_parts(panicked);
    Outcome { violation, counts, digest: trace.digest(), trace: trace.into_lines() }
}
