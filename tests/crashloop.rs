//! `tools/crashloop` with the relay of this build: a short run finds nothing, and it would find what there is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crashloop::{Options, Parser, Report};

fn run(mnm: &Path, more: &[&str]) -> Report {
    let mnm = mnm.to_str().expect("a path in UTF-8");
    let options = Options::parse_from(["crashloop", "--quiet", "--mnm", mnm].iter().chain(more));
    crashloop::run(&options, &AtomicBool::new(false)).expect("it can be tried")
}

/// A program that does this before it becomes the relay.
fn relay_that(first: &str, directory: &Path) -> std::path::PathBuf {
    let path = directory.join("mnm");
    fs::write(&path, format!("#!/bin/sh\n{first}\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_mnm"))).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it may be run");
    path
}

#[test]
fn nothing_is_lost_in_a_short_run() {
    let report = run(Path::new(env!("CARGO_BIN_EXE_mnm")), &["--kills", "15", "--stop-every", "5", "--wait-max", "250"]);
    assert_eq!(report.faults(), Vec::<String>::new(), "{report:#?}");
    assert_eq!((report.kills, report.stops, report.loads.len(), &report.kept), (15, 2, 2, &None));
    assert!(report.verified.contains("all whole"), "{}", report.verified);
}

#[test]
fn what_makes_no_sense_is_not_tried() {
    for (wrong, why) in
        [(["--members", "3"], "odd"), (["--size", "10"], "at least 52 octets"), (["--mnm", "/nowhere/mnm"], "no such program")]
    {
        let options = Options::parse_from(["crashloop", "--quiet"].iter().chain(&wrong));
        let options = Options { mnm: options.mnm.or_else(|| Some(env!("CARGO_BIN_EXE_mnm").into())), ..options };
        let failure = crashloop::run(&options, &AtomicBool::new(false)).expect_err("it is refused");
        assert!(failure.to_string().contains(why), "{failure}");
    }
}

#[test]
fn a_relay_that_forgets_is_found_out() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let forgetful = relay_that("rm -rf data", directory.path());
    let report = run(&forgetful, &["--kills", "40", "--size", "100"]);
    // The members' accounts are gone, or the messages that waited.
    let faults = report.faults();
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.contains("login failed") || fault.contains("lost")), "{faults:?}");
    let kept = report.kept.expect("the data is kept");
    assert!(kept.join("data").is_dir());
    fs::remove_dir_all(kept).expect("it can be removed");
}

#[test]
fn a_relay_that_ends_by_itself_is_found_out() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // The second start fails.
    let unsteady = relay_that("mkdir once 2>/dev/null || exit 7", directory.path());
    let report = run(&unsteady, &["--kills", "3", "--size", "100"]);
    let faults = report.faults();
    assert!(matches!(&faults[..], [fault] if fault.contains("does not start") || fault.contains("exit status: 7")), "{faults:?}");
    fs::remove_dir_all(report.kept.expect("the data is kept")).expect("it can be removed");
}
