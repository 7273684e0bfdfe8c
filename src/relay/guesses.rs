//! Wrong invite codes, by where they come from. Never stored: a restart is not in the hands of who guesses.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;

use crate::base::Mono;
use crate::limits::{WRONG_CODE_ADDRESSES, WRONG_CODE_MEMORY};

/// One address, or a network that one party has as a whole: a /64 of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Source(Option<Ipv6Addr>);

impl Source {
    fn of(from: Option<IpAddr>) -> Source {
        Source(from.map(|address| match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64),
        }))
    }
}

/// When wrong codes came, by source: at most as many as are heard.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    at: BTreeMap<Source, Vec<Mono>>,
}

impl Guesses {
    /// Whether another code is heard from there.
    pub(super) fn hears(&self, from: Option<IpAddr>, most: usize, now: Mono) -> bool {
        let counts = |at: &&Mono| now.since(**at) < WRONG_CODE_MEMORY;
        self.at.get(&Source::of(from)).is_none_or(|at| at.iter().filter(counts).count() < most)
    }

    /// A wrong code came from there.
    pub(super) fn note(&mut self, from: Option<IpAddr>, now: Mono) {
        let source = Source::of(from);
        if !self.at.contains_key(&source) && self.at.len() >= WRONG_CODE_ADDRESSES {
            self.make_room(now);
        }
        let at = self.at.entry(source).or_default();
        at.retain(|at| now.since(*at) < WRONG_CODE_MEMORY);
        at.push(now);
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
            guesses.note(from("10.0.0.1"), at(n));
        }
        assert!(!guesses.hears(from("10.0.0.1"), 3, at(3599)) && !guesses.hears(from("::ffff:10.0.0.1"), 3, at(10)));
        assert!(guesses.hears(from("10.0.0.2"), 3, at(10)) && guesses.hears(None, 3, at(10)));
        assert!(guesses.hears(from("10.0.0.1"), 3, at(3600)));
        guesses.note(from("2001:db8::1"), at(0));
        assert!(!guesses.hears(from("2001:db8::ffff:2"), 1, at(1)) && guesses.hears(from("2001:db8:0:1::1"), 1, at(1)));
    }

    #[test]
    fn many_sources_take_no_more_memory_than_some() {
        let mut guesses = Guesses::default();
        for n in 0..3 * WRONG_CODE_ADDRESSES as u32 {
            guesses.note(Some(IpAddr::V4(n.into())), Mono(u64::from(n)));
            assert!(guesses.at.len() <= WRONG_CODE_ADDRESSES);
        }
        let last = 3 * WRONG_CODE_ADDRESSES as u32;
        assert!(!guesses.hears(Some(IpAddr::V4((last - 1).into())), 1, Mono(u64::from(last))), "the newest are remembered");
    }
}
