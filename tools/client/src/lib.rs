//! A client for relays that speak TMTP revision 1, as the load tester and the command line tool use it.
//!
//! Two floors, to be entered on either:
//! - [`Client`] blocks, has one request under way, keeps its link alive, and comes back when the link is lost: with growing
//!   waits that are never quite the same for all, and with the same request id.
//! - [`Link`] is one connection over any socket that reads and writes without blocking, for programs with a loop of their own:
//!   what is in [`Link::out`] goes out, what comes is handed frame by frame to a [`Sink`]. [`request`] has a function for each
//!   request; [`Reply`] finds what matters in a header without a copy.
//!
//! Beside them: [`Trust`] says which certificates are accepted, [`Site`] where a relay is, [`Backoff`] how long to stay away.
//!
//! Requests are written in the 2020 draft's numbering, with this project's extensions. There is no cache and no store: a message
//! that is not acked comes again.
//!
//! # Example
//! Two members of one site. (A relay runs in a thread meanwhile, so that the example can be tried.)
//! ```
//! # mod relay { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/relay/mod.rs")); }
//! # relay::with_relay(|address| {
//! use mnm_client::{Client, Options, Recipient, Registration, Site};
//! use std::time::Duration;
//!
//! // Any certificate will do here; elsewhere pin one with `trusting`, or write +host:port.
//! let site = Site::new(&address)?;
//! let mut alice = Client::connect(&site, Options::default())?;
//! alice.register(&Registration { label: "laptop", alias: Some("alice liddell"), ..Registration::default() })?;
//! let mut bob = Client::connect(&site, Options::default())?;
//! let account = bob.register(&Registration { label: "phone", ..Registration::default() })?.account;
//!
//! alice.post(&[Recipient::user(&account.uid)], None, &b"Hello, Bob"[..])?;
//! let message = bob.receive(Duration::from_secs(10))?.expect("a message within ten seconds");
//! assert_eq!(message.header.op(), "delivery");
//! let id = message.header.id().to_owned();
//! assert_eq!(message.content.into_bytes().map_err(mnm_client::Error::Local)?, b"Hello, Bob");
//! bob.ack(&id);
//! bob.quit()?;
//!
//! // Bob comes back. What he has acked does not come again; that he has logged in is told to all his devices.
//! let mut bob = Client::connect(&site, Options::default())?;
//! bob.login(&account)?;
//! let notice = bob.receive(Duration::from_secs(10))?.expect("his login");
//! assert_eq!(notice.header.op(), "login");
//! # Ok(())
//! # });
//! ```
//!
//! The lower floor: a loop of one's own over one link, here without TLS and over a pair of sockets in this process.
//! ```
//! use mnm_client::{Frame, Link, LinkError, Sink, request};
//! use std::io::Write;
//! use std::os::unix::net::UnixStream;
//!
//! struct Ids(Vec<String>);
//! impl Sink for Ids {
//!     fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), LinkError> {
//!         self.0.push(frame.reply.id.to_owned());
//!         if frame.reply.is_message() {
//!             request::ack(out, frame.reply.id);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let (ours, mut relay) = UnixStream::pair()?;
//! ours.set_nonblocking(true)?;
//! let mut link = Link::plain(ours);
//! relay.write_all(br#"0039{"from":"U","headsum":1,"id":"188add8cbe0ca2fb","op":"x"}"#)?;
//! let mut ids = Ids(Vec::new());
//! while ids.0.is_empty() {
//!     link.receive(false, &mut [0; 4096], &mut ids)?;
//! }
//! assert_eq!(ids.0, ["188add8cbe0ca2fb"]);
//! assert!(link.unsent() > 0, "an ack waits to be flushed");
//! link.flush()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backoff;
mod client;
mod error;
mod frames;
mod header;
mod link;
mod message;
mod reply;
pub mod request;
mod site;
mod socket;
mod tls;

pub use backoff::Backoff;
pub use client::{Account, Ack, Client, IntoContent, Options, Registered, Registration};
pub use error::{Error, LinkError};
pub use frames::{Frame, Sink};
pub use header::Header;
pub use link::Link;
pub use message::{Content, Message};
pub use reply::Reply;
pub use request::Recipient;
pub use site::Site;
pub use socket::Socket;
pub use tls::{Fingerprint, KeyExchange, Trust, config as tls_config, parse_fingerprint, write_fingerprint};
