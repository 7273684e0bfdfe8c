//! How a relay within a program starts, and why it does not.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use mnm::config::{AuthBy, CertificatePaths, Config, Limits, Listen, Names};
use mnm::embed::{Relay, RunError};
use mnm::store::StoreError;

use crate::common::member::Member;
use crate::within::{address, directory, loopback, member, open, quiet, status};

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing_running() {
    let data = directory();
    let refusal = |config: Config| Relay::start(config).expect_err("it cannot start");
    let relay = Relay::start(open(&data)).expect("it starts");
    let error = refusal(quiet(&data));
    assert!(matches!(error, RunError::Store(StoreError::Locked { .. })) && error.exit_status() == 6, "{error}");

    let other = directory();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let error = refusal(Config { listen: vec![Listen::at(taken.local_addr().expect("its address"))], ..quiet(&other) });
    assert!(matches!(error, RunError::Address(_)) && error.exit_status() == 7, "{error}");

    let nowhere = CertificatePaths { chain: other.path().join("no.crt"), key: other.path().join("no.key") };
    let mut with_certificate = loopback();
    with_certificate.certificate = Some(nowhere);
    let error = refusal(Config { listen: vec![with_certificate], ..quiet(&other) });
    assert!(matches!(error, RunError::Config(_)) && error.to_string().contains("no.crt"), "{error}");

    drop(taken);
    Relay::start(open(&other)).expect("none of them has kept the directory").stop().expect("it ends well");
    assert!(relay.is_running(), "who was there first stays");
}

#[test]
fn what_a_file_could_not_say_is_refused() {
    let other = directory();
    let refusal = |config: Config| Relay::start(config).expect_err("it cannot start");
    let mut plain = loopback();
    plain.tls = false;
    let scoped: SocketAddr = "[fe80::1%2]:0".parse().expect("an address");
    let [none, service] = [String::new(), "https://auth.example.org".to_owned()];
    let authby = |label: String, login: &String| AuthBy {
        label,
        login: [login.clone(), none.clone()],
        token: [service.clone(), none.clone()],
        keys: None,
        iss: None,
        aud: None,
    };
    let with_names = |min_chars, reserved| Config { names: Names { min_chars, reserved, ..Names::default() }, ..quiet(&other) };
    let vouched = |authby| Config { auth_required: true, authby: vec![authby], ..quiet(&other) };
    for (config, words) in [
        (Config { name: String::new(), ..quiet(&other) }, "name is \"\""),
        (Config { name: "x".repeat(256), ..quiet(&other) }, "expected 1 to 255 octets"),
        (Config { data: PathBuf::new(), ..quiet(&other) }, "data is \"\", but must not be empty"),
        (vouched(authby("x".repeat(70_000), &service)), "authby takes 70"),
        (vouched(authby("a service".into(), &none)), "authby[0].login[0] is \"\""),
        (with_names(0, vec![]), "names.min_chars is 0"),
        (with_names(100_000, vec![]), "names.min_chars is 100000"),
        (with_names(8, vec!["x".into(); 10_001]), "names.reserved lists 10001 names"),
        (with_names(8, vec!["a\nb".into()]), "names.reserved[0] is \"a\\nb\""),
        (
            Config { listen: vec![Listen::at(scoped)], ..quiet(&other) },
            "listen is \"[fe80::1%2]:0\", an address that holds on one interface",
        ),
        (Config { limits: Limits { segment_bytes: 4 << 10, ..Limits::default() }, ..quiet(&other) }, "limits.segment_bytes"),
        (Config { limits: Limits { login_timeout: Duration::ZERO, ..Limits::default() }, ..quiet(&other) }, "login_timeout_s"),
        (Config { listen: vec![plain], ..quiet(&other) }, "without TLS"),
    ] {
        let error = refusal(config).to_string();
        assert!(error.contains(words), "{error}");
    }
    Relay::start(quiet(&other)).expect("none of them has kept the directory").stop().expect("it ends well");
}

#[test]
fn without_addresses_there_is_no_certificate_and_all_else() {
    let data = directory();
    let relay = Relay::start(quiet(&data)).expect("it starts");
    assert!(relay.addresses().is_empty());
    let kept = data.path().join("data");
    assert_eq!(fs::metadata(&kept).expect("it is made").permissions().mode() & 0o777, 0o700);
    assert!(!kept.join("mnm.crt").exists() && !kept.join("mnm.key").exists());
    // The operator's other way in is there as ever.
    let mut operator = mnm::server::control::call(&kept).expect("it listens");
    operator.write_all(b"{\"command\":\"status\"}\n").expect("a request");
    let mut answer = [0; 1];
    operator.read_exact(&mut answer).expect("an answer");
    relay.stop().expect("it ends well");
}

#[test]
fn two_relays_know_nothing_of_each_other() {
    let (here, there) = (directory(), directory());
    let one = Relay::start(Config { name: "one".into(), ..open(&here) }).expect("it starts");
    let two = Relay::start(Config { name: "two".into(), ..open(&there) }).expect("it starts");
    let (mut alice, mut bob) = (member(&one), Member::register(address(&two)));
    assert_ne!(one.addresses()[0].fingerprint, two.addresses()[0].fingerprint);
    let request = alice.post_only(&bob.account.uid, b"across");
    alice.answer(&request).expect_err("nobody here has that uid");
    for (relay, name) in [(&one, "one"), (&two, "two")] {
        assert_eq!((status(relay).site.as_str(), status(relay).members), (name, 1));
    }
    one.stop().expect("it ends well");
    let own = bob.account.uid.clone();
    bob.post(&own, b"still here");
    assert_eq!(bob.delivery().data, b"still here");
    two.stop().expect("it ends well");
}
