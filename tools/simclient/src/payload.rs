//! What a message carries, so that whoever gets it can tell whether it is whole and which one it is.
//!
//! A payload is a pure function of its stamp: nothing is kept to send it again.
//!
//! ```text
//!  0  4  "TSIM"
//!  4  4  CRC-32C of all that follows
//!  8  8  run: a random number, so that an earlier test's messages are not taken for ours
//! 16  4  sender: number of the member
//! 20  4  size of the whole payload
//! 24  4  audience: which of the sender's sets of recipients
//! 28  8  sequence: 0, 1, 2... per audience
//! 36  8  order: 0, 1, 2... over all that the sender posts
//! 44  8  posted: nanoseconds since the test began
//! 52     filler
//! ```

use std::sync::LazyLock;

use mnm::base::Mono;

/// Octets of the stamp, the smallest payload.
pub(crate) const PAYLOAD_MIN: usize = 52;
const MAGIC: &[u8; 4] = b"TSIM";
const SUM: usize = 4;
const SUMMED: usize = 8;

/// Which message this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub(crate) run: u64,
    pub(crate) sender: u32,
    pub(crate) size: u32,
    pub(crate) audience: u32,
    pub(crate) sequence: u64,
    pub(crate) order: u64,
    pub(crate) posted: Mono,
}

/// Incompressible octets, longer than any offset into them by far.
static FILLER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..8192).flat_map(|_| next()).collect()
});

impl Stamp {
    /// Appends the payload, `size` octets.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let end = start + self.size as usize;
        out.reserve(self.size as usize);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.run.to_le_bytes());
        out.extend_from_slice(&self.sender.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.audience.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.order.to_le_bytes());
        out.extend_from_slice(&self.posted.0.to_le_bytes());
        // A different offset for each message: a piece of another one in its place is noticed.
        let mut offset = (self.order.wrapping_mul(31).wrapping_add(u64::from(self.sender)) % 4096) as usize;
        while out.len() < end {
            let take = (end - out.len()).min(FILLER.len() - offset);
            out.extend_from_slice(&FILLER[offset..offset + take]);
            offset = 0;
        }
        let sum = crc32c::crc32c(&out[start + SUMMED..]);
        out[start + SUM..start + SUMMED].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads a payload; `None` if it is not exactly as one was written.
    pub(crate) fn verify(payload: &[u8]) -> Option<Stamp> {
        if payload.len() < PAYLOAD_MIN || payload[..4] != *MAGIC {
            return None;
        }
        let stamp = Stamp {
            run: u64_at(payload, 8),
            sender: u32_at(payload, 16),
            size: u32_at(payload, 20),
            audience: u32_at(payload, 24),
            sequence: u64_at(payload, 28),
            order: u64_at(payload, 36),
            posted: Mono(u64_at(payload, 44)),
        };
        let whole = stamp.size as usize == payload.len() && u32_at(payload, SUM) == crc32c::crc32c(&payload[SUMMED..]);
        whole.then_some(stamp)
    }
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(octets[at..at + 4].try_into().expect("four octets"))
}

fn u64_at(octets: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(octets[at..at + 8].try_into().expect("eight octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let stamp = Stamp { run: 1, sender: 2, size: 100, audience: 5, sequence: 3, order: 6, posted: Mono(4) };
        let mut payload = Vec::new();
        stamp.write(&mut payload);
        assert_eq!(Stamp::verify(&payload), Some(stamp));
        for bit in 0..payload.len() * 8 {
            payload[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Stamp::verify(&payload), None, "bit {bit}");
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        for cut in 0..payload.len() {
            assert_eq!(Stamp::verify(&payload[..cut]), None);
        }
    }

    #[test]
    fn sizes_are_exact() {
        for size in [52, 53, 1024, 65536, 300_000] {
            let mut payload = b"before".to_vec();
            Stamp { run: 9, sender: 1, size, audience: 0, sequence: u64::MAX, order: 8, posted: Mono(0) }.write(&mut payload);
            assert_eq!(payload.len(), 6 + size as usize);
            assert!(Stamp::verify(&payload[6..]).is_some());
        }
    }
}
