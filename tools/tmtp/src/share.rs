//! The link of a `recv --follow`, offered to the other commands of the same profile: the relay lets a device in once.
//!
//! They speak plain TMTP over a Unix socket beside the profile. TmtpRev and Login are answered here; whatever else they ask is
//! passed on, one request after the other, under ids of this program's own, and the answer goes back under theirs. A thread for each
//! reads what it sends, large data into a temporary file; the one thread that has the link does the rest.
//!
//! A command that gets no answer comes again with the same request id: what has been answered before is not asked again.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Seek, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mnm::base::NodeDigest;
use mnm::wire::{reply, write_json};
use mnm_client::{Client, Error, Message};
use serde_json::{Map, Value};

use crate::home::Place;
use crate::profile::Profile;
use crate::wake::Bell;
use peer::Reader;

mod peer;

/// Commands that use the link at once; more must wait and come again.
const PEERS_MAX: usize = 32;
/// Answers that are remembered.
const ANSWERS_KEPT: usize = 256;
/// A command that takes no answer for so long is left.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// A header's fields.
type Fields = Map<String, Value>;

/// The offer, as long as this is kept.
#[derive(Debug)]
pub(crate) struct Share {
    path: PathBuf,
    jobs: Receiver<Job>,
    state: Arc<State>,
    /// Request ids of others, and what the relay said to them.
    answered: VecDeque<(String, Fields)>,
    /// Who has asked for a new device with this label, and wants the message with its secret.
    expecting: Vec<(String, Peer)>,
    /// Messages that others have, and will ack.
    handed: HashSet<String>,
    greeted: Option<u64>,
}

/// What the peers' threads need to answer by themselves.
#[derive(Debug)]
struct State {
    uid: String,
    node: NodeDigest,
    /// The relay's own greeting.
    hello: Mutex<Vec<u8>>,
    online: Mutex<Vec<String>>,
    peers: AtomicUsize,
}

/// Another command.
#[derive(Clone, Debug)]
struct Peer {
    socket: Arc<Mutex<UnixStream>>,
    gone: Arc<AtomicBool>,
}

/// Something for the thread that has the link.
#[derive(Debug)]
struct Job {
    peer: Peer,
    what: What,
}

#[derive(Debug)]
enum What {
    Request { id: String, fields: Fields, data: Data },
    Ack(String),
}

/// A request's data.
#[derive(Debug)]
enum Data {
    Memory(Vec<u8>),
    File { file: File, len: u64 },
}

impl Share {
    /// Offers the link. Whoever calls has the profile's lock to receive: a socket that is there is a dead one's.
    pub(crate) fn offer(place: &Place, profile: &Profile, client: &Client, bell: Bell) -> io::Result<Share> {
        let path = place.socket();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let account = profile.account();
        let state = Arc::new(State {
            uid: account.uid,
            node: NodeDigest::of(account.node.as_bytes()),
            hello: Mutex::default(),
            online: Mutex::default(),
            peers: AtomicUsize::new(0),
        });
        let (tell, jobs) = channel();
        let shared = state.clone();
        let mut share =
            Share { path, jobs, state, answered: VecDeque::new(), expecting: Vec::new(), handed: HashSet::new(), greeted: None };
        // Before anybody is heard, who would be greeted with nothing.
        share.refresh(client);
        thread::spawn(move || accept(&listener, &shared, &tell, &bell));
        Ok(share)
    }

    /// What the peers' threads tell must be what the relay told last.
    fn refresh(&mut self, client: &Client) {
        if self.greeted != Some(client.reconnects()) {
            self.greeted = Some(client.reconnects());
            *held(&self.state.hello) = frame(client.greeting().fields()).unwrap_or_default();
        }
        client.online().clone_into(&mut held(&self.state.online));
    }

    /// Does what others have asked for since the last time.
    pub(crate) fn serve(&mut self, client: &mut Client) {
        self.refresh(client);
        while let Ok(Job { peer, what }) = self.jobs.try_recv() {
            match what {
                What::Ack(id) if self.handed.remove(&id) => client.ack(&id),
                // Theirs was never handed out: no ack of ours.
                What::Ack(_) => {}
                What::Request { id, fields, data } if !peer.is_gone() => self.request(client, &peer, &id, fields, data),
                // It has gone, and will ask again if it still wants it.
                What::Request { .. } => {}
            }
        }
    }

    fn request(&mut self, client: &mut Client, peer: &Peer, id: &str, fields: Fields, data: Data) {
        if let Some((_, answer)) = self.answered.iter().find(|(known, _)| known == id) {
            peer.answer(id, answer.clone());
            return;
        }
        if let Some(label) = fields.get("newnode").and_then(Value::as_str) {
            self.expecting.retain(|(_, peer)| !peer.is_gone());
            self.expecting.push((label.to_owned(), peer.clone()));
        }
        match pass_on(client, fields, data) {
            Ok(answer) => {
                if self.answered.len() == ANSWERS_KEPT {
                    self.answered.pop_front();
                }
                self.answered.push_back((id.to_owned(), answer.clone()));
                peer.answer(id, answer);
            }
            Err(Error::Refused(why)) => peer.send(&reply::ack_error(id, &why)),
            // It tries again by itself, for as long as its own patience lasts.
            Err(Error::Link(_) | Error::Local(_) | Error::Usage(_)) => peer.leave(),
        }
    }

    /// Gives the message with a new device's secret to who has asked for the device; whether somebody took it.
    pub(crate) fn takes(&mut self, message: &Message) -> bool {
        let header = &message.header;
        if header.op() != "user" || header.optional("nodeid").is_none() {
            return false;
        }
        let wanted = |(label, peer): &(String, Peer)| label == header.text("newnode") && !peer.is_gone();
        let (Some(at), Some(frame)) = (self.expecting.iter().position(wanted), frame(header.fields())) else { return false };
        let (_, peer) = self.expecting.remove(at);
        self.handed.insert(header.id().to_owned());
        peer.send(&frame);
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Who finds it dead goes to the relay itself.
        let _ = fs::remove_file(&self.path);
    }
}

impl Peer {
    fn new(socket: UnixStream) -> io::Result<Peer> {
        socket.set_write_timeout(Some(WRITE_MAX))?;
        Ok(Peer { socket: Arc::new(Mutex::new(socket)), gone: Arc::default() })
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    fn send(&self, frame: &[u8]) {
        if held(&self.socket).write_all(frame).is_err() {
            self.leave();
        }
    }

    fn answer(&self, id: &str, mut fields: Fields) {
        fields.insert("id".to_owned(), Value::from(id));
        match frame(&fields) {
            Some(frame) => self.send(&frame),
            None => self.leave(),
        }
    }

    fn leave(&self) {
        self.gone.store(true, Ordering::SeqCst);
        // That it is closed already is as well.
        let _ = held(&self.socket).shutdown(Shutdown::Both);
    }
}

fn accept(listener: &UnixListener, state: &Arc<State>, jobs: &Sender<Job>, bell: &Bell) {
    for socket in listener.incoming() {
        // Out of descriptors, perhaps: whoever called comes again.
        let Ok(socket) = socket else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if state.peers.fetch_add(1, Ordering::SeqCst) >= PEERS_MAX {
            state.peers.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (state, jobs, bell) = (state.clone(), jobs.clone(), bell.clone());
        thread::spawn(move || {
            if let Ok(mut reader) = Reader::new(socket, &state, &jobs, &bell) {
                reader.run();
            }
            state.peers.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn pass_on(client: &mut Client, fields: Fields, data: Data) -> Result<Fields, Error> {
    let with = |id: &str| {
        let mut fields = fields.clone();
        fields.insert("id".to_owned(), Value::from(id));
        frame(&fields)
    };
    // Ids of the client have 16 characters.
    if with(&"0".repeat(16)).is_none() {
        return Err(Error::Refused("the header is too long".to_owned()));
    }
    let write = |out: &mut Vec<u8>, id: &str| out.extend_from_slice(&with(id).unwrap_or_default());
    let answer = match data {
        Data::Memory(octets) => client.pass_on(write, &octets[..], octets.len() as u64),
        Data::File { mut file, len } => {
            file.rewind().map_err(Error::Local)?;
            client.pass_on(write, file, len)
        }
    };
    answer.map(|answer| answer.fields().clone())
}

/// A header as relays write it; `None` if it is too long for one.
fn frame(fields: &Fields) -> Option<Vec<u8>> {
    let mut json = Vec::new();
    write_json(&mut json, &Value::Object(fields.clone()));
    let length = u16::try_from(json.len()).ok()?;
    let mut frame = format!("{length:04x}").into_bytes();
    frame.extend_from_slice(&json);
    Some(frame)
}

/// A thread that panicked with it has left nothing half done in such values.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
