//! What an operator does to a running program: signals, closed pipes, few descriptors, strangers at the port.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use mnm::certificate::OpenError;
use mnm::server::RunError;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A relay that does not outlive its test.
struct Relay {
    directory: TempDir,
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Relay {
    /// Starts the program under a limit of descriptors, or without one.
    fn start(descriptors: Option<u32>) -> Relay {
        let directory = tempfile::tempdir().unwrap();
        // Strangers stay as long as a test takes.
        let config = r#"{"listen":{"laddr":"127.0.0.1:0"},"limits":{"login_timeout_s":600}}"#;
        fs::write(directory.path().join("mnm.conf"), config).unwrap();
        let mut command = match descriptors {
            None => Command::new(env!("CARGO_BIN_EXE_mnm")),
            Some(count) => under_limit(count),
        };
        let mut child = command.current_dir(directory.path()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut relay = Relay { directory, child, lines, address: String::new() };
        let line = relay.line("take the address =");
        relay.address = line.split_once("address =").unwrap().1.trim_end_matches('"').to_owned();
        relay.line("ready");
        relay
    }

    /// The next line of the log with these words; those before it are skipped.
    fn line(&self, words: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line with {words:?}: {error}"),
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let link = TcpStream::connect(&self.address).unwrap();
        link.set_read_timeout(Some(PATIENCE)).unwrap();
        link
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it; how it ended, and the lines of the log that were not read yet.
    fn stop(mut self) -> (ExitStatus, Vec<String>) {
        self.signal(Signal::TERM);
        let lines = self.lines.iter().collect();
        (self.child.wait().unwrap(), lines)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn under_limit(descriptors: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_mnm")]);
    command
}

/// Waits for the relay to close a connection, and what it says before that: nothing or a TLS alert.
fn is_closed(link: &mut TcpStream) -> bool {
    match link.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn only_a_request_to_end_ends_it() {
    let relay = Relay::start(None);
    relay.signal(Signal::USR1);
    relay.signal(Signal::USR2);
    relay.signal(Signal::HUP);
    relay.line("SIGHUP: the configuration is read again: nothing has changed");
    relay.signal(Signal::HUP);
    relay.line("SIGHUP: the configuration is read again");
    let (status, lines) = relay.stop();
    assert!(status.success(), "{status}\n{lines:?}");
}

#[test]
fn surplus_connections_are_turned_away_and_the_rest_goes_on() {
    // 80 descriptors, of which 64 are kept: 16 links.
    let relay = Relay::start(Some(80));
    let mut idle: Vec<TcpStream> = (0..12).map(|_| relay.connect()).collect();
    let load = {
        // Several segments' worth, so that some are made while the door is shut.
        let args = format!("simclient --quiet --addr {} --members 4 --messages 600 --size 60000", relay.address);
        thread::spawn(move || simclient::run(&simclient::Options::read(args.split_whitespace())))
    };
    for _ in 0..4 {
        relay.line("msg=registered");
    }
    let surplus: Vec<TcpStream> = (0..20).map(|_| relay.connect()).collect();
    for mut link in surplus {
        assert!(is_closed(&mut link), "a connection beyond the limit is closed at once");
    }
    let warning = relay.line("were turned away");
    assert!(warning.contains("no more than 16 links") && warning.contains("ulimit -n"), "{warning}");
    let summary = load.join().unwrap().unwrap();
    assert_eq!((summary.counts.delivered, summary.counts.faults()), (600, 0), "{:?}", summary.notes);
    // Those that were there first are there still: the relay waits for what they say.
    for link in &mut idle {
        link.set_nonblocking(true).unwrap();
        assert_eq!(link.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
    let (status, lines) = relay.stop();
    assert!(status.success(), "{lines:?}");
    assert!(lines.iter().filter(|line| line.contains("turned away")).count() <= 1, "{lines:?}");
}

#[test]
fn too_few_descriptors_to_start_with_name_the_limit() {
    let directory = tempfile::tempdir().unwrap();
    let output = under_limit(40).args(["--listen", "127.0.0.1:0", "--data", "data"]).current_dir(directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("may open 40 files") && said.contains("raise the limit of open files (ulimit -n)"), "{said}");
}

#[test]
fn a_data_path_that_is_a_file_is_a_mistake_in_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mnm"))
        .args(["--listen", "127.0.0.1:0", "--data", "data"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("data: is a file and not a directory"), "{said}");
}

#[test]
fn strangers_are_told_in_sum() {
    let relay = Relay::start(None);
    let knock = || {
        let mut link = relay.connect();
        link.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        assert!(is_closed(&mut link), "no TLS, no answer");
    };
    knock();
    let line = relay.line("ended before they logged in");
    assert!(line.contains("1 connections ended") && line.contains("1 of them with a TLS error"), "{line}");
    (0..30).for_each(|_| knock());
    let (status, lines) = relay.stop();
    assert!(status.success());
    assert!(lines.len() < 10, "thirty strangers must not be thirty lines: {lines:#?}");
}

/// Runs the program with its output given away; the exit status and what it said on stderr.
fn run_into(out: Stdio, command: &str, here: &Path) -> (Option<i32>, String) {
    let child = Command::new(env!("CARGO_BIN_EXE_mnm"))
        .args([command, "--listen", "127.0.0.1:0", "--data", "data"])
        .current_dir(here)
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn who_closes_the_pipe_has_seen_enough() {
    let relay = Relay::start(None);
    let here = relay.directory.path().to_owned();
    assert!(relay.directory.path().join("data").exists());
    let closed = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    assert_eq!(run_into(closed(), "check", &here), (Some(0), String::new()));
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let (status, said) = run_into(full(), "check", &here);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.starts_with("mnm: the answer could not be printed"), "{said}");
    let mut relay = relay;
    relay.signal(Signal::TERM);
    relay.child.wait().unwrap();
    assert_eq!(run_into(closed(), "verify", &here), (Some(0), String::new()));
    assert_eq!(run_into(full(), "verify", &here).0, Some(4));
}

#[test]
fn a_full_disk_is_not_taken_for_a_wrong_directory() {
    let full = OpenError::DiskFull { file: "data/mnm.key".into(), source: io::ErrorKind::StorageFull.into() };
    let error = RunError::from(full);
    assert!(matches!(error, RunError::Store(_)), "it is the disk's fault: {error:?}");
    let said = error.to_string();
    assert!(said.contains("data/mnm.key") && said.contains("The disk is full: free space") && !said.contains("--data"), "{said}");
}
