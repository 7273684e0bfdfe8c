//! A world in which the relay is tried: simulated disk, network, clock and members, all of it drawn from one seed.
//!
//! Only in builds with the feature `sim`. `docs/TESTING.md` says what is simulated and what is not.

mod disk;
mod prng;
pub mod targets;

pub use disk::{Keep, MemDisk, MemFile};
pub use prng::Prng;
