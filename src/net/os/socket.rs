//! Connections, as the loop knows them.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};

use crate::net::Socket;

/// A client's connection: over the network, through a socket in the file system, or from another thread of this process.
#[derive(Debug)]
pub enum PeerSocket {
    /// Over TCP.
    Tcp(TcpStream),
    /// From this machine, or from this process.
    Unix(UnixStream),
}

impl PeerSocket {
    /// A client within this process: the relay's end, and the client's, which blocks.
    ///
    /// # Errors
    /// The operating system's.
    pub fn pair() -> io::Result<(PeerSocket, std::os::unix::net::UnixStream)> {
        pair().map(|(ours, theirs)| (PeerSocket::Unix(ours), theirs))
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            PeerSocket::Tcp(stream) => stream,
            PeerSocket::Unix(stream) => stream,
        }
    }
}

impl Socket for PeerSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            PeerSocket::Tcp(stream) => stream.read(buffer),
            PeerSocket::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            PeerSocket::Tcp(stream) => stream.write(octets),
            PeerSocket::Unix(stream) => stream.write(octets),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            PeerSocket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            PeerSocket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

/// A connection of the operator's, through a socket in the file system.
#[derive(Debug)]
pub struct LocalSocket(pub(super) UnixStream);

impl LocalSocket {
    /// An operator within this process: the relay's end, and the operator's, which blocks.
    ///
    /// # Errors
    /// The operating system's.
    pub fn pair() -> io::Result<(LocalSocket, std::os::unix::net::UnixStream)> {
        pair().map(|(ours, theirs)| (LocalSocket(ours), theirs))
    }
}

fn pair() -> io::Result<(UnixStream, std::os::unix::net::UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours), theirs))
}

impl Socket for LocalSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}
