//! Load tester for TMTP relays.
fn main() {}
