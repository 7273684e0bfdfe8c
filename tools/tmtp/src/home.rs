//! Where profiles are kept, and how their files are written.
//!
//! A profile is a directory of its own below the home: `profile.json`, `handled` (ids of messages that were handled), `link` (the
//! socket of a `recv --follow` that runs) and two files that are only locked. Directories have mode 0700, files 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

use crate::Failure;

/// The longest name of a profile.
const NAME_MAX: usize = 64;

/// In such a directory only its owner can take something away or rename it.
const STICKY: u32 = 0o1000;

/// One profile's place in the file system, whether it is there or not.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The profile's name.
    pub(crate) name: String,
    dir: PathBuf,
}

impl Place {
    /// The place of a profile below `home`, or below the user's configuration directory.
    pub(crate) fn find(home: Option<&Path>, name: &str) -> Result<Place, Failure> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_MAX || name.starts_with(['.', '-']) || !name.chars().all(good) {
            let name = crate::text::shown(name);
            return Err(Failure::Usage(format!(
                "profile {name:?}: a name has up to 64 letters, digits, '.', '-' and '_', and begins with none of '.' and '-'"
            )));
        }
        let home = match home {
            Some(home) => home.to_owned(),
            None => etcetera::choose_base_strategy()
                .map_err(|e| Failure::Local(format!("the user's configuration directory: {e}; name one with --home")))?
                .config_dir()
                .join("tmtp"),
        };
        Ok(Place { name: name.to_owned(), dir: home.join(name) })
    }

    /// The same for another profile of this home.
    pub(crate) fn sibling(&self, name: &str) -> Result<Place, Failure> {
        Place::find(self.dir.parent(), name)
    }

    /// What other programs must be told to find this profile, by environment variables.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 2] {
        let home = self.dir.parent().unwrap_or(Path::new("."));
        [("TMTP_HOME", std::path::absolute(home).unwrap_or_else(|_| home.to_owned())), ("TMTP_PROFILE", PathBuf::from(&self.name))]
    }

    pub(crate) fn profile(&self) -> PathBuf {
        self.dir.join("profile.json")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("handled")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("link")
    }

    /// Makes the directories that are not there.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(|e| Failure::file(&self.dir, &e))?;
        self.check_private()
    }

    /// Refuses what others may read or write, and a home in which they could put something else in its place.
    pub(crate) fn check_private(&self) -> Result<(), Failure> {
        if let Some(home) = self.dir.parent()
            && let Ok(found) = fs::metadata(home)
            && found.mode() & 0o022 != 0
            && found.mode() & STICKY == 0
        {
            let home = home.display();
            return Err(Failure::Profile(format!("profile {}: others may write to {home}; chmod go-w {home}", self.name)));
        }
        for path in [self.dir.clone(), self.profile()] {
            let found = match fs::metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(|e| Failure::file(&path, &e))?,
            };
            let (mode, good) = (found.mode() & 0o7777, if found.is_dir() { "700" } else { "600" });
            if mode & 0o077 != 0 {
                let path = path.display();
                return Err(Failure::Profile(format!(
                    "profile {}: {path} has mode {mode:04o}, others could use its secret; chmod {good} {path}",
                    self.name
                )));
            }
        }
        Ok(())
    }

    /// Locks against other programs that change the profile, until the file is dropped.
    pub(crate) fn lock_to_change(&self) -> Result<File, Failure> {
        let path = self.dir.join("change.lock");
        let file = open_lock(&path)?;
        flock(&file, FlockOperation::LockExclusive).map_err(|e| Failure::file(&path, &e.into()))?;
        Ok(file)
    }

    /// Locks against other programs that receive with this profile, until the file is dropped; `None` if there is one.
    pub(crate) fn lock_to_receive(&self) -> Result<Option<File>, Failure> {
        let path = self.dir.join("receive.lock");
        let file = open_lock(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(Failure::file(&path, &error.into())),
        }
    }

    /// Writes a file of the profile so that after a crash there is the old one or the new one, whole.
    pub(crate) fn write(&self, path: &Path, octets: &[u8]) -> Result<(), Failure> {
        let written = || -> io::Result<()> {
            // Mode 0600 from the start.
            let mut file = NamedTempFile::new_in(&self.dir)?;
            file.write_all(octets)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|e| e.error)?;
            File::open(&self.dir)?.sync_all()
        };
        written().map_err(|e| Failure::file(path, &e))
    }

    /// Writes a file as large as a profile and takes it away again: what is wrong with the disk shows now, and not when the relay has
    /// told a secret that it tells once.
    pub(crate) fn rehearse(&self) -> Result<(), Failure> {
        let path = self.profile().with_extension("rehearsal");
        self.write(&path, &[b' '; 16 << 10])?;
        fs::remove_file(&path).map_err(|e| Failure::file(&path, &e))
    }

    /// Takes back a directory that was made for a profile which did not come about.
    pub(crate) fn abandon(&self) {
        if !self.profile().exists() {
            let _ = fs::remove_file(self.dir.join("change.lock"));
            // Only if it is empty: what else is in it is not ours.
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

fn open_lock(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(|e| Failure::file(path, &e))
}
