//! mnm: a private message relay that speaks TMTP revision 1.
//!
//! Bytes in → frame → request → decide → apply → append → commit → release → bytes out; nothing
//! flows back except as a new input. `ARCHITECTURE.md` draws the whole house; each module's own
//! documentation says what it is for, what it promises and what it deliberately lacks.
//!
//! Imports go one way, and `tests/imports.rs` keeps it so:
//! `base ← limits ← {wire, record, store, net, config}`; `record ← ledger ← relay`; `config ← {certificate, cli}`;
//! `server ← all`, and `check`, `ctl` and `init` name what they ask of it.

pub mod base;
pub mod certificate;
pub mod check;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod init;
pub mod ledger;
pub mod limits;
pub mod logging;
pub mod net;
pub mod progress;
pub mod qr;
pub mod record;
pub mod relay;
pub mod server;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
pub mod wire;
