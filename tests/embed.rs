//! The relay as a part of another program: this one.
#![allow(clippy::disallowed_methods, reason = "a real relay lives in real time")]

mod common;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::member::{Account, Member};
use common::site::{Link, Received};
use mnm::config::{AuthBy, CertificatePaths, Config, Limits, Listen, Metrics, MetricsPlace, Names};
use mnm::embed::{Failure, Handle, Relay, Reply, Request, RunError, Status, Who};
use mnm::store::StoreError;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A relay for links from within this process only.
fn quiet(data: &TempDir) -> Config {
    Config { name: "test site".into(), data: data.path().join("data"), listen: vec![], limits: patient(), ..Config::default() }
}

/// A link that is not to be there is closed at once, and not because it says nothing.
fn patient() -> Limits {
    Limits { login_timeout: Duration::from_secs(600), ..Limits::default() }
}

/// The same, which others may reach over TLS.
fn open(data: &TempDir) -> Config {
    Config { listen: vec![loopback()], ..quiet(data) }
}

fn loopback() -> Listen {
    Listen::at((Ipv4Addr::LOCALHOST, 0))
}

/// Where a test has its files. Other tests have theirs open at the same time, and what a shell allows is few.
fn directory() -> TempDir {
    mnm::net::raise_descriptor_limit();
    tempfile::tempdir().expect("a temporary directory")
}

/// A link from within, as the protocol's tests want it.
struct Within {
    socket: UnixStream,
    came: Vec<u8>,
    gone: bool,
}

impl Within {
    fn connect(relay: &Relay) -> Box<Within> {
        Within::over(relay.connect().expect("the relay can be reached"))
    }

    fn over(socket: UnixStream) -> Box<Within> {
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Box::new(Within { socket, came: Vec::new(), gone: false })
    }

    /// Cuts the next frame off, if it is whole.
    fn frame(&mut self) -> Option<Vec<u8>> {
        let digits = std::str::from_utf8(self.came.get(..4)?).expect("digits");
        let head_end = 4 + usize::from_str_radix(digits, 16).expect("digits");
        let head: Value = serde_json::from_slice(self.came.get(4..head_end)?).expect("JSON");
        let end = head_end + head["datalen"].as_u64().unwrap_or(0) as usize;
        (self.came.len() >= end).then(|| self.came.drain(..end).collect())
    }
}

impl Link for Within {
    fn send(&mut self, bytes: &[u8]) {
        // The other end may have closed; what it said before that is still to be read.
        let _ = self.socket.write_all(bytes);
    }

    fn receive(&mut self, within: Duration) -> Received {
        self.socket.set_read_timeout(Some(within)).expect("a timeout");
        let mut some = vec![0; 64 << 10];
        loop {
            if let Some(frame) = self.frame() {
                return Received::Record(frame);
            }
            match self.socket.read(&mut some) {
                _ if self.gone => return Received::Closed,
                Ok(0) => self.gone = true,
                Ok(count) => self.came.extend_from_slice(&some[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Received::Nothing,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
    }

    fn close(self: Box<Self>) {}

    fn vanish(self: Box<Self>) {}

    fn cut(self: Box<Self>) {}
}

fn member(relay: &Relay) -> Member {
    Member::register_over(Within::connect(relay))
}

fn login(relay: &Relay, account: &Account) -> Member {
    Member::login_over(Within::connect(relay), account).expect("the account is there")
}

fn address(relay: &Relay) -> SocketAddr {
    relay.addresses()[0].socket
}

fn status(relay: &Relay) -> Status {
    match relay.ask(&Request::Status {}).expect("an answer") {
        Reply::Status(status) => *status,
        other => panic!("not a status: {other:?}"),
    }
}

/// Asks until it is so: each answer is a turn of the loop.
fn until(relay: &Relay, words: &str, is_so: impl Fn(&Status) -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !is_so(&status(relay)) {
        assert!(std::time::Instant::now() < end, "it never comes that {words}: {:?}", status(relay));
    }
}

/// Reads until the other end is closed; what came.
fn to_the_end(mut socket: UnixStream) -> Vec<u8> {
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut came = Vec::new();
    match socket.read_to_end(&mut came) {
        Ok(_) => came,
        // What was written and nobody read.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => came,
        Err(error) => panic!("no end comes: {error}"),
    }
}

#[test]
fn a_link_from_within_and_one_over_tls_talk_both_ways() {
    let data = directory();
    let relay = Relay::start(open(&data)).expect("it starts");
    assert!(relay.is_running());
    let (mut alice, mut bob) = (member(&relay), Member::register(address(&relay)));
    let (to_alice, to_bob) = (alice.account.uid.clone(), bob.account.uid.clone());
    let asked = alice.post(&to_bob, b"hello from within");
    let heard = bob.delivery();
    assert_eq!((heard.str("id"), heard.str("from"), &heard.data[..]), (&asked[..], &to_alice[..], &b"hello from within"[..]));
    bob.post(&to_alice, b"hello from outside");
    assert_eq!(alice.delivery().data, b"hello from outside");
    let served = &relay.addresses()[0];
    assert_eq!(served.client, format!("={}", served.socket));
    relay.stop().expect("it ends well");
    alice.wait_closed();
    bob.wait_closed();
}

#[test]
fn a_large_message_waits_for_a_reader_within_and_holds_nobody_else_up() {
    const SIZE: usize = 12 << 20;
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let (mut alice, mut bob) = (member(&relay), member(&relay));
    let large: Vec<u8> = (0..SIZE).map(|n| (n / 7 + n / 65_537) as u8).collect();
    // Bob reads nothing until it is acked, and no socket holds it: the relay has to wait for him.
    let id = alice.post(&bob.account.uid, &large);
    let own = alice.account.uid.clone();
    alice.post(&own, b"meanwhile");
    assert_eq!(alice.delivery().data, b"meanwhile");
    let delivery = bob.delivery();
    assert_eq!(delivery.str("id"), id);
    assert!(delivery.data == large, "every octet of it arrives");
    relay.stop().expect("it ends well");
}

#[test]
fn many_links_at_once_each_register() {
    const LINKS: usize = 200;
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    // All of them before any says a word: more than one turn takes.
    let links: Vec<Box<Within>> = (0..LINKS).map(|_| Within::connect(&relay)).collect();
    let mut members: Vec<Member> = links.into_iter().map(|link| Member::register_over(link)).collect();
    let found = status(&relay);
    assert_eq!((found.links, found.members, found.online), (LINKS, LINKS, LINKS));
    let first = members[0].account.uid.clone();
    members.iter_mut().skip(1).for_each(|member| drop(member.post(&first, b"x")));
    (1..LINKS).for_each(|_| assert_eq!(members[0].delivery().data, b"x"));
    drop(members);
    until(&relay, "all are gone", |status| status.links == 0);
    relay.stop().expect("it ends well");
}

#[test]
fn one_link_too_many_is_closed_and_counted() {
    let data = directory();
    let metrics = data.path().join("metrics.sock");
    let limits = Limits { links_max: 2, ..patient() };
    let config = Config { limits, metrics: Some(Metrics::at(MetricsPlace::Socket(metrics.clone()))), ..quiet(&data) };
    let relay = Relay::start(config).expect("it starts");
    let (alice, _bob) = (member(&relay), member(&relay));
    assert!(to_the_end(relay.connect().expect("a socket")).is_empty());
    // Also one that has spoken already.
    let mut eager = relay.connect().expect("a socket");
    let _ = eager.write_all(br#"0011{"op":0,"id":"1"}"#);
    assert!(to_the_end(eager).is_empty());
    let mut web = UnixStream::connect(&metrics).expect("it serves metrics");
    web.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").expect("a request");
    let page = String::from_utf8(to_the_end(web)).expect("text");
    assert!(page.contains("mnm_refused_total{limit=\"links_total\"} 2\n"), "{page}");
    // Who leaves makes room.
    alice.close();
    until(&relay, "one has left", |status| status.links == 1);
    member(&relay);
    relay.stop().expect("it ends well");
}

#[test]
fn who_leaves_makes_room_for_who_comes_next() {
    let data = directory();
    let limits = Limits { links_max: 1, ..patient() };
    let relay = Relay::start(Config { limits, ..quiet(&data) }).expect("it starts");
    for n in 0..500 {
        let mut link = relay.connect().expect("a socket");
        link.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let sent = link.write_all(br#"0011{"op":0,"id":"1"}"#);
        assert!(sent.is_ok() && link.read(&mut [0; 1]).is_ok_and(|count| count == 1), "number {n} is turned away");
    }
    relay.stop().expect("it ends well");
}

#[test]
fn threads_that_ask_one_thing_after_another_are_all_heard() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let threads: Vec<thread::JoinHandle<()>> = (0..8)
        .map(|_| {
            let handle = relay.handle();
            thread::spawn(move || {
                for _ in 0..200 {
                    let reply = handle.ask(&Request::Status {}).expect("an answer");
                    assert!(matches!(reply, Reply::Status(_)), "{reply:?}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it is heard"));
    relay.stop().expect("it ends well");
}

#[test]
fn more_than_eight_who_ask_at_once_wait_and_only_so_many() {
    const ASK: usize = 70;
    const WAIT: usize = 64;
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let operators: Vec<UnixStream> = (0..8)
        .map(|_| {
            let mut operator = mnm::server::control::call(&data.path().join("data")).expect("it listens");
            operator.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            operator.write_all(b"{\"command\":\"status\"}\n").expect("a request");
            operator.read_exact(&mut [0; 1]).expect("an answer");
            operator
        })
        .collect();
    let (tell, told) = mpsc::channel();
    for _ in 0..ASK {
        let (handle, tell): (Handle, _) = (relay.handle(), tell.clone());
        thread::spawn(move || tell.send(handle.ask(&Request::Status {})));
    }
    let mut replies = (0..ASK).map(|_| told.recv_timeout(PATIENCE).expect("nobody waits for good"));
    for reply in replies.by_ref().take(ASK - WAIT) {
        let Err(Failure::Refused(sentence)) = reply else { panic!("there is no room: {reply:?}") };
        assert!(sentence.contains("64 threads"), "{sentence}");
    }
    drop(operators);
    for reply in replies {
        assert!(matches!(reply, Ok(Reply::Status(_))), "who waited is heard: {reply:?}");
    }
    relay.stop().expect("it ends well");
}

#[test]
fn a_link_that_says_nothing_is_cut_off_in_time() {
    let data = directory();
    let limits = Limits { login_timeout: Duration::from_millis(50), ..Limits::default() };
    let relay = Relay::start(Config { limits, ..quiet(&data) }).expect("it starts");
    assert!(to_the_end(relay.connect().expect("a socket")).is_empty());
    assert!(relay.is_running());
    relay.stop().expect("it ends well");
}

#[test]
fn what_was_acked_while_it_was_stopped_is_delivered_after_the_next_start() {
    const WRITERS: usize = 4;
    let data = directory();
    let relay = Relay::start(open(&data)).expect("it starts");
    let bob = member(&relay);
    let to = bob.account.uid.clone();
    let bob = bob.close();
    let (tell, told) = mpsc::channel();
    let writers: Vec<thread::JoinHandle<()>> = (0..WRITERS)
        .map(|n| {
            let (handle, to, tell) = (relay.handle(), to.clone(), tell.clone());
            thread::spawn(move || {
                let mut member = match n % 2 {
                    0 => Member::register_over(Within::over(handle.connect().expect("the relay can be reached"))),
                    _ => Member::register(handle.addresses()[0].socket),
                };
                write_until_the_end(&mut member, &to, n, &tell);
            })
        })
        .collect();
    drop(tell);
    let mut acked: Vec<String> = (0..200).map(|_| told.recv_timeout(PATIENCE).expect("an ack")).collect();
    relay.stop().expect("it ends well");
    writers.into_iter().for_each(|writer| writer.join().expect("a writer ends when its link does"));
    acked.extend(told);

    let relay = Relay::start(quiet(&data)).expect("it starts again");
    let mut bob = login(&relay, &bob);
    let mut missing: BTreeSet<String> = acked.into_iter().collect();
    while !missing.is_empty() {
        missing.remove(bob.delivery().str("id"));
    }
    relay.stop().expect("it ends well");
}

/// Posts as fast as acks come, several at a time; tells of each that was acked.
fn write_until_the_end(member: &mut Member, to: &str, number: usize, tell: &mpsc::Sender<String>) {
    let data = vec![number as u8; 1000];
    for _ in 0..8 {
        member.post_only(to, &data);
    }
    while let Some(frame) = member.frame() {
        if frame.str("op") == "ack" {
            let _ = tell.send(frame.str("msgid").to_owned());
            member.post_only(to, &data);
        }
    }
}

#[test]
fn a_relay_that_is_dropped_ends_and_gives_its_directory_back() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let (handle, mut alice) = (relay.handle(), member(&relay));
    let own = alice.account.uid.clone();
    let id = alice.post(&own, b"kept");
    drop(relay);
    alice.wait_closed();
    assert_eq!(handle.connect().expect_err("nobody is there").kind(), ErrorKind::NotConnected);
    assert!(!data.path().join("data/control.sock").exists(), "it ended as it does when it is stopped");
    let relay = Relay::start(quiet(&data)).expect("the directory is free");
    assert_eq!(login(&relay, &alice.account).delivery().str("id"), id);
}

#[test]
fn after_its_end_everything_is_refused_and_nothing_waits() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let handle = relay.handle();
    relay.stop().expect("it ends well");
    let error = handle.connect().expect_err("nobody is there");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotConnected, "the relay has ended".to_owned()));
    let Err(Failure::Silent(error)) = handle.ask(&Request::Status {}) else { panic!("who has ended answers nothing") };
    assert!(error.to_string().contains("has ended"), "{error}");
    handle.stop();
}

#[test]
fn who_connects_while_it_ends_finds_the_end() {
    let data = directory();
    for _ in 0..10 {
        let relay = Relay::start(quiet(&data)).expect("it starts");
        let handle = relay.handle();
        let knocker = thread::spawn(move || {
            let mut open = Vec::new();
            loop {
                let mut link = match handle.connect() {
                    Ok(link) => link,
                    Err(error) => break (open, error.kind()),
                };
                // It is served, or finds its end. Whichever: it does not wait.
                link.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                let _ = link.write_all(br#"0011{"op":0,"id":"1"}"#);
                match link.read(&mut [0; 1]) {
                    Ok(0) => {}
                    Ok(_) => open.push(link),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                }
                open.truncate(20);
            }
        });
        relay.stop().expect("it ends well");
        let (open, error) = knocker.join().expect("it finds the end");
        assert_eq!(error, ErrorKind::NotConnected);
        open.into_iter().for_each(|link| drop(to_the_end(link)));
    }
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing_running() {
    let data = directory();
    let refusal = |config: Config| Relay::start(config).expect_err("it cannot start");
    let relay = Relay::start(open(&data)).expect("it starts");
    let error = refusal(quiet(&data));
    assert!(matches!(error, RunError::Store(StoreError::Locked { .. })) && error.exit_status() == 6, "{error}");

    let other = directory();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let error = refusal(Config { listen: vec![Listen::at(taken.local_addr().expect("its address"))], ..quiet(&other) });
    assert!(matches!(error, RunError::Address(_)) && error.exit_status() == 7, "{error}");

    let nowhere = CertificatePaths { chain: other.path().join("no.crt"), key: other.path().join("no.key") };
    let mut with_certificate = loopback();
    with_certificate.certificate = Some(nowhere);
    let error = refusal(Config { listen: vec![with_certificate], ..quiet(&other) });
    assert!(matches!(error, RunError::Config(_)) && error.to_string().contains("no.crt"), "{error}");

    drop(taken);
    Relay::start(open(&other)).expect("none of them has kept the directory").stop().expect("it ends well");
    assert!(relay.is_running(), "who was there first stays");
}

#[test]
fn what_a_file_could_not_say_is_refused() {
    let other = directory();
    let refusal = |config: Config| Relay::start(config).expect_err("it cannot start");
    let mut plain = loopback();
    plain.tls = false;
    let scoped: SocketAddr = "[fe80::1%2]:0".parse().expect("an address");
    let [none, service] = [String::new(), "https://auth.example.org".to_owned()];
    let authby = |label: String, login: &String| AuthBy {
        label,
        login: [login.clone(), none.clone()],
        token: [service.clone(), none.clone()],
        keys: None,
        iss: None,
        aud: None,
    };
    let with_names = |min_chars, reserved| Config { names: Names { min_chars, reserved, ..Names::default() }, ..quiet(&other) };
    let vouched = |authby| Config { auth_required: true, authby: vec![authby], ..quiet(&other) };
    for (config, words) in [
        (Config { name: String::new(), ..quiet(&other) }, "name is \"\""),
        (Config { name: "x".repeat(256), ..quiet(&other) }, "expected 1 to 255 octets"),
        (Config { data: PathBuf::new(), ..quiet(&other) }, "data is \"\", but must not be empty"),
        (vouched(authby("x".repeat(70_000), &service)), "authby takes 70"),
        (vouched(authby("a service".into(), &none)), "authby[0].login[0] is \"\""),
        (with_names(0, vec![]), "names.min_chars is 0"),
        (with_names(100_000, vec![]), "names.min_chars is 100000"),
        (with_names(8, vec!["x".into(); 10_001]), "names.reserved lists 10001 names"),
        (with_names(8, vec!["a\nb".into()]), "names.reserved[0] is \"a\\nb\""),
        (
            Config { listen: vec![Listen::at(scoped)], ..quiet(&other) },
            "listen is \"[fe80::1%2]:0\", an address that holds on one interface",
        ),
        (Config { limits: Limits { segment_bytes: 4 << 10, ..Limits::default() }, ..quiet(&other) }, "limits.segment_bytes"),
        (Config { limits: Limits { login_timeout: Duration::ZERO, ..Limits::default() }, ..quiet(&other) }, "login_timeout_s"),
        (Config { listen: vec![plain], ..quiet(&other) }, "without TLS"),
    ] {
        let error = refusal(config).to_string();
        assert!(error.contains(words), "{error}");
    }
    Relay::start(quiet(&other)).expect("none of them has kept the directory").stop().expect("it ends well");
}

#[test]
fn without_addresses_there_is_no_certificate_and_all_else() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    assert!(relay.addresses().is_empty());
    let kept = data.path().join("data");
    assert_eq!(fs::metadata(&kept).expect("it is made").permissions().mode() & 0o777, 0o700);
    assert!(!kept.join("mnm.crt").exists() && !kept.join("mnm.key").exists());
    // The operator's other way in is there as ever.
    let mut operator = mnm::server::control::call(&kept).expect("it listens");
    operator.write_all(b"{\"command\":\"status\"}\n").expect("a request");
    let mut answer = [0; 1];
    operator.read_exact(&mut answer).expect("an answer");
    relay.stop().expect("it ends well");
}

#[test]
fn two_relays_know_nothing_of_each_other() {
    let (here, there) = (directory(), directory());
    let one = Relay::start(Config { name: "one".into(), ..open(&here) }).expect("it starts");
    let two = Relay::start(Config { name: "two".into(), ..open(&there) }).expect("it starts");
    let (mut alice, mut bob) = (member(&one), Member::register(address(&two)));
    assert_ne!(one.addresses()[0].fingerprint, two.addresses()[0].fingerprint);
    let request = alice.post_only(&bob.account.uid, b"across");
    alice.answer(&request).expect_err("nobody here has that uid");
    for (relay, name) in [(&one, "one"), (&two, "two")] {
        assert_eq!((status(relay).site.as_str(), status(relay).members), (name, 1));
    }
    one.stop().expect("it ends well");
    let own = bob.account.uid.clone();
    bob.post(&own, b"still here");
    assert_eq!(bob.delivery().data, b"still here");
    two.stop().expect("it ends well");
}

#[test]
fn a_host_that_drops_its_end_is_gone() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let (alice, bob) = (member(&relay), relay.connect().expect("a socket"));
    until(&relay, "both are there", |status| status.links == 2);
    drop(bob);
    drop(alice.close());
    until(&relay, "both are gone", |status| status.links == 0 && status.online == 0);
    assert_eq!(status(&relay).accepted, 2);
}

#[test]
fn a_drain_lets_nobody_in_and_ends_the_relay_by_itself() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let (mut alice, mut bob) = (member(&relay), member(&relay));
    alice.post(&bob.account.uid, b"before the end");
    let id = loop {
        let frame = bob.frame().expect("the link is there");
        if frame.str("op") == "delivery" {
            break frame.str("id").to_owned();
        }
        bob.ack(frame.str("id"));
    };
    assert_eq!(relay.ask(&Request::Drain { seconds: Some(600) }).expect("an answer"), Reply::Draining { seconds: 600 });
    assert!(to_the_end(relay.connect().expect("a socket")).is_empty(), "nobody new is let in");
    assert!(relay.is_running(), "it waits for an ack");
    bob.ack(&id);
    relay.wait().expect("it ends well");
}

#[test]
fn another_thread_stops_it_while_its_owner_waits() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let handle = relay.handle();
    let other = thread::spawn(move || {
        let link = handle.connect().expect("a socket");
        handle.stop();
        to_the_end(link)
    });
    relay.wait().expect("it ends well");
    assert!(other.join().expect("its link ends").is_empty());
}

#[test]
fn the_operator_s_commands_are_the_program_s_too() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    relay.ask(&Request::Register { mode: "invite".into(), until: None }).expect("an answer");
    let code = Request::Invite { uses: Some(1), expires: Some("never".into()), role: None, groups: vec![] };
    let Reply::Code { code, uses: 1, .. } = relay.ask(&code).expect("an answer") else { panic!("no code") };
    for (fields, answer) in [(json!({}), "quit"), (json!({ "invite": code }), "registered")] {
        let mut newcomer = Member::greet(Within::connect(&relay));
        let mut request = json!({"op": 1, "newnode": "a device"});
        common::process::merge(&mut request, &fields);
        newcomer.say(&request, b"");
        assert_eq!(newcomer.frame().expect("an answer").str("op"), answer);
    }
    // A list, put together of the parts in which it comes.
    relay.ask(&Request::Register { mode: "open".into(), until: None }).expect("an answer");
    let _crowd: Vec<Member> = (0..20).map(|_| member(&relay)).collect();
    let Reply::Members { members, next: None } = relay.ask(&Request::Members { after: None, limit: None }).expect("an answer") else {
        panic!("no list")
    };
    assert_eq!(members.len(), 21);
    // What is the program's own is left to it.
    for request in [Request::Log { level: "debug".into() }, Request::Reload {}] {
        let Reply::Refused { error } = relay.ask(&request).expect("an answer") else { panic!("{request:?} is done") };
        assert!(error.contains("a part of another program"), "{error}");
    }
}

/// The host's logger. It has a mistake.
struct Fragile;

/// What it cannot bear.
const UNBEARABLE: &str = "an alias that no logger can bear";

impl log::Log for Fragile {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        assert!(!record.args().to_string().contains(UNBEARABLE), "the host's logger panics");
    }

    fn flush(&self) {}
}

#[test]
fn a_panic_of_its_thread_is_told_and_nothing_acked_is_lost() {
    log::set_logger(&Fragile).expect("there is no other");
    log::set_max_level(log::LevelFilter::Info);
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    let mut alice = member(&relay);
    let own = alice.account.uid.clone();
    let id = alice.post(&own, b"kept");
    let whom = Who::Alias(UNBEARABLE.into());
    let Err(Failure::Silent(_)) = relay.ask(&Request::Member { whom }) else { panic!("it panics before it answers") };
    alice.wait_closed();
    let Err(RunError::Panicked(message)) = relay.stop() else { panic!("a panic is no good end") };
    assert_eq!(message, "the host's logger panics");
    let relay = Relay::start(quiet(&data)).expect("the directory is free");
    assert_eq!(login(&relay, &alice.account).delivery().str("id"), id);
}

#[test]
fn the_relay_s_own_thread_cannot_ask_it() {
    let output = alone("host_whose_logger_asks", directory().path());
    assert!(output.status.success(), "{output:?}");
}

/// The host's logger. It asks the relay when it hears of a command.
struct Curious(Mutex<Option<Handle>>, mpsc::Sender<Result<Reply, Failure>>);

impl log::Log for Curious {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string().contains("is done") {
            let handle = self.0.lock().expect("nobody panics").take().expect("a handle");
            self.1.send(handle.ask(&Request::Status {})).expect("somebody listens");
        }
    }

    fn flush(&self) {}
}

#[test]
fn host_whose_logger_asks() {
    let Some(place) = place_alone() else { return };
    let relay = Relay::start(Config { data: place.join("data"), listen: vec![], ..Config::default() }).expect("it starts");
    let (tell, told) = mpsc::channel();
    let logger = Curious(Mutex::new(Some(relay.handle())), tell);
    log::set_boxed_logger(Box::new(logger)).expect("there is no other");
    log::set_max_level(log::LevelFilter::Info);
    relay.ask(&Request::Register { mode: "closed".into(), until: None }).expect("an answer");
    let Err(Failure::Refused(sentence)) = told.recv_timeout(PATIENCE).expect("it was asked") else { panic!("nobody could have answered") };
    assert!(sentence.contains("ask from another thread"), "{sentence}");
    assert_eq!(status(&relay).register, "closed");
    relay.stop().expect("it ends well");
}

/// Signals that this process catches, as the system numbers them from 1.
fn caught() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("it has the line");
    u64::from_str_radix(line.trim(), 16).expect("a number")
}

#[test]
fn it_takes_no_signal() {
    // Other relays may be there already: so it is not compared with what was before.
    let data = directory();
    let relay = Relay::start(open(&data)).expect("it starts");
    member(&relay);
    for (name, number) in [("SIGHUP", 1), ("SIGINT", 2), ("SIGUSR1", 10), ("SIGUSR2", 12), ("SIGTERM", 15)] {
        assert_eq!(caught() >> (number - 1) & 1, 0, "{name} is the program's");
    }
    relay.stop().expect("it ends well");
}

/// Set in a process that one of the tests has started to have something done there.
const ALONE: &str = "MNM_TEST_ALONE";

/// Runs a test of this program in a process of its own; how that ends.
fn alone(test: &str, directory: &Path) -> Output {
    let program = std::env::current_exe().expect("this program");
    Command::new(program).args(["--exact", test, "--nocapture"]).env(ALONE, directory).current_dir(directory).output().expect("it runs")
}

/// Where a process that was started by [`alone`] has its files; `None` in any other.
fn place_alone() -> Option<PathBuf> {
    std::env::var_os(ALONE).map(PathBuf::from)
}

#[test]
fn a_log_that_cannot_be_read_ends_the_process_as_the_program_has_it() {
    let data = directory();
    let output = alone("host_of_an_unreadable_log", data.path());
    assert_eq!(output.status.signal(), Some(7), "SIGBUS is not taken from it: {output:?}");
    let output = alone("host_of_an_unreadable_log_that_has_it_said", directory().path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(5) && said.contains("a segment of the log cannot be read any more"), "{output:?}");
}

#[test]
fn host_of_an_unreadable_log() {
    let Some(place) = place_alone() else { return };
    read_what_is_not_there(&place);
}

#[test]
fn host_of_an_unreadable_log_that_has_it_said() {
    let Some(place) = place_alone() else { return };
    mnm::store::end_when_unreadable();
    read_what_is_not_there(&place);
}

#[test]
fn there_are_as_many_links_as_the_program_may_open_files() {
    let output = alone("host_with_few_descriptors", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_with_few_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let Some(place) = place_alone() else { return };
    let wanted = rustix::process::Rlimit { current: Some(96), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, wanted).expect("less can be had");
    let relay = Relay::start(Config { data: place, listen: vec![], limits: patient(), ..Config::default() }).expect("it starts");
    assert_eq!(getrlimit(Resource::Nofile).current, Some(96), "the limit is the program's");
    // 64 are in reserve, of which what this program had open takes a part.
    let members: Vec<Member> = (0..16).map(|_| member(&relay)).collect();
    let mut links: Vec<UnixStream> = Vec::new();
    while status(&relay).links < 32 {
        links.push(relay.connect().expect("a socket"));
        assert!(links.len() <= 16, "no more than there are descriptors for: {:?}", status(&relay));
    }
    assert!(to_the_end(relay.connect().expect("a socket")).is_empty());
    assert_eq!(members.len(), 16);
    // The log has what it needs.
    let (mut alice, to) = (members.into_iter().next().expect("sixteen"), "nobody");
    let request = alice.post_only(to, b"x");
    alice.answer(&request).expect_err("there is no such user");
    relay.stop().expect("it ends well");
}

/// Cuts the log off under a message that is being delivered; does not come back.
fn read_what_is_not_there(place: &Path) {
    let relay = Relay::start(Config { data: place.to_owned(), listen: vec![], ..Config::default() }).expect("it starts");
    let (mut alice, mut bob) = (member(&relay), member(&relay));
    // Bob reads nothing of it yet, and no socket holds it.
    alice.post(&bob.account.uid, &vec![b'x'; 12 << 20]);
    let files = fs::read_dir(place).expect("the data directory").map(|entry| entry.expect("a file").path());
    for file in files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")) {
        OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(0)).expect("a file that can be cut");
    }
    bob.wait_closed();
}

#[test]
fn without_a_descriptor_nobody_can_ask_and_the_cure_is_told() {
    let output = alone("host_without_descriptors", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_without_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let Some(place) = place_alone() else { return };
    let relay = Relay::start(Config { data: place.join("data"), listen: vec![], ..Config::default() }).expect("it starts");
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(3), ..before }).expect("less can be had");
    let Err(Failure::Silent(error)) = relay.ask(&Request::Status {}) else { panic!("there is nothing to ask with") };
    assert!(error.cure().contains("ulimit -n"), "{error}");
    setrlimit(Resource::Nofile, before).expect("as it was");
    status(&relay);
    relay.stop().expect("it ends well");
}

#[test]
fn without_memory_for_a_thread_it_does_not_start_and_says_so() {
    let output = alone("host_without_memory", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_without_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(place) = place_alone() else { return };
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: u64 = pages.split(' ').next().expect("the first is its size").parse().expect("a number");
    let before = getrlimit(Resource::As);
    // Some is left, but no thread's stack.
    let least = pages * rustix::param::page_size() as u64 + (512 << 10);
    setrlimit(Resource::As, Rlimit { current: Some(least), ..before }).expect("less can be had");
    let config = Config { data: place.join("data"), listen: vec![], ..Config::default() };
    let started = Relay::start(config.clone());
    setrlimit(Resource::As, before).expect("as it was");
    let Err(RunError::Thread(error)) = started else { panic!("no thread is had: {started:?}") };
    assert!(RunError::Thread(error).to_string().starts_with("there is no thread for the relay"));
    Relay::start(config).expect("nothing is left of it").stop().expect("it ends well");
}

#[test]
fn where_the_program_is_matters_only_for_relative_paths() {
    let output = alone("host_in_a_directory_that_is_gone", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_in_a_directory_that_is_gone() {
    let Some(place) = place_alone() else { return };
    let gone = place.join("gone");
    fs::create_dir(&gone).expect("a directory");
    std::env::set_current_dir(&gone).expect("it is there");
    fs::remove_dir(&gone).expect("it is empty");
    let config = Config { data: place.join("data"), listen: vec![], ..Config::default() };
    Relay::start(config.clone()).expect("it starts").stop().expect("it ends well");
    let error = Relay::start(Config { listen: vec![Listen::in_file("relay.sock")], ..config }).expect_err("nobody knows where");
    let RunError::Config(error) = error else { panic!("{error}") };
    assert!(error.trouble().starts_with("relay.sock is a relative path"), "{error}");
}

#[test]
fn relative_paths_begin_where_the_program_was_at_the_start() {
    let place = directory();
    let output = alone("host_that_goes_elsewhere", place.path());
    assert!(output.status.success(), "{output:?}");
    assert!(place.path().join("here/data").is_dir());
    let elsewhere: Vec<_> = fs::read_dir(place.path().join("there")).expect("it is there").collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn host_that_goes_elsewhere() {
    let Some(place) = place_alone() else { return };
    let (here, there) = (place.join("here"), place.join("there"));
    [&here, &there].into_iter().for_each(|path| fs::create_dir(path).expect("a directory"));
    std::env::set_current_dir(&here).expect("it is there");
    let config = Config { listen: vec![Listen::in_file("relay.sock")], data: "data".into(), ..Config::default() };
    let relay = Relay::start(config).expect("it starts");
    assert!(here.join("relay.sock").exists());
    std::env::set_current_dir(&there).expect("it is there");
    let mut alice = member(&relay);
    let own = alice.account.uid.clone();
    // More than a segment: it makes files.
    alice.post(&own, &vec![b'x'; 40 << 20]);
    assert_eq!(alice.delivery().data.len(), 40 << 20);
    relay.stop().expect("it ends well");
    assert!(!here.join("relay.sock").exists(), "its socket goes with it");
}
