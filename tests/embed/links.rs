//! Links from within: what they carry, how many there may be, and what others notice of them; and the operator's commands.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mnm::config::{Config, Limits, Metrics, MetricsPlace};
use mnm::embed::{Failure, Handle, Relay, Reply, Request};
use serde_json::json;

use crate::common::member::Member;
use crate::common::process::merge;
use crate::within::{PATIENCE, Within, address, directory, member, open, patient, quiet, status, to_the_end, until};

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
        // A process that another test starts at this moment holds the socket for a little longer.
        link.shutdown(Shutdown::Both).expect("it is open");
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
fn the_operator_s_commands_are_the_program_s_too() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    relay.ask(&Request::Register { mode: "invite".into(), until: None }).expect("an answer");
    let code = Request::Invite { uses: Some(1), expires: Some("never".into()), role: None, groups: vec![] };
    let Reply::Code { code, uses: 1, .. } = relay.ask(&code).expect("an answer") else { panic!("no code") };
    for (fields, answer) in [(json!({}), "quit"), (json!({ "invite": code }), "registered")] {
        let mut newcomer = Member::greet(Within::connect(&relay));
        let mut request = json!({"op": 1, "newnode": "a device"});
        merge(&mut request, &fields);
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
