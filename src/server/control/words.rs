//! What is said over the control socket: one JSON object a line, each way. The command line speaks it too, also to itself where
//! no relay runs.
//!
//! A command more is a variant more of [`Request`], and one of [`Reply`] if its answer has a new shape.

mod errand;
mod list;
mod reply;
mod request;

pub use errand::Errand;
pub use list::{Group, Link, MemberLine, OwnedNode, Queue};
pub use reply::{Member, Node, Reply};
pub use request::{Request, Target, Who};

/// The word for a code that never expires.
const NEVER: &str = "never";
/// How many queues are listed if nothing is said.
const QUEUES_TOP: u32 = 20;
