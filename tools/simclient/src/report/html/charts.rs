//! Which charts a test has: one for each thing that was measured, and none for what was not.

use super::axis::{Axis, nines_of};
use super::plot::{Chart, Line};
use super::style::Ink;
use super::timeline::{Phase, Point, Stretch, Timeline, stretches};
use crate::report::quantity::{Unit, show};
use crate::summary::{Latency, Recent, Sample, Summary, Usage};

/// Where a chart of latencies begins if less was measured: they are whole microseconds.
const LATENCY_MIN: f64 = 1.0;
const CURVE_POINTS_MAX: usize = 1000;
const LOGIN: &str = "latency-login";
/// Moments with logins that do not make a chart yet, in each of its three lines.
const LOGIN_POINTS_MIN: usize = 3 * 2;

/// All charts that have something to show, in the order in which they are read.
pub(super) fn charts(summary: &Summary) -> Vec<Chart> {
    let timeline = &Timeline::new(&summary.samples);
    let axes = &TimeAxes { x: Axis::time(timeline.end()), phases: timeline.phases() };
    let mut charts = Vec::new();
    charts.extend(rates(timeline, axes));
    charts.extend(online(timeline, axes));
    charts.extend(latencies(timeline, axes));
    charts.extend(distribution(summary));
    charts.extend(processor(timeline, axes));
    charts.extend(memory(timeline, axes));
    charts.extend(disk(timeline, axes));
    charts.extend(faults(timeline, axes));
    charts
}

/// What all charts over time have in common.
struct TimeAxes {
    x: Axis,
    phases: Vec<Phase>,
}

impl TimeAxes {
    /// A chart of lines that stand on zero, unless there are none.
    fn chart(&self, id: &'static str, title: &'static str, subtitle: &'static str, unit: Unit, lines: Vec<Line>) -> Option<Chart> {
        let most = most(&lines)?;
        let y = Axis::from_zero(most, unit);
        Some(Chart { id, title, subtitle, x: self.x.clone(), y, lines, phases: self.phases.clone() })
    }
}

fn rates(timeline: &Timeline<'_>, axes: &TimeAxes) -> Option<Chart> {
    let acked = timeline.values(|sample| Some(sample.acked_per_second));
    let delivered = timeline.values(|sample| Some(sample.delivered_per_second));
    let logins = timeline.values(|sample| Some(sample.logins_per_second));
    let lines = [
        line("acked", Ink::Blue, Unit::PerSecond, &acked).map(tinted),
        line("delivered", Ink::Orange, Unit::PerSecond, &delivered),
        line("logins", Ink::Green, Unit::PerSecond, &logins),
    ];
    axes.chart("rates", "Rates", "a second, over time", Unit::PerSecond, lines.into_iter().flatten().collect())
}

fn online(timeline: &Timeline<'_>, axes: &TimeAxes) -> Option<Chart> {
    let online = timeline.values(|sample| Some(sample.online as f64));
    let lines = line("members", Ink::Blue, Unit::Count, &online).map(tinted).into_iter().collect();
    axes.chart("online", "Links online", "members logged in, over time", Unit::Count, lines)
}

fn latencies(timeline: &Timeline<'_>, axes: &TimeAxes) -> Vec<Chart> {
    let of = |id, title, recent: fn(&Sample) -> Recent| {
        let values = |which: fn(Recent) -> u64| {
            // All zero means that nothing was timed: a gap, and no latency of zero.
            timeline.values(|sample| Some(recent(sample)).filter(|recent| recent.max > 0).map(|recent| which(recent) as f64))
        };
        let lines: Vec<Line> = [
            line("slowest", Ink::Grey, Unit::Microseconds, &values(|recent| recent.max)),
            line("99 %", Ink::Orange, Unit::Microseconds, &values(|recent| recent.p99)),
            line("median", Ink::Blue, Unit::Microseconds, &values(|recent| recent.p50)),
        ]
        .into_iter()
        .flatten()
        .collect();
        (id, title, lines)
    };
    let kinds = [
        of("latency-ack", "Latency, post to ack", |sample| sample.post_to_ack_us),
        of("latency-delivery", "Latency, post to delivery", |sample| sample.post_to_delivery_us),
        of(LOGIN, "Latency, connect to login", |sample| sample.login_us),
    ];
    // One axis for all, for they are compared with each other.
    let Some(y) = latency_axis(kinds.iter().flat_map(|(_, _, lines)| lines)) else { return Vec::new() };
    kinds
        .into_iter()
        .filter(|(_, _, lines)| !lines.is_empty())
        // Where all log in at once and stay, there is nothing to be seen over time.
        .filter(|(id, _, lines)| *id != LOGIN || points(lines) > LOGIN_POINTS_MIN)
        .map(|(id, title, lines)| Chart {
            id,
            title,
            subtitle: "over time, logarithmic",
            x: axes.x.clone(),
            y: y.clone(),
            lines,
            phases: axes.phases.clone(),
        })
        .collect()
}

fn distribution(summary: &Summary) -> Option<Chart> {
    let kinds = [
        ("to ack", Ink::Blue, &summary.post_to_ack_us),
        ("to delivery", Ink::Orange, &summary.post_to_delivery_us),
        ("login", Ink::Green, &summary.login_us),
    ];
    // As many nines as the longest curve has by itself; its end, the maximum, has infinitely many.
    let most = kinds
        .iter()
        .flat_map(|(_, _, latency)| &latency.curve)
        .map(|(quantile, _)| nines_of(*quantile))
        .filter(|nines| nines.is_finite())
        .fold(0.0, f64::max);
    let x = Axis::nines(most);
    let lines: Vec<Line> = kinds.into_iter().filter_map(|(name, ink, latency)| curve(name, ink, latency, x.end())).collect();
    let y = latency_axis(&lines)?;
    Some(Chart {
        id: "distribution",
        title: "Latency distribution",
        subtitle: "how many are no slower, logarithmic",
        x,
        y,
        lines,
        phases: Vec::new(),
    })
}

fn curve(name: &str, ink: Ink, latency: &Latency, end: f64) -> Option<Line> {
    // Curves of a histogram have some hundred points; one of something else is thinned out rather than drawn whole.
    let step = latency.curve.len().div_ceil(CURVE_POINTS_MAX).max(1);
    let mut points = Stretch::new();
    for (quantile, microseconds) in latency.curve.iter().step_by(step).filter(|(quantile, _)| quantile.is_finite()) {
        let nines = nines_of(*quantile);
        points.push(Point::new(nines.min(end), *microseconds as f64));
        if nines >= end {
            break;
        }
    }
    let has_data = points.iter().any(|point| point.y > 0.0);
    let remark = format!("99 % in {}", show(latency.p99 as f64, Unit::Microseconds));
    has_data.then(|| Line { name: name.to_owned(), remark, ink, is_area: false, stretches: vec![points] })
}

fn processor(timeline: &Timeline<'_>, axes: &TimeAxes) -> Option<Chart> {
    let per_cent = |usage: fn(&Sample) -> Option<Usage>| timeline.growth(|sample| usage(sample).map(|usage| usage.cpu_seconds * 100.0));
    let lines = of_both(Unit::Percent, &per_cent(|sample| sample.relay), &per_cent(|sample| Some(sample.tester)));
    axes.chart("processor", "Processor use", "per cent of a core, over time", Unit::Percent, lines)
}

fn memory(timeline: &Timeline<'_>, axes: &TimeAxes) -> Option<Chart> {
    let resident = |usage: fn(&Sample) -> Option<Usage>| timeline.values(|sample| usage(sample).map(|usage| usage.rss_bytes as f64));
    let lines = of_both(Unit::Octets, &resident(|sample| sample.relay), &resident(|sample| Some(sample.tester)));
    axes.chart("memory", "Memory", "resident, over time", Unit::Octets, lines)
}

fn disk(timeline: &Timeline<'_>, axes: &TimeAxes) -> Option<Chart> {
    let taken = timeline.values(|sample| sample.disk_bytes.map(|bytes| bytes as f64));
    let lines = line("data directory", Ink::Blue, Unit::Octets, &taken).map(tinted).into_iter().collect();
    axes.chart("disk", "Disk", "taken by the data directory, over time", Unit::Octets, lines)
}

fn faults(timeline: &Timeline<'_>, axes: &TimeAxes) -> Option<Chart> {
    let faults = timeline.values(|sample| Some(sample.faults as f64));
    let lines = line("faults", Ink::Red, Unit::Count, &faults).map(tinted).into_iter().collect();
    axes.chart("faults", "Faults", "so far, over time", Unit::Count, lines)
}

/// The relay's line and the tester's.
fn of_both(unit: Unit, relay: &[(f64, Option<f64>)], tester: &[(f64, Option<f64>)]) -> Vec<Line> {
    [line("relay", Ink::Blue, unit, relay).map(tinted), line("tester", Ink::Grey, unit, tester)].into_iter().flatten().collect()
}

/// A line, unless all of it is zero or not there: then there was nothing of the kind in this test.
fn line(name: &str, ink: Ink, unit: Unit, values: &[(f64, Option<f64>)]) -> Option<Line> {
    let most = values.iter().filter_map(|(_, value)| *value).fold(0.0, f64::max);
    (most > 0.0).then(|| Line {
        name: name.to_owned(),
        remark: format!("up to {}", show(most, unit)),
        ink,
        is_area: false,
        stretches: stretches(values),
    })
}

fn tinted(line: Line) -> Line {
    Line { is_area: true, ..line }
}

fn latency_axis<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Option<Axis> {
    let (least, most) = lines
        .into_iter()
        .flat_map(|line| line.stretches.iter().flatten())
        .map(|point| (point.least.max(LATENCY_MIN), point.most.max(LATENCY_MIN)))
        .reduce(|(least, most), (low, high)| (least.min(low), most.max(high)))?;
    Some(Axis::logarithmic(least, most))
}

fn points(lines: &[Line]) -> usize {
    lines.iter().flat_map(|line| &line.stretches).map(Vec::len).sum()
}

fn most(lines: &[Line]) -> Option<f64> {
    lines.iter().flat_map(|line| line.stretches.iter().flatten()).map(|point| point.most).reduce(f64::max)
}
