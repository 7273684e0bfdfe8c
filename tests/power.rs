//! The power is cut under load: a real file system ends in the middle of it, with all that was not synced.
//!
//! Needs Linux, root, a loop device and mkfs.ext4; elsewhere it says what is wanting and passes.
#![cfg(target_os = "linux")]

mod live;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use live::disk::{Cut, Disk};
use live::{Load, Relay};

/// How long members post, in seconds: some more than the cuts take on a machine with much else to do.
const LOAD_SECONDS: &str = "10";
/// A disk that fails, as the README has it.
const DISK_FAILED: i32 = 5;

/// The relay ended because its disk did, and says so in a way that helps.
fn judge_end(relay: Relay, data: &Path, cut: Cut) {
    let (status, said) = relay.end();
    assert_eq!(status.code(), Some(DISK_FAILED), "{cut:?}: {status}: {said}");
    let last = said.lines().last().unwrap_or_default();
    let cause = if cut == Cut::ReadOnly { "Read-only file system" } else { "Input/output error" };
    let named = last.contains(&data.display().to_string());
    assert!(last.starts_with("mnm: cannot") && named && last.contains(cause), "{cut:?}: it names file and cause: {said}");
}

#[test]
fn nothing_acked_is_lost_when_the_power_is_cut_under_load() {
    let disk = match Disk::make() {
        Ok(disk) => disk,
        Err(wanting) => {
            // Past the test runner, which shows what a passing test prints to nobody.
            let _ = writeln!(std::io::stderr(), "skipped, the power cannot be cut here: {wanting}");
            return;
        }
    };
    let data = disk.root().join("data");
    fs::create_dir(&data).expect("a directory for the data");
    let mut relay = Relay::start(&data, "127.0.0.1:0");
    let address = relay.address.clone();
    let mut load = Load::start(&address, &["--size", "1024", "--time", LOAD_SECONDS]);
    // The waits are for members to come back, and for some segments to fill, come and go.
    let cuts = [(400, Cut::Now), (700, Cut::AfterJournal), (500, Cut::ReadOnly), (900, Cut::Now), (600, Cut::AfterAll), (450, Cut::Now)];
    for (millis, cut) in cuts {
        assert!(!load.is_done_within(Duration::from_millis(millis)), "the load outlasts the cuts");
        disk.cut(cut).expect("as at the trial");
        judge_end(relay, &data, cut);
        disk.restore().expect("the file system is whole");
        relay = Relay::start(&data, &address);
    }
    load.finish();
}
