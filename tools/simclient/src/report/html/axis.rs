//! Axes: from values to places, and which values have a tick.
//!
//! Plotters' own coordinates choose ticks that suit numbers but not units (a tick at 150 s, at 95.4 MiB), and their logarithm
//! does not take a zero. This one has its ticks from the start, clamps what lies outside, and is never empty.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::report::quantity::{Unit, plain, show};

/// Ticks from zero on an axis of values, at most, zero itself aside.
const VALUE_TICKS: f64 = 5.0;
/// The same on an axis of time, which is longer.
const TIME_TICKS: f64 = 7.0;
/// Nines that the axis of quantiles shows at least: 90 and 99 %.
pub(super) const NINES_MIN: f64 = 2.0;
/// And at most: 99.999 %. Of a million messages ten are beyond, and the table tells of the slowest.
pub(super) const NINES_MAX: f64 = 5.0;

/// One axis of a chart.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    scale: Scale,
    range: Range<f64>,
    ticks: Vec<f64>,
    labels: Labels,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scale {
    Linear,
    Logarithmic,
}

/// How a tick's value is written.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Labels {
    Quantity(Unit),
    /// In units of so many seconds.
    Time(f64, &'static str),
    /// As the quantile that has so many nines.
    Nines,
}

impl Axis {
    /// From zero to a little more than `max`.
    pub(super) fn from_zero(max: f64, unit: Unit) -> Axis {
        // Things and octets are whole, and an axis of zeros only still needs a length.
        let (step_min, size) = match unit {
            Unit::Count => (1.0, 1.0),
            Unit::Octets => (1.0, binary_unit(max)),
            Unit::PerSecond | Unit::Microseconds | Unit::Seconds | Unit::Percent => (1e-3, 1.0),
        };
        let step = if size > 1.0 { round_step(max / size / VALUE_TICKS) * size } else { round_step(max / VALUE_TICKS).max(step_min) };
        let end = (max * 1.08).max(step);
        Axis { scale: Scale::Linear, ticks: multiples(step, end), range: 0.0..end, labels: Labels::Quantity(unit) }
    }

    /// Seconds since the test began.
    pub(super) fn time(end: f64) -> Axis {
        let end = end.max(1e-3);
        let (size, name) = match end {
            _ if end <= 180.0 => (1.0, "s"),
            _ if end <= 3.0 * 3600.0 => (60.0, "min"),
            _ if end <= 72.0 * 3600.0 => (3600.0, "h"),
            _ => (86_400.0, "d"),
        };
        let step = round_step(end / size / TIME_TICKS) * size;
        Axis { scale: Scale::Linear, ticks: multiples(step, end), range: 0.0..end, labels: Labels::Time(size, name) }
    }

    /// Latencies in microseconds from `min` to `max`, logarithmic, from one round number to another.
    pub(super) fn logarithmic(min: f64, max: f64) -> Axis {
        let mut steps: Vec<f64> = (0..=12).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power))).collect();
        let first = steps.iter().rposition(|step| *step <= min).unwrap_or(0);
        let last = steps.iter().position(|step| *step >= max).unwrap_or(steps.len() - 1);
        // At least a step each way of what is all the same.
        let (first, last) = if first < last { (first, last) } else { (first.saturating_sub(1), (first + 1).min(steps.len() - 1)) };
        let range = steps[first]..steps[last];
        steps = steps[first..=last].to_vec();
        // Beyond two decades every tick would be one too many: powers of ten only.
        if range.end / range.start > 150.0 {
            steps.retain(|step| (step.log10() - step.log10().round()).abs() < 1e-9);
        }
        Axis { scale: Scale::Logarithmic, range, ticks: steps, labels: Labels::Quantity(Unit::Microseconds) }
    }

    /// Quantiles by how many nines they have: 0, 90, 99, 99.9 % have the same distance from each other.
    pub(super) fn nines(most: f64) -> Axis {
        let end = most.clamp(NINES_MIN, NINES_MAX).ceil();
        Axis { scale: Scale::Linear, range: 0.0..end, ticks: multiples(1.0, end), labels: Labels::Nines }
    }

    /// Where the axis ends.
    pub(super) fn end(&self) -> f64 {
        self.range.end
    }

    /// How far along the axis a value lies, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let Range { start, end } = self.range;
        let share = match self.scale {
            Scale::Linear => (value - start) / (end - start),
            Scale::Logarithmic => (value.max(start) / start).ln() / (end / start).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    fn label(&self, value: f64) -> String {
        if value == 0.0 && self.labels != Labels::Nines {
            return "0".to_owned();
        }
        match self.labels {
            Labels::Quantity(unit) => show(value, unit),
            Labels::Time(size, name) => format!("{} {name}", plain(value / size)),
            Labels::Nines => match value.round() as usize {
                0 => "0 %".to_owned(),
                1 => "90 %".to_owned(),
                2 => "99 %".to_owned(),
                nines => format!("99.{} %", "9".repeat(nines - 2)),
            },
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * self.share(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Asked twice: for the light lines between the ticks, of which there are none, and for the ticks.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

/// How many nines a quantile has: 0.9 has one, 0.99 two. Infinite for 1.
pub(super) fn nines_of(quantile: f64) -> f64 {
    // Not -0.0 for 0: it would be drawn as such.
    (-(1.0 - quantile.clamp(0.0, 1.0)).log10()).max(0.0)
}

/// The least of 1, 2, 2.5, 5 and their tenfolds that is no less. 2.5 not below 10: it would need a digit more than the others.
fn round_step(least: f64) -> f64 {
    if least <= 0.0 {
        return 0.0;
    }
    let power = 10f64.powf(least.log10().floor());
    let digits: &[f64] = if power >= 10.0 { &[1.0, 2.0, 2.5, 5.0, 10.0] } else { &[1.0, 2.0, 5.0, 10.0] };
    // A hair of tolerance, for 0.30000000000000004 is 0.3.
    power * digits.iter().find(|digit| **digit * power >= least * (1.0 - 1e-9)).unwrap_or(&10.0)
}

/// All multiples of `step` up to `end`, zero included. Not many: the callers' steps divide their range in ten at most.
fn multiples(step: f64, end: f64) -> Vec<f64> {
    let count = (end / step * (1.0 + 1e-9)).floor().min(20.0) as u32;
    (0..=count).map(|index| f64::from(index) * step).collect()
}

/// The largest power of 1024 that is no more than `max`, from 1 to 1024^4.
fn binary_unit(max: f64) -> f64 {
    (0..=4).rev().map(|power| 1024f64.powi(power)).find(|unit| *unit <= max).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
    }

    #[test]
    fn ticks_are_round_in_their_unit() {
        let mib = f64::from(1u32 << 20);
        for (axis, expected) in [
            (Axis::from_zero(158_000.0, Unit::PerSecond), "0 50 k/s 100 k/s 150 k/s"),
            (Axis::from_zero(3.0, Unit::Count), "0 1 2 3"),
            (Axis::from_zero(0.0, Unit::Count), "0 1"),
            (Axis::from_zero(95.4, Unit::Percent), "0 20 % 40 % 60 % 80 % 100 %"),
            (Axis::from_zero(300.0 * mib, Unit::Octets), "0 100 MiB 200 MiB 300 MiB"),
            (Axis::from_zero(1500.0 * mib, Unit::Octets), "0 512 MiB 1 GiB 1.5 GiB"),
            (Axis::time(63.0), "0 10 s 20 s 30 s 40 s 50 s 60 s"),
            (Axis::time(310.0), "0 1 min 2 min 3 min 4 min 5 min"),
            (Axis::time(100_000.0), "0 5 h 10 h 15 h 20 h 25 h"),
            (Axis::time(0.0), "0 0.0002 s 0.0004 s 0.0006 s 0.0008 s 0.001 s"),
            (Axis::logarithmic(430.0, 9000.0), "200 µs 500 µs 1 ms 2 ms 5 ms 10 ms"),
            (Axis::logarithmic(90.0, 2e6), "100 µs 1 ms 10 ms 100 ms 1 s"),
            (Axis::logarithmic(100.0, 100.0), "50 µs 100 µs 200 µs"),
            (Axis::logarithmic(0.0, 0.0), "1 µs 2 µs"),
            (Axis::nines(4.3), "0 % 90 % 99 % 99.9 % 99.99 % 99.999 %"),
            (Axis::nines(0.0), "0 % 90 % 99 %"),
        ] {
            assert_eq!(labels(&axis).join(" "), expected);
        }
    }

    #[test]
    fn everything_has_a_place_within_the_axis() {
        for axis in [
            Axis::from_zero(0.0, Unit::Octets),
            Axis::from_zero(1e15, Unit::PerSecond),
            Axis::time(1e9),
            Axis::logarithmic(1.0, 1e15),
            Axis::nines(f64::INFINITY),
        ] {
            assert!(axis.range.start < axis.range.end && !axis.ticks.is_empty(), "{axis:?}");
            for value in [0.0, 1.0, 1e300, f64::INFINITY, -5.0] {
                assert!((0..=100).contains(&axis.map(&value, (0, 100))), "{value} on {axis:?}");
            }
        }
    }

    #[test]
    fn nines_count_the_nines() {
        assert_eq!(nines_of(0.0), 0.0);
        assert!((nines_of(0.99) - 2.0).abs() < 1e-9);
        assert_eq!(nines_of(1.0), f64::INFINITY);
    }
}
