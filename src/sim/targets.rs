//! What fuzzers call: one function a place where octets of others come in, which panics where a promise is broken.
//!
//! A target takes any octets for its input, does the same for the same input always, and shares no state between calls. So the
//! programs under `fuzz/` are three lines each, and `tests/fuzz_corpus.rs` holds the same promises where no fuzzer is installed.

mod frames;
mod link;
mod records;
mod recovery;

pub use frames::frames;
pub use link::link;
pub use records::records;
pub use recovery::recovery;
