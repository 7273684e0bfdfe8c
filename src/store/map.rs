//! Reading a file through memory: the only `unsafe` of the project.
//!
//! A [`Map`] gives out the part of a file that has been declared written and final, and nothing beyond.
//! It lacks every way to write: a store to a mapped page of a full disk raises SIGBUS and hides its errors.
//! Reading can raise SIGBUS too, if the file is cut short by somebody else or its disk cannot be read. There is nothing to
//! go on with then, and the process ends: as the system has it, or with a sentence where [`end_when_unreadable`] was called. How
//! a signal is met is the whole process's matter, so a map does not decide it.
#![allow(unsafe_code)]

use std::{fs::File, io};

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};
use signal_hook::consts::SIGBUS;
use signal_hook::low_level;

use super::error::DISK_FAILED;

/// What is said when a map cannot be read. Which file it was, `mnm verify` tells.
const UNREADABLE: &[u8] = b"mnm: a segment of the log cannot be read any more (SIGBUS): its disk fails, or something cut its file short. \
    Check the disk and the system's log, see with `mnm verify` which file it is, then start again\n";

/// A shared, read-only view of the written part of a file.
#[derive(Debug)]
pub(super) struct Map {
    map: Mmap,
    written: usize,
}

impl Map {
    /// Maps the whole file; nothing is visible yet.
    pub(super) fn new(file: &File, size: usize) -> io::Result<Map> {
        // SAFETY: the mapping itself reads nothing. Octets become visible to safe code only in `bytes`, which relies
        // on `advance` for their never changing while the map lives. That no other process cuts or writes the
        // file is the operator's part; the lock on the directory keeps other instances out.
        let map = unsafe { MmapOptions::new().len(size).map(file)? };
        Ok(Map { map, written: 0 })
    }

    /// Declares the first `written` octets of the file written and final.
    ///
    /// # Panics
    /// If that is less than before, or more than the file has.
    pub(super) fn advance(&mut self, written: usize) {
        assert!(self.written <= written && written <= self.map.len(), "a map only grows, within its file");
        self.written = written;
    }

    /// Gives the memory back that reading has filled; what is read again is fetched again.
    pub(super) fn release(&self) {
        // SAFETY: the map is shared and read-only, so its pages hold nothing that the file does not; dropping them
        // changes no octet that anybody sees. Where the system will not, the pages just stay.
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    /// The octets that are final.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.map[..self.written]
    }
}

/// Has SIGBUS end this process with a sentence on stderr and exit status 5, from now on and wherever in it the signal comes from. The system's
/// own way is to end it without a word, and with a status that no operator knows.
///
/// The program `mnm` calls this first. A program that contains the relay may, if it maps no files of its own and wants no other word.
pub fn end_when_unreadable() {
    let end = || {
        // Whether it was said or not, it is over.
        let _ = rustix::io::write(rustix::stdio::stderr(), UNREADABLE);
        low_level::exit(DISK_FAILED.into());
    };
    // SAFETY: the action runs within a signal handler. It makes two system calls, write and _exit, takes no lock, asks for no
    // memory, touches no map, and does not return to the read that failed.
    let watched = unsafe { low_level::register(SIGBUS, end) };
    // It is refused for signals that cannot be caught, and this is none. If it were: the system's way then.
    debug_assert!(watched.is_ok(), "{watched:?}");
}
