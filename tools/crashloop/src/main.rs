//! The command: options in, a summary out, the verdict as the exit status.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crashloop::{Failure, Options, Parser, run};

fn main() -> ExitCode {
    let options = Options::parse();
    let failure = match watch_interrupt().and_then(|interrupted| run(&options, &interrupted)) {
        Ok(report) => return ExitCode::from(u8::from(!report.faults().is_empty())),
        Err(failure) => failure,
    };
    // With nobody to hear it the exit status says it alone.
    let _ = writeln!(std::io::stderr(), "crashloop: {failure}");
    ExitCode::from(2)
}

/// A flag that the first interrupt raises; the second one ends the process.
fn watch_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    let seen = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first one finds the flag unset.
        flag::register_conditional_default(signal, seen.clone())
            .and_then(|_| flag::register(signal, seen.clone()))
            .map_err(|e| Failure(format!("the system's signals: {e}")))?;
    }
    Ok(seen)
}
