//! The control socket of a real relay: who can use it, what is said over it, what becomes of it, and that nobody minds.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::member::Member;
use common::process::Process;
use common::site::{Site, Stop};
use serde_json::{Value, json};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// A command that is refused by every relay.
const ABOUT_NOBODY: &str = r#"{"command":"member","whom":{"alias":"nobody of this name"}}"#;

/// A connection to the socket.
struct Operator(BufReader<UnixStream>);

impl Operator {
    fn call(data: &Path) -> Operator {
        let socket = UnixStream::connect(data.join("control.sock")).expect("the relay listens");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Operator(BufReader::new(socket))
    }

    fn say(&mut self, octets: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(octets.as_ref()).expect("the relay reads");
    }

    /// The next answer; `None` at the end.
    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("an object a line")),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The next answer, which must be a refusal.
    fn refusal(&mut self) -> String {
        let answer = self.answer().expect("an answer comes");
        answer["error"].as_str().unwrap_or_else(|| panic!("no refusal: {answer}")).to_owned()
    }
}

/// A relay that does not outlive its test, with a name for its data directory.
struct Running(Child);

impl Running {
    /// Starts it by a command that takes its arguments, and waits until it is ready; with what it logged.
    fn start(mut command: Command, data: &Path, listen: &str) -> Result<(Running, String), String> {
        command.args(["--listen", listen, "--data"]).arg(data).current_dir(data.parent().expect("a directory of the test's"));
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let running = Running(child);
        let mut said = String::new();
        for line in log.lines().map_while(Result::ok) {
            said += &(line + "\n");
            if said.ends_with("ready\n") {
                return Ok((running, said));
            }
        }
        Err(said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mnm() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mnm"))
}

fn start() -> Process {
    let mut site = Process::start(&json!({})).expect("the relay starts");
    wait_until_ready(&mut site);
    site
}

/// It tells its address a little before it listens to commands.
fn wait_until_ready(site: &mut Process) {
    assert!(site.log_says("ready", PATIENCE), "{}", site.log());
}

#[test]
fn the_socket_is_its_users_alone_and_goes_with_the_relay() {
    let mut site = start();
    let socket = site.data_directory().join("control.sock");
    assert!(Operator::call(&site.data_directory()).0.get_ref().peer_addr().is_ok());
    let meta = fs::metadata(&socket).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    site.end(Stop::Clean).unwrap();
    assert!(!socket.exists(), "a clean stop takes it away");

    // Also where this user lets everybody do everything.
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut careless = Command::new("sh");
    careless.args(["-c", r#"umask 0; exec "$0" "$@""#, env!("CARGO_BIN_EXE_mnm")]);
    let (_running, _) = Running::start(careless, &data, "127.0.0.1:0").unwrap();
    assert_eq!(fs::metadata(data.join("control.sock")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn each_line_is_answered_in_order_whatever_it_is() {
    let site = start();
    let mut operator = Operator::call(&site.data_directory());
    operator.say(format!("{ABOUT_NOBODY}\n\n\t\ngarbage\n\u{0}\n{{\"command\":\"reboot\"}}\n{ABOUT_NOBODY}\r\n"));
    operator.say(b"\xff\xfe\n{\"command\":\"register\",\"mode\":\"ajar\"}\n");
    let nobody = operator.refusal();
    assert!(!nobody.contains("no command"), "{nobody}");
    for fragment in ["no command", "no command", "unknown variant `reboot`", &nobody, "no command", "expected open or invite or closed"] {
        let refusal = operator.refusal();
        assert!(refusal.contains(fragment), "{refusal} lacks {fragment}");
    }
    // In pieces, and the relay has something else to do in between: most are read in turns of their own.
    let mut other = Operator::call(&site.data_directory());
    for piece in ABOUT_NOBODY.as_bytes().chunks(7).chain([&b"\n"[..]]) {
        operator.say(piece);
        other.say("x\n");
        other.refusal();
    }
    assert_eq!(operator.refusal(), nobody);
}

#[test]
fn half_a_last_line_is_not_read() {
    let mut site = start();
    let mut operator = Operator::call(&site.data_directory());
    operator.say(format!("{ABOUT_NOBODY}\n{ABOUT_NOBODY}"));
    operator.0.get_ref().shutdown(Shutdown::Write).unwrap();
    assert!(!operator.refusal().contains("last line"));
    assert!(operator.refusal().contains("the last line has no end"));
    assert_eq!(operator.answer(), None);
    assert!(site.log_says("is refused", PATIENCE));
    assert_eq!(site.log().matches("is refused").count(), 1, "{}", site.log());
}

#[test]
fn too_long_a_line_ends_one_connection() {
    let site = start();
    let mut other = Operator::call(&site.data_directory());
    let mut longest = Operator::call(&site.data_directory());
    longest.say(" ".repeat(65536 - ABOUT_NOBODY.len()) + ABOUT_NOBODY + "\n");
    assert!(!longest.refusal().contains("octets"));

    let mut endless = Operator::call(&site.data_directory());
    // The relay hangs up in the middle of it.
    let _ = endless.0.get_mut().write_all(&vec![b'{'; 1 << 20]);
    assert!(endless.refusal().contains("a line has at most 65536 octets"));
    assert_eq!(endless.answer(), None);
    for operator in [&mut other, &mut longest] {
        operator.say(format!("{ABOUT_NOBODY}\n"));
        operator.refusal();
    }
}

#[test]
fn eight_are_heard_and_the_ninth_is_told() {
    let site = start();
    let data = site.data_directory();
    let ask = |operator: &mut Operator| {
        // Who is not let in may find nobody to say it to.
        let _ = operator.0.get_mut().write_all(format!("{ABOUT_NOBODY}\n").as_bytes());
        operator.refusal()
    };
    let mut eight: Vec<Operator> = (0..8).map(|_| Operator::call(&data)).collect();
    eight.iter_mut().for_each(|operator| assert!(!ask(operator).contains("open already")));
    for _ in 0..100 {
        let mut ninth = Operator::call(&data);
        assert!(ask(&mut ninth).contains("8 connections to the control socket are open already"));
        assert_eq!(ninth.answer(), None);
    }
    // As soon as one has gone there is room. Its end may take a moment: a child that another test makes may hold it open.
    eight.pop();
    let tries = (0..100_000).find(|_| !ask(&mut Operator::call(&data)).contains("open already"));
    assert!(tries.is_some(), "the end of a connection makes room");
    assert!(!ask(&mut eight[0]).contains("open already"));
}

#[test]
fn who_asks_on_and_on_and_does_not_listen_harms_nobody() {
    let site = start();
    let mut deaf = Operator::call(&site.data_directory());
    deaf.0.get_ref().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let many = format!("{ABOUT_NOBODY}\n").repeat(100);
    // Until the relay reads no more, for 200 ms.
    let written = (0..10_000).find(|_| deaf.0.get_mut().write_all(many.as_bytes()).is_err());
    assert!(written.is_some(), "it is not read from as long as it does not read");
    let mut blank = Operator::call(&site.data_directory());
    blank.say(vec![b'\n'; 1 << 20]);

    let (mut alice, mut bob) = (Member::register(site.address()), Member::register(site.address()));
    alice.post(&bob.account.uid, b"undisturbed");
    assert_eq!(bob.delivery().data, b"undisturbed");
    let mut other = Operator::call(&site.data_directory());
    other.say(format!("{ABOUT_NOBODY}\n"));
    other.refusal();
}

#[test]
fn what_a_killed_relay_left_is_replaced_and_a_second_one_takes_nothing() {
    let mut site = start();
    let data = site.data_directory();
    site.end(Stop::Kill).unwrap();
    assert!(data.join("control.sock").exists(), "nobody was there to take it away");
    assert_eq!(UnixStream::connect(data.join("control.sock")).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    site.begin().unwrap();
    wait_until_ready(&mut site);
    let mut operator = Operator::call(&data);

    let second = mnm().arg("--config").arg(site.config()).output().unwrap();
    assert_eq!(second.status.code(), Some(6), "{second:?}");
    for operator in [&mut operator, &mut Operator::call(&data)] {
        operator.say(format!("{ABOUT_NOBODY}\n"));
        operator.refusal();
    }
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_shortened() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("a".repeat(200)).join("data");
    fs::create_dir(data.parent().unwrap()).unwrap();
    let (_running, said) = Running::start(mnm(), &data, "127.0.0.1:0").unwrap();
    assert!(!said.contains("control socket"), "{said}");
    assert!(data.join("control.sock").exists());
    let ask = || mnm().args(["ctl", "--json", "member", "nobody of this name", "--data"]).arg(&data).output().unwrap();
    let answer = ask();
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(answer.stdout.starts_with(br#"{"error":"#), "{answer:?}");
}

#[test]
fn something_else_of_its_name_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("control.sock"), "a letter").unwrap();
    let (_running, said) = Running::start(mnm(), &data, "127.0.0.1:0").unwrap();
    assert!(said.contains("the control socket cannot be made") && said.contains("is no socket"), "{said}");
    assert_eq!(fs::read_to_string(data.join("control.sock")).unwrap(), "a letter");
    let answer = mnm().args(["ctl", "register", "open", "--data"]).arg(&data).output().unwrap();
    assert_eq!(answer.status.code(), Some(6), "{answer:?}");
}

#[test]
fn commands_that_look_after_the_data_do_not_mind_it() {
    let mut site = start();
    let copies = tempfile::tempdir().unwrap();
    let run = |site: &Process, args: &[&str]| {
        let output = mnm().args(args).arg("--config").arg(site.config()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (status, said) = run(&site, &["check"]);
    assert_eq!(status, Some(0), "{said}");
    let copy = copies.path().join("copy");
    let (status, said) = run(&site, &["backup", "--to", copy.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{said}");
    assert!(!copy.join("control.sock").exists());
    site.end(Stop::Kill).unwrap();
    for command in ["check", "verify", "repair"] {
        let (status, said) = run(&site, &[command]);
        assert_eq!(status, Some(0), "{command}: {said}");
    }
    assert!(site.data_directory().join("control.sock").exists(), "it is no concern of theirs");
    site.begin().unwrap();
    wait_until_ready(&mut site);
    Operator::call(&site.data_directory());
}

#[test]
fn a_start_says_who_may_register_and_warns_where_strangers_may() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let start = |command, register: &str, listen: &str| {
        fs::write(directory.path().join("mnm.conf"), json!({ "register": register }).to_string()).unwrap();
        Running::start(command, &data, listen).map(|(_, said)| said)
    };
    for register in ["open", "invite", "closed"] {
        let said = start(mnm(), register, "127.0.0.1:0").unwrap();
        assert!(said.contains(&format!("register: {register}\"\n")) && !said.contains("may register"), "{said}");
    }
    // All interfaces of a network that has none.
    let apart = || {
        let mut command = Command::new("unshare");
        command.args(["--net", env!("CARGO_BIN_EXE_mnm")]);
        command
    };
    match start(apart(), "open", "0.0.0.0:0") {
        Ok(said) => {
            assert!(
                said.contains("level=warn") && said.contains("0.0.0.0:0 is not loopback: anybody who reaches it may register"),
                "{said}"
            )
        }
        Err(said) if said.contains("mnm") => panic!("{said}"),
        Err(wanting) => {
            // Past the test runner, which shows what a passing test prints to nobody.
            let _ = writeln!(std::io::stderr(), "skipped, a network namespace (root) is wanting: {wanting}");
            return;
        }
    }
    let said = start(apart(), "invite", "0.0.0.0:0").unwrap();
    assert!(!said.contains("may register"), "{said}");
}
