//! From numbers to the summary.

use std::collections::BTreeMap;

use mnm::base::{Mono, Wall};

use crate::acts::{Act, Acts, Mark};
use crate::cli::{Options, Scenario};
use crate::settings;
use crate::summary::{DiskSum, Sample, Summary, Usage, UsageSum};
use crate::tally::Tally;
use crate::usage::Reading;

/// All that a summary is made of besides the tally.
pub(crate) struct Sums<'a> {
    pub(crate) options: &'a Options,
    pub(crate) began: Wall,
    /// Before the first connect.
    pub(crate) first: Reading,
    pub(crate) acts: &'a Acts,
    /// Logins up to the first post and up to the last.
    pub(crate) logins: [u64; 2],
    pub(crate) extra: BTreeMap<String, f64>,
    pub(crate) samples: Vec<Sample>,
}

/// What a test is about: what its rates are rates of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// Messages, from the first post on.
    Messages,
    /// Messages, and deliveries only from when the absent come.
    Backlogs,
    /// Logins.
    Logins,
    /// Links that do nothing; the few messages come at the end.
    Links,
}

fn about(scenario: &Scenario) -> About {
    match scenario {
        Scenario::Pairs(_) | Scenario::Fanout(_) | Scenario::Cycle(_) | Scenario::Abuse(_) => About::Messages,
        Scenario::Offline(_) => About::Backlogs,
        Scenario::Churn(_) | Scenario::Storm(_) => About::Logins,
        Scenario::Idle(_) | Scenario::Compare(_) => About::Links,
    }
}

/// Adds what one thread's play has counted: counts add up, and of times (by name) the longest counts.
pub(crate) fn add_extra(extra: &mut BTreeMap<String, f64>, more: Vec<(&'static str, f64)>) {
    for (name, value) in more {
        let sum = extra.entry(name.to_owned()).or_default();
        let is_time = name.contains("seconds") || name.contains("_us_") || name.ends_with("_each") || name == "storms";
        *sum = if is_time { sum.max(value) } else { *sum + value };
    }
}

impl Sums<'_> {
    pub(crate) fn summary(self, tally: Tally) -> Summary {
        let mark = |act| self.acts.done(act).unwrap_or_default();
        let [ready, posted, drained, over] = [Act::Ready, Act::Posted, Act::Drained, Act::Over].map(mark);
        let seconds = |from: Mono, to: Mono| to.since(from).as_secs_f64();
        let rate = |count: u64, from: Mono, to: Mono| if count == 0 { 0.0 } else { count as f64 / seconds(from, to).max(1e-9) };
        let scenario = &self.options.scenario;
        let about = about(scenario);
        let posts_from = if about == About::Links { posted.at } else { ready.at };
        let deliveries_from = match about {
            About::Messages | About::Logins => ready.at,
            About::Backlogs | About::Links => posted.at,
        };
        let logins_in_test = self.logins[1] - self.logins[0];
        let logins_per_second = match (about, self.extra.get("seconds_until_all_are_back_mean")) {
            // The pauses between storms do not count.
            (About::Logins, Some(mean)) => f64::from(scenario.members()) / mean.max(1e-9),
            (About::Logins, None) => rate(logins_in_test, ready.at, posted.at),
            (About::Messages, _) if logins_in_test > 0 => rate(logins_in_test, ready.at, posted.at),
            _ => rate(self.logins[0], Mono::default(), ready.at),
        };
        let per = match about {
            About::Messages | About::Backlogs => Per { messages: tally.counts.acked, deliveries: tally.counts.delivered, logins: 0 },
            About::Logins => Per { logins: logins_in_test, ..Per::default() },
            About::Links => Per::default(),
        };
        let (counts, deliveries) = (tally.counts, rate(tally.counts.delivered, deliveries_from, tally.last_delivery));
        Summary {
            scenario: scenario.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            began: self.began.to_rfc3339(),
            address: self.options.relay.addr.clone(),
            settings: settings::of(self.options),
            members: scenario.members(),
            threads: self.options.links.threads,
            size: scenario.size().map_or(0, |size| size.mean()),
            gather_seconds: seconds(Mono::default(), ready.at),
            post_seconds: seconds(ready.at, posted.at),
            drain_seconds: seconds(posted.at, drained.at),
            acked_per_second: rate(counts.acked, posts_from, tally.last_ack),
            delivered_per_second: deliveries,
            delivered_mb_per_second: rate(tally.octets, deliveries_from, tally.last_delivery) / 1e6,
            logins: tally.logins,
            logins_per_second,
            counts,
            post_to_ack_us: tally.to_ack.latency(),
            post_to_delivery_us: tally.to_delivery.latency(),
            login_us: tally.to_login.latency(),
            relay: self.relay_sum(&[ready, posted, drained, over], per),
            disk: self.disk_sum(&over),
            tester: {
                let usages = [self.first.tester, ready.reading.tester, drained.reading.tester, over.reading.tester];
                usage_sum(usages, self.samples.iter().map(|sample| sample.tester.rss_bytes), per)
            },
            extra: self.extra,
            samples: self.samples,
            notes: tally.into_notes(),
        }
    }

    fn relay_sum(&self, [ready, _, drained, over]: &[Mark; 4], per: Per) -> Option<UsageSum> {
        // A relay that was restarted has another pid, and ends the sampling.
        let first = self.first.relay?;
        let last_sample = self.samples.iter().rev().find_map(|sample| sample.relay);
        let or_last = |usage: Option<Usage>| usage.or(last_sample).unwrap_or(first);
        let usages = [first, or_last(ready.reading.relay), or_last(drained.reading.relay), or_last(over.reading.relay)];
        Some(usage_sum(usages, self.samples.iter().filter_map(|sample| sample.relay).map(|relay| relay.rss_bytes), per))
    }

    fn disk_sum(&self, over: &Mark) -> Option<DiskSum> {
        let first_bytes = self.first.disk_bytes?;
        let last_bytes = over.reading.disk_bytes?;
        let most = self.samples.iter().filter_map(|sample| sample.disk_bytes).chain([first_bytes, last_bytes]).max();
        Some(DiskSum { first_bytes, max_bytes: most.unwrap_or(0), last_bytes })
    }
}

/// What processor time is divided by; 0 where that would say nothing.
#[derive(Clone, Copy, Default)]
struct Per {
    messages: u64,
    deliveries: u64,
    logins: u64,
}

fn usage_sum([first, ready, drained, over]: [Usage; 4], sampled: impl Iterator<Item = u64>, per: Per) -> UsageSum {
    let in_test = (drained.cpu_seconds - ready.cpu_seconds).max(0.0);
    let for_each = |count: u64| if count == 0 { 0.0 } else { in_test * 1e6 / count as f64 };
    let marks = [first, ready, drained, over].map(|usage| usage.rss_bytes);
    UsageSum {
        rss_first_bytes: first.rss_bytes,
        rss_max_bytes: sampled.chain(marks).max().unwrap_or(0),
        rss_last_bytes: over.rss_bytes,
        cpu_seconds: (over.cpu_seconds - first.cpu_seconds).max(0.0),
        cpu_us_per_message: for_each(per.messages),
        cpu_us_per_delivery: for_each(per.deliveries),
        cpu_us_per_login: for_each(per.logins),
        written_bytes: over.written_bytes.zip(first.written_bytes).map(|(last, first)| last.saturating_sub(first)),
    }
}
