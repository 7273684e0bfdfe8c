//! Who speaks with the server, and the pipe between them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use serde_json::Value;

use super::Site;
use crate::net::{Layer, Socket};
use crate::relay::Now;
use crate::wire::{FrameReader, Piece};

/// The two directions of a link.
#[derive(Default)]
struct Pipe {
    up: VecDeque<u8>,
    down: Vec<u8>,
    /// What the relay reads at the end, once the peer is gone.
    gone: Option<io::ErrorKind>,
    /// The relay has dropped its end.
    over: bool,
    /// The peer reads nothing, and this is what its socket still takes.
    window: Option<usize>,
    /// The relay was told to wait.
    full: bool,
}

/// The relay's end.
pub(super) struct End(Rc<RefCell<Pipe>>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.borrow_mut().over = true;
    }
}

impl Socket for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        if pipe.up.is_empty() {
            return match pipe.gone {
                None => Err(io::ErrorKind::WouldBlock.into()),
                Some(io::ErrorKind::UnexpectedEof) => Ok(0),
                Some(kind) => Err(kind.into()),
            };
        }
        let count = pipe.up.len().min(buffer.len());
        buffer.iter_mut().zip(pipe.up.drain(..count)).for_each(|(to, from)| *to = from);
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let pipe = &mut *self.0.borrow_mut();
        if pipe.gone.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = octets.len().min(pipe.window.unwrap_or(usize::MAX));
        if count == 0 {
            pipe.full = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.window = pipe.window.map(|left| left - count);
        pipe.down.extend_from_slice(&octets[..count]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end, and what was heard there.
pub(super) struct Peer {
    pipe: Rc<RefCell<Pipe>>,
    slot: usize,
    reader: FrameReader,
    pub(super) uid: String,
    pub(super) node: String,
    /// The id of the newest message that came, or that was taken.
    pub(super) message: String,
    /// The id of the newest ack without an error.
    pub(super) acked: Option<String>,
}

impl Peer {
    pub(super) fn connect(server: &mut Site, now: Now) -> Peer {
        let pipe: Rc<RefCell<Pipe>> = Rc::default();
        let slot = server.open(End(pipe.clone()), Layer::Plain, None, now);
        let reader = FrameReader::new();
        Peer { pipe, slot, reader, uid: String::new(), node: String::new(), message: String::new(), acked: None }
    }

    /// Sends a whole frame.
    pub(super) fn say(&self, header: &str, body: &str) {
        self.send(format!("{:04x}{header}{body}", header.len()).as_bytes());
    }

    pub(super) fn send(&self, octets: &[u8]) {
        self.pipe.borrow_mut().up.extend(octets);
    }

    /// Closes the link, or resets it: then what was sent before may be lost.
    pub(super) fn leave(&self, server: &mut Site, reset: bool) {
        let pipe = &mut *self.pipe.borrow_mut();
        pipe.gone = Some(if reset { io::ErrorKind::ConnectionReset } else { io::ErrorKind::UnexpectedEof });
        if reset {
            pipe.up.clear();
        }
        server.ending(self.slot);
        server.ready(self.slot, true, true);
    }

    /// From now on whatever comes is read, or nothing is and the socket takes so much more.
    pub(super) fn limit(&self, window: Option<usize>) {
        self.pipe.borrow_mut().window = window;
    }

    /// Tells the server what became possible.
    pub(super) fn wake(&self, server: &mut Site) {
        let pipe = &mut *self.pipe.borrow_mut();
        let writable = pipe.full && pipe.window != Some(0);
        pipe.full &= !writable;
        if writable || !pipe.up.is_empty() {
            server.ready(self.slot, !pipe.up.is_empty(), writable);
        }
    }

    /// Whether the server has not read all that was sent.
    pub(super) fn has_more(&self) -> bool {
        !self.pipe.borrow().up.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        self.pipe.borrow().over
    }

    /// Reads what came; whether that was anything. Acks deliveries, if asked to.
    ///
    /// # Panics
    /// If it is no frame, as long as the link lives.
    pub(super) fn listen(&mut self, acks: bool) -> bool {
        let down = std::mem::take(&mut self.pipe.borrow_mut().down);
        let mut rest = &down[..];
        loop {
            let header = match self.reader.next(&mut rest).expect("the server's lengths are right") {
                None => return !down.is_empty(),
                Some(Piece::Body(_)) => continue,
                Some(Piece::Header(header)) => header,
            };
            let header: Value = serde_json::from_slice(header).expect("the server writes JSON");
            if let Some(len @ 1..) = header["datalen"].as_u64() {
                self.reader.expect_body(len);
            }
            self.take(&header, acks);
        }
    }

    fn take(&mut self, header: &Value, acks: bool) {
        let text = |key: &str| header.get(key).and_then(Value::as_str);
        for (known, key) in [(&mut self.uid, "uid"), (&mut self.node, "nodeid"), (&mut self.message, "msgid")] {
            if let Some(heard) = text(key) {
                heard.clone_into(known);
            }
        }
        match (text("op").expect("the server says what it is"), text("id")) {
            ("ack", id) if header.get("error").is_none() => self.acked = id.map(str::to_owned),
            (_, Some(id)) if header.get("posted").is_some() => {
                id.clone_into(&mut self.message);
                if acks {
                    self.say(&format!(r#"{{"op":10,"id":"{id}","type":"ok"}}"#), "");
                }
            }
            _ => {}
        }
    }
}
