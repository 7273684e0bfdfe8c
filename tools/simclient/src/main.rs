//! The command: options in, summary out, the verdict as the exit status.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = simclient::Options::parse();
    let result = simclient::run(&options);
    if let Err(failure) = &result {
        // With nobody to hear it the exit status says it alone.
        let _ = writeln!(std::io::stderr(), "simclient: {failure}");
    }
    ExitCode::from(simclient::exit_status(&result))
}
