//! The load tester against a relay that is honest, wrong, or killed: every fault is seen, and none invented.

mod fake;

use fake::{Behaviour, Fault, Relay};
use simclient::{Counts, Failure, Options, Summary, exit_status, run};

const HONEST: Behaviour = Behaviour { fault: Fault::Nothing, at: 0, crash_every: None, turned_away: 0 };

fn test(addr: &str, args: &str) -> Result<Summary, Failure> {
    let words = ["simclient", "--quiet", "--addr", addr].into_iter().chain(args.split_whitespace());
    run(&Options::try_read(words).map_err(|error| Failure::Usage(error.to_string()))?)
}

/// Runs against a relay that behaves so; what was counted and the exit status.
#[track_caller]
fn counts(behaviour: Behaviour, args: &str) -> (Counts, u8) {
    let relay = Relay::start(behaviour);
    let result = test(&relay.addr.to_string(), args);
    let status = exit_status(&result);
    let summary = result.unwrap();
    println!("{:#?} {:#?}", summary.counts, summary.notes);
    (summary.counts, status)
}

#[track_caller]
fn check_honest(args: &str, messages: u64) {
    let (counts, status) = counts(HONEST, args);
    assert_eq!(counts, Counts { sent: messages, acked: messages, delivered: messages, ..Counts::default() });
    assert_eq!(status, 0);
}

#[test]
fn an_honest_relay_is_found_honest() {
    check_honest("--members 10 --messages 3000 --size 100", 3000);
    check_honest("--members 2 --messages 50 --size 52 --window 1", 50);
    check_honest("--members 4 --messages 400 --window 32 --backlog 3 --connect-rate 100", 400);
    check_honest("--members 2 --messages 30 --size 300000", 30);
}

/// Nobody reads the summary or the progress: no fault of the relay's, and no panic.
#[test]
fn a_closed_pipe_ends_nothing() {
    let relay = Relay::start(HONEST);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_simclient"))
        .args(["--addr", &relay.addr.to_string(), "--members", "2", "--messages", "20"])
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn time_ends_a_test_too() {
    let (counts, status) = counts(HONEST, "--members 4 --time 0.2");
    assert_eq!(status, 0);
    assert!(counts.sent > 0 && counts.sent == counts.delivered);
}

/// One fault, at post 40 of 200: exactly this must be counted, and the exit status be 1.
#[track_caller]
fn check_fault(fault: Fault, expected: Counts) {
    let (counts, status) = counts(Behaviour { fault, at: 40, ..HONEST }, "--members 4 --messages 200 --drain 2");
    assert_eq!(counts, Counts { sent: 200, ..expected }, "{fault:?}");
    assert_eq!(status, 1);
}

#[test]
fn every_fault_is_seen_for_what_it_is() {
    let all = Counts { acked: 200, delivered: 200, ..Counts::default() };
    let one_missing = Counts { delivered: 199, lost: 1, ..all };
    let cases = [
        (Fault::Forgets, one_missing),
        (Fault::Duplicates, Counts { duplicated: 1, ..all }),
        (Fault::StoresTwice, Counts { duplicated: 1, ..all }),
        (Fault::Reorders, Counts { out_of_order: 1, ..all }),
        (Fault::FlipsBody, Counts { corrupted: 1, ..one_missing }),
        (Fault::FlipsHeader, Counts { corrupted: 1, ..one_missing }),
        (Fault::Misdelivers, Counts { unexpected: 1, ..one_missing }),
        (Fault::IsSilent, Counts { acked: 199, unanswered: 1, ..all }),
        (Fault::AcksTwice, Counts { unexpected: 1, ..all }),
        (Fault::Refuses, Counts { acked: 199, delivered: 199, refused: 1, ..all }),
    ];
    // All at once: most of the time is spent waiting for what will not come.
    std::thread::scope(|scope| {
        for (fault, expected) in cases {
            scope.spawn(move || check_fault(fault, expected));
        }
    });
}

#[test]
fn a_relay_that_is_killed_again_and_again_may_repeat_itself() {
    let behaviour = Behaviour { crash_every: Some(150), turned_away: 5, ..HONEST };
    let (counts, status) = counts(behaviour, "--members 6 --messages 2000 --reconnect");
    assert_eq!((counts.sent, counts.acked, counts.delivered, counts.faults()), (2000, 2000, 2000, 0));
    assert!(counts.reconnects > 0 && counts.resent > 0 && counts.redelivered > 0 && counts.resent_twice > 0);
    assert_eq!(status, 0);
}

#[test]
fn a_relay_that_is_killed_must_not_lose_or_invent() {
    let crashes = Behaviour { crash_every: Some(150), at: 200, ..HONEST };
    for (fault, lost, duplicated) in [(Fault::Forgets, 1, 0), (Fault::StoresTwice, 0, 1)] {
        let (counts, status) = counts(Behaviour { fault, ..crashes }, "--members 4 --messages 600 --reconnect --drain 3");
        assert_eq!((counts.lost, counts.duplicated, counts.faults()), (lost, duplicated, 1));
        assert_eq!(status, 1);
    }
}

/// The test cannot be done: exit status 2, and a message that says why.
#[track_caller]
fn check_failure(addr: &str, args: &str, why: &str) {
    let result = test(addr, args);
    assert_eq!(exit_status(&result), 2);
    let text = result.unwrap_err().to_string();
    assert!(text.contains(why), "{text}");
}

#[test]
fn a_link_that_ends_is_a_failure_with_a_reason() {
    let relay = Relay::start(Behaviour { fault: Fault::Quits, at: 10, ..HONEST });
    check_failure(&relay.addr.to_string(), "--members 4", "the relay ended the link: because I say so");
    check_failure(&relay.addr.to_string(), "--members 3", "odd");
    let relay = Relay::start(Behaviour { crash_every: Some(20), ..HONEST });
    check_failure(&relay.addr.to_string(), "--members 4", "member");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check_failure(&nobody.to_string(), "--members 2", "refused");
}

#[test]
fn certificates_are_checked_when_asked_for() {
    let relay = Relay::start(HONEST);
    let addr = relay.addr.to_string();
    let little = "--members 2 --messages 2";
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &relay.certificate_pem).unwrap();
    let ca = ca.path().display();
    for args in [format!("--fingerprint {}", relay.fingerprint), format!("--ca {ca}")] {
        assert_eq!(exit_status(&test(&addr, &format!("{little} {args}"))), 0);
    }
    check_failure(&addr, &format!("{little} --reconnect --fingerprint {}", "00".repeat(32)), "its fingerprint is");
    check_failure(&addr, &format!("{little} --reconnect --ca {ca} --server-name somebody.else"), "certificate");
}

#[test]
fn the_command_prints_a_table_and_writes_json() {
    let relay = Relay::start(Behaviour { fault: Fault::Duplicates, at: 5, ..HONEST });
    let json = tempfile::NamedTempFile::new().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_simclient"));
    command.args(["--addr", &relay.addr.to_string(), "--members", "2", "--messages", "20", "pairs", "--json"]).arg(json.path());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("duplicated              1  <-- fault"), "{text}");
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(json.path()).unwrap()).unwrap();
    assert_eq!(summary["counts"]["duplicated"], 1);
    assert_eq!(summary["counts"]["delivered"], 20);
}
