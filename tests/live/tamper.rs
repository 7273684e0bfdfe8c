//! A relay in between that is not quite honest: it carries every frame between the load tester and a real relay, counts what it
//! carries, and does one deliberate wrong at a chosen moment.
//!
//! It ends the TLS of both sides, so what it alters is altered inside an unbroken link. One thread and a poll serve all links:
//! nothing waits for anything else, and whatever happens has one order.
//!
//! What is no frame (a garbage header, a body of megabytes) is passed on as it comes: there is nothing to be wrong about.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use mnm::base::Seq;
use mnm::wire::reply;
use mnm_client::{Header, Trust, request, tls_config};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

/// What goes wrong, once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Wrong {
    #[default]
    Nothing,
    /// A delivery is not passed on, and the relay believes that it was taken.
    Loses,
    /// A delivery comes twice on its link.
    Duplicates,
    /// A delivery comes behind the next one of the same sender to the same member.
    Delays,
    /// A bit in the middle of a delivery's data.
    FlipsData,
    /// A bit of the first octet of a delivery's data.
    FlipsFirst,
    /// A digit of a delivery's header; its sum stays.
    FlipsHeader,
    /// A digit of a delivery's headsum.
    FlipsSum,
    /// A delivery is said to come from another member, with a sum that holds.
    AltersSender,
    /// The second half of a delivery's data is missing; the length and the sum of the header hold.
    Cuts,
    /// A delivery comes to its sender too.
    ReachesSender,
    /// A delivery comes to a member too whom its sender has never written to, and with whom it shares no group.
    ReachesStranger,
    /// The same, and not to whom it was for.
    Misdelivers,
    /// The relay's ack of a post is not passed on.
    SwallowsAck,
    /// The relay's ack of a post comes twice.
    AcksTwice,
    /// A post is acked with an error, and not passed on.
    Refuses,
    /// A post is acked, and not passed on.
    Forgets,
    /// A post is passed on twice, so that it is stored twice, and acked once.
    StoresTwice,
    /// A link ends without a word when a post comes on it, which is not passed on.
    ClosesAtPost,
    /// A link ends without a word when a pulse comes on it.
    ClosesAtPulse,
    /// A link ends without a word when its member has been registered, who does not learn of it.
    ClosesAtRegistered,
}

/// What was carried so far, and what was done to it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Seen {
    /// Registrations and logins that the relay accepted.
    pub(crate) logins: u64,
    /// Of these the registrations.
    pub(crate) registered: u64,
    /// Posts from clients, repeated ones included.
    pub(crate) posts: u64,
    /// Acks of posts from the relay without an error.
    pub(crate) acks: u64,
    /// Deliveries, counted once for each message and member.
    pub(crate) deliveries: u64,
    /// Deliveries that came once more.
    pub(crate) repeated: u64,
    /// Of these, after the client's ack had been passed on to the relay.
    pub(crate) repeated_after_ack: u64,
    pub(crate) pulses: u64,
    /// Whether the wrong was done.
    pub(crate) struck: bool,
    /// To a post for so many members, if it was done to a post.
    pub(crate) struck_for: u64,
    /// The delivery that it was done to came again, as it should be: its member had left before it was acked.
    pub(crate) struck_came_again: bool,
}

/// A place that clients connect to instead of the relay.
pub(crate) struct Tamperer {
    address: SocketAddr,
    shared: Arc<Shared>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    over: AtomicBool,
}

impl Tamperer {
    /// Carries to this relay, and does the wrong at the `nth` frame of the kind it concerns (from 1, over all links), or at the
    /// first one behind it where it can be done: a stranger may have to be there.
    pub(crate) fn start(relay: SocketAddr, wrong: Wrong, nth: u64) -> Tamperer {
        let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let poll = Poll::new().expect("a poll");
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("it can be polled");
        let waker = Waker::new(poll.registry(), WAKER).expect("a waker");
        let shared = Arc::new(Shared::default());
        let hand = Hand { wrong, nth, seen: Seen::default(), links: BTreeMap::new(), ..Hand::default() };
        let carrier = Carrier { relay, listener, poll, server: server_config(), client: client_config(), wires: Vec::new(), hand };
        let theirs = shared.clone();
        let thread = thread::spawn(move || carrier.run(&theirs));
        Tamperer { address, shared, waker, thread: Some(thread) }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was carried so far.
    pub(crate) fn seen(&self) -> Seen {
        *self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tamperer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let woken = self.waker.wake();
        let joined = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            woken.expect("the poll can be woken");
            assert!(matches!(joined, Some(Ok(()))), "the tamperer itself is sound");
        }
    }
}

fn server_config() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("they belong together"))
}

fn client_config() -> Arc<ClientConfig> {
    tls_config(&Trust::Any, true).expect("any certificate will do")
}

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// Links have two tokens each from here on, that of the client's side first.
const FIRST: usize = 2;
/// Octets that wait for one side, beyond which nothing more is read from the other.
const WAITING_MAX: usize = 4 << 20;
/// Frames with more data than this are passed on as they come.
const WHOLE_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Client,
    Relay,
}

impl Side {
    const BOTH: [Side; 2] = [Side::Client, Side::Relay];

    fn other(self) -> Side {
        match self {
            Side::Client => Side::Relay,
            Side::Relay => Side::Client,
        }
    }
}

/// Moves the octets.
struct Carrier {
    relay: SocketAddr,
    listener: TcpListener,
    poll: Poll,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    /// Links by their number, which is never used again.
    wires: Vec<Option<[End; 2]>>,
    hand: Hand,
}

impl Carrier {
    fn run(mut self, shared: &Shared) {
        let mut events = Events::with_capacity(1024);
        loop {
            let wait = self.has_more_to_read().then_some(Duration::ZERO);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled.expect("the sockets can be polled"),
            }
            if shared.over.load(Ordering::Relaxed) {
                return;
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(token) => {
                        if let Some(ends) = &mut self.wires[(token - FIRST) / 2] {
                            ends[(token - FIRST) % 2].readable = true;
                        }
                    }
                }
            }
            for link in 0..self.wires.len() {
                Side::BOTH.into_iter().for_each(|side| self.receive(link, side));
            }
            // Before the octets go: who reads them may ask at once.
            *shared.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.hand.seen;
            self.send();
        }
    }

    fn accept(&mut self) {
        loop {
            let client = match self.listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Somebody who has gone again.
                Err(_) => continue,
            };
            let Ok(relay) = std::net::TcpStream::connect(self.relay) else { continue };
            relay.set_nonblocking(true).expect("a socket need not block");
            let towards = ServerName::from(self.relay.ip());
            let client = End::new(client, ServerConnection::new(self.server.clone()).expect("a configuration that serves").into());
            let tls = ClientConnection::new(self.client.clone(), towards).expect("a configuration that serves").into();
            let mut ends = [client, End::new(TcpStream::from_std(relay), tls)];
            for (end, token) in ends.iter_mut().zip(FIRST + 2 * self.wires.len()..) {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut end.socket, Token(token), interest).expect("it can be polled");
            }
            self.wires.push(Some(ends));
        }
    }

    fn has_more_to_read(&self) -> bool {
        let may_read = |ends: &[End; 2], side: Side| ends[side as usize].readable && ends[side.other() as usize].out.len() < WAITING_MAX;
        self.wires.iter().flatten().any(|ends| Side::BOTH.iter().any(|side| may_read(ends, *side)))
    }

    /// Reads something from this side, and does with its frames what is to be done.
    fn receive(&mut self, link: usize, side: Side) {
        let Some(ends) = &mut self.wires[link] else { return };
        if !ends[side as usize].readable || ends[side.other() as usize].out.len() >= WAITING_MAX {
            return;
        }
        ends[side as usize].receive();
        if ends[side.other() as usize].is_over {
            // To nobody, and what is not carried is not counted.
            ends[side as usize].came = Cutter::default();
        }
        while let Some(ends) = &mut self.wires[link]
            && let Some(cut) = ends[side as usize].came.next()
        {
            match (cut, side) {
                (Cut::Octets(octets), _) => ends[side.other() as usize].out.extend(octets),
                (Cut::Frame(frame), Side::Client) => self.hand.request(link, frame),
                (Cut::Frame(frame), Side::Relay) => self.hand.answer(link, frame),
            }
            for order in std::mem::take(&mut self.hand.orders) {
                match order {
                    Order::Send(link, side, octets) => {
                        if let Some(ends) = &mut self.wires[link] {
                            ends[side as usize].out.extend(octets);
                        }
                    }
                    Order::Close(link) => self.wires[link] = None,
                }
            }
        }
        match &mut self.wires[link] {
            None => self.hand.gone(link),
            Some(ends) if ends[side as usize].is_over => {
                self.hand.gone(link);
                ends[side.other() as usize].is_last = true;
            }
            Some(_) => {}
        }
    }

    fn send(&mut self) {
        for wire in &mut self.wires {
            let Some(ends) = wire else { continue };
            for side in Side::BOTH {
                ends[side as usize].send();
                if ends[side as usize].is_broken && !ends[side as usize].is_over {
                    // Then there is nothing to be read either, and the other side is told.
                    ends[side as usize].readable = true;
                }
            }
            if ends.iter().all(|end| end.is_over && end.is_done()) {
                *wire = None;
            }
        }
    }
}

/// One side of a link.
struct End {
    socket: TcpStream,
    tls: Connection,
    came: Cutter,
    /// What is to go out, in plain text.
    out: Vec<u8>,
    readable: bool,
    /// Nothing more comes from there.
    is_over: bool,
    /// Nothing more is to go there, when `out` has gone.
    is_last: bool,
    was_told_the_end: bool,
    /// Nothing can be written there any more.
    is_broken: bool,
}

impl End {
    fn new(socket: TcpStream, tls: Connection) -> End {
        // A matter of speed alone.
        let _ = socket.set_nodelay(true);
        let came = Cutter::default();
        let (readable, is_over, is_last, was_told_the_end, is_broken) = (false, false, false, false, false);
        End { socket, tls, came, out: Vec::new(), readable, is_over, is_last, was_told_the_end, is_broken }
    }

    /// Reads once.
    fn receive(&mut self) {
        self.is_over |= self.is_broken;
        if self.is_over {
            self.readable = false;
            return;
        }
        match self.tls.read_tls(&mut self.socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.is_over = true,
            Ok(_) => match self.tls.process_new_packets() {
                Err(_) => self.is_over = true,
                Ok(state) => {
                    let start = self.came.octets.len();
                    self.came.octets.resize(start + state.plaintext_bytes_to_read(), 0);
                    self.tls.reader().read_exact(&mut self.came.octets[start..]).expect("as much as TLS says");
                    self.is_over = state.peer_has_closed();
                }
            },
        }
    }

    /// Writes as much as the socket takes.
    fn send(&mut self) {
        loop {
            while self.tls.wants_write() && !self.is_broken {
                match self.tls.write_tls(&mut self.socket) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => self.is_broken = true,
                    Ok(_) => {}
                }
            }
            if self.is_broken {
                self.out.clear();
                return;
            }
            if self.tls.is_handshaking() && !self.is_last {
                return;
            }
            if !self.out.is_empty() && !self.tls.is_handshaking() {
                let taken = self.tls.writer().write(&self.out).expect("TLS takes some");
                self.out.drain(..taken);
            } else if self.is_last && !self.was_told_the_end {
                self.out.clear();
                self.was_told_the_end = true;
                self.tls.send_close_notify();
            } else {
                if self.was_told_the_end {
                    // If it has gone there is nobody to be told.
                    let _ = self.socket.shutdown(Shutdown::Write);
                }
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.is_broken || (self.was_told_the_end && !self.tls.wants_write())
    }
}

/// A frame, or octets that are none or belong to a large one.
enum Cut {
    Frame(Frame),
    Octets(Vec<u8>),
}

struct Frame {
    octets: Vec<u8>,
    /// Where its data begins.
    data: usize,
    header: Header,
}

/// Cuts octets into frames.
#[derive(Default)]
struct Cutter {
    octets: Vec<u8>,
    /// So many are of a large frame.
    pass: u64,
    /// What comes is no TMTP.
    is_raw: bool,
}

impl Cutter {
    fn next(&mut self) -> Option<Cut> {
        if self.octets.is_empty() {
            return None;
        }
        if self.is_raw {
            return Some(Cut::Octets(std::mem::take(&mut self.octets)));
        }
        if self.pass > 0 {
            let count = self.octets.len().min(usize::try_from(self.pass).unwrap_or(usize::MAX));
            self.pass -= count as u64;
            return Some(Cut::Octets(self.octets.drain(..count).collect()));
        }
        let length = std::str::from_utf8(self.octets.get(..4)?).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(length) = length else { return self.give_up() };
        let data = 4 + length;
        let header = self.octets.get(4..data).map(Header::parse)?;
        let Some(header) = header else { return self.give_up() };
        let whole = data as u64 + header.number("datalen");
        if header.number("datalen") > WHOLE_MAX {
            self.pass = whole - data as u64;
            return Some(Cut::Octets(self.octets.drain(..data).collect()));
        }
        if (self.octets.len() as u64) < whole {
            return None;
        }
        Some(Cut::Frame(Frame { octets: self.octets.drain(..whole as usize).collect(), data, header }))
    }

    fn give_up(&mut self) -> Option<Cut> {
        self.is_raw = true;
        self.next()
    }
}

enum Order {
    Send(usize, Side, Vec<u8>),
    Close(usize),
}

/// What becomes of the relay's answer to a post.
enum Fate {
    Passes,
    IsSwallowed,
    ComesTwice,
    /// The relay does not know of the post: this is the answer, in its turn.
    IsOurs(Vec<u8>),
}

/// Who is at the client's end of a link.
#[derive(Default)]
struct Place {
    uid: String,
    /// And has not taken leave.
    is_logged_in: bool,
    /// Posts without an answer, by their ids; answers come in the order of the posts.
    posts: VecDeque<(String, Fate)>,
}

/// A delivery that comes too late.
struct Held {
    from: String,
    to: String,
    octets: Vec<u8>,
}

/// Decides what becomes of each frame.
#[derive(Default)]
struct Hand {
    wrong: Wrong,
    nth: u64,
    seen: Seen,
    links: BTreeMap<usize, Place>,
    /// Who has written to whom, other than in a group.
    wrote: BTreeSet<(String, String)>,
    /// Who is or was in which group.
    groups: BTreeMap<String, BTreeSet<String>>,
    /// Messages that came, by member and id; and whether they were acked.
    came: BTreeMap<(String, String), bool>,
    held: Option<Held>,
    /// The delivery that the wrong was done to, by member and id.
    wronged: Option<(String, String)>,
    orders: Vec<Order>,
}

/// Requests by their numbers in the 2020 draft.
mod op {
    pub(super) const LOGIN: u64 = 2;
    pub(super) const GROUP_INVITE: u64 = 5;
    pub(super) const GROUP_EDIT: u64 = 6;
    pub(super) const POST: u64 = 7;
    pub(super) const POST_NOTIFY: u64 = 8;
    pub(super) const ACK: u64 = 10;
    pub(super) const PULSE: u64 = 11;
    pub(super) const QUIT: u64 = 12;
}

impl Hand {
    fn place(&mut self, link: usize) -> &mut Place {
        self.links.entry(link).or_default()
    }

    fn gone(&mut self, link: usize) {
        self.links.remove(&link);
    }

    fn send(&mut self, link: usize, side: Side, octets: Vec<u8>) {
        self.orders.push(Order::Send(link, side, octets));
    }

    /// A request has come.
    fn request(&mut self, link: usize, frame: Frame) {
        let uid = self.place(link).uid.clone();
        let header = &frame.header;
        match header.fields().get("op").and_then(|op| op.as_u64()).unwrap_or(u64::MAX) {
            op::LOGIN => self.links.entry(link).or_default().uid = header.text("uid").to_owned(),
            op::GROUP_INVITE | op::GROUP_EDIT => {
                self.groups.entry(header.text("gid").to_owned()).or_default().insert(uid);
            }
            op::POST | op::POST_NOTIFY => return self.post(link, &uid, frame),
            op::ACK => {
                self.came.insert((uid, header.id().to_owned()), true);
            }
            op::QUIT => self.place(link).is_logged_in = false,
            op::PULSE => {
                self.seen.pulses += 1;
                if self.wrong == Wrong::ClosesAtPulse && self.is_due(self.seen.pulses) {
                    return self.orders.push(Order::Close(link));
                }
            }
            _ => {}
        }
        self.send(link, Side::Relay, frame.octets);
    }

    fn post(&mut self, link: usize, uid: &str, frame: Frame) {
        self.seen.posts += 1;
        for to in frame.header.list("for") {
            if to["type"] == 1
                && let Some(to) = to["id"].as_str()
            {
                self.wrote.insert((uid.to_owned(), to.to_owned()));
            }
        }
        let id = frame.header.id().to_owned();
        let posts = self.seen.posts;
        let was_struck = self.seen.struck;
        let mut times = 1;
        let wrong = self.wrong;
        let fate = match wrong {
            Wrong::SwallowsAck if self.is_due(posts) => Fate::IsSwallowed,
            Wrong::AcksTwice if self.is_due(posts) => Fate::ComesTwice,
            Wrong::Refuses if self.is_due(posts) => Fate::IsOurs(reply::ack_error(&id, "not today")),
            Wrong::Forgets if self.is_due(posts) => {
                Fate::IsOurs(reply::ack(&id, Some((Seq(7), "2026-01-02T15:04:05.000Z")), &reply::Full::default()))
            }
            Wrong::StoresTwice if self.is_due(posts) => {
                times = 2;
                Fate::Passes
            }
            Wrong::ClosesAtPost if self.is_due(posts) => return self.orders.push(Order::Close(link)),
            _ => Fate::Passes,
        };
        if matches!(fate, Fate::IsOurs(_)) {
            times = 0;
        }
        if self.seen.struck && !was_struck {
            self.seen.struck_for = self.recipients(uid, &frame.header);
        }
        self.place(link).posts.push_back((id.clone(), fate));
        for again in 0..times {
            if again > 0 {
                self.place(link).posts.push_back((id.clone(), Fate::IsSwallowed));
            }
            self.send(link, Side::Relay, frame.octets.clone());
        }
        self.answer_ourselves(link);
    }

    /// How many others a post of this member is for, if it names none of them twice.
    fn recipients(&self, uid: &str, header: &Header) -> u64 {
        let names = header.list("for").iter().filter_map(|to| to["id"].as_str());
        let others = |name| self.groups.get(name).map_or(1, |group| group.iter().filter(|member| *member != uid).count() as u64);
        names.map(others).sum()
    }

    /// Gives the answers of our own whose turn it is.
    fn answer_ourselves(&mut self, link: usize) {
        while let Some((_, Fate::IsOurs(_))) = self.place(link).posts.front()
            && let Some((_, Fate::IsOurs(octets))) = self.place(link).posts.pop_front()
        {
            self.send(link, Side::Client, octets);
        }
    }

    /// A reply or a message has come from the relay.
    fn answer(&mut self, link: usize, frame: Frame) {
        match frame.header.op() {
            "registered" => {
                self.seen.registered += 1;
                if self.wrong == Wrong::ClosesAtRegistered && self.is_due(self.seen.registered) {
                    return self.orders.push(Order::Close(link));
                }
                self.place(link).uid = frame.header.text("uid").to_owned();
            }
            "info" => {
                self.seen.logins += 1;
                self.place(link).is_logged_in = true;
            }
            "ack" if self.place(link).posts.front().is_some_and(|(id, _)| *id == frame.header.id()) => return self.ack(link, &frame),
            "delivery" => return self.delivery(link, frame),
            _ => {}
        }
        self.send(link, Side::Client, frame.octets);
    }

    fn ack(&mut self, link: usize, frame: &Frame) {
        if frame.header.optional("error").is_none() {
            self.seen.acks += 1;
        }
        let (_, fate) = self.place(link).posts.pop_front().expect("it was looked at");
        let times = match fate {
            Fate::IsSwallowed => 0,
            Fate::Passes => 1,
            Fate::ComesTwice => 2,
            Fate::IsOurs(_) => unreachable!("one of ours never waits in front"),
        };
        for _ in 0..times {
            self.send(link, Side::Client, frame.octets.clone());
        }
        self.answer_ourselves(link);
    }

    fn delivery(&mut self, link: usize, frame: Frame) {
        let uid = self.place(link).uid.clone();
        match self.came.insert((uid.clone(), frame.header.id().to_owned()), false) {
            None => self.seen.deliveries += 1,
            Some(acked) => {
                self.seen.repeated += 1;
                self.seen.repeated_after_ack += u64::from(acked);
                self.seen.struck_came_again |= self.wronged.as_ref().is_some_and(|wronged| *wronged == (uid, frame.header.id().to_owned()));
                return self.send(link, Side::Client, frame.octets);
            }
        }
        let followed = self.held.take_if(|held| held.to == uid && held.from == frame.header.from());
        // Who has taken leave may not read on.
        let is_due = !self.seen.struck && self.seen.deliveries >= self.nth && self.place(link).is_logged_in;
        let octets = if is_due { self.wronged(link, &uid, &frame) } else { None };
        for octets in octets.unwrap_or_else(|| vec![frame.octets]) {
            self.send(link, Side::Client, octets);
        }
        if let Some(held) = followed {
            self.send(link, Side::Client, held.octets);
        }
    }

    /// What comes instead of this delivery; `None` if it is not wronged.
    fn wronged(&mut self, link: usize, uid: &str, frame: &Frame) -> Option<Vec<Vec<u8>>> {
        let from = frame.header.from().to_owned();
        let whole = frame.octets.clone();
        let flipped = |at: usize| {
            let mut octets = frame.octets.clone();
            octets[at] ^= 1;
            Some(vec![octets])
        };
        let in_header = |text: &str| text.len() + find(&frame.octets, text.as_bytes());
        let wronged = match self.wrong {
            Wrong::Loses => {
                self.take(link, frame.header.id());
                Some(vec![])
            }
            Wrong::Duplicates => Some(vec![whole.clone(), whole]),
            // Of two who share a group, where there are groups: there will be a next one.
            Wrong::Delays if self.groups.is_empty() || self.share_a_group(&from, uid) => {
                self.take(link, frame.header.id());
                self.held = Some(Held { from, to: uid.to_owned(), octets: whole });
                Some(vec![])
            }
            Wrong::FlipsData => flipped((frame.data + whole.len()) / 2),
            Wrong::FlipsFirst => flipped(frame.data),
            Wrong::FlipsHeader => flipped(in_header("\"posted\":\"")),
            // The second digit: the first must not become a 0.
            Wrong::FlipsSum => flipped(in_header("\"headsum\":") + 1),
            Wrong::AltersSender => {
                let other = self.find(|other| other != from && other != uid)?.1;
                Some(vec![rewritten(frame, |header| header.replace(&from, &other), &whole[frame.data..])])
            }
            Wrong::Cuts => {
                let data = &whole[frame.data..(frame.data + whole.len()) / 2];
                let (was, is) = (whole.len() - frame.data, data.len());
                Some(vec![rewritten(frame, |header| header.replace(&format!("\"datalen\":{was}"), &format!("\"datalen\":{is}")), data)])
            }
            Wrong::ReachesSender => {
                let (sender, _) = self.find(|other| other == from)?;
                self.send(sender, Side::Client, whole.clone());
                Some(vec![whole])
            }
            Wrong::ReachesStranger => {
                let (stranger, _) = self.find(|other| self.is_strange(&from, other))?;
                self.send(stranger, Side::Client, whole.clone());
                Some(vec![whole])
            }
            Wrong::Misdelivers => {
                let (stranger, _) = self.find(|other| self.is_strange(&from, other))?;
                self.take(link, frame.header.id());
                self.send(stranger, Side::Client, whole);
                Some(vec![])
            }
            Wrong::Nothing
            | Wrong::Delays
            | Wrong::SwallowsAck
            | Wrong::AcksTwice
            | Wrong::Refuses
            | Wrong::Forgets
            | Wrong::StoresTwice
            | Wrong::ClosesAtPost
            | Wrong::ClosesAtPulse
            | Wrong::ClosesAtRegistered => None,
        };
        if wronged.is_some() {
            self.seen.struck = true;
            self.wronged = Some((uid.to_owned(), frame.header.id().to_owned()));
        }
        wronged
    }

    /// Acks a message in the client's place.
    fn take(&mut self, link: usize, id: &str) {
        let mut octets = Vec::new();
        request::ack(&mut octets, id);
        self.send(link, Side::Relay, octets);
    }

    /// A link of a member who is logged in, and whom `wanted` accepts.
    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<(usize, String)> {
        let found = self.links.iter().find(|(_, place)| place.is_logged_in && wanted(&place.uid));
        found.map(|(link, place)| (*link, place.uid.clone()))
    }

    fn is_strange(&self, from: &str, other: &str) -> bool {
        let wrote = self.wrote.contains(&(from.to_owned(), other.to_owned()));
        from != other && !wrote && !self.share_a_group(from, other)
    }

    fn share_a_group(&self, one: &str, other: &str) -> bool {
        self.groups.values().any(|group| group.contains(one) && group.contains(other))
    }

    /// Whether the wrong is to be done at this one, the `count`th of its kind.
    fn is_due(&mut self, count: u64) -> bool {
        let due = !self.seen.struck && count >= self.nth;
        self.seen.struck |= due;
        due
    }
}

fn find(octets: &[u8], part: &[u8]) -> usize {
    octets.windows(part.len()).position(|window| window == part).expect("the field is there")
}

/// The frame with a header altered so and this data; length and headsum are right.
fn rewritten(frame: &Frame, alter: impl Fn(&str) -> String, data: &[u8]) -> Vec<u8> {
    let header = std::str::from_utf8(&frame.octets[4..frame.data]).expect("headers are UTF-8");
    let (head, rest) = header.split_once("\"headsum\":").expect("a message has a sum");
    let (_, tail) = rest.split_once(',').expect("keys are sorted, and id follows");
    let (head, tail) = (alter(head), alter(tail));
    let summed = format!("{:04x}{head}{tail}", head.len() + tail.len());
    let header = format!("{head}\"headsum\":{},{tail}", crc32c::crc32c(summed.as_bytes()));
    let mut octets = format!("{:04x}{header}", header.len()).into_bytes();
    octets.extend(data);
    octets
}
