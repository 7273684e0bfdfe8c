//! A real relay under load: the program itself on data that a test can spoil, and the load tester, which verifies every
//! message and comes back after every end.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub(crate) mod disk;
pub(crate) mod namespace;
pub(crate) mod proxy;
pub(crate) mod tamper;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use simclient::{Failure, Options, Summary};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same for what is left to do when nothing disturbs the relay any more.
const DRAIN_MAX: Duration = Duration::from_secs(120);

/// A relay that does not outlive its test.
pub(crate) struct Relay {
    child: Child,
    pub(crate) address: String,
    /// Gets what it wrote to stderr after it was ready, when it ends.
    last_words: Receiver<String>,
}

impl Relay {
    /// Starts it, and waits until it is ready.
    pub(crate) fn start(data: &Path, listen: &str) -> Relay {
        Relay::start_by(Command::new(env!("CARGO_BIN_EXE_mnm")), data, listen)
    }

    /// The same by a command that takes the relay's arguments.
    pub(crate) fn start_by(mut command: Command, data: &Path, listen: &str) -> Relay {
        let mut child = command
            .args(["--listen", listen])
            .arg("--data")
            .arg(data)
            .current_dir(data)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the relay starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let mut address = None;
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let came = log.read_line(&mut line).expect("its log is text") > 0;
            if let Some((_, rest)) = line.split_once("take the address =") {
                address = Some(rest.trim().trim_end_matches('"').to_owned());
            }
            said += &line;
            if !came || line.contains("ready") {
                break;
            }
        }
        let Some(address) = address.filter(|_| said.contains("ready")) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the relay does not start: {said}");
        };
        // Read on all the time: what the relay still logs must not fill the pipe.
        let (tell, last_words) = mpsc::channel();
        thread::spawn(move || {
            let mut said = Vec::new();
            let _ = log.read_to_end(&mut said);
            // Nobody may be there to be told: then the test does not ask.
            let _ = tell.send(String::from_utf8_lossy(&said).into_owned());
        });
        Relay { child, address, last_words }
    }

    /// Its number with the system.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a relay that runs can be killed");
        self.child.wait().expect("a killed relay ends");
    }

    /// Ends it as an operator does; its last words.
    pub(crate) fn stop(self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a relay that runs can be told");
        let (status, said) = self.end();
        assert!(status.success(), "{status}: {said}");
        said
    }

    /// Waits until it has ended by itself; how, and its last words.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let said = self.last_words.recv_timeout(PATIENCE).expect("the relay ends by itself");
        (self.child.wait().expect("it has ended"), said)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Members in a thread of their own who post to each other until they are done, whatever happens to the relay.
pub(crate) struct Load {
    done: Receiver<Result<Summary, Failure>>,
    result: Option<Result<Summary, Failure>>,
}

impl Load {
    /// Twenty members; `more` are further options of the load tester.
    pub(crate) fn start(address: &str, more: &[&str]) -> Load {
        Load::start_after(address, more, || {})
    }

    /// The same, by a thread that does something else first.
    pub(crate) fn start_after(address: &str, more: &[&str], first: impl FnOnce() + Send + 'static) -> Load {
        let load = ["simclient", "--addr", address, "--members", "20", "--reconnect", "--quiet"];
        let options = Options::read(load.into_iter().chain(more.iter().copied()));
        let (tell, done) = mpsc::channel();
        // Nobody may be there to be told: then the test has failed already.
        thread::spawn(move || {
            first();
            let _ = tell.send(simclient::run(&options));
        });
        Load { done, result: None }
    }

    /// Lets the members post for so long; whether they are done.
    pub(crate) fn is_done_within(&mut self, time: Duration) -> bool {
        if self.result.is_none() {
            self.result = self.done.recv_timeout(time).ok();
        }
        self.result.is_some()
    }

    /// Waits for the end and judges it: every message arrived, each in its order, although links were lost.
    pub(crate) fn finish(mut self) {
        assert!(self.is_done_within(DRAIN_MAX), "the load ends");
        let summary = self.result.take().expect("it is done").expect("the load could be made");
        assert_eq!(summary.counts.faults(), 0, "{:?} {:?}", summary.counts, summary.notes);
        assert_eq!(summary.counts.delivered, summary.counts.sent, "every message arrives: {:?}", summary.counts);
        assert!(summary.counts.reconnects > 0, "the relay ended while members were there: {:?}", summary.counts);
    }
}
