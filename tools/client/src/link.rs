//! One connection: socket, TLS, frames in, frames out.
//!
//! Frames to send gather in [`Link::out`] and are encrypted together when the link is flushed, as much
//! as the socket takes; so a turn's acks and posts cost one write. What arrives is handed on
//! frame by frame, from the decrypted buffer itself when a frame came whole.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use sha2::{Digest, Sha256};

use crate::frames::{Inbox, Sink};
use crate::{Fingerprint, LinkError};

/// A connection over a socket that does not block: where it would, reading and writing end with
/// [`ErrorKind::WouldBlock`], and the caller waits by its own means.
#[derive(Debug)]
pub struct Link<S> {
    socket: S,
    /// `None`: the socket is a local one, and nothing is encrypted.
    tls: Option<Box<ClientConnection>>,
    inbox: Inbox,
    /// Frames that wait to be encrypted; the first `sealed` octets already are.
    pub out: Vec<u8>,
    sealed: usize,
}

/// Read from one link before the others get their turn, in octets.
const READ_BUDGET: usize = 256 << 10;
/// epoll raises another event for whatever comes after a read that did not fill its buffer (epoll(7), questions
/// and answers, 9), unless it is the end, which came with the same event. This saves a call in four.
const SHORT_READ_IS_ALL: bool = cfg!(target_os = "linux");
/// Encrypted ahead of the socket, in octets.
const SEAL_AHEAD: usize = 64 << 10;
/// An output buffer that has grown beyond this is given back when it is empty.
const OUT_KEEP: usize = 64 << 10;

impl<S: Read + Write> Link<S> {
    /// TLS over a socket that is connected, or on its way to be.
    ///
    /// # Errors
    /// [`LinkError::Tls`] if the configuration cannot serve.
    pub fn new(socket: S, config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Link<S>, LinkError> {
        let tls = ClientConnection::new(config, name).map_err(LinkError::Tls)?;
        Ok(Link { socket, tls: Some(Box::new(tls)), inbox: Inbox::default(), out: Vec::new(), sealed: 0 })
    }

    /// Frames over a socket as they are, without TLS: for programs on one machine.
    pub fn plain(socket: S) -> Link<S> {
        Link { socket, tls: None, inbox: Inbox::default(), out: Vec::new(), sealed: 0 }
    }

    /// The socket.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket, to be registered or configured.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// SHA-256 of the relay's certificate, once the handshake has brought it.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let certificate = self.tls.as_ref()?.peer_certificates()?.first()?;
        Some(Sha256::digest(certificate).into())
    }

    /// Reads what there is, up to 256 KiB, and hands the frames to `sink`; whether there may be more. `ending`: the poll has told
    /// of the end. `scratch` is a buffer that all links can share; 64 KiB are plenty.
    ///
    /// # Errors
    /// The link has ended: the relay closed it, or sent what is no TLS or no frame, or the sink could bear no more.
    pub fn receive(&mut self, ending: bool, scratch: &mut [u8], sink: &mut impl Sink) -> Result<bool, LinkError> {
        let mut budget = READ_BUDGET;
        while budget > 0 {
            match self.socket.read(scratch) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(count) => {
                    budget = budget.saturating_sub(count);
                    self.open(&scratch[..count], sink)?;
                    if count < scratch.len() && !ending && SHORT_READ_IS_ALL {
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn open(&mut self, mut cipher: &[u8], sink: &mut impl Sink) -> Result<(), LinkError> {
        let Some(tls) = &mut self.tls else { return self.inbox.take(cipher, &mut self.out, sink) };
        while !cipher.is_empty() {
            tls.read_tls(&mut cipher)?;
            if let Err(error) = tls.process_new_packets() {
                // The relay should get the alert; that it may not is no further trouble.
                let _ = tls.write_tls(&mut self.socket);
                return Err(LinkError::Tls(error));
            }
            loop {
                let mut reader = tls.reader();
                let plain = match reader.fill_buf() {
                    Ok([]) => return Err(LinkError::Closed),
                    Ok(plain) => plain,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                };
                self.inbox.take(plain, &mut self.out, sink)?;
                let count = plain.len();
                reader.consume(count);
            }
        }
        Ok(())
    }

    /// Writes until all is written or the socket is full; whether all is written.
    ///
    /// # Errors
    /// The link has ended.
    pub fn flush(&mut self) -> Result<bool, LinkError> {
        loop {
            while let Some(tls) = &mut self.tls
                && tls.wants_write()
            {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if self.out.is_empty() {
                return Ok(true);
            }
            if self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
                return Ok(false);
            }
            if !self.seal()? {
                return Ok(false);
            }
        }
    }

    /// Gives the next octets of `out` to TLS, or to the socket; whether it took some.
    fn seal(&mut self) -> Result<bool, LinkError> {
        let end = self.out.len().min(self.sealed + SEAL_AHEAD);
        let next = &self.out[self.sealed..end];
        let taken = match &mut self.tls {
            Some(tls) => tls.writer().write(next),
            None => self.socket.write(next),
        };
        match taken {
            Ok(count) => self.sealed += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if self.sealed == self.out.len() {
            self.sealed = 0;
            self.out.clear();
            self.out.shrink_to(OUT_KEEP);
        }
        Ok(true)
    }

    /// Octets of frames that wait to be encrypted.
    pub fn unsent(&self) -> usize {
        self.out.len() - self.sealed
    }

    /// Whether there is something for the socket, now.
    pub fn wants_write(&self) -> bool {
        match &self.tls {
            Some(tls) => tls.wants_write() || (self.unsent() > 0 && !tls.is_handshaking()),
            None => self.unsent() > 0,
        }
    }
}
