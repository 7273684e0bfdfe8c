//! The `mnm` program: reads the command line, then runs the relay or checks what a start would do.

use std::process::ExitCode;

use clap::Parser;
use mnm::cli::{self, Cli, Command};
use mnm::config::{Config, Overrides};
use mnm::server::{self, Clock, RunError};

fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    let overrides = Overrides::from(flags);
    match command {
        Some(Command::Check) => check(&overrides),
        None => match relay(&overrides) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("mnm: {error}");
                ExitCode::from(error.exit_status())
            }
        },
    }
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
