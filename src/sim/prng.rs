//! Where chance comes from: small generators that give the same numbers for the same seed for ever.
//!
//! A seed must mean the same world in every build, so this is no library's generator, which may change its mind. It is
//! xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016): good enough
//! to choose faults by, useless for secrets. Each concern draws from a stream of its own: that the network rolls once more
//! does not change what the disk does.

use crate::base::Entropy;

/// A stream of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Prng(u64);

impl Prng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Prng {
        Prng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The stream of one concern in the world of a seed.
    pub fn stream(seed: u64, concern: &str) -> Prng {
        // FNV-1a of the name, then the finalizer of SplitMix64: neighbouring seeds must not look alike.
        let name = concern.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, octet| (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
        let mut state = seed.wrapping_add(name).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Prng((state ^ (state >> 31)) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to `sides` - 1. `sides` is at least 1, and at most 2³¹ for all of them to come.
    pub fn roll(&mut self, sides: u64) -> u64 {
        (self.next() >> 33) % sides
    }

    /// As [`roll`](Prng::roll), for places in lists.
    pub fn index(&mut self, len: usize) -> usize {
        self.roll(len as u64) as usize
    }

    /// A number in a range, its ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True in `times` of `of` cases.
    pub fn chance(&mut self, times: u64, of: u64) -> bool {
        self.roll(of) < times
    }

    /// One of a list.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.index(list.len())]
    }
}

impl Entropy for Prng {
    fn fill(&mut self, out: &mut [u8]) {
        out.iter_mut().for_each(|octet| *octet = self.roll(256) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut prng = Prng::new(7);
        assert_eq!([(); 4].map(|()| prng.roll(1000)), [774, 460, 216, 200]);
    }

    #[test]
    fn streams_of_one_seed_and_seeds_of_one_stream_differ() {
        let rolls = |mut prng: Prng| [(); 8].map(|()| prng.roll(1 << 20));
        let all: std::collections::BTreeSet<_> =
            (0..100).flat_map(|seed| ["net", "disk", "clock"].map(|name| rolls(Prng::stream(seed, name)))).collect();
        assert_eq!(all.len(), 300);
    }
}
