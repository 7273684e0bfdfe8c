//! The load tester tells the truth: of a real relay that is honest, of one that is killed, and of one with somebody in between
//! who does one deliberate wrong.
//!
//! Every scenario is a row of [`SCENARIOS`], and every test goes over the rows. Most of the time is spent waiting for what will
//! not come, so the cases of a test run side by side.

mod honest;
#[path = "../live/mod.rs"]
mod live;
mod stand;
mod tampered;
