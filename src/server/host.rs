//! The program that the relay is a part of, if it is: what that wishes comes through a mailbox, and is one more input of the loop.
//!
//! The host's threads post a [`Wish`] and ring the loop's bell; the loop takes a bounded number of wishes before each wait, and lets in
//! who is among them after the turn that follows. What a thread did before it posted, such as to leave another link, the wait has
//! told by then, so that who leaves makes room for who comes. Whatever was posted when the loop ends is dropped with it, so who waits at
//! the other end of a socket finds it closed.
//!
//! The mailbox has no bound of its own. So many operators may be in it, or wait for room after it, and there is one wish to end; links are
//! bounded by the process's descriptors, of which each holds two.
//!
//! Not here: what a wish means, which is the shell's and the door's.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use crate::limits::{CONTROL_WAITING, TURN_ACCEPTS_MAX};
use crate::net::{Bell, LocalSocket, PeerSocket, Poller};

/// What a host wishes of its relay.
#[derive(Debug)]
pub(super) enum Wish {
    /// Serve this client.
    Link(PeerSocket),
    /// Hear this operator, as soon as there is room.
    Operator(LocalSocket, Place),
    /// End, as the program does when its operator wants it to.
    Stop,
}

/// A place among the operators who are not heard yet. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    /// `None` if all are taken.
    fn take(taken: &Arc<AtomicUsize>) -> Option<Place> {
        let one_more = |count| (count < CONTROL_WAITING).then_some(count + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Place(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a host puts its wishes, from any thread.
#[derive(Clone, Debug)]
pub struct Mailbox {
    wishes: Sender<Wish>,
    bell: Bell,
    /// The end has been wished.
    stopped: Arc<AtomicBool>,
    /// Operators who are not heard yet.
    waiting: Arc<AtomicUsize>,
}

impl Mailbox {
    /// Has a client served soon. Nothing waits for that.
    ///
    /// # Errors
    /// [`ErrorKind::NotConnected`] if the relay has ended; else the operating system's, and then it ends soon.
    pub fn serve(&self, client: PeerSocket) -> io::Result<()> {
        self.post(Wish::Link(client))
    }

    /// Has an operator heard as soon as there is room.
    ///
    /// # Errors
    /// As for [`serve`](Self::serve), and [`ErrorKind::WouldBlock`] if [`CONTROL_WAITING`] wait for that already.
    pub fn hear(&self, operator: LocalSocket) -> io::Result<()> {
        let place = Place::take(&self.waiting).ok_or(ErrorKind::WouldBlock)?;
        self.post(Wish::Operator(operator, place))
    }

    /// Has the relay end soon. It need be said once only.
    ///
    /// # Errors
    /// As for [`serve`](Self::serve).
    pub fn stop(&self) -> io::Result<()> {
        if self.stopped.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.post(Wish::Stop)
    }

    fn post(&self, wish: Wish) -> io::Result<()> {
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
}

impl Host {
    /// Nobody.
    pub(super) fn none() -> Host {
        Host { wishes: None }
    }

    /// Whoever has the mailbox, or a clone of it.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn of_thread(poller: &Poller) -> io::Result<(Mailbox, Host)> {
        let bell = poller.bell()?;
        let (wishes, posted) = mpsc::channel();
        Ok((Mailbox { wishes, bell, stopped: Arc::default(), waiting: Arc::default() }, Host { wishes: Some(posted) }))
    }

    /// Whether the relay is a part of another program.
    pub(super) fn is_there(&self) -> bool {
        self.wishes.is_some()
    }

    /// What was posted, as much as one turn takes. Where there is nothing, the bell rings when there is something.
    pub(super) fn take_wishes(&self) -> Vec<Wish> {
        self.wishes.iter().flat_map(Receiver::try_iter).take(TURN_ACCEPTS_MAX).collect()
    }
}
