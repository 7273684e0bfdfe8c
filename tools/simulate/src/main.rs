//! Tries the relay in simulated worlds, one a seed: `simulate --seeds 0..10000`, then `simulate --seed N --trace` for one that failed.

mod cli;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mnm::sim::{Counts, Outcome, Plant, run};

use crate::cli::Cli;

/// Of so many worlds one is lived through twice, to see that the same happens.
const TWICE: u64 = 50;
/// Lines of a failed world's trace that are shown.
const LAST_LINES: usize = 40;
/// Where there is no terminal, a line so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.seed {
        Some(seed) => one(&cli, seed),
        None => many(&cli),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads this does not want more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One world, looked at closely. Whether all was well.
fn one(cli: &Cli, seed: u64) -> io::Result<bool> {
    let plan = cli.plan(seed);
    let outcome = run(&plan, Plant::Nothing, cli.trace);
    let mut out = io::stdout().lock();
    writeln!(out, "{plan}")?;
    write!(out, "{}", outcome.trace)?;
    writeln!(out, "{:?}", outcome.counts)?;
    writeln!(out, "digest {:016x}", outcome.digest)?;
    match &outcome.violation {
        None => writeln!(out, "seed {seed}: all is well")?,
        Some(violation) => writeln!(out, "seed {seed}: {violation}")?,
    }
    Ok(outcome.violation.is_none())
}

/// Many worlds, on all processors. Whether all was well.
fn many(cli: &Cli) -> io::Result<bool> {
    let threads = cli.threads.map_or_else(|| available_parallelism().map_or(1, Into::into), usize::from);
    let next = AtomicU64::new(cli.seeds.start);
    let (sender, receiver) = channel();
    scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || worker(cli, next, &sender));
        }
        drop(sender);
        let mut sum = Sum::new(cli);
        let told = sum.take_all(&receiver);
        // Those who are still at work stop after their present world.
        next.store(u64::MAX / 2, Ordering::Relaxed);
        told.and_then(|()| sum.tell())
    })
}

fn worker(cli: &Cli, next: &AtomicU64, sender: &Sender<(u64, Outcome)>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= cli.seeds.end {
            return;
        }
        let plan = cli.plan(seed);
        let mut outcome = run(&plan, Plant::Nothing, false);
        if seed.is_multiple_of(TWICE) && outcome.violation.is_none() {
            let again = run(&plan, Plant::Nothing, true);
            if again.digest != outcome.digest {
                outcome.trace = format!("digest {:016x}, and {:016x} when it was run again\n", outcome.digest, again.digest);
            }
        }
        if sender.send((seed, outcome)).is_err() {
            return;
        }
    }
}

/// What came of all worlds.
struct Sum<'a> {
    cli: &'a Cli,
    bar: ProgressBar,
    begun: Instant,
    told_at: Instant,
    worlds: u64,
    of: u64,
    failed: Vec<u64>,
    counts: Counts,
}

impl<'a> Sum<'a> {
    #[allow(clippy::disallowed_methods, reason = "how long it takes is shown, and nothing else")]
    fn new(cli: &'a Cli) -> Sum<'a> {
        let of = cli.seeds.end - cli.seeds.start;
        let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(of), target);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} worlds, {eta} left, {msg}").expect("a template that is sound"));
        let now = Instant::now();
        Sum { cli, bar, begun: now, told_at: now, worlds: 0, of, failed: Vec::new(), counts: Counts::default() }
    }

    fn take_all(&mut self, receiver: &Receiver<(u64, Outcome)>) -> io::Result<()> {
        for (seed, outcome) in receiver {
            self.counts += outcome.counts;
            self.worlds += 1;
            self.bar.set_message(self.line());
            self.bar.inc(1);
            if self.bar.is_hidden() && self.told_at.elapsed() > LINE_EVERY {
                self.told_at += LINE_EVERY;
                eprintln!("{} of {} worlds, {}", self.worlds, self.of, self.line());
            }
            if outcome.violation.is_some() || !outcome.trace.is_empty() {
                self.failed.push(seed);
                self.bar.suspend(|| explain(self.cli, seed, &outcome))?;
            }
            if self.failed.len() >= self.cli.failures {
                return Ok(());
            }
        }
        Ok(())
    }

    fn line(&self) -> String {
        let Counts { crashes, cut_recoveries, nanos, .. } = self.counts;
        let minutes = self.begun.elapsed().as_secs_f64() / 60.0;
        let rate = (crashes + cut_recoveries) as f64 / minutes;
        format!("{:.1} simulated hours, {rate:.0} crashes a minute", hours(nanos))
    }

    fn tell(&self) -> io::Result<bool> {
        self.bar.finish_and_clear();
        let Counts { crashes, cut_recoveries, requests, deliveries, refused, turns, nanos } = self.counts;
        let mut out = io::stdout().lock();
        writeln!(out, "worlds                {:>12}", self.worlds)?;
        writeln!(out, "crash-recoveries      {:>12}   of these cut short {cut_recoveries}", crashes + cut_recoveries)?;
        writeln!(out, "requests              {requests:>12}   of these refused for want of space {refused}")?;
        writeln!(out, "messages delivered    {deliveries:>12}")?;
        writeln!(out, "turns                 {turns:>12}")?;
        writeln!(out, "simulated hours       {:>12.1}", hours(nanos))?;
        writeln!(out, "in seconds            {:>12.1}   {}", self.begun.elapsed().as_secs_f64(), self.line())?;
        match self.failed.len() {
            0 => writeln!(out, "all is well")?,
            count => writeln!(out, "{count} worlds failed: {:?}", self.failed)?,
        }
        Ok(self.failed.is_empty())
    }
}

fn hours(nanos: u64) -> f64 {
    nanos as f64 / 3.6e12
}

/// The seed, the drawn options and the end of what happened.
fn explain(cli: &Cli, seed: u64, outcome: &Outcome) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let plan = cli.plan(seed);
    writeln!(out, "seed {seed} failed, with {plan}")?;
    match &outcome.violation {
        None => write!(out, "seed {seed} is not the same world twice: {}", outcome.trace)?,
        Some(violation) => {
            let trace = run(&plan, Plant::Nothing, true).trace;
            let lines: Vec<&str> = trace.lines().collect();
            lines[lines.len().saturating_sub(LAST_LINES)..].iter().try_for_each(|line| writeln!(out, "{line}"))?;
            writeln!(out, "seed {seed}: {violation}")?;
        }
    }
    let short = if cli.short { " --short" } else { "" };
    writeln!(out, "all of it: cargo run --release -p simulate -- --seed {seed} --trace{short}")
}
