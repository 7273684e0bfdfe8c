//! Why the relay did not start, or stopped, by whose fault.

use std::fmt;
use std::io;

use crate::certificate::OpenError;
use crate::config::ConfigError;
use crate::ledger::ReplayError;
use crate::net;
use crate::store::StoreError;

/// Why the relay did not start, or stopped.
#[derive(Debug)]
pub enum RunError {
    /// The operator's: something in the configuration.
    Config(ConfigError),
    /// The moment's: an address that another program has, or that is not there, or not known, yet.
    Address(ConfigError),
    /// The disk's: the log.
    Store(StoreError),
    /// Ours, or a newer version's: the log is intact but makes no sense.
    Replay(ReplayError),
    /// The system's: polling itself failed.
    Loop(io::Error),
    /// The system's: a relay within another program gets no thread.
    Thread(io::Error),
    /// Ours, or the host's logger's: the thread of a relay within another program panicked, with this message.
    Panicked(String),
}

impl RunError {
    /// The exit status of the program: 1 configuration, 3 log, 4 system, 5 disk, 6 another instance, 7 an address that
    /// cannot be listened on now; 101, as Rust has it, a panic. (2 is for wrong usage.)
    pub fn exit_status(&self) -> u8 {
        match self {
            RunError::Config(_) => 1,
            RunError::Store(error) => error.exit_status(),
            RunError::Replay(_) => 3,
            RunError::Loop(_) | RunError::Thread(_) => 4,
            RunError::Address(_) => 7,
            RunError::Panicked(_) => 101,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Config(error) | RunError::Address(error) => error.fmt(f),
            RunError::Store(error) => error.fmt(f),
            RunError::Replay(error) => write!(
                f,
                "the log is intact but cannot be replayed: {error}; keep the data directory and use the version of mnm that wrote it"
            ),
            RunError::Loop(error) if net::is_out_of_descriptors(error) => {
                write!(f, "the event loop failed: {error}; raise the limit of open files (ulimit -n)")
            }
            RunError::Loop(error) => write!(f, "the event loop failed: {error}; restart the relay"),
            RunError::Thread(error) => {
                write!(f, "there is no thread for the relay: {error}; raise the limit of processes (ulimit -u), or free memory")
            }
            RunError::Panicked(message) => write!(f, "the relay panicked: {message}; start it anew, and tell the makers of mnm"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> RunError {
        RunError::Config(error)
    }
}

impl From<OpenError> for RunError {
    fn from(error: OpenError) -> RunError {
        match error {
            OpenError::Config(error) => RunError::Config(error),
            OpenError::DiskFull { file, source } => {
                RunError::Store(StoreError::Failed { action: "write", file: file.display().to_string(), source })
            }
        }
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> RunError {
        RunError::Store(error)
    }
}

impl From<ReplayError> for RunError {
    fn from(error: ReplayError) -> RunError {
        RunError::Replay(error)
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> RunError {
        RunError::Loop(error)
    }
}
