//! What a real relay tells of itself over HTTP: that it is true, that it can be read, and that nobody minds who asks how.
#![allow(clippy::disallowed_methods, reason = "clients live in real time")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use common::member::{Account, Member};
use common::process::Process;
use common::site::{Site, Stop};
use openmetrics_parser::prometheus::parse_prometheus;
use openmetrics_parser::{HistogramValue, MetricsExposition, PrometheusType, PrometheusValue};
use serde_json::{Value, json};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page of metrics, read by a parser that is not ours.
struct Scrape(MetricsExposition<PrometheusType, PrometheusValue>);

impl Scrape {
    fn read(text: &str) -> Scrape {
        Scrape(parse_prometheus(text).unwrap_or_else(|error| panic!("{error:?}\n{text}")))
    }

    /// The value of a family without labels, or of one of its samples, such as `mnm_links{state=member}`.
    fn value(&self, name: &str) -> f64 {
        let (family, label) = match name.split_once('{') {
            None => (name, None),
            Some((family, rest)) => (family, rest.trim_end_matches('}').split_once('=')),
        };
        let found = self.0.families.get(family).unwrap_or_else(|| panic!("no family {family}"));
        let fits = |labels: &openmetrics_parser::LabelSet<'_>| label.is_none_or(|(key, value)| labels.get_label_value(key) == Some(value));
        let mut samples = found.iter_samples().filter(|sample| fits(&sample.get_labelset().unwrap()));
        let sample = samples.next().unwrap_or_else(|| panic!("no sample {name}"));
        assert!(samples.next().is_none(), "{name} is one sample");
        match &sample.value {
            PrometheusValue::Counter(counter) => counter.value.as_f64(),
            PrometheusValue::Gauge(value) => value.as_f64(),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn histogram(&self, name: &str) -> &HistogramValue {
        let found = self.0.families.get(name).unwrap_or_else(|| panic!("no family {name}"));
        match &found.iter_samples().next().expect("a sample").value {
            PrometheusValue::Histogram(histogram) => histogram,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[track_caller]
    fn shows(&self, expected: &[(&str, f64)]) {
        for (name, value) in expected {
            assert_eq!(self.value(name), *value, "{name}");
        }
    }
}

/// A relay with metrics on a port that the system chooses.
fn start(settings: Value) -> Process {
    let mut all = json!({ "metrics": "127.0.0.1:0" });
    common::process::merge(&mut all, &settings);
    let mut site = Process::start(&all).expect("the relay starts");
    assert!(site.log_says("msg=ready", PATIENCE), "{}", site.log());
    site
}

/// Where the relay of this life tells its metrics.
fn web(site: &mut Process) -> SocketAddr {
    assert!(site.log_says("metrics: http://", PATIENCE), "{}", site.log());
    let log = site.log();
    let (_, rest) = log.rsplit_once("metrics: http://").expect("it was just there");
    rest.split('/').next().unwrap().parse().expect("an address")
}

/// Says this, and reads to the end. What a reset cuts off is not read.
fn say(web: SocketAddr, octets: &[u8]) -> String {
    let mut socket = connect(web);
    // Who is hung up on early cannot say all of it.
    let _ = socket.write_all(octets);
    read(&mut socket)
}

fn connect(web: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&web, PATIENCE).expect("somebody listens");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn read(socket: &mut impl Read) -> String {
    let mut answer = Vec::new();
    let mut some = [0; 4096];
    loop {
        match socket.read(&mut some) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&some[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("no answer: {error}"),
        }
    }
    String::from_utf8(answer).expect("text")
}

/// The status and the body of a page.
fn get(web: SocketAddr, path: &str) -> (u16, String) {
    parts(&say(web, format!("GET {path} HTTP/1.1\r\nHost: {web}\r\nUser-Agent: a test\r\n\r\n").as_bytes()))
}

/// An answer, whose length must be what it says.
fn parts(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let length = field(head, "Content-Length").parse::<usize>().expect("a number");
    assert_eq!((length, field(head, "Connection")), (body.len(), "close"), "{head}");
    (head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect("a status").parse().unwrap(), body.to_owned())
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| panic!("no {name}: {head}"))
}

fn scrape(web: SocketAddr) -> Scrape {
    let (status, body) = get(web, "/metrics");
    assert_eq!(status, 200, "{body}");
    Scrape::read(&body)
}

/// Asks until it is so: what other links have said may still be on its way.
#[track_caller]
fn wait_for(web: SocketAddr, name: &str, value: f64) -> Scrape {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = scrape(web);
        if found.value(name) == value {
            return found;
        }
        assert!(Instant::now() < end, "{name} is {}, not {value}", found.value(name));
    }
}

/// The next message, not acked.
fn message(member: &mut Member) -> String {
    loop {
        let frame = member.frame().expect("the link is there");
        if frame.is_message() {
            return frame.str("id").to_owned();
        }
    }
}

#[test]
fn what_members_do_is_counted_to_the_last_one() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let before = scrape(web);
    before.shows(&[("mnm_ready", 1.0), ("mnm_members", 0.0), ("mnm_links_accepted_total", 0.0), ("mnm_messages_waiting", 0.0)]);
    assert_eq!(before.value(&format!("mnm_build_info{{version={}}}", env!("CARGO_PKG_VERSION"))), 1.0);

    let (mut alice, mut bob) = (Member::register(site.address()), Member::register(site.address()));
    let uid = bob.account.uid.clone();
    for data in [&b"1"[..], &[b'x'; 2000], &[b'y'; 30]] {
        alice.post(&uid, data);
    }
    let ids = [message(&mut bob), message(&mut bob), message(&mut bob)];
    bob.ack(&ids[0]);
    bob.ack(&ids[2]);
    bob.ack("0000000000000007");
    assert!(bob.is_quiet(), "all that was said is heard when this is answered");

    let now = scrape(web);
    now.shows(&[
        ("mnm_requests_total{op=tmtprev}", 2.0),
        ("mnm_requests_total{op=register}", 2.0),
        ("mnm_requests_total{op=login}", 0.0),
        ("mnm_requests_total{op=post}", 3.0),
        ("mnm_requests_total{op=ack}", 3.0),
        ("mnm_requests_total{op=ohiedit}", 1.0),
        // The question to which the answer is no.
        ("mnm_requests_denied_total", 1.0),
        ("mnm_posts_total", 3.0),
        ("mnm_posted_bytes_total", 2031.0),
        ("mnm_messages_stored_total", 3.0),
        ("mnm_deliveries_total{kind=first}", 3.0),
        ("mnm_deliveries_total{kind=again}", 0.0),
        ("mnm_acks_total{kind=taken}", 2.0),
        ("mnm_acks_total{kind=stray}", 1.0),
        ("mnm_messages_waiting", 1.0),
        ("mnm_members", 2.0),
        ("mnm_nodes_online", 2.0),
        ("mnm_links{state=member}", 2.0),
        ("mnm_links{state=anonymous}", 0.0),
        ("mnm_links{state=handshaking}", 0.0),
        ("mnm_links_accepted_total", 2.0),
        ("mnm_handshakes_total{result=completed}", 2.0),
        ("mnm_handshakes_total{result=failed}", 0.0),
    ]);
    assert!(now.value("mnm_oldest_message_age_seconds") <= 60.0);
    assert!(now.value("mnm_log_appended_bytes_total") > 2031.0);
    let live = now.value("mnm_log_live_bytes");
    assert!(live > 0.0 && live < now.value("mnm_log_file_bytes"));

    // Both go, and what waits outlives the relay.
    drop((alice, bob));
    wait_for(web, "mnm_links{state=member}", 0.0).shows(&[("mnm_nodes_online", 0.0), ("mnm_links{state=anonymous}", 0.0)]);
    site.restart(Stop::Clean).unwrap();
    assert!(site.log_says("msg=ready", PATIENCE));
    let after = scrape(self::web(&mut site));
    after.shows(&[("mnm_messages_waiting", 1.0), ("mnm_members", 2.0), ("mnm_posts_total", 0.0)]);
}

#[test]
fn the_oldest_message_ages_until_it_is_acked() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let (mut alice, mut bob) = (Member::register(site.address()), Member::register(site.address()));
    alice.post(&bob.account.uid, b"old");
    let id = message(&mut bob);
    let end = Instant::now() + PATIENCE;
    while scrape(web).value("mnm_oldest_message_age_seconds") < 2.0 {
        assert!(Instant::now() < end);
    }
    bob.ack(&id);
    wait_for(web, "mnm_messages_waiting", 0.0).shows(&[("mnm_oldest_message_age_seconds", 0.0)]);
}

#[test]
fn a_delivery_that_is_not_acked_is_counted_again() {
    let mut site = start(json!({"limits": {"redelivery_timeout_s": 0.2}}));
    let web = web(&mut site);
    let (mut alice, mut bob) = (Member::register(site.address()), Member::register(site.address()));
    alice.post(&bob.account.uid, b"listen");
    let (first, again) = (message(&mut bob), message(&mut bob));
    assert_eq!(first, again);
    bob.ack(&first);
    let found = wait_for(web, "mnm_messages_waiting", 0.0);
    assert_eq!(found.value("mnm_deliveries_total{kind=first}"), 1.0);
    assert!(found.value("mnm_deliveries_total{kind=again}") >= 1.0);
}

#[test]
fn commits_are_told_as_histograms() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let (mut alice, bob) = (Member::register(site.address()), Member::register(site.address()));
    for _ in 0..5 {
        alice.post(&bob.account.uid, b"x");
    }
    let found = scrape(web);
    let families = ["mnm_commit_duration_seconds", "mnm_commit_records", "mnm_commit_bytes"];
    for name in families {
        let HistogramValue { buckets, count, sum, .. } = found.histogram(name);
        assert!(buckets.is_sorted_by(|a, b| a.upper_bound < b.upper_bound && a.count.as_f64() <= b.count.as_f64()), "{name}");
        let last = buckets.last().expect("a bucket");
        assert_eq!((last.upper_bound, Some(last.count.as_f64() as u64)), (f64::INFINITY, *count), "{name}");
        assert!(sum.is_some_and(|sum| sum.as_f64() > 0.0), "{name}");
    }
    let counts = families.map(|name| found.histogram(name).count.unwrap());
    assert!(counts.iter().all(|count| *count == counts[0] && *count >= 7), "each commit is in all three: {counts:?}");
    let records = found.histogram("mnm_commit_records").sum.unwrap().as_f64();
    assert!(records >= 7.0 && records <= found.value("mnm_log_appended_records_total"), "{records} records");
}

/// Small messages that wait among large ones that do not: their segments are copied out of, and die.
#[test]
fn upkeep_of_the_log_is_told() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let (mut alice, mut bob) = (Member::register(site.address()), Member::register(site.address()));
    let (large, mut segments) = (vec![b'x'; 1 << 20], 0.0_f64);
    for _ in 0..3 {
        alice.post(&bob.account.uid, b"waits");
        message(&mut bob);
        for _ in 0..5 {
            alice.post(&bob.account.uid, &large);
            let id = message(&mut bob);
            bob.ack(&id);
        }
        segments = segments.max(scrape(web).value("mnm_log_segments"));
    }
    assert!(segments >= 3.0, "{segments} segments at most");
    let end = Instant::now() + PATIENCE;
    loop {
        let found = scrape(web);
        let died = found.value("mnm_log_segments_recycled_total") + found.value("mnm_log_segments_removed_total");
        // The last of the large ones lives until the cursor is written, a second at most.
        if died >= 2.0 && found.value("mnm_log_copied_bytes_total") > 0.0 && found.value("mnm_log_live_bytes") < 1e6 {
            return found.shows(&[("mnm_messages_waiting", 3.0)]);
        }
        assert!(Instant::now() < end, "{died} segments died");
    }
}

#[test]
fn what_limits_turn_away_is_counted_by_limit() {
    let settings = json!({
        "register": "invite",
        "limits": {"message_max_bytes": 1000, "queue_messages": 2, "wrong_codes_per_hour": 1, "login_timeout_s": 4, "pings_per_day": 1},
    });
    let mut site = start(settings);
    let web = web(&mut site);
    let code = |site: &mut Process| {
        let line = site.operator(r#"{"command":"invite","uses":2}"#).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["code"].as_str().unwrap().to_owned()
    };
    let code = code(&mut site);
    let [mut alice, mut bob] = ["alice in town", "bob in town"]
        .map(|alias| Member::register_with(site.address(), &json!({"invite": code, "newalias": alias})).expect("with a code"));
    let uid = bob.account.uid.clone();

    let too_large = alice.post_only(&uid, &[0; 1001]);
    alice.answer(&too_large).expect_err("it is too large");
    alice.post(&uid, b"one");
    alice.post(&uid, b"two");
    let third = alice.post_only(&uid, b"three");
    alice.answer(&third).expect_err("the queue is full");
    for id in ["a ping", "another"] {
        bob.say(&json!({"op": 9, "id": id, "to": "alice in town", "from": "bob in town", "datalen": 2}), b"hi");
    }
    bob.answer("a ping").expect("the first is taken");
    bob.answer("another").expect_err("one is the most");
    for wrong in ["AAAAA-AAAAA-AAAAA", "BBBBB-BBBBB-BBBBB"] {
        Member::register_with(site.address(), &json!({"invite": wrong})).err().expect("no such code");
    }
    let nobody = Account { uid: "%".repeat(32), node: "%".repeat(40) };
    Member::login(site.address(), &nobody).err().expect("nobody's");
    // A stranger who says nothing, not even hello.
    read(&mut connect(site.address()));
    alice.say(&json!("no object, but eight octets"), b"");
    alice.wait_closed();

    let found = wait_for(web, "mnm_refused_total{limit=frame}", 1.0);
    found.shows(&[
        ("mnm_refused_total{limit=body_size}", 1.0),
        ("mnm_refused_total{limit=queue_full}", 1.0),
        ("mnm_refused_total{limit=pings}", 1.0),
        ("mnm_refused_total{limit=wrong_codes}", 1.0),
        ("mnm_refused_total{limit=login_deadline}", 1.0),
        ("mnm_refused_total{limit=idle}", 0.0),
        ("mnm_refused_total{limit=links_per_address}", 0.0),
        ("mnm_wrong_invite_codes_total", 1.0),
        ("mnm_logins_failed_total", 1.0),
        ("mnm_requests_denied_total", 3.0),
        ("mnm_handshakes_total{result=failed}", 1.0),
    ]);
}

#[test]
fn the_machine_is_told_of_as_every_exporter_does_it() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let found = scrape(web);
    let (resident, anonymous) = (found.value("process_resident_memory_bytes"), found.value("mnm_anonymous_memory_bytes"));
    assert!(0.0 < anonymous && anonymous < resident && resident < 1e10, "{anonymous} of {resident}");
    // Where the system tells it at all.
    if found.0.families.contains_key("process_open_fds") {
        let listed = fs::read_dir(format!("/proc/{}/fd", site.pid())).unwrap().count() as f64;
        assert!((found.value("process_open_fds") - listed).abs() <= 3.0, "{listed} are listed");
    }
    assert!(found.value("process_max_fds") >= 64.0 && found.value("process_cpu_seconds_total") > 0.0);
    let age = site.date() as f64 / 1e3 - found.value("process_start_time_seconds");
    assert!((0.0..60.0).contains(&age), "it began {age} seconds ago");
    assert!(found.value("mnm_disk_free_bytes") > 0.0 && found.value("mnm_log_spare_segments") >= 1.0);
}

#[test]
fn health_and_readiness_are_told_in_json() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let _member = Member::register(site.address());
    let (status, body) = get(web, "/health");
    let health: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(status, 200);
    let uptime = health["uptime_seconds"].as_f64().expect("a number");
    assert!((0.0..60.0).contains(&uptime), "{health}");
    let due = json!({"status": "ok", "state": "ready", "version": env!("CARGO_PKG_VERSION"), "uptime_seconds": uptime, "links": 1,
        "members": 1, "messages_waiting": 0});
    assert_eq!(health, due);
    assert_eq!(get(web, "/ready"), (200, "{\"ready\":true}\n".to_owned()));
    assert!(get(web, "/").1.contains("/metrics"));
}

#[test]
fn heads_have_no_body_and_name_the_format() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let head = say(web, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(field(&head, "Content-Type").starts_with("text/plain; version=0.0.4"), "{head}");
    assert!(field(&head, "Content-Length").parse::<usize>().unwrap() > 1000, "{head}");
    let old = say(web, b"GET /metrics?x=y HTTP/1.0\r\n\r\n");
    assert_eq!(parts(&old).0, 200, "{old}");
}

#[test]
fn whatever_is_said_is_answered_or_hung_up_on_and_the_relay_goes_on() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "c".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(1000));
    let body = format!("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{}", "b".repeat(100_000));
    for (said, status) in [
        (&b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"[..], 404),
        (b"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (body.as_bytes(), 405),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/3.0\r\n\r\n", 400),
        (b"how are you?\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400),
        (b"GET /\xff\xfe\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (many.as_bytes(), 431),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    ] {
        let answer = say(web, said);
        assert_eq!(parts(&answer).0, status, "{}", String::from_utf8_lossy(&said[..said.len().min(60)]));
        if status == 405 {
            assert_eq!(field(&answer, "Allow"), "GET, HEAD");
        }
    }
    // Who goes on for a megabyte may be hung up on before the answer is read.
    let answer = say(web, long.as_bytes());
    assert!(answer.is_empty() || parts(&answer).0 == 431, "{answer}");
    drop(connect(web));
    let mut member = Member::register(site.address());
    assert!(member.is_quiet());
    assert_eq!(get(web, "/health").0, 200);
}

#[test]
fn nobody_shuts_others_out_by_saying_nothing() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let mut silent: Vec<TcpStream> = (0..8).map(|_| connect(web)).collect();
    silent.iter_mut().for_each(|socket| socket.write_all(b"GET /metrics HTTP/1.1\r\nHost").unwrap());
    // A ninth is let in, and one of the eight has made way for it.
    assert_eq!(get(web, "/health").0, 200);
    let mut gone = 0;
    for socket in &mut silent {
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        match socket.read(&mut [0; 16]) {
            Ok(0) => gone += 1,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => gone += 1,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}"),
            Ok(_) => panic!("an answer to half a request"),
        }
    }
    assert!((1..8).contains(&gone), "{gone} made way");
    // The one that came last is heard out.
    let last = silent.last_mut().unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    last.write_all(b": x\r\n\r\n").unwrap();
    assert_eq!(parts(&read(last)).0, 200);
    // Many more at once, none of whom waits for long.
    let crowd: Vec<TcpStream> = (0..50).map(|_| connect(web)).collect();
    assert_eq!(get(web, "/ready").0, 200);
    drop(crowd);
}

#[test]
fn who_takes_ten_seconds_to_ask_is_told_so() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let mut slow = connect(web);
    let begun = Instant::now();
    slow.write_all(b"GET /metrics").unwrap();
    let answer = read(&mut slow);
    assert_eq!(parts(&answer).0, 408, "{answer}");
    assert!(begun.elapsed() >= Duration::from_secs(9), "after {:?}", begun.elapsed());
}

#[test]
fn many_who_ask_without_end_are_all_answered_in_time() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let mut member = Member::register(site.address());
    for round in 0..150 {
        assert_eq!(get(web, "/metrics").0, 200, "round {round}");
    }
    assert!(member.is_quiet());
}

fn socket_get(path: &Path, page: &str) -> (u16, String) {
    let mut socket = UnixStream::connect(path).expect("somebody listens");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(format!("GET {page} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    parts(&read(&mut socket))
}

#[test]
fn a_socket_serves_this_user_and_group_and_is_replaced_when_its_relay_is_dead() {
    let mut site = start(json!({"metrics": "unix:metrics.sock"}));
    let path = site.config().with_file_name("metrics.sock");
    let scraped = Scrape::read(&socket_get(&path, "/metrics").1);
    assert_eq!(scraped.value("mnm_ready"), 1.0);
    let meta = fs::metadata(&path).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o660);

    site.restart(Stop::Kill).unwrap();
    assert!(site.log_says("msg=ready", PATIENCE));
    assert_eq!(socket_get(&path, "/ready").0, 200);
    let mut second = Process::start(&json!({"metrics": format!("unix:{}", path.display())})).expect("it comes as far as that");
    assert!(second.log_says("another program listens there", PATIENCE) && second.log().contains("metrics is unix:"), "{}", second.log());
    assert_eq!(socket_get(&path, "/ready").0, 200, "the living one is none the worse");
    site.end(Stop::Clean).unwrap();
    assert!(!path.exists(), "a clean stop takes it away");

    fs::write(&path, "something else").unwrap();
    site.begin().expect("it comes as far as that");
    assert!(site.log_says("is no socket", PATIENCE), "{}", site.log());
    assert_eq!(fs::read(&path).unwrap(), b"something else");
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(other);
    site.begin().unwrap();
    assert!(site.log_says("msg=ready", PATIENCE), "a socket that nobody listens on is in nobody's way: {}", site.log());
}

#[test]
fn without_the_key_nobody_listens() {
    let mut site = start(json!({"metrics": ""}));
    assert!(!site.log_says("metrics:", Duration::ZERO), "{}", site.log());
}

/// Reads pages while a relay starts on a log that takes it some time, from the first moment at which somebody listens.
#[test]
fn a_start_is_told_of_while_it_goes_on() {
    const POSTS: usize = 60;
    let mut site = start(json!({}));
    let (mut alice, bob) = (Member::register(site.address()), Member::register(site.address()));
    let data = vec![b'x'; 2 << 20];
    for _ in 0..POSTS {
        alice.post(&bob.account.uid, &data);
    }
    drop((alice, bob));
    site.end(Stop::Kill).unwrap();
    site.begin().unwrap();
    let web = web(&mut site);
    let (mut seen, mut ratios) = (Vec::new(), Vec::new());
    let end = Instant::now() + 3 * PATIENCE;
    let mut early = connect(site.address());
    loop {
        let (status, body) = get(web, "/ready");
        let ready: Value = serde_json::from_str(&body).expect("JSON");
        if status == 200 {
            break;
        }
        assert_eq!((status, &ready["reason"]), (503, &json!("recovering")), "{body}");
        seen.push(ready["done"].as_u64().unwrap());
        let (status, health) = get(web, "/health");
        assert_eq!(status, 200, "{health}");
        let page = scrape(web);
        if page.value("mnm_ready") == 0.0 {
            ratios.push(page.value("mnm_recovery_ratio"));
        }
        assert!(Instant::now() < end, "it never starts");
    }
    assert!(seen.len() >= 3 && seen.is_sorted() && seen.first() < seen.last(), "parts that were done: {seen:?}");
    assert!(ratios.is_sorted() && ratios.iter().all(|ratio| (0.0..=1.0).contains(ratio)), "{ratios:?}");
    let page = scrape(web);
    page.shows(&[("mnm_ready", 1.0), ("mnm_messages_waiting", POSTS as f64)]);
    assert!(!page.0.families.contains_key("mnm_recovery_ratio"));
    // Who came meanwhile is let in, though nobody waited for it then; and, since it says nothing, cut off in time.
    assert_eq!(page.value("mnm_links_accepted_total"), 1.0);
    read(&mut early);
    let mut member = Member::register(site.address());
    assert!(member.is_quiet());
}

/// A dashboard with a name in it that no relay tells shows nothing, and nobody finds out.
#[test]
fn the_dashboard_asks_for_what_there_is() {
    let mut site = start(json!({}));
    let web = web(&mut site);
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (name, family) in scrape(web).0.families {
        let histogram = family.family_type == PrometheusType::Histogram;
        known.extend(["_bucket", "_sum", "_count"].iter().filter(|_| histogram).map(|ending| format!("{name}{ending}")));
        known.insert(name);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/grafana/mnm.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).expect("JSON");
    let mut asked = BTreeSet::new();
    expressions(&dashboard, &mut |expression| {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        asked.extend(words.filter(|word| word.starts_with("mnm_") || word.starts_with("process_")).map(str::to_owned));
    });
    assert!(asked.len() > 15, "{asked:?}");
    let unknown: Vec<&String> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "the dashboard asks for {unknown:?}");

    // And what is told stands in the documents.
    let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATING.md")).unwrap();
    let families = scrape(web).0.families;
    let missing: Vec<&String> = families.keys().filter(|name| !manual.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/OPERATING.md lacks {missing:?}");
}

fn expressions(node: &Value, found: &mut impl FnMut(&str)) {
    match node {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if matches!(key.as_str(), "expr" | "query") => found(text),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
