//! What the Debian package brings besides the programs: the configuration that it ships, and a unit that lets the relay do little.
//! Its whole life on a machine is tried by `tools/package/check`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use mnm::config::{Config, Register};

/// The most that systemd may find the service exposed, of 10.
const EXPOSURE_MAX: f64 = 1.6;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/package").join(name)
}

#[test]
fn as_shipped_nobody_gets_in_from_outside() {
    let text = fs::read_to_string(shipped("mnm.conf")).unwrap();
    let config = Config::parse(&text, Path::new("/etc/mnm/mnm.conf")).unwrap();
    let expected =
        Config { file: Some("/etc/mnm/mnm.conf".into()), data: "/var/lib/mnm".into(), register: Register::Invite, ..Config::default() };
    assert_eq!(config, expected, "all else is as in mnm.conf");
}

/// What `systemd-analyze` says; `None` where it is not there or too old.
fn analyze(args: &[&str], unit: &Path) -> Option<String> {
    let skip = |why: &dyn std::fmt::Display| {
        let _ = writeln!(io::stderr(), "skipped, systemd-analyze cannot be used: {why}");
    };
    let output = match Command::new("systemd-analyze").args(args).arg(unit).output() {
        Ok(output) => output,
        Err(error) => {
            skip(&error);
            return None;
        }
    };
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    if err.contains("unrecognized option") || err.contains("invalid option") {
        skip(&err.trim());
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &err)
}

/// A unit like the shipped one with something changed, in a directory of its own.
fn changed(change: impl Fn(String) -> String) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("mnm.service");
    let text = fs::read_to_string(shipped("mnm.service")).unwrap();
    // The package's program is where the package is.
    fs::write(&unit, change(text.replace("/usr/bin/mnm", env!("CARGO_BIN_EXE_mnm")))).unwrap();
    (directory, unit)
}

fn exposure(unit: &Path) -> Option<f64> {
    let told = analyze(&["security", "--offline=true"], unit)?;
    let level = told.lines().find_map(|line| line.split_once("Overall exposure level for mnm.service: ")).map(|(_, level)| level);
    let figure = level.and_then(|level| level.split_whitespace().next()).and_then(|figure| figure.parse().ok());
    Some(figure.unwrap_or_else(|| panic!("no level is told:\n{told}")))
}

#[test]
fn the_service_may_do_little() {
    let Some(level) = exposure(&shipped("mnm.service")) else { return };
    assert!(level <= EXPOSURE_MAX, "systemd-analyze security: {level}");
    let (_directory, open) =
        changed(|text| text.replace("CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "").replace("SystemCallFilter=", "#"));
    let level = exposure(&open).unwrap();
    assert!(level > EXPOSURE_MAX, "with more rights it is rated worse: {level}");
}

/// What systemd complains of in the unit.
fn complaints(unit: &Path) -> Option<Vec<String>> {
    let told = analyze(&["verify", "--man=no"], unit)?;
    // Other units of this machine are no matter of ours.
    Some(told.lines().filter(|line| line.contains("mnm.")).map(str::to_owned).collect())
}

#[test]
fn systemd_understands_the_units() {
    let (_directory, unit) = changed(|text| text);
    let Some(found) = complaints(&unit) else { return };
    assert_eq!(found, Vec::<String>::new());
    let (_directory, wrong) = changed(|text| text.replace("ProtectClock=", "ProtectTheClock="));
    let found = complaints(&wrong).unwrap();
    assert!(found.iter().any(|line| line.contains("ProtectTheClock")), "a mistake is told: {found:?}");

    let (directory, _) = changed(|text| text);
    let socket = directory.path().join("mnm.socket");
    fs::copy(shipped("mnm.socket"), &socket).unwrap();
    assert_eq!(complaints(&socket).unwrap(), Vec::<String>::new());
}

#[test]
fn the_service_comes_back_from_what_passes_alone() {
    let text = fs::read_to_string(shipped("mnm.service")).unwrap();
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key} is not said"));
    assert_eq!(line("Restart="), "on-failure");
    let waits: Vec<u8> = line("RestartPreventExitStatus=").split(' ').map(|status| status.parse().unwrap()).collect();
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATING.md")).unwrap();
    let (_, table) = document.split_once("| exit status | meaning |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    // Every status that docs/OPERATING.md lists is decided upon: the loop's failure, another instance and an address that is not there pass, 0 is no failure.
    let listed: Vec<u8> = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()?.parse().ok()).collect();
    let decided = |status: &u8| waits.contains(status) || [0, 4, 6, 7].contains(status);
    assert!(listed.len() >= 7 && listed.iter().all(decided), "{listed:?} of which {waits:?} wait for a person");
}
