//! The `mnm` program: reads the command line, then runs the relay, checks what a start would do, or verifies a log.

use std::process::ExitCode;

use clap::Parser;
use mnm::cli::{self, Cli, Command};
use mnm::config::{Config, Overrides};
use mnm::server::{self, Clock, RunError, Verified};
use mnm::store::Directory;

fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    let overrides = Overrides::from(flags);
    match command {
        Some(Command::Check) => check(&overrides),
        Some(Command::Verify) => exit(verify(&overrides)),
        None => exit(relay(&overrides)),
    }
}

fn exit(result: Result<(), RunError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mnm: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn verify(overrides: &Overrides) -> Result<(), RunError> {
    let config = Config::load(overrides)?;
    let Verified { ledger, recovery, needless } = server::verify(Directory::open_existing(&config.data)?)?;
    println!(
        "{}: {} segments, {} records of {} octets, all whole",
        config.data.display(),
        recovery.segments,
        recovery.records,
        recovery.bytes
    );
    println!("{} members, {} messages waiting, {needless} records that nobody needs any more", ledger.user_count(), ledger.message_count());
    if !recovery.clean {
        println!("the last run did not end cleanly; {} octets of an unfinished commit will be cut at the next start", recovery.torn_bytes);
    }
    Ok(())
}

fn check(overrides: &Overrides) -> ExitCode {
    let findings = cli::check(overrides, Clock::start().now().wall);
    findings.lines.iter().for_each(|line| println!("{line}"));
    ExitCode::from(u8::from(findings.errors > 0))
}

fn relay(overrides: &Overrides) -> Result<(), RunError> {
    let config = Config::load(overrides)?;
    env_logger::Builder::new().filter_level(config.log).init();
    for remark in &config.remarks {
        log::log!(remark.level, "{remark}");
    }
    server::run(&config)
}
