//! The command: options in, summary out, the verdict as the exit status.

use std::io::Write;
use std::process::ExitCode;

use simclient::{Options, Scenario};

fn main() -> ExitCode {
    let options = match Options::try_read(std::env::args_os()) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let (failure, status) = match &options.scenario {
        Scenario::Compare(pair) => match simclient::compare(pair) {
            Ok(()) => (None, 0),
            Err(failure) => (Some(failure), 2),
        },
        _ => {
            let result = simclient::run(&options);
            let status = simclient::exit_status(&result);
            (result.err(), status)
        }
    };
    if let Some(failure) = failure {
        // With nobody to hear it the exit status says it alone.
        let _ = writeln!(std::io::stderr(), "simclient: {failure}");
    }
    ExitCode::from(status)
}
