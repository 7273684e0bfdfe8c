//! Shared by the store's tests; no test uses all of it.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod world;
