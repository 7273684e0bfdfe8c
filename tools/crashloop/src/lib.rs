//! Kills a relay under load, again and again, and sees whether it keeps its promises.
//!
//! A real `mnm` process on files of its own, real TLS, and the load tester beside it, whose members come back after every
//! kill and judge every message. The kills come at random moments, of which some are within a start: what a killed start
//! leaves behind is found by the next.
//!
//! `rounds` is the loop, `relay` one life of the process, `load` the members, `draw` the random numbers, `report` what came of
//! it and the verdict, `progress` what is told meanwhile.
//!
//! # Exit status
//! 0: all well. 1: a promise was broken, the relay did not start, or ended by itself; the data is kept. 2: it could not be
//! tried (no relay program, wrong usage, an interrupt).

mod cli;
mod draw;
mod load;
mod progress;
mod relay;
mod report;
mod rounds;

use std::fmt;

/// The options are read with `clap::Parser`, also by those who embed the loop.
pub use clap::Parser;
pub use cli::Options;
pub use report::Report;
pub use rounds::run;

/// Why it could not be tried, in a sentence; what the relay does wrong is no failure but part of the [`Report`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
