//! Where the relay tells how it does: `"metrics"`.
//!
//! There is neither encryption nor a password there, so only this machine may reach it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::error::{PROGRAM, in_program};
use super::reader::At;
use super::{ConfigError, below, node};

/// What a value looks like, for complaints.
const FORM: &str = "\"127.0.0.1:9464\", \"[::1]:9464\", \"unix:/path\", or \"\" for none";
/// What begins the path of a socket.
const UNIX: &str = "unix:";
/// Octets of a path that every system takes as a socket's address: Linux takes 107, others 103.
const SOCKET_PATH_MAX: usize = 100;

/// Where metrics are served.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The place itself.
    pub place: MetricsPlace,
    /// Where this was said, `(file, key)`: for complaints once it is used.
    said: (String, String),
}

/// An address of this machine's own, or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsPlace {
    /// A loopback address; port 0 lets the system choose.
    Address(SocketAddr),
    /// The path of a socket.
    Socket(PathBuf),
}

/// Two are equal when they mean the same, wherever it was said.
impl PartialEq for Metrics {
    fn eq(&self, other: &Metrics) -> bool {
        self.place == other.place
    }
}

impl Eq for Metrics {}

impl Metrics {
    /// A place, for a program that contains the relay.
    pub fn at(place: MetricsPlace) -> Metrics {
        Metrics { place, said: (PROGRAM.to_owned(), "metrics".to_owned()) }
    }

    /// Reads the key; `None` if it turns them off.
    pub(super) fn read(at: &At<'_>, base: &Path) -> Result<Option<Metrics>, ConfigError> {
        let text = at.any_text(FORM)?;
        if text.is_empty() {
            return Ok(None);
        }
        let place = match text.strip_prefix(UNIX) {
            Some(path) => socket(at, path, base)?,
            None => address(at, text)?,
        };
        let said = (at.file().display().to_string(), at.path().to_string());
        Ok(Some(Metrics { place, said }))
    }

    /// What a file could not say is refused to a program too.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match &self.place {
            MetricsPlace::Address(address) if !is_loopback(address) => {
                Err(in_program(format!("metrics is {address}, which is not loopback"), CURE))
            }
            MetricsPlace::Address(_) | MetricsPlace::Socket(_) => Ok(()),
        }
    }

    /// The sentence for a failure to listen there, with what to do about it.
    pub fn bind_error(&self, error: &io::Error) -> ConfigError {
        let cure = match (error.kind(), &self.place) {
            (ErrorKind::AddrInUse, MetricsPlace::Address(_)) => {
                "stop the program that listens there (another mnm?), or choose another port"
            }
            (ErrorKind::AddrInUse, MetricsPlace::Socket(_)) => "stop the program that listens there (another mnm?), or choose another path",
            (ErrorKind::AlreadyExists, _) => "move it away, or choose another path",
            (ErrorKind::NotFound, _) => "make the directory that the socket is to be in",
            (ErrorKind::PermissionDenied, MetricsPlace::Address(_)) => "choose a port from 1024 up",
            (ErrorKind::PermissionDenied, MetricsPlace::Socket(_)) => "choose a directory that the user that runs mnm may write to",
            // EMFILE and ENFILE, the same on every Unix.
            _ if matches!(error.raw_os_error(), Some(24 | 23)) => "raise the limit of open files (ulimit -n)",
            (_, MetricsPlace::Address(_)) => "use 127.0.0.1 or [::1], whichever this machine has",
            (_, MetricsPlace::Socket(_)) => "choose another path",
        };
        let (file, key) = &self.said;
        ConfigError::new(file, format!("{key} is {self}, which cannot be listened on ({error})"), cure)
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            MetricsPlace::Address(address) => address.fmt(f),
            MetricsPlace::Socket(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

fn socket(at: &At<'_>, path: &str, base: &Path) -> Result<MetricsPlace, ConfigError> {
    if path.is_empty() {
        return Err(at.error(format_args!("is {:?}, without a path", UNIX), format!("expected {FORM}")));
    }
    let path = below(base, path);
    let octets = path.as_os_str().len();
    if octets > SOCKET_PATH_MAX {
        let trouble = format!("is a path of {octets} octets, too long for a socket ({})", path.display());
        return Err(at.error(trouble, format!("expected at most {SOCKET_PATH_MAX}, such as unix:/run/mnm/metrics.sock")));
    }
    Ok(MetricsPlace::Socket(path))
}

const CURE: &str = "use 127.0.0.1 or [::1], or a socket (\"unix:/path\"), and put a proxy with TLS before it for others";

fn address(at: &At<'_>, text: &str) -> Result<MetricsPlace, ConfigError> {
    let everybody = |text: &str| text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if everybody(text) {
        return Err(at.error(format_args!("is {}, which means all interfaces, and others must not read it", node::quote(text)), CURE));
    }
    let Ok(address) = text.parse::<SocketAddr>() else {
        return Err(at.error(format_args!("is {}, which is no address with a port", node::quote(text)), format!("expected {FORM}")));
    };
    if !is_loopback(&address) {
        return Err(at.error(format_args!("is {}, which is not loopback, and others must not read it", node::quote(text)), CURE));
    }
    Ok(MetricsPlace::Address(address))
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
