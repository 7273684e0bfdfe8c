//! Wrong invite codes and failed logins, by where they come from. Never stored: a restart is not in the hands of who guesses.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::base::{Mono, Source};
use crate::limits::{WRONG_CODE_ADDRESSES, WRONG_CODE_MEMORY};

/// When wrong guesses came, by source: at most as many as count.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    at: BTreeMap<Source, Vec<Mono>>,
}

impl Guesses {
    /// Whether another guess is heard from there.
    pub(super) fn hears(&self, from: Option<IpAddr>, most: usize, now: Mono) -> bool {
        self.count(from, now) < most
    }

    /// How many came from there in the last hour.
    pub(super) fn count(&self, from: Option<IpAddr>, now: Mono) -> usize {
        let counts = |at: &&Mono| now.since(**at) < WRONG_CODE_MEMORY;
        self.at.get(&Source::of(from)).map_or(0, |at| at.iter().filter(counts).count())
    }

    /// A wrong one came from there. Of more than `most` the oldest are forgotten.
    pub(super) fn note(&mut self, from: Option<IpAddr>, most: usize, now: Mono) {
        let source = Source::of(from);
        if !self.at.contains_key(&source) && self.at.len() >= WRONG_CODE_ADDRESSES {
            self.make_room(now);
        }
        let at = self.at.entry(source).or_default();
        at.retain(|at| now.since(*at) < WRONG_CODE_MEMORY);
        at.push(now);
        at.drain(..at.len().saturating_sub(most));
    }

    /// Forgets sources whose time is over, or else the one that was quiet for the longest.
    fn make_room(&mut self, now: Mono) {
        self.at.retain(|_, at| at.last().is_some_and(|last| now.since(*last) < WRONG_CODE_MEMORY));
        if self.at.len() >= WRONG_CODE_ADDRESSES {
            let quiet = self.at.iter().min_by_key(|(_, at)| at.last().copied()).map(|(source, _)| *source);
            quiet.and_then(|source| self.at.remove(&source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_heard_so_often_in_an_hour() {
        let mut guesses = Guesses::default();
        let from = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let at = |seconds: u64| Mono(seconds * 1_000_000_000);
        for n in 0..3 {
            assert!(guesses.hears(from("10.0.0.1"), 3, at(n)));
            guesses.note(from("10.0.0.1"), 3, at(n));
        }
        assert!(!guesses.hears(from("10.0.0.1"), 3, at(3599)) && !guesses.hears(from("::ffff:10.0.0.1"), 3, at(10)));
        assert!(guesses.hears(from("10.0.0.2"), 3, at(10)) && guesses.hears(None, 3, at(10)));
        assert!(guesses.hears(from("10.0.0.1"), 3, at(3600)));
        guesses.note(from("2001:db8::1"), 1, at(0));
        assert!(!guesses.hears(from("2001:db8::ffff:2"), 1, at(1)) && guesses.hears(from("2001:db8:0:1::1"), 1, at(1)));
    }

    #[test]
    fn many_sources_take_no_more_memory_than_some() {
        let mut guesses = Guesses::default();
        for n in 0..3 * WRONG_CODE_ADDRESSES as u32 {
            guesses.note(Some(IpAddr::V4(n.into())), 1, Mono(u64::from(n)));
            assert!(guesses.at.len() <= WRONG_CODE_ADDRESSES);
        }
        let last = 3 * WRONG_CODE_ADDRESSES as u32;
        assert!(!guesses.hears(Some(IpAddr::V4((last - 1).into())), 1, Mono(u64::from(last))), "the newest are remembered");
    }
}
