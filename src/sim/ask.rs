//! What members ask, as data, and as the frames of either draft.

use std::fmt;

use serde_json::{Value, json};

/// A request that is well-formed and comes from a member. Times are text, as they go over the wire.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the protocol's own fields")]
pub enum Ask {
    NewAlias { name: String, uses: Option<u64>, expires: Option<String> },
    DropAlias(String),
    NewNode(String),
    DropNode { number: String, uid: Option<String> },
    Ohi { to: Vec<String>, act: &'static str },
    Invite { gid: String, from: Option<String>, to: String, text: Part },
    Group { gid: String, act: &'static str, to: Option<String>, newalias: Option<String> },
    Rules { gid: String, invite: Option<&'static str>, post: Option<&'static str>, roster: Option<&'static str> },
    Moderator { gid: String, to: String, role: &'static str },
    Post { to: Vec<(String, u8)>, part: Part },
    PostNotify { to: Vec<(String, u8)>, note_to: Vec<(String, u8)>, not_self: bool, note: Part, part: Part },
    Ping { from: Option<String>, to: String, text: Part },
    List { what: &'static str, cursor: Option<String>, gid: Option<String> },
    Reach { act: Option<&'static str>, whom: Vec<String>, policy: Option<&'static str> },
    Cork { until: Option<String>, from: Vec<String> },
    Code { uses: Option<u64>, expires: Option<String>, gid: Option<String> },
}

impl Ask {
    /// Octets of data that follow the header.
    pub fn data_len(&self) -> usize {
        match self {
            Ask::NewAlias { .. }
            | Ask::DropAlias(_)
            | Ask::NewNode(_)
            | Ask::DropNode { .. }
            | Ask::Ohi { .. }
            | Ask::Group { .. }
            | Ask::Rules { .. }
            | Ask::Moderator { .. }
            | Ask::List { .. }
            | Ask::Reach { .. }
            | Ask::Cork { .. }
            | Ask::Code { .. } => 0,
            Ask::Invite { text, .. } | Ask::Ping { text, .. } => text.octets.len(),
            Ask::Post { part, .. } => part.octets.len(),
            Ask::PostNotify { note, part, .. } => note.octets.len() + part.octets.len(),
        }
    }
}

/// Data with its `datahead` and `datasum`.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the protocol's own fields")]
pub struct Part {
    pub octets: Vec<u8>,
    pub head: usize,
    pub sum: u32,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets {:08x} ({}, {})", self.octets.len(), crc32c::crc32c(&self.octets), self.head, self.sum)
    }
}

/// A draft's numbering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Speaks {
    Draft2018,
    Draft2020,
}

impl Speaks {
    /// An op from 8 on: `op` is its number in 2020, and one less in 2018.
    fn late(self, op: u8) -> u8 {
        if self == Speaks::Draft2018 { op - 1 } else { op }
    }

    /// A request that means something in this draft only, and changes nothing.
    pub fn latch(self) -> Value {
        match self {
            Speaks::Draft2018 => json!({ "op": 10 }),
            Speaks::Draft2020 => json!({ "op": 10, "id": "stray", "type": "ok" }),
        }
    }

    /// The ack of a message.
    pub fn ack(self, id: &str) -> Value {
        json!({ "op": self.late(10), "id": id, "type": "ok" })
    }

    /// A sign of life. In 2018 it has the number of 2020's Ack, and so in 2020 that of 2018's Quit: only on a latched link.
    pub fn pulse(self) -> Value {
        json!({ "op": self.late(11) })
    }

    /// The goodbye.
    pub fn quit(self) -> Value {
        json!({ "op": self.late(12) })
    }
}

/// A header as it goes over the wire.
pub fn frame(header: &Value, body: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    let mut octets = format!("{:04x}{header}", header.len()).into_bytes();
    octets.extend_from_slice(body);
    octets
}

/// A request's header and data in the numbering of a draft.
pub fn encode(ask: &Ask, id: &str, speaks: Speaks) -> (Value, Vec<u8>) {
    let list = |to: &[(String, u8)]| Value::from_iter(to.iter().map(|(id, kind)| json!({ "id": id, "type": kind })));
    let ids = |list: &[String]| Value::from_iter(list.iter().map(|id| json!({ "id": id })));
    let some_ids = |list: &[String]| (!list.is_empty()).then(|| ids(list));
    let mut parts = Vec::new();
    let mut header = match ask {
        Ask::NewAlias { name, uses, expires } => json!({ "op": 3, "newalias": name, "uses": uses, "expires": expires }),
        Ask::DropAlias(name) => json!({ "op": 3, "dropalias": name }),
        Ask::NewNode(label) => json!({ "op": 3, "newnode": label }),
        Ask::DropNode { number, uid } => json!({ "op": 3, "dropnode": number, "uid": uid }),
        Ask::Ohi { to, act } => json!({ "op": 4, "for": ids(to), "type": act }),
        Ask::Invite { gid, from, to, text } => {
            parts.push(text);
            json!({ "op": 5, "gid": gid, "from": from, "to": to })
        }
        Ask::Group { gid, act, to, newalias } => json!({ "op": 6, "gid": gid, "act": act, "to": to, "newalias": newalias }),
        Ask::Rules { gid, invite, post, roster } => {
            json!({ "op": 6, "gid": gid, "act": "set", "invite": invite, "post": post, "roster": roster })
        }
        Ask::Moderator { gid, to, role } => json!({ "op": 6, "gid": gid, "act": "moderator", "to": to, "role": role }),
        Ask::Post { to, part } => {
            parts.push(part);
            json!({ "op": 7, "for": list(to) })
        }
        Ask::PostNotify { to, note_to, not_self, note, part } => {
            parts.extend([note, part]);
            let (head, sum) = (note.head, note.sum);
            json!({ "op": 8, "for": list(to), "notefor": list(note_to), "fornotself": not_self, "notelen": note.octets.len(),
                "notehead": head, "notesum": sum })
        }
        Ask::Ping { from, to, text } => {
            parts.push(text);
            json!({ "op": speaks.late(9), "from": from, "to": to })
        }
        Ask::List { what, cursor, gid } => json!({ "op": 16, "what": what, "cursor": cursor, "gid": gid }),
        Ask::Reach { act, whom, policy } => json!({ "op": 17, "act": act, "for": some_ids(whom), "policy": policy }),
        Ask::Cork { until, from } => json!({ "op": 18, "until": until, "for": some_ids(from) }),
        Ask::Code { uses, expires, gid } => json!({ "op": 19, "uses": uses, "expires": expires, "gid": gid }),
    };
    header["id"] = json!(id);
    let body: Vec<u8> = parts.iter().flat_map(|part| part.octets.clone()).collect();
    if let Some(part) = parts.last() {
        header["datalen"] = json!(body.len());
        header["datahead"] = json!(part.head);
        header["datasum"] = json!(part.sum);
    }
    header.as_object_mut().expect("it is one").retain(|_, value| !value.is_null());
    (header, body)
}
