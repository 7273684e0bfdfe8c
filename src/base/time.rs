//! Two clocks, never mixed: one for waiting, one for telling people the date.

use std::ops::Range;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const NANOS_PER_MILLI: u64 = 1_000_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

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
    /// Whole seconds since the Unix epoch; ends in the year 2106.
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0 / NANOS_PER_SECOND).unwrap_or(u32::MAX)
    }

    /// A moment in whole seconds since the Unix epoch.
    pub fn from_seconds(seconds: u32) -> Wall {
        Wall(u64::from(seconds) * NANOS_PER_SECOND)
    }

    /// Whole milliseconds since the Unix epoch.
    pub fn millis(self) -> u64 {
        self.0 / NANOS_PER_MILLI
    }

    /// A moment in milliseconds since the Unix epoch; `None` after the year 2554.
    pub fn from_millis(millis: u64) -> Option<Wall> {
        millis.checked_mul(NANOS_PER_MILLI).map(Wall)
    }

    /// This moment and `wait` more; saturates at the end of time.
    pub fn plus(self, wait: Duration) -> Wall {
        Wall(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Reads a date of RFC 3339, to the millisecond; `None` if it is none, or not between 1970 and 2554.
    pub fn parse_rfc3339(text: &str) -> Option<Wall> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = u64::try_from(moment.unix_timestamp_nanos()).ok()? / NANOS_PER_MILLI;
        Wall::from_millis(millis)
    }

    /// `2006-01-02T15:04:05.000Z`: always UTC, always milliseconds (the fraction is cut, not rounded).
    pub fn to_rfc3339(self) -> String {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0)).expect("64 bits of nanoseconds end in the year 2554");
        let (date, clock) = (moment.date(), moment.time());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |places: Range<usize>, mut value: u32| {
            for place in places.rev() {
                text[place] = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0..4, date.year().unsigned_abs());
        put(5..7, u8::from(date.month()).into());
        put(8..10, date.day().into());
        put(11..13, clock.hour().into());
        put(14..16, clock.minute().into());
        put(17..19, clock.second().into());
        put(20..23, clock.millisecond().into());
        String::from_utf8(text.to_vec()).expect("digits and what stands between them")
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
    fn dates_are_read_to_the_millisecond() {
        let read = |text| Wall::parse_rfc3339(text).map(Wall::to_rfc3339);
        for (text, told) in [
            ("2020-02-29T00:00:00Z", "2020-02-29T00:00:00.000Z"),
            ("2020-02-29T01:30:00.1239+01:30", "2020-02-29T00:00:00.123Z"),
            ("2020-02-28T23:00:00.5-01:00", "2020-02-29T00:00:00.500Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(told));
        }
        for bad in ["", "2020-02-30T00:00:00Z", "2020-02-29", "2020-02-29T00:00:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "soon"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn waiting_saturates() {
        assert_eq!(Mono(5).plus(Duration::from_nanos(2)), Mono(7));
        assert_eq!(Mono(5).plus(Duration::MAX), Mono(u64::MAX));
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
    }
}
