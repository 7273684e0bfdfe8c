//! The relay as a service: what it takes while it runs, how it ends, and what it and the service manager tell each other.
#![allow(clippy::disallowed_methods, reason = "a real process lives in real time")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::member::Member;
use common::process::{Process, TlsLink, client_config};
use common::site::{Site, Stop};
use rustix::process::Signal;
use serde_json::{Value, json};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

fn start(settings: &Value) -> Process {
    let mut site = Process::start(settings).expect("the relay starts");
    assert!(site.log_says("msg=ready", PATIENCE), "{}", site.log());
    site
}

/// An order of the operator's, answered.
fn ask(site: &mut Process, order: &Value) -> Value {
    serde_json::from_str(&site.operator(&order.to_string()).expect("an answer")).expect("JSON")
}

/// What `mnm ctl` prints, and its exit status.
fn ctl(site: &Process, args: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_mnm")).arg("ctl").args(args).arg("--config").arg(site.config()).output().unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

/// The site's name as a client is told it.
fn name_of(site: &Process) -> String {
    let mut link = TlsLink::connect(site.address()).unwrap();
    use common::site::{Link, Received};
    link.send(br#"0011{"op":0,"id":"1"}"#);
    let Received::Record(record) = link.receive(PATIENCE) else { panic!("a greeting is answered") };
    serde_json::from_slice::<Value>(&record[4..]).unwrap()["name"].as_str().unwrap().to_owned()
}

#[test]
fn the_status_tells_what_is_there() {
    let mut site = start(&json!({}));
    let mut alice = Member::register(site.address());
    let bob = Member::register(site.address());
    let bob_account = bob.account.clone();
    drop(bob);
    alice.post(&bob_account.uid, b"hello");
    let status = ask(&mut site, &json!({"command": "status"}));
    assert_eq!((&status["members"], &status["online"], &status["messages"]), (&json!(2), &json!(1), &json!(1)), "{status}");
    assert_eq!((&status["status"], &status["site"], &status["pid"]), (&json!("ready"), &json!("test site"), &json!(site.pid())));
    let (told, code) = ctl(&site, &["status"]);
    assert!(code == Some(0) && told.contains("1 wait for somebody") && told.contains("\"test site\""), "{told}");
    let (told, code) = ctl(&site, &["top", "--count", "2", "--every", "1"]);
    assert!(code == Some(0) && told.matches("memory").count() == 2 && told.contains("a second"), "{told}");
    site.end(Stop::Clean).unwrap();
    let (told, code) = ctl(&site, &["status"]);
    assert!(code == Some(1) && told.contains("no relay runs there"), "{told}");
}

#[test]
fn the_log_is_as_loud_as_the_operator_wants() {
    let mut site = start(&json!({"log": "info"}));
    drop(TlsLink::connect(site.address()).unwrap());
    assert_eq!(ctl(&site, &["log", "debug"]).1, Some(0));
    let before = site.log();
    assert!(!before.contains("level=debug"), "{before}");
    let link = TlsLink::connect(site.address()).unwrap();
    assert!(site.log_says("level=debug msg=\"a connection\" from=127.0.0.1", PATIENCE), "{}", site.log());
    drop(link);
    let answer = ask(&mut site, &json!({"command": "log", "level": "loud"}));
    assert!(answer["error"].as_str().unwrap().contains("expected error or warn"), "{answer}");
}

#[test]
fn a_log_in_json_is_one_object_a_line() {
    let mut site = Process::start(&json!({"log_format": "json", "log": "debug"})).expect("the relay starts");
    assert!(site.log_says(r#""msg":"ready""#, PATIENCE), "{}", site.log());
    let alice = Member::register(site.address());
    assert!(site.log_says("registered", PATIENCE));
    let mut registered = None;
    for line in site.log().lines().filter(|line| !line.starts_with("---")) {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(object["time"].is_string() && object["level"].is_string() && object["msg"].is_string(), "{line}");
        registered = registered.or((object["msg"] == "registered").then_some(object));
    }
    let registered = registered.expect("a member has registered");
    assert_eq!(registered["user"], alice.account.uid[..8]);
    assert_eq!((&registered["from"], &registered["link"]), (&json!("127.0.0.1"), &json!("0.0")));
    assert!(
        !site.log().contains(&alice.account.node) && !site.log().contains(&alice.account.uid),
        "ids are shortened, and secrets not told"
    );
}

#[test]
fn a_changed_configuration_holds_whole_or_not_at_all() {
    let mut site = start(&json!({}));
    let mut alice = Member::register(site.address());
    let nothing = ask(&mut site, &json!({"command": "reload"}));
    assert_eq!(nothing, json!({"changed": [], "restart": []}));

    site.configure(&json!({"name": "other name", "register": "closed", "limits": {"message_max_bytes": 10, "segment_bytes": 8_388_608}}));
    let answer = ask(&mut site, &json!({"command": "reload"}));
    let told = |list: &str| -> Vec<String> {
        answer[list].as_array().unwrap().iter().map(|line| line.as_str().unwrap().split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(told("changed"), ["name", "register", "limits.message_max_bytes"], "{answer}");
    assert_eq!(told("restart"), ["limits.segment_bytes"], "{answer}");
    assert_eq!(name_of(&site), "other name");
    assert!(Member::register_with(site.address(), &json!({})).is_err_and(|why| why.contains("no new members")));
    let uid = alice.account.uid.clone();
    let id = alice.post_only(&uid, b"eleven octe");
    assert!(alice.answer(&id).is_err(), "the new limit holds on a link that was there before");

    // One mistake, and nothing of it holds.
    site.configure(&json!({"name": "third name", "limits": {"window_deliveries": 0}}));
    let (told, code) = ctl(&site, &["reload"]);
    assert!(code == Some(1) && told.contains("limits.window_deliveries is 0"), "{told}");
    assert_eq!(name_of(&site), "other name");
    site.configure(&json!({"limits": {"window_deliveries": 64}}));
    site.signal(Signal::HUP);
    assert!(site.log_says("SIGHUP: the configuration is read again: changed name", PATIENCE), "{}", site.log());
    assert_eq!(name_of(&site), "third name");
    // The same configuration starts too, and then all of it holds.
    site.restart(Stop::Clean).unwrap();
    assert_eq!(name_of(&site), "third name");
}

/// A self-signed certificate, in files.
fn certify(directory: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(directory.join("new.crt"), made.cert.pem()).unwrap();
    fs::write(directory.join("new.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().to_vec()
}

/// Puts the new files in place as an ACME client does: one after the other.
fn renew(directory: &Path) -> Vec<u8> {
    let der = certify(directory);
    fs::rename(directory.join("new.crt"), directory.join("c.pem")).unwrap();
    fs::rename(directory.join("new.key"), directory.join("k.pem")).unwrap();
    der
}

fn shown(site: &Process) -> Vec<u8> {
    TlsLink::connect(site.address()).unwrap().certificate()
}

/// Waits until new links are shown this certificate.
fn await_shown(site: &Process, der: &[u8]) {
    let end = Instant::now() + PATIENCE;
    while shown(site) != der {
        assert!(Instant::now() < end, "the new certificate is not shown:\n{}", site.log());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_certificate_is_swapped_under_load_and_no_link_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let first = renew(directory.path());
    let certificate = |name: &str| directory.path().join(name);
    let listen = json!({"laddr": "127.0.0.1:0", "certPath": certificate("c.pem"), "keyPath": certificate("k.pem")});
    let mut site = start(&json!({"listen": listen, "log": "info"}));
    assert_eq!(shown(&site), first);

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Two members who never stop to write to each other; the links must be there all the time.
        let load = scope.spawn(|| {
            let (mut alice, mut bob) = (Member::register(site.address()), Member::register(site.address()));
            let mut count = 0_u64;
            while !done.load(Ordering::Relaxed) {
                alice.post(&bob.account.uid, &count.to_be_bytes());
                assert_eq!(bob.delivery().data, count.to_be_bytes());
                count += 1;
            }
            count
        });
        let second = renew(directory.path());
        await_shown(&site, &second);
        // A pair that does not fit together changes nothing, and is told.
        certify(directory.path());
        fs::rename(certificate("new.crt"), certificate("c.pem")).unwrap();
        let bad = |site: &Process| site.log().contains("the old certificate is shown still");
        let end = Instant::now() + PATIENCE;
        while !bad(&site) {
            assert!(Instant::now() < end, "{}", site.log());
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(shown(&site), second);
        // Nor does a reload by hand take it.
        let (told, code) = ctl(&site, &["reload"]);
        assert!(code == Some(1) && told.contains("is not the key of the first certificate"), "{told}");
        fs::rename(certificate("new.key"), certificate("k.pem")).unwrap();
        let third = fs::read(certificate("c.pem")).unwrap();
        let third = rustls_pem(&third);
        await_shown(&site, &third);
        done.store(true, Ordering::Relaxed);
        assert!(load.join().expect("no link is dropped") > 10);
    });
    assert!(site.log_says("renewed, good until", PATIENCE), "{}", site.log());
    assert!(!site.log().contains("SIGHUP"), "{}", site.log());
    site.end(Stop::Clean).unwrap();
}

/// The first certificate of a PEM file.
fn rustls_pem(text: &[u8]) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(text).unwrap().to_vec()
}

#[test]
fn an_intermediate_that_was_wanting_is_shown_once_it_is_there() {
    let directory = tempfile::tempdir().unwrap();
    renew(directory.path());
    let (chain, key) = (directory.path().join("c.pem"), directory.path().join("k.pem"));
    let site = start(&json!({"listen": {"laddr": "127.0.0.1:0", "certPath": chain, "keyPath": key}}));
    assert_eq!(TlsLink::connect(site.address()).unwrap().chain_len(), 1);
    let other = rcgen::generate_simple_self_signed(["an authority".to_owned()]).unwrap().cert.pem();
    fs::write(&chain, fs::read_to_string(&chain).unwrap() + &other).unwrap();
    let (told, code) = ctl(&site, &["reload"]);
    assert!(code == Some(0) && told.contains("renewed"), "{told}");
    assert_eq!(TlsLink::connect(site.address()).unwrap().chain_len(), 2, "the leaf is the same, and the chain is not");
    let (told, _) = ctl(&site, &["reload"]);
    assert_eq!(told, "nothing has changed\n");
}

#[test]
fn an_address_that_another_program_has_is_waited_for_by_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let status = |listen: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnm"));
        command.args(["--data", "data", "--listen", listen]).current_dir(directory.path()).stderr(Stdio::null());
        command.status().unwrap().code()
    };
    assert_eq!(status(&taken.local_addr().unwrap().to_string()), Some(7));
    assert_eq!(status("192.0.2.1:1"), Some(7), "an address that comes late");
    assert_eq!(status("nonsense"), Some(1), "a mistake waits for a person");
}

#[test]
fn a_relay_that_drains_waits_for_what_is_on_its_way_in() {
    let mut site = start(&json!({}));
    let mut alice = Member::register(site.address());
    let uid = alice.account.uid.clone();
    let head = format!(r#"{{"op":7,"id":"half","for":[{{"id":"{uid}","type":1}}],"datalen":100000}}"#);
    let frame = [format!("{:04x}{head}", head.len()).into_bytes(), vec![7; 100_000]].concat();
    let (first, rest) = frame.split_at(60_000);
    alice.say_raw(first);
    // Its beginning must have come, which an answer on the same link could not tell.
    let uploads = |site: &mut Process| ask(site, &json!({"command": "links"}))["links"][0]["upload"] == json!(true);
    let end = Instant::now() + PATIENCE;
    while !uploads(&mut site) {
        assert!(Instant::now() < end, "no upload is seen");
    }
    ask(&mut site, &json!({"command": "drain", "seconds": 600}));
    assert!(site.wait(Duration::from_millis(600)).is_err(), "half a message is on its way:\n{}", site.log());
    alice.say_raw(rest);
    alice.answer("half").expect("it is taken");
    assert_eq!(alice.delivery().data.len(), 100_000);
    assert!(site.wait(PATIENCE).expect("it ends by itself").success());
}

#[test]
fn a_certificate_behind_links_is_followed() {
    // As an ACME client keeps it: a directory with links into another one, which names each issue.
    let directory = tempfile::tempdir().unwrap();
    let (live, archive) = (directory.path().join("live"), directory.path().join("archive"));
    fs::create_dir(&live).unwrap();
    fs::create_dir(&archive).unwrap();
    let issue = |number: u32| {
        let der = certify(&archive);
        for kind in ["crt", "key"] {
            let target = archive.join(format!("{number}.{kind}"));
            fs::rename(archive.join(format!("new.{kind}")), &target).unwrap();
            let link = live.join(format!("{kind}.new"));
            symlink(&target, &link).unwrap();
            fs::rename(link, live.join(kind)).unwrap();
        }
        der
    };
    let first = issue(1);
    let site = start(&json!({"listen": {"laddr": "127.0.0.1:0", "certPath": live.join("crt"), "keyPath": live.join("key")}}));
    assert_eq!(shown(&site), first);
    let second = issue(2);
    await_shown(&site, &second);
}

#[test]
fn a_relay_that_drains_lets_nobody_in_and_waits_for_acks() {
    let mut site = start(&json!({}));
    let (mut alice, mut bob) = (Member::register(site.address()), Member::register(site.address()));
    let id = alice.post(&bob.account.uid, b"to be acked");
    let (told, code) = ctl(&site, &["drain", "--timeout", "600"]);
    assert!(code == Some(0) && told.contains("or in 600 seconds"), "{told}");
    let refused = std::net::TcpStream::connect(site.address());
    assert!(refused.is_err(), "nobody is let in any more");
    assert_eq!(ask(&mut site, &json!({"command": "status"}))["status"], "draining");
    // Members go on, and what is on its way is waited for.
    let second = alice.post(&bob.account.uid, b"another");
    assert!(site.wait(Duration::from_millis(600)).is_err(), "two deliveries are not acked:\n{}", site.log());
    for expected in [&id, &second] {
        assert_eq!(bob.delivery().str("id"), expected);
    }
    // Whatever else they were told is owed an ack too.
    for member in [&mut alice, &mut bob] {
        while let Some(frame) = member.frame() {
            if frame.is_message() {
                member.ack(frame.str("id"));
            }
        }
    }
    let status = site.wait(PATIENCE).expect("it ends by itself");
    assert!(status.success(), "{status}");
}

#[test]
fn a_drain_has_an_end() {
    let mut site = start(&json!({"metrics": "127.0.0.1:0"}));
    let log = site.log();
    let web = log.split("metrics: http://").nth(1).and_then(|rest| rest.split('/').next()).expect("it tells where").to_owned();
    let readiness = || {
        let mut socket = std::net::TcpStream::connect(&web).unwrap();
        socket.write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(readiness().starts_with("HTTP/1.1 200"));
    let (mut alice, bob) = (Member::register(site.address()), Member::register(site.address()));
    alice.post(&bob.account.uid, b"never acked");
    assert_eq!(ask(&mut site, &json!({"command": "drain", "seconds": 3})), json!({"seconds": 3}));
    let answer = readiness();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("draining"), "{answer}");
    assert!(site.wait(PATIENCE).expect("it ends by itself").success());
    // Nothing is lost by that.
    site.begin().unwrap();
    let mut bob = Member::login(site.address(), &bob.account).unwrap();
    assert_eq!(bob.delivery().data, b"never acked");
}

#[test]
fn sockets_in_the_file_system_are_listened_on() {
    let directory = tempfile::tempdir().unwrap();
    let (plain, sealed) = (directory.path().join("plain.sock"), directory.path().join("tls.sock"));
    // What a dead program has left there is no reason not to start.
    drop(std::os::unix::net::UnixListener::bind(&plain).unwrap());
    let mut site = start(&json!({"listen": [
        {"laddr": "127.0.0.1:0"}, {"net": "unix", "laddr": plain, "tls": false}, {"net": "unix", "laddr": sealed},
    ]}));
    let greet = |stream: &mut dyn ReadWrite| {
        stream.write_all(br#"0011{"op":0,"id":"1"}"#).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&answer).unwrap(), 16).unwrap();
        let mut head = vec![0; len];
        stream.read_exact(&mut head).unwrap();
        serde_json::from_slice::<Value>(&head).unwrap()["name"].clone()
    };
    let mut socket = UnixStream::connect(&plain).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(greet(&mut socket), "test site");
    let mut socket = UnixStream::connect(&sealed).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tls = rustls::ClientConnection::new(client_config(), "localhost".try_into().unwrap()).unwrap();
    assert_eq!(greet(&mut rustls::Stream::new(&mut tls, &mut socket)), "test site");
    site.end(Stop::Clean).unwrap();
    assert!(!plain.exists() && !sealed.exists(), "nobody listens there any more");
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

#[test]
fn the_service_manager_hands_over_a_socket_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let manager = UnixDatagram::bind(here.join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It listens on what it is given, and not on what is configured: that is taken.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = json!({"listen": {"laddr": taken.local_addr().unwrap()}, "data": "data", "name": "activated"});
    fs::write(here.join("mnm.conf"), config.to_string()).unwrap();
    // The socket must be number 3, and the process must know that it is meant.
    let mut child = Command::new("sh")
        .args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_PID=$$ exec \"$0\" --config mnm.conf 3<&0 </dev/null"])
        .arg(env!("CARGO_BIN_EXE_mnm"))
        .env("NOTIFY_SOCKET", here.join("notify"))
        .env("WATCHDOG_USEC", "400000")
        .current_dir(here)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut wait_for = |words: &str| {
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let count = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("no {words}: {error}; {seen:?}"));
            let text = String::from_utf8(buffer[..count].to_vec()).unwrap();
            said.push_str(&text);
            let found = text.contains(words);
            seen.push(text);
            if found {
                return seen.pop().unwrap();
            }
        }
    };
    wait_for("READY=1");
    let mut alice = Member::register(address);
    let uid = alice.account.uid.clone();
    alice.post(&uid, b"through the socket that was handed over");
    for _ in 0..3 {
        wait_for("WATCHDOG=1");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    let reloading = wait_for("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    wait_for("READY=1");
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    wait_for("STOPPING=1");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_relay_locks_itself_in() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut site = start(&json!({"log": "info"}));
    if !site.log_says("confined by Landlock", Duration::ZERO) {
        assert!(site.log_says("not confined", PATIENCE), "{}", site.log());
        return eprintln!("this kernel has no Landlock: nothing was tried");
    }
    // A certificate where the relay may not look, although the files are good and this user's.
    renew(elsewhere.path());
    let (chain, key) = (elsewhere.path().join("c.pem"), elsewhere.path().join("k.pem"));
    let address = site.address();
    site.configure(&json!({"listen": {"laddr": "127.0.0.1:0", "certPath": chain, "keyPath": key}}));
    let (told, code) = ctl(&site, &["reload"]);
    assert!(code == Some(1) && told.contains("can be read after a restart only"), "{told}");
    assert_eq!(site.address(), address);
    // And everything that is its own it may do: segments come and go, sockets too.
    let (mut alice, mut bob) = (Member::register(address), Member::register(address));
    for _ in 0..30 {
        alice.post(&bob.account.uid, &[7; 300_000]);
        bob.delivery();
    }
    site.restart(Stop::Clean).unwrap();
    assert_eq!(shown(&site), rustls_pem(&fs::read(&chain).unwrap()), "after a restart it may");
}
