//! The scenarios, what they promise, and what a test needs to try one: a relay, a load tester beside it, somebody in between.

use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use simclient::{Control, Counts, Failure, Latency, Options, Summary, exit_status};
use tempfile::TempDir;

use crate::live::Relay;
use crate::live::tamper::{Tamperer, Wrong};

/// How long a test may take that takes a few seconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a running test is looked at, where something must be done in the middle of it.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

/// A scenario, small.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Its options, but for how long it goes on.
    pub(crate) load: &'static str,
    /// Options for a second or so of it.
    pub(crate) brief: &'static str,
    pub(crate) members: u64,
    /// Recipients of each post; `None` where posts differ.
    pub(crate) recipients: Option<u64>,
    /// From the first post to the last delivery it takes at least so long when it is brief, in seconds.
    pub(crate) span: f64,
    /// Logins, registrations included: what the scenario says of itself.
    pub(crate) logins: fn(&Summary) -> RangeInclusive<u64>,
}

pub(crate) const SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "pairs",
        load: "pairs --members 8 --size 100..2000",
        brief: "--time 1",
        members: 8,
        recipients: Some(1),
        span: 0.8,
        logins: |_| 8..=8,
    },
    Scenario {
        name: "fanout",
        load: "fanout --members 10 --group 5 --posters 2 --size 100..500",
        brief: "--time 1",
        members: 10,
        recipients: Some(4),
        span: 0.8,
        logins: |_| 10..=10,
    },
    // Half of them come for a second time, to take it all.
    Scenario {
        name: "offline",
        load: "offline --members 8 --each 100",
        brief: "",
        members: 8,
        recipients: Some(1),
        span: 0.0,
        logins: |_| 12..=12,
    },
    Scenario {
        name: "idle",
        load: "idle --members 12 --pulse 0.3",
        brief: "--time 1",
        members: 12,
        recipients: Some(1),
        span: 0.0,
        logins: |_| 12..=12,
    },
    // Each comes to register, for its visits, and for the message at the end, unless that is posted in its last visit.
    Scenario {
        name: "churn",
        load: "churn --members 8 --posts 2",
        brief: "--time 1",
        members: 8,
        recipients: Some(1),
        span: 0.5,
        logins: |summary| {
            let visits = summary.extra["visits"] as u64;
            visits + 8..=visits + 16
        },
    },
    // Each registers, and comes for each of its cycles, of which the last one need not end.
    Scenario {
        name: "cycle",
        load: "cycle --members 10 --group 5 --speedup 200 --size 100..3000",
        brief: "--time 1",
        members: 10,
        recipients: None,
        span: 0.5,
        logins: |summary| {
            let cycles = summary.extra["cycles"] as u64;
            cycles + 10..=cycles + 20
        },
    },
    Scenario {
        name: "storm",
        load: "storm --members 12 --rounds 2 --pause 1",
        brief: "",
        members: 12,
        recipients: Some(1),
        span: 0.8,
        logins: |_| 36..=36,
    },
    Scenario {
        name: "abuse",
        load: "abuse --members 8 --abusers 2",
        brief: "--time 2",
        members: 8,
        recipients: Some(1),
        span: 1.5,
        logins: |_| 8..=8,
    },
];

pub(crate) fn scenario(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a scenario of that name")
}

/// A relay on data of its own.
pub(crate) struct Site {
    pub(crate) relay: Option<Relay>,
    pub(crate) data: TempDir,
}

impl Site {
    pub(crate) fn start() -> Site {
        let data = tempfile::tempdir().expect("a temporary directory");
        Site { relay: Some(Relay::start(data.path(), "127.0.0.1:0")), data }
    }

    pub(crate) fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("it runs")
    }

    pub(crate) fn address(&self) -> String {
        self.relay().address.clone()
    }

    /// Ends the relay as `kill -9` does, and starts it again at the same address.
    pub(crate) fn kill(&mut self) {
        let relay = self.relay.take().expect("it runs");
        let address = relay.address.clone();
        relay.kill();
        self.relay = Some(Relay::start(self.data.path(), &address));
    }

    /// Ends the relay as `kill -9` does, for good.
    pub(crate) fn kill_for_good(&mut self) {
        self.relay.take().expect("it runs").kill();
    }

    /// Ends the relay as an operator does; how many members its log has.
    pub(crate) fn members_at_the_end(mut self) -> u64 {
        self.relay.take().expect("it runs").stop();
        let verified = Command::new(env!("CARGO_BIN_EXE_mnm")).args(["verify", "--data"]).arg(self.data.path()).output();
        let said = String::from_utf8(verified.expect("the log can be verified").stdout).expect("text");
        let members = said.lines().find_map(|line| line.split_once(" members,")).map(|(count, _)| count.parse());
        members.and_then(Result::ok).unwrap_or_else(|| panic!("{said}"))
    }
}

/// Somebody between the load tester and the relay at this address.
pub(crate) fn between(address: &str, wrong: Wrong, nth: u64) -> Tamperer {
    Tamperer::start(address.parse().expect("an address"), wrong, nth)
}

/// A test that runs in a thread of its own.
pub(crate) struct Test {
    pub(crate) control: Arc<Control>,
    pub(crate) done: Receiver<Result<Summary, Failure>>,
    pub(crate) result: Option<Result<Summary, Failure>>,
    pub(crate) what: String,
}

impl Test {
    #[track_caller]
    pub(crate) fn start(address: impl ToString, arguments: &str) -> Test {
        let what = format!("simclient --quiet --addr {} {arguments}", address.to_string());
        let options = Options::read(what.split_whitespace());
        let control = Arc::new(Control::default());
        let (tell, done) = mpsc::channel();
        let theirs = control.clone();
        // Nobody may be there to be told: then the test has failed already.
        thread::spawn(move || drop(tell.send(simclient::run_under(&options, theirs))));
        Test { control, done, result: None, what }
    }

    pub(crate) fn is_done_within(&mut self, time: Duration) -> bool {
        if self.result.is_none() {
            self.result = self.done.recv_timeout(time).ok();
        }
        self.result.is_some()
    }

    /// Lets it go on until this is so.
    #[track_caller]
    pub(crate) fn until(&mut self, is_so: impl Fn(&Test) -> bool) {
        let mut looks = PATIENCE.as_millis() / LOOK.as_millis();
        while !is_so(self) {
            looks -= 1;
            assert!(looks > 0 && !self.is_done_within(LOOK), "{}: it goes on: {:?}", self.what, self.result);
        }
    }

    #[track_caller]
    pub(crate) fn end(mut self) -> Result<Summary, Failure> {
        assert!(self.is_done_within(PATIENCE), "{}: it ends", self.what);
        self.result.expect("it is done")
    }

    /// Its end, with a summary and this exit status.
    #[track_caller]
    pub(crate) fn summary(self, status: u8) -> Summary {
        let what = self.what.clone();
        let result = self.end();
        let told = exit_status(&result);
        let summary = result.unwrap_or_else(|failure| panic!("{what}: {failure}"));
        assert_eq!(told, status, "{what}: {:?} {:?}", summary.counts, summary.notes);
        summary
    }
}

/// Runs the cases side by side; if one of them fails, so does this.
pub(crate) fn side_by_side<C: Send>(cases: impl IntoIterator<Item = C>, check: impl Fn(C) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

/// A scenario's counts of an honest relay that never went away.
#[track_caller]
pub(crate) fn check_honest(scenario: &Scenario, summary: &Summary, what: &str) {
    let counts = summary.counts;
    let Counts { sent, acked, delivered, redelivered, .. } = counts;
    // What comes while a member leaves comes again; and nothing else may happen.
    let redelivered = if matches!(scenario.name, "churn" | "cycle" | "storm") { redelivered } else { 0 };
    assert_eq!(counts, Counts { sent, acked: sent, delivered, redelivered, ..Counts::default() }, "{what}: {:?}", summary.notes);
    assert!(sent > 0 && acked == sent, "{what}: {counts:?}");
    match scenario.recipients {
        Some(recipients) => assert_eq!(delivered, sent * recipients, "{what}: {counts:?}"),
        None => assert!(delivered > sent, "{what}: those to a group have several recipients: {counts:?}"),
    }
    assert_eq!(summary.scenario, scenario.name, "{what}");
    assert_eq!(u64::from(summary.members), scenario.members, "{what}");
    assert!((scenario.logins)(summary).contains(&summary.logins), "{what}: {} logins, {:?}", summary.logins, summary.extra);
    // Of abuse the latencies are those during the abuse, which begins after a while.
    let timed = |count: u64| if scenario.name == "abuse" { 1..=count } else { count..=count };
    for (latency, count) in [
        (&summary.post_to_ack_us, timed(acked)),
        (&summary.post_to_delivery_us, timed(delivered)),
        (&summary.login_us, summary.logins..=summary.logins),
    ] {
        check_latency(latency, count, what);
    }
}

/// A distribution of so many that can be one.
#[track_caller]
pub(crate) fn check_latency(latency: &Latency, counts: RangeInclusive<u64>, what: &str) {
    let Latency { p50, p90, p99, p999, max, mean, .. } = *latency;
    assert!(counts.contains(&latency.count), "{what}: of {counts:?} {} were timed", latency.count);
    assert!(0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= p999 && p999 <= max, "{what}: {latency:?}");
    assert!(0.0 < mean && mean <= max as f64, "{what}: {latency:?}");
    assert!(latency.curve.is_sorted() && !latency.curve.is_empty(), "{what}: {latency:?}");
    assert!(latency.curve.is_sorted_by_key(|point| point.1), "{what}: {latency:?}");
    // A test on this machine that ends within PATIENCE cannot have waited longer than that.
    assert!(Duration::from_micros(max) < PATIENCE, "{what}: {latency:?}");
}
