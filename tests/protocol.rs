//! The protocol's document cannot drift: its examples are replayed, its grammar is matched with them, and its tables are compared
//! with the code.
//!
//! `PROTOCOL_WRITE=1 cargo test --test protocol` fills in what the relay says in the examples; look at the difference then.

mod common;
mod document;

use std::{env, fs};

use document::{exact, example, live, write};

/// Octet for octet, with the document's clock and the document's secrets.
#[test]
fn examples_are_exact() {
    if env::var_os("PROTOCOL_WRITE").is_some() {
        let text = write::rewrite(&document::text());
        fs::write(document::path(), text).expect("the document can be written");
    }
    let blocks = example::read(&document::text());
    assert!(blocks.len() > 1, "the examples are found");
    if let Err(what) = exact::replay(&blocks) {
        panic!("docs/PROTOCOL.md: {what}");
    }
}

/// Over TLS, with whatever ids, times and secrets the program makes.
#[test]
fn examples_are_what_the_program_does() {
    if env::var_os("PROTOCOL_WRITE").is_some() {
        return;
    }
    if let Err(what) = live::replay(&example::read(&document::text())) {
        panic!("docs/PROTOCOL.md: {what}");
    }
}
