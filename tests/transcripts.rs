//! The protocol as data: each file below `tests/transcripts` says one rule as a conversation, and is played against the
//! real program over TLS. `tests/transcripts/README.md` tells how to read and write them, `COVERAGE.md` which sentence of
//! the protocol is shown where.
//!
//! `TRANSCRIPT=part-of-a-name cargo test --test transcripts` plays only those.
#![allow(clippy::disallowed_methods, reason = "clients live in real time")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::core::Core;
use common::frame::{Frame, Intake};
use common::process::Process;
use common::run::{Failure, Pieces, Way, play};
use common::site::{Link, Received, Site};
use common::transcript::{Dialect, Transcript};
use serde_json::json;

/// How many relays run at a time for one folder; most of their time they wait for each other.
const AT_ONCE: usize = 4;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");

macro_rules! folders {
    ($($test:ident: $folder:literal,)*) => {
        $(#[test] fn $test() { folder($folder); })*
        const FOLDERS: &[&str] = &[$($folder),*];
    };
}

folders! {
    frames: "10-frames",
    headers_out: "12-headers-out",
    fields: "15-fields",
    dialects: "20-dialects",
    life: "30-life",
    register: "40-register",
    login: "42-login",
    user_edit: "44-useredit",
    presence: "46-presence",
    groups: "50-groups",
    posts: "60-post",
    post_notify: "62-postnotify",
    pings: "64-ping",
    acks: "70-acks",
    promises: "72-promises",
    streams: "74-streams",
    names: "80-names",
    bounds: "82-bounds",
    who_registers: "84-register",
    aliases: "85-aliases",
    roles: "86-roles",
    nodes: "87-nodes",
    reach: "88-reach",
    ping_limits: "89-ping-limits",
    corks: "90-cork",
    group_rules: "91-groups",
    quotas: "92-quotas",
    asks: "93-ask",
    old_programs: "94-old-programs",
    stories: "95-stories",
}

#[test]
fn every_folder_is_played() {
    let there: BTreeSet<String> = listing(Path::new(ROOT)).into_iter().filter(|name| !name.contains('.')).collect();
    assert_eq!(there, FOLDERS.iter().map(|name| name.to_string()).collect());
}

/// The table of the protocol's sentences names every transcript, and nothing that is not there.
#[test]
fn coverage_is_complete() {
    let table = fs::read_to_string(format!("{ROOT}/COVERAGE.md")).expect("COVERAGE.md");
    let is_transcript = |word: &&str| FOLDERS.iter().any(|folder| word.starts_with(folder));
    let named: BTreeSet<String> = table.split('`').filter(is_transcript).map(|name| format!("{name}.txt")).collect();
    let there: BTreeSet<String> = FOLDERS
        .iter()
        .flat_map(|folder| listing(&Path::new(ROOT).join(folder)).into_iter().map(move |name| format!("{folder}/{name}")))
        .collect();
    assert_eq!(named.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "named in COVERAGE.md and not there");
    assert_eq!(there.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "there and not named in COVERAGE.md");
    let empty =
        table.lines().filter(|line| line.starts_with('|') && line.split('|').rev().nth(1).is_none_or(|cell| cell.trim().is_empty()));
    assert_eq!(empty.collect::<Vec<_>>(), Vec::<&str>::new(), "sentences that nothing shows");
}

/// A peer that does not speak TLS, or does not finish its handshake, is dropped like one that does not log in in time, and
/// gets no word of TMTP.
#[test]
fn links_without_tls_are_dropped() {
    let mut site = Process::start(&json!({"limits": {"login_timeout_s": 1}})).expect("a relay");
    let part_of_a_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for said in [&b""[..], b"GET / HTTP/1.0\r\n\r\n", b"0011{\"op\":0,\"id\":\"1\"}", b"\x16", part_of_a_hello] {
        let mut socket = TcpStream::connect(site.address()).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(15))).expect("a timeout");
        socket.write_all(said).expect("room to write");
        let mut answer = Vec::new();
        match socket.read_to_end(&mut answer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{} kept the link open", said.escape_ascii())
            }
            // A reset is as good an end as a close.
            _ => assert!(!answer.contains(&b'{'), "{} was answered {}", said.escape_ascii(), answer.escape_ascii()),
        }
    }
    greeted(&mut site);
}

/// An unknown uid and a wrong node take like time to refuse: the quickest of many refusals differ by less than any slow hash
/// or search would cost.
#[test]
fn logins_fail_in_like_time() {
    let mut site = Process::start(&json!({})).expect("a relay");
    let mut member = greeted(&mut site);
    let registered = &ask(&mut *member, r#"{"op":1,"newnode":"phone"}"#, "info")[0];
    let (unknown, wrong) = ("%".repeat(32), "%".repeat(40));
    let node = registered.str("nodeid").to_string();
    member.close();
    let mut quickest = |uid: &str, node: &str| {
        let head = format!(r#"{{"op":2,"uid":"{uid}","node":"{node}"}}"#);
        let one = |_| {
            let mut link = greeted(&mut site);
            let begin = Instant::now();
            let answer = ask(&mut *link, &head, "quit");
            assert_eq!(answer[0].str("error"), "login failed");
            begin.elapsed()
        };
        (0..40).map(one).min().expect("forty")
    };
    let (unknown, wrong) = (quickest(&unknown, &node), quickest(registered.str("uid"), &wrong));
    assert!(unknown.abs_diff(wrong) < Duration::from_micros(1500), "unknown uid: {unknown:?}, wrong node: {wrong:?}");
}

/// Clients resend after seconds, so an ack must not wait for company: in the core's own time none passes before it.
#[test]
fn acks_wait_for_nothing() {
    let mut site = Core::start(&json!({})).expect("a relay");
    let mut member = greeted(&mut site);
    ask(&mut *member, r#"{"op":1,"newnode":"phone"}"#, "info");
    for _ in 0..50 {
        let begin = site.now();
        ask(&mut *member, r#"{"op":7,"id":"p","for":[],"datalen":1}"#, "ack");
        assert_eq!(site.now(), begin);
    }
}

/// A link that has been greeted.
fn greeted(site: &mut dyn Site) -> Box<dyn Link> {
    let mut link = site.connect(None).expect("a link");
    ask(&mut *link, r#"{"op":0,"id":"1"}"#, "tmtprev");
    link
}

/// Sends a request (a Post with one octet) and takes all frames that come, up to one of the op that is waited for.
fn ask(link: &mut dyn Link, head: &str, last: &str) -> Vec<Frame> {
    let data = if head.contains("datalen") { "x" } else { "" };
    link.send(format!("{:04x}{head}{data}", head.len()).as_bytes());
    let mut intake = Intake::default();
    let mut frames: Vec<Frame> = Vec::new();
    while frames.last().is_none_or(|frame| frame.str("op") != last) {
        match link.receive(Duration::from_secs(15)) {
            Received::Record(record) => intake.record(&record),
            end => panic!("no {last} to {head}: {end:?}"),
        }
        while let Some(frame) = intake.frame().expect("a canonical frame") {
            frames.push(frame);
        }
    }
    frames
}

fn listing(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// One transcript played in one way.
struct Job<'a> {
    name: &'a str,
    transcript: &'a Transcript,
    way: Way,
    where_: Where,
}

/// What a transcript is played against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// The program, over TLS.
    Process,
    /// The relay's core, over pipes and in its own time.
    Core,
}

/// Plays a folder's transcripts, each with a relay of its own.
fn folder(folder: &str) {
    let wanted = std::env::var("TRANSCRIPT").unwrap_or_default();
    let mut failures = Vec::new();
    let mut transcripts = Vec::new();
    for name in listing(&Path::new(ROOT).join(folder)) {
        let name = format!("{folder}/{name}");
        let text = fs::read_to_string(format!("{ROOT}/{name}")).expect("a transcript");
        match Transcript::parse(&text) {
            Ok(transcript) if name.contains(&wanted) => transcripts.push((name, transcript)),
            Ok(_) => {}
            Err(mistake) => failures.push(format!("{name}: {mistake}")),
        }
    }
    let jobs: Vec<Job> = transcripts
        .iter()
        .flat_map(|(name, transcript)| ways(transcript).into_iter().map(move |way| (name, transcript, way)))
        .flat_map(|(name, transcript, way)| wheres(transcript).iter().map(move |where_| Job { name, transcript, way, where_: *where_ }))
        .collect();
    let next = AtomicUsize::new(0);
    // One report for what fails alike in several ways.
    let failed = Mutex::new(BTreeMap::<String, (Vec<String>, String)>::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(report) = job.play() {
                        let mut failed = failed.lock().expect("no panic");
                        let line = report.trouble.split(": ").next().unwrap_or_default();
                        let alike = failed.entry(format!("{}, {line}", job.name)).or_default();
                        alike.0.push(format!("{:?} {:?} {:?}", job.where_, job.way.dialect, job.way.pieces));
                        alike.1 = format!("  {}\n  {}\n  before that:\n    {}", job.transcript.rule, report.trouble, report.before);
                    }
                }
            });
        }
    });
    failures.extend(
        failed.into_inner().expect("no panic").into_iter().map(|(at, (ways, report))| format!("{at} ({})\n{report}", ways.join(", "))),
    );
    assert!(failures.is_empty(), "{} failures in {} plays\n\n{}\n", failures.len(), jobs.len(), failures.join("\n\n"));
}

/// Against what a transcript is played.
fn wheres(transcript: &Transcript) -> &'static [Where] {
    if transcript.core { &[Where::Core] } else { &[Where::Process, Where::Core] }
}

/// Every transcript in each dialect it is for, and with its octets cut in different ways.
fn ways(transcript: &Transcript) -> Vec<Way> {
    let ways = transcript.dialects.iter().map(|dialect| match dialect {
        Dialect::Auto => Way { dialect: *dialect, pieces: Pieces::Frames },
        Dialect::Draft2020 => Way { dialect: *dialect, pieces: Pieces::Octets },
        Dialect::Draft2018 => Way { dialect: *dialect, pieces: Pieces::Joined },
    });
    let mut ways: Vec<Way> = ways.collect();
    if let [way] = ways[..]
        && !transcript.once
    {
        ways = [Pieces::Frames, Pieces::Octets, Pieces::Joined].map(|pieces| Way { pieces, ..way }).into();
    }
    ways.truncate(if transcript.once { 1 } else { ways.len() });
    ways
}

impl Job<'_> {
    fn play(&self) -> Result<(), Failure> {
        let mut settings = json!({"dialect": self.way.dialect.name()});
        for (key, value) in self.transcript.config.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        let start = |trouble| Failure { trouble, before: String::new() };
        let mut site: Box<dyn Site> = match self.where_ {
            Where::Process => Box::new(Process::start(&settings).map_err(start)?),
            Where::Core => Box::new(Core::start(&settings).map_err(start)?),
        };
        let played = play(self.transcript, &mut *site, self.way);
        if self.transcript.differs.is_some() {
            return match played {
                Err(_) => Ok(()),
                Ok(()) => Err(start("line 1: it holds: take its line `differs` away".into())),
            };
        }
        played.map_err(|failure| {
            let log = site.log();
            let tail = log.lines().rev().take(5).fold(String::new(), |tail, line| format!("\n    {line}{tail}"));
            Failure { before: format!("{}\n  log:{tail}", failure.before), ..failure }
        })
    }
}
