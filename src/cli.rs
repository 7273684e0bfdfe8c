//! The command line: `mnm` runs the relay, `mnm check` says what a start would do, `mnm ctl` tells a running one what to do.
//!
//! Usage mistakes are clap's to tell (exit code 2); what the flags mean is [`crate::config`]'s.

mod init;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand};
use log::LevelFilter;

use crate::base::Wall;
use crate::config::{LOG_LEVELS, Overrides};
use crate::limits::{AHEAD_MAX, DRAIN_MAX, INVITE_USES_MAX};
use crate::record::{Mode, Role};

pub use init::Init;

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
    /// Make a site: write its configuration, make the data directory, the certificate and the first invite code, say what to do next
    Init(Init),
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
    /// Make an invite code with which new members register, and show it also as a QR symbol if this is a terminal
    Invite {
        /// What it is good for.
        #[command(flatten)]
        terms: Terms,
        /// Print the answer as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Ask a relay about members, devices, groups, queues and links, or tell it what to do, whether it runs or not
    Ctl {
        /// Print the answer as a JSON object
        #[arg(long, global = true)]
        json: bool,
        /// What to do.
        #[command(subcommand)]
        order: Order,
    },
}

/// What an invite code is good for, and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Terms {
    /// So many may register with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(INVITE_USES_MAX)))]
    pub uses: u32,
    /// Until when: 90m, 12h, 30d, 2w, a time as 2026-11-26T18:00:00Z, or never
    #[arg(long, value_name = "DURATION|TIME", default_value = "30d", value_parser = Expiry::read)]
    pub expires: Expiry,
    /// What the new members may do
    #[arg(long, value_name = "ROLE", default_value = Role::Full.word(), value_parser = word(&[Role::Full, Role::Receive], Role::word))]
    pub role: Role,
    /// Invite them to this group; may be repeated
    #[arg(long = "group", value_name = "GID")]
    pub groups: Vec<String>,
    /// Show no QR symbol
    #[arg(long)]
    pub no_qr: bool,
}

/// What a relay is told. Whom it is about is named by uid or alias: what has 32 characters of the uids' alphabet is a uid.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Order {
    /// Tell how the relay fares
    Status,
    /// Show how the relay fares, and how fast, again and again until interrupted
    Top {
        /// How often
        #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
        every: u64,
        /// So often, and then no more; without it for ever
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Log this much, until a restart or a reload
    #[command(name = "log")]
    Log {
        /// How much
        #[arg(value_name = "LEVEL", value_parser = log_level(), ignore_case = true)]
        level: LevelFilter,
    },
    /// Read the configuration and the certificates again, all of it or nothing
    Reload,
    /// Let nobody in any more, let deliveries finish, and stop
    Drain {
        /// Stop after so long in any case [default: 60]
        #[arg(long = "timeout", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=DRAIN_MAX.as_secs()))]
        seconds: Option<u64>,
    },
    /// Make an invite code, as `mnm invite` does
    Invite(Terms),
    /// Change who may register, whatever the configuration says, until that says something else
    Register {
        /// Who: whoever wants to, who has a code, or nobody
        #[arg(value_name = "MODE", value_parser = mode())]
        mode: Mode,
        /// Only for so long
        #[arg(long = "for", value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=MINUTES_MAX))]
        minutes: Option<u32>,
    },
    /// List members: role, names, how many devices, and what waits for them
    Members {
        /// Only those who registered after this one
        #[arg(long, value_name = "UID")]
        after: Option<String>,
        /// Only so many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// List devices of all members or of one: number, label, when it was made and seen, and what waits for it
    Nodes {
        /// Whose
        #[arg(value_name = "UID-OR-ALIAS")]
        who: Option<String>,
    },
    /// List groups, and how many have joined, are invited and are barred
    Groups,
    /// List the longest queues, and the oldest message in each
    Queues {
        /// So many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        top: u32,
        /// The most messages first, the most octets, or the oldest message
        #[arg(long, value_name = "ORDER", default_value = ORDERS[0], value_parser = PossibleValuesParser::new(ORDERS))]
        by: String,
    },
    /// List the links of a relay that runs: where from, whose, since when, and what is on its way
    Links,
    /// End all links of a member, or one link; whose it was may come back at once
    Kick {
        /// Whose links; or which link, as `mnm ctl links` and the log name it: two numbers with a dot
        #[arg(value_name = "UID-OR-ALIAS-OR-LINK")]
        who: String,
    },
    /// Tell about a member: role, names, devices, and what waits for them
    Member {
        /// Whom
        #[arg(value_name = "UID-OR-ALIAS")]
        who: String,
    },
    /// Change what a member may do
    Role {
        /// Who
        #[arg(value_name = "UID-OR-ALIAS")]
        who: String,
        /// Everything, only receive, or not even log in
        #[arg(value_name = "ROLE", value_parser = role())]
        role: Role,
    },
    /// Let a member not in any more, and cut its links: the same as `role WHO suspended`
    Suspend {
        /// Whom
        #[arg(value_name = "UID-OR-ALIAS")]
        who: String,
    },
    /// Make a member an administrator, or no longer one
    Admin {
        /// Whom
        #[arg(value_name = "UID-OR-ALIAS")]
        who: String,
        /// Whether
        #[arg(value_name = "ON|OFF", action = ArgAction::Set, value_parser = on_or_off())]
        on: bool,
    },
    /// Drop a device of a member: it is cut off, and never gets in again
    #[command(visible_alias = "drop-node")]
    Drop {
        /// Whose
        #[arg(value_name = "UID-OR-ALIAS")]
        who: String,
        /// Which: its number, as `mnm ctl member` tells it
        #[arg(value_name = "NODE")]
        node: String,
    },
    /// Make a device for a member, and tell once what it logs in with
    NewNode {
        /// For whom
        #[arg(value_name = "UID-OR-ALIAS")]
        who: String,
        /// What it is called
        #[arg(value_name = "LABEL")]
        label: String,
    },
}

impl Order {
    /// Whether its answer has something to scan, which a terminal is to show.
    pub fn shows_symbol(&self) -> bool {
        matches!(self, Order::Invite(Terms { no_qr: false, .. }))
    }
}

/// In which order queues are listed: the relay's words.
const ORDERS: [&str; 3] = ["count", "bytes", "age"];
/// How far ahead a mode may be set, as for any time at which something ends.
const MINUTES_MAX: i64 = (AHEAD_MAX.as_secs() / 60) as i64;

/// When an invite code expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// After so long.
    In(Duration),
    /// At that time.
    At(Wall),
    /// Not at all.
    Never,
}

impl Expiry {
    fn read(text: &str) -> Result<Expiry, String> {
        const EXPECTED: &str = "expected a duration as 90m, 12h, 30d or 2w, a time as 2026-11-26T18:00:00Z, or never";
        if text == "never" {
            return Ok(Expiry::Never);
        }
        if let Some(time) = Wall::parse_rfc3339(text) {
            return Ok(Expiry::At(time));
        }
        let units = [('m', 60), ('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];
        let read = |(unit, seconds): (char, u64)| text.strip_suffix(unit)?.parse::<u32>().ok().map(|count| u64::from(count) * seconds);
        match units.into_iter().find_map(read) {
            Some(seconds) if seconds > 0 => Ok(Expiry::In(Duration::from_secs(seconds))),
            Some(_) | None => Err(EXPECTED.to_owned()),
        }
    }
}

fn role() -> impl TypedValueParser<Value = Role> {
    word(&Role::ALL, Role::word)
}

fn mode() -> impl TypedValueParser<Value = Mode> {
    word(&Mode::ALL, Mode::word)
}

fn on_or_off() -> impl TypedValueParser<Value = bool> {
    word(&[true, false], |on| if on { "on" } else { "off" })
}

fn word<T: Copy + Send + Sync + 'static>(all: &'static [T], word_of: fn(T) -> &'static str) -> impl TypedValueParser<Value = T> {
    let find = move |word: String| *all.iter().find(|one| word_of(**one) == word).expect("the parser takes these words only");
    PossibleValuesParser::new(all.iter().map(|one| word_of(*one))).map(find)
}

/// What overrules the configuration; the same for every command, before or after its name.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Read this configuration [default: ./mnm.conf, else /etc/mnm/mnm.conf, else built-in values]
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
