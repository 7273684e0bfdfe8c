//! Load tester for TMTP relays: many members in one thread, every message verified.
//!
//! A *scenario* says what the members do; the `fleet` keeps their links (connect, greet, log in, come
//! back) and hands it what arrives. Below the fleet: `link` is one TLS connection cut into frames,
//! `reply` and `request` are the two directions of the wire, `payload` makes every message
//! verifiable by itself. Beside it: `flow` judges the deliveries from one member to another,
//! `tally` counts and times, `report` tells.
//!
//! Scenarios import everything else; nothing imports a scenario.
//!
//! # Exit status
//! 0: all well. 1: the relay broke a promise (lost, duplicated, out of order, corrupted, unexpected,
//! refused, unanswered). 2: the test could not be done (no connection, refused login, wrong usage).

mod cli;
mod clock;
mod control;
mod fleet;
mod flow;
mod payload;
mod report;
mod scenario;
mod seqset;
mod tally;

use std::fmt;
use std::sync::Arc;

/// The options are read with `clap::Parser`, also by those who embed the tester.
pub use clap::Parser;
pub use cli::{Options, ScenarioName};
pub use control::Control;
pub use tally::{Counts, Latency, Summary};

/// Why the test could not be done; what the relay does wrong with messages is no failure but a count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The options contradict each other or what the machine allows.
    Usage(String),
    /// A link could not be made, or ended, and was not to be made again.
    Connection(String),
    /// The summary could not be written.
    Output(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Connection(text) | Failure::Output(text) => f.write_str(text),
        }
    }
}

/// Runs the scenario, prints the summary unless told to be quiet, and writes the JSON file if one is named. An interrupt
/// ends the posting; a second one ends the process.
///
/// # Errors
/// [`Failure`]; what was measured up to it is lost.
pub fn run(options: &Options) -> Result<Summary, Failure> {
    run_under(options, Arc::new(Control::of_interrupts()?))
}

/// As [`run`], but it is `control` that ends the posting, and not an interrupt.
///
/// # Errors
/// As for [`run`].
pub fn run_under(options: &Options, control: Arc<Control>) -> Result<Summary, Failure> {
    options.check()?;
    let summary = match options.scenario() {
        ScenarioName::Pairs => scenario::pairs::run(options, control)?,
    };
    if !options.quiet {
        report::print(&summary)?;
    }
    if let Some(path) = &options.json {
        report::write_json(path, &summary)?;
    }
    Ok(summary)
}

/// What the process tells its caller: 0, 1 or 2, as the head of this page says.
pub fn exit_status(result: &Result<Summary, Failure>) -> u8 {
    match result {
        Ok(summary) if summary.counts.faults() == 0 => 0,
        Ok(_) => 1,
        Err(_) => 2,
    }
}
