//! Where unguessable octets come from.

/// A source of random octets. The simulator's is seeded; production's is the operating system.
pub trait Entropy {
    /// Fills `out` with random octets.
    fn fill(&mut self, out: &mut [u8]);
}

/// The operating system's cryptographic generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    /// If the operating system gives none: there is no safe way to go on without it.
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system's random generator failed");
    }
}
