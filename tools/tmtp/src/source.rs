//! What a message is made of: a text, a file, or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;

use crate::Failure;
use crate::wake::Bell;

/// One line of standard input is held in memory, and no more of it.
const LINE_MAX: u64 = 16 << 20;
/// Lines that are read ahead.
const LINES_AHEAD: usize = 16;

/// Where the data of one message comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    Text(String),
    File(PathBuf),
    Stdin,
}

impl Source {
    /// The data as something that can be read again from its start; a link may be lost in the middle. What is no regular file is
    /// copied into a temporary one first.
    pub(crate) fn open(&self) -> Result<Data, Failure> {
        match self {
            Source::Text(text) => Ok(Data::Memory(text.clone().into_bytes())),
            Source::Stdin => spool(&mut io::stdin().lock(), Path::new("standard input")).map(Data::File),
            Source::File(path) => {
                let mut file = File::open(path).map_err(|e| Failure::file(path, &e))?;
                let found = file.metadata().map_err(|e| Failure::file(path, &e))?;
                if found.is_file() { Ok(Data::File(file)) } else { spool(&mut file, path).map(Data::File) }
            }
        }
    }

    /// What the recipient's program is told to call it.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Source::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Source::Text(_) | Source::Stdin => None,
        }
    }
}

/// Data that can be posted.
#[derive(Debug)]
pub(crate) enum Data {
    Memory(Vec<u8>),
    File(File),
}

impl Data {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Data::Memory(octets) => octets.is_empty(),
            Data::File(file) => file.metadata().is_ok_and(|found| found.len() == 0),
        }
    }
}

fn spool(from: &mut impl Read, what: &Path) -> Result<File, Failure> {
    let mut file = tempfile::tempfile().map_err(|e| Failure::file(&std::env::temp_dir(), &e))?;
    io::copy(from, &mut file).and_then(|_| file.rewind()).map_err(|e| Failure::file(what, &e))?;
    Ok(file)
}

/// The lines of standard input, read by a thread of their own: the link must be kept alive while nobody types.
#[derive(Debug)]
pub(crate) struct Lines(Receiver<Result<Vec<u8>, Failure>>);

/// What there is of the lines.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Line {
    Next(Vec<u8>),
    NotYet,
    End,
}

impl Lines {
    /// Begins to read; `bell` rings for each line and for the end.
    pub(crate) fn read(bell: Bell) -> Lines {
        let (tell, lines) = sync_channel(LINES_AHEAD);
        thread::spawn(move || {
            let mut input = BufReader::new(io::stdin());
            while let Some(line) = next_line(&mut input).transpose() {
                let is_last = line.is_err();
                // Nobody takes it: the command has failed.
                if tell.send(line).is_err() || is_last {
                    break;
                }
                bell.ring();
            }
            drop(tell);
            bell.ring();
        });
        Lines(lines)
    }

    pub(crate) fn next(&self) -> Result<Line, Failure> {
        match self.0.try_recv() {
            Ok(line) => line.map(Line::Next),
            Err(TryRecvError::Empty) => Ok(Line::NotYet),
            Err(TryRecvError::Disconnected) => Ok(Line::End),
        }
    }
}

/// Without its end; `None` at the end of the input.
fn next_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    input.take(LINE_MAX + 1).read_until(b'\n', &mut line).map_err(|e| Failure::Local(format!("standard input: {e}")))?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.len() as u64 > LINE_MAX {
        return Err(Failure::Usage(format!("standard input: a line of more than {LINE_MAX} octets; send it without --lines")));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_are_bounded() {
        let mut input = &b"a\r\n\nlast"[..];
        let lines: Vec<Option<Vec<u8>>> = (0..4).map(|_| next_line(&mut input).unwrap()).collect();
        assert_eq!(lines, [Some(b"a".to_vec()), Some(Vec::new()), Some(b"last".to_vec()), None]);
        let mut endless = BufReader::new(io::repeat(b'x'));
        assert!(matches!(next_line(&mut endless), Err(Failure::Usage(_))));
    }
}
