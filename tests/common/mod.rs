//! What the tests share: transcripts (the protocol as data), the judge of every frame, and the real relay over TLS.
//!
//! [`transcript`] reads a file into steps, [`run`] plays them against any [`site::Site`], [`frame`] judges each frame on
//! its own terms. [`process`] is the site that users get: the program itself, over TLS on loopback; [`core`] is the same relay
//! without kernel, TLS and real time. But for what builds that second site nothing here uses the relay's own code: an error
//! in it must not hide itself.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub(crate) mod core;
pub(crate) mod frame;
pub(crate) mod member;
pub(crate) mod process;
pub(crate) mod run;
pub(crate) mod site;
pub(crate) mod text;
pub(crate) mod transcript;
