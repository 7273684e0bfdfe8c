//! The words everything else is written in: ids, time, entropy, and which bounds there are to run into.
//!
//! Nothing here does IO, reads a clock or knows another module of the project.

mod entropy;
mod ids;
mod invite_code;
mod limit;
mod source;
mod text;
mod time;

pub use entropy::{Entropy, OsEntropy};
pub use ids::{GroupNo, LinkId, NODE_SECRET_BYTES, NodeDigest, NodeNo, NodeSecret, Seq, UID_BYTES, Uid, UserNo};
pub use invite_code::{CODE_ALPHABET, CODE_CHARS, InviteCode};
pub use limit::{Limit, Refusals};
pub use source::Source;
pub use text::{BASE32_ALPHABET, base32_decode, base32_encode};
pub use time::{Mono, Wall};
