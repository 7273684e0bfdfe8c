//! A relay within this process, and members who reach it from within or over TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mnm::config::{Config, Limits, Listen};
use mnm::embed::{Relay, Reply, Request, Status};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::member::{Account, Member};
use crate::common::site::{Link, Received};

/// How long anything may take that must happen; generous, since the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A relay for links from within this process only.
pub(crate) fn quiet(data: &TempDir) -> Config {
    Config { name: "test site".into(), data: data.path().join("data"), listen: vec![], limits: patient(), ..Config::default() }
}

/// A link that is not to be there is closed at once, and not because it says nothing.
pub(crate) fn patient() -> Limits {
    Limits { login_timeout: Duration::from_secs(600), ..Limits::default() }
}

/// The same, which others may reach over TLS.
pub(crate) fn open(data: &TempDir) -> Config {
    Config { listen: vec![loopback()], ..quiet(data) }
}

pub(crate) fn loopback() -> Listen {
    Listen::at((Ipv4Addr::LOCALHOST, 0))
}

/// Where a test has its files. Other tests have theirs open at the same time, and what a shell allows is few.
pub(crate) fn directory() -> TempDir {
    mnm::net::raise_descriptor_limit();
    tempfile::tempdir().expect("a temporary directory")
}

/// A link from within, as the protocol's tests want it.
pub(crate) struct Within {
    socket: UnixStream,
    came: Vec<u8>,
    gone: bool,
}

impl Within {
    pub(crate) fn connect(relay: &Relay) -> Box<Within> {
        Within::over(relay.connect().expect("the relay can be reached"))
    }

    pub(crate) fn over(socket: UnixStream) -> Box<Within> {
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Box::new(Within { socket, came: Vec::new(), gone: false })
    }

    /// Cuts the next frame off, if it is whole.
    fn frame(&mut self) -> Option<Vec<u8>> {
        let digits = std::str::from_utf8(self.came.get(..4)?).expect("digits");
        let head_end = 4 + usize::from_str_radix(digits, 16).expect("digits");
        let head: Value = serde_json::from_slice(self.came.get(4..head_end)?).expect("JSON");
        let end = head_end + head["datalen"].as_u64().unwrap_or(0) as usize;
        (self.came.len() >= end).then(|| self.came.drain(..end).collect())
    }
}

impl Link for Within {
    fn send(&mut self, bytes: &[u8]) {
        // The other end may have closed; what it said before that is still to be read.
        let _ = self.socket.write_all(bytes);
    }

    fn receive(&mut self, within: Duration) -> Received {
        self.socket.set_read_timeout(Some(within)).expect("a timeout");
        let mut some = vec![0; 64 << 10];
        loop {
            if let Some(frame) = self.frame() {
                return Received::Record(frame);
            }
            match self.socket.read(&mut some) {
                _ if self.gone => return Received::Closed,
                Ok(0) => self.gone = true,
                Ok(count) => self.came.extend_from_slice(&some[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Received::Nothing,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
    }

    fn close(self: Box<Self>) {}

    fn vanish(self: Box<Self>) {}

    fn cut(self: Box<Self>) {}
}

pub(crate) fn member(relay: &Relay) -> Member {
    Member::register_over(Within::connect(relay))
}

pub(crate) fn login(relay: &Relay, account: &Account) -> Member {
    Member::login_over(Within::connect(relay), account).expect("the account is there")
}

pub(crate) fn address(relay: &Relay) -> SocketAddr {
    relay.addresses()[0].socket
}

pub(crate) fn status(relay: &Relay) -> Status {
    match relay.ask(&Request::Status {}).expect("an answer") {
        Reply::Status(status) => *status,
        other => panic!("not a status: {other:?}"),
    }
}

/// Asks until it is so: each answer is a turn of the loop.
pub(crate) fn until(relay: &Relay, words: &str, is_so: impl Fn(&Status) -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !is_so(&status(relay)) {
        assert!(std::time::Instant::now() < end, "it never comes that {words}: {:?}", status(relay));
    }
}

/// Reads until the other end is closed; what came.
pub(crate) fn to_the_end(mut socket: UnixStream) -> Vec<u8> {
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut came = Vec::new();
    match socket.read_to_end(&mut came) {
        Ok(_) => came,
        // What was written and nobody read.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => came,
        Err(error) => panic!("no end comes: {error}"),
    }
}
