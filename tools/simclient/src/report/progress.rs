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

/// What matters first: a terminal cuts the rest.
fn line(sample: &Sample, members: u32, in_flight: u64, backlog: u64) -> String {
    let mut text = format!("{:>4.0}s {}", sample.seconds, sample.phase);
    if sample.faults > 0 {
        let _ = write!(text, ", FAULTS {}", sample.faults);
    }
    if sample.acked_per_second + sample.delivered_per_second > 0.0 {
        let (acked, delivered) = (sample.acked_per_second, sample.delivered_per_second);
        let _ = write!(text, ", acked {acked:.0}/s, delivered {delivered:.0}/s");
        latency(&mut text, "ack", &sample.post_to_ack_us);
        latency(&mut text, "delivery", &sample.post_to_delivery_us);
    }
    if sample.logins_per_second > 0.0 {
        let _ = write!(text, ", logins {:.0}/s", sample.logins_per_second);
        latency(&mut text, "login", &sample.login_us);
    }
    if sample.online < u64::from(members) {
        let _ = write!(text, ", {}/{members} online", sample.online);
    }
    if let Some(relay) = &sample.relay {
        let _ = write!(text, ", relay {:.1} MiB", relay.rss_bytes as f64 / f64::from(1 << 20));
    }
    if let Some(disk) = sample.disk_bytes {
        let _ = write!(text, ", disk {:.1} MiB", disk as f64 / f64::from(1 << 20));
    }
    if in_flight + backlog > 0 {
        let _ = write!(text, ", in flight {in_flight}, undelivered {backlog}");
    }
    text
}

fn latency(text: &mut String, name: &str, recent: &Recent) {
    if recent.max > 0 {
        let _ = write!(text, ", {name} p50/p99 {}/{} µs", recent.p50, recent.p99);
    }
}
