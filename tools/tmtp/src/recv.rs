//! `recv`: messages are taken, something is done with each, and only then it is acknowledged.
//!
//! The loop looks after three things, in one thread: the link, other commands that use it (`share`), and a command that a message
//! was handed to (`exec`). What is done with one message is in `message`.

mod message;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mnm_client::request::{self, RECIPIENTS_MAX};
use mnm_client::{Backoff, Error, LinkError};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::Recv;
use crate::contacts::Contacts;
use crate::home::Place;
use crate::journal::Journal;
use crate::profile::Profile;
use crate::save::Saver;
use crate::session::{Purpose, Session};
use crate::share::Share;
use crate::text::shown;
use crate::wake::Wake;
use crate::{Failure, out, show};

/// How long nothing need be looked at when nothing happens.
const IDLE: Duration = Duration::from_secs(60);
/// The first wait before a new link, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

struct Receiver<'a> {
    args: &'a Recv,
    session: Session,
    contacts: Contacts,
    journal: Journal,
    saver: Option<Saver>,
    share: Option<Share>,
    wake: Wake,
    stop: Arc<AtomicBool>,
    /// Ids of messages that were left with the relay.
    kept: HashSet<String>,
    /// Kinds of messages that were not asked for, and how many.
    passed_over: BTreeMap<String, u64>,
    handled: u64,
    /// On which link presence is shown.
    shown_on: Option<u64>,
    /// The link is lost, and was told to be.
    is_away: bool,
    backoff: Backoff,
}

pub(crate) fn recv(place: &Place, timeout: Duration, args: &Recv) -> Result<(), Failure> {
    // A profile that is not there has no lock.
    Profile::load(place)?;
    let Some(_alone) = place.lock_to_receive()? else {
        return Err(Failure::Unreachable(format!(
            "profile {}: another tmtp recv runs and gets its messages; end it, or log in as a device of its own (`tmtp node add`)",
            place.name
        )));
    };
    let journal = Journal::open(place)?;
    let saver = args.save.as_deref().map(Saver::open).transpose()?;
    let wake = Wake::new()?;
    let mut session = Session::open(place, Purpose::Receive, timeout, saver.as_ref().map(Saver::spool))?;
    let shares = args.follow || args.exec.is_some();
    // From here on an interrupt ends the program between two messages, and not in the middle of a command.
    let stop = if shares { watch_signals(&wake)? } else { Arc::default() };
    if args.follow {
        // One try each: between them signals and other commands are heard.
        session.client.set_patience(Duration::ZERO);
    }
    let share = if shares { offer(&session, &wake) } else { None };
    let mut receiver = Receiver {
        contacts: Contacts::new(place, session.profile.clone()),
        args,
        session,
        journal,
        saver,
        share,
        wake,
        stop,
        kept: HashSet::new(),
        passed_over: BTreeMap::new(),
        handled: 0,
        shown_on: None,
        is_away: false,
        backoff: Backoff::new(BACKOFF.0, BACKOFF.1),
    };
    let ended = receiver.run();
    receiver.finish(ended)
}

fn offer(session: &Session, wake: &Wake) -> Option<Share> {
    match Share::offer(&session.place, &session.profile, &session.client, wake.bell()) {
        Ok(share) => Some(share),
        Err(error) => {
            let path = session.place.socket();
            out::note(format_args!("{}: {error}; other commands of this profile must wait until this one ends", path.display()));
            None
        }
    }
}

/// A flag that the first signal raises; the second one ends the process.
fn watch_signals(wake: &Wake) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first one finds the flag unset.
        let watched = signal_hook::flag::register_conditional_default(signal, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .and_then(|_| signal_hook::low_level::pipe::register(signal, wake.bell().descriptor()?));
        watched.map_err(|e| Failure::Local(format!("the system's signals: {e}")))?;
    }
    Ok(stop)
}

impl Receiver<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut heard = self.session.client.heard();
        let mut quiet_since = Instant::now();
        loop {
            // Before looking: what rings after this is seen by the next look or wakes.
            self.wake.hush();
            if self.is_stopped() || self.args.count.is_some_and(|count| self.handled >= count) {
                return Ok(());
            }
            self.serve();
            self.presence()?;
            match self.session.client.receive(Duration::ZERO) {
                Ok(Some(message)) => {
                    self.back();
                    self.message(&message)?;
                    (heard, quiet_since) = (self.session.client.heard(), Instant::now());
                    continue;
                }
                Ok(None) => self.back(),
                Err(error) => {
                    self.lost(error)?;
                    continue;
                }
            }
            if self.session.client.heard() != heard {
                (heard, quiet_since) = (self.session.client.heard(), Instant::now());
            }
            let left = if self.args.follow { IDLE } else { self.args.wait.saturating_sub(quiet_since.elapsed()) };
            if left.is_zero() {
                return Ok(());
            }
            if let Err(error) = self.session.client.tend_until(self.wake.fd(), left) {
                self.lost(error)?;
            }
        }
    }

    /// With --follow a relay that is away is waited for as long as it takes: it was there before.
    fn lost(&mut self, error: Error) -> Result<(), Failure> {
        let is_away = |error: &LinkError| error.is_transient() && self.args.follow;
        match error {
            Error::Link(error) if is_away(&error) => {
                if !self.is_away {
                    self.is_away = true;
                    out::note(format_args!("{}: {error}; trying on", self.session.profile.address));
                }
                let wait = self.backoff.next_wait(getrandom::u32().unwrap_or(0));
                self.wake.wait(wait);
                Ok(())
            }
            error => Err(self.session.failure(error)),
        }
    }

    fn back(&mut self) {
        if self.is_away {
            self.is_away = false;
            self.backoff.reset();
            out::note(format_args!("{}: connected again", self.session.profile.address));
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn serve(&mut self) {
        if let Some(share) = &mut self.share {
            share.serve(&mut self.session.client);
        }
    }

    /// News of who is here; and on every new link, that this member is.
    fn presence(&mut self) -> Result<(), Failure> {
        let link = self.session.client.reconnects();
        if self.args.show_presence && self.shown_on != Some(link) {
            self.shown_on = Some(link);
            self.show_presence()?;
        }
        while let Some(header) = self.session.client.take_presence() {
            if self.args.follow && !self.args.raw && self.args.exec.is_none() && self.args.op.is_empty() {
                show::presence(&header, self.contacts.profile(), self.args.json)?;
            }
        }
        Ok(())
    }

    fn show_presence(&mut self) -> Result<(), Failure> {
        let uids: Vec<String> = self.contacts.profile().contacts.values().take(RECIPIENTS_MAX).cloned().collect();
        let uids: Vec<&str> = uids.iter().map(String::as_str).collect();
        if uids.is_empty() {
            return Ok(());
        }
        match self.session.client.request(|out, id| request::ohi_edit(out, id, &uids, "init")) {
            Ok(_) => Ok(()),
            Err(Error::Refused(why)) => {
                out::note(format_args!("presence is not shown: the relay refuses: {}", shown(&why)));
                Ok(())
            }
            Err(error) => self.lost(error),
        }
    }

    fn finish(self, ended: Result<(), Failure>) -> Result<(), Failure> {
        let Receiver { args, session, share, passed_over, handled, .. } = self;
        drop(share);
        session.close();
        if !args.op.is_empty() || args.raw || args.exec.is_some() {
            let counts: Vec<String> = passed_over.iter().map(|(op, count)| format!("{count} {op}")).collect();
            if !counts.is_empty() {
                out::note(format_args!("acknowledged and dropped, since they were not asked for: {}", counts.join(", ")));
            }
        }
        ended?;
        match args.count {
            Some(count) if handled < count => Err(Failure::TooFew(format!("{handled} of {count} messages came in time"))),
            _ => Ok(()),
        }
    }
}
