//! Waking the one thread that has the link, from others that wait for something else.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Failure;

/// The end that is waited on, beside the link.
#[derive(Debug)]
pub(crate) struct Wake {
    ear: UnixStream,
    bell: Bell,
}

/// The end for other threads. However often it is rung, it wakes at least once after the last time.
#[derive(Clone, Debug)]
pub(crate) struct Bell(Arc<UnixStream>);

impl Wake {
    pub(crate) fn new() -> Result<Wake, Failure> {
        let made = || -> io::Result<Wake> {
            let (ear, bell) = UnixStream::pair()?;
            ear.set_nonblocking(true)?;
            bell.set_nonblocking(true)?;
            Ok(Wake { ear, bell: Bell(Arc::new(bell)) })
        };
        made().map_err(|e| Failure::Local(format!("a pair of sockets: {e}")))
    }

    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// What to wait on.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.ear.as_fd()
    }

    /// Waits to be woken, for so long at most.
    pub(crate) fn wait(&self, most: Duration) {
        let timeout = Timespec::try_from(most).ok();
        // That it fails, or a signal ends it, is a short wait.
        let _ = poll(&mut [PollFd::new(&self.ear, PollFlags::IN)], timeout.as_ref());
    }

    /// Takes all ringing so far; whoever rang must be looked after from here on.
    pub(crate) fn hush(&self) {
        let mut octets = [0; 64];
        loop {
            match (&self.ear).read(&mut octets) {
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing more: this end keeps a bell itself, so there is no end of it.
                Ok(_) | Err(_) => return,
            }
        }
    }
}

impl Bell {
    pub(crate) fn ring(&self) {
        // Full: there is enough ringing in it to wake anybody.
        let _ = (&*self.0).write(&[1]);
    }

    /// A descriptor of its own, for a signal handler.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }
}
