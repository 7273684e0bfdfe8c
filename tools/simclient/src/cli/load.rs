//! What each scenario can be told.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use mnm::limits::IDLE_TIMEOUT;

use super::Scenario;
use crate::Failure;
use crate::payload::PAYLOAD_MIN;

/// Octets of a message: one number, or a range of which each size is as likely as another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// The smallest.
    pub least: u32,
    /// The largest.
    pub most: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| format!("{text:?} is no number of octets up to 4294967295"));
        let (least, most) = match text.split_once("..") {
            Some((least, most)) => (number(least)?, number(most)?),
            None => (number(text)?, number(text)?),
        };
        if least > most {
            return Err(format!("{least}..{most}: the first is the larger one"));
        }
        Ok(Size { least, most })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most { write!(f, "{}", self.least) } else { write!(f, "{}..{}", self.least, self.most) }
    }
}

impl Size {
    pub(super) fn check(&self) -> Result<(), Failure> {
        if (self.least as usize) < PAYLOAD_MIN {
            return Err(Failure::Usage(format!("--size {self}: at least {PAYLOAD_MIN} octets, for the stamp that is verified")));
        }
        Ok(())
    }

    /// The mean.
    pub(crate) fn mean(&self) -> usize {
        (self.least as usize + self.most as usize) / 2
    }

    /// The size of a sender's so many-th message: always the same.
    pub(crate) fn of(&self, sender: u32, order: u64) -> u32 {
        let span = u64::from(self.most - self.least) + 1;
        if span == 1 {
            return self.least;
        }
        let mixed = (order.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(sender)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.least + (((mixed >> 32) * span) >> 32) as u32
    }
}

/// When the posting ends.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "End")]
pub struct Until {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub lasting: Lasting,

    /// Post so many messages in all, if nothing else ends it first (churn: whole visits, and one more of each member at the end)
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
}

/// How long a test lasts.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "End")]
pub struct Lasting {
    /// Go on for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub time: Duration,

    /// Go on until interrupted (Ctrl-C), or until all --messages are posted
    #[arg(long, conflicts_with = "time")]
    pub forever: bool,

    /// After that, give up when nothing arrives for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub drain: Duration,
}

/// How many posts are under way.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Load")]
pub struct Window {
    /// Posts a member may have waiting for the relay's ack
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,

    /// Nobody posts while this many of their acked posts wait for delivery; 0: no such bound
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub backlog: u64,
}

/// Options of `pairs`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Pairs {
    /// Members, each with one link; an even number
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// Octets of each message: N, or A..B for any size between
    #[arg(long, value_name = "OCTETS", default_value = "1024")]
    pub size: Size,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub window: Window,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub until: Until,
}

/// Options of `fanout`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Fanout {
    /// Members of one group
    #[arg(long, value_name = "G", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub group: u32,
    /// Members in all, a multiple of --group
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// Of each group so many post; 0: all
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub posters: u32,
    /// Octets of each message: N, or A..B for any size between
    #[arg(long, value_name = "OCTETS", default_value = "100")]
    pub size: Size,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub window: Window,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub until: Until,
}

/// Options of `offline`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Offline {
    /// Members, half of them absent at first; an even number
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// Messages for each absent member
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub each: u64,
    /// Octets of each message: N, or A..B for any size between
    #[arg(long, value_name = "OCTETS", default_value = "100")]
    pub size: Size,
    /// Posts a member may have waiting for the relay's ack
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// Give up when nothing arrives for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, help_heading = "End")]
    pub drain: Duration,
}

/// Options of `idle`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Idle {
    /// Members, each with one link; an even number
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// Seconds between two signs of life of a link, less than 120: a relay ends links that say nothing for so long
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = pulse)]
    pub pulse: Duration,
    /// Octets of the message that each posts at the end, to show that its link is alive
    #[arg(long, value_name = "OCTETS", default_value = "100")]
    pub size: Size,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub lasting: Lasting,
}

/// Options of `churn`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Churn {
    /// Members, and as many links at a time; an even number
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// Messages that a member posts at each visit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub posts: u32,
    /// Resume TLS sessions instead of a full handshake for each link
    #[arg(long)]
    pub resume: bool,
    /// Octets of each message, also of the one that each posts at the end
    #[arg(long, value_name = "OCTETS", default_value = "100")]
    pub size: Size,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub until: Until,
}

/// Options of `cycle`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Cycle {
    /// Members in all, a multiple of --group
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(4..))]
    pub members: u32,
    /// Members of one group
    #[arg(long, value_name = "G", default_value_t = 100, value_parser = clap::value_parser!(u32).range(4..))]
    pub group: u32,
    /// How many times as fast as the members' clocks: 1 takes 1 to 30 seconds from step to step, 10 takes 0.1 to 3
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    pub speedup: f64,
    /// Octets of each message: N, or A..B for any size between
    #[arg(long, value_name = "OCTETS", default_value = "100..13300")]
    pub size: Size,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub until: Until,
}

/// Options of `storm`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Storm {
    /// Members, each with one link; an even number
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// How often all links break
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Seconds between two storms
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub pause: Duration,
    /// Resume TLS sessions instead of a full handshake for each link
    #[arg(long)]
    pub resume: bool,
    /// Octets of the message that each posts on its return
    #[arg(long, value_name = "OCTETS", default_value = "100")]
    pub size: Size,
    /// Give up when nothing arrives for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds, help_heading = "End")]
    pub drain: Duration,
}

/// Options of `abuse`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Abuse {
    /// Honest members, in pairs; an even number
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..))]
    pub members: u32,
    /// Links of each kind of abuse
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub abusers: u32,
    /// Posts an honest member may have waiting for the relay's ack
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// Octets of each honest message: N, or A..B for any size between
    #[arg(long, value_name = "OCTETS", default_value = "1024")]
    pub size: Size,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub lasting: Lasting,
}

impl Scenario {
    /// Its name, as on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Scenario::Pairs(_) => "pairs",
            Scenario::Fanout(_) => "fanout",
            Scenario::Offline(_) => "offline",
            Scenario::Idle(_) => "idle",
            Scenario::Churn(_) => "churn",
            Scenario::Cycle(_) => "cycle",
            Scenario::Storm(_) => "storm",
            Scenario::Abuse(_) => "abuse",
            Scenario::Compare(_) => "compare",
        }
    }

    /// How many members take part.
    pub fn members(&self) -> u32 {
        match self {
            Scenario::Pairs(Pairs { members, .. })
            | Scenario::Fanout(Fanout { members, .. })
            | Scenario::Offline(Offline { members, .. })
            | Scenario::Idle(Idle { members, .. })
            | Scenario::Churn(Churn { members, .. })
            | Scenario::Cycle(Cycle { members, .. })
            | Scenario::Storm(Storm { members, .. })
            | Scenario::Abuse(Abuse { members, .. }) => *members,
            Scenario::Compare(_) => 0,
        }
    }

    /// How many members belong together: pairs, or groups.
    pub(crate) fn unit(&self) -> u32 {
        match self {
            Scenario::Fanout(Fanout { group, .. }) | Scenario::Cycle(Cycle { group, .. }) => *group,
            _ => 2,
        }
    }

    pub(super) fn why_unit(&self) -> String {
        match self.unit() {
            2 => "an odd number, and they go in pairs".to_owned(),
            unit => format!("not a multiple of the {unit} members of a group (--group)"),
        }
    }

    /// The size of its messages.
    pub(crate) fn size(&self) -> Option<Size> {
        match self {
            Scenario::Pairs(Pairs { size, .. })
            | Scenario::Fanout(Fanout { size, .. })
            | Scenario::Offline(Offline { size, .. })
            | Scenario::Idle(Idle { size, .. })
            | Scenario::Churn(Churn { size, .. })
            | Scenario::Cycle(Cycle { size, .. })
            | Scenario::Storm(Storm { size, .. })
            | Scenario::Abuse(Abuse { size, .. }) => Some(*size),
            Scenario::Compare(_) => None,
        }
    }

    /// How long it lasts; `None` where the scenario knows by itself.
    pub(crate) fn lasting(&self) -> Option<Lasting> {
        match self {
            Scenario::Idle(Idle { lasting, .. }) | Scenario::Abuse(Abuse { lasting, .. }) => Some(*lasting),
            Scenario::Pairs(Pairs { until, .. })
            | Scenario::Fanout(Fanout { until, .. })
            | Scenario::Churn(Churn { until, .. })
            | Scenario::Cycle(Cycle { until, .. }) => Some(until.lasting),
            Scenario::Offline(_) | Scenario::Storm(_) | Scenario::Compare(_) => None,
        }
    }

    /// How many messages are posted at most.
    pub(crate) fn messages(&self) -> Option<u64> {
        match self {
            Scenario::Pairs(Pairs { until, .. })
            | Scenario::Fanout(Fanout { until, .. })
            | Scenario::Churn(Churn { until, .. })
            | Scenario::Cycle(Cycle { until, .. }) => until.messages,
            Scenario::Idle(_) | Scenario::Abuse(_) | Scenario::Offline(_) | Scenario::Storm(_) | Scenario::Compare(_) => None,
        }
    }

    /// How long a drain may be silent.
    pub(crate) fn drain(&self) -> Duration {
        match self {
            Scenario::Offline(Offline { drain, .. }) | Scenario::Storm(Storm { drain, .. }) => *drain,
            _ => self.lasting().map_or(Duration::ZERO, |lasting| lasting.drain),
        }
    }

    /// Whether TLS sessions are resumed.
    pub(crate) fn resumes(&self) -> bool {
        matches!(self, Scenario::Churn(Churn { resume: true, .. }) | Scenario::Storm(Storm { resume: true, .. }))
    }
}

/// The longest time that can be asked for: beyond it sums of times would not fit.
const TIME_MAX: f64 = 1e9;

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    if number > TIME_MAX {
        return Err(format!("at most {TIME_MAX:e} seconds"));
    }
    Duration::try_from_secs_f64(number).map_err(|e| e.to_string())
}

fn pulse(text: &str) -> Result<Duration, String> {
    let pulse = seconds(text)?;
    if pulse < IDLE_TIMEOUT { Ok(pulse) } else { Err(format!("less than the relay's patience of {} s", IDLE_TIMEOUT.as_secs())) }
}

fn factor(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    if (0.001..=1e6).contains(&number) { Ok(number) } else { Err("from 0.001 to 1000000".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_within_their_range_and_vary() {
        let size: Size = "100..103".parse().unwrap();
        let found: std::collections::BTreeSet<u32> = (0..100).map(|order| size.of(7, order)).collect();
        assert_eq!(found, (100..=103).collect());
        assert_eq!("64".parse(), Ok(Size { least: 64, most: 64 }));
        for wrong in ["", "x", "9..1", "1..", "-1"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
