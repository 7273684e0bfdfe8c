//! The `mnm` program.
fn main() {}
