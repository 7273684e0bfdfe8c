//! `mnm init`: what it makes, and that a relay and its first member can do with it; what it asks, and what it refuses.

mod common;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use std::{iter, thread};

use common::member::Member;
use mnm::config::{Config, Register};
use rustix::pty::OpenptFlags;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(command: &mut Command) -> Said {
        let Output { status, stdout, stderr } = command.output().expect("the program can be run");
        Said { status: status.code(), out: String::from_utf8(stdout).unwrap(), err: String::from_utf8(stderr).unwrap() }
    }

    /// What was printed; it must have gone well.
    fn good(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }
}

/// A directory of the test's, and the program in it.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnm"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn init(&self, args: &[&str]) -> Said {
        Said::of(&mut self.command(&[&["init"], args].concat()))
    }

    /// Makes a site; what is told of it.
    fn site(&self, args: &[&str]) -> Value {
        let told = self.init(&[&["--listen", "127.0.0.1:0", "--json"], args].concat()).good();
        serde_json::from_str(&told).expect("one JSON object")
    }

    fn config(&self) -> Config {
        Config::read(&self.at("mnm.conf")).unwrap()
    }

    /// Runs the relay, which must get ready.
    fn relay(&self) -> Relay {
        let mut child = self.command(&[]).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut relay = Relay { child, lines, address: String::new() };
        let line = relay.line("take the address =");
        relay.line("ready");
        relay.address = line.split_once("address =").unwrap().1.trim_end_matches('"').to_owned();
        relay
    }
}

/// A relay that does not outlive its test.
struct Relay {
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Relay {
    fn line(&self, words: &str) -> String {
        let lines = iter::from_fn(|| self.lines.recv_timeout(PATIENCE).ok());
        lines.into_iter().find(|line| line.contains(words)).unwrap_or_else(|| panic!("no line with {words:?}"))
    }

    fn register(&self, code: &str) -> Result<Member, String> {
        Member::register_with(self.address.parse().unwrap(), &json!({ "invite": code }))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

#[test]
fn a_site_is_made_and_its_first_member_comes() {
    let place = Place::new();
    let told = place.init(&["--yes", "--name", "a site of ours", "--listen", "127.0.0.1:0"]).good();
    for fragment in [
        "mnm.conf: written\n",
        "data: the data directory, and an empty log\n",
        "the certificate is self-signed, made just now, good until 20",
        "The site \"a site of ours\", register: invite\n",
        "  address       =127.0.0.1:0 (the relay tells its port when it starts)\n",
        "  certificate   SHA-256 ",
        "Good for one new member, until 20",
        "Start the relay:\n  mnm\n",
        "  tmtp register =127.0.0.1:0 --invite ",
        "  mnm invite\n",
    ] {
        assert!(told.contains(fragment), "{told}\nlacks: {fragment}");
    }
    assert!(!told.contains("must compare"), "only this machine reaches it:\n{told}");
    assert!(!told.contains('\u{1b}'), "no terminal is there that a symbol could be shown on:\n{told}");
    assert_eq!((mode(&place.at("mnm.conf")), mode(&place.at("data")), mode(&place.at("data/mnm.key"))), (0o640, 0o700, 0o600));
    let config = place.config();
    assert_eq!((config.name.as_str(), config.register, config.data), ("a site of ours", Register::Invite, place.at("data")));
    let verified = Said::of(&mut place.command(&["verify"])).good();
    assert!(verified.contains("all whole") && verified.contains("0 members"), "{verified}");

    let code = told.lines().find_map(|line| line.strip_prefix("  invite code   ")).expect("a code is told");
    let relay = place.relay();
    let fingerprint = told.lines().find_map(|line| line.strip_prefix("  certificate   ")).unwrap().to_owned();
    relay.register(code).expect("the code is good");
    assert!(relay.register(code).is_err(), "for one");
    drop(relay);
    let check = Said::of(&mut place.command(&["check"])).good();
    assert!(check.contains(&fingerprint), "the certificate stays:\n{check}\n{fingerprint}");
}

#[test]
fn a_program_is_told_one_object() {
    let place = Place::new();
    let object = place.site(&["--register", "invite"]);
    for (key, value) in [
        ("config", json!("mnm.conf")),
        ("backup", json!(null)),
        ("data", json!("data")),
        ("name", json!("mnm")),
        ("register", json!("invite")),
        ("addresses", json!(["=127.0.0.1:0"])),
        ("self_signed", json!(true)),
        ("runs", json!(false)),
        ("start", json!("mnm")),
        ("notes", json!([])),
    ] {
        assert_eq!(object[key], value, "{key}: {object}");
    }
    assert_eq!(object["fingerprint"].as_str().unwrap().len(), 32 * 3 - 1);
    assert_eq!((&object["invite"]["uses"], &object["invite"]["role"]), (&json!(1), &json!("full")));
    for register in ["open", "closed"] {
        let place = Place::new();
        let object = place.site(&["--register", register]);
        assert_eq!((&object["invite"], &object["register"]), (&json!(null), &json!(register)), "no code is needed, or none would do");
    }
}

#[test]
fn who_is_reached_by_others_is_told_what_members_must_compare() {
    let place = Place::new();
    let told = place.init(&["--listen", "0.0.0.0:0"]).good();
    assert!(told.contains("members must compare the fingerprint"), "{told}");
}

#[test]
fn a_configuration_is_replaced_only_if_that_is_wanted() {
    let place = Place::new();
    let file = place.at("mnm.conf");
    let old = r#"{"name":"the old name","data":"./accounts","listen":{"laddr":"127.0.0.1:0"},"register":"closed"}"#;
    fs::write(&file, old).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();

    let said = place.init(&["--yes"]);
    assert_eq!((said.status, said.out.as_str()), (Some(1), ""), "{said:?}");
    assert!(said.err.contains("mnm.conf: is there already; give --force to replace it (it is kept as mnm.conf.bak)"), "{said:?}");
    assert!(said.err.contains("Nothing was written") && !place.at("accounts").exists());
    assert_eq!(fs::read_to_string(&file).unwrap(), old);

    let told = place.init(&["--yes", "--force"]).good();
    assert!(told.contains("mnm.conf: written; what it replaces is kept as mnm.conf.bak\n"), "{told}");
    let config = place.config();
    assert_eq!((config.name.as_str(), config.data, config.register), ("the old name", place.at("accounts"), Register::Invite));
    assert_eq!(config.listen[0].address(), "127.0.0.1:0");
    assert_eq!(fs::read_to_string(place.at("mnm.conf.bak")).unwrap(), old);
    assert_eq!((mode(&file), mode(&place.at("mnm.conf.bak"))), (0o604, 0o604), "who could read it can");

    // What there is of data is used, and nobody's account is lost.
    let again = place.site(&["--force", "--name", "another name"]);
    assert_eq!((&again["name"], &again["data"]), (&json!("another name"), &json!("accounts")));
    let fingerprints = |object: &Value| object["fingerprint"].as_str().unwrap().to_owned();
    assert!(told.contains(&fingerprints(&again)), "the certificate is the same:\n{told}\n{again}");

    fs::write(&file, "{").unwrap();
    let mended = place.site(&["--force"]);
    let [note] = mended["notes"].as_array().unwrap().as_slice() else { panic!("{mended}") };
    assert!(note.as_str().unwrap().starts_with("nothing was taken over from the old configuration: mnm.conf: "), "{note}");
}

#[test]
fn what_cannot_be_meant_is_told_before_anything_is_written() {
    let place = Place::new();
    fs::write(place.at("a-file"), "").unwrap();
    for (args, status, fragments) in [
        (&["--name", ""][..], 1, &["command line: --name is \"\", but must not be empty"][..]),
        (&["--name", "a\tb"], 1, &["command line: --name is \"a\\tb\"; expected 1 to 255 octets"]),
        (&["--listen", "443"], 1, &["--listen is \"443\", without a port"]),
        (&["--listen", "192.0.2.1:1"], 1, &["--listen is 192.0.2.1:1, which cannot be listened on", "an address that this machine has"]),
        (&["--listen", "127.0.0.1:7700", "--listen", "127.0.0.1:7700"], 1, &["takes already"]),
        (&["--cert", "none.pem", "--key", "none.key"], 1, &["none.pem: the certificate is not there"]),
        (&["--data", "a-file"], 1, &["a-file: is a file and not a directory"]),
        (&["--config", "nowhere/mnm.conf"], 1, &["nowhere/mnm.conf: cannot be written", "make its directory"]),
        (&["--cert", "one"], 2, &["--key"]),
        (&["--register", "everybody"], 2, &["open, invite, closed"]),
    ] {
        let said = place.init(&[&["--yes"], args].concat());
        assert_eq!((said.status, said.out.as_str()), (Some(status), ""), "{args:?}: {said:?}");
        fragments.iter().for_each(|fragment| assert!(said.err.contains(fragment), "{args:?}: {}\nlacks: {fragment}", said.err));
        assert_eq!(status == 1, said.err.contains("Nothing was written"), "{args:?}: {}", said.err);
        let left: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a-file"], "{args:?}");
    }
}

#[test]
fn what_fails_midway_tells_what_is_there_and_can_be_repeated() {
    let place = Place::new();
    fs::create_dir(place.at("data")).unwrap();
    let segment = place.at("data/0000000001.seg");
    fs::write(&segment, [7; 5000]).unwrap();
    let said = place.init(&["--listen", "127.0.0.1:0"]);
    assert_eq!((said.status, said.out.as_str()), (Some(3), ""), "{said:?}");
    let told = "There is now the data directory data, a certificate in it, but no new configuration; put right what is wrong and repeat";
    assert!(said.err.contains(told), "{}", said.err);
    assert!(!place.at("mnm.conf").exists());
    let certificate = fs::read(place.at("data/mnm.crt")).unwrap();

    fs::remove_file(&segment).unwrap();
    place.site(&[]);
    assert_eq!(fs::read(place.at("data/mnm.crt")).unwrap(), certificate, "what is there is used");
}

#[test]
fn a_relay_that_runs_makes_the_code() {
    let place = Place::new();
    fs::write(place.at("mnm.conf"), r#"{"listen":{"laddr":"127.0.0.1:0"},"register":"invite"}"#).unwrap();
    let relay = place.relay();
    let object = place.site(&["--force", "--name", "a site of ours"]);
    assert_eq!(object["runs"], true);
    relay.register(object["invite"]["code"].as_str().unwrap()).expect("the relay has made it");
    // The address that it has is no hindrance.
    let address = relay.address.clone();
    let told = place.init(&["--force", "--listen", &address]).good();
    assert!(told.contains(&format!("note: another program listens on {address} at the moment")), "{told}");
    assert!(told.contains("must be stopped before"), "{told}");
    drop(relay);
    assert_eq!(place.config().name, "a site of ours");
}

#[test]
fn roots_site_in_somebody_elses_directory_is_that_ones() {
    let place = Place::new();
    // As a service's state, behind a directory that only root may enter.
    fs::create_dir_all(place.at("private/state")).unwrap();
    fs::set_permissions(place.at("private"), fs::Permissions::from_mode(0o700)).unwrap();
    if chown(place.at("private/state"), Some(12_345), Some(12_346)).is_err() {
        let _ = writeln!(io::stderr(), "skipped, only root can give files away");
        return;
    }
    let object = place.site(&["--data", "private/state"]);
    let owner = |name: &str| fs::metadata(place.at(name)).map(|meta| (meta.uid(), meta.gid())).unwrap();
    let mut names: Vec<String> =
        fs::read_dir(place.at("private/state")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for name in ["lock", "mnm.crt", "mnm.key"] {
        assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
    }
    assert!(names.iter().any(|name| name.ends_with(".seg")), "{names:?}");
    for name in &names {
        assert_eq!(owner(&format!("private/state/{name}")), (12_345, 12_346), "{name}");
    }
    assert_eq!(owner("mnm.conf").0, 0);
    assert_eq!(object["certificate"], "private/state/mnm.crt");
    assert!(object["invite"]["code"].is_string(), "{object}");
    assert_eq!(place.config().data, place.at("private/state"));
}

/// The two ends of a terminal.
fn terminal() -> (File, File) {
    let near = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    rustix::pty::grantpt(&near).unwrap();
    rustix::pty::unlockpt(&near).unwrap();
    let name = rustix::pty::ptsname(&near, Vec::new()).unwrap();
    let far = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (File::from(near), far)
}

/// Answers each question; what was shown.
fn converse(place: &Place, args: &[&str], answers: &[(&str, &str)]) -> (Option<i32>, String) {
    let (mut near, far) = terminal();
    let mut command = place.command(&[&["init"], args].concat());
    command.stdin(far.try_clone().unwrap()).stdout(far.try_clone().unwrap()).stderr(far);
    let mut child = command.spawn().unwrap();
    // Or the terminal would have a user still when the program has ended.
    drop(command);
    let (sender, parts) = mpsc::channel();
    let mut ear = near.try_clone().unwrap();
    thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = ear.read(&mut part) {
            if sender.send(part[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut shown = Vec::new();
    // A terminal goes back to the left for each line.
    let text = |shown: &[u8]| String::from_utf8_lossy(shown).replace('\r', "");
    for (question, answer) in answers {
        let begin = shown.len();
        while !text(&shown[begin..]).contains(question) {
            let part = parts.recv_timeout(PATIENCE);
            shown.extend(part.unwrap_or_else(|_| panic!("nobody asks {question:?}:\n{}", text(&shown))));
        }
        near.write_all(answer.as_bytes()).unwrap();
    }
    shown.extend(iter::from_fn(|| parts.recv_timeout(PATIENCE).ok()).flatten());
    (child.wait().unwrap().code(), text(&shown))
}

#[test]
fn on_a_terminal_the_few_questions_are_asked_until_the_answers_are_good() {
    let place = Place::new();
    let long = format!("{}\n", "x".repeat(256));
    let answers = [
        ("What does the site call itself? [mnm] ", long.as_str()),
        ("expected 1 to 255 octets without control characters.\nWhat does the site call itself? [mnm] ", "chess club\n"),
        ("On which address does it listen?", "443\n"),
        ("That is \"443\", without a port; expected host:port, [v6 address]:port or :port.\nOn which", "127.0.0.1:0\n"),
        ("Which certificate (a PEM file) does it show? Without one it makes its own. [self-signed] ", "none.pem\n"),
        ("Where is its private key? [none.key] ", "\n"),
        ("none.pem: the certificate is not there; correct the path, or put the file in place.\nWhich certificate", "\n"),
        ("In which directory does it keep accounts and messages? [data] ", "mnm.conf/data\n"),
        ("In which directory", "accounts\n"),
    ];
    fs::write(place.at("mnm.conf"), r#"{"listen":{"laddr":"127.0.0.1:0"}}"#).unwrap();
    let (status, shown) = converse(&place, &["--force"], &answers);
    assert_eq!(status, Some(0), "{shown}");
    let config = place.config();
    assert_eq!((config.name.as_str(), config.data), ("chess club", place.at("accounts")));
    assert!(config.listen[0].certificate.is_none());
    assert!(shown.contains("\u{1b}[38;5;16;48;5;231m"), "the code is shown as a symbol:\n{shown}");

    // What flags say is not asked; and with nobody to answer nothing is done.
    let other = Place::new();
    let args = ["--name", "x", "--data", "d", "--listen", "127.0.0.1:0"];
    let (status, shown) = converse(&other, &args, &[("Which certificate", "\u{4}")]);
    assert_eq!(status, Some(1), "{shown}");
    assert!(!shown.contains("call itself") && shown.contains("the questions were not answered; answer them, or give --yes"), "{shown}");
    assert!(shown.contains("Nothing was written") && !other.at("d").exists());

    let (status, shown) = converse(&other, &["--yes", "--listen", "127.0.0.1:0"], &[]);
    assert_eq!((status, shown.contains('?')), (Some(0), false), "{shown}");
}
