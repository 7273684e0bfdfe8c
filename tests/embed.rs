//! The relay as a part of another program: this one.
#![allow(clippy::disallowed_methods, reason = "a real relay lives in real time")]

mod common;
#[path = "embed/ends.rs"]
mod ends;
#[path = "embed/links.rs"]
mod links;
#[path = "embed/process.rs"]
mod process;
#[path = "embed/starts.rs"]
mod starts;
#[path = "embed/within.rs"]
mod within;
