//! Where the control socket is, also where its path is longer than a socket's address may be.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::net::LocalBound;

/// Its name in the data directory.
pub const SOCKET: &str = "control.sock";

/// Octets of a path that every system takes as an address: Linux takes 107, others 103.
const ADDRESS_MAX: usize = 100;
/// Where Linux shows what this process has open.
const OPEN_FILES: &str = "/proc/self/fd";

/// Connects to the relay that has this data directory.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` if none listens; others as the system says.
pub fn call(data: &Path) -> io::Result<UnixStream> {
    reach(data, |path| UnixStream::connect(path))
}

/// Makes the socket anew. What an earlier relay left is removed, anything else is not.
pub(super) fn listen(data: &Path) -> io::Result<LocalBound> {
    let path = data.join(SOCKET);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(&path)?,
        Ok(_) => return Err(io::Error::new(ErrorKind::AlreadyExists, "something of this name is there and is no socket")),
    }
    reach(data, LocalBound::new)
}

/// Takes the socket away.
pub(super) fn remove(data: &Path) {
    // One that stays behind is found dead by whoever calls, and replaced at the next start.
    if let Err(error) = fs::remove_file(data.join(SOCKET)) {
        log::debug!("{}: cannot be removed: {error}", data.join(SOCKET).display());
    }
}

/// Calls `act` with a path of the socket that fits an address: its own, or one that begins at the open directory.
fn reach<T>(data: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = data.join(SOCKET);
    if path.as_os_str().len() <= ADDRESS_MAX {
        return act(&path);
    }
    if !Path::new(OPEN_FILES).is_dir() {
        let trouble = format!("its path is longer than {ADDRESS_MAX} octets, and without {OPEN_FILES} that is too long for a socket");
        return Err(io::Error::other(trouble));
    }
    let directory = File::open(data)?;
    act(&Path::new(OPEN_FILES).join(directory.as_raw_fd().to_string()).join(SOCKET))
}
