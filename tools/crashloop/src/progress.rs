//! What is told while it runs: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{Options, Report};

/// Where there is no terminal, how often there is a line.
const EVERY: Duration = Duration::from_secs(5);

/// Progress on stderr.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    quiet: bool,
    kills: u32,
    next: Instant,
}

impl Bar {
    pub(crate) fn new(options: &Options) -> Bar {
        let bar = (!options.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(options.kills.into()), ProgressDrawTarget::stderr());
            bar.with_style(ProgressStyle::with_template("[{bar:40}] {pos}/{len} kills, {msg}, {eta} left").expect("a valid template"))
        });
        Bar { bar, quiet: options.quiet, kills: options.kills, next: Instant::now() + EVERY }
    }

    /// Says something that stays.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            // With nobody to hear it the run goes on.
            None if !self.quiet => drop(writeln!(std::io::stderr(), "{text}")),
            None => {}
        }
    }

    pub(crate) fn show(&mut self, report: &Report, acked: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(report.kills.into());
            bar.set_message(format!("{acked} messages acked"));
        } else if Instant::now() >= self.next {
            self.next = Instant::now() + EVERY;
            self.say(&format!("{}/{} kills, {acked} messages acked", report.kills, self.kills));
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
