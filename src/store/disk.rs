//! What the store asks of a disk, and nothing more: a directory of files of fixed size.
//!
//! [`Directory`](super::Directory) is the real one. A simulated disk may lose whatever was not synced, sector by
//! sector; may fill up; may fail any call. What the store relies on:
//!
//! - After [`DiskFile::sync_data`] returns `Ok`, what was written before survives a crash.
//! - After [`Disk::sync_dir`] returns `Ok`, so do creations, renames and removals. Before, some of the
//!   earlier ones may survive, but none without those that came before it.
//! - A rename is atomic: after a crash the file has the one name or the other.
//!
//! It does not rely on the order or atomicity of writes, nor on writes that were not synced being lost.

use std::io;

/// A directory of files.
pub trait Disk {
    /// One of its files.
    type File: DiskFile;

    /// The names of all files, in any order.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// A new file of `bytes` zeroes whose space is reserved.
    ///
    /// # Errors
    /// Also if the name is taken. If there is no space, no file is left behind.
    fn create(&mut self, name: &str, bytes: u64) -> io::Result<Self::File>;
    /// An existing file, to read and write.
    fn open(&mut self, name: &str) -> io::Result<Self::File>;
    /// Renames a file to a name that is free.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_dir(&mut self) -> io::Result<()>;
    /// Octets that new files can have.
    fn free_space(&mut self) -> io::Result<u64>;
    /// The file's full name, for people.
    fn describe(&self, name: &str) -> String;
}

/// A disk that is lent: whoever lends it keeps its lock.
impl<D: Disk> Disk for &mut D {
    type File = D::File;

    fn list(&mut self) -> io::Result<Vec<String>> {
        (**self).list()
    }

    fn create(&mut self, name: &str, bytes: u64) -> io::Result<D::File> {
        (**self).create(name, bytes)
    }

    fn open(&mut self, name: &str) -> io::Result<D::File> {
        (**self).open(name)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        (**self).remove(name)
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        (**self).sync_dir()
    }

    fn free_space(&mut self) -> io::Result<u64> {
        (**self).free_space()
    }

    fn describe(&self, name: &str) -> String {
        (**self).describe(name)
    }
}

/// An open file. Its size never changes.
///
/// Written octets become a slice only through [`expose`](DiskFile::expose), and what has been exposed is never
/// written again through this handle or another while this one lives.
pub trait DiskFile {
    /// The size in octets.
    fn size(&self) -> u64;
    /// Fills `out` from this offset on.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at this offset.
    ///
    /// # Panics
    /// If any of that range has been exposed.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Lets the system begin to put these octets on stable storage, where that means anything, and does not wait: a later
    /// [`sync_data`](DiskFile::sync_data) has less to do. No more than advice.
    fn begin_sync(&mut self, _offset: u64, _bytes: u64) {}
    /// Puts what was written on stable storage.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Writes all of `bytes` at this offset and puts them on stable storage, where one call can do both. What was written
    /// before needs [`sync_data`](DiskFile::sync_data) all the same.
    fn write_synced(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_at(offset, bytes)?;
        self.sync_data()
    }
    /// Drops what the system remembers of the file and has synced, so that the next read asks the disk. No more than advice.
    fn drop_cache(&mut self);
    /// Makes the first `end` octets, which are written and will not change, part of [`exposed`](DiskFile::exposed).
    fn expose(&mut self, end: usize) -> io::Result<()>;
    /// The octets that have been exposed, from the start of the file.
    fn exposed(&self) -> &[u8];
    /// Gives back the memory that reading [`exposed`](DiskFile::exposed) has filled, where that means anything.
    fn release(&self) {}
    /// Nothing more will be written, read or synced; what has been exposed stays.
    fn retire(&mut self);
}
