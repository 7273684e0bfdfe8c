//! A whole test: members shared out to threads, watched, and summed up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mnm::base::Wall;

use crate::Failure;
use crate::accounts::Accounts;
use crate::acts::{Act, Acts};
use crate::cli::{Abuse, Options, Scenario};
use crate::clock::Clock;
use crate::control::Control;
use crate::crowd::Cast;
use crate::fleet::{Identity, Manner, OnLoss, Place, allow_descriptors};
use crate::scenario::{self, Direction};
use crate::shard::{self, Outcome, Shard};
use crate::summary::Summary;
use crate::sums;
use crate::tally::Tally;
use crate::usage::Watched;
use crate::watch::Watch;

/// Does what the options say, with members; a comparison has none. And whether the accounts could be kept.
pub(crate) fn run(options: &Options, control: &Arc<Control>) -> Result<(Summary, Result<(), Failure>), Failure> {
    let scenario = &options.scenario;
    let members = scenario.members() as usize;
    let strangers = if let Scenario::Abuse(abuse) = scenario { 6 * abuse.abusers as usize } else { 0 };
    allow_descriptors(members + strangers)?;
    let place = Place::of(&options.relay, scenario.resumes(), options.links.key_exchange())?;
    let mut accounts = match &options.relay.accounts {
        Some(path) => Accounts::read(path, &options.relay.addr)?,
        None => Accounts::new(&options.relay.addr),
    };
    let watched = Watched::new(&options.output)?;
    let clock = Clock::start();
    let began = Wall(u64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()).unwrap_or(0));
    let token = accounts.token()?;
    let shards = shards(options, &place, &accounts, &token)?;
    let acts = Arc::new(Acts::new(shards.len(), clock, watched));
    let first = acts.read();
    let mut watch = Watch::new(options, clock, acts.clone());

    let (outcomes, mut extra) = thread::scope(|scope| {
        let threads: Vec<_> = shards
            .into_iter()
            .map(|(shard, direction)| {
                let acts = acts.clone();
                scope.spawn(move || {
                    let ending = Ending { acts: &acts };
                    let outcome = shard::run(shard, scenario, direction, &acts, control, clock);
                    ending.tell(outcome.is_ok());
                    outcome
                })
            })
            .collect();
        let siege = if let Scenario::Abuse(abuse) = scenario { Some(besiege(scope, abuse, &place, &acts)) } else { None };
        while !acts.wait_for_end(watch.until_due()) {
            watch.look();
        }
        watch.finish();
        let outcomes: Vec<_> =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
        let extra = siege.map(|siege| siege.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).unwrap_or_default();
        (outcomes, extra)
    });
    let outcomes = all_well(outcomes)?;
    let kept = match &options.relay.accounts {
        Some(path) => {
            accounts.take(outcomes.iter().flat_map(|outcome| outcome.accounts.clone()).collect(), token);
            accounts.groups.extend(outcomes.iter().flat_map(|outcome| outcome.groups.clone()));
            accounts.write(path)
        }
        None => Ok(()),
    };
    let mut logins = [0; 2];
    let mut tally = Tally::new();
    for outcome in outcomes {
        logins[0] += outcome.logins[0];
        logins[1] += outcome.logins[1];
        sums::add_extra(&mut extra, outcome.extra);
        tally.add(outcome.tally);
    }
    let sums = sums::Sums { options, began, first, acts: &acts, logins, extra, samples: watch.into_samples() };
    Ok((sums.summary(tally), kept))
}

/// Tells that a thread is at its end, also if it panics: nobody must wait for it.
struct Ending<'a> {
    acts: &'a Acts,
}

impl Ending<'_> {
    fn tell(self, well: bool) {
        self.acts.end(well);
        std::mem::forget(self);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.acts.end(false);
    }
}

/// Of several failures the one that was first to happen, and not one that another thread's brought about.
fn all_well(outcomes: Vec<Result<Outcome, Failure>>) -> Result<Vec<Outcome>, Failure> {
    let (well, failures): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let mut failures: Vec<Failure> = failures.into_iter().filter_map(Result::err).collect();
    failures.sort_by_key(|failure| *failure == Failure::Elsewhere);
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(well.into_iter().filter_map(Result::ok).collect()),
    }
}

/// Shares the members out: each thread gets whole pairs or groups.
fn shards(options: &Options, place: &Place, accounts: &Accounts, token: &str) -> Result<Vec<(Shard, Direction)>, Failure> {
    let scenario = &options.scenario;
    let (unit, threads) = (scenario.unit() as usize, options.links.threads as usize);
    let units = scenario.members() as usize / unit;
    let messages = scenario.messages();
    let run = getrandom::u64().map_err(|e| Failure::Usage(format!("the system's random generator: {e}")))?;
    let mut first = 0;
    let mut shards = Vec::new();
    for thread in 0..threads {
        let members = (units / threads + usize::from(thread < units % threads)) * unit;
        let direction = scenario::play(scenario, members, token);
        let alias = |number: usize| direction.with_aliases.then(|| format!("{token} member {number:06}"));
        let (mut identities, mut aliases, mut nameless) = (Vec::new(), Vec::new(), Vec::new());
        for number in first..first + members {
            let kept = accounts.members.get(number);
            let has = kept.and_then(|kept| kept.alias.clone());
            if direction.with_aliases && kept.is_some() && has.is_none() {
                nameless.push(number - first);
            }
            aliases.extend(alias(number).map(|new| has.unwrap_or(new)));
            identities.push(kept.map_or(Identity::New, |kept| Identity::Known(kept.account())));
        }
        let uids: BTreeSet<&str> = accounts.members.iter().map(|kept| kept.uid.as_str()).collect();
        let known = |uids_of: &Vec<String>| uids_of.iter().all(|uid| uids.contains(uid.as_str()));
        let groups = accounts.groups.iter().filter(|(_, of)| of.len() == unit && known(of)).map(|(gid, _)| gid.clone()).collect();
        let seasoned = accounts.members.len() > first;
        let cast = Cast { run, members, first: first as u32, seasoned, aliases, nameless, groups };
        let share = messages.map_or(u64::MAX, |all| share_of(all, thread as u64, threads as u64));
        let manner = manner(options, place, &direction);
        shards.push((Shard { thread, cast, identities, manner, messages: share }, direction));
        first += members;
    }
    Ok(shards)
}

fn share_of(all: u64, part: u64, parts: u64) -> u64 {
    all / parts + u64::from(part < all % parts)
}

fn manner(options: &Options, place: &Place, direction: &Direction) -> Manner {
    let on_loss = match direction.on_loss {
        OnLoss::Fail if options.links.reconnect => OnLoss::ComeBack,
        OnLoss::Fault if options.links.reconnect => OnLoss::ComeBack,
        on_loss => on_loss,
    };
    Manner {
        place: place.clone(),
        on_loss,
        waits_for_relay: options.links.reconnect,
        connect_every: Duration::from_secs(1).checked_div(options.links.connect_rate).unwrap_or_default(),
        greeting_max: direction.greeting_max,
        pulse_after: direction.pulse_after,
        invite: options.relay.invite.clone(),
    }
}

/// The strangers of `abuse`: they come when a third of the time is over, and go when the posting ends.
fn besiege<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    abuse: &Abuse,
    place: &Place,
    acts: &Arc<Acts>,
) -> thread::ScopedJoinHandle<'scope, BTreeMap<String, f64>> {
    let (abuse, place, acts) = (abuse.clone(), place.clone(), acts.clone());
    scope.spawn(move || {
        let stop = Arc::new(AtomicBool::new(false));
        let wait = |act| {
            while acts.done(act).is_none() && !acts.has_failed() {
                thread::sleep(Duration::from_millis(20));
            }
        };
        wait(Act::Ready);
        let calm = abuse.lasting.time / 3;
        let mut waited = Duration::ZERO;
        while waited < calm && acts.done(Act::Posted).is_none() && !acts.has_failed() {
            thread::sleep(Duration::from_millis(20));
            waited += Duration::from_millis(20);
        }
        thread::scope(|inner| {
            let attack = inner.spawn(|| scenario::attack(&abuse, &place, &stop));
            wait(Act::Posted);
            stop.store(true, Ordering::Relaxed);
            attack.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}
