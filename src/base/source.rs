//! Where somebody comes from, for counting.

use core::net::{IpAddr, Ipv6Addr};

/// One address, or a network that one party has as a whole: a /64 of IPv6. Those who come through a socket in the file system are one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Source(Option<Ipv6Addr>);

impl Source {
    /// The source of an address.
    pub fn of(from: Option<IpAddr>) -> Source {
        Source(from.map(|address| match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64),
        }))
    }

    /// Whether that is this machine: programs beside the relay, among them proxies, behind which everybody has the same address.
    pub fn is_own(from: Option<IpAddr>) -> bool {
        from.is_none_or(|address| address.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_source() {
        let of = |text: &str| Source::of(Some(text.parse().unwrap()));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert!(of("2001:db8::1") != of("2001:db8:0:1::1") && of("10.0.0.1") != of("10.0.0.2") && of("::1") != Source::of(None));
        let own = |text: &str| Source::is_own(Some(text.parse().unwrap()));
        assert!(own("127.0.0.9") && own("::1") && own("::ffff:127.0.0.1") && Source::is_own(None) && !own("192.0.2.1") && !own("::2"));
    }
}
