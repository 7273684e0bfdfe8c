//! How much a message counts towards the queues that it waits in.

use crate::limits::{WEIGHT_BASE, WEIGHT_STEP};

/// Octets that a message with so much data counts: as many steps as its data begins, and what every message costs. What no message
/// can have is counted as what fits.
pub fn weight_octets(data_len: u64) -> u64 {
    octets(u64::from(weight(data_len)))
}

/// The same in steps, as queues keep it.
pub(super) fn weight(data_len: u64) -> u32 {
    u32::try_from(data_len.div_ceil(WEIGHT_STEP).saturating_add(WEIGHT_BASE / WEIGHT_STEP)).unwrap_or(u32::MAX)
}

/// Octets of so many steps.
pub(super) fn octets(steps: u64) -> u64 {
    steps.saturating_mul(WEIGHT_STEP)
}

const _: () = assert!(WEIGHT_BASE.is_multiple_of(WEIGHT_STEP), "what every message costs is whole steps");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_counts_in_steps_that_have_begun() {
        assert_eq!([0, 1, 64, 65, 200, 1 << 30].map(weight_octets), [256, 320, 320, 384, 512, (1 << 30) + 256]);
        assert_eq!(weight_octets(u64::MAX), u64::from(u32::MAX) * 64, "it fits what queues keep");
    }
}
