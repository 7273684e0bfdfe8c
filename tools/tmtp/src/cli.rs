//! The command line.
//!
//! Usage mistakes are clap's to find (exit status 2).

mod orders;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use orders::{Alias, Group, Node, Who};
use values::{fingerprint, label, name, seconds, time};

const AFTER_HELP: &str = "\
Exit status: 0 done; 1 the relay refused; 2 wrong usage; 3 the profile or its credentials; 4 the relay could not be reached in \
time; 5 files of this machine; 6 the certificate is not the trusted one; 7 fewer messages came than --count; 8 the --exec \
command failed.";

/// Writes and receives messages through a TMTP relay.
#[derive(Debug, Parser)]
#[command(name = "tmtp", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which account, and for how long to try.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Use this profile: one device of one member at one site
    #[arg(long, value_name = "NAME", env = "TMTP_PROFILE", default_value = "default", global = true, help_heading = "Common options")]
    pub profile: String,
    /// Keep profiles in this directory [default: tmtp in the user's configuration directory]
    #[arg(long, value_name = "DIR", env = "TMTP_HOME", global = true, help_heading = "Common options")]
    pub home: Option<PathBuf>,
    /// Try for so long to reach the relay, lost links and new ones included
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, global = true, help_heading = "Common options")]
    pub timeout: Duration,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Become a member of a site, and keep the new account in a profile
    Register(Register),
    /// Put an existing account into a profile, or verify that the profile's login works
    Login(Login),
    /// Send a message to members or groups: a text, a file, or standard input
    Send(Send),
    /// Receive what waits, or with --follow all that comes
    Recv(Recv),
    /// Send a short text to somebody of whom only an alias is known
    Ping {
        /// To whom
        #[arg(value_name = "ALIAS", value_parser = name)]
        to: String,
        /// Up to 140 characters
        text: Option<String>,
        /// As whom.
        #[command(flatten)]
        speak: Speak,
    },
    /// Invite somebody to a group, which is made if there is none
    Invite {
        /// The group's name
        #[arg(value_parser = name)]
        gid: String,
        /// Whom
        #[arg(value_name = "ALIAS", value_parser = name)]
        to: String,
        /// Up to 140 characters
        text: Option<String>,
        /// As whom.
        #[command(flatten)]
        speak: Speak,
    },
    /// Join a group to which one was invited
    Join {
        /// The group's name
        #[arg(value_parser = name)]
        gid: String,
        /// Be listed under this alias of one's own
        #[arg(long = "as", value_name = "ALIAS", value_parser = name)]
        alias: Option<String>,
    },
    /// Leave a group; one may join again
    Leave {
        /// The group's name
        #[arg(value_parser = name)]
        gid: String,
        /// The alias by which the group lists oneself, where the relay cannot be asked
        #[arg(long = "as", value_name = "ALIAS", value_parser = name)]
        alias: Option<String>,
    },
    /// Groups: which, who is in them, their rules
    Group {
        /// What to do.
        #[command(subcommand)]
        order: Group,
    },
    /// Names of others, and who of them is here
    Who {
        /// As JSON?
        #[command(flatten)]
        json: Json,
        /// What to do.
        #[command(subcommand)]
        order: Option<Who>,
    },
    /// The account's devices
    Node {
        /// What to do.
        #[command(subcommand)]
        order: Node,
    },
    /// The account's own names
    Alias {
        /// What to do.
        #[command(subcommand)]
        order: Alias,
    },
    /// The profile, the account and what waits for it
    Whoami(Json),
    /// Make a code with which new members can register, where the site lets members do so
    Code {
        /// So many may register with it
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100))]
        uses: Option<u64>,
        /// Until when: 90m, 12h, 30d, 2w, or a time as 2026-11-26T18:00:00Z
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires: Option<String>,
        /// Invite them to this group
        #[arg(long, value_name = "GID", value_parser = name)]
        group: Option<String>,
        /// As JSON?
        #[command(flatten)]
        json: Json,
    },
    /// Print a script that completes this command line in a shell
    Completions {
        /// Which
        shell: Shell,
    },
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Args)]
pub struct Json {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// What pings and invitations have in common.
#[derive(Debug, Clone, Args)]
pub struct Speak {
    /// Speak under this alias of one's own [default: the oldest]
    #[arg(long, value_name = "ALIAS", value_parser = name)]
    pub from: Option<String>,
    /// As JSON?
    #[command(flatten)]
    pub json: Json,
}

/// By what the relay's certificate is judged. Without any the one met first is pinned, but for an address with `+`.
#[derive(Debug, Clone, Args)]
pub struct TrustArgs {
    /// Trust certificates that an authority in this PEM file, or one known to the system, has signed
    #[arg(long, value_name = "FILE|system", conflicts_with = "fingerprint")]
    pub ca: Option<PathBuf>,
    /// Trust the certificate with this SHA-256 only
    #[arg(long, value_name = "HEX", value_parser = fingerprint)]
    pub fingerprint: Option<String>,
}

/// Becoming a member.
#[derive(Debug, Clone, Args)]
pub struct Register {
    /// The relay: HOST:PORT, in front of it `=` if it made its certificate itself, `+` if an authority signed it
    #[arg(value_name = "ADDR")]
    pub address: String,
    /// A name by which others can ping: 8 characters or more
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub alias: Option<String>,
    /// What this device is called [default: the host's name]
    #[arg(long, value_parser = label)]
    pub label: Option<String>,
    /// An invite code, where the site asks for one
    #[arg(long, value_name = "CODE", value_parser = name)]
    pub invite: Option<String>,
    /// By what the certificate is judged.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// An account that exists.
#[derive(Debug, Clone, Args)]
pub struct Login {
    /// The relay, as for register; without it the profile's own login is verified
    #[arg(value_name = "ADDR", requires = "uid")]
    pub address: Option<String>,
    /// Whose account. The device's secret is read from the environment variable TMTP_NODE, or from standard input
    #[arg(long, requires = "address")]
    pub uid: Option<String>,
    /// What this device is called [default: as the relay says]
    #[arg(long, requires = "address", value_parser = label)]
    pub label: Option<String>,
    /// By what the certificate is judged.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// From now on trust the certificate with this SHA-256, which the relay's operator has confirmed
    #[arg(long, value_name = "HEX", value_parser = fingerprint, conflicts_with_all = ["address", "ca", "fingerprint"])]
    pub repin: Option<String>,
}

/// A message.
#[derive(Debug, Clone, Args)]
#[command(after_help = "The last WHO is taken for the file if it is `-`, or neither a contact nor a uid.")]
pub struct Send {
    /// To whom: a uid, or a contact's name; then a file, or - for standard input (the default if it is no terminal)
    #[arg(value_name = "WHO... [FILE | -]")]
    pub who: Vec<String>,
    /// To all in this group; may be repeated
    #[arg(long = "group", value_name = "GID", value_parser = name)]
    pub groups: Vec<String>,
    /// Send this text
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
    pub message: Option<String>,
    /// Send this file
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["message", "lines"])]
    pub file: Option<PathBuf>,
    /// Tell the recipient's program that this is the file's name [default: that of the file]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub name: Option<String>,
    /// Send each line of standard input as a message of its own; empty ones are skipped
    #[arg(long, visible_alias = "many", conflicts_with = "message")]
    pub lines: bool,
    /// As JSON?
    #[command(flatten)]
    pub json: Json,
}

/// What to do with messages.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A message is acknowledged, and gone from the relay, only when it was printed, is safe in a file, or its command has exited with 0; \
else it comes again. What is no text stays with the relay unless --save, --json, --raw or --exec takes it; what --op leaves out is \
acknowledged and dropped.")]
pub struct Recv {
    /// Go on until interrupted; lost links are made anew. Other tmtp commands of this profile use this one's link meanwhile
    #[arg(long, short)]
    pub follow: bool,
    /// End after so many messages
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Without --follow: end when nothing came for so long
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds, conflicts_with = "follow")]
    pub wait: Duration,
    /// Print a JSON object a line
    #[arg(long, conflicts_with_all = ["raw", "exec"])]
    pub json: bool,
    /// Print the data of deliveries and nothing else
    #[arg(long, conflicts_with_all = ["save", "exec"])]
    pub raw: bool,
    /// Put the data of each delivery into a file of its own in this directory
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Run this by `sh -c` for each message, its data on standard input, and TMTP_ID, TMTP_FROM, TMTP_FROM_NAME, TMTP_OP,
    /// TMTP_POSTED, TMTP_NAME (with --save: TMTP_FILE) in the environment
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// Only these [default: all; with --raw deliveries; with --exec deliveries, notes, pings and invitations]
    #[arg(long, value_name = "OP", value_delimiter = ',', value_parser = PossibleValuesParser::new(OPS))]
    pub op: Vec<String>,
    /// Show the contacts that this member is here
    #[arg(long, requires = "follow")]
    pub show_presence: bool,
}

/// All kinds of messages.
pub const OPS: [&str; 9] = ["delivery", "notify", "ping", "invite", "member", "login", "user", "ohiedit", "missed"];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Cli::command().debug_assert();
    }
}
