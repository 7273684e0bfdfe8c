//! What was asked for, as words of a command line: whoever reads a summary can repeat it.

use std::collections::BTreeMap;

use crate::cli::{Options, Scenario, Window};

/// Option and value of all that shapes the test; what only says where something is told is left out.
pub(crate) fn of(options: &Options) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut set = |name: &str, value: String| drop(found.insert(name.to_owned(), value));
    let scenario = &options.scenario;
    set("members", scenario.members().to_string());
    if let Some(size) = scenario.size() {
        set("size", size.to_string());
    }
    match scenario {
        Scenario::Pairs(pairs) => window(&mut set, &pairs.window),
        Scenario::Fanout(fanout) => {
            set("group", fanout.group.to_string());
            set("posters", fanout.posters.to_string());
            window(&mut set, &fanout.window);
        }
        Scenario::Offline(offline) => {
            set("each", offline.each.to_string());
            set("window", offline.window.to_string());
        }
        Scenario::Idle(idle) => set("pulse", idle.pulse.as_secs_f64().to_string()),
        Scenario::Churn(churn) => {
            set("posts", churn.posts.to_string());
            flag(&mut set, "resume", churn.resume);
        }
        Scenario::Cycle(cycle) => {
            set("group", cycle.group.to_string());
            set("speedup", cycle.speedup.to_string());
        }
        Scenario::Storm(storm) => {
            set("rounds", storm.rounds.to_string());
            set("pause", storm.pause.as_secs_f64().to_string());
            flag(&mut set, "resume", storm.resume);
        }
        Scenario::Abuse(abuse) => {
            set("abusers", abuse.abusers.to_string());
            set("window", abuse.window.to_string());
        }
        Scenario::Compare(_) => {}
    }
    if let Some(lasting) = scenario.lasting() {
        if !lasting.forever {
            set("time", lasting.time.as_secs_f64().to_string());
        }
        flag(&mut set, "forever", lasting.forever);
    }
    if let Some(messages) = scenario.messages() {
        set("messages", messages.to_string());
    }
    if options.links.threads > 1 {
        set("threads", options.links.threads.to_string());
    }
    if options.links.connect_rate > 0 {
        set("connect-rate", options.links.connect_rate.to_string());
    }
    flag(&mut set, "reconnect", options.links.reconnect);
    flag(&mut set, "classical", options.links.classical);
    found
}

fn window(set: &mut impl FnMut(&str, String), window: &Window) {
    set("window", window.window.to_string());
    if window.backlog > 0 {
        set("backlog", window.backlog.to_string());
    }
}

/// An option without a value is there or not.
fn flag(set: &mut impl FnMut(&str, String), name: &str, given: bool) {
    if given {
        set(name, String::new());
    }
}
