//! What a crash left is a prefix of what was decided, with everything in it that anybody was told.

use std::collections::BTreeSet;

use super::decisions::Batch;
use super::{Checked, Checks, Oracle, Past, Step, ensure, fail};
use crate::base::NodeNo;
use crate::ledger::Ledger;
use crate::record::Lane;
use crate::sim::model::{Model, Nanos};

impl Checks {
    /// The relay has started with these facts; its log is durable up to `durable`.
    pub(in crate::sim) fn restarted(&mut self, ledger: &Ledger, durable: u64, wall: Nanos) -> Checked {
        ensure(Oracle::Durability, durable >= self.left, || {
            format!("the log was found to end with record {durable:x}, and something has left that depends on {:x}", self.left)
        })?;
        self.roll_back(durable);
        self.model.at(wall);
        self.check_facts(ledger, wall)?;
        self.check_queues(ledger, Some(durable))?;
        self.acks.clear();
        Ok(())
    }

    /// Makes the model one of what survived.
    fn roll_back(&mut self, durable: u64) {
        let mut model = self.checkpoint.clone();
        let mut cut = false;
        for Past { step, wall, seq } in std::mem::take(&mut self.journal) {
            // What came after something that is lost is lost too, but for acks: those that were not durable rise again below.
            cut |= seq > durable;
            if !cut || matches!(step, Step::Ack { .. }) {
                apply(&mut model, step, wall);
            }
        }
        model.restart();
        self.seqs.retain(|_, seq| *seq <= durable);
        self.known.retain(|seq, _| *seq <= durable);
        self.checkpoint = model.clone();
        self.model = model;
        let nodes = self.model.nodes.len();
        self.secrets.retain(|node, _| *node < nodes);
        self.acks.retain(|(node, message), _| *node < nodes && self.seqs.contains_key(message));
        (self.sides, self.links, self.online) = Default::default();
        (self.unwritten, self.recent, self.batch) = (Default::default(), BTreeSet::new(), Batch::default());
        self.uncorked.clear();
        (self.announcing, self.deliveries, self.told, self.chunks) = Default::default();
        (self.registering, self.due, self.command, self.tickets, self.endings) = Default::default();
        (self.binding, self.last) = (durable, durable);
    }

    /// Each node is owed what the model says. After a crash also what it acked, as far as the ack was not durable: then the
    /// model takes that back.
    pub(in crate::sim) fn check_queues(&mut self, ledger: &Ledger, crash: Option<u64>) -> Checked {
        for node in 0..self.model.nodes.len() {
            let queue = ledger.queue(NodeNo(node as u32));
            let owed: BTreeSet<u64> = Lane::ALL.into_iter().flat_map(|lane| queue.owed(lane)).map(|seq| seq.0).collect();
            let predicted: BTreeSet<u64> =
                self.model.nodes[node].owed.iter().filter_map(|message| self.seqs.get(message).copied()).collect();
            if let Some(lost) = predicted.difference(&owed).next() {
                return fail(Oracle::Delivery, format!("message {lost:x} is lost for node {node}"));
            }
            for risen in owed.difference(&predicted) {
                let Some(known) = self.known.get(risen) else {
                    return fail(Oracle::Privacy, format!("node {node} is owed {risen:x}, which nobody posted"));
                };
                let message = known.message;
                let lazily = self
                    .acks
                    .get(&(node, message))
                    .is_some_and(|record| crash.is_some_and(|durable| record.is_none_or(|seq| seq > durable)));
                ensure(Oracle::Monotony, lazily, || format!("node {node} is owed {risen:x} again, which it has acked for good"))?;
                self.risen.insert((node, message));
                let list = &mut self.model.nodes[node].owed;
                list.insert(list.partition_point(|no| *no < message), message);
                let list = &mut self.checkpoint.nodes[node].owed;
                list.insert(list.partition_point(|no| *no < message), message);
            }
        }
        Ok(())
    }
}

fn apply(model: &mut Model, step: Step, wall: Nanos) {
    model.at(wall);
    match step {
        Step::Register { uid, newcomer } => _ = model.register(wall, &uid, &newcomer),
        Step::WrongCode => model.site.wrong_codes += 1,
        Step::Login { node, speaks } => _ = model.login(node, speaks),
        Step::Announce { node } => model.announce(node),
        Step::Ask { node, ask, code } => {
            let outcome = model.ask(wall, node, &ask);
            if let Some(code) = code.filter(|_| outcome.is_ok()) {
                model.name_code(&code);
            }
        }
        Step::Command { command, code } => {
            model.command(wall, &command);
            code.iter().for_each(|code| model.name_code(code));
        }
        Step::Ack { node, message } => _ = model.ack(node, message),
        Step::Missed { user, held } => {
            model.tell_missed(user);
            model.hold(&held);
        }
        Step::End { node } => model.end(node),
    }
}
