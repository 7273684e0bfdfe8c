//! Which messages have been handled already.
//!
//! An ack may get lost with its link, or with this program: then the message comes again, and must not be handled again. Ids are
//! noted after the handling and before the ack. They are written at once but not synced: after a power failure a message may be
//! handled twice.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::Failure;
use crate::home::Place;

/// So many ids are remembered; a relay has at most some hundred messages on their way to a device.
const KEPT: usize = 4096;

/// The ids of a profile, oldest first.
#[derive(Debug)]
pub(crate) struct Journal {
    place: Place,
    file: File,
    known: HashSet<String>,
    order: VecDeque<String>,
    /// Lines in the file, of which the last ones are remembered.
    lines: usize,
}

impl Journal {
    pub(crate) fn open(place: &Place) -> Result<Journal, Failure> {
        let path = place.journal();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.map_err(|e| Failure::file(&path, &e))?,
        };
        let text = String::from_utf8_lossy(&text);
        // What was cut off by a crash has no end of line, and is no id.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let all: Vec<&str> = whole.lines().collect();
        let order: VecDeque<String> = all[all.len().saturating_sub(KEPT)..].iter().map(|id| (*id).to_owned()).collect();
        let mut journal =
            Journal { place: place.clone(), file: append(place)?, known: order.iter().cloned().collect(), order, lines: all.len() };
        if journal.lines > KEPT || whole.len() + 1 < text.len() {
            journal.rewrite()?;
        }
        Ok(journal)
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    pub(crate) fn add(&mut self, id: &str) -> Result<(), Failure> {
        self.file.write_all(format!("{id}\n").as_bytes()).map_err(|e| Failure::file(&self.place.journal(), &e))?;
        self.lines += 1;
        self.known.insert(id.to_owned());
        self.order.push_back(id.to_owned());
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        if self.lines > 2 * KEPT { self.rewrite() } else { Ok(()) }
    }

    fn rewrite(&mut self) -> Result<(), Failure> {
        let text: String = self.order.iter().flat_map(|id| [id.as_str(), "\n"]).collect();
        self.place.write(&self.place.journal(), text.as_bytes())?;
        self.file = append(&self.place)?;
        self.lines = self.order.len();
        Ok(())
    }
}

fn append(place: &Place) -> Result<File, Failure> {
    let path = place.journal();
    OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(|e| Failure::file(&path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_across_restarts_and_crashes_and_the_oldest_are_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::find(Some(home.path()), "p").unwrap();
        place.create().unwrap();
        let mut journal = Journal::open(&place).unwrap();
        for number in 0..2 * KEPT + 10 {
            journal.add(&format!("{number:016x}")).unwrap();
        }
        let id = |number: usize| format!("{number:016x}");
        assert!(journal.has(&id(2 * KEPT + 9)) && journal.has(&id(KEPT + 10)) && !journal.has(&id(KEPT + 9)));
        // A crash in the middle of a line.
        OpenOptions::new().append(true).open(place.journal()).unwrap().write_all(b"00000000").unwrap();
        let mut journal = Journal::open(&place).unwrap();
        assert!(journal.has(&id(2 * KEPT + 9)) && journal.has(&id(KEPT + 10)) && !journal.has(&id(KEPT + 9)));
        journal.add("ffffffffffffffff").unwrap();
        assert!(Journal::open(&place).unwrap().has("ffffffffffffffff"));
    }
}
