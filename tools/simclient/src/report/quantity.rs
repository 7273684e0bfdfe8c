//! Numbers as people read them: three significant digits and a unit.

/// What a number counts, and so how it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// Things: `1.2 k`.
    Count,
    /// Things a second: `1.2 k/s`.
    PerSecond,
    /// Microseconds: `850 µs`, `3.1 ms`, `1.2 s`.
    Microseconds,
    /// Seconds: `0.25 s`, `60 s`; from two hours on in hours.
    Seconds,
    /// Octets, in powers of 1024: `64 MiB`.
    Octets,
    /// Per cent: `99 %`.
    Percent,
}

/// What stands where there is no number, or none that is finite.
pub(crate) const NONE: &str = "–";

/// The steps of a thousand below and above one.
const DECIMAL: [(f64, &str); 5] = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, "")];
const BINARY: [(f64, &str); 5] =
    [((1u64 << 40) as f64, " TiB"), ((1u64 << 30) as f64, " GiB"), ((1u64 << 20) as f64, " MiB"), (1024.0, " KiB"), (1.0, " B")];
const MICROSECONDS: [(f64, &str); 3] = [(1e6, " s"), (1e3, " ms"), (1.0, " µs")];
const SECONDS: [(f64, &str); 2] = [(3600.0, " h"), (1.0, " s")];
/// Seconds stay seconds up to here: `90 min` would say no more than `5400 s` does in a table beside others.
const SECONDS_MAX: f64 = 7200.0;
/// Beyond all that a test can count; what is larger is shown as this.
const LARGEST: f64 = 1e18;

/// The number with its unit, to three significant digits; [`NONE`] if it is not finite.
pub(crate) fn show(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let value = value.clamp(-LARGEST, LARGEST);
    match unit {
        Unit::Count => scaled(value, &DECIMAL),
        Unit::PerSecond => format!("{}/s", scaled(value, &DECIMAL)),
        Unit::Microseconds => scaled(value, &MICROSECONDS),
        Unit::Seconds if value < SECONDS_MAX => scaled(value, &SECONDS[1..]),
        Unit::Seconds => scaled(value, &SECONDS),
        Unit::Octets => scaled(value, &BINARY),
        Unit::Percent => format!("{} %", plain(value)),
    }
}

/// A whole number with its digits in groups of three, kept together by narrow spaces that do not break.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A finite number to three significant digits, without trailing zeros and without exponent.
pub(crate) fn plain(value: f64) -> String {
    let value = significant(value);
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = (2 - magnitude(value)).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// By the largest of the steps, largest first, that leaves at least one before the point, once rounded: 999.9 µs are 1 ms and not
/// 1000 µs. What is less than the smallest step takes that.
fn scaled(value: f64, steps: &[(f64, &str)]) -> String {
    let fits = |(index, (size, _)): &(usize, &(f64, &str))| {
        let below = steps.get(index + 1).map_or(*size, |(below, _)| *below);
        value.abs() >= *size || significant(value.abs() / below) * below >= *size
    };
    let (size, name) = steps.iter().enumerate().find(fits).map(|(_, step)| step).or(steps.last()).expect("every unit has a step");
    format!("{}{name}", plain(value / size))
}

/// Rounded to three digits.
fn significant(value: f64) -> f64 {
    let factor = 10f64.powi(2 - magnitude(value));
    (value * factor).round() / factor
}

/// The power of ten of the first digit; 0 for zero, and -12 for what is so small that nobody measured it.
fn magnitude(value: f64) -> i32 {
    if value == 0.0 { 0 } else { (value.abs().log10().floor() as i32).max(-12) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        for (value, unit, shown) in [
            (0.0, Unit::Count, "0"),
            (1.0, Unit::Count, "1"),
            (1200.0, Unit::Count, "1.2 k"),
            (149_832.4, Unit::PerSecond, "150 k/s"),
            (0.0, Unit::PerSecond, "0/s"),
            (850.0, Unit::Microseconds, "850 µs"),
            (999.9, Unit::Microseconds, "1 ms"),
            (3140.0, Unit::Microseconds, "3.14 ms"),
            (12_345_678.0, Unit::Microseconds, "12.3 s"),
            (4.7312, Unit::Microseconds, "4.73 µs"),
            (0.0004, Unit::Microseconds, "0.0004 µs"),
            (61.04, Unit::Seconds, "61 s"),
            (86_400.0, Unit::Seconds, "24 h"),
            (1023.0, Unit::Octets, "1020 B"),
            (1_073_741_824.0, Unit::Octets, "1 GiB"),
            (1536.0, Unit::Octets, "1.5 KiB"),
            ((64u64 << 20) as f64, Unit::Octets, "64 MiB"),
            (123.4, Unit::Percent, "123 %"),
            (f64::NAN, Unit::Count, NONE),
            (f64::INFINITY, Unit::PerSecond, NONE),
        ] {
            assert_eq!(show(value, unit), shown, "{value} as {unit:?}");
        }
        // Absurd, but no reason to stop.
        assert!(show(f64::MAX, Unit::Count).ends_with(" T"));
        assert_eq!(show(f64::MIN_POSITIVE, Unit::Count), "0");
    }

    #[test]
    fn whole_numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(8_990_123), "8\u{202f}990\u{202f}123");
    }
}
