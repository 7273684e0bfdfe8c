//! What stands between a socket and the frames: bytes to bytes.

mod tls;

use std::fmt;

use super::sealed::Sealed;

pub use tls::TlsConfig;

/// The peer broke the layer's protocol, or speaks another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerError(pub String);

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LayerError {}

/// One layer.
#[derive(Debug)]
pub enum Layer {
    /// None: for links inside one machine, and for tests.
    Plain,
    /// TLS 1.2 or 1.3, as server.
    Tls(Box<tls::Tls>),
}

impl Layer {
    /// TLS with this site's certificate.
    ///
    /// # Errors
    /// If the configuration cannot serve.
    pub fn tls(config: TlsConfig) -> Result<Layer, LayerError> {
        Ok(Layer::Tls(Box::new(tls::Tls::new(config)?)))
    }

    /// What came before and could not be used without what follows: the next call of [`open`](Self::open) begins with it.
    pub fn rest(&self) -> &[u8] {
        match self {
            Layer::Plain => &[],
            Layer::Tls(tls) => tls.rest(),
        }
    }

    /// Takes what the socket gave, behind the [`rest`](Self::rest) of what it gave before; plain octets go to `sink`, and what
    /// the layer itself has to say to `out`.
    ///
    /// # Errors
    /// [`LayerError`]; the link cannot go on, but `out` may hold a last word for the peer.
    pub fn open(&mut self, wire: &mut [u8], out: &mut Sealed, sink: &mut dyn FnMut(&[u8])) -> Result<(), LayerError> {
        match self {
            Layer::Plain => {
                sink(wire);
                Ok(())
            }
            Layer::Tls(tls) => tls.open(wire, out, sink),
        }
    }

    /// Appends `plain` to `out` as the wire wants it; up to 16 KiB become one TLS record.
    ///
    /// # Errors
    /// [`LayerError`] if the layer cannot send any more.
    pub fn seal(&mut self, plain: &[u8], out: &mut Sealed) -> Result<(), LayerError> {
        match self {
            Layer::Plain => {
                out.push(plain);
                Ok(())
            }
            Layer::Tls(tls) => tls.seal(plain, out),
        }
    }

    /// Appends the layer's goodbye.
    pub fn close(&mut self, out: &mut Sealed) {
        match self {
            Layer::Plain => {}
            Layer::Tls(tls) => tls.close(out),
        }
    }

    /// Whether `seal` can be called: the handshake is done.
    pub fn is_ready(&self) -> bool {
        match self {
            Layer::Plain => true,
            Layer::Tls(tls) => tls.is_ready(),
        }
    }

    /// Whether the peer said goodbye.
    pub fn peer_closed(&self) -> bool {
        match self {
            Layer::Plain => false,
            Layer::Tls(tls) => tls.peer_closed(),
        }
    }
}
