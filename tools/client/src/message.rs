//! A message that came.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use tempfile::NamedTempFile;

use crate::Header;

/// A stored message: the relay sends it again until it is acked.
#[derive(Debug)]
pub struct Message {
    /// Its header, whose `headsum` has proved right.
    pub header: Header,
    /// Its data.
    pub content: Content,
}

/// A message's data: small ones in memory, large ones in a file that goes with the value.
#[derive(Debug)]
pub enum Content {
    /// Up to 256 KiB.
    Memory(Vec<u8>),
    /// More.
    File {
        /// A file of its own, in [`Options::spool`](crate::Options::spool); it may be renamed to keep it.
        file: NamedTempFile,
        /// Octets.
        len: u64,
    },
}

impl Content {
    /// Octets.
    pub fn len(&self) -> u64 {
        match self {
            Content::Memory(octets) => octets.len() as u64,
            Content::File { len, .. } => *len,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads it from the start.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Content::Memory(octets) => Ok(Box::new(Cursor::new(octets))),
            Content::File { file, .. } => Ok(Box::new(File::open(file.path())?)),
        }
    }

    /// All of it, in memory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn into_bytes(self) -> io::Result<Vec<u8>> {
        match self {
            Content::Memory(octets) => Ok(octets),
            Content::File { file, len } => {
                let mut octets = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
                let mut file = file.into_file();
                file.seek(SeekFrom::Start(0))?;
                file.read_to_end(&mut octets)?;
                Ok(octets)
            }
        }
    }
}
