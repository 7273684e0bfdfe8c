//! The configuration as a file: whole or not at all, and what it replaces is kept.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::draft::is_system;
use crate::config::ConfigError;

/// A configuration may name services with their secrets.
const MODE: u32 = 0o640;
/// That of a service must be open to whatever user the system makes for it, and what is written here holds no secret.
const SYSTEM_MODE: u32 = 0o644;

/// Where the file is kept that is replaced.
pub(super) fn backup_of(file: &Path) -> PathBuf {
    with_end(file, ".bak")
}

/// Whether nobody but its owner may read a file.
pub(super) fn is_private(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.mode() & 0o077 == 0)
}

/// Looks whether the file can be written, before anything else is made.
///
/// # Errors
/// If it cannot.
pub(super) fn check(file: &Path) -> Result<(), ConfigError> {
    rustix::fs::access(directory(file), Access::WRITE_OK | Access::EXEC_OK).map_err(|error| unwritable(file, error.into()))
}

/// Writes the file; where the one is kept that was there. That one's owner and mode are those of the new one too.
///
/// # Errors
/// If it cannot be written. The old one is as it was then.
pub(super) fn write(file: &Path, text: &str) -> Result<Option<PathBuf>, ConfigError> {
    try_write(file, text).map_err(|error| unwritable(file, error))
}

fn try_write(file: &Path, text: &str) -> io::Result<Option<PathBuf>> {
    let old = match fs::metadata(file) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let backup = backup_of(file);
    if let Some(old) = &old {
        put(&backup, &fs::read(file)?, old.mode(), Some((old.uid(), old.gid())))?;
    }
    let mode = old.as_ref().map_or(if is_system(file) { SYSTEM_MODE } else { MODE }, MetadataExt::mode);
    put(file, text.as_bytes(), mode, old.as_ref().map(|old| (old.uid(), old.gid())))?;
    Ok(old.map(|_| backup))
}

/// Through a temporary file and a rename, so that there is never half of it.
fn put(file: &Path, content: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let temporary = with_end(file, ".new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    if let Some((uid, gid)) = owner {
        // Who may write here and is not the old one's owner makes it a file of his own.
        let _ = fchown(&written, Some(uid), Some(gid));
    }
    // Whatever the mask says.
    written.set_permissions(Permissions::from_mode(mode & 0o777))?;
    written.write_all(content)?;
    written.sync_all()?;
    fs::rename(&temporary, file)?;
    File::open(directory(file))?.sync_all()
}

fn directory(file: &Path) -> &Path {
    file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn unwritable(file: &Path, error: io::Error) -> ConfigError {
    let cure = "make its directory, or run this as a user who may write there, or name another file with --config";
    ConfigError::about_file(file, format!("cannot be written ({error})"), cure)
}
