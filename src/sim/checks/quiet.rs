//! Bounds that hold at any time; and when nothing moves any more: nothing is owed, nothing is kept, presence is right.

use std::collections::BTreeSet;

use super::{Checked, Checks, Oracle, ensure};
use crate::ledger::Ledger;
use crate::sim::model::NodeNo;
use crate::store::Stats;

impl Checks {
    /// No link outlives its time, and no message waits longer for its repetition: the turn that ended at this moment should have
    /// seen to it.
    pub(in crate::sim) fn check_limits(&self, now: u64) -> Checked {
        for (wire, side) in self.sides.iter().filter(|(_, side)| !side.over) {
            let since = |at: u64| u128::from(now - at);
            let late = match (side.closed, side.node) {
                (Some(closed), _) => since(closed) >= self.timeouts.linger.as_nanos(),
                (None, None) => since(side.opened) >= self.timeouts.login.as_nanos(),
                (None, Some(_)) => since(side.heard) >= self.timeouts.idle.as_nanos(),
            };
            ensure(Oracle::Limits, !late && !side.blocked, || format!("connection {wire} should have ended: {side:?}"))?;
            // Where nothing was written for so long, what was written before and is not acked should have come again.
            let Some(node) = side.node.filter(|_| side.outgoing.is_empty() && since(side.written) >= self.timeouts.redelivery.as_nanos())
            else {
                continue;
            };
            let is_due = |message: usize| self.owes(node, message) && !self.model.is_corked(node, self.model.lane(node, message));
            let forgotten = side.sent_here.iter().find(|(message, at)| at.is_some() && is_due(**message));
            ensure(Oracle::Delivery, forgotten.is_none(), || format!("{forgotten:?} should have gone to node {node} again: {side:?}"))?;
        }
        Ok(())
    }

    /// The relay waits, or does not, for the device on a connection to read; since then.
    pub(in crate::sim) fn note_blocked(&mut self, wire: usize, blocked: bool, since: u64, now: u64) {
        let Some(side) = self.sides.get_mut(&wire) else { return };
        side.blocked = blocked && u128::from(now - since) >= self.timeouts.stall.as_nanos();
    }

    /// Whether nothing is owed to anybody.
    pub(in crate::sim) fn owes_nothing(&self) -> bool {
        self.model.nodes.iter().all(|node| node.owed.is_empty())
    }

    /// Everybody is here and has acked everything, and a while has gone by.
    pub(in crate::sim) fn check_floor(&self, ledger: &Ledger, stats: Stats, segment_bytes: u64) -> Checked {
        ensure(Oracle::Storage, ledger.message_count() == 0, || format!("{} messages are kept, and none is owed", ledger.message_count()))?;
        let model = &self.model;
        for (no, user) in model.users.iter().enumerate() {
            // Who has no node left can be told nothing.
            let told = user.missed.is_none() || model.nodes_of(no).is_empty();
            ensure(Oracle::Quota, told, || format!("user {no} has missed {:?}, and was not told", user.missed))?;
        }
        let members: usize = model.groups.values().map(|group| group.members.len()).sum();
        let nodes = model.nodes.iter().filter(|node| !node.dropped).count();
        // Of a user besides its own: reach, cork, tally, missed. Of the site: one.
        let state = 5 * model.users.len() + model.groups.len() + members + nodes + model.site.codes.len() + model.retired.len() + 1;
        ensure(Oracle::Storage, stats.records <= state, || format!("{} records are kept for {state} things", stats.records))?;
        let most = 2 * stats.live_bytes + 2 * segment_bytes;
        ensure(Oracle::Storage, stats.disk_bytes <= most, || {
            format!("{} octets of the disk are taken for {} that live: more than {most}", stats.disk_bytes, stats.live_bytes)
        })
    }

    /// A device of this node sees these users as here.
    pub(in crate::sim) fn check_presence(&self, node: NodeNo, sees: &BTreeSet<String>) -> Checked {
        let seen = self.model.seen_by(self.model.nodes[node].user);
        let predicted: BTreeSet<String> = seen.iter().map(|user| self.model.users[*user].uid.clone()).collect();
        ensure(Oracle::Presence, *sees == predicted, || format!("node {node} sees {sees:?}, predicted was {predicted:?}"))
    }
}
