//! Who gets a message: the nodes of its recipients, those for which it is kept back, and those who miss it.
//!
//! A user whose queue is full misses what comes to them as one of many, and is told of it later; nobody else notices. What
//! names the user is refused before it comes here. News of one's own account is queued in any case.

use std::collections::{BTreeMap, BTreeSet};

use super::cx::Cx;
use crate::base::{GroupNo, NodeNo, UserNo};
use crate::limits::FULL_NAMED_MAX;
use crate::wire::reply::Full;

/// Octets of a record's list that a node takes, at most.
pub(super) const PER_NODE: u64 = 5;
/// Octets that a note of a missed message takes, at most.
pub(super) const PER_MISSED: u64 = 128;

/// How a group lists a member, as far as the sender may know.
pub(super) enum Listed<'a> {
    /// By this alias.
    As(&'a str),
    /// This group does not show the sender who is in it.
    Hidden(GroupNo),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Fanout {
    from: UserNo,
    /// In no order, and perhaps more than once, until [`settle`](Self::settle).
    pub(super) nodes: Vec<NodeNo>,
    /// Those of them for which it waits until the end of a cork.
    pub(super) held: Vec<NodeNo>,
    /// Users who miss it.
    pub(super) missed: Vec<UserNo>,
    /// Those of them who miss it as members of a group, as it lists them.
    named: BTreeMap<UserNo, String>,
    /// The same for groups that do not show the sender who is in them. Apart, and by group: were somebody counted once who is
    /// in another group as well, the sum would tell who is in this one.
    hidden: BTreeSet<(GroupNo, UserNo)>,
}

impl Fanout {
    /// Nobody yet.
    pub(super) fn new(from: UserNo) -> Fanout {
        Fanout { from, nodes: Vec::new(), held: Vec::new(), missed: Vec::new(), named: BTreeMap::new(), hidden: BTreeSet::new() }
    }

    /// All nodes of a user, whatever waits for them.
    pub(super) fn own(cx: &Cx<'_>, user: UserNo) -> Fanout {
        let mut fanout = Fanout::new(user);
        fanout.add(cx, user, None);
        fanout
    }

    /// A user's nodes, but for one, whatever waits for them.
    pub(super) fn add(&mut self, cx: &Cx<'_>, user: UserNo, but: Option<NodeNo>) {
        let first = self.nodes.len();
        self.nodes.extend(cx.ledger.user(user).node_numbers().filter(|node| Some(*node) != but));
        self.hold_back(cx, user, first);
    }

    /// A user's nodes, but for one; none if the user's queue is full. Whether it is not.
    pub(super) fn add_if_fits(&mut self, cx: &Cx<'_>, user: UserNo, but: Option<NodeNo>) -> bool {
        let first = self.nodes.len();
        self.nodes.extend(cx.ledger.user(user).node_numbers());
        if self.nodes[first..].iter().any(|node| cx.has_full_queue(*node)) {
            self.nodes.truncate(first);
            return false;
        }
        if let Some(at) = self.nodes[first..].iter().position(|node| Some(*node) == but) {
            self.nodes.swap_remove(first + at);
        }
        self.hold_back(cx, user, first);
        true
    }

    /// The same, and a user with a full queue is told later. It does no harm where nobody is left.
    pub(super) fn add_or_miss(&mut self, cx: &Cx<'_>, user: UserNo, but: Option<NodeNo>) {
        let is_alone = but.is_some() && cx.ledger.user(user).nodes().len() == 1;
        if !is_alone && !self.add_if_fits(cx, user, but) {
            self.missed.push(user);
        }
    }

    fn hold_back(&mut self, cx: &Cx<'_>, user: UserNo, first: usize) {
        if cx.holds_back(user, self.from) {
            self.held.extend_from_slice(&self.nodes[first..]);
        }
    }

    /// A member of a group.
    pub(super) fn add_member(&mut self, cx: &Cx<'_>, user: UserNo, listed: &Listed<'_>) {
        if !self.add_if_fits(cx, user, None) {
            self.missed.push(user);
            self.tell(user, listed);
        }
    }

    /// A member who does not want to hear of the sender, and of whom the sender would be told if that were not so.
    pub(super) fn pretend(&mut self, cx: &Cx<'_>, user: UserNo, listed: &Listed<'_>) {
        if cx.is_full(user) {
            self.tell(user, listed);
        }
    }

    fn tell(&mut self, user: UserNo, listed: &Listed<'_>) {
        match *listed {
            Listed::As(alias) => {
                self.named.entry(user).or_insert_with(|| alias.to_owned());
            }
            Listed::Hidden(group) => {
                self.hidden.insert((group, user));
            }
        }
    }

    /// Everybody who joined a group.
    pub(super) fn add_joined(&mut self, cx: &Cx<'_>, group: &crate::ledger::Group) {
        for (user, member) in group.joined() {
            self.add_member(cx, user, &Listed::As(&member.alias));
        }
    }

    /// Takes all of another in.
    pub(super) fn extend(&mut self, other: &Fanout) {
        self.nodes.extend_from_slice(&other.nodes);
        self.held.extend_from_slice(&other.held);
        self.missed.extend_from_slice(&other.missed);
        for (user, alias) in &other.named {
            self.named.entry(*user).or_insert_with(|| alias.clone());
        }
        self.hidden.extend(&other.hidden);
    }

    /// Names each once, in rising order.
    pub(super) fn settle(&mut self) {
        for nodes in [&mut self.nodes, &mut self.held] {
            nodes.sort_unstable();
            nodes.dedup();
        }
        self.missed.sort_unstable();
        self.missed.dedup();
    }

    /// Who misses it, for the ack of the sender.
    pub(super) fn full(&self) -> Full {
        /// Octets of names, as escaped as they can be.
        const BYTES_MAX: usize = 40_000;
        let mut octets = 0;
        let fits = |alias: &&String| {
            octets += alias.len() * 6 + 3;
            octets <= BYTES_MAX
        };
        let named: Vec<String> = self.named.values().take(FULL_NAMED_MAX).take_while(fits).cloned().collect();
        let more = (self.named.len() - named.len() + self.hidden.len()) as u64;
        Full { named, more }
    }

    /// Octets that the record takes for all of them, and for what is noted of those who miss it, at most.
    pub(super) fn octets(&self) -> u64 {
        // All nodes may be told by a bit each that they are held back.
        const HELD_PER_OCTET: u64 = 8;
        let nodes = self.nodes.len() as u64;
        PER_NODE * nodes + nodes.div_ceil(HELD_PER_OCTET) + PER_MISSED * self.missed.len() as u64
    }
}
