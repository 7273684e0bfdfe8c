//! Telling: a line a second while it runs, a table and a JSON file when it is done.

use std::fmt::Write;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mnm::base::Mono;

use crate::Failure;
use crate::cli::Options;
use crate::tally::{Latency, Summary, Tally};

/// Live progress on stderr: one line that changes on a terminal, a line a second elsewhere.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    members: u32,
    size: usize,
    next: Mono,
    shown_at: Mono,
    shown_acked: u64,
    shown_delivered: u64,
}

const EVERY: Duration = Duration::from_secs(1);

impl Progress {
    pub(crate) fn new(options: &Options) -> Progress {
        let bar = (!options.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("a valid template"));
            bar
        });
        Progress {
            bar,
            quiet: options.quiet,
            members: options.members,
            size: options.size,
            next: Mono::default(),
            shown_at: Mono::default(),
            shown_acked: 0,
            shown_delivered: 0,
        }
    }

    /// Whether it is time for another line.
    pub(crate) fn is_due(&self, now: Mono) -> bool {
        now >= self.next
    }

    pub(crate) fn gathering(&mut self, online: usize, now: Mono) {
        if self.is_due(now) {
            self.line(now, &format!("{:>4.0}s connecting, {online}/{} online", seconds(now), self.members));
        }
    }

    pub(crate) fn show(&mut self, phase: &str, now: Mono, tally: &mut Tally, in_flight: u64, backlog: u64, online: usize) {
        let interval = seconds(Mono(now.0 - self.shown_at.0)).max(1e-9);
        let (acked, delivered) = (tally.counts.acked, tally.counts.delivered);
        let acked_rate = (acked - self.shown_acked) as f64 / interval;
        let rate = (delivered - self.shown_delivered) as f64 / interval;
        (self.shown_acked, self.shown_delivered) = (acked, delivered);
        let ((ack50, ack99), (del50, del99)) = (tally.to_ack.take_recent(), tally.to_delivery.take_recent());
        let mut text = format!(
            "{:>4.0}s {phase}: acked {acked_rate:.0}/s, delivered {rate:.0}/s ({:.1} MB/s), in flight {in_flight}, undelivered {backlog}, \
             µs p50/p99 ack {ack50}/{ack99} delivery {del50}/{del99}",
            seconds(now),
            rate * self.size as f64 / 1e6,
        );
        if online < self.members as usize {
            let _ = write!(text, ", {online}/{} online", self.members);
        }
        if tally.counts.faults() > 0 {
            let _ = write!(text, ", FAULTS {}", tally.counts.faults());
        }
        self.line(now, &text);
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self, now: Mono, text: &str) {
        self.next = now.plus(EVERY);
        self.shown_at = now;
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => {
                bar.set_message(text.to_owned());
                bar.tick();
            }
            // Whoever closed the pipe has seen enough; the test goes on.
            None => drop(writeln!(io::stderr(), "{text}")),
        }
    }
}

fn seconds(time: Mono) -> f64 {
    time.0 as f64 / 1e9
}

/// The summary for people.
pub(crate) fn table(summary: &Summary) -> String {
    let counts = &summary.counts;
    let mut text = format!(
        "{}: {} members, {} octets, window {}; {:.1} s connecting, {:.1} s posting, {:.1} s draining\n\n",
        summary.scenario,
        summary.members,
        summary.size,
        summary.window,
        summary.gather_seconds,
        summary.post_seconds,
        summary.drain_seconds
    );
    let _ = writeln!(text, "  acked      {:>12.0} /s", summary.acked_per_second);
    let _ = writeln!(text, "  delivered  {:>12.0} /s  {:>10.1} MB/s", summary.delivered_per_second, summary.delivered_mb_per_second);
    text.push_str("\n  latency, µs          mean        p50        p90        p99      p99.9        max\n");
    row(&mut text, "post to ack", &summary.post_to_ack_us);
    row(&mut text, "post to delivery", &summary.post_to_delivery_us);
    text.push('\n');
    let normal = [
        ("sent", counts.sent),
        ("acked", counts.acked),
        ("delivered", counts.delivered),
        ("redelivered", counts.redelivered),
        ("resent", counts.resent),
        ("resent twice", counts.resent_twice),
        ("reconnects", counts.reconnects),
    ];
    let faults = [
        ("lost", counts.lost),
        ("unanswered", counts.unanswered),
        ("refused", counts.refused),
        ("duplicated", counts.duplicated),
        ("out of order", counts.out_of_order),
        ("corrupted", counts.corrupted),
        ("unexpected", counts.unexpected),
    ];
    for ((name, count), (fault, faults)) in normal.iter().zip(&faults) {
        let mark = if *faults > 0 { "  <-- fault" } else { "" };
        let _ = writeln!(text, "  {name:<13}{count:>12}      {fault:<13}{faults:>12}{mark}");
    }
    if !summary.notes.is_empty() {
        let _ = write!(text, "\n  what happened first:\n    {}\n", summary.notes.join("\n    "));
    }
    let verdict = if counts.faults() == 0 { "all well" } else { "FAULTS" };
    let _ = write!(text, "\n  {verdict}");
    text
}

fn row(text: &mut String, name: &str, latency: &Latency) {
    let Latency { mean, p50, p90, p99, p999, max } = latency;
    let _ = writeln!(text, "  {name:<16}{mean:>10.0} {p50:>10} {p90:>10} {p99:>10} {p999:>10} {max:>10}");
}

/// Prints the summary for people. Whoever closed the pipe has seen enough: that is no error of ours.
pub(crate) fn print(summary: &Summary) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", table(summary)).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(format!("the summary could not be printed: {error}"))),
        _ => Ok(()),
    }
}

/// The summary for programs.
pub(crate) fn write_json(path: &Path, summary: &Summary) -> Result<(), Failure> {
    let mut json = serde_json::to_vec_pretty(summary).expect("a summary has nothing JSON cannot hold");
    json.push(b'\n');
    std::fs::write(path, json).map_err(|e| Failure::Output(format!("{}: {e}", path.display())))
}
