//! Names: aliases and groups in one namespace, compared exactly.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use unicode_general_category::{GeneralCategory, get_general_category};

use crate::base::{GroupNo, UserNo};
use crate::limits::{NAME_MAX, NAME_MIN_CHARS};

/// Whom a name names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A user: it is an alias.
    User(UserNo),
    /// A group.
    Group(GroupNo),
}

/// Whom each name names. The names themselves are kept where they belong, with their users and groups.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<Entry>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    /// Of the name, so that the table can grow without asking for all names.
    hash: u32,
    owner: Owner,
}

impl Names {
    /// Gives a name to its owner. `is_named` tells whether somebody has that name.
    pub(super) fn take(&mut self, name: &str, owner: Owner, is_named: impl Fn(Owner) -> bool) {
        let hash = self.hash(name);
        match self.table.find_mut(spread(hash), |entry| entry.hash == hash && is_named(entry.owner)) {
            Some(entry) => entry.owner = owner,
            None => {
                self.table.insert_unique(spread(hash), Entry { hash, owner }, |entry| spread(entry.hash));
            }
        }
    }

    /// Whose name that is. `is_named` tells whether somebody has it.
    pub(super) fn owner(&self, name: &str, is_named: impl Fn(Owner) -> bool) -> Option<Owner> {
        let hash = self.hash(name);
        self.table.find(spread(hash), |entry| entry.hash == hash && is_named(entry.owner)).map(|entry| entry.owner)
    }

    fn hash(&self, name: &str) -> u32 {
        self.hasher.hash_one(name) as u32
    }
}

/// The table looks at the lowest bits and at the highest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// Why a text cannot be a name. `Display` is the sentence for the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NameError {
    /// Fewer than 8 characters; holds the field's name.
    Short(&'static str),
    /// More than 255 octets; holds the field's name and its beginning.
    Long(&'static str, String),
    /// A character that cannot be printed; holds the field's name, its beginning and the character.
    Unprintable(&'static str, String, char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Short(field) => write!(f, "{field} must be {NAME_MIN_CHARS}+ characters"),
            NameError::Long(field, name) => write!(f, "{field} {name} must be at most {NAME_MAX} octets of UTF-8"),
            NameError::Unprintable(field, name, odd) => {
                write!(f, "{field} {name} must be printable, and U+{:04X} is not", u32::from(*odd))
            }
        }
    }
}

/// Whether `name` may be an alias or a group's name; `field` is where it came from.
///
/// # Errors
/// [`NameError`], whose sentence begins with the field's name.
pub fn check_name(field: &'static str, name: &str) -> Result<(), NameError> {
    if name.chars().take(NAME_MIN_CHARS).count() < NAME_MIN_CHARS {
        return Err(NameError::Short(field));
    }
    if name.len() > NAME_MAX {
        return Err(NameError::Long(field, beginning(name)));
    }
    match name.chars().find(|&c| !is_printable(c)) {
        Some(odd) => Err(NameError::Unprintable(field, beginning(name), odd)),
        None => Ok(()),
    }
}

/// Enough of a name to recognise it by, safe to echo.
fn beginning(name: &str) -> String {
    name.chars().take(40).map(|c| if is_printable(c) { c } else { '\u{fffd}' }).collect()
}

/// Letters, marks, numbers, punctuation, symbols, and the ASCII space; Unicode's general categories L, M, N, P, S.
fn is_printable(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned};
    let category = get_general_category(c);
    c == ' '
        || !matches!(category, Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | SpaceSeparator | Surrogate | Unassigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_and_of_some_length() {
        let longest = "é".repeat(127);
        for good in ["12345678", "Tom & <Jerry>", "e\u{301}e\u{301}e\u{301}e\u{301}", "😀😀😀😀😀😀😀😀", "שלום עולם", &longest, " 234567 "]
        {
            assert_eq!(check_name("newalias", good), Ok(()), "{good}");
        }
        assert_eq!(check_name("newalias", "1234567").unwrap_err().to_string(), "newalias must be 8+ characters");
        assert_eq!(check_name("gid", "éééé").unwrap_err().to_string(), "gid must be 8+ characters");
        assert!(check_name("gid", &"é".repeat(128)).unwrap_err().to_string().contains("at most 255 octets"));
        for odd in ['\n', '\u{a0}', '\u{2003}', '\u{200b}', '\u{202e}', '\u{e000}', '\u{378}', '\u{2028}', '\u{feff}'] {
            let error = check_name("newalias", &format!("{odd}2345678")).unwrap_err().to_string();
            assert!(error.contains(&format!("U+{:04X}", u32::from(odd))), "{error}");
            assert!(!error.contains(odd), "{error:?} echoes it");
        }
    }
}
