//! The contract as data: each file below `tests/transcripts` says one rule as a conversation, and is played against the
//! real program over TLS. `tests/transcripts/README.md` tells how to read and write them, `COVERAGE.md` which sentence of
//! the protocol is shown where.
//!
//! `TRANSCRIPT=part-of-a-name cargo test --test transcripts` plays only those.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::process::Process;
use common::run::{Failure, Pieces, Way, play};
use common::site::Site;
use common::transcript::{Dialect, Transcript};
use serde_json::json;

/// What the relay does not speak yet: transcripts with such a `needs` line are skipped, and counted aloud.
const NOT_SPOKEN_YET: &[&str] = &[];

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
}

#[test]
fn every_folder_is_played() {
    let there: BTreeSet<String> = listing(Path::new(ROOT)).into_iter().filter(|name| !name.contains('.')).collect();
    assert_eq!(there, FOLDERS.iter().map(|name| name.to_string()).collect());
}

/// The table of the contract's sentences names every transcript, and nothing that is not there.
#[test]
fn coverage_is_complete() {
    let table = fs::read_to_string(format!("{ROOT}/COVERAGE.md")).expect("COVERAGE.md");
    let named: BTreeSet<String> = table.split('`').filter(|word| word.ends_with(".txt")).map(String::from).collect();
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
    let all = transcripts.len();
    transcripts.retain(|(_, transcript)| !transcript.needs.iter().any(|need| NOT_SPOKEN_YET.contains(&need.as_str())));
    if transcripts.len() < all {
        say(&format!("{folder}: {} of {all} transcripts skipped, they need what is not spoken yet", all - transcripts.len()));
    }
    let jobs: Vec<Job> = transcripts
        .iter()
        .flat_map(|(name, transcript)| ways(transcript).into_iter().map(move |way| Job { name, transcript, way }))
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
                        alike.0.push(format!("{:?} {:?}", job.way.dialect, job.way.pieces));
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
        let mut site = Process::start(&settings).map_err(|trouble| Failure { trouble, before: String::new() })?;
        play(self.transcript, &mut site, self.way).map_err(|failure| {
            let log = site.log();
            let tail = log.lines().rev().take(5).fold(String::new(), |tail, line| format!("\n    {line}{tail}"));
            Failure { before: format!("{}\n  log:{tail}", failure.before), ..failure }
        })
    }
}

/// Past the test harness, which shows what passes only when asked.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
