//! What a crash left is a prefix of what was decided, with everything in it that anybody was told.

use std::collections::BTreeSet;

use super::decisions::Batch;
use super::{Checked, Checks, Oracle, Step, ensure, fail};
use crate::base::{GroupNo, NodeNo, UserNo};
use crate::ledger::Ledger;
use crate::record::{Lane, Standing as Recorded};
use crate::sim::model::{Model, Standing};

impl Checks {
    /// The relay has started with these facts; its log is durable up to `durable`.
    pub(in crate::sim) fn restarted(&mut self, ledger: &Ledger, durable: u64) -> Checked {
        ensure(Oracle::Durability, durable >= self.left, || {
            format!("the log was found to end with record {durable:x}, and something has left that depends on {:x}", self.left)
        })?;
        self.roll_back(durable);
        self.check_facts(ledger)?;
        self.check_queues(ledger, Some(durable))?;
        self.acks.clear();
        Ok(())
    }

    /// Makes the model one of what survived.
    fn roll_back(&mut self, durable: u64) {
        let mut model = self.checkpoint.clone();
        let mut cut = false;
        for (step, seq) in std::mem::take(&mut self.journal) {
            // What came after something that is lost is lost too, but for acks: those that were not durable rise again below.
            cut |= seq > durable;
            if !cut || matches!(step, Step::Ack { .. }) {
                apply(&mut model, step);
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
        (self.announcing, self.deliveries, self.told, self.chunks) = Default::default();
        (self.binding, self.last) = (durable, durable);
    }

    /// Users, nodes and groups are the model's.
    pub(in crate::sim) fn check_facts(&self, ledger: &Ledger) -> Checked {
        let model = &self.model;
        let wrong = |what: String| ensure(Oracle::Groups, false, || what);
        if ledger.user_count() != model.users.len() || ledger.next_node() != NodeNo(model.nodes.len() as u32) {
            return wrong(format!(
                "{} users and node {:?} next, predicted {} and {}",
                ledger.user_count(),
                ledger.next_node(),
                model.users.len(),
                model.nodes.len()
            ));
        }
        for (no, user) in model.users.iter().enumerate() {
            let found = ledger.user(UserNo(no as u32));
            let nodes: Vec<(usize, &str)> = found.nodes().map(|node| (node.no.0 as usize, node.label)).collect();
            let predicted: Vec<(usize, &str)> =
                model.nodes_of(no).into_iter().map(|node| (node, model.nodes[node].label.as_str())).collect();
            if found.uid().to_string() != user.uid
                || !found.aliases().map(|alias| alias.name).eq(user.aliases.iter().map(String::as_str))
                || nodes != predicted
            {
                return wrong(format!(
                    "user {no} has aliases {:?} and nodes {nodes:?}, predicted {user:?} and {predicted:?}",
                    found.aliases().collect::<Vec<_>>()
                ));
            }
        }
        if ledger.next_group() != GroupNo(model.groups.len() as u32) {
            return wrong(format!("group {:?} is next, predicted {}", ledger.next_group(), model.groups.len()));
        }
        for (gid, group) in &model.groups {
            let Some(found) = ledger.group_by_name(gid) else { return wrong(format!("there is no group {gid}")) };
            let members: Vec<(usize, (Standing, String))> =
                found.members().map(|(user, member)| (user.0 as usize, (standing(member.standing), member.alias.clone()))).collect();
            if !members.iter().map(|(user, member)| (user, member)).eq(group.iter()) {
                return wrong(format!("group {gid} has {members:?}, predicted {group:?}"));
            }
        }
        Ok(())
    }

    /// Each node is owed what the model says. After a crash also what it acked, as far as the ack was not durable: then the
    /// model takes that back.
    pub(in crate::sim) fn check_queues(&mut self, ledger: &Ledger, crash: Option<u64>) -> Checked {
        for node in 0..self.model.nodes.len() {
            let queue = ledger.queue(NodeNo(node as u32));
            let owed: BTreeSet<u64> = queue.owed(Lane::Normal).chain(queue.owed(Lane::Priority)).map(|seq| seq.0).collect();
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
                let list = &mut self.model.nodes[node].owed;
                list.insert(list.partition_point(|no| *no < message), message);
                let list = &mut self.checkpoint.nodes[node].owed;
                list.insert(list.partition_point(|no| *no < message), message);
            }
        }
        Ok(())
    }
}

fn apply(model: &mut Model, step: Step) {
    match step {
        Step::Register { uid, alias, label, speaks } => _ = model.register(&uid, &alias, &label, speaks),
        Step::Login { node, speaks } => _ = model.login(node, speaks),
        Step::Announce { node } => model.announce(node),
        Step::Ask { node, ask } => _ = model.ask(node, &ask),
        Step::Ack { node, message } => _ = model.ack(node, message),
        Step::End { node } => model.end(node),
    }
}

fn standing(recorded: Recorded) -> Standing {
    match recorded {
        Recorded::Invited => Standing::Invited,
        Recorded::Joined => Standing::Joined,
        Recorded::Barred => Standing::Barred,
    }
}
