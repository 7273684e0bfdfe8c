//! How the relay fares, for a person.

use crate::server::Status;

/// A line for each thing that one wants to know.
pub(super) fn lines(status: &Status) -> Vec<String> {
    let s = status;
    [
        ("status", format!("{}, for {}", s.status, time(s.uptime_ms / 1000))),
        ("site", format!("{:?}; register: {}", s.site, s.register)),
        ("links", format!("{}, {} of them devices of members", s.links, s.online)),
        ("members", s.members.to_string()),
        ("messages", format!("{} wait for somebody, {} deliveries are on their way", s.messages, s.in_flight)),
        ("log", format!("{} segments, {}, of which {} are needed", s.segments, size(s.log_bytes), size(s.live_bytes))),
        ("disk", format!("{} are free", size(s.disk_free))),
        ("memory", size(s.memory)),
        ("process", format!("{}, mnm {}, logs {}", s.pid, s.version, s.log)),
        ("config", s.config.clone()),
        ("data", s.data.clone()),
    ]
    .into_iter()
    .map(|(what, told)| format!("{what:<9} {told}"))
    .collect()
}

/// Octets as people say them.
pub(super) fn size(octets: u64) -> String {
    const UNITS: [&str; 5] = ["octets", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = octets as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{octets} {}", UNITS[0]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Seconds as people say them, to the two largest units.
pub(super) fn time(seconds: u64) -> String {
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let told: Vec<String> = parts
        .iter()
        .skip_while(|(count, unit)| *count == 0 && *unit != "s")
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    told.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_told_as_people_do() {
        for (octets, told) in
            [(0, "0 octets"), (1023, "1023 octets"), (1024, "1.0 KiB"), (8 << 20, "8.0 MiB"), (u64::MAX, "16777216.0 TiB")]
        {
            assert_eq!(size(octets), told);
        }
        for (seconds, told) in [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(time(seconds), told);
        }
    }
}
