//! What networks do to a relay: links that are cut, that fall silent, that drip; readers that do not read. Real TLS over real
//! sockets, with a bad network between.

mod common;
mod live;

use std::fs;
use std::time::Duration;

use common::member::Member;
use common::process::Process;
use common::site::Site;
use live::proxy::{Pace, Proxy};
use live::{Load, Relay};
use serde_json::json;

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// Logins that may be refused before one is taken: each waits for a second, and half a second's silence is enough.
const LOGINS_MAX: usize = 20;

/// Octets of memory that the process has filled and no file backs.
fn own_memory(relay: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", relay.pid())).expect("Linux tells of its processes");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it tells this too");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// The data of the message with this number.
fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut data = vec![number as u8; len];
    data[..4].copy_from_slice(&number.to_be_bytes());
    data
}

/// Members post to each other while each of their links is cut, again and again. The load tester judges by id: nothing acked is
/// lost, each sender's messages come in order, and double are only those whose ack did not come.
fn cut(seed: u64, within: u64, size: &str, messages: u64) {
    let data = tempfile::tempdir().expect("a temporary directory");
    let relay = Relay::start(data.path(), "127.0.0.1:0");
    let proxy = Proxy::start(relay.address.parse().expect("an address"));
    proxy.cut_links(seed, within);
    let load = Load::start(&proxy.address().to_string(), &["--size", size, "--time", "600", &format!("--messages={messages}")]);
    load.finish();
    assert!(proxy.links() > 40, "twenty members, each cut off more than once: {} links", proxy.links());
}

#[test]
fn nothing_acked_is_lost_when_links_are_cut_anywhere() {
    cut(1, 150_000, "1024", 6_000);
}

#[test]
fn nor_when_they_are_cut_within_large_messages() {
    cut(2, 1_500_000, "150000", 300);
}

#[test]
fn a_link_that_fell_silent_makes_way_and_is_closed() {
    let relay = Process::start(&json!({"limits": {"takeover_silence_s": 0.5}})).expect("a relay");
    let proxy = Proxy::start(relay.address());
    let mut alice = Member::register(relay.address());
    let mut bob = Member::register(proxy.address());
    bob.show_to(&alice.account.uid);
    assert!(alice.presence_of(&bob.account.uid), "he is here");

    // From here on neither the relay nor he hears of the other, and nobody is told.
    proxy.set(Pace::Hold, Pace::Hold);
    alice.post(&bob.account.uid, b"into the silence");
    let mut logins = (0..LOGINS_MAX).map(|_| Member::login(relay.address(), &bob.account));
    let mut again = logins
        .find_map(|login| login.map_err(|reason| assert_eq!(reason, "node already connected")).ok())
        .expect("a silent link makes way");
    assert!(!alice.presence_of(&bob.account.uid), "the link by which he showed himself is gone");
    again.show_to(&alice.account.uid);
    assert!(alice.presence_of(&bob.account.uid), "and he is back");
    assert_eq!(again.delivery().data, b"into the silence");

    // The network is whole again: the old link's end arrives, and changes nothing.
    proxy.set(Pace::Forward, Pace::Forward);
    bob.wait_closed();
    alice.post(&bob.account.uid, b"as before");
    assert_eq!(again.delivery().data, b"as before");
    assert!(again.is_quiet() && alice.is_quiet());
}

#[test]
fn a_reader_that_reads_nothing_delays_nobody_and_costs_little() {
    const MESSAGES: u32 = 200;
    const SIZE: usize = 100_000;
    // What a link may cost: 4 MiB of frames that wait for it, its window of numbers, and a sealed record or two. The rest is for
    // what the allocator keeps, and still less than what waits.
    const MEMORY_MAX: u64 = 10 << 20;
    const { assert!(MEMORY_MAX * 3 / 2 < MESSAGES as u64 * SIZE as u64) };

    let mut relay = Process::start(&json!({"limits": {"stall_timeout_s": 600, "idle_timeout_s": 600}})).expect("a relay");
    let proxy = Proxy::start(relay.address());
    let mut slow = Member::register(proxy.address());
    let (mut alice, mut bob) = (Member::register(relay.address()), Member::register(relay.address()));
    // One of each first, so that what memory they take is there before it is measured.
    let mut exchange = |number: u32| {
        alice.post(&slow.account.uid, &numbered(number, SIZE));
        alice.post(&bob.account.uid, &numbered(number, 100));
        assert_eq!(bob.delivery().data, numbered(number, 100), "others get what is theirs");
    };
    exchange(0);
    proxy.set(Pace::Forward, Pace::Hold);
    let before = own_memory(&relay);
    (1..MESSAGES / 2).for_each(&mut exchange);
    // Some octets a second make no difference.
    proxy.set(Pace::Forward, Pace::Drip(3, Duration::from_millis(100)));
    (MESSAGES / 2..MESSAGES).for_each(&mut exchange);
    let grown = own_memory(&relay).saturating_sub(before);
    assert!(grown < MEMORY_MAX, "{grown} octets of memory for one who does not read");
    assert!(!relay.log_says("reads nothing", Duration::ZERO), "its link was there all the time");

    proxy.set(Pace::Forward, Pace::Forward);
    for number in 0..MESSAGES {
        assert_eq!(slow.delivery().data, numbered(number, SIZE), "each comes, in order");
    }
    assert!(slow.is_quiet(), "and once");
}

#[test]
fn a_reader_that_reads_nothing_is_given_up_and_gets_all_when_it_is_back() {
    let mut relay = Process::start(&json!({"limits": {"stall_timeout_s": 0.5}})).expect("a relay");
    let proxy = Proxy::start(relay.address());
    let mut slow = Member::register(proxy.address());
    let mut alice = Member::register(relay.address());
    proxy.set(Pace::Forward, Pace::Hold);
    for number in 0..40 {
        alice.post(&slow.account.uid, &numbered(number, 100_000));
    }
    assert!(relay.log_says("ends: reads nothing", PATIENCE), "{}", relay.log());
    let mut again = Member::login(relay.address(), &slow.account).expect("its node is free");
    for number in 0..40 {
        assert_eq!(again.delivery().data, numbered(number, 100_000), "each comes, in order");
    }
    assert!(again.is_quiet(), "and once");
    proxy.set(Pace::Forward, Pace::Forward);
    slow.wait_closed();
}

#[test]
fn what_comes_octet_by_octet_is_understood() {
    let relay = Process::start(&json!({"limits": {"login_timeout_s": 60}})).expect("a relay");
    let proxy = Proxy::start(relay.address());
    let mut alice = Member::register(relay.address());
    for (pace, most) in [
        (Pace::Drip(1, Duration::ZERO), usize::MAX),
        (Pace::Drip(7, Duration::from_micros(100)), 1),
        (Pace::Delay(Duration::from_millis(5)), 100),
        (Pace::Forward, 1),
    ] {
        proxy.set(pace, pace);
        // The handshake too.
        let mut bob = Member::register(proxy.address());
        let id = bob.post_in_pieces(&alice.account.uid, &numbered(1, 300), most);
        let message = bob.answer(&id).expect("it is taken");
        let delivery = alice.delivery();
        assert_eq!((delivery.str("id"), &delivery.data), (message.as_str(), &numbered(1, 300)), "{pace:?}");
        alice.post(&bob.account.uid, &numbered(2, 20_000));
        assert_eq!(bob.delivery().data, numbered(2, 20_000), "{pace:?}");
    }
}
