//! The command: options in, the failure's sentence and the exit status out.

use std::io::Write;
use std::process::ExitCode;

use tmtp::cli::Cli;
use tmtp::{Failure, Parser, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unread) => ExitCode::from(Failure::Unread.exit_status()),
        Err(failure) => {
            // With nobody to hear it the exit status says it alone.
            let _ = writeln!(std::io::stderr(), "tmtp: {failure}");
            ExitCode::from(failure.exit_status())
        }
    }
}
