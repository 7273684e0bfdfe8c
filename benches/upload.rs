//! What members notice of a message of 1 GiB on its way in: `cargo bench --bench upload [-- DIR]`.
//!
//! The relay itself, with its data in DIR (default: a temporary directory). Two members post small messages to each other, each
//! with one on its way, alone and beside an upload at full speed; so several times in turn, since a machine's
//! mood changes. Tells the medians, and the relay's memory before and after. Compare only within one run.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "../tests/live/mod.rs"]
mod live;
#[path = "../tests/common/process.rs"]
#[allow(dead_code, reason = "only its links are used")]
mod process;
#[path = "../tests/common/site.rs"]
#[allow(dead_code, reason = "as above")]
mod site;

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use live::Relay;
use process::TlsLink;
use simclient::{Latency, Options};
use site::{Link, Received};

const MESSAGE: usize = 1 << 30;
const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let data = named.map_or_else(|| directory.path().to_owned(), Into::into).join("mnm-bench-upload");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data).expect("a data directory");
    let relay = Relay::start(&data, "127.0.0.1:0");
    println!("on the disk of {}, p50 and p99 from post to ack in µs", data.display());

    // Every segment is new to the disk, as on a relay that has not yet held so much.
    let mut uploader = Uploader::new(&relay.address);
    let took = thread::scope(|scope| scope.spawn(|| uploader.upload(|| ())).join().expect("the upload ends"));
    println!("1 GiB with nobody else there: {:.1} s, {:.0} MiB/s", took.as_secs_f64(), 1024.0 / took.as_secs_f64());
    let time = took.mul_f64(0.5);

    let mut rounds = Vec::new();
    let before = memory(&relay);
    for round in 1..=ROUNDS {
        settle(&data);
        let alone = members(&relay.address, time);
        let (beside, members_end, end) = thread::scope(|scope| {
            let (begun, begin) = mpsc::channel();
            let upload = scope.spawn(|| {
                uploader.upload(move || begun.send(()).expect("members wait for it"));
                Instant::now()
            });
            begin.recv().expect("the upload begins");
            let beside = members(&relay.address, time);
            (beside, Instant::now(), upload.join().expect("the upload ends"))
        });
        let short = if members_end > end { " (the upload ended first)" } else { "" };
        println!("round {round}: alone {:>6} {:>6}, beside {:>6} {:>6}{short}", alone.p50, alone.p99, beside.p50, beside.p99);
        rounds.push((alone, beside));
    }
    report(&mut rounds);
    println!("memory before: {before}; after: {}", memory(&relay));
    relay.kill();
    let _ = std::fs::remove_dir_all(Path::new(&data));
}

/// Waits until the log has thrown away what the last upload left.
fn settle(data: &Path) {
    let segments = || std::fs::read_dir(data).map_or(0, Iterator::count);
    let end = Instant::now() + PATIENCE;
    while segments() > 10 && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
}

fn report(rounds: &mut [(Latency, Latency)]) {
    let mut median = |of: &dyn Fn(&(Latency, Latency)) -> f64| {
        rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&rounds[rounds.len() / 2])
    };
    println!("alone, medians:    p50 {:>6.0}, p99 {:>6.0}", median(&|r| r.0.p50 as f64), median(&|r| r.0.p99 as f64));
    println!("beside, medians:   p50 {:>6.0}, p99 {:>6.0}", median(&|r| r.1.p50 as f64), median(&|r| r.1.p99 as f64));
    println!("p99 beside / p99 alone, median: {:.2}", median(&|r| r.1.p99 as f64 / r.0.p99 as f64));
}

/// Two members, for so long.
fn members(address: &str, time: Duration) -> Latency {
    let time = format!("--time={}", time.as_secs_f64());
    let options = ["simclient", "--addr", address, "--members", "2", "--size", "100", "--window", "1", "--quiet", &time];
    let summary = simclient::run(&Options::read(options)).expect("members can post");
    assert_eq!(summary.counts.faults(), 0, "{:?}", summary.counts);
    summary.post_to_ack_us
}

/// One who posts large messages, to somebody who is away and on return acks them unread: so they leave the log again.
struct Uploader {
    address: String,
    link: TlsLink,
    receiver: Account,
    /// Data of one write.
    part: Vec<u8>,
}

struct Account {
    uid: String,
    node: String,
}

impl Uploader {
    fn new(address: &str) -> Uploader {
        let (mut away, receiver) = register(address);
        send(&mut away, r#"{"op":12}"#);
        let (link, _) = register(address);
        Uploader { address: address.to_owned(), link, receiver, part: vec![b'x'; 1 << 20] }
    }

    /// Uploads a message in a thread of its own, and says when it is under way; how long it took until it was acked.
    fn upload(&mut self, under_way: impl FnOnce()) -> Duration {
        const HEAD_START: usize = 32;
        // In life who uploads computes elsewhere: here it must not take the processor from members, only the relay's time.
        let _ = rustix::process::nice(19);
        let begin = Instant::now();
        let to = &self.receiver.uid;
        send(&mut self.link, &format!(r#"{{"datalen":{MESSAGE},"for":[{{"id":"{to}","type":1}}],"id":"u","op":7}}"#));
        (0..HEAD_START).for_each(|_| self.link.send(&self.part));
        under_way();
        (HEAD_START..MESSAGE / self.part.len()).for_each(|_| self.link.send(&self.part));
        let ack = expect(&mut self.link, "ack");
        let took = begin.elapsed();
        let id = field(&ack, "msgid").to_owned();
        let mut receiver = connect(&self.address);
        send(&mut receiver, &format!(r#"{{"node":"{}","op":2,"uid":"{to}"}}"#, self.receiver.node));
        expect(&mut receiver, "delivery");
        send(&mut receiver, &format!(r#"{{"id":"{id}","op":10,"type":"ok"}}"#));
        send(&mut receiver, r#"{"op":12}"#);
        while let Received::Record(_) = receiver.receive(PATIENCE) {}
        took
    }
}

fn connect(address: &str) -> TlsLink {
    let mut link = TlsLink::connect(address.parse().expect("an address")).expect("a link");
    send(&mut link, r#"{"id":"1","op":0}"#);
    link
}

fn register(address: &str) -> (TlsLink, Account) {
    let mut link = connect(address);
    send(&mut link, r#"{"newnode":"phone","op":1}"#);
    let registered = expect(&mut link, "registered");
    let account = Account { uid: field(&registered, "uid").to_owned(), node: field(&registered, "nodeid").to_owned() };
    (link, account)
}

fn send(link: &mut TlsLink, header: &str) {
    link.send(format!("{:04x}{header}", header.len()).as_bytes());
}

/// The next record with this op.
fn expect(link: &mut TlsLink, op: &str) -> String {
    loop {
        let Received::Record(record) = link.receive(PATIENCE) else { panic!("no {op} comes") };
        let text = String::from_utf8_lossy(&record);
        if text.contains(&format!(r#""op":"{op}""#)) {
            return text.into_owned();
        }
    }
}

fn field<'a>(header: &'a str, key: &str) -> &'a str {
    let (_, value) = header.split_once(&format!(r#""{key}":""#)).unwrap_or_else(|| panic!("no {key} in {header}"));
    value.split('"').next().expect("what is split has a first part")
}

/// The relay's own memory now, and the most that it ever had, with what is mapped from files.
fn memory(relay: &Relay) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", relay.pid())).unwrap_or_default();
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
    format!("own {}, peak with maps {}", line("RssAnon:"), line("VmHWM:"))
}
