//! What waits for nodes, at work and after a start: in the same lanes, of the same weight, whatever is left of the log.

use std::collections::{BTreeMap, BTreeSet};

use mnm::base::{NodeDigest, NodeNo, Seq, Uid, UserNo};
use mnm::ledger::{Dead, Ledger, Replay, weight_octets};
use mnm::record::{BacklogRecord, CursorRecord, Lane, Mark, MessageRecord, NodeRecord, Payload, Record, Role, UserRecord};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.roll(some.len())]
    }
}

/// A ledger at work, its log, and what the queues must be, kept as simply as possible.
#[derive(Default)]
struct Site {
    ledger: Ledger,
    log: BTreeMap<Seq, Vec<u8>>,
    dead: Dead,
    users: Vec<Vec<NodeNo>>,
    next_node: u32,
    owed: BTreeMap<NodeNo, BTreeMap<Seq, (Lane, u64)>>,
    seen: BTreeMap<NodeNo, u32>,
    unwritten: BTreeSet<NodeNo>,
}

impl Site {
    fn append(&mut self, record: &Record<'_>) -> Seq {
        let seq = Seq(self.ledger.last().0 + 1 + (self.log.len() as u64 % 7) * 1000);
        self.ledger.apply(seq, record, &mut self.dead);
        self.log.insert(seq, record.encode());
        seq
    }

    fn put_user(&mut self, user: usize) {
        let node = |no: &NodeNo| NodeRecord { no: *no, digest: NodeDigest([no.0 as u8; 32]), label: "a phone".into(), made: no.0 };
        let nodes = self.users[user].iter().map(node).collect();
        let (no, uid, next_node) = (UserNo(user as u32), Uid([user as u8; 20]), NodeNo(self.next_node));
        self.append(&Record::User(UserRecord { no, uid, role: Role::Full, admin: false, aliases: vec![], nodes, dropped: 0, next_node }));
    }

    /// A node that begins with what waits for another of its user, if there is one.
    fn add_node(&mut self, user: usize, like: Option<NodeNo>) {
        let node = NodeNo(self.next_node);
        self.next_node += 1;
        self.users[user].push(node);
        self.put_user(user);
        let inherited = like.map(|like| self.owed[&like].clone()).unwrap_or_default();
        for lane in Lane::ALL {
            let messages: Vec<Seq> = self.ledger.queue(like.unwrap_or(node)).owed(lane).collect();
            assert!(inherited.iter().filter(|(_, (other, _))| *other == lane).map(|(seq, _)| *seq).eq(messages.iter().copied()));
            for part in messages.chunks(100) {
                self.append(&Record::Backlog(BacklogRecord { node, lane, messages: part.to_vec() }));
            }
        }
        self.owed.insert(node, inherited);
    }

    fn post(&mut self, dice: &mut Dice) {
        let nodes: Vec<NodeNo> = self.owed.keys().copied().collect();
        let chance = dice.of(&[1, 2, 8]);
        let to: Vec<NodeNo> = nodes.into_iter().filter(|_| dice.roll(chance) == 0).collect();
        let held: Vec<NodeNo> = to.iter().copied().filter(|_| dice.roll(6) == 0).collect();
        let lane = dice.of(&[Lane::Normal, Lane::Normal, Lane::Priority]);
        let len = dice.of(&[0u64, 1, 63, 64, 65, 500, 9000, 1 << 20, 1 << 30]);
        let json = format!("{{\"datalen\":{len},\"op\":\"delivery\"}}");
        let header = format!("{:04x}{json}", json.len()).into_bytes();
        let payload = if len > 9000 {
            Payload::Chunks(vec![self.append(&Record::Chunk(b"as if it were long"[..].into()))])
        } else {
            Payload::Inline(vec![b'x'; len as usize].into())
        };
        let record = MessageRecord { lane, to: to.clone(), held: held.clone(), header: header.into(), payload };
        let seq = self.append(&Record::Message(record));
        for node in to {
            let lane = if held.contains(&node) { Lane::Held } else { lane };
            self.owed.get_mut(&node).expect("it was picked from there").insert(seq, (lane, len));
        }
    }

    /// Mostly the oldest, sometimes any: then thousands of acks may lie ahead of what is owed.
    fn acknowledge(&mut self, node: NodeNo, dice: &mut Dice) {
        let queue = self.owed.get_mut(&node).expect("it was picked from there");
        let place = if dice.roll(3) == 0 { dice.roll(queue.len().max(1)) } else { 0 };
        let Some((seq, (lane, _))) = queue.iter().nth(place).map(|(seq, at)| (*seq, *at)) else { return };
        let taken = self.ledger.acknowledge(node, seq, &mut self.dead);
        assert_eq!(taken, Some(lane));
        queue.remove(&seq);
        self.unwritten.insert(node);
        assert_eq!(self.ledger.acknowledge(node, seq, &mut self.dead), None, "once is enough");
    }

    fn write_cursor(&mut self, node: NodeNo) {
        let cursor = self.ledger.cursor(node);
        self.append(&Record::Cursor(cursor));
        self.unwritten.remove(&node);
    }

    fn step(&mut self, dice: &mut Dice) {
        let node = dice.of(&self.owed.keys().copied().collect::<Vec<_>>());
        let user = self.users.iter().position(|nodes| nodes.contains(&node)).expect("every node is somebody's");
        match dice.roll(40) {
            0 => self.add_node(user, Some(node)),
            1 if self.users[user].len() > 1 => {
                self.users[user].retain(|other| *other != node);
                self.put_user(user);
                self.owed.remove(&node);
                self.seen.remove(&node);
                self.unwritten.remove(&node);
            }
            2 => {
                self.users.push(vec![]);
                self.add_node(self.users.len() - 1, None);
            }
            3..=6 => self.write_cursor(node),
            7..=8 => {
                let seconds = dice.roll(1000) as u32;
                self.ledger.saw(node, seconds);
                let seen = self.seen.entry(node).or_default();
                *seen = seconds.max(*seen);
                self.unwritten.insert(node);
            }
            9..=20 => self.acknowledge(node, dice),
            _ => self.post(dice),
        }
    }

    fn check(&self, ledger: &Ledger) {
        ledger.check_invariants();
        for (node, owed) in &self.owed {
            let queue = ledger.queue(*node);
            for lane in Lane::ALL {
                let predicted = owed.iter().filter(|(_, (other, _))| *other == lane).map(|(seq, _)| *seq);
                assert!(queue.owed(lane).eq(predicted.clone()), "{node:?} {lane:?}");
                assert_eq!(queue.owed_count(lane), predicted.count());
            }
            assert_eq!((queue.len(), queue.oldest()), (owed.len(), owed.keys().next().copied()));
            assert_eq!(queue.octets(), owed.values().map(|(_, len)| weight_octets(*len)).sum::<u64>(), "{node:?}");
            assert_eq!(queue.seen(), self.seen.get(node).copied().unwrap_or(0));
            owed.iter().for_each(|(seq, (lane, _))| assert_eq!(queue.lane_of(*seq), Some(*lane)));
        }
    }

    /// Writes what is unwritten and starts again, with some of what nobody needs still there.
    fn restart(mut self, dice: &mut Dice) -> Site {
        self.unwritten.clone().into_iter().for_each(|node| self.write_cursor(node));
        for seq in std::mem::take(&mut self.dead) {
            assert!(self.log.contains_key(&seq), "nothing dies twice");
            if dice.roll(3) > 0 {
                self.log.remove(&seq);
            }
        }
        let mut replay = Replay::new();
        self.log.iter().for_each(|(seq, octets)| replay.take(*seq, octets).expect("a record"));
        let (replayed, dead) = replay.finish().expect("a sound log");
        assert_eq!(replayed.digest(), self.ledger.digest());
        self.check(&replayed);
        dead.iter().for_each(|seq| drop(self.log.remove(seq).expect("nothing dies twice")));
        Site { ledger: replayed, ..self }
    }
}

#[test]
fn queues_are_the_same_after_a_start() {
    let mut held = 0;
    for seed in 0..20 {
        let (mut site, mut dice) = (Site { users: vec![vec![]], ..Site::default() }, Dice(seed));
        site.add_node(0, None);
        for _ in 0..4 {
            for step in 0..150 {
                site.step(&mut dice);
                if step % 10 == 0 {
                    site.check(&site.ledger);
                }
            }
            held += site.owed.keys().map(|node| site.ledger.queue(*node).owed_count(Lane::Held)).sum::<usize>();
            site = site.restart(&mut dice);
        }
    }
    assert!(held > 1000, "{held} messages were held");
}

/// A long queue is packed, and a device that inherits it finds every weight in the packed part.
#[test]
fn a_long_backlog_weighs_what_it_weighs_where_it_waits() {
    let (mut site, mut dice) = (Site { users: vec![vec![], vec![]], ..Site::default() }, Dice(5));
    site.add_node(0, None);
    site.add_node(1, None);
    (0..6000).for_each(|_| site.post(&mut dice));
    // Holes in the middle.
    (0..500).for_each(|_| site.acknowledge(NodeNo(0), &mut dice));
    site.add_node(0, Some(NodeNo(0)));
    site.check(&site.ledger);
    assert!(site.ledger.queue(NodeNo(2)).octets() > 1 << 30);
    // Behind the record of another user it is told as well.
    site.add_node(0, None);
    site.put_user(1);
    let (node, lane) = (NodeNo(3), Lane::Held);
    let mut inherited = site.owed[&NodeNo(0)].clone();
    inherited.retain(|_, (other, _)| *other == lane);
    site.append(&Record::Backlog(BacklogRecord { node, lane, messages: inherited.keys().copied().collect() }));
    assert!(inherited.len() > 100);
    site.owed.insert(node, inherited);
    site.check(&site.ledger);
    site.restart(&mut dice);
}

#[test]
fn a_held_message_is_acked_for_itself() {
    let mut site = Site { users: vec![vec![]], ..Site::default() };
    site.add_node(0, None);
    let node = NodeNo(0);
    let message = |held: &[NodeNo]| {
        let (to, header) = (vec![node], b"0002{}"[..].into());
        Record::Message(MessageRecord { lane: Lane::Normal, to, held: held.to_vec(), header, payload: Payload::EMPTY })
    };
    let first = site.append(&message(&[node]));
    let second = site.append(&message(&[]));
    assert_eq!(site.ledger.acknowledge(node, second, &mut site.dead), Some(Lane::Normal));
    let mark = |high| Mark { high, ..Mark::default() };
    let cursor = site.ledger.cursor(node);
    let expected = CursorRecord { node, normal: mark(second), priority: mark(Seq::ZERO), held: mark(Seq::ZERO), seen: 0 };
    assert_eq!(cursor, expected, "the newer one is acked, the older one in its own lane is not");
    let queue = site.ledger.queue(node);
    assert_eq!((queue.after(Lane::Held, Seq::ZERO), queue.after(Lane::Normal, Seq::ZERO)), (Some(first), None));
    assert_eq!(site.ledger.acknowledge(node, first, &mut site.dead), Some(Lane::Held));
    assert_eq!(site.ledger.cursor(node).held, mark(first));
    assert!(site.dead.contains(&first) && site.dead.contains(&second));
}

#[test]
fn when_a_node_was_seen_never_goes_back() {
    let mut site = Site { users: vec![vec![]], ..Site::default() };
    site.add_node(0, None);
    let node = NodeNo(0);
    assert_eq!(site.ledger.queue(node).seen(), 0);
    for (seconds, seen) in [(70, 70), (60, 70), (80, 80)] {
        site.ledger.saw(node, seconds);
        assert_eq!((site.ledger.queue(node).seen(), site.ledger.cursor(node).seen), (seen, seen));
    }
    let older = CursorRecord { seen: 75, ..site.ledger.cursor(node) };
    site.append(&Record::Cursor(older));
    assert_eq!(site.ledger.queue(node).seen(), 80);
}
