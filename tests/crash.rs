//! kill -9 under load: a real process, real TLS, real files; and the load tester, which verifies every message.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use simclient::Parser;

/// A relay that does not outlive its test.
struct Relay {
    child: Child,
    address: String,
}

impl Relay {
    fn start(data: &Path, listen: &str) -> Relay {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mnm"))
            .args(["--listen", listen])
            .arg("--data")
            .arg(data)
            .current_dir(data)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the relay starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let mut address = None;
        let mut line = String::new();
        while log.read_line(&mut line).expect("its log is text") > 0 && !line.contains("ready") {
            if let Some((_, rest)) = line.split_once("take the address =") {
                address = Some(rest.trim().to_owned());
            }
            line.clear();
        }
        // Nobody reads on: what the relay still logs must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Relay { child, address: address.expect("the relay tells its address and that it is ready") }
    }

    fn kill(mut self) {
        self.child.kill().expect("a relay that runs can be killed");
        self.child.wait().expect("a killed relay ends");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills the relay `kills` times, after these many milliseconds each, while members post to each other.
fn crash(kills: &[u64], size: &str, messages: u64) {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut relay = Relay::start(data.path(), "127.0.0.1:0");
    let address = relay.address.clone();
    let load = ["simclient", "--addr", &address, "--members", "20", "--size", size, "--time", "600", "--reconnect", "--quiet"];
    let messages = format!("--messages={messages}");
    let options = simclient::Options::parse_from(load.into_iter().chain([messages.as_str()]));
    let (tell, done) = mpsc::channel();
    // Nobody may be there to be told: then the test has failed already.
    thread::spawn(move || drop(tell.send(simclient::run(&options))));
    let mut early = None;
    for &millis in kills {
        // The kill may come at any instant; if all is done before, there is nothing to kill for.
        match done.recv_timeout(Duration::from_millis(millis)) {
            Ok(result) => {
                early = Some(result);
                break;
            }
            Err(_) => {
                relay.kill();
                relay = Relay::start(data.path(), &address);
            }
        }
    }
    let result = early.unwrap_or_else(|| done.recv_timeout(Duration::from_secs(120)).expect("the load ends"));
    let summary = result.expect("the load could be made");
    assert_eq!(summary.counts.faults(), 0, "{:?}", summary.counts);
    assert_eq!(summary.counts.delivered, summary.counts.sent, "every message arrives: {:?}", summary.counts);
    assert!(summary.counts.reconnects > 0, "the relay was killed while members were there: {:?}", summary.counts);
}

#[test]
fn nothing_acked_is_lost_when_the_relay_is_killed_under_load() {
    crash(&[150, 40, 300, 5, 90], "1024", 24_000);
}

#[test]
fn nor_when_messages_are_larger_than_a_record_holds() {
    crash(&[200, 60, 350], "150000", 2_000);
}

#[test]
fn a_second_instance_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let relay = Relay::start(data.path(), "127.0.0.1:0");
    let second = Command::new(env!("CARGO_BIN_EXE_mnm"))
        .args(["--listen", "127.0.0.1:0"])
        .arg("--data")
        .arg(data.path())
        .current_dir(data.path())
        .output()
        .expect("the second one starts");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(6), "{said}");
    assert!(said.contains(&data.path().display().to_string()), "it names the directory: {said}");
    relay.kill();
}
