//! Newtypes for everything that names something.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Entropy, base32_decode, base32_encode};

/// Octets in a user's id (32 characters in base32).
pub const UID_BYTES: usize = 20;
/// Octets in a node's secret (200 bits, 40 characters in base32).
pub const NODE_SECRET_BYTES: usize = 25;

/// The permanent, strictly rising number of a record in the log.
///
/// A message's id on the wire is the `Seq` of its record: one counter serves both, so ids go on
/// from the log alone, whatever the clock does. `Seq(0)` precedes every record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first record.
    pub const ZERO: Seq = Seq(0);

    /// The number after this one and not before `nanos` (nanoseconds since the Unix epoch).
    ///
    /// The counter follows the clock while the clock is ahead and simply counts while it is behind.
    pub fn next(self, nanos: u64) -> Seq {
        Seq(self.0.max(nanos).checked_add(1).expect("64 bits of nanoseconds last until the year 2554"))
    }

    /// The form on the wire: 16 lower-case hex digits.
    pub fn to_hex(self) -> [u8; 16] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        std::array::from_fn(|i| DIGITS[(self.0 >> (60 - 4 * i)) as usize & 15])
    }

    /// Reads the form on the wire; nothing but exactly 16 lower-case hex digits is one.
    pub fn from_hex(text: &str) -> Option<Seq> {
        let well_formed = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        well_formed.then(|| Seq(u64::from_str_radix(text, 16).expect("16 hex digits fit 64 bits")))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seq({self})")
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);
    };
}

number! {
    /// A user's number in the ledger: given in order of registration, never given twice.
    UserNo
}
number! {
    /// A node's number in the ledger, the unit of queueing: never given twice.
    NodeNo
}
number! {
    /// A group's number in the ledger: never given twice.
    GroupNo
}

/// A live connection. The generation keeps a late effect from reaching a newer link in the same slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId {
    /// Index in the shell's slab.
    pub slot: u32,
    /// How many links that shell had accepted before this one.
    pub generation: u32,
}

impl LinkId {
    /// Reads what people are told of a link, `SLOT.GENERATION`; nothing but exactly that is one.
    pub fn parse(text: &str) -> Option<LinkId> {
        let (slot, generation) = text.split_once('.')?;
        let link = LinkId { slot: slot.parse().ok()?, generation: generation.parse().ok()? };
        (link.text() == text).then_some(link)
    }

    /// What people are told of it: the same in the log, and on the command line.
    pub fn text(self) -> String {
        format!("{}.{}", self.slot, self.generation)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}.{}", self.slot, self.generation)
    }
}

/// A user's public id: 20 random octets, written in base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub [u8; UID_BYTES]);

/// Characters of a uid in the log: any two members share them once in a million million.
const UID_SHORT: usize = 8;

impl Uid {
    /// A fresh id that nobody can guess or meet twice.
    pub fn random(entropy: &mut dyn Entropy) -> Uid {
        let mut bytes = [0; UID_BYTES];
        entropy.fill(&mut bytes);
        Uid(bytes)
    }

    /// The first characters, which tell members of one site apart well enough for a reader of the log.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(UID_SHORT);
        text
    }

    /// Reads the 32-character form.
    pub fn parse(text: &str) -> Option<Uid> {
        base32_decode(text)?.try_into().ok().map(Uid)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32_encode(&self.0))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

/// What a device proves itself with. Never stored, never logged: `Debug` hides it.
#[derive(Clone)]
pub struct NodeSecret([u8; NODE_SECRET_BYTES]);

impl NodeSecret {
    /// A fresh secret of 200 bits.
    pub fn random(entropy: &mut dyn Entropy) -> NodeSecret {
        let mut bytes = [0; NODE_SECRET_BYTES];
        entropy.fill(&mut bytes);
        NodeSecret(bytes)
    }

    /// The form the device gets, once: 40 characters.
    pub fn reveal(&self) -> String {
        base32_encode(&self.0)
    }

    /// What the relay keeps. One hash suffices: there are 200 random bits to guess.
    pub fn digest(&self) -> NodeDigest {
        NodeDigest::of(&self.0)
    }
}

impl fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeSecret(hidden)")
    }
}

/// SHA-256 of a node's secret: all the relay knows of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeDigest(pub [u8; 32]);

impl NodeDigest {
    /// The digest of whatever octets a login presents.
    pub fn of(secret: &[u8]) -> NodeDigest {
        NodeDigest(Sha256::digest(secret).into())
    }

    /// Compares in a time that does not depend on where the two differ.
    pub fn matches(&self, other: &NodeDigest) -> bool {
        use subtle::ConstantTimeEq;
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for NodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeDigest({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seq_follows_the_clock_and_never_goes_back() {
        assert_eq!(Seq(5).next(100), Seq(101));
        assert_eq!(Seq(500).next(100), Seq(501));
    }

    #[test]
    fn seq_hex_is_exact() {
        let seq = Seq(0x0123_4567_89ab_cdef);
        assert_eq!(&seq.to_hex(), b"0123456789abcdef");
        assert_eq!(Seq::from_hex("0123456789abcdef"), Some(seq));
        for bad in ["", "0123456789ABCDEF", "123456789abcdef", "+123456789abcdef", "0123456789abcdef0"] {
            assert_eq!(Seq::from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_link_is_read_as_it_is_told() {
        let link = LinkId { slot: 3, generation: 4_294_967_295 };
        assert_eq!((link.text().as_str(), link.to_string().as_str()), ("3.4294967295", "link 3.4294967295"));
        assert_eq!(LinkId::parse(&link.text()), Some(link));
        for bad in ["", "3", "3.", ".3", "3.4294967296", "+3.1", "03.1", "3.1.2", "3.1 ", "link 3.1", "-1.1"] {
            assert_eq!(LinkId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        struct Sevens;
        impl Entropy for Sevens {
            fn fill(&mut self, out: &mut [u8]) {
                out.fill(7);
            }
        }
        let secret = NodeSecret::random(&mut Sevens);
        assert_eq!(secret.reveal().len(), 40);
        assert!(!format!("{secret:?}").contains(&secret.reveal()));
        assert!(secret.digest().matches(&NodeDigest::of(&[7; NODE_SECRET_BYTES])));
        assert!(!secret.digest().matches(&NodeDigest::of(&[8; NODE_SECRET_BYTES])));
    }
}
