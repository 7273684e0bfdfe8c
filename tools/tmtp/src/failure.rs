//! What can go wrong, and the exit status that tells a script which of it did.

use std::fmt;
use std::io;
use std::path::Path;

/// Why a command did not do what it was asked: a sentence that names the thing and the cure. One variant per exit status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The relay understood and declines; its words.
    Refused(String),
    /// The command line asks for what cannot be meant.
    Usage(String),
    /// The profile, or what it logs in with.
    Profile(String),
    /// No link to the relay in time.
    Unreachable(String),
    /// A file or a disk of this machine.
    Local(String),
    /// The relay shows a certificate that is not the trusted one.
    Certificate(String),
    /// Fewer messages came than were asked for.
    TooFew(String),
    /// The command of `recv --exec` did not exit with 0.
    Exec(String),
    /// Whoever read our output has gone: no error of ours, and nothing more to do.
    Unread,
}

impl Failure {
    /// What the process ends with.
    pub fn exit_status(&self) -> u8 {
        match self {
            Failure::Unread => 0,
            Failure::Refused(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Profile(_) => 3,
            Failure::Unreachable(_) => 4,
            Failure::Local(_) => 5,
            Failure::Certificate(_) => 6,
            Failure::TooFew(_) => 7,
            Failure::Exec(_) => 8,
        }
    }

    /// A file that could not be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Failure {
        Failure::Local(format!("{}: {error}", path.display()))
    }

    /// What could not be printed: a reader that has gone is no error.
    pub(crate) fn print(error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe { Failure::Unread } else { Failure::Local(format!("standard output: {error}")) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unread => f.write_str("nobody reads what is printed"),
            Failure::Refused(text)
            | Failure::Usage(text)
            | Failure::Profile(text)
            | Failure::Unreachable(text)
            | Failure::Local(text)
            | Failure::Certificate(text)
            | Failure::TooFew(text)
            | Failure::Exec(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}
