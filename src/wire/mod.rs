//! TMTP on the wire: bytes to requests, replies to bytes. Pure: no IO, no clock, no state beyond one frame.
//!
//! The way in is [`FrameReader`] (where does a frame end) → [`Header`] (which fields has it) →
//! [`Request`] (what does it ask, and can that be meant at all). The way out is [`reply`], one
//! function per shape the relay can send, all written canonically: keys in byte order, no white
//! space, strings escaped as existing clients escape them when they verify a `headsum`.
//!
//! A value that reaches the relay has the types, bounds and lengths the contract asks for; what is
//! left to decide there is whether it *can be done*.

mod canonical;
mod dialect;
mod frame;
mod header;
pub mod reply;
mod request;

pub use canonical::{HeaderWriter, write_json};
pub use dialect::{Dialect, Op};
pub use frame::{FrameError, FrameReader, Piece};
pub use header::{Header, HeaderError, Loose, Recipient};
pub use request::{Body, Edit, GroupAct, OhiAct, ReachList, Request, RequestError, RequestLimits};
