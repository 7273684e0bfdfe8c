//! The facts: users, nodes, names, groups, members, queues.
//!
//! [`Ledger::apply`] is the only way to change a fact, in service and at replay alike; what a node has acked
//! goes through [`Ledger::acknowledge`], whose durable form is the cursor record that follows within a
//! second. Both tell which records nobody needs any more. Replay ([`Replay`]) applies what survived in the
//! log, in order of `Seq`; a record may then come before the one that explains it (a message before its
//! recipient's user, whose record was rewritten later), so nothing here asks for an order between things.
//!
//! Invariants (`check_invariants`): every queued message counts as owed exactly as often as it is queued;
//! queues rise; a name has one owner. Deliberately absent: links, windows, time. They are the relay's.

mod ages;
mod block;
mod digest;
mod groups;
mod invites;
mod kept;
mod members;
mod messages;
mod names;
mod queues;
mod remains;
mod replay;
mod retired;
mod rising;
mod shares;
mod track;
mod users;
mod weight;

pub use groups::{Group, Member};
pub use kept::{Kept, Missed};
pub use names::{NameError, Owner, check_name};
pub use queues::Queue;
pub use remains::Remains;
pub use replay::{Replay, ReplayError};
pub use users::User;
pub use weight::weight_octets;

use std::collections::HashMap;

use self::groups::Groups;
use self::invites::Invites;
use self::members::{Extras, Members};
use self::messages::Messages;
use self::names::Names;
use self::queues::Queues;
use self::retired::Retired;
use self::users::Users;
use crate::base::{GroupNo, NodeNo, Seq, Uid, UserNo, Wall};
use crate::record::{CorkRecord, CursorRecord, InviteRecord, Lane, MissedRecord, ReachRecord, Record, SiteRecord, Standing, TallyRecord};

/// Records that nobody needs any more; the store may forget them once what killed them is durable.
pub type Dead = Vec<Seq>;

/// All facts of one site.
#[derive(Debug, Default)]
pub struct Ledger {
    last: Seq,
    users: Users,
    names: Names,
    retired: Retired,
    groups: Groups,
    members: Members,
    invites: Invites,
    site: Option<(Seq, SiteRecord)>,
    queues: Queues,
    messages: Messages,
    /// Whose record came last: a backlog follows that of its node's user, whose other nodes have what it names.
    latest_user: Option<UserNo>,
}

impl Ledger {
    /// No facts.
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// Takes a record in. `dead` gets the records that it replaces or that nobody owes after it.
    pub fn apply(&mut self, seq: Seq, record: &Record<'_>, dead: &mut Dead) {
        debug_assert!(seq > self.last, "{seq} after {}", self.last);
        self.last = seq;
        match record {
            Record::User(user) => {
                let dropped = self.users.put(seq, user, dead);
                self.latest_user = Some(user.no);
                for alias in &user.aliases {
                    self.name(&alias.name, Owner::User(user.no));
                }
                for node in dropped {
                    self.queues.drop_node(node, &mut self.messages, dead);
                }
            }
            Record::Group(group) => {
                self.groups.put(seq, group, dead);
                self.name(&group.name, Owner::Group(group.no));
            }
            Record::Member(member) => self.groups.put_member(seq, member, dead),
            Record::Message(message) => {
                let weight = weight::weight(message.data_len());
                for &node in &message.to {
                    let held = message.held.binary_search(&node).is_ok();
                    self.queues.push(node, if held { Lane::Held } else { message.lane }, seq, weight);
                }
                self.messages.add(seq, message, dead);
            }
            Record::Chunk(_) => {}
            Record::Cursor(cursor) => self.queues.put_cursor(seq, cursor, &mut self.messages, dead),
            Record::Backlog(backlog) => {
                let siblings: Vec<NodeNo> = self.latest_user.iter().flat_map(|user| self.user(*user).node_numbers()).collect();
                self.queues.put_backlog(seq, backlog, &siblings, &mut self.messages);
            }
            Record::Reach(reach) => self.members.put_reach(seq, reach, dead),
            Record::Cork(cork) => self.members.put_cork(seq, cork, dead),
            Record::Tally(tally) => self.members.put_tally(seq, tally, dead),
            Record::Missed(missed) => self.members.put_missed(seq, missed, dead),
            Record::Invite(invite) => self.invites.put(seq, invite, dead),
            Record::Retired(retired) => self.retired.put(seq, retired, dead),
            Record::Site(site) => dead.extend(self.site.replace((seq, *site)).map(|(old, _)| old)),
        }
    }

    fn name(&mut self, name: &str, owner: Owner) {
        let Ledger { names, users, groups, .. } = self;
        names.take(name, owner, |other| is_named(users, groups, other, name));
    }

    /// The node has the message. Returns the lane it waited in; `None` if it was not outstanding.
    pub fn acknowledge(&mut self, node: NodeNo, message: Seq, dead: &mut Dead) -> Option<Lane> {
        self.queues.acknowledge(node, message, &mut self.messages, dead)
    }

    /// A node was heard of. What is older than what is known changes nothing.
    pub fn saw(&mut self, node: NodeNo, seconds: u32) {
        self.queues.saw(node, seconds);
    }

    /// The present state of a node's acknowledgements, to be written.
    pub fn cursor(&self, node: NodeNo) -> CursorRecord {
        self.queues.cursor(node)
    }

    /// The newest record's number.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// Numbers up to `seq` were used, though their records are gone.
    pub fn skip_to(&mut self, seq: Seq) {
        self.last = self.last.max(seq);
    }

    /// The number that the next user gets.
    pub fn next_user(&self) -> UserNo {
        self.users.next_user()
    }

    /// The number that the next node gets.
    pub fn next_node(&self) -> NodeNo {
        self.users.next_node()
    }

    /// The number that the next group gets.
    pub fn next_group(&self) -> GroupNo {
        self.groups.next()
    }

    /// Who has this id.
    pub fn user_of(&self, uid: &Uid) -> Option<&User> {
        self.users.by_uid(uid)
    }

    /// A user.
    ///
    /// # Panics
    /// If there is none of that number.
    pub fn user(&self, no: UserNo) -> &User {
        self.users.get(no)
    }

    /// Users of that number or a higher one, in rising order.
    pub fn users_from(&self, no: UserNo) -> impl Iterator<Item = &User> {
        self.users.starting_at(no)
    }

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.users.count()
    }

    /// Whose name that is.
    pub fn owner_of(&self, name: &str) -> Option<Owner> {
        self.names.owner(name, |owner| is_named(&self.users, &self.groups, owner, name))
    }

    /// The user who has that alias at that time.
    pub fn user_by_alias(&self, alias: &str, now: Wall) -> Option<&User> {
        match self.owner_of(alias)? {
            Owner::User(no) => Some(self.user(no)).filter(|user| user.has_alias(alias, now)),
            Owner::Group(_) => None,
        }
    }

    /// All names that somebody has or had, and that nobody else gets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let aliases = self.users.iter().flat_map(|user| user.aliases().map(|alias| alias.name));
        aliases.chain(self.groups.iter().map(Group::name)).chain(self.retired.names())
    }

    /// Who had an alias last that was given up.
    pub fn retired(&self, name: &str) -> Option<UserNo> {
        self.retired.owner(name)
    }

    /// How many aliases a user has given up.
    pub fn retired_count(&self, user: UserNo) -> usize {
        self.retired.count(user)
    }

    fn extras(&self, user: UserNo) -> Option<&Extras> {
        self.members.get(user)
    }

    /// Whom a user lets through, if the user has ever said.
    pub fn reach(&self, user: UserNo) -> Option<&ReachRecord> {
        self.extras(user)?.reach.as_ref().map(|(_, reach)| reach)
    }

    /// Whether one user reaches another.
    pub fn reaches(&self, from: UserNo, to: UserNo) -> bool {
        from == to || self.reach(to).is_none_or(|reach| reach.lets(&self.user(from).uid()))
    }

    /// Whether one user keeps another out, even as one of many.
    pub fn blocks(&self, user: UserNo, other: UserNo) -> bool {
        user != other && self.reach(user).is_some_and(|reach| reach.blocks(&self.user(other).uid()))
    }

    /// What a user has asked to be kept back, if ever: perhaps its time is over.
    pub fn cork(&self, user: UserNo) -> Option<&CorkRecord> {
        self.extras(user)?.cork.as_ref().map(|(_, cork)| cork)
    }

    /// Users who have asked for something to be kept back, if its time may not be over.
    pub fn corks(&self) -> impl Iterator<Item = &CorkRecord> {
        self.members.iter().filter_map(|(_, extras)| extras.cork.as_ref().map(|(_, cork)| cork)).filter(|cork| cork.until > Wall(0))
    }

    /// A user's pings.
    pub fn tally(&self, user: UserNo) -> Option<&TallyRecord> {
        self.extras(user)?.tally.as_ref().map(|(_, tally)| tally)
    }

    /// What a user has missed and was not told.
    pub fn missed(&self, user: UserNo) -> Option<&MissedRecord> {
        self.extras(user)?.missed.as_ref().map(|(_, missed)| missed).filter(|missed| missed.count > 0)
    }

    /// An invite code by what it hashes to, good or not.
    pub fn invite(&self, digest: &[u8; 32]) -> Option<&InviteRecord> {
        self.invites.by_digest(digest)
    }

    /// Where a new invite code goes.
    pub fn free_invite_slot(&self, now: Wall) -> u32 {
        self.invites.free_slot(now)
    }

    /// Codes that a user has made and that are good at that time.
    pub fn invites_of(&self, maker: UserNo, now: Wall) -> impl Iterator<Item = &InviteRecord> {
        self.invites.of_maker(maker, now)
    }

    /// What is kept of the site as a whole.
    pub fn site(&self) -> SiteRecord {
        self.site.map(|(_, site)| site).unwrap_or_default()
    }

    /// The groups to which a user stands in some way.
    pub fn groups_of(&self, user: UserNo) -> impl Iterator<Item = &Group> {
        self.groups.of_user(user).iter().map(|no| self.groups.get(*no))
    }

    /// How many groups a user has joined.
    pub fn joined_by(&self, user: UserNo) -> usize {
        self.groups.joined_by(user)
    }

    /// A group by its number.
    ///
    /// # Panics
    /// If there is none of that number.
    pub fn group(&self, no: GroupNo) -> &Group {
        self.groups.get(no)
    }

    /// Groups of that number or a higher one, in rising order.
    pub fn groups_from(&self, no: GroupNo) -> impl Iterator<Item = &Group> {
        self.groups.starting_at(no)
    }

    /// A group by its name.
    pub fn group_by_name(&self, name: &str) -> Option<&Group> {
        match self.owner_of(name)? {
            Owner::Group(no) => Some(self.groups.get(no)),
            Owner::User(_) => None,
        }
    }

    /// A node's queue.
    pub fn queue(&self, node: NodeNo) -> &Queue {
        self.queues.get(node)
    }

    /// Nodes of all users who joined a group, but for one user's if so asked. Not sorted.
    pub fn group_nodes<'a>(&'a self, group: &'a Group, except: Option<UserNo>) -> impl Iterator<Item = NodeNo> + 'a {
        group
            .members()
            .filter(move |(user, member)| member.standing == Standing::Joined && Some(*user) != except)
            .flat_map(|(user, _)| self.user(user).node_numbers())
    }

    /// Messages that some node owes an ack for.
    pub fn message_count(&self) -> usize {
        self.messages.count()
    }

    /// When the oldest of them was posted, in seconds since the Unix epoch, or some time before where that is long ago.
    pub fn oldest_message(&self) -> Option<u64> {
        self.messages.oldest()
    }

    /// A number that equals another ledger's if, and practically only if, their facts are equal.
    pub fn digest(&self) -> u64 {
        digest::of(self)
    }

    /// # Panics
    /// If the facts contradict each other.
    pub fn check_invariants(&self) {
        let mut owed: HashMap<Seq, u32> = HashMap::new();
        for queue in self.queues.iter() {
            queue.check_invariants();
            for seq in queue.iter() {
                *owed.entry(seq).or_default() += 1;
            }
        }
        self.messages.check_invariants(&owed);
        self.groups.check_invariants();
    }
}

fn is_named(users: &Users, groups: &Groups, owner: Owner, name: &str) -> bool {
    match owner {
        Owner::User(no) => users.get(no).alias(name).is_some(),
        Owner::Group(no) => groups.get(no).name() == name,
    }
}
