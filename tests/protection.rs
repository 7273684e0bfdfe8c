//! Each protection is tripped once, by somebody who has read mnm.conf and the documents and nothing else.
//!
//! | protection | key or constant | tripped by |
//! |---|---|---|
//! | links in all | `links_max` | `one_link_too_many_is_closed_at_once` |
//! | links from one address | `links_per_address` | `one_address_has_so_many_links`, `this_machine_has_as_many_links_as_it_likes` |
//! | the pace of new links | `handshakes_per_second` | `who_comes_too_fast_waits`, `as_many_as_are_allowed_in_a_second_are_no_crowd` |
//! | time to log in | `login_timeout_s` | `there_is_one_time_to_log_in`, transcripts `30-life/login-timeout*`, `links_without_tls_are_dropped` |
//! | guessed logins | `failed_logins` | `failed_logins_are_answered_later_and_later`, `failed_logins_to_the_millisecond`, `*_of_this_machine_*`, transcripts `42-login/failed-logins*` |
//! | guessed invite codes | `wrong_codes_per_hour` | transcripts `84-register/wrong-codes*` |
//! | the pace of a request | `upload_min_bytes_per_s` | `a_slow_upload_*`, `an_upload_*`, transcripts `30-life/a-request-that-comes-too-slowly*` |
//! | a silent link | `idle_timeout_s` | transcripts `30-life/idle-timeout`, `30-life/receiving-does-not-keep-the-link` |
//! | a reader that does not read | `stall_timeout_s` | `network.rs`: `a_reader_that_reads_nothing_*`; transcript `74-streams/a-reader-that-stops-for-long-is-closed` |
//! | ... in a closed link | `linger_timeout_s` | transcript `30-life/a-frame-that-never-ends` |
//! | output that piles up on a link | `OUTPUT_MAX` | `outlet.rs`: `news_that_nobody_reads_end_their_link` |
//! | answers that nobody reads | `OUTPUT_READ_MAX` | `outlet.rs`: `who_reads_no_answers_is_asked_nothing_more` |
//! | deliveries without an ack | `window_deliveries` | transcripts `44-useredit/user-messages-overtake-a-full-window`, `90-cork/more-than-a-window-is-kept-back` |
//! | a header's size | `HEADER_MIN`, `HEADER_MAX` | transcripts `10-frames/length-is-hex-and-at-least-8`, `10-frames/header-of-65535-octets`, `12-headers-out/the-longest-id-fits-an-ack` |
//! | a message's size | `message_max_bytes` | transcripts `74-streams/larger-than-the-site-allows`, `82-bounds/lengths-beyond-63-bits` |
//! | recipients of a request | `recipients_max` | transcripts `82-bounds/recipients-max*`, `82-bounds/a-thousand-recipients` |
//! | work in one turn | `WORK_BUDGET`, `READ_BUDGET` | `outlet.rs`: `questions_by_the_thousand_keep_nobody_waiting` |
//! | descriptors in reserve | `DESCRIPTORS_RESERVED` | `descriptors.rs`, `operator.rs`: `surplus_connections_are_turned_away_and_the_rest_goes_on` |
//! | the log, by strangers | `REPORT_EVERY` | `operator.rs`: `strangers_are_told_in_sum` |
//! | the operator's socket | `CONTROL_*` | `control.rs` |
//! | what members may have | `queue_messages` and the like | transcripts `89-ping-limits`, `92-quotas` |
//!
//! Lower bounds of time are exact, upper ones generous: a machine may be slow, but never fast. In the core no time passes but
//! what is waited for, so there both are exact.
#![allow(clippy::disallowed_methods, reason = "clients live in real time")]

mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::core::Core;
use common::member::{Account, Member};
use common::process::{Process, TlsLink, client_hello, socket};
use common::site::{Link, Received, Site};
use serde_json::{Value, json};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a relay and its test may be late by.
const SLACK: Duration = Duration::from_millis(2500);

/// A relay with these limits, where strangers may stay as long as a test takes.
fn relay(limits: &Value) -> Process {
    let mut settings = json!({"limits": {"login_timeout_s": 600}});
    common::process::merge(&mut settings, &json!({ "limits": limits }));
    Process::start(&settings).expect("a relay")
}

/// One of this machine's addresses.
fn own(last: u8) -> Option<IpAddr> {
    Some(Ipv4Addr::new(127, 0, 0, last).into())
}

/// A connection that says nothing.
fn knock(site: &Process, from: Option<IpAddr>) -> TcpStream {
    let link = socket(from, site.address()).expect("somebody listens");
    link.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    link
}

/// Whether the relay closes a connection at once that has said nothing: nothing else would in this time.
fn is_refused(site: &Process, from: Option<IpAddr>) -> bool {
    match knock(site, from).read(&mut [0]) {
        Ok(0) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
        Ok(_) => false,
    }
}

/// Whether a connection that has said nothing is there still.
fn is_open(link: &mut TcpStream) -> bool {
    link.set_nonblocking(true).expect("a flag");
    matches!(link.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn member(site: &mut dyn Site, from: Option<IpAddr>) -> Member {
    Member::register_over(site.connect(from).expect("a link"))
}

/// Somebody is let in, as soon as the relay knows of the place that became free.
fn is_let_in(site: &mut Process, from: Option<IpAddr>) {
    let end = Instant::now() + PATIENCE;
    let mut tries = std::iter::from_fn(|| (Instant::now() < end).then(|| site.connect(from).ok()));
    Member::register_over(tries.find_map(|link| link).expect("a place becomes free"));
}

/// Lines of the log with these words.
fn lines(site: &dyn Site, words: &str) -> Vec<String> {
    site.log().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
}

#[test]
fn one_link_too_many_is_closed_at_once() {
    let mut site = relay(&json!({"links_max": 4}));
    let mut members: Vec<Member> = (0..3).map(|_| member(&mut site, None)).collect();
    let mut silent = knock(&site, None);
    for _ in 0..10 {
        assert!(is_refused(&site, own(7)), "{}", site.log());
    }
    assert!(site.log_says("were turned away", PATIENCE));
    let told = lines(&site, "were turned away");
    assert!(told.len() == 1 && told[0].contains("there are 4 links") && told[0].contains("limits.links_max"), "{told:?}");
    assert!(members.iter_mut().all(Member::is_quiet) && is_open(&mut silent), "who is in stays");
    drop(silent);
    is_let_in(&mut site, own(7));
    members.pop().expect("three").close();
    is_let_in(&mut site, None);
    assert!(members.iter_mut().all(Member::is_quiet), "who is in stays");
}

#[test]
fn one_address_has_so_many_links() {
    let mut site = relay(&json!({"links_per_address": 3}));
    let mut members: Vec<Member> = (0..3).map(|_| member(&mut site, own(2))).collect();
    for _ in 0..10 {
        assert!(is_refused(&site, own(2)), "{}", site.log());
    }
    assert!(site.log_says("were turned away", PATIENCE));
    let told = lines(&site, "were turned away");
    assert!(told.len() == 1 && told[0].contains("one address has 3 links"), "{told:?}");
    assert!(told[0].contains("limits.links_per_address") && told[0].contains("127.0.0.2"), "{told:?}");
    let mut others: Vec<Member> = (0..3).map(|_| member(&mut site, own(3))).collect();
    assert!(members.iter_mut().chain(&mut others).all(Member::is_quiet), "who is in stays");
    members.pop().expect("three").close();
    is_let_in(&mut site, own(2));
    assert!(is_refused(&site, own(3)), "that place is not everybody's");
}

#[test]
fn this_machine_has_as_many_links_as_it_likes() {
    let mut site = relay(&json!({}));
    let mut links: Vec<TcpStream> = (0..300).map(|_| knock(&site, own(2))).collect();
    // Who comes behind all of them is in: so it has been decided about each.
    member(&mut site, own(2));
    assert_eq!(links.iter_mut().map(is_open).filter(|open| *open).count(), 300, "{}", site.log());
    assert_eq!((lines(&site, "turned away").len(), lines(&site, "who connects waits").len()), (0, 0));
}

#[test]
fn who_comes_too_fast_waits() {
    const A_SECOND: u32 = 5;
    const GUESTS: u32 = 20;
    let mut site = relay(&json!({"handshakes_per_second": A_SECOND}));
    let (mut alice, mut bob) = (member(&mut site, None), member(&mut site, None));
    let begin = Instant::now();
    let sockets: Vec<TcpStream> = (0..GUESTS).map(|_| knock(&site, None)).collect();
    let guests = thread::spawn(move || {
        let greet = |socket| TlsLink::over(socket).map(|link| drop(Member::greet(Box::new(link)))).map(|()| begin.elapsed());
        sockets.into_iter().map(greet).collect::<io::Result<Vec<Duration>>>()
    });
    let mut posts = 0;
    while !guests.is_finished() {
        alice.post(&bob.account.uid, b"meanwhile");
        assert_eq!(bob.delivery().data, b"meanwhile");
        posts += 1;
    }
    assert!(posts > 10, "members go on meanwhile: {posts} posts");
    let served = guests.join().expect("they come to an end").expect("nobody is refused");
    for (number, took) in (1..).zip(&served) {
        // A second's worth at once, after that one at a time.
        let least = Duration::from_secs(1) * u32::saturating_sub(number, A_SECOND) / A_SECOND;
        assert!(*took >= least, "the {number}. is served after {took:?}, not after {least:?}");
    }
    assert!(served.len() == 20 && served[19] >= Duration::from_secs(3), "{served:?}");
    let told = lines(&site, "who connects waits");
    assert!((1..=3).contains(&told.len()), "told at once, and every ten seconds at most: {told:?}");
    assert!(told[0].contains("more than 5 new links a second") && told[0].contains("limits.handshakes_per_second"), "{told:?}");
}

#[test]
fn as_many_as_are_allowed_in_a_second_are_no_crowd() {
    let mut site = relay(&json!({"handshakes_per_second": 3}));
    for _ in 0..3 {
        member(&mut site, None);
    }
    // What is told after the third is there: so whatever is told of the three has been.
    site.operator(r#"{"command":"reload"}"#).expect("it is heard");
    assert!(site.log_says("the configuration is read again", PATIENCE));
    assert_eq!(lines(&site, "who connects waits"), Vec::<String>::new(), "nobody had to wait");
}

/// What a peer does that does not log in; what the relay says meanwhile, until it closes the link.
type Idler = fn(&mut Process) -> io::Result<(Instant, Vec<u8>)>;

/// An octet of a hello at a time, again and again: its link is never silent.
fn drips(site: &mut Process) -> io::Result<(Instant, Vec<u8>)> {
    let begin = Instant::now();
    let (mut link, mut said) = (knock(site, None), Vec::new());
    link.set_read_timeout(Some(Duration::from_millis(20)))?;
    for octet in client_hello() {
        // What it says of a closed link is told by reading.
        let _ = link.write_all(&[octet]);
        let mut some = [0; 1000];
        match link.read(&mut some) {
            Ok(0) => return Ok((begin, said)),
            Ok(count) => said.extend_from_slice(&some[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return Ok((begin, said)),
        }
    }
    Err(io::Error::other("the hello was too short"))
}

fn says_nothing(site: &mut Process) -> io::Result<(Instant, Vec<u8>)> {
    let begin = Instant::now();
    let link = site.connect(None).map_err(io::Error::other)?;
    Ok((begin, last_words(link)))
}

fn greets(site: &mut Process) -> io::Result<(Instant, Vec<u8>)> {
    let begin = Instant::now();
    let mut link = site.connect(None).map_err(io::Error::other)?;
    link.send(b"0011{\"op\":0,\"id\":\"1\"}");
    assert!(matches!(link.receive(PATIENCE), Received::Record(_)), "a greeting is answered");
    Ok((begin, last_words(link)))
}

/// What comes until the link is closed.
fn last_words(mut link: Box<dyn Link>) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        match link.receive(PATIENCE) {
            Received::Record(record) => said.extend(record),
            Received::Closed => return said,
            Received::Nothing => panic!("the link stays"),
        }
    }
}

#[test]
fn there_is_one_time_to_log_in() {
    let time = Duration::from_secs(1);
    let mut site = Process::start(&json!({"limits": {"login_timeout_s": 1}})).expect("a relay");
    for (what, idler) in [("drips", drips as Idler), ("says nothing", says_nothing), ("greets", greets)] {
        let (begin, said) = idler(&mut site).expect("it is let in");
        let took = begin.elapsed();
        assert!(took >= time, "who {what} is closed after {took:?}");
        assert!(took < time + SLACK, "who {what} is closed after {took:?} only");
        assert!(!said.contains(&b'{'), "who {what} is told {}", said.escape_ascii());
    }
}

/// What nobody has.
fn nobody() -> Account {
    Account { uid: "%".repeat(32), node: "%".repeat(40) }
}

/// Asks to be let in as nobody, and waits for no answer.
fn guess(site: &mut dyn Site, from: Option<IpAddr>) -> Member {
    let mut guess = Member::greet(site.connect(from).expect("a link"));
    let Account { uid, node } = nobody();
    guess.say(&json!({"op": 2, "uid": uid, "node": node}), b"");
    guess
}

/// Waits until a guess is answered as every wrong one is; how long that took, by the site's clock.
fn answered(site: &dyn Site, mut guess: Member, since: Duration) -> Duration {
    let quit = guess.frame().expect("the answer is told");
    let took = site.now() - since;
    assert_eq!((quit.str("op"), quit.str("error")), ("quit", "login failed"));
    assert!(guess.frame().is_none(), "and the link ends");
    took
}

fn guessing_time(site: &mut dyn Site, from: Option<IpAddr>) -> Duration {
    let since = site.now();
    let guess = guess(site, from);
    answered(site, guess, since)
}

#[test]
fn failed_logins_are_answered_later_and_later() {
    let mut site = relay(&json!({"failed_logins": 2}));
    let (mut alice, mut bob) = (member(&mut site, None), member(&mut site, None));
    let carol = member(&mut site, None).close();
    // By many addresses, since the machine may be busy at any one moment.
    let quickest = (10..20).flat_map(|last| [own(last); 2]).map(|from| guessing_time(&mut site, from)).min().expect("twenty");
    assert!(quickest < Duration::from_millis(250), "the first two are answered at once: {quickest:?}");

    let since = site.now();
    let mut guesses: Vec<Member> = (0..7).map(|_| guess(&mut site, own(2))).collect();
    let mut last = guesses.pop().expect("seven");
    for (guess, least) in guesses.into_iter().zip([0, 0, 250, 500, 1000, 2000].map(Duration::from_millis)) {
        let took = answered(&site, guess, since);
        assert!(took >= least, "answered after {took:?}, not after {least:?}");
    }
    // The last one waits. Nobody else does.
    for number in 0..10 {
        alice.post(&bob.account.uid, &[number]);
        assert_eq!(bob.delivery().data, [number]);
    }
    let other = guessing_time(&mut site, own(3));
    let carol = site.connect(own(2)).map(|link| Member::login_over(link, &carol).expect("a right one is let in"));
    let meanwhile = site.now() - since;
    if meanwhile < Duration::from_secs(4) {
        assert!(other < Duration::from_secs(2), "another address has done nothing wrong");
        assert!(last.fresh(Duration::from_millis(1)).is_none(), "answered within {meanwhile:?}");
    }
    let took = answered(&site, last, since);
    assert!(took >= Duration::from_secs(4), "answered after {took:?}");
    assert!(carol.expect("a link").is_quiet());
}

#[test]
fn failed_logins_of_this_machine_are_not_slowed_down() {
    let mut site = relay(&json!({}));
    let begin = site.now();
    for _ in 0..10 {
        guessing_time(&mut site, own(2));
    }
    let took = site.now() - begin;
    assert!(took < Duration::from_millis(250 + 500 + 1000 + 2000 + 4000), "ten take {took:?}");
}

/// How long the answers to guesses from there take, one after the other, to the microsecond.
fn times(site: &mut Core, from: &str, count: usize) -> Vec<u128> {
    let from = Some(from.parse().expect("an address"));
    let step = |time: Duration| (time + Duration::from_micros(500)).as_millis();
    (0..count).map(|_| step(guessing_time(site, from))).collect()
}

#[test]
fn failed_logins_to_the_millisecond() {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut site = Core::start(&json!({"limits": {"failed_logins": 2}})).expect("a relay");
    assert_eq!(times(&mut site, "192.0.2.1", 9), [0, 0, 250, 500, 1000, 2000, 4000, 4000, 4000]);
    assert_eq!(times(&mut site, "192.0.2.2", 3), [0, 0, 250], "each address for itself");
    assert_eq!(times(&mut site, "127.0.0.1", 3), [0, 0, 250], "what is configured holds for this machine too");
    assert_eq!(times(&mut site, "2001:db8::1", 2), [0, 0]);
    assert_eq!(times(&mut site, "2001:db8::2", 1), [250], "a network is one address");
    assert_eq!(times(&mut site, "2001:db8:0:1::1", 1), [0]);
    site.pass(HOUR);
    assert_eq!(times(&mut site, "192.0.2.1", 3), [0, 0, 250], "an hour later all is forgotten");

    let mut site = Core::start(&json!({"limits": {"failed_logins": 0}})).expect("a relay");
    assert_eq!(times(&mut site, "192.0.2.1", 2), [250, 500]);
}

#[test]
fn failed_logins_if_nothing_is_said() {
    let mut site = Core::start(&json!({})).expect("a relay");
    assert_eq!(times(&mut site, "127.0.0.1", 10), [0; 10], "any number from this machine");
    assert_eq!(times(&mut site, "192.0.2.1", 7), [0, 0, 0, 0, 0, 250, 500]);
}

#[test]
fn a_failed_login_is_told_before_the_time_to_log_in_is_over() {
    let mut site = Core::start(&json!({"limits": {"failed_logins": 0, "login_timeout_s": 1.5}})).expect("a relay");
    assert_eq!(times(&mut site, "192.0.2.1", 6), [250, 500, 1000, 1500, 1500, 1500]);
    // The time is counted from the connect.
    let since = site.now();
    let mut late = Member::greet(site.connect(Some([192, 0, 2, 1].into())).expect("a link"));
    site.pass(Duration::from_millis(1400));
    late.say(&json!({"op": 2, "uid": nobody().uid, "node": nobody().node}), b"");
    assert_eq!(answered(&site, late, since).as_millis(), 1500);
}

/// An upload of `total` octets that has begun.
fn upload(site: &mut Core, total: usize) -> Member {
    let mut member = member(site, None);
    member.say(&json!({"op": 7, "id": "slow", "for": [], "datalen": total}), b"");
    member
}

/// Sends so many octets at the beginning of each of so many seconds; after how many the link had ended, if it has.
fn drip(site: &mut Core, member: &mut Member, rate: usize, seconds: u64) -> Option<u64> {
    (1..=seconds).find(|_| {
        member.say_octets(&vec![b'x'; rate]);
        site.pass(Duration::from_secs(1));
        match member.fresh(Duration::ZERO) {
            None => false,
            Some(None) => true,
            Some(Some(frame)) => panic!("nothing is said to it: {}", frame.head),
        }
    })
}

/// The last octet of an upload, and its ack.
fn is_taken(site: &Core, member: &mut Member) {
    member.put_date(site.date());
    member.say_octets(b"x");
    member.answer("slow").expect("it is taken");
}

fn slow_site(limits: &Value) -> Core {
    let mut settings = json!({"limits": {"idle_timeout_s": 3600}});
    common::process::merge(&mut settings, &json!({ "limits": limits }));
    Core::start(&settings).expect("a relay")
}

#[test]
fn a_slow_upload_is_ended_after_a_minute() {
    for (limits, rate) in [(json!({}), 99), (json!({}), 1), (json!({"upload_min_bytes_per_s": 5000}), 4999)] {
        let mut site = slow_site(&limits);
        let mut member = upload(&mut site, 1_000_000);
        assert_eq!(drip(&mut site, &mut member, rate, 120), Some(60), "{rate} octets a second");
        assert!(site.log_says("sends a request too slowly", Duration::ZERO));
        Member::login_over(site.connect(None).expect("a link"), &member.account).expect("its node is free");
    }
    // Also where its data is only dropped.
    let mut site = slow_site(&json!({"message_max_bytes": 1000}));
    let mut member = upload(&mut site, 1_000_000);
    assert_eq!(drip(&mut site, &mut member, 99, 120), Some(60));
}

#[test]
fn an_upload_may_be_as_slow_as_is_said() {
    for (limits, rate) in [(json!({}), 100), (json!({"upload_min_bytes_per_s": 5000}), 5000), (json!({"upload_min_bytes_per_s": 0}), 1)] {
        let mut site = slow_site(&limits);
        let mut member = upload(&mut site, 300 * rate + 1);
        assert_eq!(drip(&mut site, &mut member, rate, 300), None, "{rate} octets a second");
        is_taken(&site, &mut member);
    }
}

#[test]
fn an_upload_may_stand_still_for_half_a_minute() {
    let mut site = slow_site(&json!({}));
    let mut member = upload(&mut site, 6 * 30 * 300 + 1);
    for _ in 0..6 {
        assert_eq!(drip(&mut site, &mut member, 300, 30), None);
        site.pass(Duration::from_secs(30));
    }
    is_taken(&site, &mut member);
    // Not for a minute, however fast it was before.
    member.say(&json!({"op": 7, "id": "slow", "for": [], "datalen": 9_000_000}), &vec![b'x'; 1_000_000]);
    site.pass(Duration::from_secs(119));
    assert!(member.fresh(Duration::ZERO).is_none(), "the first minute was good");
    assert!(member.fresh(Duration::from_secs(1)).is_some_and(|end| end.is_none()), "the second was not");
}

#[test]
fn a_slow_upload_gives_its_room_back() {
    const SIZE: usize = 20 << 20;
    let mut site = slow_site(&json!({}));
    let mut member = member(&mut site, None);
    let before = site.data_size();
    member.say(&json!({"op": 7, "id": "slow", "for": [], "datalen": SIZE + 1}), &vec![b'x'; SIZE]);
    assert!(site.data_size() > before + SIZE as u64 / 2, "it is in the log");
    site.pass(Duration::from_secs(120));
    assert!(member.fresh(Duration::ZERO).is_some_and(|end| end.is_none()), "it has ended");
    site.pass(Duration::from_secs(60));
    // A segment or two more, and some that are kept for what comes next.
    assert!(site.data_size() < before + SIZE as u64 / 2, "{} octets, {before} before", site.data_size());
}
