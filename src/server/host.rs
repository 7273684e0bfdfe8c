//! The program that the relay is a part of, if it is: what that wishes comes through a mailbox, and is one more input of the loop.
//!
//! The host's threads post a [`Wish`] and ring the loop's bell; the loop takes a bounded number of wishes in each turn. Whatever was
//! posted when the loop ends is dropped with it, so who waits at the other end of a socket finds it closed.
//!
//! Not here: what a wish means, which is the shell's and the door's.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};

use crate::base::Mono;
use crate::limits::TURN_ACCEPTS_MAX;
use crate::net::{Bell, LocalSocket, PeerSocket, Poller};
use crate::relay::Now;

/// What a host wishes of its relay.
#[derive(Debug)]
pub enum Wish {
    /// Serve this client.
    Link(PeerSocket),
    /// Hear this operator.
    Operator(LocalSocket),
    /// End, as the program does when its operator wants it to.
    Stop,
}

/// Where a host puts its wishes, from any thread.
#[derive(Clone, Debug)]
pub struct Mailbox {
    wishes: Sender<Wish>,
    bell: Bell,
}

impl Mailbox {
    /// Has the relay look at a wish soon. Nothing waits for that.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] if the relay has ended; else the operating system's, and then it ends soon.
    pub fn post(&self, wish: Wish) -> io::Result<()> {
        let ended = |_| io::Error::new(ErrorKind::NotConnected, "the relay has ended");
        self.wishes.send(wish).map_err(ended)?;
        self.bell.ring()
    }
}

/// What a host is told once its clients are served.
#[derive(Debug)]
pub struct Served {
    /// Where, over the network.
    pub addresses: Vec<Address>,
    /// Where it puts its wishes.
    pub mailbox: Mailbox,
}

/// Where clients are served over the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address that is listened on, with the port that the system chose where none was wanted.
    pub socket: SocketAddr,
    /// The address as client programs take it: `=host:port` for a certificate of the relay's own, `+host:port` for one that an authority
    /// has issued.
    pub client: String,
    /// SHA-256 of the certificate that is shown there, as of the start: a renewed one is shown without a restart.
    pub fingerprint: [u8; 32],
}

/// The loop's side of the mailbox.
pub(super) struct Host {
    /// `None`: this process is the relay and nothing else.
    wishes: Option<Receiver<Wish>>,
    /// More may be there than one turn takes.
    look_at: Option<Mono>,
}

impl Host {
    /// Nobody.
    pub(super) fn none() -> Host {
        Host { wishes: None, look_at: None }
    }

    /// Whoever has the mailbox, or a clone of it.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn of_thread(poller: &Poller) -> io::Result<(Mailbox, Host)> {
        let bell = poller.bell()?;
        let (wishes, posted) = mpsc::channel();
        Ok((Mailbox { wishes, bell }, Host { wishes: Some(posted), look_at: None }))
    }

    /// Whether the relay is a part of another program.
    pub(super) fn is_there(&self) -> bool {
        self.wishes.is_some()
    }

    /// When to look again though the bell does not ring.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.look_at
    }

    /// Whether it is time for that.
    pub(super) fn is_due(&self, now: Now) -> bool {
        self.look_at.is_some_and(|at| at <= now.mono)
    }

    /// What was posted, as much as one turn takes.
    pub(super) fn take_wishes(&mut self, now: Now) -> Vec<Wish> {
        let posted = self.wishes.iter().flat_map(Receiver::try_iter);
        let taken: Vec<Wish> = posted.take(TURN_ACCEPTS_MAX).collect();
        self.look_at = (taken.len() == TURN_ACCEPTS_MAX).then_some(now.mono);
        taken
    }
}
