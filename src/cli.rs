//! The command line: `mnm` runs the relay, `mnm check` says what a start would do.
//!
//! Usage mistakes are clap's to tell (exit code 2); what the flags mean is [`crate::config`]'s.

use std::fmt::Display;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use log::{Level, LevelFilter};
use rustix::fs::Access;

use crate::base::Wall;
use crate::certificate::{self, Certificate};
use crate::config::{Config, ConfigError, LOG_LEVELS, Listen, Overrides, Remark};

/// A private message relay: TMTP over TLS, nothing lost.
#[derive(Debug, Parser)]
#[command(name = "mnm", version)]
pub struct Cli {
    /// What overrules the configuration.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do; running the relay if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of running the relay.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Read the configuration and the certificates, say what a start would do, and change nothing
    Check,
    /// Read all of the log in the data directory, check every checksum, say what is in it, and change nothing
    Verify,
    /// Copy the data directory, whether the relay runs or not, and verify the copy
    Backup {
        /// Put the copy into this directory, which must not be there yet or be empty
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Say what is damaged in a log on which the relay does not start, and what could be kept; with --yes, keep that
    Repair {
        /// Do it: write what can be kept as a new log, and set the old one aside
        #[arg(long)]
        yes: bool,
    },
}

/// What overrules the configuration; the same for every command, before or after its name.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Read this configuration [default: ./mnm.conf, or built-in values if there is none]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Keep accounts, messages and the certificate in this directory
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Listen on this address instead of the configured ones, with the first one's certificate; may be repeated
    #[arg(long, value_name = "ADDR", global = true)]
    pub listen: Vec<String>,
    /// Log this much
    #[arg(long, value_name = "LEVEL", global = true, value_parser = log_level(), ignore_case = true)]
    pub log: Option<LevelFilter>,
}

fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    let level = |word: String| word.parse().expect("LOG_LEVELS are words that LevelFilter reads");
    PossibleValuesParser::new(LOG_LEVELS.map(|(word, _)| word)).map(level)
}

impl From<Flags> for Overrides {
    fn from(flags: Flags) -> Overrides {
        Overrides { config: flags.config, data: flags.data, listen: flags.listen, log: flags.log }
    }
}

/// What [`check`] found, a line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What would be done, remarks, and `error:` lines; in the order of a start.
    pub lines: Vec<String>,
    /// How many of them are errors: the relay would not start. The exit code is 1 if there is any.
    pub errors: usize,
}

impl Findings {
    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn warn(&mut self, sentence: impl Display) {
        self.say(format!("warning: {sentence}"));
    }

    fn remark(&mut self, remark: &Remark) {
        match remark.level {
            Level::Error | Level::Warn => self.warn(remark),
            Level::Info | Level::Debug | Level::Trace => self.say(format!("note: {remark}")),
        }
    }

    fn error(&mut self, error: &ConfigError) {
        self.errors += 1;
        self.say(format!("error: {error}"));
    }
}

/// Goes through a start as far as it changes nothing. Addresses are bound for a moment, nothing is written.
///
/// Goes on after a complaint where what follows does not depend on it, so that one run tells everything.
pub fn check(overrides: &Overrides, now: Wall) -> Findings {
    let mut findings = Findings::default();
    let config = match Config::load(overrides) {
        Ok(config) => config,
        Err(error) => {
            findings.error(&error);
            return findings;
        }
    };
    findings.say(format!("configuration: {}", config.origin()));
    config.remarks.iter().for_each(|remark| findings.remark(remark));
    findings.say(format!(
        "site: {:?}, authentication by others {}",
        config.name,
        if config.auth_required { "required" } else { "not required" }
    ));
    check_data(&mut findings, &config.data);
    for listen in &config.listen {
        check_listen(&mut findings, listen);
        check_certificate(&mut findings, listen, &config, now);
    }
    let verdict = if findings.errors == 0 {
        "the relay would start".to_string()
    } else {
        format!("the relay would not start: {} to mend", findings.errors)
    };
    findings.say(verdict);
    findings
}

fn check_data(findings: &mut Findings, data: &Path) {
    let shown = data.display();
    let trouble = |what: String| {
        ConfigError::about_file(data, what, "give the user that runs mnm a data directory of its own with --data or \"data\"")
    };
    // The nearest ancestor that is there decides whether the directory can be made.
    let ancestors = data.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let Some(nearest) = ancestors.into_iter().find(|path| path.exists()) else { return };
    if !nearest.is_dir() {
        findings.error(&trouble(format!("{} is not a directory", nearest.display())));
    } else if let Err(error) = rustix::fs::access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
        findings.error(&trouble(format!("{} cannot be written to ({error})", nearest.display())));
    } else if nearest == data {
        findings.say(format!("data: {shown}"));
    } else {
        findings.say(format!("data: {shown}, which would be made"));
    }
}

fn check_listen(findings: &mut Findings, listen: &Listen) {
    let candidates = match listen.candidates() {
        Ok(candidates) => candidates,
        Err(error) => return findings.error(&error),
    };
    match TcpListener::bind(candidates.as_slice()) {
        Ok(_) => findings.say(format!("listen: {listen}")),
        // Checking beside a running relay is what one does before restarting it.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => findings.warn(listen.bind_error(&error)),
        Err(error) => findings.error(&listen.bind_error(&error)),
    }
}

fn check_certificate(findings: &mut Findings, listen: &Listen, config: &Config, now: Wall) {
    match certificate::inspect(listen, config, now) {
        Err(error) => findings.error(&error),
        Ok(None) => findings.say(format!("certificate: a self-signed one would be made in {}", config.data.display())),
        Ok(Some(certificate)) => say_certificate(findings, listen, &certificate),
    }
}

fn say_certificate(findings: &mut Findings, listen: &Listen, certificate: &Certificate) {
    findings.say(format!("certificate: {}, good until {}", certificate.paths.chain.display(), certificate.not_after.date()));
    findings.say(format!("certificate: {}", certificate.fingerprint_text()));
    // With port 0 the address is not known before the start.
    if listen.port != 0 {
        findings.say(format!("clients take the address {}", certificate.client_address(listen, listen.port)));
    }
    certificate.remarks.iter().for_each(|remark| findings.remark(remark));
}
