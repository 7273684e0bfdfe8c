//! A relay in between that is not quite honest: it carries every frame between the load tester and a real relay, counts what it
//! carries, and does one deliberate wrong at a chosen moment.
//!
//! It ends the TLS of both sides, so what it alters is altered inside an unbroken link. One thread and a poll serve all links:
//! nothing waits for anything else, and whatever happens has one order.
//!
//! What is no frame (a garbage header, a body of megabytes) is passed on as it comes: there is nothing to be wrong about.

mod carrier;
mod hand;

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
use mnm_client::{Header, KeyExchange, Trust, request, tls_config};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use carrier::{Carrier, Frame, Side};
use hand::{Hand, Order};

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
    tls_config(&Trust::Any, true, KeyExchange::Hybrid).expect("any certificate will do")
}

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// Links have two tokens each from here on, that of the client's side first.
const FIRST: usize = 2;
/// Octets that wait for one side, beyond which nothing more is read from the other.
const WAITING_MAX: usize = 4 << 20;
/// Frames with more data than this are passed on as they come.
const WHOLE_MAX: u64 = 1 << 20;
