//! A small relay in memory that can be told to be wrong.
//!
//! Threads and blocking sockets, one big lock: slow, but simple enough to be believed. It serves what
//! the tests need (Register, Login, Post to one user, Ack, Pulse, Quit) and misbehaves once, at the
//! post it is told. It can also "crash" again and again: all links end without a word, what a disk would
//! keep is kept, and acks of the last moments are forgotten, as a relay that writes its cursors
//! lazily would.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use mnm::base::{NodeSecret, OsEntropy, Seq, Uid};
use mnm::wire::reply::{self, Message, Site, Std};
use mnm::wire::{Body, Dialect, FrameReader, Piece, Request, RequestLimits};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use sha2::{Digest, Sha256};

/// What goes wrong, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Nothing,
    /// Acked, never delivered.
    Forgets,
    /// Delivered twice under one id.
    Duplicates,
    /// Stored and delivered under two ids.
    StoresTwice,
    /// Delivered after the next one for the same member.
    Reorders,
    /// A bit of the data.
    FlipsBody,
    /// A digit of the date, so that the headsum is wrong.
    FlipsHeader,
    /// Delivered to its sender.
    Misdelivers,
    /// Never acked.
    IsSilent,
    AcksTwice,
    Refuses,
    /// The link ends with a reason.
    Quits,
}

/// How the relay behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour {
    pub(crate) fault: Fault,
    /// `fault` happens at the first post from this one on, counted over all members from 1, that its link cannot be
    /// repeating: a fault that strikes a repetition may do no harm.
    pub(crate) at: u64,
    /// All links end at every so many posts.
    pub(crate) crash_every: Option<u64>,
    /// So many connections are then closed at once.
    pub(crate) turned_away: u64,
}

/// The most that a member of these tests may have to post again on a new link: the load tester's window.
const REPEATED_MAX: u64 = 8;
/// Acks of a user's last deliveries that a crash undoes.
const FORGOTTEN_ACKS: usize = 3;

pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    pub(crate) fingerprint: String,
    pub(crate) certificate_pem: String,
}

#[derive(Default)]
struct State {
    users: HashMap<String, User>,
    last: Seq,
    posts: u64,
    crashes: u64,
    turn_away: u64,
    held: Option<(String, Vec<u8>)>,
    /// The fault has happened, at this post of this user: it happens to every repetition of it if it is to forget.
    struck: Option<(String, String)>,
}

struct User {
    secret: String,
    queue: BTreeMap<Seq, Vec<u8>>,
    lately_acked: VecDeque<(Seq, Vec<u8>)>,
    wire: Option<Arc<Wire>>,
}

struct Wire {
    socket: TcpStream,
    tls: Mutex<ServerConnection>,
    /// How often the relay had crashed when this link came: a link of an earlier life is not served.
    life: u64,
}

impl Relay {
    /// Starts a relay on a port of the system's choice. Its threads end with the test's process.
    pub(crate) fn start(behaviour: Behaviour) -> Relay {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (config, state) = (config.clone(), state.clone());
                thread::spawn(move || accept(socket, config, &state, behaviour));
            }
        });
        let fingerprint = Sha256::digest(made.cert.der()).iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":");
        Relay { addr, fingerprint, certificate_pem: made.cert.pem() }
    }
}

fn accept(socket: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>, behaviour: Behaviour) {
    let life = {
        let mut state = lock(state);
        if state.turn_away > 0 {
            state.turn_away -= 1;
            return;
        }
        state.crashes
    };
    socket.set_nodelay(true).unwrap();
    let mut tls = ServerConnection::new(config).unwrap();
    tls.set_buffer_limit(None);
    let wire = Arc::new(Wire { socket, tls: Mutex::new(tls), life });
    let mut session = Session { state, behaviour, wire: wire.clone(), uid: None, dialect: Dialect::default(), posts: 0 };
    session.serve();
    if let Some(uid) = &session.uid {
        let mut state = lock(state);
        let user = state.users.get_mut(uid).unwrap();
        if user.wire.as_ref().is_some_and(|w| Arc::ptr_eq(w, &wire)) {
            user.wire = None;
        }
    }
    let _ = wire.socket.shutdown(Shutdown::Both);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Wire {
    /// Sends a frame. A peer that is gone will be noticed by whoever reads from it.
    fn send(&self, frame: &[u8]) {
        let mut tls = lock(&self.tls);
        tls.writer().write_all(frame).unwrap();
        self.flush(&mut tls);
    }

    fn flush(&self, tls: &mut ServerConnection) {
        while tls.wants_write() && tls.write_tls(&mut &self.socket).is_ok_and(|n| n > 0) {}
    }

    /// The next decrypted octets; empty at the end.
    fn receive(&self, buffer: &mut [u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while plain.is_empty() {
            let Ok(count @ 1..) = (&self.socket).read(buffer) else { break };
            let mut cipher = &buffer[..count];
            let mut tls = lock(&self.tls);
            while !cipher.is_empty() {
                let Ok(_) = tls.read_tls(&mut cipher) else { return Vec::new() };
                let Ok(state) = tls.process_new_packets() else { return Vec::new() };
                let start = plain.len();
                plain.resize(start + state.plaintext_bytes_to_read(), 0);
                tls.reader().read_exact(&mut plain[start..]).unwrap();
            }
            self.flush(&mut tls);
        }
        plain
    }
}

/// The peer gets no more answers.
struct Over;

struct Session<'a> {
    state: &'a Mutex<State>,
    behaviour: Behaviour,
    wire: Arc<Wire>,
    uid: Option<String>,
    dialect: Dialect,
    /// On this link.
    posts: u64,
}

impl Session<'_> {
    fn serve(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let mut reader = FrameReader::new();
        let mut pending: Option<(Request<'static>, Vec<u8>)> = None;
        loop {
            let plain = self.wire.receive(&mut buffer);
            if plain.is_empty() {
                return;
            }
            let mut input = &plain[..];
            while let Some(piece) = reader.next(&mut input).unwrap() {
                let complete = match piece {
                    Piece::Header(header) => {
                        let request = Request::parse(header, &mut self.dialect, &RequestLimits::default()).unwrap().into_owned();
                        let len = request.body().len;
                        reader.expect_body(len);
                        pending = Some((request, Vec::new()));
                        len == 0
                    }
                    Piece::Body(part) => {
                        pending.as_mut().unwrap().1.extend_from_slice(part);
                        reader.body_left() == 0
                    }
                };
                if complete {
                    let (request, body) = pending.take().unwrap();
                    if self.handle(request, &body).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn handle(&mut self, request: Request<'_>, body: &[u8]) -> Result<(), Over> {
        let mut state = lock(self.state);
        if state.crashes != self.wire.life {
            return Err(Over);
        }
        match request {
            Request::TmtpRev => self.wire.send(&reply::tmtprev(&Site { name: "fake".into(), auth_by: None })),
            Request::Register { .. } => {
                let (uid, secret) = (Uid::random(&mut OsEntropy).to_string(), NodeSecret::random(&mut OsEntropy).reveal());
                self.wire.send(&reply::registered(&secret, &uid, None));
                self.wire.send(&reply::info(&[]));
                let user = User { secret, queue: BTreeMap::new(), lately_acked: VecDeque::new(), wire: Some(self.wire.clone()) };
                state.users.insert(uid.clone(), user);
                self.uid = Some(uid);
            }
            Request::Login { uid, node } => self.login(&mut state, &uid, &node)?,
            Request::Post { id, to, .. } => self.post(&mut state, &id, &to[0].id, body)?,
            Request::Ack { id } => {
                let user = state.users.get_mut(self.uid.as_ref().unwrap()).unwrap();
                if let Some(message) = Seq::from_hex(&id).and_then(|id| user.queue.remove_entry(&id)) {
                    user.lately_acked.push_back(message);
                    user.lately_acked.drain(..user.lately_acked.len().saturating_sub(FORGOTTEN_ACKS));
                }
            }
            Request::Pulse => {}
            Request::Quit => {
                self.wire.send(&reply::quit("logout ok"));
                return Err(Over);
            }
            other => panic!("nobody needs {other:?} here"),
        }
        Ok(())
    }

    fn login(&mut self, state: &mut State, uid: &str, node: &str) -> Result<(), Over> {
        let user = state.users.get_mut(uid).filter(|user| user.secret == node);
        let refusal = match &user {
            None => Some("login failed"),
            Some(user) if user.wire.is_some() => Some("node already connected"),
            Some(_) => None,
        };
        if let (Some(user), None) = (user, refusal) {
            self.wire.send(&reply::info(&[]));
            user.wire = Some(self.wire.clone());
            self.uid = Some(uid.to_owned());
            // Priority does not matter here: it comes before the queue.
            let id = next_id(&mut state.last);
            let notice = Message::Login { node: "fake" }.frame(Std { from: uid, id, posted: DATE });
            state.users.get_mut(uid).unwrap().queue.insert(id, notice);
            let user = &state.users[uid];
            user.queue.values().for_each(|frame| self.wire.send(frame));
            return Ok(());
        }
        self.wire.send(&reply::quit(refusal.unwrap()));
        Err(Over)
    }

    /// What goes wrong with this post.
    fn fault(&self, state: &mut State, request: &str) -> Fault {
        let Behaviour { fault, at, .. } = self.behaviour;
        let this = (self.uid.clone().expect("who posts is logged in"), request.to_owned());
        match &state.struck {
            // Its ack may be lost in a crash; repeated, it would arrive after all.
            Some(struck) if *struck == this && fault == Fault::Forgets => fault,
            None if state.posts >= at && self.posts > REPEATED_MAX => {
                state.struck = Some(this);
                fault
            }
            Some(_) | None => Fault::Nothing,
        }
    }

    fn post(&mut self, state: &mut State, request: &str, to: &str, body: &[u8]) -> Result<(), Over> {
        state.posts += 1;
        self.posts += 1;
        let fault = self.fault(state, request);
        if self.behaviour.crash_every.is_some_and(|every| state.posts.is_multiple_of(every)) {
            // One crash comes after the message is stored and before its ack, the next one before either.
            if state.crashes.is_multiple_of(2) && fault != Fault::Forgets {
                let (id, frame) = self.stored(state, body);
                state.users.get_mut(to).unwrap().queue.insert(id, frame);
            }
            crash(state, self.behaviour.turned_away);
            return Err(Over);
        }
        if fault == Fault::Quits {
            self.wire.send(&reply::quit("because I say so"));
            return Err(Over);
        }
        if fault == Fault::Refuses {
            self.wire.send(&reply::ack_error(request, "not today"));
            return Ok(());
        }
        let (id, frame) = self.stored(state, body);
        for _ in 0..acks(fault) {
            self.wire.send(&reply::ack(request, Some((id, DATE)), &reply::Full::default()));
        }
        let to = if fault == Fault::Misdelivers { self.uid.as_deref().unwrap() } else { to };
        self.deliver(state, to, id, frame, fault, body);
        Ok(())
    }

    fn stored(&self, state: &mut State, body: &[u8]) -> (Seq, Vec<u8>) {
        let id = next_id(&mut state.last);
        let message = Message::Delivery { body: Body { len: body.len() as u64, ..Body::default() }, notify: None };
        let mut frame = message.frame(Std { from: self.uid.as_deref().unwrap(), id, posted: DATE });
        frame.extend_from_slice(body);
        (id, frame)
    }

    fn deliver(&self, state: &mut State, to: &str, id: Seq, mut frame: Vec<u8>, fault: Fault, body: &[u8]) {
        match fault {
            Fault::Forgets => return,
            Fault::FlipsBody => *frame.last_mut().unwrap() ^= 1,
            Fault::FlipsHeader => {
                let at = frame.windows(4).position(|w| w == &DATE.as_bytes()[..4]).unwrap();
                frame[at] += 1;
            }
            Fault::Reorders => {
                state.held = Some((to.to_owned(), frame));
                return;
            }
            _ => {}
        }
        let mut frames = vec![(id, frame.clone())];
        if fault == Fault::Duplicates {
            frames.push((id, frame));
        }
        if fault == Fault::StoresTwice {
            frames.push(self.stored(state, body));
        }
        if state.held.as_ref().is_some_and(|(held_for, _)| held_for == to) {
            let (_, held) = state.held.take().unwrap();
            frames.push((Seq::ZERO, held));
        }
        let user = state.users.get_mut(to).unwrap();
        for (id, frame) in frames {
            if let Some(wire) = &user.wire {
                wire.send(&frame);
            }
            user.queue.insert(id, frame);
        }
    }
}

const DATE: &str = "2026-01-02T15:04:05.000Z";

fn acks(fault: Fault) -> usize {
    match fault {
        Fault::IsSilent => 0,
        Fault::AcksTwice => 2,
        _ => 1,
    }
}

fn next_id(last: &mut Seq) -> Seq {
    *last = last.next(1_700_000_000_000_000_000);
    *last
}

fn crash(state: &mut State, turned_away: u64) {
    state.crashes += 1;
    state.turn_away = turned_away;
    for user in state.users.values_mut() {
        user.queue.extend(user.lately_acked.drain(..));
        if let Some(wire) = user.wire.take() {
            let _ = wire.socket.shutdown(Shutdown::Both);
        }
    }
}
