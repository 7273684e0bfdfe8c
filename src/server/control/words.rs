//! What is said over the control socket: one JSON object a line, each way. The command line speaks it too, also to itself where
//! no relay runs.
//!
//! A command more is a variant more of [`Request`], and one of [`Reply`] if its answer has a new shape.

use serde::{Deserialize, Serialize};

use std::time::Duration;

use log::LevelFilter;

use crate::base::Wall;
use crate::config::LOG_LEVELS;
use crate::limits::{DRAIN_DEFAULT, DRAIN_MAX, INVITE_GROUPS_MAX, INVITE_USES_MAX, LABEL_MAX, MEMBER_INVITE_LIFE};
use crate::record::{Mode, Role};
use crate::relay::{Answer, Command, MemberInfo, NodeInfo, Whom};
use crate::server::{Changes, Status};

/// The word for a code that never expires.
const NEVER: &str = "never";

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
    Status,
    /// Change how much is logged.
    Log {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String,
    },
    /// Read the configuration and the certificates again.
    Reload,
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
            Request::Status | Request::Log { .. } | Request::Reload | Request::Drain { .. } => Err(NOT_RUNNING.to_owned()),
        }
    }
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

/// What only a process can do that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errand {
    /// Tell how it fares.
    Status,
    /// Log so much.
    Log(LevelFilter),
    /// Read the configuration again.
    Reload,
    /// Finish within this time.
    Drain(Duration),
}

impl Errand {
    /// What a request asks of the process; `None` if it asks something of the relay.
    ///
    /// # Errors
    /// A sentence, where a value cannot be meant.
    pub fn of(request: &Request) -> Option<Result<Errand, String>> {
        Some(match request {
            Request::Status => Ok(Errand::Status),
            Request::Log { level } => level_of(level).map(Errand::Log),
            Request::Reload => Ok(Errand::Reload),
            Request::Drain { seconds } => match seconds.map(Duration::from_secs).unwrap_or(DRAIN_DEFAULT) {
                time if time <= DRAIN_MAX => Ok(Errand::Drain(time)),
                time => Err(format!("seconds is {}; expected 0 to {}", time.as_secs(), DRAIN_MAX.as_secs())),
            },
            _ => return None,
        })
    }
}

fn level_of(level: &str) -> Result<LevelFilter, String> {
    let found = LOG_LEVELS.iter().find(|(word, _)| *word == level);
    found.map(|(_, level)| *level).ok_or_else(|| {
        let words: Vec<&str> = LOG_LEVELS.iter().map(|(word, _)| *word).collect();
        format!("level is {level:?}; expected {}", words.join(" or "))
    })
}

/// What a request of the process is answered where none runs.
const NOT_RUNNING: &str = "no relay runs there: only one that runs can do that";

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

impl From<MemberInfo> for Member {
    fn from(MemberInfo { uid, role, admin, aliases, nodes }: MemberInfo) -> Member {
        Member { uid, role: role.word().to_owned(), admin, aliases, nodes: nodes.into_iter().map(Node::from).collect() }
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

    const NOW: Wall = Wall(1_795_651_200_000_000_000);

    fn command(line: &str) -> Result<Command, String> {
        Request::read(line.as_bytes())?.command(NOW)
    }

    #[test]
    fn each_command_is_read() {
        let uid = || Whom::Uid("X".to_owned());
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
            (r#"{"command":"member","whom":{"alias":"alice in town"}}"#, Command::Member(Whom::Alias("alice in town".to_owned()))),
            (r#"{"command":"role","whom":{"uid":"X"},"role":"suspended"}"#, Command::Role(uid(), Role::Suspended)),
            (r#"{"command":"admin","whom":{"uid":"X"},"on":true}"#, Command::Admin(uid(), true)),
            (r#"{"command":"drop-node","whom":{"uid":"X"},"node":"7"}"#, Command::DropNode(uid(), "7".to_owned())),
            (r#"{"command":"new-node","whom":{"uid":"X"},"label":"phone"}"#, Command::NewNode(uid(), "phone".to_owned())),
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
        ] {
            let error = command(line).expect_err(line);
            assert!(error.contains(fragment) && !error.contains('\n'), "{line}: {error}");
        }
        assert!(Request::read(b"{\"command\":\"\xff\"}").is_err());
    }

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
        let code = Reply::Code { code: "A".into(), uses: 3, expires: "never".into(), role: "full".into(), groups: Vec::new() };
        assert_eq!(serde_json::from_str::<Reply>(&code.line()).unwrap(), code);
    }
}
