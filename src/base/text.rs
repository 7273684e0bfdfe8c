//! Base32 in TMTP's own alphabet.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

/// The 32 symbols of TMTP ids: `%+`, the digits 1-9 and the consonants. No vowels, so no words.
pub const BASE32_ALPHABET: &str = "%+123456789BCDFGHJKLMNPQRSTVWXYZ";

static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str(BASE32_ALPHABET);
    specification.encoding().expect("32 distinct symbols make a base32 encoding")
});

/// Writes octets in base32 without padding: 8 characters for 5 octets.
pub fn base32_encode(bytes: &[u8]) -> String {
    BASE32.encode(bytes)
}

/// Reads base32; `None` for a foreign character, an impossible length or trailing bits that are set.
pub fn base32_decode(text: &str) -> Option<Vec<u8>> {
    BASE32.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_order_is_most_significant_first() {
        assert_eq!(base32_encode(&[0; 5]), "%%%%%%%%");
        assert_eq!(base32_encode(&[0xff; 5]), "ZZZZZZZZ");
        assert_eq!(base32_encode(&[0, 0, 0, 0, 1]), "%%%%%%%+");
        assert_eq!(base32_encode(&[8, 0, 0, 0, 0]), "+%%%%%%%");
        assert_eq!(base32_decode("+%%%%%%%"), Some(vec![8, 0, 0, 0, 0]));
        assert_eq!(base32_decode("0%%%%%%%"), None);
        assert_eq!(base32_decode("a"), None);
    }
}
