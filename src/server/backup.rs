//! `mnm backup`: a verified copy of a data directory, whether the relay runs or not.
//!
//! The copy grows under a temporary name beside its final one, and is renamed when it has been synced and verified: a directory of
//! the final name is a whole backup. One that was cut short is left as `NAME.partial` by a kill, and removed after an error.
//! What it holds: the log, and the relay's own certificate and key, if it made them. Not the configuration, and
//! not the certificates of others, which lie elsewhere.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{RunError, Verified, verify};
use crate::certificate::{OWN_CHAIN, OWN_KEY};
use crate::config::ConfigError;
use crate::store::{self, Copied, Directory, StoreError, Watch};

/// A copy that was made.
pub struct Backup {
    /// Where it is.
    pub to: PathBuf,
    /// Of the log.
    pub copied: Copied,
    /// What the copy says.
    pub verified: Verified,
    /// Whether the relay's own certificate and key are with it.
    pub has_certificate: bool,
}

/// Copies the data directory `data` to `to`, which is not there or empty.
///
/// # Errors
/// [`RunError::Config`] if one of the two cannot be what it is said to be; the others as for [`store::backup`] and [`verify()`].
/// Then there is no copy.
pub fn backup(data: &Path, to: &Path, watch: &mut Watch<'_>) -> Result<Backup, RunError> {
    let data = source(data)?;
    let to = target(&data, to)?;
    let partial = partial(&to)?;
    let made = fill(&data, &partial, watch).map_err(|error| blame_target(error, &to)).and_then(|(copied, verified, has_certificate)| {
        fs::rename(&partial, &to).and_then(|()| sync(to.parent().unwrap_or(&to))).map_err(|e| unwritable(&to, &e))?;
        Ok(Backup { to, copied, verified, has_certificate })
    });
    if made.is_err() {
        // Best effort: what stays is told by the next try.
        let _ = fs::remove_dir_all(&partial);
    }
    made
}

fn source(data: &Path) -> Result<PathBuf, ConfigError> {
    let unusable = |error: io::Error| {
        ConfigError::about_file(data, format!("the data directory cannot be read ({error})"), "name the one of the relay with --data")
    };
    let path = data.canonicalize().map_err(unusable)?;
    let has_log = fs::read_dir(&path).map_err(unusable)?.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "seg"));
    match has_log {
        true => Ok(path),
        false => Err(ConfigError::about_file(data, "there is no log here", "name the data directory of the relay with --data")),
    }
}

/// The full path of the copy.
fn target(data: &Path, to: &Path) -> Result<PathBuf, ConfigError> {
    let refused = |trouble: String, cure: &str| Err(ConfigError::about_file(to, trouble, cure));
    let path = match to.canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match (parent.canonicalize(), to.file_name()) {
                (Ok(parent), Some(name)) => parent.join(name),
                (Err(error), _) => {
                    return refused(format!("the directory above cannot be used ({error})"), "make it, or name another with --to");
                }
                (Ok(_), None) => return refused("this names no directory".into(), "name one with --to"),
            }
        }
        Err(error) => return refused(format!("cannot be looked at ({error})"), "name another directory with --to"),
    };
    if path.starts_with(data) {
        return refused("a copy cannot lie in the data directory".into(), "name a directory elsewhere with --to, best on another disk");
    }
    if data.starts_with(&path) {
        return refused("the data directory lies in it".into(), "name a directory elsewhere with --to, best on another disk");
    }
    match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(path),
        Ok(false) => refused("the directory is not empty".into(), "name one with --to that is not there yet: each backup gets its own"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path),
        Err(error) => refused(format!("cannot be used ({error})"), "name a directory with --to that is not there yet"),
    }
}

/// Makes the directory that the copy grows in.
fn partial(to: &Path) -> Result<PathBuf, ConfigError> {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    match DirBuilder::new().mode(0o700).create(&partial) {
        Ok(()) => Ok(partial),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(ConfigError::about_file(
            &partial,
            "another backup is growing here, or one was cut short",
            "if none is running, remove this directory and try again",
        )),
        Err(error) => Err(unwritable(&partial, &error)),
    }
}

fn fill(data: &Path, partial: &Path, watch: &mut Watch<'_>) -> Result<(Copied, Verified, bool), RunError> {
    let mut target = Directory::open(partial)?;
    let copied = store::backup(&mut Directory::look(data)?, &mut target, watch)?;
    let has_certificate = copy_certificate(data, partial)?;
    let verified = verify(&mut target, watch).map_err(|error| blame_source(error, data, partial))?;
    drop(target);
    store::remove_lock(partial)?;
    sync(partial).map_err(|e| unwritable(partial, &e))?;
    Ok((copied, verified, has_certificate))
}

fn blame_target(error: RunError, to: &Path) -> RunError {
    match error {
        RunError::Store(error) if error.is_full() => {
            let trouble = format!("there is no space for the copy ({error})");
            ConfigError::about_file(to, trouble, "free some, or name a directory on another disk with --to").into()
        }
        other => other,
    }
}

/// The copy has what the log has: what is wrong with it is wrong there, in the file of the same name at the same offset.
fn blame_source(error: RunError, data: &Path, partial: &Path) -> RunError {
    let named = |text: String| text.replace(&partial.display().to_string(), &data.display().to_string());
    match error {
        RunError::Store(StoreError::Rot { file, offset, what }) => StoreError::Rot { file: named(file), offset, what }.into(),
        RunError::Store(StoreError::Missing { what }) => StoreError::Missing { what: named(what) }.into(),
        RunError::Store(StoreError::Refused { seq, file, offset, reason }) => {
            StoreError::Refused { seq, file: named(file), offset, reason }.into()
        }
        other => other,
    }
}

fn copy_certificate(data: &Path, partial: &Path) -> Result<bool, ConfigError> {
    let mut found = false;
    for name in [OWN_KEY, OWN_CHAIN] {
        let (from, to) = (data.join(name), partial.join(name));
        match copy_file(&from, &to) {
            Ok(()) => found = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let trouble = format!("cannot be copied to {} ({error})", to.display());
                return Err(ConfigError::about_file(
                    &from,
                    trouble,
                    "run the backup as the user that runs mnm, and see that there is space",
                ));
            }
        }
    }
    Ok(found)
}

/// Copies a small file, durably, with its mode from the first moment.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut read = File::open(from)?;
    let mode = read.metadata()?.permissions().mode() & 0o777;
    let mut written = OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
    io::copy(&mut read, &mut written)?;
    written.sync_all()
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn unwritable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::about_file(path, format!("cannot be written ({error})"), "name a directory with --to that this user may write to")
}
