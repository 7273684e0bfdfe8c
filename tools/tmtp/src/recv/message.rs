//! One message: what is done with it, and whether it is acknowledged.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use mnm_client::{Header, Message};

use super::{IDLE, Receiver};
use crate::parcel::Parcel;
use crate::text::shown;
use crate::{Failure, exec, out, show};

/// How long to leave a link alone that cannot be had, while a command is waited for.
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

impl Receiver<'_> {
    /// Everything about one message.
    pub(super) fn message(&mut self, message: &Message) -> Result<(), Failure> {
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
        let running = exec::start(command, &self.session.place, header, &name, parcel, saved, self.wake.bell())?;
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
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".to_owned(),
    }
}
