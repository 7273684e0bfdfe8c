//! `recv`: messages are taken, something is done with each, and only then it is acknowledged.
//!
//! The loop looks after three things, in one thread: the link, other commands that use it (`share`), and a command that a message
//! was handed to (`exec`).

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use mnm_client::request::{self, RECIPIENTS_MAX};
use mnm_client::{Backoff, Error, Header, LinkError, Message};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::Recv;
use crate::contacts::Contacts;
use crate::exec;
use crate::home::Place;
use crate::journal::Journal;
use crate::parcel::Parcel;
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
/// How long to leave a link alone that cannot be had, while something else is waited for.
const ASIDE: Duration = Duration::from_secs(1);
/// So many messages without an ack the relay sends, and no more.
const UNACKED_MAX: usize = 64;

/// Kinds of messages that carry data of a member's own.
fn is_from_a_member(op: &str) -> bool {
    matches!(op, "delivery" | "notify" | "ping" | "invite")
}

/// What became of a message.
enum Outcome {
    /// What was asked for: it can be acknowledged.
    Done,
    /// It stays with the relay, since it cannot be shown.
    Kept,
    /// Its command did not exit with 0, and this is what it did. It stays with the relay.
    Failed(String),
}

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
    /// To whom presence is shown on which link.
    shown_on: Option<u64>,
    /// The link is lost, and was told to be.
    is_away: bool,
    backoff: Backoff,
}

pub(crate) fn recv(place: &Place, timeout: Duration, args: &Recv) -> Result<(), Failure> {
    // A profile that is not there has no lock.
    crate::profile::Profile::load(place)?;
    let Some(_alone) = place.lock_to_receive()? else {
        return Err(Failure::Unreachable(format!(
            "profile {}: another tmtp recv runs and gets its messages; end it, or log in as a device of its own (`tmtp node add`)",
            place.name
        )));
    };
    let journal = Journal::open(place)?;
    let saver = args.save.as_deref().map(Saver::open).transpose()?;
    let wake = Wake::new()?;
    let stop = watch_signals(&wake)?;
    let mut session = Session::open(place, Purpose::Receive, timeout, saver.as_ref().map(Saver::spool))?;
    if args.follow {
        // One try each: between them signals and other commands are heard.
        session.client.set_patience(Duration::ZERO);
    }
    let share = if args.follow || args.exec.is_some() { offer(&session, &wake) } else { None };
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
    match Share::offer(&session.place, &session.profile, wake.bell()) {
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
        while !self.is_stopped() && self.args.count.is_none_or(|count| self.handled < count) {
            // Before looking: what rings after this is seen by the next look or wakes.
            self.wake.hush();
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
                break;
            }
            if let Err(error) = self.session.client.tend_until(self.wake.fd(), left) {
                self.lost(error)?;
            }
        }
        Ok(())
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

    /// Everything about one message.
    fn message(&mut self, message: &Message) -> Result<(), Failure> {
        let header = &message.header;
        let (id, op) = (header.id(), header.op());
        if self.share.as_mut().is_some_and(|share| share.takes(message)) {
            return Ok(());
        }
        if self.journal.has(id) {
            self.session.client.ack(id);
            return Ok(());
        }
        self.contacts.learn(header);
        if !self.wants(header) {
            self.session.client.ack(id);
            if !self.is_own_login(header) {
                *self.passed_over.entry(shown(op)).or_default() += 1;
            }
            return Ok(());
        }
        match self.handle(message)? {
            Outcome::Done => {
                self.journal.add(id)?;
                self.kept.remove(id);
                self.session.client.ack(id);
                self.handled += 1;
                Ok(())
            }
            Outcome::Kept => {
                self.keep(message);
                Ok(())
            }
            Outcome::Failed(how) => {
                let sentence = format!("--exec: the command for message {id} {how}; the message stays with the relay and comes again");
                if !self.args.follow {
                    return Err(Failure::Exec(sentence));
                }
                out::note(sentence);
                Ok(())
            }
        }
    }

    fn wants(&self, header: &Header) -> bool {
        let op = header.op();
        if !self.args.op.is_empty() {
            return self.args.op.iter().any(|wanted| wanted == op);
        }
        if self.args.raw {
            op == "delivery"
        } else if self.args.exec.is_some() {
            is_from_a_member(op)
        } else {
            // Every command of this device logs in: that is no news here.
            !self.is_own_login(header)
        }
    }

    fn is_own_login(&self, header: &Header) -> bool {
        header.op() == "login" && header.text("node") == self.contacts.profile().label
    }

    fn handle(&mut self, message: &Message) -> Result<Outcome, Failure> {
        let header = &message.header;
        let unread = |e: io::Error| Failure::Local(format!("message {}: its data cannot be read: {e}", header.id()));
        let parcel = Parcel::new(message).map_err(unread)?;
        let saved = match &self.saver {
            Some(saver) if matches!(header.op(), "delivery" | "notify") => Some(saver.save(header.id(), &parcel)?),
            _ => None,
        };
        match &self.args.exec {
            Some(command) => self.exec(command, header, &parcel, saved.as_deref()),
            None => self.print(header, &parcel, saved.as_deref()),
        }
    }

    fn print(&mut self, header: &Header, parcel: &Parcel<'_>, saved: Option<&Path>) -> Result<Outcome, Failure> {
        let mut out = io::stdout().lock();
        let profile = self.contacts.profile();
        let printed = if self.args.raw {
            show::raw(parcel, &mut out)
        } else if self.args.json {
            show::json(header, parcel, saved, profile, &mut out)
        } else {
            let Some(line) = show::human(header, parcel, saved, profile) else { return Ok(Outcome::Kept) };
            writeln!(out, "{line}")
        };
        printed.and_then(|()| out.flush()).map_err(|e| Failure::print(&e))?;
        Ok(Outcome::Done)
    }

    /// Runs the command to its end, and looks after the link and the other commands meanwhile.
    fn exec(&mut self, command: &str, header: &Header, parcel: &Parcel<'_>, saved: Option<&Path>) -> Result<Outcome, Failure> {
        let name = self.contacts.profile().name_of(header.from()).unwrap_or("").to_owned();
        let running = exec::start(command, header, &name, parcel, saved, self.wake.bell())?;
        let status = loop {
            self.wake.hush();
            match running.ended.try_recv() {
                Ok(status) => break status.map_err(|e| Failure::Exec(format!("--exec: the command cannot be waited for: {e}")))?,
                Err(TryRecvError::Disconnected) => return Err(Failure::Exec("--exec: the command cannot be waited for".to_owned())),
                Err(TryRecvError::Empty) => {}
            }
            self.serve();
            if self.session.client.tend_until(self.wake.fd(), IDLE).is_err()
                && let Ok(status) = running.ended.recv_timeout(ASIDE)
            {
                break status.map_err(|e| Failure::Exec(format!("--exec: the command cannot be waited for: {e}")))?;
            }
        };
        Ok(if status.success() { Outcome::Done } else { Outcome::Failed(how(status)) })
    }

    /// Tells once that something waits which this form cannot show.
    fn keep(&mut self, message: &Message) {
        let header = &message.header;
        if !self.kept.insert(header.id().to_owned()) {
            return;
        }
        let parcel = Parcel::new(message).ok();
        let name = parcel.as_ref().and_then(Parcel::name).map(|name| format!(" ({})", shown(name))).unwrap_or_default();
        let (len, from) = (parcel.as_ref().map_or(0, Parcel::len), show::sender(header, self.contacts.profile()));
        out::note(format_args!("{len} octets from {from}{name} cannot be shown as a text; they wait at the relay: tmtp recv --save DIR"));
        if self.kept.len() == UNACKED_MAX {
            out::note(format_args!("{UNACKED_MAX} such messages wait: nothing else comes until they are fetched"));
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

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".to_owned(),
    }
}
