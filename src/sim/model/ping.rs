//! First words to somebody whose alias one knows, and how many there may be.

use serde_json::json;

use super::{Done, Fan, Model, Nanos, NodeNo, Outcome, Refusal, UserNo};
use crate::sim::ask::Part;

const DAY: u64 = 86_400;

/// Pings of a user, in seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// When they were accepted.
    pub accepted: Vec<u64>,
    /// When they failed, since one was accepted.
    pub failed: Vec<u64>,
}

impl Tally {
    /// Those of the last 24 hours. What seems to come, because the clock was put back, counts as of now.
    pub fn recent(list: &[u64], now: Nanos) -> Vec<u64> {
        let now = seconds(now);
        list.iter().map(|at| *at.min(&now)).filter(|at| at + DAY > now).collect()
    }
}

fn seconds(at: Nanos) -> u64 {
    at / 1_000_000_000
}

impl Model {
    /// Who has an alias, for somebody who may ask and whom that user lets through. A failure counts.
    pub(super) fn reach(&mut self, user: UserNo, alias: &str) -> Result<UserNo, Refusal> {
        let (now, most) = (self.now, self.settings.quotas.failed_pings);
        let accepted = Tally::recent(&self.users[user].tally.accepted, now);
        let mut failed = Tally::recent(&self.users[user].tally.failed, now);
        if failed.len() >= most {
            return Err(Refusal::Until(format!("{most} pings in a row have failed, try again after ")));
        }
        let found = self.owner_for(user, alias);
        if found.is_err() {
            failed.push(seconds(now));
            self.users[user].tally = Tally { accepted, failed };
        }
        found
    }

    pub(super) fn ping(&mut self, user: UserNo, node: NodeNo, from: Option<&str>, to: &str, text: &Part) -> Outcome {
        let (now, quotas) = (self.now, &self.settings.quotas);
        let (most, most_failed) = (quotas.pings, quotas.failed_pings);
        let mut accepted = Tally::recent(&self.users[user].tally.accepted, now);
        let failed = Tally::recent(&self.users[user].tally.failed, now);
        let is_false = from.is_some_and(|from| self.owner(from) != Some(user));
        if accepted.len() >= most || failed.len() >= most_failed {
            let words = if accepted.len() >= most {
                format!("ping limit of {most} in 24 hours is reached, try again after ")
            } else {
                format!("{most_failed} pings in a row have failed, try again after ")
            };
            return Err(if is_false { Refusal::Any } else { Refusal::Until(words) });
        }
        if is_false {
            let words = from.is_some_and(|from| self.owner(from).is_some());
            return Err(if words { Refusal::Words("from must identify sender".into()) } else { Refusal::Any });
        }
        let whom = self.reach(user, to)?;
        if self.is_full(whom) {
            return Err(Refusal::Full);
        }
        accepted.push(seconds(now));
        // One's own alias is no discovery.
        let failed = if whom == user { failed } else { Vec::new() };
        self.users[user].tally = Tally { accepted, failed };
        let mut header = json!({ "op": "ping", "to": to });
        if let Some(from) = from {
            header["alias"] = json!(from);
        }
        let fan = Fan { sure: self.nodes_of(whom), perhaps: self.others(node) };
        let message = self.post(user, header, text, &fan).0;
        self.use_alias(to);
        Done::posted(message)
    }
}
