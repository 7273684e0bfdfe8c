//! The network cable is pulled out under load: packets vanish, no socket is told, and then it is plugged in again.
//!
//! Needs Linux, root, and the programs `ip`, `unshare` and `nsenter`; elsewhere it says what is wanting and passes.
#![cfg(target_os = "linux")]

mod live;

use std::fs;
use std::io::Write;
use std::time::Duration;

use live::namespace::{Cable, Namespace, RELAY};
use live::{Load, Relay};

#[test]
fn nothing_acked_is_lost_when_the_cable_is_pulled_out_under_load() {
    let cable = match Cable::lay() {
        Ok(cable) => cable,
        Err(wanting) => {
            // Past the test runner, which shows what a passing test prints to nobody.
            let _ = writeln!(std::io::stderr(), "skipped, there is no cable to pull out here: {wanting}");
            return;
        }
    };
    let data = tempfile::tempdir().expect("a temporary directory");
    // Short, so that meanwhile the relay gives up links whose other ends know nothing of it.
    let limits = r#"{"limits": {"stall_timeout_s": 1, "idle_timeout_s": 1, "takeover_silence_s": 1}}"#;
    fs::write(data.path().join("mnm.conf"), limits).expect("a configuration");
    let mut relay = Relay::start_by(cable.relay.command(env!("CARGO_BIN_EXE_mnm")), data.path(), &format!("{RELAY}:0"));
    // A client that has nothing to send learns of its link's end by a pulse, after a minute.
    let options = ["--size", "4096", "--time", "8", "--drain", "90"];
    let mut load = Load::start_after(&relay.address, &options, cable.members.door());
    let ends: [(&Namespace, u64, u64); 4] =
        [(&cable.relay, 800, 300), (&cable.members, 400, 2_200), (&cable.relay, 700, 1_800), (&cable.members, 300, 100)];
    for (end, plugged_in, pulled_out) in ends {
        assert!(!load.is_done_within(Duration::from_millis(plugged_in)), "the load outlasts this");
        end.plug(false).expect("it can be pulled out");
        assert!(!load.is_done_within(Duration::from_millis(pulled_out)), "the load outlasts this");
        end.plug(true).expect("and plugged in again");
    }
    load.finish();
    assert!(relay.is_running(), "it goes on");
}
