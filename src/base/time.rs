//! Two clocks, never mixed: one for waiting, one for telling people the date.

use std::time::Duration;

use time::OffsetDateTime;

/// Nanoseconds on a clock that never steps, from an arbitrary start. Deadlines are made of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// This moment and `wait` more; saturates at the end of time.
    pub fn plus(self, wait: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds since the Unix epoch, UTC. May step in either direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Wall(pub u64);

impl Wall {
    /// `2006-01-02T15:04:05.000Z`: always UTC, always milliseconds (the fraction is cut, not rounded).
    pub fn to_rfc3339(self) -> String {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0)).expect("64 bits of nanoseconds end in the year 2554");
        let (date, clock) = (moment.date(), moment.time());
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            clock.millisecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_milliseconds_always() {
        assert_eq!(Wall(0).to_rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Wall(1_582_934_400_999_999_999).to_rfc3339(), "2020-02-29T00:00:00.999Z");
        assert_eq!(Wall(u64::MAX).to_rfc3339(), "2554-07-21T23:34:33.709Z");
    }

    #[test]
    fn waiting_saturates() {
        assert_eq!(Mono(5).plus(Duration::from_nanos(2)), Mono(7));
        assert_eq!(Mono(5).plus(Duration::MAX), Mono(u64::MAX));
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
    }
}
