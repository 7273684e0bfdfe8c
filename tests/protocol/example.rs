//! The small language of the document's examples. The head of its appendix describes it.

use std::fmt::Write;

use mnm::base::Wall;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Where it stands in the document.
    pub(crate) line: usize,
    pub(crate) what: What,
}

/// What a line says.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A new relay with nobody in it, and what its configuration has besides the standard.
    Site(Value),
    /// The date is this from now on.
    At(Wall),
    Connects(String),
    /// The client writes these octets.
    Sends(String, Vec<u8>),
    /// The next frame that comes is this.
    Gets(String, Vec<u8>),
    /// The client closes the connection.
    Closes(String),
    /// The relay has closed it.
    IsClosed(String),
}

/// One fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) steps: Vec<Step>,
}

/// All blocks of a document; relays live from one to the next.
pub(crate) fn read(text: &str) -> Vec<Block> {
    let read = |lines: Vec<(usize, &str)>| Block {
        steps: lines.into_iter().filter_map(|(line, text)| Some(Step { line, what: what(line, text)? })).collect(),
    };
    super::fenced(text, "tmtp").into_iter().map(read).collect()
}

/// What a line says; nothing if it is empty or a remark.
pub(crate) fn what(line: usize, text: &str) -> Option<What> {
    let wrong = || -> ! { panic!("line {line}: not a line of an example: {text}") };
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let (first, rest) = text.split_once(' ').unwrap_or_else(|| wrong());
    let link = || {
        let is_name = first.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
        if is_name { first.to_owned() } else { wrong() }
    };
    Some(match (first, rest) {
        ("site", config) => What::Site(serde_json::from_str(config).unwrap_or_else(|_| wrong())),
        ("at", date) => What::At(date_of(date).unwrap_or_else(|| wrong())),
        (_, "connects") => What::Connects(link()),
        (_, "closes") => What::Closes(link()),
        (_, "is closed") => What::IsClosed(link()),
        (_, frame) => match frame.split_at_checked(1) {
            Some((">", octets)) => What::Sends(link(), unescape(octets.strip_prefix(' ').unwrap_or_else(|| wrong()))),
            Some(("<", octets)) => What::Gets(link(), unescape(octets.strip_prefix(' ').unwrap_or_else(|| wrong()))),
            _ => wrong(),
        },
    })
}

/// A date with up to nine digits behind the seconds: ids are made of them.
fn date_of(text: &str) -> Option<Wall> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    u64::try_from(nanos).ok().map(Wall)
}

/// `\xNN` is an octet, every other character what it is in UTF-8.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        octets.extend(rest[..at].bytes());
        let digits = rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.push(digits.unwrap_or_else(|| panic!("\\x wants two hex digits: {rest}")));
        rest = &rest[at + 4..];
    }
    octets.extend(rest.bytes());
    octets
}

/// Octets as a line has them.
pub(crate) fn escape(octets: &[u8]) -> String {
    let mut text = String::new();
    for part in octets.utf8_chunks() {
        for c in part.valid().chars() {
            if c.is_control() {
                write!(text, "\\x{:02x}", u32::from(c)).expect("memory");
            } else {
                text.push(c);
            }
        }
        part.invalid().iter().for_each(|octet| write!(text, "\\x{octet:02x}").expect("memory"));
    }
    // A space at the end of a line would be lost sooner or later.
    match text.strip_suffix(' ') {
        Some(rest) => format!("{rest}\\x20"),
        None => text,
    }
}

/// A frame taken apart: its length as it is written, its header, its data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) length: &'a str,
    pub(crate) header: &'a str,
    pub(crate) data: &'a [u8],
}

/// Takes a frame apart, if it is one: some examples show what is none.
pub(crate) fn parts(octets: &[u8]) -> Option<Parts<'_>> {
    let length = std::str::from_utf8(octets.get(..4)?).ok()?;
    let size = usize::from_str_radix(length, 16).ok()?;
    let header = std::str::from_utf8(octets.get(4..4 + size)?).ok()?;
    Some(Parts { length, header, data: &octets[4 + size..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_written_as_they_are_read() {
        for octets in [&b"0008{\"op\":0}"[..], b"two  ", b"a\\nb\\u003c", b"\x00\x7f\xff\xc3", "h\u{e9} \u{1f642}\n".as_bytes()] {
            assert_eq!(unescape(&escape(octets)), octets);
        }
    }

    #[test]
    fn lines_say_what_they_say() {
        assert!(what(1, "").is_none() && what(1, "# a remark").is_none());
        assert!(matches!(what(1, "at 2026-11-26T09:30:00.000000001Z"), Some(What::At(Wall(nanos))) if nanos % 1_000_000_000 == 1));
        assert!(matches!(what(1, "alice-phone is closed"), Some(What::IsClosed(link)) if link == "alice-phone"));
        assert!(matches!(what(1, "bob > 00\\x00"), Some(What::Sends(_, octets)) if octets == b"00\0"));
        for wrong in ["at noon", "bob >0008", "bob says", "Bob closes", "site x"] {
            assert!(std::panic::catch_unwind(|| what(1, wrong)).is_err(), "{wrong}");
        }
    }
}
