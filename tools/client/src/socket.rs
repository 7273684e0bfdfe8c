//! What a [`Client`](crate::Client)'s link runs over.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connected socket that does not block.
#[derive(Debug)]
pub enum Socket {
    /// To a relay.
    Tcp(TcpStream),
    /// To a program on this machine.
    Unix(UnixStream),
}

impl Socket {
    /// Connects to the first address of `host:port` that answers within `patience`.
    pub(crate) fn tcp(address: &str, patience: Duration) -> io::Result<Socket> {
        let mut trouble = io::Error::new(io::ErrorKind::NotFound, format!("{address} has no address"));
        for candidate in address.to_socket_addrs().map_err(|e| io::Error::new(e.kind(), format!("{address}: {e}")))? {
            match TcpStream::connect_timeout(&candidate, patience) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    socket.set_nonblocking(true)?;
                    return Ok(Socket::Tcp(socket));
                }
                Err(error) => trouble = io::Error::new(error.kind(), format!("{candidate}: {error}")),
            }
        }
        Err(trouble)
    }

    /// Connects to a socket in the file system.
    pub(crate) fn unix(path: &Path) -> io::Result<Socket> {
        let socket = UnixStream::connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Socket::Unix(socket))
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(buffer),
            Socket::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write(octets),
            Socket::Unix(socket) => socket.write(octets),
        }
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write_vectored(pieces),
            Socket::Unix(socket) => socket.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}
