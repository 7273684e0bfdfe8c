//! The data of messages, in files of their own.
//!
//! Nothing that a message says leads a file out of the directory, hides it, or takes the place of another one: names begin with
//! the message's id, and a name that is taken gets a number.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::{NamedTempFile, TempDir};

use crate::Failure;
use crate::parcel::Parcel;
use crate::text::file_name;

/// What unfinished files are in, within the directory: renaming must not cross a file system.
const SPOOL_PREFIX: &str = ".tmtp-";
/// So many files of one name are more than an accident.
const SAME_NAME_MAX: u32 = 1000;

/// A directory that messages are saved in.
#[derive(Debug)]
pub(crate) struct Saver {
    dir: PathBuf,
    spool: TempDir,
    /// As long as it is locked nobody sweeps the spool away.
    _in_use: File,
}

impl Saver {
    /// Makes the directory if it is not there, and clears away what killed programs have left in it.
    pub(crate) fn open(dir: &Path) -> Result<Saver, Failure> {
        let opened = || -> io::Result<Saver> {
            fs::create_dir_all(dir)?;
            sweep(dir)?;
            loop {
                let spool = TempDir::with_prefix_in(SPOOL_PREFIX, dir)?;
                let handle = File::open(spool.path())?;
                flock(&handle, FlockOperation::LockExclusive)?;
                // Somebody may have swept it away before it was locked.
                if fs::metadata(spool.path()).is_ok_and(|found| handle.metadata().is_ok_and(|own| own.ino() == found.ino())) {
                    return Ok(Saver { dir: dir.to_owned(), spool, _in_use: handle });
                }
            }
        };
        opened().map_err(|e| Failure::file(dir, &e))
    }

    /// Where large messages may gather before they are saved.
    pub(crate) fn spool(&self) -> &Path {
        self.spool.path()
    }

    /// Saves the data; when this returns, file and name are on stable storage.
    pub(crate) fn save(&self, id: &str, parcel: &Parcel<'_>) -> Result<PathBuf, Failure> {
        let saved = || -> io::Result<PathBuf> {
            let mut file = NamedTempFile::new_in(self.spool.path())?;
            io::copy(&mut parcel.reader()?, &mut file)?;
            file.as_file().sync_all()?;
            let path = self.name(file, id, parcel.name())?;
            File::open(&self.dir)?.sync_all()?;
            Ok(path)
        };
        saved().map_err(|e| Failure::Local(format!("{}: message {id} cannot be saved, and stays with the relay: {e}", self.dir.display())))
    }

    fn name(&self, mut file: NamedTempFile, id: &str, said: Option<&str>) -> io::Result<PathBuf> {
        // An id is 16 digits from any relay that is one.
        let id = file_name(id).unwrap_or_else(|| "message".to_owned());
        let said = said.and_then(file_name).map(|name| format!("-{name}")).unwrap_or_default();
        for number in 1..=SAME_NAME_MAX {
            let which = if number == 1 { String::new() } else { format!("~{number}") };
            let path = self.dir.join(format!("{id}{which}{said}"));
            file = match file.persist_noclobber(&path) {
                Ok(_) => return Ok(path),
                // It was saved before, and its ack was lost.
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists && is_same(&path, error.file.path())? => return Ok(path),
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => error.file,
                Err(error) => return Err(error.error),
            };
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "there are a thousand files of this name"))
    }
}

fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SPOOL_PREFIX)
            && entry.file_type()?.is_dir()
            && let Ok(handle) = File::open(entry.path())
            && flock(&handle, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            // That it cannot be cleared away hinders nothing.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether both are regular files with the same octets.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (found, wanted) = (fs::symlink_metadata(one)?, fs::metadata(other)?);
    if !found.is_file() || found.len() != wanted.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (io::BufReader::new(File::open(one)?).bytes(), io::BufReader::new(File::open(other)?).bytes());
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (a, b) if a == b => {}
            _ => return Ok(false),
        }
    }
}
