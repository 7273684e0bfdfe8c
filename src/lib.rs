//! mnm: a private message relay that speaks TMTP revision 1, as a library.
//!
//! The program `mnm` is a small one around this crate. Another program, such as that of an appliance, can contain the whole relay as
//! well: it starts one in a thread of its own, connects to it from within or over the network, and stops it.
//!
//! ```
//! use mnm::config::{Config, Listen};
//! use mnm::embed::Relay;
//! use mnm_client::{Client, Options, Recipient, Registration, Site};
//! use std::time::Duration;
//!
//! # let directory = tempfile::tempdir()?;
//! # let data = directory.path().join("data");
//! // Port 0: the system chooses one. `data` is a directory, made at the first start; there is no other file.
//! let config = Config { name: "a home".into(), data, listen: vec![Listen::at(([127, 0, 0, 1], 0))], ..Config::default() };
//! let relay = Relay::start(config)?;
//!
//! // Clients come over TLS. The address is in the form that they take: `=` before a certificate of the relay's own.
//! let site = Site::new(&relay.addresses()[0].client)?;
//! let mut alice = Client::connect(&site, Options::default())?;
//! alice.register(&Registration { label: "laptop", ..Registration::default() })?;
//! let mut bob = Client::connect(&site, Options::default())?;
//! let account = bob.register(&Registration { label: "phone", ..Registration::default() })?.account;
//!
//! alice.post(&[Recipient::user(&account.uid)], None, &b"Hello, Bob"[..])?;
//! let message = bob.receive(Duration::from_secs(10))?.expect("a message within ten seconds");
//! bob.ack(message.header.id());
//! assert_eq!(message.content.into_bytes()?, b"Hello, Bob");
//!
//! // What was acked is on the disk. Dropping the relay would stop it too.
//! relay.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to go on
//!
//! For programs that contain the relay:
//! - [`embed`]: start, stop, links within the program, the operator's commands, and what a relay takes of the process it runs in;
//! - [`config`]: everything that can be decided about a relay, built by the program or [read from a file](config::Config::read);
//! - [`ctl`]: the operator's commands to a relay of another process, or to the data of one that does not run;
//! - [`server`]: [`backup`](server::backup()) of a relay that runs, [`verify_directory`](server::verify_directory()) and
//!   [`repair`](server::repair()) of its log; [`RunError`](server::RunError), why a relay did not start, or ended;
//! - [`wire`]: frames, headers and replies, for who writes a client. `mnm-client`, in `tools/client`, is a ready one.
//!
//! The other modules are the rooms of the house. They are public so that tests, tools and fuzz targets can enter them, and change
//! from version to version without notice: [`base`], [`limits`], [`record`], [`ledger`], [`relay`], [`store`], [`net`] and [`certificate`];
//! and, for the program alone, [`cli`], [`check`], [`init`], [`logging`], [`progress`] and [`qr`].
//!
//! # Threads, platform, features
//!
//! The relay has no threads: one loop does everything, and nothing in it waits but for the disk. [`embed`] makes one thread for that loop,
//! so that a program can do something else meanwhile. There is no async runtime, and none is needed.
//!
//! It wants Linux.
//!
//! - `aws-lc-rs` (default): cryptography by AWS-LC, with post-quantum key exchange; building it takes a C compiler.
//! - `ring`: cryptography by ring, for small processors and small programs. One of the two is needed; with both it is aws-lc-rs.
//! - `sim`: the simulator, `mnm::sim`, for tests.
//!
//! # The house
//!
//! Bytes in → frame → request → decide → apply → append → commit → release → bytes out; nothing
//! flows back except as a new input. `ARCHITECTURE.md` draws it; each module's own
//! documentation says what it is for, what it promises and what it deliberately lacks.
//!
//! Imports go one way, and `tests/imports.rs` keeps it so:
//! `base ← limits ← {wire, record, store, net, config}`; `record ← ledger ← relay`; `config ← {certificate, cli}`;
//! `server ← all`, and `check`, `ctl`, `init` and `embed` name what they ask of it.

pub mod base;
pub mod certificate;
pub mod check;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod embed;
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
