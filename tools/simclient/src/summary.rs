//! What came out of a test, for people, for charts and for comparisons: the JSON file is this, field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many of what. The long help says what each means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the long help explains each by its name")]
pub struct Counts {
    pub sent: u64,
    pub acked: u64,
    pub delivered: u64,
    pub lost: u64,
    pub unanswered: u64,
    pub refused: u64,
    pub duplicated: u64,
    pub out_of_order: u64,
    pub corrupted: u64,
    pub unexpected: u64,
    pub dropped_links: u64,
    pub redelivered: u64,
    pub resent: u64,
    pub resent_twice: u64,
    pub stale: u64,
    pub reconnects: u64,
}

impl Counts {
    /// How often the relay broke a promise.
    pub fn faults(&self) -> u64 {
        self.by_name().filter(|(_, _, is_fault)| *is_fault).map(|(_, count, _)| count).sum()
    }

    /// All of them: name as people read it, count, and whether it is a fault.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64, bool)> {
        [
            ("sent", self.sent, false),
            ("acked", self.acked, false),
            ("delivered", self.delivered, false),
            ("redelivered", self.redelivered, false),
            ("resent", self.resent, false),
            ("resent twice", self.resent_twice, false),
            ("stale", self.stale, false),
            ("reconnects", self.reconnects, false),
            ("lost", self.lost, true),
            ("unanswered", self.unanswered, true),
            ("refused", self.refused, true),
            ("duplicated", self.duplicated, true),
            ("out of order", self.out_of_order, true),
            ("corrupted", self.corrupted, true),
            ("unexpected", self.unexpected, true),
            ("dropped links", self.dropped_links, true),
        ]
        .into_iter()
    }

    /// The counts of two parts of one test.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.sent += other.sent;
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.corrupted += other.corrupted;
        self.unexpected += other.unexpected;
        self.dropped_links += other.dropped_links;
        self.redelivered += other.redelivered;
        self.resent += other.resent;
        self.resent_twice += other.resent_twice;
        self.stale += other.stale;
        self.reconnects += other.reconnects;
    }
}

/// A distribution of latencies, all in microseconds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named as everywhere")]
pub struct Latency {
    pub count: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    /// The curve: (quantile from 0 to 1, microseconds), rising, denser towards 1. Empty if nothing was timed.
    pub curve: Vec<(f64, u64)>,
}

/// Median, 99th percentile and maximum of what was timed in one interval, in microseconds; all 0 if nothing was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named as everywhere")]
pub struct Recent {
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// What a process used, as the system tells it.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Resident memory, octets.
    pub rss_bytes: u64,
    /// Processor time since the process began, seconds: user and system.
    pub cpu_seconds: f64,
    /// Octets that it caused to be written to the disk since it began, if the system tells.
    pub written_bytes: Option<u64>,
}

/// One moment of the test; rates and latencies are those since the moment before.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Since the test began.
    pub seconds: f64,
    /// `connecting`, `posting`, `draining`, or another word of the scenario's.
    pub phase: String,
    /// Members who are logged in.
    pub online: u64,
    /// Acks a second.
    pub acked_per_second: f64,
    /// First deliveries a second.
    pub delivered_per_second: f64,
    /// Logins a second, registrations included.
    pub logins_per_second: f64,
    /// From a post to its ack.
    pub post_to_ack_us: Recent,
    /// From a post to its first delivery.
    pub post_to_delivery_us: Recent,
    /// From the connect to the answer to the login.
    pub login_us: Recent,
    /// Faults so far.
    pub faults: u64,
    /// The relay, with --pid.
    pub relay: Option<Usage>,
    /// Octets that its data directory takes of the disk, with --data.
    pub disk_bytes: Option<u64>,
    /// This tester.
    pub tester: Usage,
}

/// A process over the whole test.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct UsageSum {
    /// Resident memory before the first link, octets.
    pub rss_first_bytes: u64,
    /// The most, as sampled.
    pub rss_max_bytes: u64,
    /// At the end, with everybody gone.
    pub rss_last_bytes: u64,
    /// Processor time in the test, seconds.
    pub cpu_seconds: f64,
    /// The same from the first post to the last delivery, for each message acked, in microseconds; 0 if the test is not about messages.
    pub cpu_us_per_message: f64,
    /// The same for each message delivered.
    #[serde(default)]
    pub cpu_us_per_delivery: f64,
    /// The same for each login, where the test is about logins.
    #[serde(default)]
    pub cpu_us_per_login: f64,
    /// Octets written to the disk in the test, if the system tells.
    pub written_bytes: Option<u64>,
}

/// What the data directory took of the disk, octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "as in UsageSum")]
pub struct DiskSum {
    pub first_bytes: u64,
    pub max_bytes: u64,
    pub last_bytes: u64,
}

/// What came out of a test.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The version of the load tester.
    pub version: String,
    /// When the test began: RFC 3339, UTC.
    pub began: String,
    /// Where the relay is.
    pub address: String,
    /// What was asked for: option and value.
    pub settings: BTreeMap<String, String>,
    /// Members, each with an account.
    pub members: u32,
    /// Threads they were shared out to.
    pub threads: u32,
    /// Octets of each message; the mean, where they differ.
    pub size: usize,
    /// From the first connect until all was ready for the first post, in seconds.
    pub gather_seconds: f64,
    /// From the first post to the last, in seconds.
    pub post_seconds: f64,
    /// From the last post until all was delivered, in seconds.
    pub drain_seconds: f64,
    /// Acks a second, from the first post to the last ack.
    pub acked_per_second: f64,
    /// Deliveries a second, from the first post (with absent recipients: from when they come) to the last delivery.
    pub delivered_per_second: f64,
    /// Octets of payload delivered a second, in units of 1,000,000.
    pub delivered_mb_per_second: f64,
    /// Logins, registrations included.
    pub logins: u64,
    /// Logins a second: in the test, where members come and go in it, else before it.
    pub logins_per_second: f64,
    /// The counts.
    pub counts: Counts,
    /// From a post to its ack.
    pub post_to_ack_us: Latency,
    /// From a post to its first delivery.
    pub post_to_delivery_us: Latency,
    /// From the connect to the answer to the login, TLS included.
    pub login_us: Latency,
    /// What a scenario counts beside all this, by name.
    pub extra: BTreeMap<String, f64>,
    /// The relay's process, with --pid.
    pub relay: Option<UsageSum>,
    /// Its data directory, with --data.
    pub disk: Option<DiskSum>,
    /// This tester's process.
    pub tester: UsageSum,
    /// Once a second.
    pub samples: Vec<Sample>,
    /// The first few odd things that happened, in words.
    pub notes: Vec<String>,
}
