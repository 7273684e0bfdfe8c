//! Invite codes: short enough for a card, hard to guess, hard to mistype.

use std::fmt;

use super::Entropy;

/// The characters of a code: letters and digits that are not easily taken for others. Their values are their places.
pub const CODE_ALPHABET: &[u8; 23] = b"3479ACDEFGHJKMNPQRTUWXY";
/// Characters of a code, the last of them its check.
pub const CODE_CHARS: usize = 15;

/// A code that is well-formed: its check character fits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InviteCode([u8; CODE_CHARS]);

impl InviteCode {
    /// A fresh code of 63 random bits.
    pub fn random(_entropy: &mut dyn Entropy) -> InviteCode {
        todo!()
    }

    /// Reads what somebody typed; `None` if it has a typing error.
    pub fn parse(_text: &str) -> Option<InviteCode> {
        todo!()
    }

    /// What the relay keeps of it: SHA-256 of its 15 characters.
    pub fn digest(&self) -> [u8; 32] {
        todo!()
    }
}

impl fmt::Display for InviteCode {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(hidden)")
    }
}
