//! Where the metrics are served: an address of this machine's own, or a file.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::config::{ConfigError, Metrics, MetricsPlace};
use crate::net::{Bound, LocalBound, Poller, WebBound};
use crate::server::Refusal;

/// A place that is listened on.
#[derive(Debug)]
pub(in crate::server) struct Place {
    shown: String,
    /// The file of a socket, with its device and inode: removed in the end, if it is that one still.
    file: Option<(PathBuf, (u64, u64))>,
}

impl Place {
    /// Listens there. A socket that nobody listens on any more is replaced, anything else of its name is not.
    ///
    /// # Errors
    /// A sentence about the key.
    pub(super) fn open(metrics: &Metrics, poller: &mut Poller) -> Result<Place, ConfigError> {
        Place::try_open(metrics, poller).map_err(|error| metrics.bind_error(&error))
    }

    fn try_open(metrics: &Metrics, poller: &mut Poller) -> io::Result<Place> {
        match &metrics.place {
            MetricsPlace::Address(address) => {
                let bound = Bound::new(*address)?;
                let shown = format!("http://{}/metrics", bound.name()?);
                poller.watch_web_door(WebBound::Tcp(bound))?;
                Ok(Place { shown, file: None })
            }
            MetricsPlace::Socket(path) => {
                if is_abandoned(path)? {
                    fs::remove_file(path)?;
                }
                let bound = LocalBound::for_group(path)?;
                let file = Some((path.clone(), identity(path)?));
                poller.watch_web_door(WebBound::Local(bound))?;
                Ok(Place { shown: metrics.to_string(), file })
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((path, made)) = &self.file
            && identity(path).is_ok_and(|found| found == *made)
        {
            // One that stays behind is found dead, and replaced at the next start.
            let _ = fs::remove_file(path);
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Whether the place could be listened on; changes nothing.
///
/// # Errors
/// [`Refusal`], with a sentence about the key.
pub fn probe(metrics: &Metrics) -> Result<(), Refusal> {
    let found = match &metrics.place {
        MetricsPlace::Address(address) => Bound::new(*address).map(drop),
        MetricsPlace::Socket(path) => is_abandoned(path).and_then(|_| check_directory(path)),
    };
    found.map_err(|error| {
        let refusal = if error.kind() == ErrorKind::AddrInUse { Refusal::Taken } else { Refusal::Unfit };
        refusal(metrics.bind_error(&error))
    })
}

/// Whether a socket is there on which nobody listens.
///
/// # Errors
/// `AddrInUse` if somebody does, `AlreadyExists` if what is there is no socket; others as the system says.
fn is_abandoned(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(meta) if !meta.file_type().is_socket() => {
            Err(io::Error::new(ErrorKind::AlreadyExists, "something of this name is there and is no socket"))
        }
        Ok(_) if LocalBound::is_heard(path)? => Err(io::Error::new(ErrorKind::AddrInUse, "another program listens there")),
        Ok(_) => Ok(true),
    }
}

fn check_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK)?)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}
