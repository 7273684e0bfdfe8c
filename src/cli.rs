//! The command line: `mnm` runs the relay, `mnm check` says what a start would do, `mnm verify` reads a log.
//!
//! Usage mistakes are clap's to tell (exit code 2); what the flags mean is [`crate::config`]'s.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use log::LevelFilter;

use crate::config::{LOG_LEVELS, Overrides};

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
