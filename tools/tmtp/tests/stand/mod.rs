//! A relay process, and the `tmtp` program as a shell would start it. Everything that is waited for is waited for with a bound.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub(crate) mod proxy;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, SystemTime};

/// How long anything may take that must happen; generous, since the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The relay's program, beside the one under test, as new as its sources.
fn relay_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let tmtp = Path::new(env!("CARGO_BIN_EXE_tmtp"));
        let mnm = tmtp.with_file_name("mnm");
        let sources = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src"));
        if fs::metadata(&mnm).and_then(|found| found.modified()).is_ok_and(|built| built >= sources) {
            return mnm;
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "mnm", "--bin", "mnm"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if tmtp.parent().is_some_and(|dir| dir.ends_with("release")) {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "the relay is built");
        // What cargo found to be up to date is so, whatever its time says.
        assert!(mnm.is_file(), "{} is there", mnm.display());
        mnm
    })
}

fn newest(dir: &Path) -> SystemTime {
    let entries = fs::read_dir(dir).expect("the relay's sources").map(|entry| entry.expect("a source").path());
    entries.map(|path| if path.is_dir() { newest(&path) } else { fs::metadata(&path).unwrap().modified().unwrap() }).max().expect("a file")
}

/// A relay that does not outlive its test.
pub(crate) struct Relay {
    child: Child,
    pub(crate) address: String,
    data: PathBuf,
}

impl Relay {
    pub(crate) fn start(data: &Path) -> Relay {
        Relay::start_at(data, "127.0.0.1:0", None)
    }

    /// With this configuration.
    pub(crate) fn configured(data: &Path, config: &str) -> Relay {
        let path = data.join("test.conf");
        fs::write(&path, config).unwrap();
        Relay::start_at(data, "127.0.0.1:0", Some(&path))
    }

    fn start_at(data: &Path, listen: &str, config: Option<&Path>) -> Relay {
        let mut command = Command::new(relay_program());
        command.args(["--listen", listen]).arg("--data").arg(data).current_dir(data).stdin(Stdio::null()).stderr(Stdio::piped());
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        let mut child = command.spawn().expect("the relay starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let (mut said, mut line) = (String::new(), String::new());
        while !line.contains("ready") {
            line.clear();
            if log.read_line(&mut line).expect("its log is text") == 0 {
                let _ = child.wait();
                panic!("the relay does not start: {said}");
            }
            said += &line;
        }
        let address = said
            .split_once("take the address =")
            .and_then(|(_, rest)| rest.lines().next())
            .expect("an address")
            .trim_end_matches('"')
            .to_owned();
        // Read on all the time: what the relay still logs must not fill the pipe.
        thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Relay { child, address, data: data.to_owned() }
    }

    /// Ends it as `kill -9` does; what it was, to be started again.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().expect("a relay that runs can be killed");
        self.child.wait().expect("a killed relay ends");
        Ended { address: self.address.clone(), data: self.data.clone() }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A relay that was killed.
pub(crate) struct Ended {
    address: String,
    data: PathBuf,
}

impl Ended {
    /// Starts it again where it was.
    pub(crate) fn restart(&self) -> Relay {
        Relay::start_at(&self.data, &self.address, None)
    }
}

/// A relay, and a home for profiles.
pub(crate) struct Stand {
    pub(crate) dir: tempfile::TempDir,
    relay: Option<Relay>,
}

impl Stand {
    pub(crate) fn new() -> Stand {
        Stand::with(Relay::start)
    }

    pub(crate) fn with(start: impl FnOnce(&Path) -> Relay) -> Stand {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("relay");
        fs::create_dir(&data).unwrap();
        let relay = Some(start(&data));
        Stand { dir, relay }
    }

    /// The members alice, bob and so on, whose aliases are `alice at home` and the like, and who know each other by their names.
    pub(crate) fn members<const N: usize>(names: [&'static str; N]) -> (Stand, [Member; N]) {
        let stand = Stand::new();
        let members = names.map(|name| stand.member(name));
        for one in &members {
            for other in members.iter().filter(|other| other.name != one.name) {
                one.run(&["who", "add", other.name, &other.uid]).ok();
            }
        }
        (stand, members)
    }

    pub(crate) fn member(&self, name: &'static str) -> Member {
        let mut member = Member { name, home: self.home(), cwd: self.dir.path().to_owned(), uid: String::new() };
        member.run(&["register", &self.relay().address, "--alias", &format!("{name} at home"), "--label", "laptop"]).ok();
        member.uid = member.profile()["uid"].as_str().unwrap().to_owned();
        member
    }

    /// One who has no account yet.
    pub(crate) fn stranger(&self, name: &'static str) -> Member {
        Member { name, home: self.home(), cwd: self.dir.path().to_owned(), uid: String::new() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("the relay runs")
    }

    pub(crate) fn kill_relay(&mut self) -> Ended {
        self.relay.take().expect("the relay runs").kill()
    }

    pub(crate) fn restart_relay(&mut self, ended: &Ended) {
        self.relay = Some(ended.restart());
    }
}

/// A profile, which is a member's device.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) home: PathBuf,
    pub(crate) cwd: PathBuf,
    pub(crate) uid: String,
}

impl Member {
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tmtp"));
        command.args(args).current_dir(&self.cwd).env("TMTP_HOME", &self.home).env("TMTP_PROFILE", self.name);
        command.env_remove("TMTP_NODE").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        finish(self.command(args).spawn().expect("tmtp starts"), args)
    }

    /// The same with something on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Said {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("tmtp starts");
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
        // A command that reads none of it closes the pipe.
        thread::spawn(move || stdin.write_all(&input));
        finish(child, args)
    }

    /// Lets it run beside the test.
    pub(crate) fn start(&self, args: &[&str]) -> Live {
        Live::of(self.command(args).stdin(Stdio::piped()))
    }

    /// Sends a text; its id.
    pub(crate) fn send(&self, to: &str, text: &str) -> String {
        self.run(&["send", to, "-m", text]).ok().trim().to_owned()
    }

    /// All that waits, but for logins, as JSON objects.
    pub(crate) fn waiting(&self) -> Vec<serde_json::Value> {
        let said = self.run(&["recv", "--json"]).ok();
        said.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// Goes to its relay by another address from now on.
    pub(crate) fn move_to(&self, address: &str) {
        let mut profile = self.profile();
        profile["address"] = address.into();
        fs::write(self.dir().join("profile.json"), profile.to_string()).unwrap();
    }

    /// What is kept of the account.
    pub(crate) fn profile(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.dir().join("profile.json")).unwrap()).unwrap()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.join(self.name)
    }
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) args: String,
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Said {
    /// What it printed, if all was well.
    pub(crate) fn ok(self) -> String {
        self.fails(0).0
    }

    /// What it printed, and the line with the error.
    pub(crate) fn fails(self, status: i32) -> (String, String) {
        let out = String::from_utf8_lossy(&self.out).into_owned();
        assert_eq!(self.status.code(), Some(status), "tmtp {}: {out}{}", self.args, self.err);
        if status != 0 {
            let last = self.err.lines().last().unwrap_or("");
            assert!(last.starts_with("tmtp: ") && self.err.ends_with('\n'), "tmtp {}: one line: {}", self.args, self.err);
        }
        (out, self.err)
    }
}

fn finish(child: Child, args: &[&str]) -> Said {
    let mut child = Guard(child);
    let (out, err) = (gather(child.0.stdout.take().unwrap()), gather(child.0.stderr.take().unwrap()));
    let taken = |from: Receiver<Vec<u8>>| from.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("tmtp {} ends in time", args.join(" ")));
    let (out, err) = (taken(out), taken(err));
    let status = child.0.wait().expect("it has ended");
    Said { args: args.join(" "), status, out, err: String::from_utf8_lossy(&err).into_owned() }
}

/// A process that is killed if its test ends before it.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gather(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        let _ = tell.send(all);
    });
    told
}

/// A command that runs on.
pub(crate) struct Live {
    child: Guard,
    stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Live {
    pub(crate) fn of(command: &mut Command) -> Live {
        let mut child = command.spawn().expect("it starts");
        let (out, err) = (lines(child.stdout.take()), lines(child.stderr.take()));
        Live { stdin: child.stdin.take(), child: Guard(child), out, err }
    }

    /// The next line that it prints.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("a line in time")
    }

    /// The next line of its errors and notes.
    pub(crate) fn note(&self) -> String {
        self.err.recv_timeout(PATIENCE).expect("a note in time")
    }

    /// What it has printed and nobody has read, once it has ended.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.out.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.stdin.as_mut().expect("its input is open").write_all(text.as_bytes()).expect("it reads");
    }

    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.0.kill().expect("it runs");
        self.child.0.wait().expect("it ends");
    }

    /// Ends it as Ctrl-C does; how, and what it had printed.
    pub(crate) fn interrupt(self) -> (Option<i32>, Vec<String>) {
        self.signal();
        self.end()
    }

    /// What Ctrl-C does.
    pub(crate) fn signal(&self) {
        let pid = rustix::process::Pid::from_child(&self.child.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.rest();
        (self.child.0.wait().expect("it has ended").code(), rest)
    }
}

fn lines(from: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (tell, told) = channel();
    if let Some(from) = from {
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
    }
    told
}
