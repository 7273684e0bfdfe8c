//! The site without kernel and TLS: the real turn and the real log, over pipes in memory and a clock that the test moves.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;
use std::{fs, mem};

use mnm::base::{Entropy, Mono, OsEntropy, Wall};
use mnm::config::Config;
use mnm::net::{Layer, Socket};
use mnm::relay::{Now, Relay};
use mnm::server::control::{Reply, Request};
use mnm::server::{Clock, Server, recover, settings};
use mnm::store::{Directory, Options, StoreError};
use mnm::wire::RequestLimits;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{merge, walk};
use super::site::{Link, Received, Site, Stop};

/// What a pipe holds before its writer has to wait.
const PIPE: usize = 256 << 10;
/// Turns without anything new that mean a spinning server.
const TURNS_MAX: usize = 100_000;

/// Octets on their way between a client and the relay.
#[derive(Default)]
struct Pipe {
    slot: Cell<Option<usize>>,
    up: RefCell<VecDeque<u8>>,
    down: RefCell<VecDeque<u8>>,
    /// The client closed its end; with a reset, what it said before is gone.
    client_gone: Cell<Option<io::ErrorKind>>,
    relay_gone: Cell<bool>,
    /// The relay found the pipe full and waits to hear that it is not.
    full: Cell<bool>,
}

/// The relay's end.
struct End(Rc<Pipe>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.relay_gone.set(true);
    }
}

impl Socket for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut up = self.0.up.borrow_mut();
        if up.is_empty() {
            return match self.0.client_gone.get() {
                None => Err(io::ErrorKind::WouldBlock.into()),
                Some(io::ErrorKind::UnexpectedEof) => Ok(0),
                Some(kind) => Err(kind.into()),
            };
        }
        let count = up.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(up.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.0.client_gone.get().is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut down = self.0.down.borrow_mut();
        let count = octets.len().min(PIPE - down.len());
        if count == 0 {
            self.0.full.set(true);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        down.extend(&octets[..count]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.relay_gone.set(true);
        Ok(())
    }
}

struct World {
    directory: TempDir,
    config: Config,
    server: Option<Server<End, Directory>>,
    mono: Duration,
    /// The date at which the world began, the real one as a rule; from then on it has its own time.
    began: Wall,
    /// What each relay that starts here draws its secrets from.
    entropy: Box<dyn Fn() -> Box<dyn Entropy>>,
}

impl World {
    fn now(&self) -> Now {
        let nanos = u64::try_from(self.mono.as_nanos()).expect("tests are short");
        Now { mono: Mono(nanos), wall: Wall(self.began.0 + nanos) }
    }

    fn server(&mut self) -> &mut Server<End, Directory> {
        self.server.as_mut().expect("a relay runs")
    }

    fn start(&mut self) -> Result<(), String> {
        let options = Options { segment_bytes: self.config.limits.segment_bytes };
        let disk = open(&self.config.data)?;
        let facts = recover(disk, options, Box::new(OsEntropy)).map_err(|error| error.to_string())?;
        let settings = settings(&self.config);
        let dialect = settings.dialect;
        let relay = Relay::new(settings, facts.ledger, (self.entropy)());
        let limits = RequestLimits { recipients_max: self.config.limits.recipients_max };
        self.server = Some(Server::new(relay, facts.store, options, limits, dialect));
        Ok(())
    }

    /// Turns until nothing is left to do at this moment.
    fn settle(&mut self) {
        let now = self.now();
        for _ in 0..TURNS_MAX {
            self.server().turn(now).expect("the log works");
            if !self.server().has_work() {
                self.server().relay().check_invariants();
                return;
            }
        }
        panic!("the server never comes to rest");
    }

    /// Moves the clock by `time` at most, to the next moment at which something is due.
    fn step(&mut self, time: Duration) -> Duration {
        let now = self.now().mono;
        let due = self.server().next_deadline().map_or(time, |at| at.since(now).max(Duration::from_micros(1)));
        let step = due.min(time);
        self.mono += step;
        self.settle();
        step
    }
}

/// Takes the data directory. A neighbour test that starts a process at this moment has, until that process runs its own
/// program, a copy of the lock that was just given up: so this tries for a while.
fn open(data: &Path) -> Result<Directory, String> {
    const TRIES: usize = 5000;
    for _ in 1..TRIES {
        match Directory::open(data) {
            Err(StoreError::Locked { .. }) => std::thread::park_timeout(Duration::from_millis(1)),
            result => return result.map_err(|error| error.to_string()),
        }
    }
    Directory::open(data).map_err(|error| error.to_string())
}

/// A relay in this thread.
pub(crate) struct Core(Rc<RefCell<World>>);

impl Core {
    /// Starts a relay as [`Process::start`](super::process::Process::start) does, in this thread.
    pub(crate) fn start(settings: &Value) -> Result<Core, String> {
        Core::start_at(settings, Clock::start().now().wall, Box::new(|| Box::new(OsEntropy)))
    }

    /// The same at another date, and with other secrets.
    pub(crate) fn start_at(settings: &Value, date: Wall, entropy: Box<dyn Fn() -> Box<dyn Entropy>>) -> Result<Core, String> {
        listen_to_log();
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let mut config = json!({ "name": "test site", "data": directory.path().join("data") });
        merge(&mut config, settings);
        let config = Config::parse(&config.to_string(), &directory.path().join("mnm.conf")).map_err(|error| error.to_string())?;
        let mono = Duration::from_secs(1);
        let began = Wall(date.0 - mono.as_nanos() as u64);
        let mut world = World { directory, config, server: None, mono, began, entropy };
        world.start()?;
        Ok(Core(Rc::new(RefCell::new(world))))
    }
}

impl Site for Core {
    fn connect(&mut self, from: Option<IpAddr>) -> Result<Box<dyn Link>, String> {
        let mut world = self.0.borrow_mut();
        let pipe = Rc::new(Pipe::default());
        let now = world.now();
        let slot = world.server().open(End(pipe.clone()), Layer::Plain, from.or(Some(Ipv4Addr::LOCALHOST.into())), now);
        pipe.slot.set(Some(slot));
        Ok(Box::new(CoreLink { world: self.0.clone(), pipe, buffer: Vec::new() }))
    }

    /// The words are those of the control socket; there is no socket here.
    fn operator(&mut self, line: &str) -> Result<String, String> {
        const TICKET: u64 = 7;
        let mut world = self.0.borrow_mut();
        let now = world.now();
        let command = Request::read(line.as_bytes())?.command(now.wall)?;
        world.server().command(TICKET, command.clone(), now).map_err(|error| error.to_string())?;
        world.settle();
        match world.server().take_answers().pop() {
            Some((TICKET, answer)) => Ok(Reply::new(&command, answer).line()),
            other => Err(format!("no answer to {line}: {other:?}")),
        }
    }

    fn restart(&mut self, stop: Stop) -> Result<(), String> {
        let mut world = self.0.borrow_mut();
        let now = world.now();
        let server = world.server.take().expect("a relay runs");
        match stop {
            Stop::Kill => drop(server),
            Stop::Clean => server.stop(now).map_err(|error| error.to_string())?,
        }
        world.start()
    }

    fn now(&self) -> Duration {
        self.0.borrow().mono
    }

    fn date(&self) -> i64 {
        i64::try_from(self.0.borrow().now().wall.millis()).expect("some centuries fit")
    }

    /// Time stands still here but where it is waited for.
    fn date_slack(&self) -> i64 {
        1500
    }

    fn put_clock(&mut self, seconds: f64) -> Result<(), String> {
        let mut world = self.0.borrow_mut();
        let by = Duration::from_secs_f64(seconds.abs()).as_nanos() as u64;
        world.began = Wall(if seconds < 0.0 { world.began.0 - by } else { world.began.0 + by });
        Ok(())
    }

    fn pass(&mut self, time: Duration) {
        let mut world = self.0.borrow_mut();
        let mut left = time;
        while !left.is_zero() {
            left -= world.step(left);
        }
    }

    fn data(&self) -> Vec<(String, Vec<u8>)> {
        let world = self.0.borrow();
        let mut found = Vec::new();
        walk(&world.config.data, &mut |path: &Path| {
            let name = path.strip_prefix(&world.config.data).expect("below it").to_string_lossy().into_owned();
            found.push((name, fs::read(path).unwrap_or_default()));
        });
        found
    }

    fn data_size(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let mut blocks = 0;
        walk(&self.0.borrow().config.data, &mut |path: &Path| blocks += fs::metadata(path).map_or(0, |meta| meta.blocks()));
        blocks * 512
    }

    fn log_says(&mut self, words: &str, within: Duration) -> bool {
        if !LINES.with_borrow(|lines| lines.iter().any(|line| line.contains(words))) {
            self.pass(within);
        }
        LINES.with_borrow(|lines| lines.iter().any(|line| line.contains(words)))
    }

    fn log(&self) -> String {
        LINES.with_borrow(|lines| lines.join("\n"))
    }
}

struct CoreLink {
    world: Rc<RefCell<World>>,
    pipe: Rc<Pipe>,
    /// What came and was not taken.
    buffer: Vec<u8>,
}

impl CoreLink {
    /// Tells the relay that something can be read, or written, and lets it work.
    fn wake(&self, readable: bool, writable: bool) {
        let mut world = self.world.borrow_mut();
        if world.server.is_some() && !self.pipe.relay_gone.get() {
            let slot = self.pipe.slot.get().expect("a link has a slot");
            if self.pipe.client_gone.get().is_some() {
                world.server().ending(slot);
            }
            world.server().ready(slot, readable, writable);
            world.settle();
        }
    }

    fn take_in(&mut self) {
        loop {
            self.buffer.extend(self.pipe.down.borrow_mut().drain(..));
            if !self.pipe.full.replace(false) {
                return;
            }
            self.wake(false, true);
        }
    }

    /// The first frame of what came; after the end of the link, whatever is left.
    fn frame(&mut self) -> Option<Vec<u8>> {
        let header = || {
            let size = usize::from_str_radix(std::str::from_utf8(self.buffer.get(..4)?).ok()?, 16).ok()?;
            let header: Value = serde_json::from_slice(self.buffer.get(4..4 + size)?).ok()?;
            let data = header.get("datalen").and_then(Value::as_u64).unwrap_or(0);
            Some(4 + size + usize::try_from(data).ok()?)
        };
        match header() {
            Some(size) if self.buffer.len() >= size => Some(self.buffer.drain(..size).collect()),
            _ if self.pipe.relay_gone.get() && !self.buffer.is_empty() => Some(mem::take(&mut self.buffer)),
            _ => None,
        }
    }
}

impl Link for CoreLink {
    fn send(&mut self, bytes: &[u8]) {
        // In parts, as a socket would take them: a relay that does not read makes its peer wait, and this one cannot.
        for part in bytes.chunks(PIPE) {
            if !self.pipe.relay_gone.get() {
                self.pipe.up.borrow_mut().extend(part);
                self.wake(true, false);
            }
        }
    }

    fn receive(&mut self, within: Duration) -> Received {
        let mut left = within;
        loop {
            self.take_in();
            if let Some(frame) = self.frame() {
                return Received::Record(frame);
            }
            if self.pipe.relay_gone.get() {
                return Received::Closed;
            }
            if left.is_zero() {
                return Received::Nothing;
            }
            left -= self.world.borrow_mut().step(left);
        }
    }

    fn close(self: Box<Self>) {
        self.pipe.client_gone.set(Some(io::ErrorKind::UnexpectedEof));
        self.wake(true, true);
    }

    fn vanish(self: Box<Self>) {
        self.close();
    }

    fn cut(self: Box<Self>) {
        self.pipe.up.borrow_mut().clear();
        self.pipe.client_gone.set(Some(io::ErrorKind::ConnectionReset));
        self.wake(true, true);
    }
}

thread_local! {
    /// A relay logs in the thread that turns it.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

fn listen_to_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Ear).expect("nobody else listens");
        log::set_max_level(log::LevelFilter::Debug);
    });
    LINES.with_borrow_mut(Vec::clear);
}
