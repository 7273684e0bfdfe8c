//! A message's data without the secondary header in front of it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use mnm_client::{Content, Message};
use serde_json::Value;

/// A larger secondary header is skipped, but not read.
const HEAD_MAX: u64 = 64 << 10;

/// What a recipient is to get.
#[derive(Debug)]
pub(crate) struct Parcel<'a> {
    content: &'a Content,
    /// Octets of secondary header.
    skip: u64,
    /// The secondary header, if it is JSON.
    pub(crate) head: Option<Value>,
}

impl<'a> Parcel<'a> {
    pub(crate) fn new(message: &'a Message) -> io::Result<Parcel<'a>> {
        let content = &message.content;
        let skip = message.header.number("datahead").min(content.len());
        let mut head = Vec::new();
        if skip > 0 && skip <= HEAD_MAX {
            content.reader()?.take(skip).read_to_end(&mut head)?;
        }
        Ok(Parcel { content, skip, head: serde_json::from_slice(&head).ok() })
    }

    /// Octets.
    pub(crate) fn len(&self) -> u64 {
        self.content.len() - self.skip
    }

    /// What the sender calls it, as it came: not fit for anything but to be cleaned.
    pub(crate) fn name(&self) -> Option<&str> {
        self.head.as_ref()?.get("tmtp")?.get("name")?.as_str()
    }

    /// The data as a text, if it is one and small enough to be shown.
    pub(crate) fn text(&self) -> Option<&str> {
        let Content::Memory(octets) = self.content else { return None };
        let skip = usize::try_from(self.skip).ok()?;
        std::str::from_utf8(&octets[skip..]).ok()
    }

    /// The data, to be read from its start.
    pub(crate) fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        let mut reader = self.content.reader()?;
        io::copy(&mut reader.by_ref().take(self.skip), &mut io::sink())?;
        Ok(reader)
    }

    /// The data as an open file, for a program to read.
    pub(crate) fn file(&self) -> io::Result<File> {
        let mut file = match self.content {
            Content::File { file, .. } => File::open(file.path())?,
            Content::Memory(octets) => {
                let mut file = tempfile::tempfile()?;
                file.write_all(octets)?;
                file
            }
        };
        file.seek(SeekFrom::Start(self.skip))?;
        Ok(file)
    }
}
