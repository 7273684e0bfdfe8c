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

mod digest;
mod groups;
mod messages;
mod names;
mod queues;
mod remains;
mod replay;
mod rising;
mod shares;
mod users;

pub use groups::{Group, Member};
pub use names::{NameError, Owner, check_name};
pub use queues::Queue;
pub use remains::{Kept, Missed, Remains};
pub use replay::{Replay, ReplayError};
pub use users::User;

use std::collections::HashMap;

use self::groups::Groups;
use self::messages::Messages;
use self::names::Names;
use self::queues::Queues;
use self::users::Users;
use crate::base::{GroupNo, NodeNo, Seq, Uid, UserNo};
use crate::record::{CursorRecord, Lane, Record, Standing};

/// Records that nobody needs any more; the store may forget them once what killed them is durable.
pub type Dead = Vec<Seq>;

/// All facts of one site.
#[derive(Debug, Default)]
pub struct Ledger {
    last: Seq,
    users: Users,
    names: Names,
    groups: Groups,
    queues: Queues,
    messages: Messages,
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
                for alias in &user.aliases {
                    self.name(alias, Owner::User(user.no));
                }
                for node in dropped {
                    self.queues.drop_node(node, &mut self.messages, dead);
                }
            }
            Record::Group { no, name } => {
                self.groups.put(seq, *no, name, dead);
                self.name(name, Owner::Group(*no));
            }
            Record::Member(member) => self.groups.put_member(seq, member, dead),
            Record::Message(message) => {
                for &node in &message.to {
                    self.queues.push(node, message.lane, seq);
                }
                self.messages.add(seq, message, dead);
            }
            Record::Chunk(_) => {}
            Record::Cursor(cursor) => self.queues.put_cursor(seq, cursor, &mut self.messages, dead),
            Record::Backlog(backlog) => self.queues.put_backlog(seq, backlog, &mut self.messages),
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

    /// How many users there are.
    pub fn user_count(&self) -> usize {
        self.users.count()
    }

    /// Whose name that is.
    pub fn owner_of(&self, name: &str) -> Option<Owner> {
        self.names.owner(name, |owner| is_named(&self.users, &self.groups, owner, name))
    }

    /// The user of that alias.
    pub fn user_by_alias(&self, alias: &str) -> Option<&User> {
        match self.owner_of(alias)? {
            Owner::User(no) => Some(self.user(no)),
            Owner::Group(_) => None,
        }
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
    }
}

fn is_named(users: &Users, groups: &Groups, owner: Owner, name: &str) -> bool {
    match owner {
        Owner::User(no) => users.get(no).has_alias(name),
        Owner::Group(no) => groups.get(no).name() == name,
    }
}
