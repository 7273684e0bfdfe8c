//! Members and strangers: when devices connect, speak, hear and go.

use super::{Event, World};
use crate::record::Mode;
use crate::sim::ask::frame;
use crate::sim::checks::{Checked, Item, Oracle, Violation};
use crate::sim::device::{Device, Door, News, Words};
use crate::sim::plan::SECOND;
use crate::sim::workload;

impl World {
    pub(super) fn wake(&mut self, device: usize, planned: u64) -> Checked {
        let now = self.now.get();
        if self.devices.get(device).is_none_or(|device| device.armed != Some(planned)) {
            return Ok(());
        }
        self.devices[device].armed = None;
        match self.devices[device].wire {
            None if self.devices[device].return_at <= now => {
                let door = self.door(device);
                let from = door.from;
                let (plan, work) = (&self.plan, &mut self.work);
                // The numbering is chosen before the connection is known.
                let words = self.devices[device].connect(self.next_wire, door, now, plan, work);
                let wire = self.open(Some(device), from);
                self.note(|| format!("device {device} opens connection {wire}"));
                words.into_iter().for_each(|words| self.say(wire, words));
            }
            None => {}
            Some(wire) if !self.devices[device].stays(now) => self.leave(device, wire),
            Some(wire) => self.speak(device, wire),
        }
        self.arm(device);
        Ok(())
    }

    /// Where a device knocks from, and with which code if it has to register.
    fn door(&mut self, device: usize) -> Door {
        let Some(extensions) = &self.plan.extensions else { return Door::default() };
        let is_new = self.devices[device].node.is_none();
        let open = self.checks.model.site.mode(self.time().wall.0) == Mode::Open;
        let has_code = is_new && self.work.chance(if open { 1 } else { 4 }, 5);
        let code = has_code.then(|| workload::code(&self.codes, extensions.wrong_codes, &mut self.work));
        Door { from: Some(workload::address(&mut self.work)), code }
    }

    pub(super) fn leave(&mut self, device: usize, wire: usize) {
        if self.devices[device].greeted && self.work.chance(1, 2) {
            let quit = frame(&self.devices[device].speaks().quit(), b"");
            self.note(|| format!("device {device} quits"));
            self.say(wire, Words { octets: quit, item: Some(Item::Last { reason: "logout ok" }) });
            if self.work.chance(1, 2) {
                return self.hang_up(wire);
            }
            // Waits for the relay to close; but not for ever.
            self.plan_event(10 * SECOND, Event::Leave(wire));
            let now = self.now.get();
            self.devices[device].greeted = false;
            self.devices[device].postpone_leaving(now + 20 * SECOND);
            return;
        }
        self.note(|| format!("device {device} goes without a word"));
        self.hang_up(wire);
    }

    pub(super) fn speak(&mut self, device: usize, wire: usize) {
        let now = self.now.get();
        if let Some(node) = self.devices[device].node.filter(|_| self.devices[device].greeted && !self.calm) {
            if self.work.chance(self.plan.breaks, 1000) {
                let (octets, reason) = workload::break_protocol(&mut self.work);
                self.note(|| format!("device {device} breaks the protocol: {reason}"));
                self.devices[device].greeted = false;
                return self.say(wire, Words { octets, item: Some(Item::Last { reason }) });
            }
            if self.work.chance(self.plan.torn_uploads, 1000) {
                self.note(|| format!("device {device} of node {node} sends half a request and goes"));
                let len = self.plan.message_max;
                let mut octets = format!(r#"{{"op":7,"id":"torn","for":[],"datalen":{len}}}"#);
                octets = format!("{:04x}{octets}", octets.len());
                let octets = octets.into_bytes().into_iter().chain(std::iter::repeat_n(b't', len / 2)).collect();
                self.say(wire, Words { octets, item: None });
                return self.hang_up(wire);
            }
        }
        let wall = self.time().wall.0;
        let (plan, model) = (&self.plan, &self.checks.model);
        let Some(node) = self.devices[device].node else { return };
        let words = self.devices[device].speak(now, plan, &mut self.work, |prng| workload::ask(model, node, plan, wall, prng));
        for words in words {
            if let Some(Item::Ask { id, ask }) = &words.item {
                let (id, ask) = (id.clone(), ask.clone());
                self.note(|| format!("device {device} of node {node} asks {id} {ask:?}"));
            }
            self.say(wire, words);
        }
    }

    /// A device gets octets; whether it goes on.
    pub(super) fn hear(&mut self, device: usize, wire: usize, octets: &[u8]) -> Checked<bool> {
        let now = self.now.get();
        let mut words = Vec::new();
        let news = self.devices[device].hear(octets, now, &self.plan, &mut self.work, &mut words);
        let news = news.map_err(|what| Violation { oracle: Oracle::Answers, what: format!("device {device} gets {what}") })?;
        let mut lives = true;
        for news in news {
            match news {
                News::Nothing => {}
                News::Over => lives = false,
                News::Registered => self.devices[device].node = self.node_of(&self.devices[device].secret),
                News::Another(secret) => self.meet(device, secret),
                News::Code(code) => self.codes.push(code),
            }
        }
        words.into_iter().for_each(|words| self.say(wire, words));
        self.arm(device);
        Ok(lives)
    }

    pub(super) fn node_of(&self, secret: &str) -> Option<usize> {
        self.checks.secrets.iter().find(|(_, known)| *known == secret).map(|(node, _)| *node)
    }

    /// A device learns of another one of the same user: somebody sets that up.
    pub(super) fn meet(&mut self, device: usize, secret: String) {
        if self.devices.iter().any(|other| other.secret == secret) {
            return;
        }
        self.set_up(self.devices[device].uid.clone(), secret);
    }

    pub(super) fn set_up(&mut self, uid: String, secret: String) {
        let node = self.node_of(&secret);
        let at = self.now.get() + self.work.between(0, 2 * self.plan.away);
        let mut other = Device::new(String::new(), uid, secret, at);
        other.node = node;
        other.calm = self.calm.then_some(1);
        self.add_device(other);
    }
}
