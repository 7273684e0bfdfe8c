//! One peer: a socket, a layer, and the octets between them that could not move yet.

use std::io;

use super::layer::{Layer, LayerError};
use super::sealed::Sealed;

/// A nonblocking byte stream: TCP, or a simulated pipe.
pub trait Socket {
    /// Reads what there is; 0 is the end, `WouldBlock` nothing for now.
    ///
    /// # Errors
    /// The operating system's.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes what the socket takes; `WouldBlock` is nothing for now.
    ///
    /// # Errors
    /// The operating system's.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize>;

    /// Tells the peer that nothing more will come.
    ///
    /// # Errors
    /// The operating system's.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// How a read ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// There may be more to read.
    More,
    /// There is nothing to read for now.
    Blocked,
    /// The peer is gone, or said goodbye.
    End,
    /// The peer broke the layer's protocol.
    Broken(LayerError),
}

/// One peer.
#[derive(Debug)]
pub struct Link<S> {
    socket: S,
    layer: Layer,
    /// For the socket, before anything else: what it did not take, and what the layer itself has to say.
    waiting: Sealed,
    shut: bool,
    ending: bool,
    heard: bool,
}

impl<S: Socket> Link<S> {
    /// A link that has said nothing yet.
    pub fn new(socket: S, layer: Layer) -> Link<S> {
        Link { socket, layer, waiting: Sealed::default(), shut: false, ending: false, heard: false }
    }

    /// The socket, for whoever watches it.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Whether anything ever came.
    pub fn has_heard(&self) -> bool {
        self.heard
    }

    /// The peer will send no more than what is there to be read.
    pub fn note_ending(&mut self) {
        self.ending = true;
    }

    /// Whether it was told of the end already.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Reads once, at most `most` octets, into `buffer`, and gives plain octets to `sink`. At the front of the buffer stands what
    /// came before and could not be used yet.
    pub fn receive(&mut self, buffer: &mut [u8], most: usize, sink: &mut dyn FnMut(&[u8])) -> Received {
        let rest = self.layer.rest();
        let kept = rest.len();
        if kept >= buffer.len() {
            return Received::Broken(LayerError(format!("a handshake message of more than {} octets", buffer.len())));
        }
        buffer[..kept].copy_from_slice(rest);
        let room = most.min(buffer.len() - kept);
        let count = match self.socket.read(&mut buffer[kept..kept + room]) {
            Ok(0) => return Received::End,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Received::Blocked,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Received::More,
            Err(_) => return Received::End,
        };
        self.heard = true;
        match self.layer.open(&mut buffer[..kept + count], &mut self.waiting, sink) {
            Err(error) => Received::Broken(error),
            Ok(()) if self.layer.peer_closed() => Received::End,
            // A short read of a stream socket has emptied it: the next event will tell of more. Of an end that was
            // told of already there will be no other event, so then it takes one read more to see it.
            Ok(()) if count < room && !self.ending => Received::Blocked,
            Ok(()) => Received::More,
        }
    }

    /// Reads once and throws it away: the link's last word is said.
    pub fn drain(&mut self, buffer: &mut [u8]) -> Received {
        match self.socket.read(buffer) {
            Ok(0) => Received::End,
            Ok(_) => Received::More,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Blocked,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Received::More,
            Err(_) => Received::End,
        }
    }

    /// Whether plain octets can be sent yet.
    pub fn is_ready(&self) -> bool {
        self.layer.is_ready()
    }

    /// Whether everything sealed is with the socket.
    pub fn is_flushed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Moves what waits to `out`, which is empty, so that more can be sealed behind it. Then [`seal`](Self::seal),
    /// [`flush`](Self::flush), and in any case [`keep`](Self::keep).
    pub fn resume(&mut self, out: &mut Sealed) {
        if !self.waiting.is_empty() {
            out.push(std::mem::take(&mut self.waiting).octets());
        }
    }

    /// Seals plain octets behind what is in `out`.
    ///
    /// # Errors
    /// [`LayerError`] if the layer cannot send any more.
    pub fn seal(&mut self, plain: &[u8], out: &mut Sealed) -> Result<(), LayerError> {
        self.layer.seal(plain, out)
    }

    /// Seals the layer's goodbye behind what is in `out`. Once it is flushed, call [`shut`](Self::shut).
    pub fn say_goodbye(&mut self, out: &mut Sealed) {
        self.layer.close(out);
    }

    /// Writes until all is written or the socket takes no more; returns how much went out.
    ///
    /// # Errors
    /// The operating system's; the link is dead then.
    pub fn flush(&mut self, out: &mut Sealed) -> io::Result<usize> {
        let mut written = 0;
        while !out.is_empty() {
            match self.socket.write(out.octets()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    out.taken(count);
                    written += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Takes what the socket did not, until it does. An idle link keeps no buffer.
    pub fn keep(&mut self, out: &mut Sealed) {
        if !out.is_empty() {
            self.waiting.push(out.octets());
            out.clear();
        }
    }

    /// Tells the peer's socket that nothing more will come. Reading goes on, so that what the peer still sends
    /// does not make our side reset the connection and lose our last word.
    pub fn shut(&mut self) {
        if !self.shut {
            self.shut = true;
            // A socket that cannot be shut down is gone already.
            let _ = self.socket.shutdown_write();
        }
    }

    /// Whether [`shut`](Self::shut) was called.
    pub fn is_shut(&self) -> bool {
        self.shut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SEALED_MAX;

    /// Takes some octets, then no more for the moment.
    struct Trickle {
        takes: usize,
        left: usize,
        got: Vec<u8>,
    }

    impl Socket for Trickle {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let count = octets.len().min(self.left);
            self.left -= count;
            self.got.extend_from_slice(&octets[..count]);
            if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_link_that_is_never_quite_flushed_keeps_only_what_waits() {
        let mut link = Link::new(Trickle { takes: 10_000, left: 0, got: Vec::new() }, Layer::Plain);
        let (mut sent, mut out) = (Vec::new(), Sealed::default());
        for round in 0..1000 {
            link.resume(&mut out);
            while out.len() < SEALED_MAX {
                let piece = [round as u8; 1000];
                link.seal(&piece, &mut out).unwrap();
                sent.extend_from_slice(&piece);
            }
            let socket = link.socket_mut();
            socket.left = socket.takes;
            assert_eq!(link.flush(&mut out).unwrap(), 10_000);
            link.keep(&mut out);
            assert!(out.is_empty() && !link.is_flushed() && link.waiting.len() <= SEALED_MAX + 1000);
        }
        link.socket_mut().left = usize::MAX;
        link.resume(&mut out);
        link.flush(&mut out).unwrap();
        assert!(out.is_empty() && link.is_flushed() && link.socket_mut().got == sent);
    }
}
