//! Invite codes: short enough for a card, hard to guess, hard to mistype.

use std::fmt;

use sha2::{Digest, Sha256};

use super::Entropy;

/// The characters of a code: letters and digits that are not easily taken for others. Their values are their places.
pub const CODE_ALPHABET: &[u8; 23] = b"3479ACDEFGHJKMNPQRTUWXY";
/// Characters of a code, the last of them its check.
pub const CODE_CHARS: usize = 15;

/// Characters of a code between two hyphens.
const GROUP_CHARS: usize = 5;
/// How many values a character has.
const BASE: u64 = CODE_ALPHABET.len() as u64;
/// How many codes there are: as many as ways to choose all characters but the check.
const CODES: u64 = BASE.pow(CODE_CHARS as u32 - 1);
/// What a check character weighs, turned round: 15 × 20 = 1 modulo 23.
const INVERSE_OF_LAST: u64 = 20;

const _: () = assert!(CODE_CHARS as u64 * INVERSE_OF_LAST % BASE == 1);
const _: () = assert!(CODES > u64::MAX / 2, "a random number is a code more often than not");

/// A code that is well-formed: its check character fits. Whoever has it may register, so `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InviteCode([u8; CODE_CHARS]);

impl InviteCode {
    /// A fresh code of 63 random bits.
    pub fn random(entropy: &mut dyn Entropy) -> InviteCode {
        // A number beyond the last code is drawn again: its remainder would make some codes likelier than others.
        loop {
            let mut octets = [0; 8];
            entropy.fill(&mut octets);
            let number = u64::from_be_bytes(octets);
            if number < CODES {
                return InviteCode::numbered(number);
            }
        }
    }

    /// Reads what somebody typed; `None` if it has a typing error.
    pub fn parse(text: &str) -> Option<InviteCode> {
        let mut typed = text.bytes().filter(|octet| !matches!(octet, b' ' | b'-')).map(|octet| octet.to_ascii_uppercase());
        let mut chars = [0; CODE_CHARS];
        for place in &mut chars {
            *place = typed.next()?;
        }
        let fits = typed.next().is_none() && sum(&chars)? == 0;
        fits.then_some(InviteCode(chars))
    }

    /// What the relay keeps of it: SHA-256 of its 15 characters. One hash suffices: there are 63 random bits to guess.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The code whose first characters are the digits of a number below [`CODES`].
    fn numbered(number: u64) -> InviteCode {
        let mut chars = [CODE_ALPHABET[0]; CODE_CHARS];
        let mut rest = number;
        for place in chars[..CODE_CHARS - 1].iter_mut().rev() {
            *place = CODE_ALPHABET[(rest % BASE) as usize];
            rest /= BASE;
        }
        // The check still has the value 0, so this is the sum of the others, which it must bring to 0.
        let others = sum(&chars).expect("these characters are from the alphabet");
        chars[CODE_CHARS - 1] = CODE_ALPHABET[((BASE - others) * INVERSE_OF_LAST % BASE) as usize];
        InviteCode(chars)
    }
}

/// The sum of (position × value) modulo 23, positions from 1; `None` if a character is not from the alphabet.
fn sum(chars: &[u8; CODE_CHARS]) -> Option<u64> {
    chars.iter().zip(1..).try_fold(0, |sum, (char, position)| {
        let value = CODE_ALPHABET.iter().position(|known| known == char)?;
        Some((sum + position * value as u64) % BASE)
    })
}

impl fmt::Display for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.0.chunks(GROUP_CHARS).enumerate() {
            let hyphen = if at > 0 { "-" } else { "" };
            write!(f, "{hyphen}{}", std::str::from_utf8(group).expect("the alphabet is ASCII"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64: the same numbers every time, and even enough for statistics.
    struct Mix(u64);

    impl Entropy for Mix {
        fn fill(&mut self, out: &mut [u8]) {
            for octets in out.chunks_mut(8) {
                self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = self.0;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                octets.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..octets.len()]);
            }
        }
    }

    /// Gives these numbers, one a call.
    struct Numbers(std::vec::IntoIter<u64>);

    impl Entropy for Numbers {
        fn fill(&mut self, out: &mut [u8]) {
            out.copy_from_slice(&self.0.next().expect("no more is asked for").to_be_bytes());
        }
    }

    fn random_codes(number: usize) -> Vec<InviteCode> {
        let mut entropy = Mix(23);
        (0..number).map(|_| InviteCode::random(&mut entropy)).collect()
    }

    fn parse_chars(chars: &[u8]) -> Option<InviteCode> {
        InviteCode::parse(std::str::from_utf8(chars).unwrap())
    }

    #[test]
    fn codes_are_these() {
        for (number, text) in [
            (0, "33333-33333-33333"),
            (1, "33333-33333-3334U"),
            (22, "33333-33333-333YA"),
            (23, "33333-33333-3343Q"),
            (504_036_361_936_467_383, "43333-33333-33339"),
            (23_952_141_166_402_375, "3479A-CDEFG-HJKMQ"),
            (6_108_388_007_762_921_284, "K7QXA-9TMDW-4RHU7"),
            (11_592_836_324_538_749_808, "YYYYY-YYYYY-YYYYE"),
        ] {
            let code = InviteCode::numbered(number);
            assert_eq!(code.to_string(), text);
            assert_eq!(InviteCode::parse(text), Some(code), "{text}");
        }
    }

    #[test]
    fn typing_errors_are_noticed() {
        for code in random_codes(1000) {
            for place in 0..CODE_CHARS {
                for &other in CODE_ALPHABET.iter().filter(|&&other| other != code.0[place]) {
                    let mut wrong = code.0;
                    wrong[place] = other;
                    assert_eq!(parse_chars(&wrong), None, "{code} with {} in place {place}", other as char);
                }
                for partner in (0..place).filter(|&partner| code.0[partner] != code.0[place]) {
                    let mut wrong = code.0;
                    wrong.swap(place, partner);
                    assert_eq!(parse_chars(&wrong), None, "{code} with places {place} and {partner} swapped");
                }
            }
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        for code in random_codes(1000) {
            assert_eq!(InviteCode::parse(&code.to_string()), Some(code));
            assert_eq!(parse_chars(&code.0), Some(code));
            assert_eq!(parse_chars(&code.0.map(|char| char.to_ascii_lowercase())), Some(code));
        }
        let code = InviteCode::parse("K7QXA-9TMDW-4RHU7");
        for text in ["k7qxa9tmdw4rhu7", "K7qxa 9Tmdw 4Rhu7", "  --K7QXA-9TMDW-4RHU7- ", "K 7 Q X A 9 T M D W 4 R H U 7"] {
            assert_eq!(InviteCode::parse(text), code, "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_code() {
        let others = [
            "",
            "-",
            "K7QXA-9TMDW-4RHU",
            "K7QXA-9TMDW-4RHU77",
            "3K7QXA-9TMDW-4RHU7",
            "K7QXA_9TMDW_4RHU7",
            "K7QXA-9TMDW-4RHU7\n",
            "K7QXA\u{2010}9TMDW\u{2010}4RHU7",
            "K7QXA\u{a0}9TMDW\u{a0}4RHU7",
            "\u{212a}7QXA-9TMDW-4RHU7",
            "\u{ff2b}7QXA-9TMDW-4RHU7",
        ];
        for text in others {
            assert_eq!(InviteCode::parse(text), None, "{text:?}");
        }
        // What is left out of the alphabet stays out, whatever the sum would be.
        for odd in
            (0..=u8::MAX).filter(u8::is_ascii).filter(|odd| !b" -".contains(odd) && !CODE_ALPHABET.contains(&odd.to_ascii_uppercase()))
        {
            for last in CODE_ALPHABET {
                let mut chars = *b"3333333_3333333";
                (chars[7], chars[14]) = (odd, *last);
                assert_eq!(parse_chars(&chars), None, "{:?}", odd as char);
            }
        }
    }

    #[test]
    fn every_code_is_as_likely() {
        // Beyond the last code nothing is folded back: the number is drawn again.
        let code = InviteCode::random(&mut Numbers(vec![u64::MAX, CODES, CODES - 1].into_iter()));
        assert_eq!(code, InviteCode::numbered(CODES - 1));
        assert_eq!(InviteCode::random(&mut Numbers(vec![0].into_iter())), InviteCode::numbered(0));
        // Each of 23 characters is expected 1000 times in each of 15 places, give or take 31; six times that never happens by chance.
        let mut counts = [[0_u32; 23]; CODE_CHARS];
        for code in random_codes(23_000) {
            for (place, char) in code.0.iter().enumerate() {
                counts[place][CODE_ALPHABET.iter().position(|known| known == char).unwrap()] += 1;
            }
        }
        for (place, counts) in counts.iter().enumerate() {
            for (value, &count) in counts.iter().enumerate() {
                assert!(count.abs_diff(1000) < 6 * 31, "value {value} comes {count} times in place {place}");
            }
        }
    }

    #[test]
    fn digests_are_of_the_plain_capitals() {
        let code = InviteCode::parse("k7qxa-9tmdw-4rhu7").unwrap();
        let digest = data_encoding::HEXLOWER.encode(&code.digest());
        assert_eq!(digest, "3d79c8b39b4e550b9ab22775a8ba1e3e71bd946d5d3c74e06c4175e80c2c3656");
        assert_eq!(code.digest(), <[u8; 32]>::from(Sha256::digest("K7QXA9TMDW4RHU7")));
    }

    #[test]
    fn codes_do_not_print_by_accident() {
        let code = InviteCode::parse("K7QXA-9TMDW-4RHU7").unwrap();
        assert_eq!(format!("{code:?}"), "InviteCode(hidden)");
        assert_eq!(format!("{:?}", Some(code)), "Some(InviteCode(hidden))");
    }
}
