//! What a member says, in the 2020 numbering and with this project's extensions. Every function appends one frame; where data
//! belongs to it, that must follow.
//!
//! `id` is the request's own: 1 to 1024 octets, the same when it is repeated after a lost link. `None` leaves a field out.
//!
//! # Panics
//! All of them, if the header exceeds 65535 octets: with more recipients than [`RECIPIENTS_MAX`], or texts of tens of kilobytes.

pub use mnm::limits::{RECIPIENTS_MAX, TEXT_MAX_UTF16};
use mnm::wire::{HeaderWriter, write_json};
use serde_json::Value;

/// Who is to get a post.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recipient<'a> {
    /// A uid, or a group's name.
    pub id: &'a str,
    /// 1: a user, 2: a group with oneself, 3: a group without oneself.
    pub kind: u64,
}

impl<'a> Recipient<'a> {
    /// A user, by uid.
    pub fn user(uid: &'a str) -> Recipient<'a> {
        Recipient { id: uid, kind: 1 }
    }

    /// All who have joined a group, without the sender.
    pub fn group(gid: &'a str) -> Recipient<'a> {
        Recipient { id: gid, kind: 3 }
    }

    /// All who have joined a group; the sending device gets it as well.
    pub fn group_and_self(gid: &'a str) -> Recipient<'a> {
        Recipient { id: gid, kind: 2 }
    }
}

/// The data of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Data {
    /// All octets.
    pub len: u64,
    /// How many of them are the secondary header.
    pub head: u64,
    /// The sender's checksum, 32 bits; 0: none.
    pub sum: u64,
}

/// TmtpRev: the protocol's revision, first on every link.
pub fn tmtprev(out: &mut Vec<u8>) {
    out.extend_from_slice(&HeaderWriter::new().text("id", "1").number("op", 0).finish());
}

/// Register: a new account with one device.
pub fn register(out: &mut Vec<u8>, label: &str, alias: Option<&str>, invite: Option<&str>) {
    let header = HeaderWriter::new().optional("invite", invite).optional("newalias", alias).text("newnode", label).number("op", 1);
    out.extend_from_slice(&header.finish());
}

/// Login: an account that exists.
pub fn login(out: &mut Vec<u8>, uid: &str, node: &str) {
    out.extend_from_slice(&HeaderWriter::new().text("node", node).number("op", 2).text("uid", uid).finish());
}

/// What a UserEdit changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserChange<'a> {
    /// Another alias; it may be good for so many pings, or until a time (RFC 3339).
    NewAlias {
        /// 8 characters or more.
        alias: &'a str,
        /// 1 to 1000000.
        uses: Option<u64>,
        /// At most 400 days ahead.
        expires: Option<&'a str>,
    },
    /// An alias that is given up.
    DropAlias(&'a str),
    /// Another device; its secret comes in a `user` message.
    NewNode(&'a str),
    /// A device that is no more, by its number.
    DropNode(&'a str),
}

/// UserEdit: the account's names and devices.
pub fn user_edit(out: &mut Vec<u8>, id: &str, change: UserChange<'_>) {
    let header = HeaderWriter::new();
    let header = match change {
        UserChange::NewAlias { alias, uses, expires } => {
            let header = header.optional("expires", expires).text("id", id).text("newalias", alias).number("op", 3);
            header.non_zero("uses", uses.unwrap_or(0))
        }
        UserChange::DropAlias(alias) => header.text("dropalias", alias).text("id", id).number("op", 3),
        UserChange::NewNode(label) => header.text("id", id).text("newnode", label).number("op", 3),
        UserChange::DropNode(node) => header.text("dropnode", node).text("id", id).number("op", 3),
    };
    out.extend_from_slice(&header.finish());
}

/// OhiEdit: to whom one shows that one is here. `act` is `add`, `drop` or `init` (after a login).
pub fn ohi_edit(out: &mut Vec<u8>, id: &str, uids: &[&str], act: &str) {
    let users = |out: &mut Vec<u8>| list(out, uids, |out, uid| object(out, &[("id", uid)], None));
    out.extend_from_slice(&HeaderWriter::new().raw("for", users).text("id", id).number("op", 4).text("type", act).finish());
}

/// GroupInvite: makes the group if the name is free; up to 140 UTF-16 units of text may follow.
pub fn group_invite(out: &mut Vec<u8>, id: &str, gid: &str, from: &str, to: &str, len: u64) {
    let header = HeaderWriter::new().non_zero("datalen", len).text("from", from).text("gid", gid).text("id", id).number("op", 5);
    out.extend_from_slice(&header.text("to", to).finish());
}

/// What a GroupEdit does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupChange<'a> {
    /// One has been invited and joins, listed under another alias if one is given.
    Join(Option<&'a str>),
    /// One is listed under another alias.
    Alias(&'a str),
    /// A member goes, by the alias that lists it: oneself, or one whom one bars.
    Drop(&'a str),
    /// The group's rules; `None` leaves one as it is.
    Set {
        /// Who may invite: `members` or `moderators`.
        invite: Option<&'a str>,
        /// Who may post: `members`, `moderators` or `anyone`.
        post: Option<&'a str>,
        /// Who may see who is in it: `members`, `moderators` or `anyone`.
        roster: Option<&'a str>,
    },
    /// Who moderates: an alias, and `moderator` or `member`.
    Moderator(&'a str, &'a str),
}

/// GroupEdit: membership, moderators and rules of a group.
pub fn group_edit(out: &mut Vec<u8>, id: &str, gid: &str, change: GroupChange<'_>) {
    let begin = |act| HeaderWriter::new().text("act", act).text("gid", gid).text("id", id);
    let header = match change {
        GroupChange::Join(alias) => begin("join").optional("newalias", alias).number("op", 6),
        GroupChange::Alias(alias) => begin("alias").text("newalias", alias).number("op", 6),
        GroupChange::Drop(who) => begin("drop").number("op", 6).text("to", who),
        GroupChange::Set { invite, post, roster } => {
            begin("set").optional("invite", invite).number("op", 6).optional("post", post).optional("roster", roster)
        }
        GroupChange::Moderator(who, role) => begin("moderator").number("op", 6).text("role", role).text("to", who),
    };
    out.extend_from_slice(&header.finish());
}

/// Post: a message; its data must follow.
pub fn post(out: &mut Vec<u8>, id: &str, to: &[Recipient<'_>], data: Data) {
    let recipients = |out: &mut Vec<u8>| list(out, to, |out, to| object(out, &[("id", to.id)], Some(("type", to.kind))));
    let header = HeaderWriter::new().non_zero("datahead", data.head).number("datalen", data.len).non_zero("datasum", data.sum);
    out.extend_from_slice(&header.raw("for", recipients).text("id", id).number("op", 7).finish());
}

/// Ping: up to 140 UTF-16 units of text to somebody of whom only an alias is known; the text must follow.
pub fn ping(out: &mut Vec<u8>, id: &str, from: &str, to: &str, len: u64) {
    let header = HeaderWriter::new().non_zero("datalen", len).text("from", from).text("id", id).number("op", 9).text("to", to);
    out.extend_from_slice(&header.finish());
}

/// Ack: a message has arrived, and need not come again.
pub fn ack(out: &mut Vec<u8>, id: &str) {
    // There is one for each message that comes: those of relays, 16 hex digits, need neither escapes nor a buffer of their own.
    if id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        out.extend_from_slice(b"002d{\"id\":\"");
        out.extend_from_slice(id.as_bytes());
        return out.extend_from_slice(b"\",\"op\":10,\"type\":\"ok\"}");
    }
    out.extend_from_slice(&HeaderWriter::new().text("id", id).number("op", 10).text("type", "ok").finish());
}

/// Pulse: the link is alive.
pub fn pulse(out: &mut Vec<u8>) {
    out.extend_from_slice(&HeaderWriter::new().number("op", 11).finish());
}

/// Quit: good-bye.
pub fn quit(out: &mut Vec<u8>) {
    out.extend_from_slice(&HeaderWriter::new().number("op", 12).finish());
}

/// Ask: what the relay knows of this account. `gid` for `roster`; `cursor` is from the page before.
pub fn ask(out: &mut Vec<u8>, id: &str, what: &str, gid: Option<&str>, cursor: Option<&str>) {
    let header = HeaderWriter::new().optional("cursor", cursor).optional("gid", gid).text("id", id).number("op", 16);
    out.extend_from_slice(&header.text("what", what).finish());
}

/// Invite: a code for new members, where the site lets members make them.
pub fn invite(out: &mut Vec<u8>, id: &str, uses: Option<u64>, expires: Option<&str>, gid: Option<&str>) {
    let header = HeaderWriter::new().optional("expires", expires).optional("gid", gid).text("id", id).number("op", 19);
    out.extend_from_slice(&header.non_zero("uses", uses.unwrap_or(0)).finish());
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn object(out: &mut Vec<u8>, texts: &[(&str, &str)], number: Option<(&str, u64)>) {
    out.push(b'{');
    for (index, (key, value)) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        text(out, value);
    }
    if let Some((key, value)) = number {
        out.extend_from_slice(format!(",\"{key}\":{value}").as_bytes());
    }
    out.push(b'}');
}

/// Uids and most names need no escape: only where one may be needed a JSON value is made of the text.
fn text(out: &mut Vec<u8>, value: &str) {
    if value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'+' | b' ' | b'-' | b'_')) {
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    } else {
        write_json(out, &Value::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mnm::wire::{Dialect, Request, RequestLimits};

    #[test]
    fn the_relay_reads_what_was_meant() {
        type Write = fn(&mut Vec<u8>);
        let writers: &[(Write, &str)] = &[
            (tmtprev, "TmtpRev"),
            (|out| register(out, "laptop", Some("alice liddell"), None), "Register"),
            (|out| register(out, "laptop", None, Some("K7QXA-9TMDW-4RHU7")), "Register"),
            (|out| login(out, "u", "n"), "Login"),
            (|out| user_edit(out, "1", UserChange::NewAlias { alias: "a", uses: Some(3), expires: None }), "UserEdit"),
            (|out| user_edit(out, "1", UserChange::NewAlias { alias: "a", uses: None, expires: Some("2026-11-26T18:00:00Z") }), "UserEdit"),
            (|out| user_edit(out, "1", UserChange::DropAlias("a")), "UserEdit"),
            (|out| user_edit(out, "1", UserChange::NewNode("n")), "UserEdit"),
            (|out| user_edit(out, "1", UserChange::DropNode("2")), "UserEdit"),
            (|out| ohi_edit(out, "1", &["u", "v"], "init"), "OhiEdit"),
            (|out| group_invite(out, "1", "g", "f", "t", 5), "GroupInvite"),
            (|out| group_edit(out, "1", "g", GroupChange::Join(None)), "GroupEdit"),
            (|out| group_edit(out, "1", "g", GroupChange::Join(Some("a"))), "GroupEdit"),
            (|out| group_edit(out, "1", "g", GroupChange::Alias("a")), "GroupEdit"),
            (|out| group_edit(out, "1", "g", GroupChange::Drop("a")), "GroupEdit"),
            (
                |out| group_edit(out, "1", "g", GroupChange::Set { invite: Some("members"), post: Some("anyone"), roster: None }),
                "GroupEdit",
            ),
            (|out| group_edit(out, "1", "g", GroupChange::Moderator("a", "member")), "GroupEdit"),
            (|out| post(out, "p1", &[Recipient::user("u"), Recipient::group("\"g\" <x>")], Data { len: 5, head: 2, sum: 7 }), "Post"),
            (|out| ping(out, "1", "f", "t", 0), "Ping"),
            (|out| ack(out, "m"), "Ack"),
            (|out| ack(out, "188add8cbe0ca2fb"), "Ack"),
            (pulse, "Pulse"),
            (quit, "Quit"),
            (|out| ask(out, "1", "roster", Some("g"), None), "Ask"),
            (|out| invite(out, "1", Some(2), Some("2026-11-26T18:00:00Z"), Some("g")), "Invite"),
        ];
        let mut dialect = Dialect::default();
        for (write, name) in writers {
            let mut out = Vec::new();
            write(&mut out);
            assert_eq!(out[..4], *format!("{:04x}", out.len() - 4).as_bytes(), "{name}");
            let request = Request::parse(&out[4..], &mut dialect, &RequestLimits::default());
            assert!(format!("{request:?}").starts_with(&format!("Ok({name}")), "{name}: {request:?}");
        }
    }

    #[test]
    fn names_with_quotes_come_through() {
        let mut out = Vec::new();
        post(&mut out, "p", &[Recipient::group_and_self("a \"b\" \\ é")], Data { len: 1, ..Data::default() });
        let Ok(Request::Post { to, .. }) = Request::parse(&out[4..], &mut Dialect::default(), &RequestLimits::default()) else {
            panic!("no post: {}", String::from_utf8_lossy(&out));
        };
        assert_eq!(to[0].id, "a \"b\" \\ é");
    }
}
