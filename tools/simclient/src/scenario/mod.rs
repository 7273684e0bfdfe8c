//! What the members do, a file for each scenario. Scenarios import everything else; nothing but [`play`] imports a scenario.

mod abuse;
mod churn;
mod cycle;
mod fanout;
mod groups;
mod idle;
mod offline;
mod pairs;
mod storm;

use crate::cli::Scenario;
use crate::crowd::Play;
use crate::fleet::{GREETING_MAX, OnLoss, PULSE_AFTER};

pub(crate) use abuse::attack;

/// How a scenario is carried out, besides what its members do.
pub(crate) struct Direction {
    pub(crate) play: Box<dyn Play>,
    /// What a link that ends means if nobody said otherwise.
    pub(crate) on_loss: OnLoss,
    /// Greetings under way at the same time.
    pub(crate) greeting_max: usize,
    pub(crate) pulse_after: std::time::Duration,
    /// Members need aliases, by which they can be invited.
    pub(crate) with_aliases: bool,
    /// Deliveries may let their senders post again.
    pub(crate) bounded: bool,
}

/// The play of some members, of whom `first` is the first one's number, with groups whose names begin with `group`.
pub(crate) fn play(scenario: &Scenario, members: usize, group: &str) -> Direction {
    let plain = |play: Box<dyn Play>| Direction {
        play,
        on_loss: OnLoss::Fail,
        greeting_max: GREETING_MAX,
        pulse_after: PULSE_AFTER,
        with_aliases: false,
        bounded: false,
    };
    match scenario {
        Scenario::Pairs(options) => Direction { bounded: options.window.backlog > 0, ..plain(Box::new(pairs::Pairs::new(options))) },
        Scenario::Fanout(options) => Direction {
            bounded: options.window.backlog > 0,
            with_aliases: true,
            ..plain(Box::new(fanout::Fanout::new(options, group.to_owned())))
        },
        Scenario::Offline(options) => plain(Box::new(offline::Offline::new(options, members))),
        Scenario::Idle(options) => Direction { on_loss: OnLoss::Fault, pulse_after: options.pulse, ..plain(Box::new(idle::Idle)) },
        Scenario::Churn(options) => Direction { greeting_max: usize::MAX, ..plain(Box::new(churn::Churn::new(options, members))) },
        Scenario::Cycle(options) => {
            Direction { with_aliases: true, ..plain(Box::new(cycle::Cycle::new(options, members, group.to_owned()))) }
        }
        Scenario::Storm(options) => {
            Direction { on_loss: OnLoss::Fault, greeting_max: usize::MAX, ..plain(Box::new(storm::Storm::new(options, members))) }
        }
        Scenario::Abuse(options) => Direction { on_loss: OnLoss::Fault, ..plain(Box::new(abuse::Honest::new(options))) },
        Scenario::Compare(_) => unreachable!("a comparison has no members"),
    }
}
