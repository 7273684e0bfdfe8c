//! What can go wrong, split by whose turn it is to act.

use std::{error, fmt, io};

use crate::base::Seq;

/// Why the store did not do what it was asked.
///
/// [`Full`](StoreError::Full) passes: nothing was taken, the store goes on. After [`Failed`](StoreError::Failed) from an
/// open store its memory is ahead of its disk, and the process must end. All others come from opening
/// and leave every file as it was.
#[derive(Debug)]
pub enum StoreError {
    /// No further segment can be had. What was asked was not done; it will be possible again when there is space.
    Full {
        /// Octets of disk that are wanted.
        wanted: u64,
        /// What the system said, if it was asked.
        source: Option<io::Error>,
    },
    /// The disk did not do what it must.
    Failed {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier call failed, and nothing that is asked of this store since can be relied upon.
    Poisoned,
    /// Octets that had been on stable storage are not what was written.
    Rot {
        /// The segment's file.
        file: String,
        /// Where in it the damage starts, in octets.
        offset: u64,
        /// How it shows.
        what: &'static str,
    },
    /// A segment that is needed is not there.
    Missing {
        /// Which, as far as is known.
        what: String,
    },
    /// A segment was written by a later version of this program.
    Version {
        /// The segment's file.
        file: String,
        /// The version of its format.
        found: u32,
    },
    /// Another process has the directory.
    Locked {
        /// The directory.
        directory: String,
    },
    /// A repair was cut short after it was decided: new segments would get names that it will give.
    Unfinished {
        /// The directory.
        directory: String,
    },
    /// The log changed faster than it could be copied.
    Restless {
        /// The directory.
        directory: String,
        /// How often it was tried.
        passes: usize,
    },
    /// A record is intact, but the caller can make no sense of it.
    Refused {
        /// The record.
        seq: Seq,
        /// The segment's file.
        file: String,
        /// Where in it, in octets.
        offset: u64,
        /// The caller's reason.
        reason: String,
    },
}

/// The exit status where the disk did not do what it must.
pub(super) const DISK_FAILED: u8 = 5;

impl StoreError {
    pub(super) fn failed(action: &'static str, file: impl Into<String>, source: io::Error) -> StoreError {
        StoreError::Failed { action, file: file.into(), source }
    }

    /// Sorts an error from making or opening a file: out of space passes, and so does out of descriptors.
    pub(super) fn making(action: &'static str, file: String, wanted: u64, source: io::Error) -> StoreError {
        match super::directory::passes(&source) {
            true => StoreError::Full { wanted, source: Some(source) },
            false => StoreError::failed(action, file, source),
        }
    }

    /// Whether it is descriptors that are wanting, and not space.
    pub(super) fn wants_descriptor(&self) -> bool {
        matches!(self, StoreError::Full { source: Some(source), .. } if super::directory::wants_descriptor(source))
    }

    /// The exit status of a program that this ends: 5 where the disk must be seen to, 6 where another process must,
    /// 3 where the log itself must. It may be tried again after 5; after 3 that only repeats the message.
    pub fn exit_status(&self) -> u8 {
        match self {
            StoreError::Full { .. } | StoreError::Failed { .. } | StoreError::Poisoned | StoreError::Restless { .. } => DISK_FAILED,
            StoreError::Locked { .. } => 6,
            StoreError::Rot { .. }
            | StoreError::Missing { .. }
            | StoreError::Version { .. }
            | StoreError::Unfinished { .. }
            | StoreError::Refused { .. } => 3,
        }
    }

    /// Whether the store is as it was and the same may succeed later.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Full { .. })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full { wanted, source: None } => write!(f, "the disk is full: free at least {wanted} octets"),
            StoreError::Full { wanted, source: Some(source) } => {
                write!(f, "no new segment of {wanted} octets can be made ({source}): free some disk space")
            }
            StoreError::Failed { action, file, source } => {
                write!(f, "cannot {action} {file}: {source}. {}, then start again; what was promised is kept", cure(source))
            }
            StoreError::Poisoned => write!(f, "the store failed before and takes no more work: end the process and start again"),
            StoreError::Rot { file, offset, what } => write!(
                f,
                "{file} is damaged at offset {offset}: {what}. It was left untouched: restore it from a backup, or let mnm repair show what can be kept"
            ),
            StoreError::Missing { what } => {
                write!(f, "{what}. Put the file back, restore the whole directory from a backup, or let mnm repair show what can be kept")
            }
            StoreError::Version { file, found } => {
                write!(
                    f,
                    "{file} has format version {found}, this program reads up to {}: use the program that wrote it",
                    super::format::VERSION
                )
            }
            StoreError::Locked { directory } => {
                write!(f, "another process is using {directory}: stop it, or give this one a directory of its own")
            }
            StoreError::Unfinished { directory } => {
                write!(f, "a repair of the log in {directory} was cut short: complete it with mnm repair --yes")
            }
            StoreError::Restless { directory, passes } => write!(
                f,
                "the log in {directory} changed under every one of {passes} attempts to copy it: try again when the site is quieter, or stop the relay"
            ),
            StoreError::Refused { seq, file, offset, reason } => {
                write!(f, "record {seq} in {file} at offset {offset} is intact but cannot be used: {reason}. Use the program that wrote it")
            }
        }
    }
}

/// What to do about a failure before the next start.
fn cure(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "The disk is full: free space on that file system (mnm check tells how much a start wants)"
        }
        _ if super::directory::wants_descriptor(source) => "Raise the limit of open files (ulimit -n)",
        _ => "Check the disk and its file system",
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            StoreError::Full { source, .. } => source.as_ref().map(|e| e as _),
            StoreError::Failed { source, .. } => Some(source),
            StoreError::Poisoned
            | StoreError::Rot { .. }
            | StoreError::Missing { .. }
            | StoreError::Version { .. }
            | StoreError::Locked { .. }
            | StoreError::Restless { .. }
            | StoreError::Unfinished { .. }
            | StoreError::Refused { .. } => None,
        }
    }
}
