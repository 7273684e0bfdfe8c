//! TLS by rustls' unbuffered interface: records are decrypted in the buffer they were read into, and encrypted
//! into the buffer they are written from. The only file that drives rustls.
//!
//! Invariant: `pending` holds the octets that rustls has seen and not discarded; it must see them again at every
//! call, also when we only want to send, since its own bookkeeping points into them.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus};

use super::LayerError;
use crate::net::sealed::Sealed;

/// A site's certificate and how it wants to be spoken to.
pub type TlsConfig = Arc<ServerConfig>;

/// What sealing adds to a record in TLS 1.3 (header, type and tag) and, a little more, in 1.2: a guess that spares a question.
const RECORD_OVERHEAD: usize = 32;

/// One TLS connection.
pub struct Tls {
    connection: UnbufferedServerConnection,
    /// The part of a record that came without its end.
    pending: Vec<u8>,
    ready: bool,
    peer_closed: bool,
    /// An error came: rustls must not be asked anything more.
    failed: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ready", &self.ready).field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

/// Where decrypted octets go.
type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// What to do once rustls lets us write.
enum Errand<'a> {
    /// Nothing.
    Listen,
    /// Encrypt this.
    Seal(&'a [u8]),
    /// Say goodbye.
    Close,
}

impl Tls {
    pub(super) fn new(config: TlsConfig) -> Result<Tls, LayerError> {
        let connection = UnbufferedServerConnection::new(config).map_err(|e| LayerError(e.to_string()))?;
        Ok(Tls { connection, pending: Vec::new(), ready: false, peer_closed: false, failed: false })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.pending
    }

    /// `wire` begins with the [`rest`](Self::rest).
    pub(super) fn open(&mut self, wire: &mut [u8], out: &mut Sealed, sink: &mut dyn FnMut(&[u8])) -> Result<(), LayerError> {
        debug_assert!(wire.starts_with(&self.pending), "rustls sees again what it did not discard");
        let used = self.drive(wire, out, &mut Some(sink), &Errand::Listen)?;
        self.pending = wire[used..].to_vec();
        Ok(())
    }

    pub(super) fn seal(&mut self, plain: &[u8], out: &mut Sealed) -> Result<(), LayerError> {
        self.run_errand(&Errand::Seal(plain), out)
    }

    pub(super) fn close(&mut self, out: &mut Sealed) {
        // A peer that cannot be told goodbye will find out.
        let _ = self.run_errand(&Errand::Close, out);
    }

    fn run_errand(&mut self, errand: &Errand<'_>, out: &mut Sealed) -> Result<(), LayerError> {
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.drive(&mut pending, out, &mut None, errand);
        if let Ok(used) = used {
            pending.drain(..used);
        }
        self.pending = pending;
        used.map(drop)
    }

    /// Lets rustls work until it wants more input; returns how much of `wire` it is done with.
    fn drive(&mut self, wire: &mut [u8], out: &mut Sealed, sink: &mut Option<Sink<'_>>, errand: &Errand<'_>) -> Result<usize, LayerError> {
        if self.failed {
            return Err(LayerError("the link has failed before".to_owned()));
        }
        let result = self.drive_sound(wire, out, sink, errand);
        self.failed = result.is_err();
        result
    }

    fn drive_sound(
        &mut self,
        wire: &mut [u8],
        out: &mut Sealed,
        sink: &mut Option<Sink<'_>>,
        errand: &Errand<'_>,
    ) -> Result<usize, LayerError> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state, .. } = self.connection.process_tls_records(&mut wire[used..]);
            let mut done = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|e| LayerError(e.to_string()))?;
                        discard += record.discard;
                        if let Some(sink) = sink {
                            sink(record.payload);
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => write_to(out, 0, |space| data.encode(space).map_err(Trouble::from))?,
                // What was encoded is in `out`, which the link sends in any case.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    self.ready = true;
                    match errand {
                        Errand::Listen => {}
                        Errand::Seal(plain) => {
                            write_to(out, plain.len() + RECORD_OVERHEAD, |space| traffic.encrypt(plain, space).map_err(Trouble::from))?
                        }
                        Errand::Close => write_to(out, RECORD_OVERHEAD, |space| traffic.queue_close_notify(space).map_err(Trouble::from))?,
                    }
                    done = true;
                }
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => done = true,
                Ok(other) => return Err(LayerError(format!("unexpected TLS state {other:?}"))),
                Err(error) => {
                    self.last_words(&mut wire[used..], out);
                    return Err(LayerError(error.to_string()));
                }
            }
            used += discard;
            if done {
                return Ok(used);
            }
        }
    }

    /// After an error rustls has, most often, an alert for the peer, which it gives before it reads anything. Where it has
    /// none it reads on: so it is asked only once, and gets the octets of the call that failed again, into which
    /// what it remembers of them still points. (With fewer it panics.)
    fn last_words(&mut self, wire: &mut [u8], out: &mut Sealed) {
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = self.connection.process_tls_records(wire).state {
            // A peer that cannot be told why will find the link closed.
            let _ = write_to(out, 0, |space| data.encode(space).map_err(Trouble::from));
        }
    }
}

/// Why rustls did not write.
enum Trouble {
    /// It needs that much space.
    Space(InsufficientSizeError),
    /// It never will.
    Final(String),
}

impl From<EncodeError> for Trouble {
    fn from(error: EncodeError) -> Trouble {
        match error {
            EncodeError::InsufficientSize(size) => Trouble::Space(size),
            EncodeError::AlreadyEncoded => Trouble::Final(error.to_string()),
        }
    }
}

impl From<EncryptError> for Trouble {
    fn from(error: EncryptError) -> Trouble {
        match error {
            EncryptError::InsufficientSize(size) => Trouble::Space(size),
            EncryptError::EncryptExhausted => Trouble::Final(error.to_string()),
        }
    }
}

/// Appends what `write` writes into the space it is given; when that is too small, it tells how much it needs.
fn write_to(out: &mut Sealed, guess: usize, mut write: impl FnMut(&mut [u8]) -> Result<usize, Trouble>) -> Result<(), LayerError> {
    let mut least = guess;
    loop {
        let space = out.space(least);
        let given = space.len();
        match write(space) {
            Ok(written) => {
                out.advance(written);
                return Ok(());
            }
            Err(Trouble::Space(size)) if size.required_size > given => least = size.required_size,
            Err(Trouble::Space(_)) => return Err(LayerError("TLS wants space it has".to_owned())),
            Err(Trouble::Final(why)) => return Err(LayerError(why)),
        }
    }
}
