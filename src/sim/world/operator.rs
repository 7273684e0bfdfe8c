//! The operator, who opens the site and closes it, and sees to its members.

use super::{Event, World};
use crate::record::Role;
use crate::relay::{Answer, Command, Whom};
use crate::sim::checks::Checked;
use crate::sim::plan::SECOND;
use crate::sim::workload;

impl World {
    /// The site begins: without the operator nobody could register on some.
    pub(super) fn open_site(&mut self) -> Checked {
        let now = self.time().wall.0;
        if let Some(command) = workload::opening(&self.plan, now) {
            self.command(command)?;
        }
        if self.plan.extensions.as_ref().is_some_and(|extensions| extensions.commands > 0) {
            self.plan_event(SECOND, Event::Operator);
        }
        Ok(())
    }

    pub(super) fn operate(&mut self) -> Checked {
        let Some(extensions) = self.plan.extensions.as_ref().filter(|_| !self.calm) else { return Ok(()) };
        let now = self.time().wall.0;
        let rate = extensions.commands;
        let command = workload::command(&self.checks.model, extensions, self.plan.groups, now, &mut self.chores);
        let wait = self.chores.between(1, 2 * 3600 * SECOND / rate);
        self.plan_event(wait, Event::Operator);
        self.command(command)
    }

    pub(super) fn command(&mut self, command: Command) -> Checked {
        let (moment, time) = (self.moment(), self.time());
        self.look(moment)?;
        self.tickets += 1;
        self.note(|| format!("operator asks for {command:?}"));
        self.checks.command(self.tickets, command.clone());
        let ticket = self.tickets;
        let outcome = self.server().command(ticket, command, time);
        self.look(moment)?;
        outcome.or_else(|error| self.failed(&error))
    }

    /// The operator is told what came of commands.
    pub(super) fn hear_answers(&mut self, durable: u64) -> Checked {
        for (ticket, answer) in self.server().take_answers() {
            self.note(|| format!("operator is told {answer:?}"));
            self.checks.told_operator(ticket, durable)?;
            match answer {
                Answer::Code(code) => self.codes.push(code.to_string()),
                Answer::Node { uid, secret } => self.set_up(uid, secret),
                Answer::Done | Answer::Member(_) | Answer::Ended(_) | Answer::Listed(_) | Answer::Refused(_) => {}
            }
        }
        Ok(())
    }

    /// Nobody is kept out any more, and nothing is kept back.
    pub(super) fn settle_site(&mut self) -> Checked {
        if let Some(extensions) = &mut self.plan.extensions {
            extensions.share = 0;
        }
        let users = &self.checks.model.users;
        let suspended: Vec<String> = users.iter().filter(|user| user.role == Role::Suspended).map(|user| user.uid.clone()).collect();
        for uid in suspended {
            self.command(Command::Role(Whom::Uid(uid), Role::Full))?;
        }
        let last = self.checks.model.users.iter().map(|user| user.cork.until).max().unwrap_or(0);
        self.wall_offset += (last.saturating_sub(self.time().wall.0) + SECOND) as i64;
        Ok(())
    }
}
