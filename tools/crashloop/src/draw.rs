//! Random numbers that a seed repeats, and what is drawn with them. The moments that they mean are the machine's: the same
//! seed makes a similar run, not the same.

use std::time::Duration;

/// The shortest time from `ready` to a kill.
const WAIT_MIN: Duration = Duration::from_millis(20);

/// How a life of the relay ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Killed so long after it was started: it may not be ready yet.
    KillInStart(Duration),
    /// Killed so long after it was ready.
    Kill(Duration),
    /// Asked to end so long after it was ready.
    Stop(Duration),
}

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time between two, in microseconds.
    fn time(&mut self, from: Duration, to: Duration) -> Duration {
        let range = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX).max(1);
        from + Duration::from_micros(self.next() % range)
    }

    /// A port that connections which choose none do not get: one of those might take it while the relay is away.
    pub(crate) fn port(&mut self) -> u16 {
        20_000 + (self.next() % 10_000) as u16
    }

    /// The end of a life. `start` is how long a start takes usually: one kill in four comes around its end or before.
    pub(crate) fn end(&mut self, stops: bool, start: Duration, wait_max: Duration) -> End {
        // Both are drawn each time, so that the number of draws does not depend on the machine.
        let (kind, wait) = (self.next() % 4, self.time(WAIT_MIN, wait_max));
        let early = self.time(Duration::ZERO, start * 5 / 4);
        match (stops, kind) {
            (true, _) => End::Stop(wait),
            (false, 0) => End::KillInStart(early),
            (false, _) => End::Kill(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_waits_are_within_their_bounds() {
        let (start, max) = (Duration::from_millis(8), Duration::from_millis(50));
        let ends = |seed| {
            let mut draw = Draw::new(seed);
            (0..1000).map(|_| draw.end(false, start, max)).collect::<Vec<_>>()
        };
        assert_eq!(ends(1), ends(1));
        assert_ne!(ends(1), ends(2));
        let early = ends(1).iter().filter(|end| matches!(end, End::KillInStart(after) if *after <= start * 5 / 4)).count();
        assert!((200..300).contains(&early), "one in four: {early}");
        let late = ends(1).iter().filter(|end| matches!(end, End::Kill(wait) if (WAIT_MIN..=max).contains(wait))).count();
        assert_eq!(early + late, 1000);
        assert!((0..1000).all(|seed| (20_000..30_000).contains(&Draw::new(seed).port())));
    }
}
