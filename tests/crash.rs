//! kill -9 under load: a real process, real TLS, real files; and the load tester, which verifies every message.

mod live;

use std::process::Command;
use std::time::Duration;

use live::{Load, Relay};

/// Kills the relay `kills` times, after these many milliseconds each, while members post to each other.
fn crash(kills: &[u64], size: &str, messages: u64) {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut relay = Relay::start(data.path(), "127.0.0.1:0");
    let address = relay.address.clone();
    let mut load = Load::start(&address, &["--size", size, "--time", "600", &format!("--messages={messages}")]);
    for &millis in kills {
        // The kill may come at any instant; if all is done before, there is nothing to kill for.
        if load.is_done_within(Duration::from_millis(millis)) {
            break;
        }
        relay.kill();
        relay = Relay::start(data.path(), &address);
    }
    load.finish();
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
