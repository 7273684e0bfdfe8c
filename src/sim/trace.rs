//! What happened in a world: a digest of all of it, and, if somebody wants to read it, lines.

use std::fmt::Write as _;

/// A nanosecond count as seconds.
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Two runs of one seed must give the same digest, whether lines are kept or not.
#[derive(Debug)]
pub(super) struct Trace {
    digest: u64,
    lines: Option<String>,
}

impl Trace {
    /// `readable`: keeps lines.
    pub(super) fn new(readable: bool) -> Trace {
        Trace { digest: 0xcbf2_9ce4_8422_2325, lines: readable.then(String::new) }
    }

    /// Takes a number into the digest.
    pub(super) fn mix(&mut self, number: u64) {
        self.digest = (self.digest ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    /// Takes octets into the digest.
    pub(super) fn mix_octets(&mut self, octets: &[u8]) {
        self.mix(u64::from(crc32c::crc32c(octets)) << 32 | octets.len() as u64);
    }

    /// Something happened at that moment. The line is made only for readers.
    pub(super) fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        self.mix(now);
        if let Some(lines) = &mut self.lines {
            let _ = writeln!(lines, "{:>14.6}  {}", seconds(now), line());
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// The lines, if they were kept.
    pub(super) fn into_lines(self) -> String {
        self.lines.unwrap_or_default()
    }
}
