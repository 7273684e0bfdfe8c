//! Load tester for TMTP relays: many members in few threads, every message verified.
//!
//! A scenario says what the members do; the `crowd` knows whom they write to and judges what arrives (`books`), by the
//! stamp that makes every `payload` verifiable by itself; the `fleet` keeps their links (connect, greet, log in, come back)
//! over the project's client crate. A `shard` is one thread with its crowd and fleet, from the first connect to the last
//! good-bye; shards share nothing but `acts`, where they wait for each other and show what they do. `run` shares the members
//! out, `watch` looks once a second, `sums` makes the `summary`, `report` tells it.
//!
//! Scenarios import everything else; nothing but their list imports a scenario.
//!
//! # Exit status
//! 0: all well. 1: the relay broke a promise (lost, duplicated, out of order, corrupted, unexpected,
//! refused, unanswered, links dropped). 2: the test could not be done (no connection, refused login, wrong usage).
//!
//! # Example
//! Against a relay of one's own:
//! ```no_run
//! let options = simclient::Options::read(["simclient", "--quiet", "pairs", "--members", "10", "--time", "5"]);
//! let summary = simclient::run(&options)?;
//! assert_eq!(summary.counts.faults(), 0);
//! # Ok::<(), simclient::Failure>(())
//! ```

mod accounts;
mod acts;
mod books;
mod cli;
mod clock;
mod control;
mod crowd;
mod fleet;
mod payload;
mod report;
mod run;
mod scenario;
mod seqset;
mod settings;
mod shard;
mod summary;
mod sums;
mod tally;
mod usage;
mod watch;

use std::fmt;
use std::sync::Arc;

pub use cli::{
    Abuse, Churn, Compare, Cycle, Fanout, Idle, Lasting, Links, Offline, Options, Output, Pairs, Relay, Scenario, Size, Storm, Until,
    Window,
};
pub use control::Control;
pub use report::table;
pub use summary::{Counts, DiskSum, Latency, Recent, Sample, Summary, Usage, UsageSum};

/// Why the test could not be done; what the relay does wrong with messages is no failure but a count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The options contradict each other or what the machine allows.
    Usage(String),
    /// A link could not be made, or ended, and was not to be made again.
    Connection(String),
    /// The summary could not be written, or one that is to be compared could not be read.
    Output(String),
    /// Another thread of the test has failed, and says why.
    Elsewhere,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Connection(text) | Failure::Output(text) => f.write_str(text),
            Failure::Elsewhere => f.write_str("another thread of the test has failed"),
        }
    }
}

impl std::error::Error for Failure {}

/// Runs the scenario, prints the summary unless told to be quiet, and writes the files that are named. An interrupt
/// ends the posting; a second one ends the process.
///
/// # Errors
/// [`Failure`]; what was measured up to it is lost.
pub fn run(options: &Options) -> Result<Summary, Failure> {
    run_under(options, Arc::new(Control::of_interrupts()?))
}

/// As [`run()`], but it is `control` that ends the posting, and not an interrupt.
///
/// # Errors
/// As for [`run()`].
pub fn run_under(options: &Options, control: Arc<Control>) -> Result<Summary, Failure> {
    if let Scenario::Compare(_) = options.scenario {
        return Err(Failure::Usage("a comparison is no test".to_owned()));
    }
    let (summary, kept) = run::run(options, &control)?;
    // One output that fails must not cost the others.
    let json = options.output.json.as_ref().map_or(Ok(()), |path| report::write_json(path, &summary));
    let page = options.output.report.as_ref().map(|directory| report::write_page(directory, &summary)).transpose();
    let mut text = table(&summary);
    if let Ok(Some(page)) = &page {
        text.push_str(&format!("\n  {}", page.display()));
    }
    let printed = if options.output.quiet { Ok(()) } else { report::print(&text) };
    printed.and(json).and(page).and(kept)?;
    Ok(summary)
}

/// Prints two results side by side.
///
/// # Errors
/// [`Failure::Output`] if one cannot be read.
pub fn compare(pair: &Compare) -> Result<(), Failure> {
    let (first, second) = (report::read(&pair.first)?, report::read(&pair.second)?);
    let names = [pair.first.to_string_lossy(), pair.second.to_string_lossy()];
    report::print(&report::compare(&first, &second, [&names[0], &names[1]]))
}

/// What the process tells its caller: 0, 1 or 2, as the head of this page says.
pub fn exit_status(result: &Result<Summary, Failure>) -> u8 {
    match result {
        Ok(summary) if summary.counts.faults() == 0 => 0,
        Ok(_) => 1,
        Err(_) => 2,
    }
}
