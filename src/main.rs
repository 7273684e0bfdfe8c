//! The `mnm` program: reads the command line, then runs the relay, checks what a start would do, or verifies a log.
//!
//! Nothing is printed with `println!`: it panics when nobody reads. A closed pipe is no error of ours, any other failure to
//! print is told by the exit status.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use mnm::check::{self, Findings};
use mnm::cli::{Cli, Command};
use mnm::config::{Config, Overrides};
use mnm::server::{self, Clock, RunError, Verified};

/// The answer could not be printed: a script must not take silence for good news.
const UNPRINTED: u8 = 4;

fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    let overrides = Overrides::from(flags);
    match command {
        Some(Command::Check) => {
            let Findings { lines, errors, .. } = check::check(&overrides, Clock::start().now().wall);
            print(&lines, u8::from(errors > 0))
        }
        Some(Command::Verify) => verify(&overrides).map_or_else(fail, |lines| print(&lines, 0)),
        None => relay(&overrides).map_or_else(fail, |()| ExitCode::SUCCESS),
    }
}

fn print(lines: &[String], status: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    match lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("the answer could not be printed: {error}"));
            ExitCode::from(UNPRINTED)
        }
        _ => ExitCode::from(status),
    }
}

fn fail(error: RunError) -> ExitCode {
    complain(format_args!("{error}"));
    ExitCode::from(error.exit_status())
}

fn complain(sentence: std::fmt::Arguments<'_>) {
    // With nobody to hear it the exit status says it alone.
    let _ = writeln!(io::stderr(), "mnm: {sentence}");
}

fn verify(overrides: &Overrides) -> Result<Vec<String>, RunError> {
    let config = Config::load(overrides)?;
    let Verified { ledger, recovery, needless } = server::verify_directory(&config.data)?;
    let mut lines = vec![
        format!(
            "{}: {} segments, {} records of {} octets, all whole",
            config.data.display(),
            recovery.segments,
            recovery.records,
            recovery.bytes
        ),
        format!(
            "{} members, {} messages waiting, {needless} records that nobody needs any more",
            ledger.user_count(),
            ledger.message_count()
        ),
    ];
    if !recovery.clean {
        let torn = recovery.torn_bytes;
        lines.push(format!("the last run did not end cleanly; {torn} octets of an unfinished commit will be cut at the next start"));
    }
    Ok(lines)
}

fn relay(overrides: &Overrides) -> Result<(), RunError> {
    let config = Config::load(overrides)?;
    env_logger::Builder::new().filter_level(config.log).init();
    for remark in &config.remarks {
        log::log!(remark.level, "{remark}");
    }
    server::run(&config)
}
