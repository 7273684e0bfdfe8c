//! The text format 0.0.4: a family is a line of help, a line of type, and its samples.

use std::fmt::{Display, Write};

use super::histogram::Histogram;

/// What the samples of a family are.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A page of metrics in the making.
#[derive(Default)]
pub(in crate::server) struct Page {
    text: String,
}

impl Page {
    pub(in crate::server) fn into_text(self) -> String {
        self.text
    }

    /// A number that only rises.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, help, Kind::Counter);
        self.sample(name, &[], value);
    }

    /// The same, one for each value of a label.
    pub(super) fn counters<'a>(&mut self, name: &str, help: &str, label: &str, samples: impl IntoIterator<Item = (&'a str, u64)>) {
        self.family(name, help, Kind::Counter);
        samples.into_iter().for_each(|(which, value)| self.sample(name, &[(label, which)], value));
    }

    /// A number that rises and falls.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, help, Kind::Gauge);
        self.sample(name, &[], value);
    }

    /// The same, one for each value of a label.
    pub(super) fn gauges<'a, V: Display>(&mut self, name: &str, help: &str, label: &str, samples: impl IntoIterator<Item = (&'a str, V)>) {
        self.family(name, help, Kind::Gauge);
        samples.into_iter().for_each(|(which, value)| self.sample(name, &[(label, which)], value));
    }

    /// Values by size; `scale` of them are one of the unit that is told.
    pub(super) fn histogram<const N: usize>(&mut self, name: &str, help: &str, histogram: &Histogram<N>, scale: f64) {
        self.family(name, help, Kind::Histogram);
        let bucket = format!("{name}_bucket");
        for (bound, below) in histogram.cumulative() {
            self.sample(&bucket, &[("le", &(bound as f64 / scale).to_string())], below);
        }
        self.sample(&bucket, &[("le", "+Inf")], histogram.count());
        self.sample(&format!("{name}_sum"), &[], histogram.sum() as f64 / scale);
        self.sample(&format!("{name}_count"), &[], histogram.count());
    }

    fn family(&mut self, name: &str, help: &str, kind: Kind) {
        debug_assert!(is_name(name), "{name}");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            debug_assert!(is_name(label), "{label}");
            let text = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            self.put(format_args!("{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' }));
        }
        self.put(format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("memory takes what is written to it");
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_the_format_has_them() {
        let mut page = Page::default();
        page.counter("mnm_things_total", "Things.", 3);
        page.gauges("mnm_rooms", "Rooms.", "state", [("open", 1), ("shut", 0)]);
        page.gauge("mnm_part", "A part.", 0.25);
        let due = "# HELP mnm_things_total Things.\n# TYPE mnm_things_total counter\nmnm_things_total 3\n\
                   # HELP mnm_rooms Rooms.\n# TYPE mnm_rooms gauge\nmnm_rooms{state=\"open\"} 1\nmnm_rooms{state=\"shut\"} 0\n\
                   # HELP mnm_part A part.\n# TYPE mnm_part gauge\nmnm_part 0.25\n";
        assert_eq!(page.into_text(), due);
    }

    #[test]
    fn what_would_end_a_line_or_a_text_is_escaped() {
        let mut page = Page::default();
        page.family("odd", "a \\ and\na \"", Kind::Gauge);
        page.sample("odd", &[("one", "a\\b\"c\nd"), ("two", "é")], 1);
        assert_eq!(page.into_text(), "# HELP odd a \\\\ and\\na \"\n# TYPE odd gauge\nodd{one=\"a\\\\b\\\"c\\nd\",two=\"é\"} 1\n");
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_everything() {
        let mut histogram = Histogram::new(&[50_000, 2_500_000_000]);
        [50_000, 50_001, 3_000_000_000].into_iter().for_each(|nanos| histogram.observe(nanos));
        let mut page = Page::default();
        page.histogram("mnm_time_seconds", "Time.", &histogram, 1e9);
        let samples: Vec<String> = page.into_text().lines().skip(2).map(str::to_owned).collect();
        assert_eq!(
            samples,
            [
                "mnm_time_seconds_bucket{le=\"0.00005\"} 1",
                "mnm_time_seconds_bucket{le=\"2.5\"} 2",
                "mnm_time_seconds_bucket{le=\"+Inf\"} 3",
                "mnm_time_seconds_sum 3.000100001",
                "mnm_time_seconds_count 3",
            ]
        );
    }
}
