//! The command: options in, the failure's sentence and the exit status out.

use std::io::Write;
use std::process::ExitCode;

use clap::error::{Error, ErrorKind};
use tmtp::cli::Cli;
use tmtp::{Failure, Parser, run};

fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => run(cli),
        // Help and the version; and help again for who says nothing at all.
        Err(error) if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let status = error.exit_code();
            // Nobody may read it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(status).unwrap_or(2));
        }
        Err(error) => Err(Failure::Usage(sentence(&error))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unread) => ExitCode::from(Failure::Unread.exit_status()),
        Err(failure) => {
            // With nobody to hear it the exit status says it alone.
            let _ = writeln!(std::io::stderr(), "tmtp: {failure}");
            ExitCode::from(failure.exit_status())
        }
    }
}

/// What clap says of a mistake, on one line as all errors are, without the usage behind it.
fn sentence(error: &Error) -> String {
    let text = error.to_string();
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")).filter(|line| !line.is_empty());
    let told = told.filter(|line| !line.starts_with("For more information")).collect::<Vec<_>>().join("; ");
    format!("{}; --help tells the usage", told.trim_start_matches("error: "))
}
