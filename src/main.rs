//! The `mnm` program: reads the command line, then runs the relay, or one of the commands that look after its data.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use mnm::base::OsEntropy;
use mnm::cli::{self, Cli, Command};
use mnm::config::{Config, Overrides};
use mnm::progress::Progress;
use mnm::server::{self, Backup, Clock, Means, Repair, RunError, Verified};
use mnm::store::{Directory, Options};

/// The exit status for a log that is damaged.
const DAMAGED: u8 = 3;

fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    let overrides = Overrides::from(flags);
    match command {
        Some(Command::Check) => check(&overrides),
        Some(Command::Verify) => exit(verify(&overrides)),
        Some(Command::Backup { to }) => exit(backup(&overrides, &to)),
        Some(Command::Repair { yes }) => repair(&overrides, yes),
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
    let mut progress = Progress::new("reading");
    let verified = server::verify(Directory::open_existing(&config.data)?, &mut |done, total| progress.show(done, total))?;
    drop(progress);
    say_verified(&config.data, &verified);
    Ok(())
}

fn say_verified(data: &Path, Verified { ledger, recovery, needless }: &Verified) {
    println!("{}: {} segments, {} records of {} octets, all whole", data.display(), recovery.segments, recovery.records, recovery.bytes);
    println!("{} members, {} messages waiting, {needless} records that nobody needs any more", ledger.user_count(), ledger.message_count());
    if !recovery.clean {
        println!("the last run did not end cleanly; {} octets of an unfinished commit will be cut at the next start", recovery.torn_bytes);
    }
}

fn backup(overrides: &Overrides, to: &Path) -> Result<(), RunError> {
    let config = Config::load(overrides)?;
    let clock = Clock::start();
    let begun = clock.now().mono;
    let mut progress = Progress::new("copying");
    let Backup { to, copied, verified, has_certificate } = server::backup(&config.data, to, &mut |done, total| progress.show(done, total))?;
    drop(progress);
    println!(
        "{}: a verified copy of {}: {} segments, {} octets, {} members, {} messages waiting, {}; {:.1} seconds",
        to.display(),
        config.data.display(),
        copied.segments,
        copied.bytes,
        verified.ledger.user_count(),
        verified.ledger.message_count(),
        if has_certificate { "with the relay's own certificate and key" } else { "no certificate of the relay's own" },
        clock.now().mono.since(begun).as_secs_f64()
    );
    Ok(())
}

/// The exit status is 0 only if the log is whole when it ends.
fn repair(overrides: &Overrides, yes: bool) -> ExitCode {
    match try_repair(overrides, yes) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DAMAGED),
        Err(error) => exit(Err(error)),
    }
}

fn try_repair(overrides: &Overrides, yes: bool) -> Result<bool, RunError> {
    let config = Config::load(overrides)?;
    let means = Means {
        options: Options { segment_bytes: config.limits.segment_bytes },
        entropy: Box::new(OsEntropy),
        now: Clock::start().now().wall,
    };
    let mut progress = Progress::new("reading");
    let repair = server::repair(&config.data, means, yes, &mut |done, total| progress.show(done, total))?;
    drop(progress);
    match repair {
        Repair::Healthy(verified) => {
            say_verified(&config.data, &verified);
            println!("nothing is damaged, and nothing was changed");
        }
        Repair::Damaged(report) => {
            report.iter().for_each(|line| println!("{line}"));
            println!("nothing was changed; repeat with --yes to do this");
            return Ok(false);
        }
        Repair::Interrupted => {
            println!("{}: an earlier repair was cut short; repeat with --yes to complete it", config.data.display());
            return Ok(false);
        }
        Repair::Repaired { report, aside, verified } => {
            report.iter().for_each(|line| println!("{line}"));
            say_verified(&config.data, &verified);
            println!("repaired; the damaged log is in {}", aside.display());
        }
    }
    Ok(true)
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
