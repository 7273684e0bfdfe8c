//! What is answered.

use serde::{Deserialize, Serialize};

use super::{Group, Link, MemberLine, NEVER, OwnedNode, Queue};
use crate::base::Wall;
use crate::relay::{Answer, Command, Listed, MemberInfo, NodeInfo};
use crate::server::{Changes, Status};

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// Nothing was done.
    Refused {
        /// Why; a sentence.
        error: String,
    },
    /// An invite code, and what it is good for.
    Code {
        /// The code.
        code: String,
        /// How often it may be used.
        uses: u32,
        /// Until when, or `never`.
        expires: String,
        /// The new members' role.
        role: String,
        /// Groups that they are invited to.
        groups: Vec<String>,
    },
    /// A new node. Its secret is told this once.
    Node {
        /// Whose.
        uid: String,
        /// Its secret.
        nodeid: String,
    },
    /// How the relay fares.
    Status(Box<Status>),
    /// What a reload has changed.
    Reloaded(Changes),
    /// It drains.
    Draining {
        /// For so long at most.
        seconds: u64,
    },
    /// A member.
    Member(Member),
    /// Members.
    Members {
        /// In the order of their registration.
        members: Vec<MemberLine>,
        /// There are more, after this uid.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Devices. What is told of a member has a uid besides, and is tried before.
    Nodes {
        /// By owner, oldest first.
        nodes: Vec<OwnedNode>,
        /// There may be more, after the member of this uid.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Queues.
    Queues {
        /// In the order that was asked for.
        queues: Vec<Queue>,
        /// There may be more, after the member of this uid.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    },
    /// Groups.
    Groups {
        /// In the order in which they were made.
        groups: Vec<Group>,
        /// There may be more, after this one.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u32>,
    },
    /// Links.
    Links {
        /// By place.
        links: Vec<Link>,
        /// There may be more, after this place.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u32>,
    },
    /// Links were ended.
    Ended {
        /// How many.
        ended: usize,
    },
    /// It is done.
    Done {
        /// True.
        done: bool,
    },
}

/// What is told of a member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// The uid.
    pub uid: String,
    /// The role.
    pub role: String,
    /// Whether the member is an administrator.
    pub admin: bool,
    /// Names, oldest first.
    pub aliases: Vec<String>,
    /// Devices, oldest first.
    pub nodes: Vec<Node>,
}

/// What is told of a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its number.
    pub node: String,
    /// The owner's name for it.
    pub label: String,
    /// When it was made, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
    /// When it was last seen, if it ever was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Whether it is here now.
    pub online: bool,
    /// Messages that wait for it.
    pub count: u64,
    /// Their octets.
    pub bytes: u64,
}

impl Reply {
    /// What an answer to a command looks like.
    pub fn new(command: &Command, answer: Answer) -> Reply {
        match answer {
            Answer::Done => Reply::Done { done: true },
            Answer::Refused(error) => Reply::Refused { error },
            Answer::Node { uid, secret } => Reply::Node { uid, nodeid: secret },
            Answer::Member(member) => Reply::Member(member.into()),
            Answer::Ended(ended) => Reply::Ended { ended },
            Answer::Listed(Listed::Members(members, next)) => Reply::Members { members: all(members), next },
            Answer::Listed(Listed::Nodes(nodes, next)) => Reply::Nodes { nodes: all(nodes), next },
            Answer::Listed(Listed::Queues(queues, next)) => Reply::Queues { queues: all(queues), next },
            Answer::Listed(Listed::Groups(groups, next)) => Reply::Groups { groups: all(groups), next },
            Answer::Listed(Listed::Links(links, next)) => Reply::Links { links: all(links), next },
            Answer::Code(code) => {
                let Command::Invite { uses, expires, role, groups } = command else {
                    return Reply::refused("the relay made an invite code that nobody asked for; tell the makers of mnm".to_owned());
                };
                Reply::Code {
                    code: code.to_string(),
                    uses: *uses,
                    expires: expires.map_or_else(|| NEVER.to_owned(), Wall::to_rfc3339),
                    role: role.word().to_owned(),
                    groups: groups.clone(),
                }
            }
        }
    }

    /// That nothing was done, and why.
    pub fn refused(error: String) -> Reply {
        Reply::Refused { error }
    }

    /// The line, with its end.
    ///
    /// # Panics
    /// Never: texts and numbers can be written.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written") + "\n"
    }
}

fn all<A, B: From<A>>(entries: Vec<A>) -> Vec<B> {
    entries.into_iter().map(B::from).collect()
}

impl From<MemberInfo> for Member {
    fn from(MemberInfo { uid, role, admin, aliases, nodes }: MemberInfo) -> Member {
        Member { uid, role: role.word().to_owned(), admin, aliases, nodes: all(nodes) }
    }
}

impl From<NodeInfo> for Node {
    fn from(NodeInfo { node, label, made, seen, online, count, bytes }: NodeInfo) -> Node {
        let told = |time: Option<Wall>| time.map(Wall::to_rfc3339);
        Node { node, label, made: told(made), seen: told(seen), online, count, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Role;
    use crate::relay::Whom;

    const NOW: Wall = Wall(1_795_651_200_000_000_000);

    #[test]
    fn answers_are_written_and_read() {
        let node = |seen| NodeInfo { node: "7".into(), label: "phone".into(), made: None, seen, online: true, count: 2, bytes: 600 };
        let aliases = vec!["alice in town".to_owned()];
        let member = MemberInfo { uid: "X".into(), role: Role::Receive, admin: true, aliases, nodes: vec![node(None), node(Some(NOW))] };
        let whom = Whom::Uid("X".to_owned());
        for (answer, line) in [
            (Answer::Done, r#"{"done":true}"#),
            (Answer::Refused("no \"such\" member".to_owned()), r#"{"error":"no \"such\" member"}"#),
            (Answer::Node { uid: "X".to_owned(), secret: "Y".to_owned() }, r#"{"uid":"X","nodeid":"Y"}"#),
            (
                Answer::Member(member),
                r#"{"uid":"X","role":"receive","admin":true,"aliases":["alice in town"],"nodes":[{"node":"7","label":"phone","online":true,"count":2,"bytes":600},{"node":"7","label":"phone","seen":"2026-11-26T00:00:00.000Z","online":true,"count":2,"bytes":600}]}"#,
            ),
        ] {
            let reply = Reply::new(&Command::Member(whom.clone()), answer);
            assert_eq!(reply.line(), format!("{line}\n"));
            assert_eq!(serde_json::from_str::<Reply>(line).unwrap(), reply);
        }
        for line in [
            r#"{"members":[{"uid":"X","role":"full","admin":false,"aliases":[],"devices":1,"online":0,"count":2,"bytes":600}],"next":"X"}"#,
            r#"{"nodes":[{"uid":"X","alias":"alice in town","node":"7","label":"phone","online":true,"count":2,"bytes":600}]}"#,
            r#"{"queues":[{"uid":"X","node":"7","label":"a","online":false,"count":1,"bytes":3,"oldest":"1","posted":"2","age":3}],"next":"X"}"#,
            r#"{"groups":[{"gid":"the whole class","joined":1,"invited":2,"barred":3}],"next":7}"#,
            r#"{"links":[{"link":"3.17","from":"::1","state":"greeting","open":1,"silent":1,"inflight":0,"upload":false}],"next":3}"#,
            r#"{"members":[]}"#,
            r#"{"nodes":[]}"#,
            r#"{"queues":[]}"#,
            r#"{"groups":[]}"#,
            r#"{"links":[]}"#,
            r#"{"ended":2}"#,
        ] {
            assert_eq!(serde_json::from_str::<Reply>(line).unwrap().line(), format!("{line}\n"), "what is read is written as the same");
        }
        let code = Reply::Code { code: "A".into(), uses: 3, expires: "never".into(), role: "full".into(), groups: Vec::new() };
        assert_eq!(serde_json::from_str::<Reply>(&code.line()).unwrap(), code);
    }
}
