//! The options, and which of them exclude each other.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use mnm_client::{Fingerprint, parse_fingerprint};

use crate::Failure;
use crate::payload::PAYLOAD_MIN;

const LONG_ABOUT: &str = "\
Load tester for TMTP relays.

Registers members over TLS, lets them exchange messages, verifies every delivery (checksum, headsum, order, \
completeness) and acks it, then waits until all is drained and quits. Progress goes to stderr, the summary to stdout.

Exit status: 0 all well; 1 messages were lost, duplicated, out of order, corrupted, unexpected, refused or never \
answered; 2 the test could not be done.";

const EXAMPLES: &str = "\
Examples:
  simclient
      100 members in 50 pairs post 1 KiB messages for 60 s to 127.0.0.1:8443
  simclient --members 1000 --size 256 --window 32 --time 10
      as fast as it goes with many small messages
  simclient --members 2 --window 1
      the latency of one message at a time
  simclient --backlog 64
      nobody posts while 64 of their messages wait for delivery: a steady state instead of a growing queue
  simclient --reconnect --time 120 --json result.json
      survive a relay that is killed and restarted meanwhile: nothing may be lost
  simclient --addr relay.example:8443 --fingerprint 9F:86:D0:...:08
      accept exactly this certificate (openssl x509 -in cert.pem -noout -fingerprint -sha256)

What the counts mean:
  sent          posts, each with its own sequence number
  acked         of these, acked by the relay: the promise of delivery
  delivered     of these, arrived intact, each counted once
  lost          acked, but never delivered
  unanswered    neither acked nor refused when the drain ended
  refused       acked with an error
  duplicated    arrived again on the same link within 30 s, or stored twice although posted once
  out of order  arrived for the first time after a later one from the same sender
  corrupted     checksum, length, sender or headsum do not match
  unexpected    acks nobody waits for, deliveries of what was never posted or to somebody else
These are no faults (with --reconnect):
  redelivered   arrived again after a reconnect, or on the same link after 30 s
  resent        posts repeated after a reconnect because no ack had come
  resent twice  of these, delivered once more because the relay had stored the first already
Latencies count from the moment a post is queued for its link, resends included.";

/// What to do to which relay.
#[derive(Parser, Clone, Debug)]
#[command(name = "simclient", version, about = "Load tester for TMTP relays", long_about = LONG_ABOUT, after_long_help = EXAMPLES)]
pub struct Options {
    /// The relay, as host:port
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:8443", help_heading = "Relay")]
    pub addr: String,

    /// The name its certificate is checked against (with --ca); the host of --addr if absent
    #[arg(long, global = true, value_name = "NAME", help_heading = "Relay")]
    pub server_name: Option<String>,

    /// Accept only the certificate with this SHA-256 digest (hex, colons allowed)
    #[arg(long, global = true, value_name = "SHA256", value_parser = parse_fingerprint, conflicts_with = "ca", help_heading = "Relay")]
    pub fingerprint: Option<Fingerprint>,

    /// Accept only certificates signed by one in this PEM file; without this and --fingerprint any is accepted
    #[arg(long, global = true, value_name = "FILE", help_heading = "Relay")]
    pub ca: Option<PathBuf>,

    /// Members, each with one link; an even number
    #[arg(long, global = true, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..), help_heading = "Load")]
    pub members: u32,

    /// Octets of each message
    #[arg(long, global = true, value_name = "OCTETS", default_value_t = 1024, help_heading = "Load")]
    pub size: usize,

    /// Posts a member may have waiting for the relay's ack
    #[arg(long, global = true, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Load")]
    pub window: u32,

    /// Nobody posts while this many of their acked posts wait for delivery; 0: no such bound
    #[arg(long, global = true, value_name = "N", default_value_t = 0, help_heading = "Load")]
    pub backlog: u64,

    /// Post for so many seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value = "60", value_parser = seconds, help_heading = "Load")]
    pub time: Duration,

    /// Post so many messages in all, if --time does not end first
    #[arg(long, global = true, value_name = "N", help_heading = "Load")]
    pub messages: Option<u64>,

    /// After the last post, give up when nothing arrives for so many seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30", value_parser = seconds, help_heading = "Load")]
    pub drain: Duration,

    /// New links a second at most; 0: as fast as they are answered
    #[arg(long, global = true, value_name = "N", default_value_t = 0, help_heading = "Links")]
    pub connect_rate: u32,

    /// Members whose link drops or is refused come back (50 ms, doubling to 1 s) and resend what was not acked
    #[arg(long, global = true, help_heading = "Links")]
    pub reconnect: bool,

    /// Write the summary to this file as JSON
    #[arg(long, global = true, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,

    /// No progress and no summary; errors and the exit status only
    #[arg(long, short, global = true, help_heading = "Output")]
    pub quiet: bool,

    /// What the members do; pairs if absent
    #[command(subcommand)]
    pub scenario: Option<ScenarioName>,
}

/// The scenarios.
#[derive(Subcommand, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScenarioName {
    /// Members in pairs post to each other as fast as their windows allow
    Pairs,
}

impl Options {
    /// The scenario asked for, or the default.
    pub fn scenario(&self) -> ScenarioName {
        self.scenario.unwrap_or(ScenarioName::Pairs)
    }

    /// Whether the options make sense together.
    ///
    /// # Errors
    /// [`Failure::Usage`] with what does not.
    pub fn check(&self) -> Result<(), Failure> {
        if !self.members.is_multiple_of(2) {
            return Err(Failure::Usage(format!("--members {} is odd: they go in pairs", self.members)));
        }
        if self.size < PAYLOAD_MIN || u32::try_from(self.size).is_err() {
            return Err(Failure::Usage(format!(
                "--size {}: from {PAYLOAD_MIN} octets, for the stamp that is verified, to 4 GiB",
                self.size
            )));
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
        let options = Options::parse_from(["simclient", "--members", "4", "pairs", "--time", "0.5"]);
        assert_eq!((options.members, options.time), (4, Duration::from_millis(500)));
        assert_eq!(options.scenario(), ScenarioName::Pairs);
        assert!(Options::parse_from(["simclient", "--members", "3"]).check().is_err());
        assert!(Options::parse_from(["simclient", "--size", "39"]).check().is_err());
    }
}
