//! How a relay within a program ends, and what is there after it.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;
use std::thread;

use mnm::embed::{Failure, Relay, Reply, Request, RunError, Who};

use crate::common::member::Member;
use crate::within::{PATIENCE, Within, directory, login, member, open, quiet, to_the_end};

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
