//! Connections: what is on its way on them, and what happens to them.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use super::{Entry, Event, World};
use crate::base::LinkId;
use crate::net::Layer;
use crate::sim::ask::Speaks;
use crate::sim::checks::{Checked, Side};
use crate::sim::device::Words;
use crate::sim::net::{Edge, End, Wire};
use crate::sim::plan::{MICRO, SECOND};
use crate::sim::workload;

impl World {
    pub(super) fn open(&mut self, device: Option<usize>, from: Option<IpAddr>) -> usize {
        let number = self.next_wire;
        self.next_wire += 1;
        let wire = Wire::new(self.plan.receive_buffer, self.plan.send_buffer, self.now.get());
        let wire = Rc::new(RefCell::new(wire));
        let end = End { wire: wire.clone(), number, log: self.log.clone(), now: self.now.clone() };
        let time = self.time();
        let slot = self.server().open(end, Layer::Plain, from, time);
        let link = LinkId { slot: slot as u32, generation: self.opened };
        self.opened += 1;
        self.wires.insert(number, Entry { wire, slot, device, coming_up: false, followed: false, coming_down: false });
        let speaks = device.map_or(Speaks::Draft2020, |device| self.devices[device].speaks());
        self.checks.opened(number, link, Side::new(speaks, device.is_none(), self.now.get()));
        number
    }

    /// A device says something.
    pub(super) fn say(&mut self, wire: usize, words: Words) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        entry.wire.borrow_mut().flight.extend(&words.octets);
        if let Some(side) = self.checks.sides.get_mut(&wire) {
            side.note_sent(words.octets.len(), words.item);
        }
        self.come_up(wire);
    }

    pub(super) fn come_up(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        if !entry.coming_up && entry.wire.borrow().has_more() {
            // The first of many octets takes its time; the others follow close.
            let follows = std::mem::replace(&mut entry.followed, true);
            entry.coming_up = true;
            let wait = self.network.between(MICRO, if follows { self.plan.latency / 50 + MICRO } else { self.plan.latency });
            self.plan_event(wait, Event::Up(wire));
        }
    }

    pub(super) fn come_down(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        let has_more = {
            let wire = entry.wire.borrow();
            !wire.silent && (!wire.down.is_empty() || wire.is_over())
        };
        if !entry.coming_down && has_more {
            entry.coming_down = true;
            let slow = entry.device.is_some_and(|device| self.devices[device].slow);
            let wait = self.network.between(MICRO, self.plan.latency) + if slow { self.network.between(0, 3 * SECOND) } else { 0 };
            self.plan_event(wait, Event::Down(wire));
        }
    }

    pub(super) fn tell(&mut self, wire: usize, edge: Edge) {
        let Some(entry) = self.wires.get(&wire) else { return };
        let slot = entry.slot;
        if entry.wire.borrow().dropped {
            return;
        }
        let server = self.server.as_mut().expect("a process runs");
        if edge.ending {
            server.ending(slot);
        }
        if edge.readable || edge.writable {
            server.ready(slot, edge.readable, edge.writable);
        }
    }

    pub(super) fn up(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        entry.coming_up = false;
        let piece = self.network.between(1, self.plan.piece as u64) as usize;
        let edge = entry.wire.borrow_mut().arrive(piece);
        entry.followed = !entry.wire.borrow().flight.is_empty();
        self.note(|| format!("octets arrive on connection {wire}: {edge:?}"));
        self.tell(wire, edge);
        self.misfortune(wire);
        self.come_up(wire);
    }

    /// Something may happen to a connection.
    pub(super) fn misfortune(&mut self, wire: usize) {
        if self.calm {
            return;
        }
        if self.network.chance(self.plan.resets, 1000) {
            self.note(|| format!("connection {wire} is reset"));
            let Some(entry) = self.wires.get_mut(&wire) else { return };
            let edge = entry.wire.borrow_mut().reset();
            self.tell(wire, edge);
            self.come_down(wire);
        } else if self.network.chance(self.plan.silences, 1000) {
            self.note(|| format!("connection {wire} falls silent"));
            let Some(entry) = self.wires.get_mut(&wire) else { return };
            entry.wire.borrow_mut().silent = true;
        }
    }

    pub(super) fn down(&mut self, wire: usize) -> Checked {
        let Some(entry) = self.wires.get_mut(&wire) else { return Ok(()) };
        entry.coming_down = false;
        let device = entry.device;
        let most = if device.is_some_and(|device| self.devices[device].slow) { 50 } else { self.plan.piece * 4 };
        let (octets, edge) = entry.wire.borrow_mut().take(most);
        let over = entry.wire.borrow().is_over();
        self.tell(wire, edge);
        let lives = match device {
            Some(device) if self.devices[device].wire == Some(wire) => self.hear(device, wire, &octets)?,
            _ => true,
        };
        if over || !lives {
            self.hang_up(wire);
            let Some(entry) = self.wires.get(&wire) else { return Ok(()) };
            if entry.wire.borrow().dropped {
                self.wires.remove(&wire);
            }
        } else {
            self.come_down(wire);
        }
        Ok(())
    }

    /// Whoever is at the far end closes the connection.
    pub(super) fn hang_up(&mut self, wire: usize) {
        let Some(entry) = self.wires.get_mut(&wire) else { return };
        entry.wire.borrow_mut().closing = true;
        let device = entry.device.filter(|device| self.devices[*device].wire == Some(wire));
        self.come_up(wire);
        if let Some(device) = device {
            let now = self.now.get();
            self.devices[device].lose(now, &self.plan, &mut self.work);
            self.arm(device);
        }
    }

    pub(super) fn lose_all(&mut self) {
        self.wires.clear();
        let now = self.now.get();
        for device in 0..self.devices.len() {
            if self.devices[device].wire.is_some() {
                self.devices[device].lose(now, &self.plan, &mut self.work);
                self.arm(device);
            }
        }
    }

    pub(super) fn stranger(&mut self) {
        if self.calm {
            return;
        }
        let wire = self.open(None, None);
        let (octets, goes) = workload::stranger(&self.checks.model, &mut self.work);
        self.note(|| format!("a stranger opens connection {wire}"));
        self.say(wire, Words { octets, item: None });
        if goes {
            let wait = self.work.between(0, 3 * SECOND);
            self.plan_event(wait, Event::Leave(wire));
        }
        let wait = self.work.between(1, 120 * SECOND / self.plan.strangers);
        self.plan_event(wait, Event::Stranger);
    }
}
