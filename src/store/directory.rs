//! The real disk: files in a directory that one process holds the lock of.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, FlockOperation};
use rustix::io::Errno;

use super::map::Map;
use super::{Disk, DiskFile, StoreError};

/// The file whose lock says that the directory is in use.
const LOCK: &str = "lock";

/// A directory of segment files, held by this process alone until dropped; or only looked at, while another holds it.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: File,
    /// The lock goes with the descriptor, so a process that dies in any way gives it up. None where no relay ever ran.
    _lock: Option<File>,
    /// Files are opened to be read.
    reads_only: bool,
}

impl Directory {
    /// Takes the directory, which is made if it is not there (readable by this user only).
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it; `Failed` if it cannot be made or opened.
    pub fn open(path: &Path) -> Result<Directory, StoreError> {
        let failed = |action, source| StoreError::failed(action, path.display().to_string(), source);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| failed("make the directory", e))?;
        Directory::open_existing(path)
    }

    /// Takes a directory that must be there.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_existing(path: &Path) -> Result<Directory, StoreError> {
        let failed = |action, source| StoreError::failed(action, path.display().to_string(), source);
        let handle = File::open(path).map_err(|e| failed("open the directory", e))?;
        let lock = options().create(true).truncate(false).open(path.join(LOCK)).map_err(|e| failed("open the lock file in", e))?;
        take(&lock, FlockOperation::NonBlockingLockExclusive, path)?;
        Ok(Directory { path: path.to_path_buf(), handle, _lock: Some(lock), reads_only: false })
    }

    /// Takes a directory that must be there to read it: nothing is made or changed in it, so that a copy on a read-only
    /// file system will do. Others may read it meanwhile.
    ///
    /// Without a lock file no relay has it, and none is kept from starting.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if a relay has it; `Failed` if it cannot be opened.
    pub fn open_to_read(path: &Path) -> Result<Directory, StoreError> {
        let failed = |action, source| StoreError::failed(action, path.display().to_string(), source);
        let handle = File::open(path).map_err(|e| failed("open the directory", e))?;
        let lock = match File::open(path.join(LOCK)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("open the lock file in", error)),
        };
        if let Some(lock) = &lock {
            take(lock, FlockOperation::NonBlockingLockShared, path)?;
        }
        Ok(Directory { path: path.to_path_buf(), handle, _lock: lock, reads_only: true })
    }

    /// A directory that another process may hold: its files can be read and not written.
    ///
    /// # Errors
    /// `Failed` if it is not there or cannot be opened.
    pub fn look(path: &Path) -> Result<Directory, StoreError> {
        let handle = File::open(path).map_err(|e| StoreError::failed("open the directory", path.display().to_string(), e))?;
        Ok(Directory { path: path.to_path_buf(), handle, _lock: None, reads_only: true })
    }
}

fn take(lock: &File, how: FlockOperation, directory: &Path) -> Result<(), StoreError> {
    match rustix::fs::flock(lock, how) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(StoreError::Locked { directory: directory.display().to_string() }),
        Err(e) => Err(StoreError::failed("lock", directory.display().to_string(), e.into())),
    }
}

/// Removes the lock file of a directory that nobody uses: a copy that is put away needs none.
///
/// # Errors
/// `Failed` if it cannot be removed.
pub fn remove_lock(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path.join(LOCK)).map_err(|e| StoreError::failed("remove the lock file in", path.display().to_string(), e))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Whether the cause is a want of space or descriptors, which peers and neighbours can bring about and which ends.
pub(super) fn passes(error: &io::Error) -> bool {
    let kind = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    kind || wants_descriptor(error)
}

/// Whether the cause is a want of descriptors: how much space there is says nothing of its end.
pub(super) fn wants_descriptor(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

impl Disk for Directory {
    type File = DirectoryFile;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string()));
        // A name that is no UTF-8 is none of ours.
        names.filter_map(|name: io::Result<_>| name.map(Result::ok).transpose()).collect()
    }

    fn create(&mut self, name: &str, bytes: u64) -> io::Result<DirectoryFile> {
        let file = options().create_new(true).open(self.path.join(name))?;
        reserve(&file, bytes).inspect_err(|_| {
            // Best effort: what stays behind is removed at the next start.
            let _ = fs::remove_file(self.path.join(name));
        })?;
        Ok(DirectoryFile { file: Some(file), size: bytes, map: None, reads_only: false })
    }

    fn open(&mut self, name: &str) -> io::Result<DirectoryFile> {
        let file = options().write(!self.reads_only).open(self.path.join(name))?;
        let size = file.metadata()?.len();
        Ok(DirectoryFile { file: Some(file), size, map: None, reads_only: self.reads_only })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn free_space(&mut self) -> io::Result<u64> {
        let space = rustix::fs::fstatvfs(&self.handle)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn describe(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

/// Reserves the space where the file system can; elsewhere the zeroes that follow do it.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => file.set_len(bytes),
        Err(e) => Err(e.into()),
    }
}

/// A file of a [`Directory`].
#[derive(Debug)]
pub struct DirectoryFile {
    /// None once retired: thousands of sealed segments must not hold thousands of descriptors.
    file: Option<File>,
    size: u64,
    map: Option<Map>,
    reads_only: bool,
}

impl DirectoryFile {
    /// After one call that was to write and to sync: in two, if it was cut short or the file system knows no such call.
    #[cfg(target_os = "linux")]
    fn finish_synced(&mut self, written: Result<usize, Errno>, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match written {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => {
                self.write_at(offset, bytes)?;
                self.sync_data()
            }
            Err(error) => Err(error.into()),
        }
    }

    fn check_range(&self, offset: u64, bytes: &[u8]) {
        assert!(offset >= self.exposed().len() as u64, "exposed octets never change");
        assert!(offset + bytes.len() as u64 <= self.size, "a segment never grows");
    }

    fn file(&self) -> &File {
        self.file.as_ref().expect("a retired file is only read through its map")
    }
}

impl DiskFile for DirectoryFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file().read_exact_at(out, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_range(offset, bytes);
        self.file().write_all_at(bytes, offset)
    }

    fn begin_sync(&mut self, offset: u64, bytes: u64) {
        // What this advice is for is to drop what is clean. Linux begins to write what is not, and that stays in the cache.
        let _ = rustix::fs::fadvise(self.file(), offset, NonZeroU64::new(bytes), Advice::DontNeed);
    }

    fn sync_data(&mut self) -> io::Result<()> {
        match self.file().sync_data() {
            // What lies on a file system that takes no writes needs no sync, and some of them know of none.
            Err(error) if self.reads_only && matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::ROFS)) => Ok(()),
            result => result,
        }
    }

    #[cfg(target_os = "linux")]
    fn write_synced(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_range(offset, bytes);
        let written = rustix::io::pwritev2(self.file(), &[io::IoSlice::new(bytes)], offset, rustix::io::ReadWriteFlags::DSYNC);
        self.finish_synced(written, offset, bytes)
    }

    fn drop_cache(&mut self) {
        // A file system that knows no such advice keeps no cache that it could be given about.
        let _ = rustix::fs::fadvise(self.file(), 0, None, Advice::DontNeed);
    }

    fn expose(&mut self, end: usize) -> io::Result<()> {
        let map = match &mut self.map {
            Some(map) => map,
            None => {
                let size = usize::try_from(self.size).expect("a segment fits the address space");
                let map = Map::new(self.file.as_ref().expect("mapped before it is retired"), size)?;
                self.map.insert(map)
            }
        };
        map.advance(end);
        Ok(())
    }

    fn exposed(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], Map::bytes)
    }

    fn release(&self) {
        if let Some(map) = &self.map {
            map.release();
        }
    }

    fn retire(&mut self) {
        self.file = None;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_synced_write_is_whole_however_the_call_ends() {
        let home = tempfile::tempdir().unwrap();
        let mut file = Directory::open(home.path()).unwrap().create("file", 64).unwrap();
        let shown = |file: &DirectoryFile, at| {
            let mut found = [0; 4];
            file.read_at(at, &mut found).unwrap();
            found
        };
        file.write_synced(0, b"call").unwrap();
        assert_eq!(&shown(&file, 0), b"call");
        for (written, at) in [(Ok(1), 4), (Ok(0), 8), (Err(Errno::OPNOTSUPP), 12), (Err(Errno::NOSYS), 16), (Err(Errno::INTR), 20)] {
            file.finish_synced(written, at, b"data").unwrap();
            assert_eq!(&shown(&file, at), b"data", "{written:?}");
        }
        let failed = file.finish_synced(Err(Errno::IO), 24, b"data").unwrap_err();
        assert_eq!(Errno::from_io_error(&failed), Some(Errno::IO));
        assert_eq!(shown(&file, 24), [0; 4], "an error is no reason to try again");
    }
}
