//! Listening sockets, before the loop has them.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use rustix::fs::{Access, FileType, Mode, OFlags};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::limits::{KEEPALIVE_IDLE, KEEPALIVE_PROBES, KEEPALIVE_STEP, TCP_PATIENCE};

/// Connections that may wait on a socket in the file system; the system takes no more than it is set to (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// A socket on which clients may connect.
#[derive(Debug)]
pub struct Bound(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Tcp(TcpListener),
    /// With its file, if that is ours to remove.
    Unix(UnixListener, Option<SocketFile>),
}

/// The file of a socket, which goes with it: nobody will listen there any more.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Bound {
    /// Listens on an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(address: SocketAddr) -> io::Result<Bound> {
        Bound::over(TcpListener::bind(address)?)
    }

    /// Listens on a socket in the file system, open to everybody who may enter its directory, as a port is to everybody who can reach it.
    /// A file that a dead program has left there is replaced.
    ///
    /// # Errors
    /// The operating system's; [`ErrorKind::AddrInUse`] also if there is a file that is no socket.
    pub fn unix(path: &Path) -> io::Result<Bound> {
        if is_left_behind(path)? {
            fs::remove_file(path)?;
        }
        let listener = listen_in_file(path, 0o666)?;
        Ok(Bound(Kind::Unix(listener, Some(SocketFile(path.to_path_buf())))))
    }

    /// Whether [`unix`](Self::unix) would succeed, as far as the system tells without trying.
    ///
    /// # Errors
    /// As for that.
    pub fn probe_unix(path: &Path) -> io::Result<()> {
        if !is_left_behind(path)? && path.symlink_metadata().is_ok() {
            return Err(ErrorKind::AddrInUse.into());
        }
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    /// The sockets that the service manager has opened for this process (`LISTEN_FDS`, sd_listen_fds(3)); none most often.
    ///
    /// # Errors
    /// If one is neither TCP nor a stream in the file system.
    pub fn handed_over() -> io::Result<Vec<Bound>> {
        let mut handed = ListenFd::from_env();
        (0..handed.len())
            .map(|at| {
                if let Ok(Some(listener)) = handed.take_tcp_listener(at) {
                    return Bound::over(listener);
                }
                let Ok(Some(listener)) = handed.take_unix_listener(at) else {
                    return Err(io::Error::new(ErrorKind::InvalidInput, format!("number {at} is no listening stream socket")));
                };
                listener.set_nonblocking(true)?;
                Ok(Bound(Kind::Unix(listener, None)))
            })
            .collect()
    }

    /// What is set on a listening socket holds for its connections too, which spares them the calls.
    fn over(listener: TcpListener) -> io::Result<Bound> {
        listener.set_nonblocking(true)?;
        let socket = listener.as_fd();
        // Where a system does not have them the relay's own timeouts find dead peers, a little later.
        let _ = sockopt::set_socket_keepalive(socket, true);
        let _ = sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE);
        let _ = sockopt::set_tcp_keepintvl(socket, KEEPALIVE_STEP);
        let _ = sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES);
        let millis = u32::try_from(TCP_PATIENCE.as_millis()).unwrap_or(u32::MAX);
        let _ = sockopt::set_tcp_user_timeout(socket, millis);
        Ok(Bound(Kind::Tcp(listener)))
    }

    /// Where it listens in fact; `None` for a socket in the file system.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> io::Result<Option<SocketAddr>> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(Some),
            Kind::Unix(..) => Ok(None),
        }
    }

    /// The same as text.
    ///
    /// # Errors
    /// The operating system's.
    pub fn name(&self) -> io::Result<String> {
        match &self.0 {
            Kind::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            Kind::Unix(listener, _) => {
                let address = listener.local_addr()?;
                Ok(address.as_pathname().map_or_else(|| "unix:(no name)".to_owned(), |path| format!("unix:{}", path.display())))
            }
        }
    }
}

/// Whether there is a socket at which nobody listens.
fn is_left_behind(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(meta) if !meta.file_type().is_socket() => Err(io::Error::new(ErrorKind::AddrInUse, "there is a file of that name")),
        Ok(_) => LocalBound::is_heard(path).map(|heard| !heard),
    }
}

/// A listening socket in the file system, for this user alone.
#[derive(Debug)]
pub struct LocalBound {
    pub(super) listener: UnixListener,
}

impl LocalBound {
    /// Makes the socket, which must not be there.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(path: &Path) -> io::Result<LocalBound> {
        listen_in_file(path, 0o600).map(|listener| LocalBound { listener })
    }

    /// The same for this user and this group.
    ///
    /// # Errors
    /// The operating system's.
    pub fn for_group(path: &Path) -> io::Result<LocalBound> {
        listen_in_file(path, 0o660).map(|listener| LocalBound { listener })
    }

    /// Whether somebody listens on a socket that is there. Asked without waiting: who listens may be stuck.
    ///
    /// # Errors
    /// The operating system's.
    pub fn is_heard(path: &Path) -> io::Result<bool> {
        match mio::net::UnixStream::connect(path) {
            Ok(_) => Ok(true),
            // Too many wait already.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Where somebody may ask for the metrics.
#[derive(Debug)]
pub enum WebBound {
    /// An address.
    Tcp(Bound),
    /// A file.
    Local(LocalBound),
}

/// Listens on a socket that it makes with this mode. If that fails there is no file.
///
/// Narrowed afterwards, a file's mode would let others in for a moment; so the socket has it before it gets a name (Linux makes the file
/// with that, and without what the process's mask takes away). The mask could do the same, but it is the whole process's, and in
/// a program that contains the relay other threads make files meanwhile.
fn listen_in_file(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // Where it cannot be had so, it is set below.
    let _ = rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode));
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let file = SocketFile(path.to_path_buf());
    ensure_mode(path, mode)?;
    net::listen(&socket, BACKLOG)?;
    // Whoever has the listener says what becomes of it.
    mem::forget(file);
    Ok(UnixListener::from(socket))
}

/// Gives the socket that is there its mode, if it has another. Somebody who may write to its directory can have put a link in its
/// place meanwhile: what that leads to stays as it is.
fn ensure_mode(path: &Path, mode: u32) -> io::Result<()> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = rustix::fs::fstat(&file)?.st_mode;
    if !FileType::from_raw_mode(found).is_socket() {
        return Err(io::Error::new(ErrorKind::AddrInUse, "the socket was replaced as it was made"));
    }
    if found & 0o777 == mode {
        return Ok(());
    }
    // A descriptor that was opened so can be changed by this name only.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let failed = |error| io::Error::other(format!("the socket's mode cannot be set by {name}: {error}"));
    fs::set_permissions(&name, Permissions::from_mode(mode)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn connections_have_what_their_listener_has() {
        let bound = Bound::new("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = TcpStream::connect(bound.address().unwrap().unwrap()).unwrap();
        let Bound(Kind::Tcp(listener)) = bound else { panic!("an address gives TCP") };
        listener.set_nonblocking(false).unwrap();
        let (link, _) = listener.accept().unwrap();
        assert!(sockopt::socket_keepalive(&link).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&link).unwrap(), KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&link).unwrap(), KEEPALIVE_STEP);
        assert_eq!(sockopt::tcp_keepcnt(&link).unwrap(), KEEPALIVE_PROBES);
        assert_eq!(u128::from(sockopt::tcp_user_timeout(&link).unwrap()), TCP_PATIENCE.as_millis());
        drop(client);
    }

    #[test]
    fn a_socket_s_file_has_the_mode_that_was_wanted() {
        let directory = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o660, 0o666] {
            let path = directory.path().join(format!("{mode:o}"));
            let _listener = listen_in_file(&path, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            std::os::unix::net::UnixStream::connect(&path).unwrap();
        }
    }

    #[test]
    fn what_is_put_in_a_socket_s_place_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, socket] = ["file", "link", "socket"].map(|name| directory.path().join(name));
        fs::write(&file, "somebody's").unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (place, other) in [(&file, &file), (&link, &socket)] {
            fs::set_permissions(other, Permissions::from_mode(0o600)).unwrap();
            assert_eq!(ensure_mode(place, 0o666).unwrap_err().kind(), ErrorKind::AddrInUse);
            assert_eq!(mode(other), 0o600);
        }
        ensure_mode(&socket, 0o666).unwrap();
        assert_eq!(mode(&socket), 0o666);
    }

    #[test]
    fn a_socket_s_file_is_replaced_if_nobody_listens_and_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        Bound::probe_unix(&path).unwrap();
        let bound = Bound::unix(&path).unwrap();
        for taken in [Bound::unix(&path).map(drop), Bound::probe_unix(&path)] {
            assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
        }
        drop(bound);
        assert!(!path.exists());
        fs::write(&path, "not a socket").unwrap();
        for taken in [Bound::unix(&path).map(drop), Bound::probe_unix(&path)] {
            assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
        }
        assert_eq!(fs::read(&path).unwrap(), b"not a socket", "a file of somebody's is kept");
        assert!(Bound::probe_unix(&directory.path().join("nowhere/s")).is_err());
    }
}
