//! One command that uses the link: its frames are read and sorted by a thread of its own.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use mnm::base::NodeDigest;
use mnm::wire::{FrameReader, Piece, reply};
use serde_json::Value;

use super::{Data, Fields, Job, Peer, State, What, held};
use crate::wake::Bell;

/// Data up to this many octets stays in memory.
const MEMORY_MAX: u64 = 256 << 10;
/// As the relay: commands send a Pulse long before.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Reads one peer until it goes.
pub(super) struct Reader<'a> {
    socket: UnixStream,
    peer: Peer,
    state: &'a Arc<State>,
    jobs: &'a Sender<Job>,
    bell: &'a Bell,
    logged_in: bool,
    coming: Option<(Fields, Data, u64)>,
}

/// Why a peer is left: it gets a `quit` with this reason.
struct Quit(&'static str);

impl<'a> Reader<'a> {
    pub(super) fn new(socket: UnixStream, state: &'a Arc<State>, jobs: &'a Sender<Job>, bell: &'a Bell) -> io::Result<Reader<'a>> {
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        let peer = Peer::new(socket.try_clone()?)?;
        Ok(Reader { socket, peer, state, jobs, bell, logged_in: false, coming: None })
    }

    pub(super) fn run(&mut self) {
        let mut frames = FrameReader::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = match self.socket.read(&mut buffer) {
                Ok(count) if count > 0 => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => break,
            };
            if let Err(Quit(reason)) = self.take(&mut frames, &buffer[..count]) {
                self.peer.send(&reply::quit(reason));
                break;
            }
        }
        self.peer.leave();
    }

    fn take(&mut self, frames: &mut FrameReader, mut input: &[u8]) -> Result<(), Quit> {
        loop {
            match frames.next(&mut input).map_err(|_| Quit("invalid header length"))? {
                None => return Ok(()),
                Some(Piece::Header(header)) => {
                    let fields: Fields = serde_json::from_slice(header).map_err(|_| Quit("invalid header"))?;
                    let len = fields.get("datalen").and_then(Value::as_u64).unwrap_or(0);
                    frames.expect_body(len);
                    self.coming = Some((fields, Data::new(len).map_err(|_| Quit("no room for the data"))?, len));
                }
                Some(Piece::Body(part)) => {
                    let Some((_, data, left)) = &mut self.coming else { return Err(Quit("invalid header")) };
                    data.write(part).map_err(|_| Quit("no room for the data"))?;
                    *left -= part.len() as u64;
                }
            }
            if let Some((fields, data, 0)) = self.coming.take_if(|(_, _, left)| *left == 0) {
                self.request(fields, data)?;
            }
        }
    }

    fn request(&mut self, fields: Fields, data: Data) -> Result<(), Quit> {
        let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let op = fields.get("op").and_then(Value::as_u64).ok_or(Quit("invalid header"))?;
        match op {
            0 => self.peer.send(&held(&self.state.hello)),
            2 => {
                let known = NodeDigest::of(text("node").unwrap_or_default().as_bytes()).matches(&self.state.node);
                if !known || text("uid").as_deref() != Some(&self.state.uid) {
                    return Err(Quit("login failed"));
                }
                self.logged_in = true;
                self.peer.send(&reply::info(&held(&self.state.online)));
            }
            _ if !self.logged_in => return Err(Quit("disallowed op on unauthenticated link")),
            1 => return Err(Quit("disallowed op on connected link")),
            10 => self.job(What::Ack(text("id").ok_or(Quit("invalid header"))?)),
            11 => {}
            12 => return Err(Quit("logout ok")),
            _ => {
                let id = text("id").ok_or(Quit("invalid header"))?;
                self.job(What::Request { id, fields, data });
            }
        }
        Ok(())
    }

    fn job(&self, what: What) {
        // Nobody takes it: the program is on its way out.
        let _ = self.jobs.send(Job { peer: self.peer.clone(), what });
        self.bell.ring();
    }
}

impl Data {
    fn new(len: u64) -> io::Result<Data> {
        Ok(if len > MEMORY_MAX { Data::File { file: tempfile::tempfile()?, len } } else { Data::Memory(Vec::new()) })
    }

    fn write(&mut self, part: &[u8]) -> io::Result<()> {
        match self {
            Data::Memory(octets) => {
                octets.extend_from_slice(part);
                Ok(())
            }
            Data::File { file, .. } => file.write_all(part),
        }
    }
}
