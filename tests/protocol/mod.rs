//! `docs/PROTOCOL.md` as something that can be tested: its examples, its grammar and its tables.
//!
//! [`example`] reads the blocks of frames, [`exact`] replays them octet for octet against the relay's core, [`live`] against the
//! program over TLS, where ids and times are others, and [`write`](mod@write) fills in what the relay says. [`grammar`] reads the ABNF.

pub(crate) mod binder;
pub(crate) mod exact;
pub(crate) mod example;
pub(crate) mod grammar;
pub(crate) mod live;
pub(crate) mod table;
pub(crate) mod write;

use std::fs;
use std::path::PathBuf;

/// Where the document is.
pub(crate) fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/PROTOCOL.md"))
}

/// Its text.
pub(crate) fn text() -> String {
    fs::read_to_string(path()).expect("docs/PROTOCOL.md")
}

/// The lines of all blocks that are fenced with this word, with their numbers, block by block.
pub(crate) fn fenced<'a>(text: &'a str, word: &str) -> Vec<Vec<(usize, &'a str)>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let opening = format!("```{word}");
    while let Some((_, line)) = lines.next() {
        if line == opening {
            blocks.push(lines.by_ref().take_while(|(_, line)| *line != "```").collect());
        } else if line.starts_with("```") {
            lines.by_ref().take_while(|(_, line)| *line != "```").for_each(drop);
        }
    }
    blocks
}
