//! The members of one thread as the scenarios see them: whom they write to, what is posted and judged, what is still to be
//! done before the test. A [`Play`] says only who does what and when.

mod errands;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mnm::base::{Mono, Seq};
use mnm_client::request::Data;
use mnm_client::{Account, LinkError, Recipient, Reply, request};

use crate::Failure;
use crate::books::{Books, Pending, Verdict};
use crate::cli::Size;
use crate::fleet::{OUT_ENOUGH, OnLoss, Order, Script};
use crate::payload::Stamp;
use crate::tally::Tally;
use errands::Errands;
pub(crate) use errands::{Errand, Task};

/// What a scenario's members do. Whatever a play does not say stays as it is here: nothing happens.
pub(crate) trait Play: Send {
    /// All have an account and are logged in; whom they write to is settled now, and what must be done before the first post.
    fn prepare(&mut self, crowd: &mut Crowd);
    /// The test begins.
    fn begin(&mut self, _crowd: &mut Crowd, _now: Mono) {}
    /// There is room for requests of a member, and posting goes on.
    fn fill(&mut self, _crowd: &mut Crowd, _who: usize, _out: &mut Vec<u8>, _now: Mono) {}
    /// A member has logged in.
    fn online(&mut self, _crowd: &mut Crowd, _who: usize, _now: Mono) {}
    /// A post of a member was answered.
    fn acked(&mut self, _crowd: &mut Crowd, _who: usize, _now: Mono) {}
    /// A message that is no delivery came.
    fn noticed(&mut self, _crowd: &mut Crowd, _who: usize, _op: &str, _now: Mono) {}
    /// A member has gone.
    fn left(&mut self, _crowd: &mut Crowd, _who: usize, _now: Mono) {}
    /// A member wanted to be woken now.
    fn woken(&mut self, _crowd: &mut Crowd, _who: usize, _now: Mono) {}
    /// Whether the play is over by itself.
    fn is_over(&self, _crowd: &Crowd) -> bool {
        false
    }
    /// Whether nothing is asked of the relay at present.
    fn rests(&self) -> bool {
        false
    }
    /// The posting has ended: who is away must come, and take what waits.
    fn finish(&mut self, crowd: &mut Crowd) {
        crowd.all_come();
    }
    /// What the play has counted for itself.
    fn extra(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// Whom a member writes to, as the relay is told.
#[derive(Clone, Debug)]
pub(crate) enum To {
    /// One or more members, by index.
    Members(Vec<usize>),
    /// A group's members but the sender: its name.
    Group(String),
}

/// The members of one thread.
pub(crate) struct Crowd {
    pub(crate) books: Books,
    pub(crate) tally: Tally,
    pub(crate) posting: bool,
    /// Posts that may still be made.
    pub(crate) left: u64,
    /// Who is logged in.
    pub(crate) here: BTreeSet<usize>,
    /// Who has quit its last link and was answered.
    in_order: BTreeSet<usize>,
    /// A link was lost, or the relay is expected to go away: then it may have forgotten the acks of its last moments.
    any_lost: bool,
    /// The posting is over, and who goes comes back.
    pub(crate) finishing: bool,
    /// Members who are to post one message to their first audience as soon as they can.
    pub(crate) to_speak: BTreeSet<usize>,
    accounts: Vec<Account>,
    addresses: Vec<Vec<To>>,
    errands: Errands,
    orders: Vec<Order>,
    run: u64,
    size: Size,
    on_loss: OnLoss,
    /// Accounts were used before, so that messages of an earlier test may come.
    seasoned: bool,
    /// The number of the first member among those of all threads.
    first: u32,
    /// By which they can be invited; empty where the scenario needs none.
    pub(crate) aliases: Vec<String>,
    nameless: Vec<usize>,
    /// Groups that were made in an earlier test.
    known_groups: BTreeSet<String>,
    /// Groups that this test has made or found, with their members.
    groups: BTreeMap<String, Vec<usize>>,
}

/// Who the members of a crowd are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cast {
    /// The test's own number.
    pub(crate) run: u64,
    pub(crate) members: usize,
    /// The number of the first member among those of all threads.
    pub(crate) first: u32,
    /// Accounts were used before, so that messages of an earlier test may come.
    pub(crate) seasoned: bool,
    /// By which they can be invited; empty where the scenario needs none.
    pub(crate) aliases: Vec<String>,
    /// Members who are known and have no alias yet.
    pub(crate) nameless: Vec<usize>,
    /// Groups that were made in an earlier test, of the same members.
    pub(crate) groups: BTreeSet<String>,
}

/// What is wrong with a delivery by itself.
enum Odd {
    Corrupted(&'static str),
    Misdelivered,
    Stale,
}

impl Crowd {
    pub(crate) fn new(cast: Cast, size: Size, on_loss: OnLoss) -> Result<Crowd, Failure> {
        let Cast { run, members, first, seasoned, aliases, nameless, groups } = cast;
        Ok(Crowd {
            books: Books::new(members),
            tally: Tally::new(),
            posting: false,
            left: u64::MAX,
            here: BTreeSet::new(),
            in_order: BTreeSet::new(),
            any_lost: on_loss == OnLoss::ComeBack,
            finishing: false,
            to_speak: BTreeSet::new(),
            accounts: vec![Account { uid: String::new(), node: String::new() }; members],
            addresses: vec![Vec::new(); members],
            errands: Errands::new(members),
            orders: Vec::new(),
            run,
            size,
            on_loss,
            seasoned,
            first,
            aliases,
            nameless,
            known_groups: groups,
            groups: BTreeMap::new(),
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// A member's uid; empty before it has one.
    pub(crate) fn uid(&self, who: usize) -> &str {
        &self.accounts[who].uid
    }

    /// What a member is called in the summary.
    pub(crate) fn name(&self, who: usize) -> String {
        format!("member {}", self.number(who))
    }

    /// A member's number among those of all threads.
    pub(crate) fn number(&self, who: usize) -> usize {
        self.first as usize + who
    }

    /// The alias by which a member can be invited.
    pub(crate) fn alias(&self, who: usize) -> &str {
        &self.aliases[who]
    }

    /// Notes a group of these members; whether it is to be made.
    pub(crate) fn note_group(&mut self, gid: &str, members: Vec<usize>) -> bool {
        self.groups.insert(gid.to_owned(), members);
        !self.known_groups.contains(gid)
    }

    /// The groups, each with the uids of its members.
    pub(crate) fn groups(&self) -> BTreeMap<String, Vec<String>> {
        let uids = |members: &Vec<usize>| members.iter().map(|who| self.uid(*who).to_owned()).collect();
        self.groups.iter().map(|(gid, members)| (gid.clone(), uids(members))).collect()
    }

    /// Everybody whom a member writes to by name, once each.
    pub(crate) fn addressees(&self, who: usize) -> BTreeSet<usize> {
        let named = |to: &To| match to {
            To::Members(members) => members.clone(),
            To::Group(_) => Vec::new(),
        };
        self.addresses[who].iter().flat_map(named).collect()
    }

    /// Gives a member somebody to write to; `recipients` are those who will get it. The audience's number.
    pub(crate) fn add_audience(&mut self, who: usize, to: To, recipients: Vec<usize>) -> u32 {
        self.addresses[who].push(to);
        self.books.add_audience(who, recipients.into_iter().map(|who| who as u32).collect())
    }

    /// Members 0 and 1 write to each other, 2 and 3, and so on.
    pub(crate) fn pair_up(&mut self) {
        for who in 0..self.len() {
            self.add_audience(who, To::Members(vec![who ^ 1]), vec![who ^ 1]);
        }
    }

    /// Something that a member must do before the test, or after what it has yet to do.
    pub(crate) fn send_on_errand(&mut self, who: usize, errand: Errand) {
        self.errands.add(who, errand);
        self.order(Order::Kick(who));
    }

    /// Whether everybody has posted what it was to post, and every errand is answered.
    pub(crate) fn has_said_all(&self) -> bool {
        self.to_speak.is_empty() && self.errands.waiting() == 0
    }

    /// Has those take an alias who were known and have none.
    pub(crate) fn name_the_nameless(&mut self) {
        for who in std::mem::take(&mut self.nameless) {
            let alias = self.aliases[who].clone();
            self.send_on_errand(who, Task::TakeAlias { alias }.into());
        }
    }

    /// The posting begins.
    pub(crate) fn begin_test(&mut self) {
        self.posting = true;
        self.errands.begin_test();
    }

    /// How many errands are not done; an error if one was refused.
    pub(crate) fn errands_left(&self) -> Result<usize, Failure> {
        self.errands.left()
    }

    /// Asks the fleet for something.
    pub(crate) fn order(&mut self, order: Order) {
        self.orders.push(order);
    }

    /// Has everybody who is away log in.
    pub(crate) fn all_come(&mut self) {
        for who in 0..self.len() {
            if !self.here.contains(&who) {
                self.order(Order::Come(who));
            }
        }
    }

    /// Has each member post one message, now or when it has come.
    pub(crate) fn all_speak(&mut self) {
        self.to_speak = (0..self.len()).collect();
        for who in 0..self.len() {
            self.order(Order::Kick(who));
        }
    }

    /// Posts a message to one of a member's audiences.
    pub(crate) fn post(&mut self, who: usize, audience: u32, out: &mut Vec<u8>, now: Mono) {
        let pending = self.books.post(who, audience, now);
        self.left = self.left.saturating_sub(1);
        self.tally.counts.sent += 1;
        self.write_post(who, pending, out);
    }

    /// Posts to a member's first audience as long as the window and the backlog allow.
    pub(crate) fn post_within(&mut self, who: usize, window: u64, backlog: u64, out: &mut Vec<u8>, now: Mono) {
        while self.left > 0 && out.len() < OUT_ENOUGH {
            let in_flight = self.books.in_flight(who);
            if in_flight >= window || (backlog < u64::MAX && in_flight + self.books.backlog(who) >= backlog) {
                break;
            }
            self.post(who, 0, out, now);
        }
    }

    /// What has not come, or was not answered, is a fault from now on.
    pub(crate) fn count_outstanding(&mut self) {
        let absent = self.len() - self.here.len();
        if absent > 0 {
            self.tally.counts.dropped_links += absent as u64;
            self.tally.fault_note(|| format!("{absent} members have not come back"));
        }
        let unsaid = self.to_speak.len();
        if unsaid > 0 {
            self.tally.counts.unanswered += unsaid as u64;
            self.tally.fault_note(|| format!("{unsaid} messages could not be posted"));
        }
        self.tally.counts.refused += self.errands.refused_late();
        self.tally.counts.unanswered += self.errands.waiting();
        for who in 0..self.len() {
            let (lost, unanswered) = (self.books.undelivered(who), self.books.in_flight(who));
            let name = self.name(who);
            self.tally.missing(&name, lost, unanswered);
        }
    }

    fn write_post(&self, who: usize, pending: Pending, out: &mut Vec<u8>) {
        let size = self.size.of(who as u32, pending.order);
        let data = Data { len: u64::from(size), ..Data::default() };
        let id = request_id(pending.order);
        match &self.addresses[who][pending.audience as usize] {
            To::Group(gid) => request::post(out, &id, &[Recipient::group(gid)], data),
            To::Members(members) if members.len() == 1 => {
                request::post(out, &id, &[Recipient::user(self.uid(members[0]))], data);
            }
            To::Members(members) => {
                let recipients: Vec<Recipient<'_>> = members.iter().map(|who| Recipient::user(self.uid(*who))).collect();
                request::post(out, &id, &recipients, data);
            }
        }
        let Pending { audience, sequence, order, posted } = pending;
        Stamp { run: self.run, sender: self.first + who as u32, size, audience, sequence, order, posted }.write(out);
    }

    /// The message a delivery carries, if it is whole and of this test.
    fn verify(&self, header: &Reply<'_>, sound: bool, body: &[u8]) -> Result<(Stamp, Seq), Odd> {
        if !sound {
            return Err(Odd::Corrupted("headsum does not hold"));
        }
        let id = Seq::from_hex(header.id).ok_or(Odd::Corrupted("id is not 16 hex digits"))?;
        let stamp = Stamp::verify(body).ok_or(Odd::Corrupted("data is not as it was posted"))?;
        if stamp.run != self.run {
            return Err(if self.seasoned { Odd::Stale } else { Odd::Misdelivered });
        }
        // Here members are known by their place; those of other threads are strangers.
        let sender = stamp.sender.checked_sub(self.first).filter(|place| (*place as usize) < self.len()).ok_or(Odd::Misdelivered)?;
        let stamp = Stamp { sender, ..stamp };
        if stamp.size != self.size.of(stamp.sender, stamp.order) {
            return Err(Odd::Corrupted("data has another length"));
        }
        if self.uid(stamp.sender as usize) != header.from {
            return Err(Odd::Corrupted("from is not who posted it"));
        }
        Ok((stamp, id))
    }

    fn delivered(&mut self, who: usize, header: &Reply<'_>, sound: bool, body: &[u8], now: Mono) -> Option<usize> {
        let (stamp, id) = match self.verify(header, sound, body) {
            Ok(found) => found,
            Err(odd) => {
                let name = self.name(who);
                let counts = &mut self.tally.counts;
                match odd {
                    Odd::Stale => counts.stale += 1,
                    Odd::Misdelivered => {
                        counts.unexpected += 1;
                        self.tally.fault_note(|| format!("{name}: message {} is for somebody else", header.id));
                    }
                    Odd::Corrupted(why) => {
                        counts.corrupted += 1;
                        self.tally.fault_note(|| format!("{name}: message {}: {why}", header.id));
                    }
                }
                return None;
            }
        };
        let verdict = self.books.arrived(who, &stamp, id, now);
        if self.tally.arrival(verdict, stamp.size, stamp.posted, now) {
            let name = self.name(who);
            let what =
                if verdict == Verdict::NeverPosted { "never posted, or not for this member".to_owned() } else { format!("{verdict:?}") };
            self.tally.fault_note(|| format!("{name}: message {id}, the sender's number {}: {what}", stamp.order));
        }
        Some(stamp.sender as usize)
    }

    /// Whether the answer was to a post.
    fn answered(&mut self, who: usize, id: &str, error: Option<&str>, now: Mono) -> bool {
        let Some(order) = order_of(id) else {
            let name = self.name(who);
            if let Some(kicked) = self.errands.answered(who, id, error, &name) {
                self.orders.extend(kicked.into_iter().map(Order::Kick));
            } else {
                self.unexpected_ack(who, id);
            }
            return false;
        };
        match (self.books.answered(who, order, error.is_none()), error) {
            (None, _) => self.unexpected_ack(who, id),
            (Some(_), Some(error)) => {
                self.tally.counts.refused += 1;
                let name = self.name(who);
                self.tally.fault_note(|| format!("{name}: post {id} refused: {error}"));
            }
            (Some(post), None) => {
                self.tally.counts.acked += 1;
                self.tally.last_ack = now;
                self.tally.to_ack.record(post.posted, now);
            }
        }
        true
    }

    fn unexpected_ack(&mut self, who: usize, id: &str) {
        self.tally.counts.unexpected += 1;
        let name = self.name(who);
        self.tally.fault_note(|| format!("{name}: an ack nobody waits for: {id}"));
    }
}

/// A crowd and what it plays.
pub(crate) struct Stage<'a> {
    pub(crate) crowd: Crowd,
    pub(crate) play: &'a mut dyn Play,
    /// Deliveries may let their senders post again.
    pub(crate) bounded: bool,
}

impl Script for Stage<'_> {
    fn online(&mut self, who: usize, account: &Account, again: bool, began: Mono, now: Mono, out: &mut Vec<u8>) {
        let crowd = &mut self.crowd;
        crowd.accounts[who].clone_from(account);
        crowd.here.insert(who);
        crowd.tally.login(began, now);
        if again {
            let in_order = crowd.in_order.remove(&who) && !crowd.any_lost;
            let pending = crowd.books.new_link(who, in_order);
            crowd.tally.counts.resent += pending.len() as u64;
            for pending in pending {
                crowd.write_post(who, pending, out);
            }
            crowd.errands.new_link(who);
        }
        self.play.online(crowd, who, now);
    }

    fn answered(&mut self, who: usize, id: &str, error: Option<&str>, now: Mono) {
        if self.crowd.answered(who, id, error, now) {
            self.play.acked(&mut self.crowd, who, now);
        }
    }

    fn delivered(&mut self, who: usize, header: &Reply<'_>, sound: bool, body: &[u8], now: Mono) {
        let sender = self.crowd.delivered(who, header, sound, body, now);
        if let Some(sender) = sender.filter(|_| self.bounded) {
            self.crowd.order(Order::Kick(sender));
        }
    }

    fn unacked(&mut self, who: usize, id: &str) {
        if let Some(id) = Seq::from_hex(id) {
            self.crowd.books.note_unacked(who, id);
        }
    }

    fn noticed(&mut self, who: usize, op: &str, now: Mono) {
        self.play.noticed(&mut self.crowd, who, op, now);
    }

    fn fill(&mut self, who: usize, out: &mut Vec<u8>, now: Mono) {
        self.crowd.errands.fill(who, out);
        if self.crowd.to_speak.remove(&who) {
            self.crowd.post(who, 0, out, now);
        }
        if self.crowd.posting {
            self.play.fill(&mut self.crowd, who, out, now);
        }
    }

    fn left(&mut self, who: usize, in_order: bool, now: Mono) {
        self.crowd.here.remove(&who);
        if in_order {
            self.crowd.in_order.insert(who);
        }
        if self.crowd.finishing {
            self.crowd.order(Order::Come(who));
        }
        self.play.left(&mut self.crowd, who, now);
    }

    fn woken(&mut self, who: usize, now: Mono) {
        if self.crowd.posting {
            self.play.woken(&mut self.crowd, who, now);
        }
    }

    fn lost(&mut self, who: usize, was_online: bool, error: &LinkError, back: Duration) {
        let crowd = &mut self.crowd;
        crowd.here.remove(&who);
        crowd.any_lost = true;
        let name = crowd.name(who);
        crowd.tally.link_note(|| format!("{name}: {error}; back in {} ms", back.as_millis()));
        if was_online && crowd.on_loss == OnLoss::Fault {
            crowd.tally.counts.dropped_links += 1;
        }
    }

    fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.crowd.orders)
    }
}

/// A post's request id: unique for its sender, and the same when it is repeated.
fn request_id(order: u64) -> String {
    format!("p{order}")
}

fn order_of(id: &str) -> Option<u64> {
    id.strip_prefix('p')?.parse().ok()
}
