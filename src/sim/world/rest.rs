//! The end of a world: faults stop, everybody comes, and everything is delivered, acked and forgotten.

use std::collections::BTreeSet;

use super::{Fate, World};
use crate::server::recover;
use crate::sim::checks::{Checked, Oracle, Violation};
use crate::sim::device::Device;
use crate::sim::plan::SECOND;
use crate::sim::prng::Prng;
use crate::store::Options;

/// A world that is told to come to rest has so long for it.
const REST_MAX: u64 = 3600 * SECOND;

impl World {
    /// Faults stop; everybody comes, and everything that is owed is delivered and acked.
    pub(super) fn come_to_rest(&mut self) -> Checked {
        self.note(|| "faults stop".to_owned());
        self.calm = true;
        (self.plan.stalls, self.fate) = (0, Fate::None);
        self.plan.piece = self.plan.piece.max(1500);
        self.disk.heal();
        self.disk.starve(false);
        self.starved = false;
        self.disk.set_capacity(self.disk.used() + 40 * u64::from(self.plan.segment_bytes.max(self.segment_bytes)));
        let wires: Vec<usize> = self.wires.keys().copied().collect();
        for wire in wires {
            let edge = self.wires[&wire].wire.borrow_mut().reset();
            self.tell(wire, edge);
        }
        self.wires.values_mut().for_each(|entry| entry.device = None);
        // Who could not be told its secret finds it on a slip of paper, and who never got in gives up.
        let model = &self.checks.model;
        self.devices.retain(|device| device.node.is_some_and(|node| !model.nodes[node].dropped));
        let now = self.now.get();
        for (node, secret) in self.checks.secrets.clone() {
            if !self.checks.model.nodes[node].dropped && self.devices.iter().all(|device| device.node != Some(node)) {
                let uid = self.checks.model.users[self.checks.model.nodes[node].user].uid.clone();
                let mut device = Device::new(String::new(), uid, secret, now);
                device.node = Some(node);
                self.devices.push(device);
            }
        }
        self.agenda.clear();
        self.settle_site()?;
        for device in 0..self.devices.len() {
            self.devices[device].calm = Some(1);
            self.devices[device].forget_corks();
            self.devices[device].armed = None;
            self.devices[device].lose(now, &self.plan, &mut self.work);
            self.arm(device);
        }
        let deadline = now + REST_MAX;
        while !(self.devices.iter().all(Device::is_content) && self.checks.owes_nothing()) {
            if self.now.get() > deadline {
                return Err(Violation { oracle: Oracle::Liveness, what: self.what_is_missing() });
            }
            self.step()?;
        }
        self.note(|| "all is acked".to_owned());
        let end = self.now.get() + 20 * SECOND;
        while self.next_moment().0 < end {
            self.step()?;
        }
        self.check_rest()?;
        self.stop()
    }

    pub(super) fn what_is_missing(&self) -> String {
        let waiting: Vec<String> =
            self.devices.iter().filter(|device| !device.is_content()).map(|device| format!("{device:?}")).take(2).collect();
        let owed: Vec<String> = self
            .checks
            .model
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.owed.is_empty())
            .map(|(no, node)| format!("node {no} is owed {:?}", node.owed))
            .collect();
        format!("an hour after the last fault: {owed:?}, {waiting:?}")
    }

    pub(super) fn check_rest(&mut self) -> Checked {
        self.look_closely()?;
        let server = self.server.as_ref().expect("a process runs");
        let segment = u64::from(self.segment_max);
        self.trace.note(0, || format!("{:?}", server.store().stats()));
        self.checks.check_floor(server.relay().ledger(), server.store().stats(), segment)?;
        let here = |device: &&Device| device.node.is_some_and(|node| !self.checks.model.nodes[node].dropped);
        let mut nodes = BTreeSet::new();
        for device in self.devices.iter().filter(here) {
            let node = device.node.expect("who is nobody has given up");
            self.checks.check_presence(node, &device.sees)?;
            nodes.insert(node);
        }
        if nodes.len() != self.checks.model.nodes.iter().filter(|node| !node.dropped).count() {
            return Err(Violation { oracle: Oracle::Liveness, what: "some nodes never came".into() });
        }
        // A twin of the disk tells the same.
        let options = Options { segment_bytes: self.segment_bytes };
        let twin = recover(self.disk.fork(), options, Box::new(Prng::new(1)));
        let twin = twin.map_err(|e| Violation { oracle: Oracle::Start, what: format!("a copy of the disk: {e}") })?;
        let (live, replayed) = (server.relay().ledger().digest(), twin.ledger.digest());
        if live == replayed {
            Ok(())
        } else {
            Err(Violation { oracle: Oracle::Replay, what: format!("live digest {live:x}, replayed {replayed:x}") })
        }
    }
}
