//! The samples as lines: where there is nothing to draw, what the phases were, and thinned out to what a screen can show.
//!
//! A test of a day has 86 400 samples and a chart some hundred columns of pixels: each column has its mean, on which the line
//! runs, and keeps its least and its most, so that no peak and no standstill is lost.

use crate::summary::Sample;

/// Columns that a line is thinned out to. Twice as many points are drawn as they are.
const COLUMNS: usize = 300;
/// No rate, count or size of a test comes near; what does is drawn as this, so that no sum with it overflows.
const LARGEST: f64 = 1e15;

/// A place on a line, and how far what it stands for reaches below and above.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Point {
    /// One that stands for itself only.
    pub(super) fn new(x: f64, y: f64) -> Point {
        Point { x, y, least: y, most: y }
    }
}

/// Points of a line that are joined.
pub(super) type Stretch = Vec<Point>;

/// A stretch of time with one name.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// The samples whose time makes sense.
pub(super) struct Timeline<'a> {
    samples: Vec<&'a Sample>,
}

impl<'a> Timeline<'a> {
    /// Leaves out samples of no time, and of one before that of the sample before.
    pub(super) fn new(samples: &'a [Sample]) -> Timeline<'a> {
        let mut last = 0.0;
        let in_order = |sample: &&Sample| {
            let fits = sample.seconds.is_finite() && sample.seconds >= last && sample.seconds <= LARGEST;
            if fits {
                last = sample.seconds;
            }
            fits
        };
        Timeline { samples: samples.iter().filter(in_order).collect() }
    }

    /// Whether the samples are so many that lines are thinned out.
    pub(super) fn is_thinned(&self) -> bool {
        self.samples.len() > 2 * COLUMNS
    }

    /// The time of the last sample.
    pub(super) fn end(&self) -> f64 {
        self.samples.last().map_or(0.0, |sample| sample.seconds)
    }

    /// What each sample says by itself. Finite values, none below zero; `None` is a gap in the line.
    pub(super) fn values(&self, value: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        self.samples.iter().map(|sample| (sample.seconds, value(sample).and_then(finite))).collect()
    }

    /// How much a total grew a second, from each sample to the next. The first has none before it, so the line begins at the
    /// second; a total that shrinks is another process's, and a gap.
    pub(super) fn growth(&self, total: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
        let rate = |pair: &[&Sample]| {
            let seconds = pair[1].seconds - pair[0].seconds;
            let growth = total(pair[1])? - total(pair[0])?;
            (seconds > 0.0 && growth >= 0.0).then(|| growth / seconds).and_then(finite)
        };
        self.samples.windows(2).map(|pair| (pair[1].seconds, rate(pair))).collect()
    }

    /// The phases in their order. A sample tells of the time since the one before, so each phase begins at the last sample of
    /// the one before.
    pub(super) fn phases(&self) -> Vec<Phase> {
        let mut phases: Vec<Phase> = Vec::new();
        for sample in &self.samples {
            match phases.last_mut() {
                Some(phase) if phase.name == sample.phase => phase.to = sample.seconds,
                last => {
                    let from = last.map_or(0.0, |phase| phase.to);
                    phases.push(Phase { name: sample.phase.clone(), from, to: sample.seconds });
                }
            }
        }
        phases
    }
}

/// The values as stretches of a line, thinned out if they are many.
pub(super) fn stretches(values: &[(f64, Option<f64>)]) -> Vec<Stretch> {
    let points: Vec<Option<Point>> = if values.len() > 2 * COLUMNS {
        values.chunks(values.len().div_ceil(COLUMNS)).map(column).collect()
    } else {
        values.iter().map(|(x, value)| value.map(|y| Point::new(*x, y))).collect()
    };
    points.split(Option::is_none).filter(|stretch| !stretch.is_empty()).map(|stretch| stretch.iter().flatten().copied().collect()).collect()
}

/// What the values of one column come to; nothing if there are none.
fn column(values: &[(f64, Option<f64>)]) -> Option<Point> {
    let there: Vec<f64> = values.iter().filter_map(|(_, value)| *value).collect();
    let least = there.iter().copied().reduce(f64::min)?;
    let most = there.iter().copied().reduce(f64::max)?;
    let (x, _) = values[values.len() / 2];
    Some(Point { x, y: there.iter().sum::<f64>() / there.len() as f64, least, most })
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then(|| value.clamp(0.0, LARGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: f64, phase: &str, online: u64) -> Sample {
        Sample { seconds, phase: phase.to_owned(), online, ..Sample::default() }
    }

    #[test]
    fn a_peak_survives_the_thinning() {
        let mut values: Vec<(f64, Option<f64>)> = (0..100_000).map(|index| (f64::from(index), Some(100.0))).collect();
        values[54_321].1 = Some(9000.0);
        values[54_325].1 = Some(1.0);
        let stretches = stretches(&values);
        assert_eq!(stretches.len(), 1);
        assert!(stretches[0].len() <= COLUMNS);
        assert!(stretches[0].iter().any(|point| point.most == 9000.0 && (point.x - 54_321.0).abs() < 400.0));
        assert!(stretches[0].iter().any(|point| point.least == 1.0));
        assert!(stretches[0].is_sorted_by_key(|point| point.x));
    }

    #[test]
    fn gaps_part_the_line() {
        let values = [(1.0, Some(1.0)), (2.0, None), (3.0, None), (4.0, Some(2.0)), (5.0, Some(3.0))];
        assert_eq!(stretches(&values), [vec![Point::new(1.0, 1.0)], vec![Point::new(4.0, 2.0), Point::new(5.0, 3.0)]]);
        assert!(stretches(&[(1.0, None)]).is_empty());
        assert!(stretches(&[]).is_empty());
        // Gaps among so many that they are thinned: the columns that have nothing at all.
        let values: Vec<_> = (0..9000).map(|index| (f64::from(index), (!(3000..6000).contains(&index)).then_some(1.0))).collect();
        assert_eq!(stretches(&values).len(), 2);
    }

    #[test]
    fn phases_begin_where_the_one_before_ended() {
        let samples = [sample(1.0, "connecting", 0), sample(2.0, "posting", 0), sample(3.0, "posting", 0), sample(3.5, "draining", 0)];
        let phases = Timeline::new(&samples).phases();
        let ends: Vec<_> = phases.iter().map(|phase| (phase.name.as_str(), phase.from, phase.to)).collect();
        assert_eq!(ends, [("connecting", 0.0, 1.0), ("posting", 1.0, 3.0), ("draining", 3.0, 3.5)]);
    }

    #[test]
    fn growth_is_by_the_second_and_never_negative() {
        let samples = [sample(1.0, "", 10), sample(3.0, "", 14), sample(3.0, "", 15), sample(4.0, "", 2), sample(5.0, "", 3)];
        let growth = Timeline::new(&samples).growth(|sample| Some(sample.online as f64));
        assert_eq!(growth, [(3.0, Some(2.0)), (3.0, None), (4.0, None), (5.0, Some(1.0))]);
    }

    #[test]
    fn times_that_make_no_sense_are_left_out() {
        let samples = [sample(1.0, "", 1), sample(f64::NAN, "", 2), sample(0.5, "", 3), sample(f64::INFINITY, "", 4), sample(2.0, "", 5)];
        let values = Timeline::new(&samples).values(|sample| Some(sample.online as f64));
        assert_eq!(values, [(1.0, Some(1.0)), (2.0, Some(5.0))]);
        assert_eq!(Timeline::new(&[]).end(), 0.0);
    }
}
