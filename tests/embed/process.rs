//! What a relay takes of the process that it is in, and what it leaves alone. Most of it is tried in processes of their own, of this
//! same program: a test starts it anew with one of the tests that are called `host_*`, which do nothing otherwise.

use std::fs::{self, OpenOptions};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, mpsc};

use mnm::config::{Config, Listen};
use mnm::embed::{Failure, Handle, Relay, Reply, Request, RunError};

use crate::common::member::Member;
use crate::within::{PATIENCE, directory, member, open, patient, status, to_the_end};

/// Signals that this process catches, as the system numbers them from 1.
fn caught() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("it has the line");
    u64::from_str_radix(line.trim(), 16).expect("a number")
}

#[test]
fn it_takes_no_signal() {
    // Other relays may be there already: so it is not compared with what was before.
    let data = directory();
    let relay = Relay::start(open(&data)).expect("it starts");
    member(&relay);
    for (name, number) in [("SIGHUP", 1), ("SIGINT", 2), ("SIGUSR1", 10), ("SIGUSR2", 12), ("SIGTERM", 15)] {
        assert_eq!(caught() >> (number - 1) & 1, 0, "{name} is the program's");
    }
    relay.stop().expect("it ends well");
}

#[test]
fn the_relay_s_own_thread_cannot_ask_it() {
    let output = alone("host_whose_logger_asks", directory().path());
    assert!(output.status.success(), "{output:?}");
}

/// The host's logger. It asks the relay when it hears of a command.
struct Curious(Mutex<Option<Handle>>, mpsc::Sender<Result<Reply, Failure>>);

impl log::Log for Curious {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string().contains("is done") {
            let handle = self.0.lock().expect("nobody panics").take().expect("a handle");
            self.1.send(handle.ask(&Request::Status {})).expect("somebody listens");
        }
    }

    fn flush(&self) {}
}

#[test]
fn host_whose_logger_asks() {
    let Some(place) = place_alone() else { return };
    let relay = Relay::start(Config { data: place.join("data"), listen: vec![], ..Config::default() }).expect("it starts");
    let (tell, told) = mpsc::channel();
    let logger = Curious(Mutex::new(Some(relay.handle())), tell);
    log::set_boxed_logger(Box::new(logger)).expect("there is no other");
    log::set_max_level(log::LevelFilter::Info);
    relay.ask(&Request::Register { mode: "closed".into(), until: None }).expect("an answer");
    let Err(Failure::Refused(sentence)) = told.recv_timeout(PATIENCE).expect("it was asked") else { panic!("nobody could have answered") };
    assert!(sentence.contains("ask from another thread"), "{sentence}");
    assert_eq!(status(&relay).register, "closed");
    relay.stop().expect("it ends well");
}

/// Set in a process that one of the tests has started to have something done there.
const ALONE: &str = "MNM_TEST_ALONE";

/// Runs a test of this file in a process of its own; how that ends.
fn alone(test: &str, directory: &Path) -> Output {
    let program = std::env::current_exe().expect("this program");
    let test = format!("process::{test}");
    let output = Command::new(program).args(["--exact", &test, "--nocapture"]).env(ALONE, directory).current_dir(directory).output();
    let output = output.expect("it runs");
    // A name that no test has would succeed too.
    assert!(String::from_utf8_lossy(&output.stdout).contains("running 1 test\n"), "{test}: {output:?}");
    output
}

/// Where a process that was started by [`alone`] has its files; `None` in any other.
fn place_alone() -> Option<PathBuf> {
    std::env::var_os(ALONE).map(PathBuf::from)
}

#[test]
fn a_log_that_cannot_be_read_ends_the_process_as_the_program_has_it() {
    let data = directory();
    let output = alone("host_of_an_unreadable_log", data.path());
    assert_eq!(output.status.signal(), Some(7), "SIGBUS is not taken from it: {output:?}");
    let output = alone("host_of_an_unreadable_log_that_has_it_said", directory().path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(5) && said.contains("a segment of the log cannot be read any more"), "{output:?}");
}

#[test]
fn host_of_an_unreadable_log() {
    let Some(place) = place_alone() else { return };
    read_what_is_not_there(&place);
}

#[test]
fn host_of_an_unreadable_log_that_has_it_said() {
    let Some(place) = place_alone() else { return };
    mnm::store::end_when_unreadable();
    read_what_is_not_there(&place);
}

#[test]
fn there_are_as_many_links_as_the_program_may_open_files() {
    let output = alone("host_with_few_descriptors", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_with_few_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let Some(place) = place_alone() else { return };
    let wanted = rustix::process::Rlimit { current: Some(96), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, wanted).expect("less can be had");
    let relay = Relay::start(Config { data: place, listen: vec![], limits: patient(), ..Config::default() }).expect("it starts");
    assert_eq!(getrlimit(Resource::Nofile).current, Some(96), "the limit is the program's");
    // 64 are in reserve, of which what this program had open takes a part.
    let members: Vec<Member> = (0..16).map(|_| member(&relay)).collect();
    let mut links: Vec<UnixStream> = Vec::new();
    while status(&relay).links < 32 {
        links.push(relay.connect().expect("a socket"));
        assert!(links.len() <= 16, "no more than there are descriptors for: {:?}", status(&relay));
    }
    assert!(to_the_end(relay.connect().expect("a socket")).is_empty());
    assert_eq!(members.len(), 16);
    // The log has what it needs.
    let (mut alice, to) = (members.into_iter().next().expect("sixteen"), "nobody");
    let request = alice.post_only(to, b"x");
    alice.answer(&request).expect_err("there is no such user");
    relay.stop().expect("it ends well");
}

/// Cuts the log off under a message that is being delivered; does not come back.
fn read_what_is_not_there(place: &Path) {
    let relay = Relay::start(Config { data: place.to_owned(), listen: vec![], ..Config::default() }).expect("it starts");
    let (mut alice, mut bob) = (member(&relay), member(&relay));
    // Bob reads nothing of it yet, and no socket holds it.
    alice.post(&bob.account.uid, &vec![b'x'; 12 << 20]);
    let files = fs::read_dir(place).expect("the data directory").map(|entry| entry.expect("a file").path());
    for file in files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")) {
        OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(0)).expect("a file that can be cut");
    }
    bob.wait_closed();
}

#[test]
fn without_a_descriptor_nobody_can_ask_and_the_cure_is_told() {
    let output = alone("host_without_descriptors", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_without_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let Some(place) = place_alone() else { return };
    let relay = Relay::start(Config { data: place.join("data"), listen: vec![], ..Config::default() }).expect("it starts");
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(3), ..before }).expect("less can be had");
    let Err(Failure::Silent(error)) = relay.ask(&Request::Status {}) else { panic!("there is nothing to ask with") };
    assert!(error.cure().contains("ulimit -n"), "{error}");
    setrlimit(Resource::Nofile, before).expect("as it was");
    status(&relay);
    relay.stop().expect("it ends well");
}

#[test]
fn without_memory_for_a_thread_it_does_not_start_and_says_so() {
    let output = alone("host_without_memory", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_without_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(place) = place_alone() else { return };
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: u64 = pages.split(' ').next().expect("the first is its size").parse().expect("a number");
    let before = getrlimit(Resource::As);
    // Some is left, but no thread's stack.
    let least = pages * rustix::param::page_size() as u64 + (512 << 10);
    setrlimit(Resource::As, Rlimit { current: Some(least), ..before }).expect("less can be had");
    let config = Config { data: place.join("data"), listen: vec![], ..Config::default() };
    let started = Relay::start(config.clone());
    setrlimit(Resource::As, before).expect("as it was");
    let Err(RunError::Thread(error)) = started else { panic!("no thread is had: {started:?}") };
    assert!(RunError::Thread(error).to_string().starts_with("there is no thread for the relay"));
    Relay::start(config).expect("nothing is left of it").stop().expect("it ends well");
}

#[test]
fn where_the_program_is_matters_only_for_relative_paths() {
    let output = alone("host_in_a_directory_that_is_gone", directory().path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn host_in_a_directory_that_is_gone() {
    let Some(place) = place_alone() else { return };
    let gone = place.join("gone");
    fs::create_dir(&gone).expect("a directory");
    std::env::set_current_dir(&gone).expect("it is there");
    fs::remove_dir(&gone).expect("it is empty");
    let config = Config { data: place.join("data"), listen: vec![], ..Config::default() };
    Relay::start(config.clone()).expect("it starts").stop().expect("it ends well");
    let error = Relay::start(Config { listen: vec![Listen::in_file("relay.sock")], ..config }).expect_err("nobody knows where");
    let RunError::Config(error) = error else { panic!("{error}") };
    assert!(error.trouble().starts_with("relay.sock is a relative path"), "{error}");
}

#[test]
fn relative_paths_begin_where_the_program_was_at_the_start() {
    let place = directory();
    let output = alone("host_that_goes_elsewhere", place.path());
    assert!(output.status.success(), "{output:?}");
    assert!(place.path().join("here/data").is_dir());
    let elsewhere: Vec<_> = fs::read_dir(place.path().join("there")).expect("it is there").collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn host_that_goes_elsewhere() {
    let Some(place) = place_alone() else { return };
    let (here, there) = (place.join("here"), place.join("there"));
    [&here, &there].into_iter().for_each(|path| fs::create_dir(path).expect("a directory"));
    std::env::set_current_dir(&here).expect("it is there");
    let config = Config { listen: vec![Listen::in_file("relay.sock")], data: "data".into(), ..Config::default() };
    let relay = Relay::start(config).expect("it starts");
    assert!(here.join("relay.sock").exists());
    std::env::set_current_dir(&there).expect("it is there");
    let mut alice = member(&relay);
    let own = alice.account.uid.clone();
    // More than a segment: it makes files.
    alice.post(&own, &vec![b'x'; 40 << 20]);
    assert_eq!(alice.delivery().data.len(), 40 << 20);
    relay.stop().expect("it ends well");
    assert!(!here.join("relay.sock").exists(), "its socket goes with it");
}
