//! The workload: members in pairs, each posting to its partner as fast as its window allows. Every message is verified.
//!
//! A message begins with a [`Stamp`]; what follows is a piece of a pattern that both sides know. A message of a pair must be the next one of
//! its sender's, whole and unaltered: anything else ends the measurement. After it has ended everything acked must have come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::driver::{Driver, Event, Outcome, To};
use crate::fleet::{Fleet, Play};
use crate::server::Server;
use crate::sums::{Meter, Sums};

/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long what is in flight may take to arrive.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Who posts, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) members: usize,
    pub(crate) window: usize,
    pub(crate) size: usize,
    /// All members are in one group, and the first one posts to it.
    pub(crate) in_group: bool,
}

/// What stands at a message's beginning: sender, number and checksum, little-endian.
const STAMP: usize = 16;

#[derive(Default)]
struct Member {
    address: String,
    posted: u64,
    /// When the posts without an answer were made.
    unacked: VecDeque<Instant>,
    received: u64,
}

struct Pairs {
    load: Load,
    /// Links of a member.
    links: usize,
    members: Vec<Member>,
    is_posting: bool,
    joined: usize,
    delivered: u64,
    acked: u64,
    latencies_us: Vec<u32>,
    /// Octets that look random, longer than any message.
    pattern: Vec<u8>,
    body: Vec<u8>,
}

impl Pairs {
    fn new(load: Load, links: usize) -> Pairs {
        let mut dice = 1u64;
        let mut octet = || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 56) as u8
        };
        Pairs {
            load,
            links,
            members: std::iter::repeat_with(Member::default).take(load.members).collect(),
            is_posting: false,
            joined: 0,
            delivered: 0,
            acked: 0,
            latencies_us: Vec::new(),
            pattern: std::iter::repeat_with(&mut octet).take(load.size + 256).collect(),
            body: Vec::new(),
        }
    }

    /// The sender whose messages a member gets.
    fn sender_for(&self, member: usize) -> usize {
        if self.load.in_group { 0 } else { member ^ 1 }
    }

    fn fill_body(&mut self, sender: usize, number: u64) {
        self.body.clear();
        self.body.extend_from_slice(&(sender as u32).to_le_bytes());
        self.body.extend_from_slice(&number.to_le_bytes());
        let begin = (number % 256) as usize;
        let rest = &self.pattern[begin..begin + self.load.size - STAMP];
        let sum = crc32c::crc32c_append(crc32c::crc32c(&self.body), rest);
        self.body.extend_from_slice(&sum.to_le_bytes());
        self.body.extend_from_slice(rest);
    }

    fn verify(&self, member: usize, body: &[u8]) -> Outcome<()> {
        let (Some((stamp, rest)), true) = (body.split_first_chunk::<STAMP>(), body.len() == self.load.size) else {
            return Err(format!("member {member} got {} octets", body.len()));
        };
        let (head, sum) = stamp.split_at(STAMP - 4);
        let expected = self.members[member].received;
        let is_next = head[..4] == (self.sender_for(member) as u32).to_le_bytes() && head[4..] == expected.to_le_bytes();
        let is_whole = crc32c::crc32c_append(crc32c::crc32c(head), rest).to_le_bytes() == *sum;
        if is_next && is_whole {
            return Ok(());
        }
        Err(format!("member {member} got something else than message {expected} (stamp {stamp:02x?}, whole: {is_whole})"))
    }

    fn is_drained(&self) -> bool {
        let posted: u64 = self.members.iter().map(|member| member.posted).sum();
        let copies = if self.load.in_group { self.load.members as u64 } else { 1 };
        self.acked == posted && self.delivered == posted * copies
    }
}

impl<D: Driver> Play<D> for Pairs {
    fn event(&mut self, link: usize, event: Event<'_>, now: Instant) -> Outcome<()> {
        let member = link / self.links;
        match event {
            Event::Message(body) => {
                self.verify(member, body)?;
                self.members[member].received += 1;
                self.delivered += 1;
            }
            Event::Acked => {
                let posted = self.members[member].unacked.pop_front().ok_or("an ack without a post")?;
                self.acked += 1;
                self.latencies_us.push((now - posted).as_micros() as u32);
            }
            Event::Ready => self.joined += 1,
            Event::Other => {}
        }
        Ok(())
    }

    fn fill(&mut self, link: usize, driver: &mut D, out: &mut Vec<u8>, now: Instant) {
        let member = link / self.links;
        let does_post = self.is_posting && D::ROLES[link % self.links].posts() && (!self.load.in_group || member == 0);
        while does_post && self.members[member].unacked.len() < self.load.window {
            let number = self.members[member].posted;
            self.fill_body(member, number);
            let to = if self.load.in_group { To::Group } else { To::Member(&self.members[member ^ 1].address) };
            driver.post(to, &self.body, out);
            let poster = &mut self.members[member];
            poster.posted += 1;
            poster.unacked.push_back(now);
        }
    }
}

/// Runs the workload on a server that has just been started.
pub(crate) fn run<D: Driver>(load: Load, time: Duration, server: &Server) -> Outcome<Sums> {
    let mut pairs = Pairs::new(load, D::ROLES.len());
    let mut fleet: Fleet<D> = Fleet::new(server.address, server.tls.clone())?;
    fleet.gather(load.members, load.in_group, &mut pairs)?;
    for (number, member) in pairs.members.iter_mut().enumerate() {
        member.address = fleet.address(number).to_owned();
    }
    if load.in_group && D::INVITES {
        fleet.kick(0, |driver, out| driver.invite(load.members - 1, out))?;
        let all = load.members + load.members - 1;
        if !fleet.run(DRAIN_MAX, &mut pairs, |pairs| pairs.joined == all)? {
            return Err(format!("only {} of {all} are in the group", pairs.joined));
        }
    }
    pairs.is_posting = true;
    fleet.start(&mut pairs)?;
    fleet.run(WARM_UP, &mut pairs, |_| false)?;

    let delivered_before = pairs.delivered;
    pairs.latencies_us.clear();
    let meter = Meter::start(&server.process)?;
    fleet.run(time, &mut pairs, |_| false)?;
    let latencies_us = std::mem::take(&mut pairs.latencies_us);
    let sums = meter.stop(&server.process, pairs.delivered - delivered_before, latencies_us)?;

    pairs.is_posting = false;
    if !fleet.run(DRAIN_MAX, &mut pairs, Pairs::is_drained)? {
        return Err(format!("lost: {} delivered, {} acked at the end", pairs.delivered, pairs.acked));
    }
    Ok(sums)
}
