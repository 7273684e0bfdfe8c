//! What is asked.

use serde::{Deserialize, Serialize};

use super::errand::NOT_RUNNING;
use super::{NEVER, QUEUES_TOP};
use crate::base::{LinkId, Wall};
use crate::limits::{INVITE_GROUPS_MAX, INVITE_USES_MAX, LABEL_MAX, MEMBER_INVITE_LIFE};
use crate::record::{Mode, Role};
use crate::relay::{By, Command, Kicked, List, Whom};

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", rename_all_fields = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Make an invite code.
    Invite {
        /// How often it may be used; once if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        uses: Option<u32>,
        /// A time of RFC 3339, or `never`; in 30 days if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<String>,
        /// The new members' role; `full` if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// Groups that they are invited to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<String>,
    },
    /// Change who may register.
    Register {
        /// `open`, `invite` or `closed`.
        mode: String,
        /// A time of RFC 3339; until it is changed again if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<String>,
    },
    /// Tell about a member.
    Member {
        /// Whom.
        whom: Who,
    },
    /// Change a member's role.
    Role {
        /// Whose.
        whom: Who,
        /// `full`, `receive` or `suspended`.
        role: String,
    },
    /// Make a member an administrator, or no longer one.
    Admin {
        /// Whom.
        whom: Who,
        /// Whether.
        on: bool,
    },
    /// Drop a member's node.
    DropNode {
        /// Whose.
        whom: Who,
        /// Its number, as `member` tells it.
        node: String,
    },
    /// Tell how the relay fares.
    Status {},
    /// Change how much is logged.
    Log {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String,
    },
    /// Read the configuration and the certificates again.
    Reload {},
    /// Let nobody in any more, let deliveries finish, and stop.
    Drain {
        /// How long that may take; a minute if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// Give a member a new node.
    NewNode {
        /// Whom.
        whom: Who,
        /// What it is called.
        label: String,
    },
    /// End links.
    Kick {
        /// Whose, or which.
        whom: Target,
    },
    /// List members.
    Members {
        /// Those after the member of this uid.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// At most so many.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// List devices, of all members or of one.
    Nodes {
        /// Whose; everybody's if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        whom: Option<Who>,
        /// Those of members after the one of this uid.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// List the longest queues.
    Queues {
        /// Those of members after the one of this uid.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// At most so many of those that are looked at for this answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        top: Option<u32>,
        /// `count`, `bytes` or `age`; `count` if nothing is said.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// List groups.
    Groups {
        /// Those after this one.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<u32>,
    },
    /// List links.
    Links {
        /// Those after this place.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<u32>,
    },
}

/// What a kick ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// All links of the user of this uid.
    Uid(String),
    /// All links of the user of this alias.
    Alias(String),
    /// This link.
    Link(String),
}

/// Whom a command means.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The user of this uid.
    Uid(String),
    /// The user of this alias.
    Alias(String),
}

impl From<Who> for Whom {
    fn from(who: Who) -> Whom {
        match who {
            Who::Uid(uid) => Whom::Uid(uid),
            Who::Alias(alias) => Whom::Alias(alias),
        }
    }
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// A sentence, for who wrote it.
    pub fn read(line: &[u8]) -> Result<Request, String> {
        serde_json::from_slice(line).map_err(|error| format!("the line is no command: {error}"))
    }

    /// The line, with its end.
    ///
    /// # Panics
    /// Never: texts and numbers can be written.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can be written") + "\n"
    }

    /// What the relay is to do.
    ///
    /// # Errors
    /// A sentence, where a value cannot be meant.
    pub fn command(self, now: Wall) -> Result<Command, String> {
        match self {
            Request::Invite { uses, expires, role, groups } => invite(uses.unwrap_or(1), expires.as_deref(), role.as_deref(), groups, now),
            Request::Register { mode, until } => Ok(Command::Register {
                mode: word("mode", &mode, &Mode::ALL, Mode::word)?,
                until: until.map(|text| time("until", &text, now)).transpose()?,
            }),
            Request::Member { whom } => Ok(Command::Member(whom.into())),
            Request::Role { whom, role } => Ok(Command::Role(whom.into(), word("role", &role, &Role::ALL, Role::word)?)),
            Request::Admin { whom, on } => Ok(Command::Admin(whom.into(), on)),
            Request::DropNode { whom, node } => Ok(Command::DropNode(whom.into(), node)),
            Request::NewNode { label, .. } if label.is_empty() || label.len() > LABEL_MAX => {
                Err(format!("label has {} octets; expected 1 to {LABEL_MAX}", label.len()))
            }
            Request::NewNode { whom, label } => Ok(Command::NewNode(whom.into(), label)),
            Request::Kick { whom } => Ok(Command::Kick(kicked(whom)?)),
            Request::Members { after, limit } => {
                Ok(Command::List(List::Members { after, most: limit.map_or(Ok(usize::MAX), |limit| positive("limit", limit))? }))
            }
            Request::Nodes { whom: None, after } => Ok(Command::List(List::Nodes { after })),
            Request::Nodes { whom: Some(whom), after: None } => Ok(Command::List(List::NodesOf(whom.into()))),
            Request::Nodes { whom: Some(_), after: Some(_) } => {
                Err("whom and after are both there; expected one of them, since one answer tells all devices of a member".to_owned())
            }
            Request::Queues { after, top, by } => {
                let top = positive("top", top.unwrap_or(QUEUES_TOP))?;
                let by = by.map(|by| word("by", &by, &By::ALL, By::word)).transpose()?.unwrap_or_default();
                Ok(Command::List(List::Queues { after, top, by }))
            }
            Request::Groups { after } => Ok(Command::List(List::Groups { after })),
            Request::Links { after } => Ok(Command::List(List::Links { after })),
            Request::Status {} | Request::Log { .. } | Request::Reload {} | Request::Drain { .. } => Err(NOT_RUNNING.to_owned()),
        }
    }
}

fn kicked(target: Target) -> Result<Kicked, String> {
    Ok(match target {
        Target::Uid(uid) => Kicked::Member(Whom::Uid(uid)),
        Target::Alias(alias) => Kicked::Member(Whom::Alias(alias)),
        Target::Link(text) => Kicked::Link(
            LinkId::parse(&text)
                .ok_or_else(|| format!("link is {text:?}; expected two numbers with a dot, as the list of links tells them"))?,
        ),
    })
}

fn positive(key: &str, number: u32) -> Result<usize, String> {
    if number == 0 { Err(format!("{key} is 0; expected 1 or more")) } else { Ok(number as usize) }
}

fn invite(uses: u32, expires: Option<&str>, role: Option<&str>, groups: Vec<String>, now: Wall) -> Result<Command, String> {
    if !(1..=INVITE_USES_MAX).contains(&uses) {
        return Err(format!("uses is {uses}; expected 1 to {INVITE_USES_MAX}"));
    }
    if groups.len() > INVITE_GROUPS_MAX {
        return Err(format!("groups lists {}; expected at most {INVITE_GROUPS_MAX}", groups.len()));
    }
    let expires = match expires {
        // To the millisecond, as it is kept and told.
        None => Wall::from_millis(now.plus(MEMBER_INVITE_LIFE).millis()),
        Some(NEVER) => None,
        Some(text) => Some(time("expires", text, now).map_err(|error| format!("{error}, or {NEVER}"))?),
    };
    let role = role.map(|role| word("role", role, &Role::ALL, Role::word)).transpose()?.unwrap_or_default();
    Ok(Command::Invite { uses, expires, role, groups })
}

fn time(key: &str, text: &str, now: Wall) -> Result<Wall, String> {
    match Wall::parse_rfc3339(text) {
        Some(time) if time > now => Ok(time),
        Some(_) => Err(format!("{key} is {text}, which has passed; expected a time to come")),
        None => Err(format!("{key} is {text:?}; expected a time as 2026-11-26T18:00:00Z")),
    }
}

fn word<T: Copy>(key: &str, text: &str, all: &[T], word_of: fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| word_of(*one) == text).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| word_of(*one)).collect();
        format!("{key} is {text:?}; expected {}", words.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(1_795_651_200_000_000_000);

    fn command(line: &str) -> Result<Command, String> {
        Request::read(line.as_bytes())?.command(NOW)
    }

    #[test]
    fn each_command_is_read() {
        let uid = || Whom::Uid("X".to_owned());
        let alice = || Whom::Alias("alice in town".to_owned());
        let x = || Some("X".to_owned());
        let list = Command::List;
        let time = |text| Wall::parse_rfc3339(text);
        let all = Command::Invite { uses: 3, expires: None, role: Role::Receive, groups: vec!["a group".to_owned()] };
        let least = Command::Invite { uses: 1, expires: time("2026-12-26T00:00:00Z"), role: Role::Full, groups: Vec::new() };
        let closed = Command::Register { mode: Mode::Closed, until: time("2026-11-27T00:00:00Z") };
        for (line, expected) in [
            (r#"{"command":"invite"}"#, least.clone()),
            (r#"{"command":"invite","uses":null,"expires":"2026-12-26T01:00:00+01:00"}"#, least),
            (r#"{"groups":["a group"],"role":"receive","expires":"never","uses":3,"command":"invite"}"#, all),
            (r#"{"command":"register","mode":"open"}"#, Command::Register { mode: Mode::Open, until: None }),
            (r#"{"command":"register","mode":"closed","until":"2026-11-27T00:00:00Z"}"#, closed),
            (r#"{"command":"member","whom":{"alias":"alice in town"}}"#, Command::Member(alice())),
            (r#"{"command":"role","whom":{"uid":"X"},"role":"suspended"}"#, Command::Role(uid(), Role::Suspended)),
            (r#"{"command":"admin","whom":{"uid":"X"},"on":true}"#, Command::Admin(uid(), true)),
            (r#"{"command":"drop-node","whom":{"uid":"X"},"node":"7"}"#, Command::DropNode(uid(), "7".to_owned())),
            (r#"{"command":"new-node","whom":{"uid":"X"},"label":"phone"}"#, Command::NewNode(uid(), "phone".to_owned())),
            (r#"{"command":"kick","whom":{"uid":"X"}}"#, Command::Kick(Kicked::Member(uid()))),
            (r#"{"command":"kick","whom":{"alias":"alice in town"}}"#, Command::Kick(Kicked::Member(alice()))),
            (r#"{"command":"kick","whom":{"link":"3.17"}}"#, Command::Kick(Kicked::Link(LinkId { slot: 3, generation: 17 }))),
            (r#"{"command":"members"}"#, list(List::Members { after: None, most: usize::MAX })),
            (r#"{"command":"members","after":"X","limit":5}"#, list(List::Members { after: x(), most: 5 })),
            (r#"{"command":"nodes"}"#, list(List::Nodes { after: None })),
            (r#"{"command":"nodes","after":"X"}"#, list(List::Nodes { after: x() })),
            (r#"{"command":"nodes","whom":{"alias":"alice in town"}}"#, list(List::NodesOf(alice()))),
            (r#"{"command":"queues"}"#, list(List::Queues { after: None, top: 20, by: By::Count })),
            (r#"{"command":"queues","top":3,"by":"age","after":"X"}"#, list(List::Queues { after: x(), top: 3, by: By::Age })),
            (r#"{"command":"queues","by":"bytes"}"#, list(List::Queues { after: None, top: 20, by: By::Bytes })),
            (r#"{"command":"groups","after":7}"#, list(List::Groups { after: Some(7) })),
            (r#"{"command":"links"}"#, list(List::Links { after: None })),
        ] {
            assert_eq!(command(line).as_ref(), Ok(&expected), "{line}");
            let again = Request::read(line.as_bytes()).unwrap();
            assert_eq!(Request::read(again.line().as_bytes()).unwrap(), again, "what is written is read as the same");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let label = format!(r#"{{"command":"new-node","whom":{{"uid":"X"}},"label":"{}"}}"#, "x".repeat(256));
        let groups = format!(r#"{{"command":"invite","groups":[{}"x"]}}"#, r#""x","#.repeat(16));
        for (line, fragment) in [
            ("", "the line is no command"),
            ("[]", "the line is no command"),
            ("\u{feff}{}", "the line is no command"),
            (r#"{"command":"register","mode":"open"} {}"#, "trailing characters"),
            (r#"{"mode":"open"}"#, "missing field `command`"),
            (r#"{"command":"reboot"}"#, "unknown variant `reboot`, expected one of `invite`, `register`"),
            (r#"{"command":"register"}"#, "missing field `mode`"),
            (r#"{"command":"register","mode":"open","mode":"open"}"#, "duplicate field `mode`"),
            (r#"{"command":"register","mode":"open","for":5}"#, "unknown field `for`"),
            (r#"{"command":"register","mode":"ajar"}"#, r#"mode is "ajar"; expected open or invite or closed"#),
            (r#"{"command":"register","mode":"open","until":"2026-11-26T00:00:00Z"}"#, "which has passed"),
            (r#"{"command":"register","mode":"open","until":"never"}"#, r#"until is "never"; expected a time"#),
            (r#"{"command":"invite","uses":0}"#, "uses is 0; expected 1 to 1000000"),
            (r#"{"command":"invite","uses":1000001}"#, "uses is 1000001"),
            (r#"{"command":"invite","uses":-1}"#, "the line is no command"),
            (r#"{"command":"invite","expires":"soon"}"#, r#"expires is "soon"; expected a time as 2026-11-26T18:00:00Z, or never"#),
            (r#"{"command":"invite","role":"king"}"#, r#"role is "king"; expected full or receive or suspended"#),
            (&groups, "groups lists 17; expected at most 16"),
            (r#"{"command":"member","whom":"alice"}"#, "the line is no command"),
            (r#"{"command":"member","whom":{"uid":"X","alias":"y"}}"#, "the line is no command"),
            (r#"{"command":"admin","whom":{"uid":"X"},"on":"yes"}"#, "the line is no command"),
            (r#"{"command":"new-node","whom":{"uid":"X"},"label":""}"#, "label has 0 octets; expected 1 to 255"),
            (&label, "label has 256 octets"),
            (r#"{"command":"kick","whom":{"link":"link 3.17"}}"#, r#"link is "link 3.17"; expected two numbers with a dot"#),
            (r#"{"command":"kick","whom":{"link":3}}"#, "the line is no command"),
            (r#"{"command":"kick"}"#, "missing field `whom`"),
            (r#"{"command":"members","limit":0}"#, "limit is 0; expected 1 or more"),
            (r#"{"command":"members","limit":-1}"#, "the line is no command"),
            (r#"{"command":"members","after":7}"#, "the line is no command"),
            (r#"{"command":"nodes","whom":{"uid":"X"},"after":"X"}"#, "expected one of them"),
            (r#"{"command":"queues","top":0}"#, "top is 0; expected 1 or more"),
            (r#"{"command":"queues","by":"size"}"#, r#"by is "size"; expected count or bytes or age"#),
            (r#"{"command":"groups","after":"the whole class"}"#, "the line is no command"),
            (r#"{"command":"links","limit":5}"#, "unknown field `limit`"),
        ] {
            let error = command(line).expect_err(line);
            assert!(error.contains(fragment) && !error.contains('\n'), "{line}: {error}");
        }
        assert!(Request::read(b"{\"command\":\"\xff\"}").is_err());
    }
}
