//! The loop: start, wait, kill; in the end all is delivered, and the log is read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::draw::{Draw, End};
use crate::load::Load;
use crate::progress::Bar;
use crate::relay::{self, Relay, START_MAX, Site};
use crate::report::{self, Report};
use crate::{Failure, Options};

/// How long the last messages may take when nothing disturbs the relay any more.
const DRAIN_MAX: Duration = Duration::from_secs(180);
/// How long members may take to log in for the first time, once the kills are over.
const GATHER_MAX: Duration = Duration::from_secs(60);
/// How long a start takes before one was measured.
const START_GUESS: Duration = Duration::from_millis(20);
/// So many ports are tried.
const PORTS: usize = 100;

/// Goes through all rounds and says what came of it; prints progress and a summary unless told to be quiet. The flag ends it early.
///
/// # Errors
/// [`Failure`] if it could not be tried. What the relay does wrong is in the [`Report`].
pub fn run(options: &Options, interrupted: &AtomicBool) -> Result<Report, Failure> {
    let program = options.program()?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => getrandom::u64().map_err(|e| Failure(format!("the system's random generator: {e}")))?,
    };
    let mut draw = Draw::new(seed);
    let address = free_address(&mut draw)?;
    let directory = tempfile::Builder::new().prefix("crashloop-").tempdir();
    let directory = directory.map_err(|e| Failure(format!("a temporary directory: {e}")))?;
    let site = Site { program, directory: directory.path().to_owned(), address };
    site.furnish().map_err(|e| Failure(format!("{}: {e}", directory.path().display())))?;
    let mut bar = Bar::new(options);
    bar.say(&format!("seed {seed}, relay at {address}, data in {}", directory.path().display()));
    let loads = options.size.iter().map(|&size| Load::start(address, size, options)).collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let mut rounds = Rounds { options, site, draw, loads, interrupted, report: Report::new(seed) };
    let result = rounds.go(&mut bar).and_then(|()| rounds.drain());
    if interrupted.load(Ordering::Relaxed) {
        return Err(Failure(format!("interrupted after {} kills", rounds.report.kills)));
    }
    let mut report = rounds.report;
    report.troubles.extend(result.err());
    report.seconds = begun.elapsed().as_secs_f64();
    report.kept = keep(directory, &report);
    bar.finish();
    if !options.quiet {
        report::print(&report).map_err(|e| Failure(format!("the summary could not be printed: {e}")))?;
    }
    Ok(report)
}

/// Keeps the data of a run that found something.
fn keep(directory: TempDir, report: &Report) -> Option<PathBuf> {
    (!report.faults().is_empty()).then(|| directory.keep())
}

fn free_address(draw: &mut Draw) -> Result<SocketAddr, Failure> {
    let mut addresses = (0..PORTS).map(|_| SocketAddr::from(([127, 0, 0, 1], draw.port())));
    addresses.find(|address| relay::is_free(*address)).ok_or_else(|| Failure(format!("none of {PORTS} ports is free")))
}

struct Rounds<'a> {
    options: &'a Options,
    site: Site,
    draw: Draw,
    loads: Vec<Load>,
    interrupted: &'a AtomicBool,
    report: Report,
}

impl Rounds<'_> {
    /// Kills and stops, as often as asked for. What went wrong with the relay itself ends it, in words.
    fn go(&mut self, bar: &mut Bar) -> Result<(), String> {
        let stop_every = self.options.stop_every;
        for round in 1.. {
            if self.report.kills == self.options.kills || self.interrupted.load(Ordering::Relaxed) {
                return Ok(());
            }
            let stops = stop_every > 0 && round % (stop_every + 1) == 0;
            let usual = self.report.start_quantile(0.5).unwrap_or(START_GUESS);
            let end = self.draw.end(stops, usual, Duration::from_millis(self.options.wait_max));
            self.live(end).map_err(|trouble| format!("life {round}, {end:?}: {trouble}"))?;
            if let Some(trouble) = self.loads.iter().find_map(Load::failure) {
                return Err(trouble);
            }
            bar.show(&self.report, self.loads.iter().map(Load::acked).sum());
        }
        Ok(())
    }

    /// One life of the relay.
    fn live(&mut self, end: End) -> Result<(), String> {
        let relay = Relay::start(&self.site)?;
        let ready = match end {
            End::KillInStart(after) => match relay.progress(after) {
                relay::Progress::Ended => return Err(relay.end()),
                relay::Progress::NotYet => false,
                relay::Progress::Ready(after) => {
                    self.report.starts.push(after);
                    true
                }
            },
            End::Kill(wait) | End::Stop(wait) => {
                self.wait_ready(&relay)?;
                relay.run_for(wait);
                true
            }
        };
        match end {
            End::Stop(_) => {
                relay.stop()?;
                self.report.stops += 1;
            }
            End::KillInStart(_) | End::Kill(_) => {
                relay.kill()?;
                self.report.kills += 1;
                self.report.kills_in_start += u32::from(!ready);
            }
        }
        Ok(())
    }

    fn wait_ready(&mut self, relay: &Relay) -> Result<(), String> {
        match relay.progress(START_MAX) {
            relay::Progress::Ready(after) => {
                self.report.starts.push(after);
                Ok(())
            }
            relay::Progress::Ended => Err(format!("the relay does not start; it said last:\n{}", relay.last_words())),
            relay::Progress::NotYet => {
                Err(format!("the relay is not ready after {} s; it said last:\n{}", START_MAX.as_secs(), relay.last_words()))
            }
        }
    }

    /// Nothing disturbs the relay any more: everybody gets what is due.
    fn drain(&mut self) -> Result<(), String> {
        let relay = Relay::start(&self.site)?;
        self.wait_ready(&relay)?;
        let give_up = Instant::now() + GATHER_MAX;
        while self.loads.iter().any(|load| load.acked() == 0) && Instant::now() < give_up && !self.interrupted.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        self.loads.iter().for_each(Load::stop);
        for load in &self.loads {
            match load.end(DRAIN_MAX) {
                Ok(summary) => self.report.add(&summary),
                Err(trouble) => self.report.troubles.push(trouble),
            }
        }
        relay.stop()?;
        self.report.size = relay::size_of(&self.site.directory.join("data"));
        self.report.verified = self.site.verify()?;
        Ok(())
    }
}
