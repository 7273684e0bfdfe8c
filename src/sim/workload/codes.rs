//! Codes that people type, and where from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sim::prng::Prng;

const ALPHABET: &[u8; 23] = b"3479ACDEFGHJKMNPQRTUWXY";

/// One of a few addresses: two of them are one /64.
pub(in crate::sim) fn address(prng: &mut Prng) -> IpAddr {
    let six = |net, host| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, net, 0, 0, 0, host));
    let four = |host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
    *prng.pick(&[four(1), four(2), six(1, 1), six(1, 2), six(2, 1)])
}

/// What somebody types who was given one of these codes; so many of a hundred get it wrong.
pub(in crate::sim) fn code(known: &[String], wrong: u64, prng: &mut Prng) -> String {
    let told = if known.is_empty() || prng.chance(wrong, 300) { guess(prng) } else { prng.pick(known).clone() };
    let mut typed: Vec<char> = match prng.roll(4) {
        0 => told.to_ascii_lowercase().chars().collect(),
        1 => told.chars().filter(|c| *c != '-').collect(),
        2 => told.replace('-', " ").chars().collect(),
        _ => told.chars().collect(),
    };
    if prng.chance(wrong, 200) {
        let at = prng.index(typed.len());
        match prng.roll(3) {
            0 => _ = typed.pop(),
            1 => typed[at] = 'B',
            _ => typed[at] = char::from(*prng.pick(ALPHABET)),
        }
    }
    typed.into_iter().collect()
}

/// A code without typing error that nobody made.
fn guess(prng: &mut Prng) -> String {
    let mut values: Vec<usize> = (0..14).map(|_| prng.index(23)).collect();
    let sum: usize = values.iter().enumerate().map(|(at, value)| (at + 1) * value).sum();
    // 20 is what 15 has to be multiplied with to give 1, modulo 23.
    values.push((23 - sum % 23) * 20 % 23);
    let text: String = values.iter().map(|value| char::from(ALPHABET[*value])).collect();
    format!("{}-{}-{}", &text[..5], &text[5..10], &text[10..])
}
