//! What can go wrong, by whose fault it is.

use std::fmt;
use std::io;

/// Why a link ended.
#[derive(Debug)]
pub enum LinkError {
    /// The socket: not connected, reset, refused.
    Io(io::Error),
    /// The relay closed it without a word.
    Closed,
    /// TLS: certificate, alert, nonsense.
    Tls(rustls::Error),
    /// What came is not TMTP.
    Protocol(String),
    /// The relay said quit, and why.
    Quit(String),
    /// No answer within our patience.
    Silent,
    /// What came could not be kept: a local disk.
    Spool(io::Error),
    /// A [`Sink`](crate::Sink) has no more use for the link, and why.
    Useless(String),
}

impl LinkError {
    /// Whether a new link may fare better.
    pub fn is_transient(&self) -> bool {
        match self {
            LinkError::Io(_) | LinkError::Closed | LinkError::Silent => true,
            LinkError::Tls(error) => !matches!(error, rustls::Error::InvalidCertificate(_)),
            LinkError::Protocol(_) | LinkError::Spool(_) | LinkError::Useless(_) => false,
            // Any reason but these is a judgement on us. The first is what a half-open link leaves behind.
            LinkError::Quit(reason) => reason == "node already connected" || reason.contains("shut") || reason.contains("busy"),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Io(error) => write!(f, "{error}"),
            LinkError::Closed => f.write_str("the relay closed the link without a word"),
            LinkError::Tls(error) => write!(f, "TLS: {error}"),
            LinkError::Protocol(text) => write!(f, "the relay does not speak TMTP: {text}"),
            LinkError::Quit(reason) => write!(f, "the relay ended the link: {reason}"),
            LinkError::Silent => f.write_str("the relay did not answer in time"),
            LinkError::Useless(text) => f.write_str(text),
            LinkError::Spool(error) => write!(f, "a message that came could not be kept: {error}"),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> LinkError {
        LinkError::Io(error)
    }
}

/// Why a [`Client`](crate::Client) could not do what it was asked.
#[derive(Debug)]
pub enum Error {
    /// The caller's: an address, a certificate file, a request that does not fit a header. The sentence names it.
    Usage(String),
    /// The link was lost, and came not back within the client's patience; or it cannot be had at all.
    Link(LinkError),
    /// The relay understood and declines; nothing has happened. Its own words.
    Refused(String),
    /// What was to be sent could not be read, or what came could not be kept.
    Local(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) => f.write_str(text),
            Error::Link(error) => error.fmt(f),
            Error::Refused(text) => write!(f, "the relay refuses: {text}"),
            Error::Local(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Error {
        match error {
            LinkError::Spool(error) => Error::Local(error),
            error => Error::Link(error),
        }
    }
}
