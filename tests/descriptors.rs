//! File descriptors running out: strangers take them, the system takes them back, or somebody had them before.
//! Members who are in go on, who is not in is refused, and nothing is lost.
#![cfg(target_os = "linux")]

mod common;
mod live;

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use common::member::Member;
use common::process::TlsLink;
use live::Relay;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// Octets of a message: some forty fill a segment.
const SIZE: usize = 100_000;
/// Messages that fill several segments.
const MESSAGES: u32 = 200;
/// How often something may be told that is told every ten seconds at most.
const TOLD_MAX: usize = 6;
/// How often a newcomer tries; each time is answered.
const TRIES_MAX: usize = 100_000;

/// One test at a time: what one leaves open for its relay would be open in another's.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A relay that may have so many descriptors.
fn start(descriptors: u32) -> (TempDir, Relay, SocketAddr) {
    let data = tempfile::tempdir().expect("a temporary directory");
    // Strangers stay as long as a test takes.
    fs::write(data.path().join("mnm.conf"), r#"{"limits": {"login_timeout_s": 600}}"#).expect("a configuration");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_mnm")]);
    let relay = Relay::start_by(command, data.path(), "127.0.0.1:0");
    let address = relay.address.parse().expect("an address");
    (data, relay, address)
}

fn numbered(number: u32) -> Vec<u8> {
    let mut data = vec![number as u8; SIZE];
    data[..4].copy_from_slice(&number.to_be_bytes());
    data
}

/// Takes every link that there is for strangers; `most` is more than there can be.
fn strangers(address: SocketAddr, most: usize) -> Vec<TcpStream> {
    let mut links: Vec<TcpStream> = (0..most).map(|_| TcpStream::connect(address).expect("somebody listens")).collect();
    // They are let in or refused in the order in which they came.
    let last = links.last_mut().expect("there are some");
    last.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert!(is_closed(last), "the last one is refused");
    for link in &links {
        link.set_nonblocking(true).expect("a flag");
    }
    links.retain_mut(|link| !is_closed(link));
    links
}

/// Whether the relay has closed a connection that never said anything.
fn is_closed(link: &mut TcpStream) -> bool {
    !matches!(link.read(&mut [0]), Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
}

/// Knocks again and again while `work` is done; how often.
fn knocking<T>(address: SocketAddr, work: impl FnOnce() -> T) -> (T, usize) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let knocks = scope.spawn(|| {
            let mut knocks = 0;
            while !done.load(Ordering::Relaxed) {
                let Ok(mut link) = TcpStream::connect(address) else { continue };
                // Closed at once, or left to wait.
                link.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
                is_closed(&mut link);
                knocks += 1;
            }
            knocks
        });
        // Also when the work fails: the scope waits for who knocks.
        let rest = Rest(&done);
        let result = work();
        drop(rest);
        (result, knocks.join().expect("it ends"))
    })
}

/// Lets whoever knocks rest, when dropped.
struct Rest<'a>(&'a AtomicBool);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A newcomer is let in, sooner or later.
fn is_let_in(address: SocketAddr) {
    assert!((0..TRIES_MAX).any(|_| TlsLink::connect(address).is_ok()), "the door stays shut");
    // A link that was open when its predecessor ended: now there is room for good.
    Member::register(address);
}

/// The relay ends well when it is told to; lines of its log with these words.
fn lines(relay: Relay, words: &str) -> usize {
    let said = relay.stop();
    said.lines().filter(|line| line.contains(words)).count()
}

/// Posts a log of several segments that nobody reads yet, while strangers hold every link there is and others knock. There can
/// be no more links than `links_max`.
fn go_on_without_a_link_to_spare(relay: Relay, address: SocketAddr, links_max: usize) {
    let (mut alice, mut bob) = (Member::register(address), Member::register(address));
    let strangers = strangers(address, 100);
    assert!(!strangers.is_empty() && strangers.len() + 2 <= links_max, "{} strangers", strangers.len());
    let ((), knocks) = knocking(address, || {
        for number in 0..MESSAGES {
            alice.post(&bob.account.uid, &numbered(number));
        }
        for number in 0..MESSAGES {
            assert_eq!(bob.delivery().data, numbered(number));
        }
    });
    assert!(knocks > 10, "somebody knocked all the time: {knocks}");
    drop(strangers);
    is_let_in(address);
    let told = lines(relay, "were turned away");
    assert!((1..=TOLD_MAX).contains(&told), "told at once, and every ten seconds at most: {told}");
}

#[test]
fn members_go_on_while_strangers_hold_every_link() {
    let _alone = alone();
    let (_data, relay, address) = start(80);
    go_on_without_a_link_to_spare(relay, address, 80 - 64);
}

#[test]
fn members_go_on_where_others_had_descriptors_before() {
    let _alone = alone();
    let inherited: Vec<File> = (0..60).map(|_| File::open("/dev/null").expect("it is there")).collect();
    for file in &inherited {
        rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).expect("a flag");
    }
    let (_data, relay, address) = start(140);
    drop(inherited);
    // The reserve bears half of its number.
    go_on_without_a_link_to_spare(relay, address, 140 - 64 - (60 - 32));
}

#[test]
fn a_relay_that_gets_no_descriptor_any_more_loses_nothing_and_recovers() {
    let _alone = alone();
    let (_data, relay, address) = start(1000);
    let pid = Pid::from_raw(relay.pid().cast_signed());
    let (mut alice, mut bob) = (Member::register(address), Member::register(address));
    // All that it has it keeps, and the next one it cannot have.
    let none = Rlimit { current: Some(0), maximum: Some(1000) };
    let before = prlimit(pid, Resource::Nofile, none).expect("a limit can be lowered");
    let (accepted, _) = knocking(address, || {
        let mut accepted = Vec::new();
        for number in 0..MESSAGES {
            let id = alice.post_only(&bob.account.uid, &numbered(number));
            match alice.answer(&id) {
                Ok(_) => accepted.push(number),
                Err(reason) => assert!(reason.contains("storage"), "{reason}"),
            }
        }
        accepted
    });
    assert!(!accepted.is_empty() && accepted.len() < MESSAGES as usize, "the segments that are there take {}", accepted.len());
    for &number in &accepted {
        assert_eq!(bob.delivery().data, numbered(number), "what was acked is delivered, in order");
    }
    prlimit(pid, Resource::Nofile, before).expect("and raised again");
    is_let_in(address);
    let again = numbered(MESSAGES);
    let taken = (0..TRIES_MAX).any(|_| {
        let id = alice.post_only(&bob.account.uid, &again);
        alice.answer(&id).is_ok()
    });
    assert!(taken, "posts are taken again");
    assert_eq!(bob.delivery().data, again);
    assert!(bob.is_quiet());
    let said = relay.stop();
    let told: Vec<&str> = said.lines().filter(|line| line.contains("posts are refused")).collect();
    assert!((1..=TOLD_MAX).contains(&told.len()), "told at once, and every ten seconds at most:\n{said}");
    assert!(told.iter().all(|line| line.contains("no file descriptor") && line.contains("ulimit -n")), "it is not the disk:\n{said}");
    let helpless = said.lines().filter(|line| line.contains("who connects waits")).count();
    assert!((1..=TOLD_MAX).contains(&helpless), "this too:\n{said}");
}
