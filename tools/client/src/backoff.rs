//! How long to stay away after a link was lost.

use std::time::Duration;

/// Waits that double from `first` to `most`, each between a half and the whole of it: members who lost their links together must
/// not come back together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with up to `first`.
    pub fn new(first: Duration, most: Duration) -> Backoff {
        Backoff { first, most, next: first }
    }

    /// How long to wait this time. `random` is any number, the more random the better.
    pub fn next_wait(&mut self, random: u32) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait / 2 + (wait / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// All is well again: the next wait is a first one.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(300));
        let waits: Vec<Duration> = (0..5).map(|_| backoff.next_wait(0)).collect();
        assert_eq!(waits, [ms(25), ms(50), ms(100), ms(150), ms(150)]);
        backoff.reset();
        assert_eq!(backoff.next_wait(u32::MAX), ms(50));
    }
}
