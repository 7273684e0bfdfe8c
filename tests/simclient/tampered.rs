//! With a relay that is tampered with, cut off or killed: every wrong shows for what it is, and nothing else does.

use std::sync::Mutex;
use std::time::Duration;

use simclient::{Counts, Failure, Summary, exit_status};

use crate::live::tamper::{Seen, Wrong};
use crate::stand::*;

/// Every wrong but the end of a link, which has tests of its own.
const WRONGS: [Wrong; 17] = [
    Wrong::Loses,
    Wrong::Duplicates,
    Wrong::Delays,
    Wrong::FlipsData,
    Wrong::FlipsFirst,
    Wrong::FlipsHeader,
    Wrong::FlipsSum,
    Wrong::AltersSender,
    Wrong::Cuts,
    Wrong::ReachesSender,
    Wrong::ReachesStranger,
    Wrong::Misdelivers,
    Wrong::SwallowsAck,
    Wrong::AcksTwice,
    Wrong::Refuses,
    Wrong::Forgets,
    Wrong::StoresTwice,
];

/// The faults that a wrong is; `recipients` are those of the post that it was done to.
fn faults_of(wrong: Wrong, recipients: u64) -> Counts {
    let none = Counts::default();
    match wrong {
        Wrong::Nothing => none,
        Wrong::Loses => Counts { lost: 1, ..none },
        Wrong::Duplicates => Counts { duplicated: 1, ..none },
        Wrong::Delays => Counts { out_of_order: 1, ..none },
        // What came spoilt has not come.
        Wrong::FlipsData | Wrong::FlipsFirst | Wrong::FlipsHeader | Wrong::FlipsSum | Wrong::AltersSender | Wrong::Cuts => {
            Counts { corrupted: 1, lost: 1, ..none }
        }
        Wrong::ReachesSender | Wrong::ReachesStranger | Wrong::AcksTwice => Counts { unexpected: 1, ..none },
        Wrong::Misdelivers => Counts { unexpected: 1, lost: 1, ..none },
        Wrong::SwallowsAck => Counts { unanswered: 1, ..none },
        Wrong::Refuses => Counts { refused: 1, ..none },
        Wrong::Forgets => Counts { lost: recipients, ..none },
        Wrong::StoresTwice => Counts { duplicated: recipients, ..none },
        Wrong::ClosesAtPost | Wrong::ClosesAtPulse | Wrong::ClosesAtRegistered => Counts { dropped_links: 1, ..none },
    }
}

/// A scenario through the tampering relay with each wrong that it can show, done at the `nth` post or delivery: the faults are
/// exactly those that were done, and the exit status is 1.
fn check_wrongs(name: &str, more: &str, nth: u64, wrongs: impl Iterator<Item = Wrong>) {
    let (scenario, site) = (scenario(name), Site::start());
    let address = site.address();
    let failures = Mutex::new(Vec::new());
    side_by_side(wrongs, |wrong| {
        let between = between(&address, wrong, nth);
        let arguments = format!("--drain 2 {} {more}", scenario.load);
        let result = Test::start(between.address(), &arguments).end();
        if let Err(failure) = check_wrong(scenario, wrong, &between.seen(), &result) {
            let told = result.map(|summary| (summary.counts, summary.notes));
            failures.lock().expect("nobody panics with it").push(format!("{wrong:?}: {failure}: {told:?} {:?}", between.seen()));
        }
    });
    let failures = failures.into_inner().expect("nobody panics with it");
    assert!(failures.is_empty(), "{} {more}:\n{}", scenario.load, failures.join("\n"));
}

/// Whether the result tells of this wrong and of nothing else; what is not as it should be.
fn check_wrong(scenario: &Scenario, wrong: Wrong, seen: &Seen, result: &Result<Summary, Failure>) -> Result<(), String> {
    let Ok(Summary { counts, .. }) = result else { return Err("there is no summary".to_owned()) };
    if !seen.struck {
        return Err("there was no occasion for it".to_owned());
    }
    let &Counts {
        sent, acked, delivered, lost, unanswered, refused, duplicated, out_of_order, corrupted, unexpected, dropped_links, ..
    } = counts;
    let none = Counts::default();
    let faults = Counts { lost, unanswered, refused, duplicated, out_of_order, corrupted, unexpected, dropped_links, ..none };
    let mut expected = faults_of(wrong, seen.struck_for);
    if expected.corrupted > 0 && seen.struck_came_again {
        expected.lost = 0;
    }
    if faults != expected {
        return Err(format!("{expected:?} expected"));
    }
    if exit_status(result) != u8::from(expected != none) {
        return Err(format!("exit status {}", exit_status(result)));
    }
    if acked + refused + unanswered != sent {
        return Err("each post is acked, refused, or unanswered".to_owned());
    }
    if scenario.recipients.is_some_and(|recipients| delivered + lost + refused * recipients != sent * recipients) {
        return Err("what is not lost is delivered".to_owned());
    }
    Ok(())
}

#[test]
fn every_wrong_shows_in_pairs() {
    check_wrongs("pairs", "--messages 300", 40, WRONGS.into_iter());
}

/// One wrong among many links.
#[test]
fn one_wrong_shows_in_a_crowd() {
    let (site, scenario) = (Site::start(), Scenario { members: 240, ..*scenario("pairs") });
    let between = between(&site.address(), Wrong::FlipsData, 1500);
    let result = Test::start(between.address(), "pairs --members 240 --messages 3000 --threads 2 --drain 2").end();
    assert_eq!(check_wrong(&scenario, Wrong::FlipsData, &between.seen(), &result), Ok(()), "{result:?}");
}

/// The members that a wrong concerns may belong to another thread of the load tester.
#[test]
fn every_wrong_shows_in_pairs_by_two_threads() {
    check_wrongs("pairs", "--messages 300 --threads 2", 40, WRONGS.into_iter());
}

#[test]
fn every_wrong_shows_in_fanout() {
    check_wrongs("fanout", "--messages 120", 60, WRONGS.into_iter());
}

#[test]
fn every_wrong_shows_in_fanout_by_two_threads() {
    check_wrongs("fanout", "--messages 120 --threads 2", 60, WRONGS.into_iter());
}

/// But for an ack that never comes, which has a test of its own.
#[test]
fn every_wrong_shows_in_offline() {
    check_wrongs("offline", "", 200, WRONGS.into_iter().filter(|wrong| *wrong != Wrong::SwallowsAck));
}

#[test]
fn an_ack_that_never_comes_shows_in_offline() {
    check_wrongs("offline", "", 200, [Wrong::SwallowsAck].into_iter());
}

/// Each posts once: none is behind another.
#[test]
fn every_wrong_shows_in_idle() {
    check_wrongs("idle", "--time 0.5", 3, WRONGS.into_iter().filter(|wrong| *wrong != Wrong::Delays));
}

#[test]
fn every_wrong_shows_in_churn() {
    check_wrongs("churn", "--messages 60", 20, WRONGS.into_iter());
}

#[test]
fn every_wrong_shows_in_cycle() {
    check_wrongs("cycle", "--messages 160", 20, WRONGS.into_iter());
}

/// What is wronged before the links break is made good where the post's ack did not come in time: the post is repeated. So it is
/// the second of two rounds; but who overtakes whom shows when the next one has come.
#[test]
fn every_wrong_shows_in_storm() {
    check_wrongs("storm", "", 15, WRONGS.into_iter().filter(|wrong| *wrong != Wrong::Delays));
    check_wrongs("storm", "", 3, [Wrong::Delays].into_iter());
}

#[test]
fn every_wrong_shows_in_abuse() {
    check_wrongs("abuse", "--time 2", 100, WRONGS.into_iter());
}

/// A link that ends without a word. Without --reconnect it is a fault where members come back by themselves, in idle, storm and
/// abuse; the other tests cannot go on without the member. With --reconnect nothing is lost and nothing is a fault.
#[test]
fn a_link_that_ends_is_told() {
    let cases = SCENARIOS.iter().flat_map(|scenario| [(scenario, Wrong::ClosesAtPost, ""), (scenario, Wrong::ClosesAtPost, "--reconnect")]);
    let pulses = ["", "--reconnect"].map(|more| (scenario("idle"), Wrong::ClosesAtPulse, more));
    side_by_side(cases.chain(pulses), |(scenario, wrong, more)| {
        let site = Site::start();
        let between = between(&site.address(), wrong, 3);
        let arguments = format!("--drain 2 {more} {} {}", scenario.load, scenario.brief);
        let result = Test::start(between.address(), &arguments).end();
        let what = format!("{wrong:?} {arguments}: {:?}", result.as_ref().map(|summary| (summary.counts, &summary.notes)));
        assert!(between.seen().struck, "{what}");
        let (is_fault, is_failure) = match scenario.name {
            _ if !more.is_empty() => (false, false),
            "idle" | "storm" | "abuse" => (true, false),
            _ => (false, true),
        };
        let Ok(summary) = &result else {
            assert!(is_failure && matches!(result, Err(Failure::Connection(_))) && exit_status(&result) == 2, "{what}");
            return;
        };
        assert!(!is_failure, "{what}");
        assert_eq!((summary.counts.dropped_links, exit_status(&result)), (u64::from(is_fault), u8::from(is_fault)), "{what}");
        if !is_fault {
            let Counts { sent, acked, delivered, lost, unanswered, reconnects, .. } = summary.counts;
            assert_eq!((acked, lost, unanswered, reconnects), (sent, 0, 0, 1), "{what}");
            assert!(scenario.recipients.is_none_or(|recipients| delivered == sent * recipients), "{what}");
            assert!(!summary.notes.is_empty(), "{what}");
        }
    });
}

/// A member whose link ends before it learns who it is registers again, and the test goes on.
#[test]
fn a_registration_without_an_answer_is_repeated() {
    side_by_side(&SCENARIOS, |scenario| {
        let site = Site::start();
        let between = between(&site.address(), Wrong::ClosesAtRegistered, 3);
        let arguments = format!("--reconnect {} {}", scenario.load, scenario.brief);
        let Counts { sent, acked, delivered, .. } = Test::start(between.address(), &arguments).summary(0).counts;
        assert!(between.seen().struck && sent > 0 && acked == sent, "{arguments}");
        assert!(scenario.recipients.is_none_or(|recipients| delivered == sent * recipients), "{arguments}");
    });
}

/// The relay is killed again and again while members of groups post, or come and go: with --reconnect nothing is lost.
fn check_killed(arguments: &str, kills: &[u64], first: impl Fn(&Test) -> bool) -> Summary {
    let mut site = Site::start();
    let mut test = Test::start(site.address(), &format!("--reconnect {arguments}"));
    test.until(first);
    for &millis in kills {
        // The kill may come at any instant; if all is done before, there is nothing to kill for.
        if test.is_done_within(Duration::from_millis(millis)) {
            break;
        }
        site.kill();
    }
    let summary = test.summary(0);
    let Counts { sent, acked, reconnects, .. } = summary.counts;
    assert!(sent > 0 && acked == sent && reconnects > 0, "{arguments}: {:?}", summary.counts);
    summary
}

const KILLS: [u64; 5] = [50, 40, 300, 5, 90];

#[test]
fn a_killed_relay_loses_no_post_to_a_group() {
    let messages = "fanout --members 20 --group 5 --posters 2 --messages 8000 --time 600";
    let Counts { sent, delivered, .. } = check_killed(messages, &KILLS, |test| test.control.acked() > 0).counts;
    assert_eq!((sent, delivered), (8000, 4 * 8000));
}

#[test]
fn a_killed_relay_loses_nothing_of_who_comes_and_goes() {
    check_killed("cycle --members 20 --group 5 --speedup 300 --time 4", &KILLS, |test| test.control.acked() > 0);
}

/// Also while the members register and make their groups.
#[test]
fn a_killed_relay_spoils_no_preparation() {
    for arguments in ["fanout --members 20 --group 5 --messages 200", "cycle --members 20 --group 5 --speedup 300 --time 1"] {
        check_killed(arguments, &[0, 3, 5, 10, 20, 40], |_| true);
    }
}

/// A relay that goes away for good, or hangs, is no honest relay: members who cannot come back, and what they could not say, are faults.
#[test]
fn a_relay_that_goes_for_good_is_told() {
    let cases = ["churn --members 8 --posts 1 --reconnect --time 4 --drain 2", "storm --members 8 --rounds 3 --pause 1 --drain 2"];
    side_by_side(cases, |arguments| {
        let mut site = Site::start();
        let mut test = Test::start(site.address(), arguments);
        // Each member of a storm posts when it is back: the first one is over.
        test.until(|test| test.control.acked() >= 8);
        site.kill_for_good();
        let result = test.end();
        // The relay of a storm is lost while its members are here, and is no more to be had when they come back.
        let summary = result.as_ref().unwrap_or_else(|failure| panic!("{arguments}: {failure}"));
        assert!(summary.counts.dropped_links > 0 && exit_status(&result) == 1, "{arguments}: {:?} {:?}", summary.counts, summary.notes);
    });
}

/// A storm's pause is no silence of the relay's, however long it is.
#[test]
fn storms_are_waited_for() {
    let site = Site::start();
    let summary = Test::start(site.address(), "storm --members 4 --rounds 1 --pause 3 --drain 1").summary(0);
    assert_eq!((summary.extra["storms"], summary.counts.acked), (1.0, 4), "{summary:?}");
    assert!(summary.logins_per_second < 1e6, "{summary:?}");
}
