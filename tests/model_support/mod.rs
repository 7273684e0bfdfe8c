//! What `tests/model.rs` is made of: the model, and what happens to it.

#![allow(unreachable_pub, reason = "modules of one test")]

pub mod model;
pub mod step;
