//! Live progress on stderr: one line that changes on a terminal, a line a second elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Options;
use crate::summary::{Recent, Sample};

/// The line.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    members: u32,
}

impl Progress {
    pub(crate) fn new(options: &Options) -> Progress {
        let bar = (!options.output.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a valid template"));
            bar
        });
        Progress { bar, quiet: options.output.quiet, members: options.scenario.members() }
    }

    pub(crate) fn show(&mut self, sample: &Sample, in_flight: u64, backlog: u64) {
        let text = line(sample, self.members, in_flight, backlog);
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => {
                bar.set_message(text);
                bar.tick();
            }
            // Whoever closed the pipe has seen enough; the test goes on.
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What matters first, in eighty columns as a rule: a terminal cuts the rest. Two latencies are the median and the 99th percentile.
fn line(sample: &Sample, members: u32, in_flight: u64, backlog: u64) -> String {
    let mut text = format!("{:.0}s {}", sample.seconds, sample.phase);
    if sample.faults > 0 {
        let _ = write!(text, ", FAULTS {}", sample.faults);
    }
    let has_messages = sample.acked_per_second + sample.delivered_per_second > 0.0;
    if has_messages {
        let (acked, delivered) = (sample.acked_per_second, sample.delivered_per_second);
        let _ = write!(text, ", acked {acked:.0}/s, delivered {delivered:.0}/s");
        latency(&mut text, "ack", &sample.post_to_ack_us);
    }
    if let Some(relay) = &sample.relay {
        let _ = write!(text, ", rss {:.1} MiB", mib(relay.rss_bytes));
    }
    if has_messages {
        latency(&mut text, "delivery", &sample.post_to_delivery_us);
    }
    if sample.logins_per_second > 0.0 {
        let _ = write!(text, ", logins {:.0}/s", sample.logins_per_second);
        latency(&mut text, "login", &sample.login_us);
    }
    if sample.online < u64::from(members) {
        let _ = write!(text, ", {}/{members} online", sample.online);
    }
    if let Some(disk) = sample.disk_bytes {
        let _ = write!(text, ", disk {:.1} MiB", mib(disk));
    }
    if in_flight + backlog > 0 {
        let _ = write!(text, ", in flight {in_flight}, undelivered {backlog}");
    }
    text
}

fn mib(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}

fn latency(text: &mut String, name: &str, recent: &Recent) {
    if recent.max > 0 {
        let _ = write!(text, ", {name} {}/{} µs", recent.p50, recent.p99);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Usage;

    #[test]
    fn rates_latency_and_memory_are_seen_in_eighty_columns() {
        let sample = Sample {
            seconds: 59.9,
            phase: "posting".into(),
            online: 10,
            acked_per_second: 101_506.0,
            delivered_per_second: 101_498.0,
            post_to_ack_us: Recent { p50: 735, p99: 2429, max: 9000 },
            post_to_delivery_us: Recent { p50: 800, p99: 2500, max: 9000 },
            relay: Some(Usage { rss_bytes: 20 << 20, ..Usage::default() }),
            ..Sample::default()
        };
        let text = line(&sample, 10, 0, 0);
        // Two are the spinner's.
        let seen: String = text.chars().take(78).collect();
        assert!(seen.starts_with("60s posting, acked 101506/s, delivered 101498/s, ack 735/2429 µs, rss 20.0 MiB"), "{seen}");
        assert!(text.contains("delivery 800/2500 µs") && !text.contains("online"), "{text}");
    }
}
