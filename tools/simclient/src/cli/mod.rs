//! The options, and which of them exclude each other.

mod arguments;
mod load;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use mnm_client::{Fingerprint, KeyExchange, parse_fingerprint};

use crate::Failure;
pub use load::{Abuse, Churn, Cycle, Fanout, Idle, Lasting, Offline, Pairs, Size, Storm, Until, Window};

const LONG_ABOUT: &str = "\
Load tester for TMTP relays.

Registers members over TLS, lets them do what the scenario says, verifies every delivery (checksum, headsum, order, \
completeness) and acks it, then waits until all is drained and quits. Progress goes to stderr, the summary to stdout.
Without a scenario it is `pairs`; `simclient SCENARIO --help` tells the options of each.

Exit status: 0 all well; 1 messages were lost, duplicated, out of order, corrupted, unexpected, refused or never \
answered, or links were dropped that should not be; 2 the test could not be done.";

const EXAMPLES: &str = "\
Examples:
  simclient
      100 members in 50 pairs post 1 KiB messages for 60 s to 127.0.0.1:8443
  simclient pairs --members 2 --window 1 --pid $(pidof mnm) --data ./data --report report
      the latency of one message at a time; report/index.html shows it, with the relay's memory, processor and disk
  simclient cycle --members 1000 --speedup 10 --time 300
      a thousand people who come, write to each other, and go, ten times as fast as people do
  simclient pairs --reconnect --time 120 --json result.json
      survive a relay that is killed and restarted meanwhile: nothing may be lost
  simclient compare before.json after.json
      two runs side by side
  simclient --addr relay.example:8443 --fingerprint 9F:86:D0:...:08
      accept exactly this certificate (openssl x509 -in cert.pem -noout -fingerprint -sha256)

What the counts mean:
  sent          posts, each with its own sequence number
  acked         of these, acked by the relay: the promise of delivery
  delivered     arrived intact, counted once for each recipient
  lost          acked, but never delivered to one of the recipients
  unanswered    neither acked nor refused when the drain ended
  refused       acked with an error
  duplicated    arrived again on the same link within 30 s, or after its ack and an orderly good-bye, or stored twice
  out of order  arrived for the first time after a later one from the same sender
  corrupted     checksum, length, sender or headsum do not match
  unexpected    acks nobody waits for, deliveries of what was never posted or to somebody else
  dropped links links that the relay ended although nobody gave it a reason (idle, storm, abuse)
These are no faults:
  redelivered   arrived again after a reconnect, or on the same link after 30 s
  resent        posts repeated after a reconnect because no ack had come
  resent twice  of these, delivered once more because the relay had stored the first already
  stale         left over from an earlier test of the same accounts
Latencies count from the moment a post is queued for its link, resends included; progress shows median/99th percentile, and with --pid rss,\nthe relay's memory.";

/// What to do to which relay.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "simclient",
    version,
    about = "Load tester for TMTP relays",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES,
    override_usage = "simclient [SCENARIO] [OPTIONS]\n       simclient compare A.json B.json"
)]
pub struct Options {
    /// Where, and as whom.
    #[command(flatten)]
    pub relay: Relay,
    /// How links are made.
    #[command(flatten)]
    pub links: Links,
    /// What is told, and where.
    #[command(flatten)]
    pub output: Output,
    /// What the members do.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// Where the relay is, and what proves it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Relay")]
pub struct Relay {
    /// The relay, as host:port
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:8443")]
    pub addr: String,

    /// The name its certificate is checked against (with --ca); the host of --addr if absent
    #[arg(long, global = true, value_name = "NAME")]
    pub server_name: Option<String>,

    /// Accept only the certificate with this SHA-256 digest (hex, colons allowed)
    #[arg(long, global = true, value_name = "SHA256", value_parser = parse_fingerprint, conflicts_with = "ca")]
    pub fingerprint: Option<Fingerprint>,

    /// Accept only certificates signed by one in this PEM file; without this and --fingerprint any is accepted
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// A code to register with, for sites that ask for one; it must be good for all members
    #[arg(long, global = true, value_name = "CODE")]
    pub invite: Option<String>,

    /// Keep the accounts in this file (mode 0600), and log in with those that it has
    #[arg(long, global = true, value_name = "FILE")]
    pub accounts: Option<PathBuf>,
}

/// How links are made.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Links")]
pub struct Links {
    /// Threads, each with its share of the members
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,

    /// New links a second at most, for each thread; 0: as fast as they are answered
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub connect_rate: u32,

    /// Members whose link drops or is refused come back (50 ms, doubling to 1 s) and resend what was not acked
    #[arg(long, global = true)]
    pub reconnect: bool,

    /// Offer no post-quantum key exchange, as older client programs do
    #[arg(long, global = true)]
    pub classical: bool,
}

impl Links {
    pub(crate) fn key_exchange(&self) -> KeyExchange {
        if self.classical { KeyExchange::Classical } else { KeyExchange::Hybrid }
    }
}

/// What is told, and where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Sample the memory, processor time and writes of this process: the relay
    #[arg(long, global = true, value_name = "PID")]
    pub pid: Option<u32>,

    /// Sample what this directory takes of the disk: the relay's data
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Write the summary to this file as JSON, for `simclient compare` and for programs
    #[arg(long, global = true, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a page with charts to this directory: index.html, which needs nothing else
    #[arg(long, global = true, value_name = "DIR")]
    pub report: Option<PathBuf>,

    /// No progress and no summary; errors and the exit status only
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// What the members do.
#[derive(Subcommand, Clone, Debug)]
pub enum Scenario {
    /// Members in pairs post to each other as fast as their windows allow
    Pairs(Pairs),
    /// Members of groups post to their group
    Fanout(Fanout),
    /// Half of the members are away while the others post to them; then they come and take it all
    Offline(Offline),
    /// Members are logged in and say nothing but that they are there
    Idle(Idle),
    /// Members connect, log in and quit, again and again
    Churn(Churn),
    /// Members live: log in, show presence, write to others and to a group, log out, stay away
    Cycle(Cycle),
    /// All links break at once, and everybody comes back at once
    Storm(Storm),
    /// Garbage, half-open links, trickled octets and oversized frames beside honest members
    Abuse(Abuse),
    /// Puts two results (--json) side by side
    Compare(Compare),
}

/// Two results.
#[derive(Args, Clone, Debug)]
pub struct Compare {
    /// The result that counts as 1
    #[arg(value_name = "A.json")]
    pub first: PathBuf,
    /// The result that is compared with it
    #[arg(value_name = "B.json")]
    pub second: PathBuf,
}

impl Options {
    /// Reads a command line; without a scenario it is `pairs`, and the scenario may stand anywhere.
    ///
    /// # Errors
    /// What clap says, help and version included.
    pub fn try_read(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Options, clap::Error> {
        let options = Options::try_parse_from(arguments::with_scenario(arguments.into_iter().map(Into::into).collect()))?;
        options.check().map_err(|failure| arguments::usage_error(&failure))?;
        Ok(options)
    }

    /// As [`try_read`](Options::try_read).
    ///
    /// # Panics
    /// If the arguments make no sense: they are the caller's own.
    pub fn read<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Options {
        Options::try_read(arguments).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Whether the options make sense together.
    fn check(&self) -> Result<(), Failure> {
        let members = self.scenario.members();
        let per_thread = self.scenario.unit();
        if members > 0 && !members.is_multiple_of(per_thread) {
            return Err(Failure::Usage(format!("--members {members}: {}", self.scenario.why_unit())));
        }
        if members > 0 && u64::from(self.links.threads) * u64::from(per_thread) > u64::from(members) {
            return Err(Failure::Usage(format!(
                "--threads {}: {members} members are too few, each thread needs {per_thread} or more",
                self.links.threads
            )));
        }
        if let Scenario::Churn(Churn { posts: 0, until: Until { messages: Some(_), .. }, .. }) = self.scenario {
            return Err(Failure::Usage("--messages: nobody posts in churn without --posts".to_owned()));
        }
        if let Some(size) = self.scenario.size() {
            size.check()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::time::Duration;

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
        let options = Options::read(["simclient", "--members", "4", "pairs", "--time", "0.5"]);
        assert_eq!(options.scenario.members(), 4);
        let Scenario::Pairs(pairs) = options.scenario else { panic!("pairs") };
        assert_eq!(pairs.until.lasting.time, Duration::from_millis(500));
        for wrong in [
            "--members 3",
            "--size 51",
            "fanout --members 10 --group 4",
            "--threads 3 --members 4",
            "nonsense",
            "idle --window 3",
            "idle --messages 3",
            "idle --pulse 120",
            "abuse --messages 3",
            "churn --messages 3",
        ] {
            assert!(Options::try_read(["simclient"].into_iter().chain(wrong.split(' '))).is_err(), "{wrong}");
        }
        for right in [
            "",
            "--quiet",
            "fanout --group 5 --members 10",
            "compare a b",
            "--addr x:1 cycle --speedup 2",
            "storm",
            "abuse",
            "churn",
            "idle",
        ] {
            let words = ["simclient"].into_iter().chain(right.split(' ').filter(|word| !word.is_empty()));
            assert!(Options::try_read(words).is_ok(), "{right}");
        }
    }
}
