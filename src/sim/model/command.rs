//! What the operator wants done.

use super::{Code, Model, Nanos, NodeNo, UserNo};
use crate::record::Role;
use crate::relay::{Command, Kicked, MemberInfo, NodeInfo, Whom};

/// What a command is answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Predicted {
    /// It is done.
    Done,
    /// A code, which the relay chose.
    Code,
    /// What is known of a member, without times.
    Member(MemberInfo),
    /// A secret, which the relay chose, for this new node.
    Node(NodeNo),
    /// Links are ended: as many as there were, which the model does not know any more.
    Ended,
    /// It cannot be done.
    Refused,
}

impl Model {
    /// A command, and what it is answered with.
    pub fn command(&mut self, now: Nanos, command: &Command) -> Predicted {
        self.at(now);
        match command {
            Command::Invite { uses, expires, role, groups } => {
                if groups.iter().any(|gid| !self.groups.contains_key(gid)) || *uses == 0 {
                    return Predicted::Refused;
                }
                let (uses, expires) = (u64::from(*uses), expires.map(|at| at.0 / 1_000_000 * 1_000_000));
                let code = Code { text: String::new(), uses, expires, role: *role, maker: None, groups: groups.clone() };
                self.site.codes.push(code);
                Predicted::Code
            }
            Command::Register { mode, until } => {
                match until {
                    Some(at) => self.site.for_now = Some((*mode, at.0)),
                    None => (self.site.said, self.site.for_now) = (Some(*mode), None),
                }
                Predicted::Done
            }
            Command::Member(whom) => self.find(whom).map_or(Predicted::Refused, |user| Predicted::Member(self.describe(user))),
            Command::Role(whom, role) => self.find(whom).map_or(Predicted::Refused, |user| {
                self.users[user].role = *role;
                if *role == Role::Suspended {
                    self.nodes_of(user).into_iter().for_each(|node| self.end(node));
                }
                Predicted::Done
            }),
            Command::Admin(whom, admin) => self.find(whom).map_or(Predicted::Refused, |user| {
                self.users[user].admin = *admin;
                Predicted::Done
            }),
            Command::DropNode(whom, number) => {
                let nodes = self.find(whom).map(|user| self.nodes_of(user)).unwrap_or_default();
                let Some(node) = nodes.into_iter().find(|node| node.to_string() == *number) else { return Predicted::Refused };
                self.lose_node(node);
                Predicted::Done
            }
            Command::NewNode(whom, label) => {
                let Some(user) = self.find(whom) else { return Predicted::Refused };
                // It starts with what waits for the oldest that is left.
                let oldest = self.nodes_of(user).first().copied();
                let made = self.new_node(user, oldest, label, false);
                made.map_or(Predicted::Refused, |_| Predicted::Node(self.nodes.len() - 1))
            }
            Command::Kick(Kicked::Member(whom)) => self.find(whom).map_or(Predicted::Refused, |user| {
                self.nodes_of(user).into_iter().for_each(|node| self.end(node));
                Predicted::Ended
            }),
            Command::Kick(Kicked::Link(_)) | Command::List(_) => unreachable!("the operator here kicks members, and lists nothing"),
        }
    }

    /// Nodes whose links a command ends without a word.
    pub fn kicked_by(&self, command: &Command) -> Vec<NodeNo> {
        let Command::Kick(Kicked::Member(whom)) = command else { return Vec::new() };
        let nodes = self.find(whom).map(|user| self.nodes_of(user)).unwrap_or_default();
        nodes.into_iter().filter(|node| self.nodes[*node].link.is_some()).collect()
    }

    fn find(&self, whom: &Whom) -> Option<UserNo> {
        match whom {
            Whom::Uid(uid) => self.user(uid),
            Whom::Alias(alias) => self.owner(alias),
        }
    }

    fn describe(&self, user: UserNo) -> MemberInfo {
        let me = &self.users[user];
        let node = |no: NodeNo| {
            let (node, (count, bytes)) = (&self.nodes[no], self.load(no));
            NodeInfo { node: no.to_string(), label: node.label.clone(), made: None, seen: None, online: node.link.is_some(), count, bytes }
        };
        let aliases = me.aliases.iter().map(|alias| alias.name.clone()).collect();
        MemberInfo {
            uid: me.uid.clone(),
            role: me.role,
            admin: me.admin,
            aliases,
            nodes: self.nodes_of(user).into_iter().map(node).collect(),
        }
    }
}
