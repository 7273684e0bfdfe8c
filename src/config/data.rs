//! The data directory, as far as one can tell without taking it.
//!
//! A start, `mnm check` and `mnm verify` ask the same questions here, so that they say the same.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{ConfigError, Remark};

/// Where the data directory is, or would be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPlace {
    data: PathBuf,
    nearest: PathBuf,
}

impl DataPlace {
    /// Finds the nearest ancestor that is there, the directory itself first.
    ///
    /// # Errors
    /// When that is not a directory, or a symbolic link to nothing, or cannot be looked at.
    pub fn look(data: &Path) -> Result<DataPlace, ConfigError> {
        let ancestors = data.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
        for path in ancestors {
            match fs::symlink_metadata(path) {
                // Below a file there is nothing either; the file itself is found next.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => return Err(unfit(data, path, format!("cannot be looked at ({error})"))),
                Ok(_) => return DataPlace::at(data, path),
            }
        }
        Err(unfit(data, data, "has no directory above it that is there".into()))
    }

    fn at(data: &Path, nearest: &Path) -> Result<DataPlace, ConfigError> {
        match fs::metadata(nearest) {
            Ok(meta) if meta.is_dir() => Ok(DataPlace { data: data.to_path_buf(), nearest: nearest.to_path_buf() }),
            Ok(meta) if meta.is_file() => Err(unfit(data, nearest, "is a file and not a directory".into())),
            Ok(_) => Err(unfit(data, nearest, "is not a directory".into())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let target = fs::read_link(nearest).map(|target| target.display().to_string()).unwrap_or_default();
                Err(unfit(data, nearest, format!("is a symbolic link to {target}, which is not there")))
            }
            Err(error) => Err(unfit(data, nearest, format!("cannot be looked at ({error})"))),
        }
    }

    /// Whether it is not there yet.
    pub fn is_to_be_made(&self) -> bool {
        self.nearest != self.data
    }

    /// Whether the directory can be written to, or made.
    ///
    /// # Errors
    /// When it cannot, as far as the system tells without trying.
    pub fn check_writable(&self) -> Result<(), ConfigError> {
        let denied = |error| unfit(&self.data, &self.nearest, format!("cannot be written to ({error})"));
        rustix::fs::access(&self.nearest, Access::WRITE_OK | Access::EXEC_OK).map_err(denied)
    }

    /// Octets that are free there for the user that runs mnm.
    ///
    /// # Errors
    /// The operating system's.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.nearest)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// What the operator should be told of it.
    ///
    /// Who may write to a directory may replace what is in it, the key and the log included, whatever the files' own
    /// modes say. The sticky bit keeps others from that but not from making files of our names first.
    pub fn remark(&self) -> Option<Remark> {
        let mode = fs::metadata(&self.data).ok()?.permissions().mode();
        let shown = self.data.display();
        (mode & 0o002 != 0)
            .then(|| Remark::warn(format!("{shown}: every user of this machine may write to the data directory; chmod 700 {shown}")))
    }
}

fn unfit(data: &Path, path: &Path, trouble: String) -> ConfigError {
    let trouble = if path == data { trouble } else { format!("{} {trouble}", path.display()) };
    ConfigError::about_file(data, trouble, "give the user that runs mnm a data directory of its own with --data or \"data\"")
}
