//! The laws of the house, held by the pure core under random legal requests.
//!
//! `core/mod.rs` checks laws 1 (everything waits for the newest binding record), 2 (one request, one batch), 3 (lazy records
//! bind nobody) and the order in 5 on every single effect; here are the workloads, and law 4: the live ledger equals the
//! replayed one, whichever of the forgotten records rise again.

mod core;

use mnm::base::Seq;
use mnm::record::Record;
use mnm::relay::Settings;
use proptest::prelude::*;

use crate::core::Core;

/// One step of a workload; numbers are taken modulo whatever there is.
#[derive(Clone, Debug)]
enum Step {
    Post { from: usize, to: Vec<usize>, size: usize },
    PostGroup { from: usize, group: usize, kind: u8 },
    PostNotify { from: usize, to: usize, note_to: usize },
    Ping { from: usize, to: usize },
    Invite { from: usize, to: usize, group: usize },
    GroupEdit { from: usize, group: usize, act: usize, to: usize },
    NewNode { from: usize },
    NewAlias { from: usize, name: u16 },
    Ohi { from: usize, to: usize, act: usize },
    AckAll { link: usize },
    AckSome { link: usize, mask: u8 },
    Leave { link: usize },
    Return { device: usize },
    Pass { millis: u64 },
    Commit,
    Restart { survivors: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..6usize;
    prop_oneof![
        6 => (n.clone(), prop::collection::vec(0..6usize, 0..4), 1..3000usize).prop_map(|(from, to, size)| Step::Post { from, to, size }),
        3 => (n.clone(), 0..3usize, 2..4u8).prop_map(|(from, group, kind)| Step::PostGroup { from, group, kind }),
        1 => (n.clone(), n.clone(), n.clone()).prop_map(|(from, to, note_to)| Step::PostNotify { from, to, note_to }),
        1 => (n.clone(), n.clone()).prop_map(|(from, to)| Step::Ping { from, to }),
        3 => (n.clone(), n.clone(), 0..3usize).prop_map(|(from, to, group)| Step::Invite { from, to, group }),
        3 => (n.clone(), 0..3usize, 0..3usize, n.clone()).prop_map(|(from, group, act, to)| Step::GroupEdit { from, group, act, to }),
        2 => n.clone().prop_map(|from| Step::NewNode { from }),
        1 => (n.clone(), any::<u16>()).prop_map(|(from, name)| Step::NewAlias { from, name }),
        2 => (n.clone(), n.clone(), 0..3usize).prop_map(|(from, to, act)| Step::Ohi { from, to, act }),
        5 => (0..12usize).prop_map(|link| Step::AckAll { link }),
        5 => (0..12usize, any::<u8>()).prop_map(|(link, mask)| Step::AckSome { link, mask }),
        2 => (0..12usize).prop_map(|link| Step::Leave { link }),
        3 => (0..12usize).prop_map(|device| Step::Return { device }),
        2 => (1..40_000u64).prop_map(|millis| Step::Pass { millis }),
        2 => Just(Step::Commit),
        1 => any::<u64>().prop_map(|survivors| Step::Restart { survivors }),
    ]
}

struct Device {
    user: usize,
    node: String,
    link: Option<mnm::base::LinkId>,
    waiting: Vec<String>,
}

struct World {
    core: Option<Core>,
    uids: Vec<String>,
    devices: Vec<Device>,
    new_nodes: usize,
}

fn settings() -> Settings {
    Settings { window: 4, chunk: 1000, ..Settings::default() }
}

fn alias(user: usize) -> String {
    format!("member number {user}")
}

impl World {
    fn new() -> World {
        let mut core = Core::new(settings());
        let mut uids = Vec::new();
        let mut devices = Vec::new();
        for user in 0..6 {
            let (link, uid, node) = core.member(&alias(user));
            uids.push(uid);
            devices.push(Device { user, node, link: Some(link), waiting: Vec::new() });
        }
        World { core: Some(core), uids, devices, new_nodes: 0 }
    }

    fn core(&mut self) -> &mut Core {
        self.core.as_mut().expect("a world has a core between steps")
    }

    /// A request from the first device of that user that is here.
    fn say(&mut self, user: usize, header: &str, body: &[u8]) {
        let link = self.devices.iter().find(|d| d.user == user && d.link.is_some()).and_then(|d| d.link);
        if let Some(link) = link {
            self.core().say(link, header, body);
        }
        self.collect();
    }

    /// What came becomes what each device has to ack; a `user` message tells of another device.
    fn collect(&mut self) {
        for i in 0..self.devices.len() {
            let Some(link) = self.devices[i].link else { continue };
            for frame in self.core().take(link) {
                if frame.header.get("headsum").is_none() {
                    continue;
                }
                let user = self.devices[i].user;
                if let Some(node) = frame.header.get("nodeid").and_then(|v| v.as_str())
                    && self.devices.iter().all(|d| d.node != node)
                {
                    self.devices.push(Device { user, node: node.to_owned(), link: None, waiting: Vec::new() });
                }
                self.devices[i].waiting.push(frame.text("id").to_owned());
            }
        }
    }

    fn ack(&mut self, device: usize, mask: u8) {
        let at = device % self.devices.len();
        let Some(link) = self.devices[at].link else { return };
        let waiting = std::mem::take(&mut self.devices[at].waiting);
        let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().enumerate().partition(|(i, _)| mask >> (i % 8) & 1 == 1);
        self.devices[at].waiting = later.into_iter().map(|(_, id)| id).collect();
        for (_, id) in now {
            self.core().say(link, &format!(r#"{{"op":10,"id":"{id}","type":"ok"}}"#), b"");
        }
        self.collect();
    }

    fn run(&mut self, step: Step) {
        let uid = |world: &World, user: usize| world.uids[user % 6].clone();
        match step {
            Step::Post { from, to, size } => {
                let list: Vec<String> = to.iter().map(|&user| format!(r#"{{"id":"{}","type":1}}"#, uid(self, user))).collect();
                let body = vec![b'x'; size];
                // Sometimes in pieces, so that large ones become chunks.
                self.say(from, &format!(r#"{{"op":7,"id":"p","for":[{}],"datalen":{size}}}"#, list.join(",")), &body);
            }
            Step::PostGroup { from, group, kind } => {
                self.say(
                    from,
                    &format!(r#"{{"op":7,"id":"p","for":[{{"id":"group number {group}","type":{kind}}}],"datalen":3}}"#),
                    b"abc",
                );
            }
            Step::PostNotify { from, to, note_to } => {
                let (to, note_to) = (uid(self, to), uid(self, note_to));
                let header = format!(
                    r#"{{"op":8,"id":"n","for":[{{"id":"{to}","type":1}}],"notefor":[{{"id":"{note_to}","type":1}}],"notelen":4,"datalen":9}}"#
                );
                self.say(from, &header, b"notemessg");
            }
            Step::Ping { from, to } => {
                self.say(from, &format!(r#"{{"op":9,"id":"g","from":"{}","to":"{}","datalen":2}}"#, alias(from), alias(to)), b"hi");
            }
            Step::Invite { from, to, group } => {
                let header = format!(r#"{{"op":5,"id":"i","gid":"group number {group}","from":"{}","to":"{}"}}"#, alias(from), alias(to));
                self.say(from, &header, b"");
            }
            Step::GroupEdit { from, group, act, to } => {
                let act = match act {
                    0 => r#""act":"join""#.to_owned(),
                    1 => format!(r#""act":"alias","newalias":"{}""#, alias(from)),
                    _ => format!(r#""act":"drop","to":"{}""#, alias(to)),
                };
                self.say(from, &format!(r#"{{"op":6,"id":"e","gid":"group number {group}",{act}}}"#), b"");
            }
            // No more than the world keeps devices for: one that nobody knows would never ack anything.
            Step::NewNode { from } => {
                if self.new_nodes < 6 && self.devices.iter().any(|d| d.user == from && d.link.is_some()) {
                    self.new_nodes += 1;
                    self.say(from, r#"{"op":3,"id":"u","newnode":"another"}"#, b"");
                }
            }
            Step::NewAlias { from, name } => self.say(from, &format!(r#"{{"op":3,"id":"u","newalias":"another name {name}"}}"#), b""),
            Step::Ohi { from, to, act } => {
                let act = ["add", "drop", "init"][act];
                let to = uid(self, to);
                self.say(from, &format!(r#"{{"op":4,"id":"o","for":[{{"id":"{to}"}}],"type":"{act}"}}"#), b"");
            }
            Step::AckAll { link } => self.ack(link, 0xff),
            Step::AckSome { link, mask } => self.ack(link, mask),
            Step::Leave { link } => {
                let at = link % self.devices.len();
                if let Some(link) = self.devices[at].link.take() {
                    self.core().disconnect(link);
                    self.devices[at].waiting.clear();
                }
            }
            Step::Return { device } => {
                let at = device % self.devices.len();
                if self.devices[at].link.is_none() {
                    let (uid, node) = (self.uids[self.devices[at].user].clone(), self.devices[at].node.clone());
                    let link = self.core().login(&uid, &node);
                    self.devices[at].link = Some(link);
                }
            }
            Step::Pass { millis } => {
                self.core().pass(millis * 1_000_000);
                let closed = self.core().closed.clone();
                for device in self.devices.iter_mut().filter(|d| d.link.is_some_and(|link| closed.contains(&link))) {
                    device.link = None;
                    device.waiting.clear();
                }
            }
            Step::Commit => self.core().commit(),
            Step::Restart { survivors } => self.restart(survivors),
        }
        self.collect();
        self.core().relay.check_invariants();
    }

    fn restart(&mut self, survivors: u64) {
        let mut core = self.core.take().expect("a world has a core between steps");
        core.settle();
        let (live, wall) = (core.relay.ledger().digest(), core.now.wall);
        let last = core.relay.ledger().last();
        let mut core = core.restart(settings(), |seq: Seq| survivors >> (seq.0 % 64) & 1 == 1);
        assert_eq!(core.relay.ledger().digest(), live, "law 4: the replayed ledger equals the live one");
        assert!(survivors != u64::MAX || core.relay.ledger().last() == last);
        core.now.wall = wall;
        self.core = Some(core);
        for device in &mut self.devices {
            device.link = None;
            device.waiting.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_under_random_requests(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.restart(0);
        world.restart(u64::MAX);
        // Everybody comes back and acks everything, as often as something comes: then nothing is left.
        for _ in 0..200 {
            for device in 0..world.devices.len() {
                world.run(Step::Return { device });
                world.run(Step::AckAll { link: device });
            }
        }
        world.core().settle();
        prop_assert_eq!(world.core().relay.ledger().message_count(), 0);
        let core = world.core();
        let mut kept = std::collections::BTreeSet::new();
        for (seq, octets, _) in core.records.iter().filter(|(seq, ..)| !core.forgotten.contains(seq)) {
            let thing = match Record::decode(octets).unwrap() {
                Record::User(user) => ("user", user.no.0, 0),
                Record::Group(group) => ("group", group.no.0, 0),
                Record::Member(member) => ("member", member.group.0, member.user.0),
                Record::Cursor(cursor) => ("cursor", cursor.node.0, 0),
                Record::Reach(reach) => ("reach", reach.user.0, 0),
                Record::Cork(cork) => ("cork", cork.user.0, 0),
                Record::Tally(tally) => ("tally", tally.user.0, 0),
                Record::Missed(missed) => ("missed", missed.user.0, 0),
                Record::Invite(invite) => ("invite", invite.slot, 0),
                Record::Site(_) => ("site", 0, 0),
                other @ (Record::Message(_) | Record::Chunk(_) | Record::Backlog(_) | Record::Retired(_)) => {
                    panic!("nobody needs {other:?} and it is kept")
                }
            };
            prop_assert!(kept.insert(thing), "{:?} has a newer record than {}", thing, seq);
        }
    }
}

#[test]
fn what_was_not_acked_comes_again_and_what_was_does_not() {
    let mut core = Core::new(settings());
    let (a, ..) = core.member("alice the first");
    let (b, b_uid, b_node) = core.member("bob the builder");
    for text in ["one", "two", "three"] {
        core.say(a, &format!(r#"{{"op":7,"id":"{text}","for":[{{"id":"{b_uid}","type":1}}],"datalen":{}}}"#, text.len()), text.as_bytes());
    }
    let came = core.take(b);
    let second = came[1].text("id").to_owned();
    core.say(b, &format!(r#"{{"op":10,"id":"{second}","type":"ok"}}"#), b"");
    core.settle();
    let mut core = core.restart(settings(), |_| true);
    let b = core.login(&b_uid, &b_node);
    let texts: Vec<String> =
        core.take(b).into_iter().filter(|f| f.header["op"] == "delivery").map(|f| String::from_utf8(f.data).unwrap()).collect();
    assert_eq!(texts, ["one", "three"]);
}

#[test]
fn an_ack_whose_cursor_was_lost_in_a_crash_repeats_a_delivery_and_loses_none() {
    let mut core = Core::new(settings());
    let (a, ..) = core.member("alice the first");
    let (b, b_uid, b_node) = core.member("bob the builder");
    core.say(a, &format!(r#"{{"op":7,"id":"x","for":[{{"id":"{b_uid}","type":1}}],"datalen":3}}"#), b"abc");
    core.take_and_ack(b);
    // The crash comes before any commit: no cursor was written.
    let mut core = core.restart(settings(), |_| true);
    let b = core.login(&b_uid, &b_node);
    assert!(core.take(b).iter().any(|frame| frame.data == b"abc"));
}

#[test]
fn cursors_are_written_within_a_second_and_force_no_commit_before() {
    let mut core = Core::new(settings());
    let (a, ..) = core.member("alice the first");
    let (b, b_uid, _) = core.member("bob the builder");
    core.say(a, &format!(r#"{{"op":7,"id":"x","for":[{{"id":"{b_uid}","type":1}}],"datalen":3}}"#), b"abc");
    let barrier = core.relay.barrier();
    core.take_and_ack(b);
    assert_eq!(core.relay.barrier(), barrier, "law 3: an ack binds nobody");
    assert!(!core.relay.presses(core.now.mono));
    assert!(core.relay.next_deadline().is_some_and(|at| at.since(core.now.mono).as_millis() <= 1000));
    core.pass(1_000_000_000);
    assert!(core.relay.is_settled());
    assert_eq!(core.relay.barrier(), barrier);
}

/// Three devices inherit from each other; the one in the middle, and with it its backlog record, is done first.
#[test]
fn a_message_outlives_the_devices_it_was_inherited_through() {
    let mut core = Core::new(settings());
    let (a, ..) = core.member("alice the first");
    let (first, uid, _) = core.member("bob the builder");
    core.say(a, &format!(r#"{{"op":7,"id":"x","for":[{{"id":"{uid}","type":1}}],"datalen":3}}"#), b"abc");
    let another = |core: &mut Core, link| {
        core.say(link, r#"{"op":3,"id":"u","newnode":"another"}"#, b"");
        let frames = core.take(link);
        let node = frames.iter().find_map(|frame| frame.header.get("nodeid")).unwrap().as_str().unwrap().to_owned();
        (frames, node)
    };
    let ack = |core: &mut Core, link, frames: &[crate::core::Frame]| {
        for frame in frames.iter().filter(|frame| frame.header.get("headsum").is_some()) {
            core.say(link, &format!(r#"{{"op":10,"id":"{}","type":"ok"}}"#, frame.text("id")), b"");
        }
    };
    let (of_first, second_node) = another(&mut core, first);
    ack(&mut core, first, &of_first);
    core.settle();
    // It acks no more, so its cursor record stays the one before the second inheritance.
    core.disconnect(first);
    let second = core.login(&uid, &second_node);
    let mut of_second = core.take(second);
    let (more, third_node) = another(&mut core, second);
    of_second.extend(more);
    ack(&mut core, second, &of_second);
    while !core.take_and_ack(second).is_empty() {}
    core.settle();
    let live = core.relay.ledger().digest();
    let mut core = core.restart(settings(), |_| false);
    assert_eq!(core.relay.ledger().digest(), live);
    let third = core.login(&uid, &third_node);
    assert!(core.take(third).iter().any(|frame| frame.data == b"abc"));
}

/// More acks out of order than one cursor can tell, on a queue that is long: none is forgotten by a restart, whatever is
/// left of the records, and what could not be remembered is delivered again.
#[test]
fn acks_far_ahead_of_a_long_queue_are_remembered() {
    let mut core = Core::new(Settings { window: 10_000, chunk: 1000, ..Settings::default() });
    let (a, ..) = core.member("alice the first");
    let (b, b_uid, b_node) = core.member("bob the builder");
    for n in 0..6000 {
        let text = format!("{n:04}").repeat(if n % 100 == 99 { 500 } else { 1 });
        core.say(a, &format!(r#"{{"op":7,"id":"x","for":[{{"id":"{b_uid}","type":1}}],"datalen":{}}}"#, text.len()), text.as_bytes());
        core.take(a);
    }
    let came: Vec<String> = core.take(b).iter().map(|frame| frame.text("id").to_owned()).collect();
    assert_eq!(came.len(), 6000);
    // The newest first, so that thousands are owed below each; then every second one.
    for id in came[5500..].iter().rev().chain(came.iter().step_by(2)) {
        core.say(b, &format!(r#"{{"op":10,"id":"{id}","type":"ok"}}"#), b"");
        core.relay.check_invariants();
        if core.records.len().is_multiple_of(7) {
            core.commit();
        }
    }
    core.settle();
    let live = core.relay.ledger().digest();
    let mut core = core.restart(Settings { window: 10_000, chunk: 1000, ..Settings::default() }, |seq| seq.0 % 3 != 0);
    assert_eq!(core.relay.ledger().digest(), live);
    let b = core.login(&b_uid, &b_node);
    let again: Vec<String> = core.take(b).iter().filter(|f| f.header["op"] == "delivery").map(|f| f.text("id").to_owned()).collect();
    let owed: Vec<String> = came[..5500].iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(again, owed);
}
