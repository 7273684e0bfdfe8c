//! With an honest relay: what is told is what was, and wrong usage is no verdict.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType};
use simclient::{Counts, Options, Sample, Summary, exit_status};

use crate::live::tamper::{Seen, Wrong};
use crate::stand::*;

/// Each scenario against a relay that does nothing wrong, by one thread and by two: everything posted is acked and delivered, to
/// every recipient, everything is timed, and every login is counted.
#[test]
fn an_honest_relay_is_found_honest_in_every_scenario() {
    let cases = SCENARIOS.iter().flat_map(|scenario| [(scenario, 1), (scenario, 2)]);
    side_by_side(cases, |(scenario, threads)| {
        let site = Site::start();
        let arguments = format!("--threads {threads} {} {}", scenario.load, scenario.brief);
        let summary = Test::start(site.address(), &arguments).summary(0);
        check_honest(scenario, &summary, &arguments);
        assert_eq!(summary.threads, threads);
        assert_eq!(summary.address, site.address());
        assert_eq!(summary.notes, Vec::<String>::new());
        assert_eq!((&summary.relay, &summary.disk), (&None, &None), "nobody asked for them");
        assert!(summary.tester.rss_max_bytes > 1 << 20, "{:?}", summary.tester);
    });
}

/// A witness in between, who counts every frame, has seen what the load tester tells: posts, acks, deliveries, logins.
/// (And that the relay repeats no message whose ack it had before the link ended.)
#[test]
fn a_witness_has_seen_what_is_told() {
    side_by_side(&SCENARIOS, |scenario| {
        let site = Site::start();
        let witness = between(&site.address(), Wrong::Nothing, 0);
        let arguments = format!("{} {}", scenario.load, scenario.brief);
        let summary = Test::start(witness.address(), &arguments).summary(0);
        check_honest(scenario, &summary, &arguments);
        let Seen { logins, posts, acks, deliveries, repeated, repeated_after_ack, .. } = witness.seen();
        let Counts { sent, acked, delivered, redelivered, .. } = summary.counts;
        let what = format!("{arguments}: {:?}", summary.counts);
        assert_eq!((summary.logins, sent, acked, delivered), (logins, posts, acks, deliveries), "{what}");
        // What came again may have found the member gone again.
        assert!(redelivered <= repeated, "{what}: {repeated} repeated");
        assert_eq!(repeated_after_ack, 0, "{what}");
    });
}

/// A scenario's brief run against an honest relay, and what it was.
fn brief(scenario: &Scenario) -> (Summary, String) {
    let site = Site::start();
    let arguments = format!("{} {}", scenario.load, scenario.brief);
    let summary = Test::start(site.address(), &arguments).summary(0);
    (summary, arguments)
}

/// A rate of so many between the first post and the last delivery.
#[track_caller]
fn check_rate(rate: f64, count: u64, summary: &Summary, scenario: &Scenario, what: &str) {
    let (count, most) = (count as f64, summary.post_seconds + summary.drain_seconds);
    assert!(rate * most > 0.95 * count, "{what}: {rate} a second, but {count} in {most} s");
    assert!(rate * scenario.span < 1.05 * count, "{what}: {rate} a second, but {count} in more than {} s", scenario.span);
}

/// Rates are counts by time.
#[test]
fn rates_are_those_of_the_counts() {
    side_by_side(&SCENARIOS, |scenario| {
        let (summary, what) = brief(scenario);
        check_rate(summary.acked_per_second, summary.counts.acked, &summary, scenario, &what);
        check_rate(summary.delivered_per_second, summary.counts.delivered, &summary, scenario, &what);
        let megabytes = summary.delivered_per_second * summary.size as f64 / 1e6;
        assert!((summary.delivered_mb_per_second / megabytes - 1.0).abs() < 0.1, "{what}: {megabytes} MB expected: {summary:?}");
    });
}

/// The samples' rates add up to the counts.
#[track_caller]
fn check_samples(scenario: &Scenario) {
    let (summary, what) = brief(scenario);
    let samples = &summary.samples;
    assert!(!samples.is_empty() && samples.is_sorted_by(|a, b| a.seconds < b.seconds), "{what}: {samples:?}");
    for sample in samples {
        assert!(sample.online <= scenario.members && sample.faults == 0 && !sample.phase.is_empty(), "{what}: {sample:?}");
    }
    let since: Vec<f64> = [0.0].into_iter().chain(samples.iter().map(|sample| sample.seconds)).collect();
    let check = |rate: fn(&Sample) -> f64, count: u64| {
        let sum: f64 = samples.iter().zip(&since).map(|(sample, since)| rate(sample) * (sample.seconds - since)).sum();
        assert!((sum - count as f64).abs() < 0.5, "{what}: the samples' {sum} are not the whole's {count}: {samples:?}");
    };
    check(|sample| sample.acked_per_second, summary.counts.acked);
    check(|sample| sample.delivered_per_second, summary.counts.delivered);
    check(|sample| sample.logins_per_second, summary.logins);
}

#[test]
fn samples_add_up_to_the_counts() {
    side_by_side(&SCENARIOS, check_samples);
}

/// The honest members of `abuse` are served while every kind of abuse goes on (which it does in the last two thirds), and the relay ends the links of those who have
/// not logged in after 5 seconds.
#[test]
fn abuse_is_abusive_and_is_ended() {
    let site = Site::start();
    let summary = Test::start(site.address(), "abuse --members 4 --abusers 3 --time 9").summary(0);
    check_honest(&Scenario { members: 4, logins: |_| 4..=4, ..*scenario("abuse") }, &summary, "abuse");
    let extra = |kind: &str, what: &str| {
        *summary.extra.get(&format!("{kind}_{what}")).unwrap_or_else(|| panic!("{kind} {what}: {:?}", summary.extra))
    };
    for kind in ["garbage", "half_open", "huge_body", "oversized", "trickle", "trickled_login"] {
        assert!(extra(kind, "connections") >= 3.0, "{kind}: {:?}", summary.extra);
        assert!(extra(kind, "closed_by_relay") >= 3.0, "{kind}: {:?}", summary.extra);
        assert!(extra(kind, "longest_seconds") < 6.5, "{kind}: {:?}", summary.extra);
    }
    for kind in ["half_open", "trickle", "trickled_login"] {
        assert!(extra(kind, "longest_seconds") > 4.5, "{kind}: {:?}", summary.extra);
    }
}

/// Exactly as many posts as were asked for, shared out to the threads.
#[test]
fn so_many_messages_are_so_many() {
    let cases = ["pairs", "fanout", "cycle"].into_iter().flat_map(|name| [(name, 1), (name, 2)]);
    side_by_side(cases, |(name, threads)| {
        let (scenario, site) = (scenario(name), Site::start());
        let arguments = format!("--threads {threads} {} --messages 37 --time 600", scenario.load);
        let summary = Test::start(site.address(), &arguments).summary(0);
        assert_eq!(summary.counts.sent, 37, "{arguments}");
        check_honest(scenario, &summary, &arguments);
    });
}

/// Where each member posts once more at the end, these come on top.
#[test]
fn so_many_messages_are_so_many_in_visits() {
    let (scenario, site) = (scenario("churn"), Site::start());
    let summary = Test::start(site.address(), &format!("{} --messages 37 --time 600", scenario.load)).summary(0);
    check_honest(scenario, &summary, "churn");
    assert_eq!(summary.counts.sent, 37 + scenario.members, "{:?}", summary.counts);
}

/// The second run with the same accounts logs in instead of registering: the relay has no more members for it.
#[test]
fn accounts_that_are_kept_are_used_again() {
    side_by_side(&SCENARIOS, |scenario| {
        let site = Site::start();
        let accounts = site.data.path().join("accounts");
        let arguments = format!("--accounts {} {} {}", accounts.display(), scenario.load, scenario.brief);
        for run in ["first", "second"] {
            let summary = Test::start(site.address(), &arguments).summary(0);
            let counts = summary.counts;
            check_honest(scenario, &Summary { counts: Counts { stale: 0, ..counts }, ..summary }, &format!("{run} {arguments}"));
        }
        assert_eq!(site.members_at_the_end(), scenario.members, "{arguments}");
    });
}

/// Who is interrupted posts no more, waits until all has arrived, and loses nothing.
#[test]
fn an_interrupted_run_drains() {
    side_by_side(&SCENARIOS, |scenario| {
        let site = Site::start();
        let witness = between(&site.address(), Wrong::Nothing, 0);
        let rest = match scenario.name {
            "offline" => "--each 100000",
            "storm" => "--rounds 1000",
            _ => "--time 600",
        };
        // The later one of two counts; where one may be given once only it is not given before.
        let load = scenario.load.replace("--each 100", "").replace("--rounds 2 --pause 1", "--pause 0.3");
        let mut test = Test::start(witness.address(), &format!("{load} {rest}"));
        // Who is idle posts at the end only, but a sign of life from everybody says that everybody is there.
        test.until(|test| match scenario.name {
            "idle" => witness.seen().pulses > scenario.members,
            _ => test.control.acked() > 3,
        });
        test.control.stop();
        let summary = test.summary(0);
        let Counts { sent, acked, delivered, lost, unanswered, .. } = summary.counts;
        assert_eq!((acked, lost, unanswered), (sent, 0, 0), "{load}: {:?}", summary.counts);
        let recipients = scenario.recipients.map_or(delivered, |recipients| sent * recipients);
        assert!(delivered == recipients && delivered >= sent && sent > 3, "{load}: {:?}", summary.counts);
    });
}

/// With --pid and --data the relay's memory, processor time and disk are those of a process that works.
#[test]
fn the_relay_is_measured() {
    let site = Site::start();
    let (pid, data) = (site.relay().pid(), site.data.path().display());
    let summary = Test::start(site.address(), &format!("--pid {pid} --data {data} pairs --members 8 --time 2")).summary(0);
    let (relay, disk) = (summary.relay.expect("the relay's use"), summary.disk.expect("the disk's use"));
    assert!(relay.rss_first_bytes > 1 << 20 && relay.rss_last_bytes > 1 << 20, "{relay:?}");
    assert!(relay.rss_max_bytes >= relay.rss_last_bytes && relay.rss_max_bytes < 1 << 30, "{relay:?}");
    // It has two seconds of one processor at most, and some to connect and to drain.
    assert!(relay.cpu_seconds > 0.05 && relay.cpu_seconds < 10.0, "{relay:?}");
    let expected = relay.cpu_seconds * 1e6 / summary.counts.acked as f64;
    assert!(relay.cpu_us_per_message > 0.5 * expected && relay.cpu_us_per_message < 1.1 * expected, "{relay:?} {expected}");
    assert!(disk.max_bytes >= disk.last_bytes && disk.max_bytes >= disk.first_bytes, "{disk:?}");
    // The log has room for what comes, more than what has come.
    assert!(disk.max_bytes > 100_000, "{disk:?}");
    assert!(
        summary.samples.iter().any(|sample| sample.disk_bytes.is_some() && sample.relay.is_some_and(|relay| relay.rss_bytes > 1 << 20))
    );
}

/// What --json writes is the summary, field by field.
#[test]
fn the_json_reads_back_equal() {
    let (site, directory) = (Site::start(), tempfile::tempdir().expect("a temporary directory"));
    let address = site.address();
    side_by_side(["pairs", "storm", "abuse"], |name| {
        let json = directory.path().join(name);
        let Scenario { load, brief, .. } = scenario(name);
        let summary = Test::start(&address, &format!("--json {} {load} {brief}", json.display())).summary(0);
        let written = fs::read_to_string(json).expect("the file is there");
        let expected = serde_json::to_string(&summary).expect("a summary can be written");
        let packed = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(packed(&written), packed(&expected));
        // Not to the last bit: the reader of floating point numbers is a quick one.
        let read: Summary = serde_json::from_str(&written).expect("it is a summary");
        assert_eq!((read.counts, &read.settings, read.samples.len()), (summary.counts, &summary.settings, summary.samples.len()));
        assert!((read.acked_per_second / summary.acked_per_second - 1.0).abs() < 1e-12);
    });
}

/// An address that nobody listens at, as long as the socket lives.
fn nobody() -> (OwnedFd, String) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = SocketAddrV4::try_from(rustix::net::getsockname(&socket).expect("a bound address")).expect("an IPv4 address");
    (socket, address.to_string())
}

/// The test fails because of this, and says so: exit status 2.
#[track_caller]
fn check_failure(address: &str, arguments: &str, why: &str) {
    let result = Test::start(address, arguments).end();
    assert_eq!(exit_status(&result), 2, "{arguments}: {result:?}");
    let failure = result.expect_err("there is no summary").to_string();
    assert!(failure.contains(why), "{arguments}: {failure}");
}

/// Without a relay, or with another one than was meant, there is no verdict.
#[test]
fn who_is_not_there_is_not_judged() {
    let (_socket, nobody) = nobody();
    let site = Site::start();
    let address = site.address();
    side_by_side(&SCENARIOS, |Scenario { name, load, .. }| {
        // The other three have a test of their own.
        if !matches!(*name, "idle" | "storm" | "abuse") {
            check_failure(&nobody, load, "refused");
        }
        check_failure(&address, &format!("--fingerprint {} {load}", "ab".repeat(32)), "fingerprint");
    });
}

#[test]
fn who_is_not_there_is_not_waited_for() {
    let (_socket, nobody) = nobody();
    side_by_side(["idle", "storm", "abuse"], |name| check_failure(&nobody, scenario(name).load, "refused"));
}

/// Wrong usage is no verdict either: exit status 2.
#[test]
fn wrong_usage_is_refused() {
    for Scenario { load, .. } in &SCENARIOS {
        for wrong in ["--threads 30", "--members 3", "--members 0", "--threads 0", "--size 10", "--addr"] {
            let mut words = vec!["simclient", "--quiet"];
            words.extend(load.split(' ').take(1).chain(wrong.split(' ')));
            if wrong.starts_with("--threads") {
                words.extend(["--members", "20"]);
                words.extend(matches!(words[2], "fanout" | "cycle").then_some(["--group", "10"]).into_iter().flatten());
            }
            let error = Options::try_read(words.iter().copied()).err().unwrap_or_else(|| panic!("{words:?} is taken"));
            assert_eq!(error.exit_code(), 2, "{words:?}: {error}");
        }
    }
    for wrong in ["nonsense", "pairs --fingerprint 00", "pairs --fingerprint x --ca y", "offline --time 1", "compare a"] {
        let error =
            Options::try_read(["simclient"].into_iter().chain(wrong.split(' '))).err().unwrap_or_else(|| panic!("{wrong} is taken"));
        assert_eq!(error.exit_code(), 2, "{wrong}: {error}");
    }
}
