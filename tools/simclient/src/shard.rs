//! One thread's part of a test, from the first connect to the last good-bye.

use std::sync::Arc;
use std::time::Duration;

use mnm::base::Mono;

use crate::Failure;
use crate::accounts::Kept;
use crate::acts::{Act, Acts, Shown};
use crate::cli::Scenario;
use crate::clock::Clock;
use crate::control::Control;
use crate::crowd::{Cast, Crowd, Stage};
use crate::fleet::{Fleet, Identity, Manner};
use crate::scenario::Direction;
use crate::tally::Tally;

/// What a thread is given.
pub(crate) struct Shard {
    pub(crate) thread: usize,
    pub(crate) cast: Cast,
    pub(crate) identities: Vec<Identity>,
    pub(crate) manner: Manner,
    /// Messages it may post.
    pub(crate) messages: u64,
}

/// What comes out of it.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Logins up to the first post and up to the last.
    pub(crate) logins: [u64; 2],
    pub(crate) extra: Vec<(&'static str, f64)>,
    pub(crate) accounts: Vec<Kept>,
    pub(crate) groups: std::collections::BTreeMap<String, Vec<String>>,
}

/// How often a thread shows what it does.
const SHOW_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether all has been delivered, where that takes long to find out.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long requests before the test may be without any answer.
const PREPARE_MAX: Duration = Duration::from_secs(30);

/// What a thread has at hand.
struct Run<'a> {
    thread: usize,
    acts: &'a Acts,
    control: &'a Control,
    clock: Clock,
    fleet: Fleet,
    stage: Stage<'a>,
    phase: &'static str,
    next_show: Mono,
    /// Acks that the control has been told of.
    told: u64,
}

/// Does all of it.
pub(crate) fn run(
    shard: Shard,
    scenario: &Scenario,
    mut direction: Direction,
    acts: &Acts,
    control: &Arc<Control>,
    clock: Clock,
) -> Result<Outcome, Failure> {
    let Shard { thread, cast, identities, manner, messages } = shard;
    let identities = identities.into_iter().enumerate().map(|(at, identity)| (identity, cast.aliases.get(at).cloned())).collect();
    let size = scenario.size().expect("a scenario with members has a size");
    let mut crowd = Crowd::new(cast, size, manner.on_loss)?;
    crowd.left = messages;
    let fleet = Fleet::new(manner, identities, clock, control.clone())?;
    let stage = Stage { crowd, play: &mut *direction.play, bounded: direction.bounded };
    let mut run = Run { thread, acts, control, clock, fleet, stage, phase: "connecting", next_show: Mono::default(), told: 0 };

    run.gather()?;
    let mut logins = [run.stage.crowd.tally.logins; 2];
    run.all_ready()?;
    run.post(scenario)?;
    logins[1] = run.stage.crowd.tally.logins;
    run.drain(scenario.drain())?;
    run.leave()?;
    let Run { fleet, stage, .. } = run;
    let Stage { mut crowd, play, .. } = stage;
    crowd.tally.counts.reconnects = fleet.reconnects;
    let kept = |(account, alias): (Option<mnm_client::Account>, Option<String>)| {
        account.map(|account| Kept { uid: account.uid, node: account.node, alias })
    };
    Ok(Outcome {
        logins,
        extra: play.extra(),
        accounts: fleet.accounts().into_iter().zip(fleet.aliases()).filter_map(kept).collect(),
        groups: crowd.groups(),
        tally: crowd.tally,
    })
}

/// Since when nothing has come, and how long that may be; `None`: as long as it likes.
struct Quiet {
    patience: Option<Duration>,
    heard: u64,
    since: Option<Mono>,
}

impl Quiet {
    fn new(patience: Option<Duration>) -> Quiet {
        Quiet { patience, heard: 0, since: None }
    }
}

impl Run<'_> {
    /// Until everybody has an account and a link, and has done what must be done before the test.
    fn gather(&mut self) -> Result<(), Failure> {
        while self.fleet.online() < self.fleet.len() {
            self.turn()?;
            if !self.fleet.has_hope() {
                let (online, all) = (self.fleet.online(), self.fleet.len());
                return Err(Failure::Connection(format!("{online} of {all} members are logged in, and no more come: giving up")));
            }
            self.not_interrupted()?;
        }
        self.phase = "preparing";
        // Some may have had to register under another one.
        self.stage.crowd.aliases = self.fleet.aliases().into_iter().flatten().collect();
        self.stage.crowd.name_the_nameless();
        self.do_errands()?;
        self.stage.play.prepare(&mut self.stage.crowd);
        self.do_errands()
    }

    fn do_errands(&mut self) -> Result<(), Failure> {
        let (mut least, mut since) = (usize::MAX, self.clock.now());
        loop {
            let left = self.stage.crowd.errands_left()?;
            if left == 0 {
                return Ok(());
            }
            if left < least {
                (least, since) = (left, self.clock.now());
            } else if self.clock.now().since(since) > PREPARE_MAX {
                let seconds = PREPARE_MAX.as_secs();
                return Err(Failure::Connection(format!("{left} requests before the test had no answer for {seconds} s: giving up")));
            }
            self.turn()?;
            self.not_interrupted()?;
        }
    }

    fn not_interrupted(&self) -> Result<(), Failure> {
        if self.fleet.interrupted() {
            return Err(Failure::Connection("interrupted before the test began".into()));
        }
        Ok(())
    }

    /// Waits for the other threads.
    fn all_ready(&mut self) -> Result<(), Failure> {
        self.acts.arrive(Act::Ready);
        while self.acts.done(Act::Ready).is_none() {
            self.turn()?;
            self.not_interrupted()?;
        }
        Ok(())
    }

    fn post(&mut self, scenario: &Scenario) -> Result<(), Failure> {
        let begun = self.clock.now();
        let end = scenario.lasting().filter(|lasting| !lasting.forever).map(|lasting| begun.plus(lasting.time));
        self.phase = "posting";
        self.stage.crowd.begin_test();
        self.stage.play.begin(&mut self.stage.crowd, begun);
        self.fleet.kick_all();
        let all_posted = |crowd: &Crowd| scenario.messages().is_some() && crowd.left == 0;
        // What ends by itself may wait for what never comes.
        let mut quiet = Quiet::new(scenario.lasting().is_none().then(|| scenario.drain()));
        while !(all_posted(&self.stage.crowd)
            || self.stage.play.is_over(&self.stage.crowd)
            || end.is_some_and(|end| self.clock.now() >= end)
            || self.fleet.interrupted())
        {
            self.turn_until(end)?;
            // A pause of the scenario's own is no silence of the relay's.
            if self.stage.play.rests() {
                quiet.since = None;
            } else if self.is_too_quiet(&mut quiet) {
                break;
            }
        }
        self.stage.crowd.posting = false;
        self.stage.crowd.finishing = true;
        self.acts.arrive(Act::Posted);
        Ok(())
    }

    fn drain(&mut self, patience: Duration) -> Result<(), Failure> {
        self.phase = "draining";
        self.stage.crowd.left = u64::MAX;
        self.stage.play.finish(&mut self.stage.crowd);
        let (mut quiet, mut next_look) = (Quiet::new(Some(patience)), Mono::default());
        loop {
            let crowd = &self.stage.crowd;
            let may_be_done = self.fleet.online() == self.fleet.len() && crowd.has_said_all() && crowd.books.outstanding() == (0, 0);
            if may_be_done && self.clock.now() >= next_look {
                if crowd.books.drained() && self.fleet.flushed() {
                    break;
                }
                next_look = self.clock.now().plus(LOOK_EVERY);
            }
            self.turn_until(may_be_done.then_some(next_look))?;
            if self.is_too_quiet(&mut quiet) {
                break;
            }
        }
        self.stage.crowd.count_outstanding();
        self.acts.arrive(Act::Drained);
        // Who goes now would take a share of the machine from those who are still at it.
        while self.acts.done(Act::Drained).is_none() {
            self.turn()?;
        }
        Ok(())
    }

    /// Whether nothing has come for so long that nothing is waited for any more.
    fn is_too_quiet(&mut self, quiet: &mut Quiet) -> bool {
        let Some(patience) = quiet.patience else { return false };
        let tally = &self.stage.crowd.tally;
        let heard = tally.counts.acked + tally.counts.delivered + tally.counts.refused + tally.logins;
        let now = self.clock.now();
        let since = *quiet.since.get_or_insert(now);
        if heard > quiet.heard {
            (quiet.heard, quiet.since) = (heard, Some(now));
            return false;
        }
        if now.since(since) <= patience {
            return false;
        }
        let (phase, seconds) = (self.phase, patience.as_secs_f64());
        self.stage.crowd.tally.fault_note(|| format!("{phase}: nothing came for {seconds} s, and no more was waited for"));
        true
    }

    fn leave(&mut self) -> Result<(), Failure> {
        self.stage.crowd.finishing = false;
        let without_answer = self.fleet.leave(&mut self.stage)?;
        if without_answer > 0 {
            self.stage.crowd.tally.link_note(|| format!("{without_answer} members said quit and got no answer"));
        }
        self.show();
        self.acts.arrive(Act::Over);
        Ok(())
    }

    fn turn(&mut self) -> Result<(), Failure> {
        self.turn_until(None)
    }

    fn turn_until(&mut self, until: Option<Mono>) -> Result<(), Failure> {
        self.fleet.turn(&mut self.stage, until.map_or(self.next_show, |until| until.min(self.next_show)))?;
        let acked = self.stage.crowd.tally.counts.acked;
        if acked > self.told {
            self.control.add_acked(acked - self.told);
            self.told = acked;
        }
        if self.clock.now() >= self.next_show {
            self.next_show = self.clock.now().plus(SHOW_EVERY);
            self.show();
            if self.acts.has_failed() {
                return Err(Failure::Elsewhere);
            }
        }
        Ok(())
    }

    fn show(&mut self) {
        let (in_flight, backlog) = self.stage.crowd.books.outstanding();
        let tally = &mut self.stage.crowd.tally;
        let shown = Shown {
            at: self.clock.now(),
            phase: self.phase,
            online: self.fleet.online(),
            counts: tally.counts,
            logins: tally.logins,
            in_flight,
            backlog,
            recent: [tally.to_ack.take_recent(), tally.to_delivery.take_recent(), tally.to_login.take_recent()],
        };
        self.acts.show(self.thread, shown);
    }
}
