//! How values on the command line are read.

use std::time::Duration;

use mnm::base::Wall;

/// Names of members, groups and devices. Whether one is good is the relay's to say, but none may burst a request's header.
pub(super) fn name(text: &str) -> Result<String, String> {
    const MAX: usize = 1024;
    if text.is_empty() || text.len() > MAX { Err(format!("expected 1 to {MAX} octets")) } else { Ok(text.to_owned()) }
}

pub(super) fn label(text: &str) -> Result<String, String> {
    // The relay ends the link of who sends a longer one.
    const MAX: usize = 255;
    if text.is_empty() || text.len() > MAX { Err(format!("expected 1 to {MAX} octets")) } else { Ok(text.to_owned()) }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    // Beyond a year a sum of times may overflow, and nobody waits that long.
    if !(0.0..=31_536_000.0).contains(&seconds) {
        return Err("expected 0 to 31536000 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub(super) fn fingerprint(text: &str) -> Result<String, String> {
    mnm_client::parse_fingerprint(text).map(|f| mnm_client::write_fingerprint(&f)).map_err(|e| format!("expected {e}"))
}

/// A time for the relay: one of RFC 3339 as it is, a duration from now on.
pub(super) fn time(text: &str) -> Result<String, String> {
    if Wall::parse_rfc3339(text).is_some() {
        return Ok(text.to_owned());
    }
    let units = [('m', 60), ('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];
    let read = |(unit, seconds): (char, u64)| text.strip_suffix(unit)?.parse::<u32>().ok().map(|count| u64::from(count) * seconds);
    let wait = units.into_iter().find_map(read).filter(|seconds| *seconds > 0);
    let wait = wait.ok_or("expected a duration as 90m, 12h, 30d or 2w, or a time as 2026-11-26T18:00:00Z")?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(Wall::default().plus(now).plus(Duration::from_secs(wait)).to_rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_read() {
        assert_eq!(time("2026-11-26T18:00:00+01:00").as_deref(), Ok("2026-11-26T18:00:00+01:00"));
        assert!(time("2d").unwrap().ends_with('Z'));
        for wrong in ["", "2", "0d", "soon", "-1d", "9999999999w"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "-1", "nan", "inf", "1e99"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
