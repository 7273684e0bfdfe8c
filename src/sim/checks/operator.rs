//! What the operator is told is the model's.

use super::answers::STORAGE_FULL;
use super::{Checked, Checks, Moment, Oracle, Step, Violation, ensure};
use crate::relay::{Answer, Command, MemberInfo};
use crate::sim::model::Predicted;

impl Checks {
    /// The operator asks for something, and the relay does it now.
    pub(in crate::sim) fn command(&mut self, ticket: u64, command: Command) {
        self.kicked = self.model.kicked_by(&command);
        self.command = Some((ticket, command));
    }

    /// The relay has decided on a command.
    pub(super) fn commanded(&mut self, ticket: u64, answer: &Answer, moment: Moment) -> Checked {
        let (asked, command) = self.command.take().expect("nobody else asks");
        ensure(Oracle::Answers, asked == ticket, || format!("ticket {ticket} is answered in place of {asked}"))?;
        self.tickets.insert(ticket, self.binding);
        if matches!(answer, Answer::Refused(words) if words == STORAGE_FULL) {
            ensure(Oracle::Limits, moment.tight, || format!("{command:?} is refused for want of space, and there is some"))?;
            return ensure(Oracle::Atomicity, self.batch.last == 0, || format!("{command:?} is refused, and yet something is done"));
        }
        let from = self.model.messages.len();
        let predicted = self.model.command(moment.wall, &command);
        let batch = std::mem::take(&mut self.batch);
        let kicked = std::mem::take(&mut self.kicked);
        ensure(Oracle::Atomicity, batch.ended || batch.last == 0, || format!("the batch of {command:?} has no end"))?;
        let what = || format!("{command:?} is answered with {answer:?}, predicted was {predicted:?}");
        self.compare(from, batch.messages)
            .map_err(|violation| Violation { what: format!("{}: {}", what(), violation.what), ..violation })?;
        let right = match (answer, &predicted) {
            (Answer::Done, Predicted::Done) | (Answer::Refused(_), Predicted::Refused) | (Answer::Code(_), Predicted::Code) => true,
            (Answer::Member(info), Predicted::Member(member)) => {
                self.comparable(without_times(info.clone())) == self.comparable(member.clone())
            }
            (Answer::Node { uid, secret }, Predicted::Node(node)) => {
                self.secrets.insert(*node, secret.clone());
                *uid == self.model.users[self.model.nodes[*node].user].uid
            }
            // What is left of each is that it was here before.
            (Answer::Ended(count), Predicted::Ended) => *count == kicked.len() && kicked.iter().all(|node| !self.online.contains_key(node)),
            _ => false,
        };
        ensure(Oracle::Answers, right, what)?;
        let code = if let Answer::Code(code) = answer { Some(code.to_string()) } else { None };
        if let Some(code) = &code {
            self.model.name_code(code);
        }
        self.record_step(Step::Command { command, code }, batch.last, moment);
        Ok(())
    }

    /// As lists of aliases are compared everywhere: how old one is that was had before, the protocol does not say.
    fn comparable(&self, info: MemberInfo) -> MemberInfo {
        MemberInfo { aliases: self.model.in_order(&info.aliases, String::as_str), ..info }
    }

    /// The operator is told.
    pub(in crate::sim) fn told_operator(&mut self, ticket: u64, durable: u64) -> Checked {
        let depends = self.tickets.remove(&ticket).unwrap_or(u64::MAX);
        self.left = self.left.max(depends);
        ensure(Oracle::Durability, depends <= durable, || {
            format!("the operator is told what depends on record {depends:x}; the log is durable up to {durable:x}")
        })
    }
}

fn without_times(mut info: MemberInfo) -> MemberInfo {
    for node in &mut info.nodes {
        (node.made, node.seen) = (None, None);
    }
    info
}
