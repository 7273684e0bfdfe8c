//! Everything the relay says, one function per shape, each giving a finished frame header.
//!
//! Replies answer one link and are not stored. *Messages* ([`Message`]) carry who sent them, their id
//! and date and a `headsum`; they are stored as the exact octets that recipients get.

use serde_json::Value;

use super::canonical::{HeaderWriter, write_json, write_string};
use super::request::Body;
use crate::base::Seq;

/// What a site says of itself to whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The site's name.
    pub name: String,
    /// The third parties that vouch for new members, as the contract's `authby`; `None`: nobody has to.
    pub auth_by: Option<Value>,
}

/// What there is beyond the drafts, in order.
pub const FEATURES: [&str; 9] = ["alias", "ask", "cork", "group", "invite", "missed", "node", "reach", "role"];

/// The answer to TmtpRev: our revision, whatever theirs is.
pub fn tmtprev(site: &Site) -> Vec<u8> {
    let mut writer = HeaderWriter::new();
    if let Some(auth_by) = &site.auth_by {
        writer = writer.number("auth", 1).raw("authby", |out| write_json(out, auth_by));
    }
    let features = |out: &mut Vec<u8>| write_list(out, &FEATURES, |out, feature| write_string(out, feature));
    writer.raw("features", features).text("id", "1").text("name", &site.name).text("op", "tmtprev").finish()
}

/// The answer to Register: the account's id and its first device's secret.
pub fn registered(node_secret: &str, uid: &str, error: Option<&str>) -> Vec<u8> {
    HeaderWriter::new().optional("error", error).text("nodeid", node_secret).text("op", "registered").text("uid", uid).finish()
}

/// The link is logged in; `online` are the users who show their presence to this one.
pub fn info(online: &[String]) -> Vec<u8> {
    let writer = HeaderWriter::new().text("info", "login ok");
    let writer =
        if online.is_empty() { writer } else { writer.raw("ohi", |out| write_list(out, online, |out, uid| write_string(out, uid))) };
    writer.text("op", "info").finish()
}

/// The last words on a link.
pub fn quit(reason: &str) -> Vec<u8> {
    HeaderWriter::new().text("error", reason).text("op", "quit").finish()
}

/// Members of groups who miss a message, since their queues are full.
#[derive(Clone, Debug, Default)]
pub struct Full {
    /// As their groups list them.
    pub named: Vec<String>,
    /// How many there are besides.
    pub more: u64,
}

/// A request is done; `posted` are the id and date of the message it posted, where the contract wants them.
pub fn ack(id: &str, posted: Option<(Seq, &str)>, full: &Full) -> Vec<u8> {
    let writer = HeaderWriter::new();
    let writer = match &full.named[..] {
        [] => writer,
        named => writer.raw("full", |out| write_list(out, named, |out, alias| write_string(out, alias))),
    };
    let writer = writer.non_zero("fullmore", full.more).text("id", id);
    match posted {
        Some((seq, date)) => writer.seq("msgid", seq).text("op", "ack").text("posted", date).finish(),
        None => writer.text("op", "ack").finish(),
    }
}

/// A request cannot be done, and nothing of it happened.
pub fn ack_error(id: &str, error: &str) -> Vec<u8> {
    HeaderWriter::new().text("error", error).text("id", id).text("op", "ack").finish()
}

/// The answer to a question: entries, and where to go on if there are more.
pub fn result(id: &str, what: &str, list: &[Value], cursor: Option<&str>) -> Vec<u8> {
    HeaderWriter::new()
        .optional("cursor", cursor)
        .text("id", id)
        .raw("list", |out| write_list(out, list, write_json))
        .text("op", "result")
        .text("what", what)
        .finish()
}

/// Octets of an entry of a [`result`].
pub fn entry_size(entry: &Value) -> usize {
    let mut out = Vec::new();
    write_json(&mut out, entry);
    out.len() + 1
}

/// Somebody who shows their presence came or went.
pub fn ohi(from: &str, online: bool) -> Vec<u8> {
    HeaderWriter::new().text("from", from).text("op", "ohi").number("status", if online { 1 } else { 2 }).finish()
}

/// Who sent a message, its id, and when the relay took it.
#[derive(Clone, Copy, Debug)]
pub struct Std<'a> {
    /// Uid of the sender.
    pub from: &'a str,
    /// The message's id.
    pub id: Seq,
    /// The date, as the contract writes it.
    pub posted: &'a str,
}

/// The stored messages, by what they tell.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields are the contract's, by its names")]
pub enum Message<'a> {
    /// A post. `notify` is the number of those told by the note, for a PostNotify.
    Delivery { body: Body, notify: Option<u64> },
    /// The note of a PostNotify.
    Notify { post_id: Seq, body: Body },
    /// A node of the user logged in.
    Login { node: &'a str },
    /// The user has another alias, or one with other limits.
    NewAlias { alias: &'a str, uses: Option<u64>, expires: Option<&'a str> },
    /// The user has an alias no longer.
    DropAlias { alias: &'a str },
    /// The user has another node; this is its secret.
    NewNode { label: &'a str, secret: &'a str },
    /// The user has a node no longer.
    DropNode { node: &'a str, label: &'a str },
    /// The user changed who sees their presence.
    OhiEdit { users: &'a [String], act: &'a str },
    /// Somebody asks the user to join a group.
    Invite { gid: &'a str, alias: Option<&'a str>, to: &'a str, body: Body },
    /// Somebody was invited, joined, was renamed or left.
    Member { act: &'a str, gid: &'a str, alias: &'a str, new_alias: Option<&'a str> },
    /// A moderator decided who may do what.
    GroupSet { gid: &'a str, alias: &'a str, invite: Option<&'a str>, post: Option<&'a str>, roster: Option<&'a str> },
    /// A moderator gave or took a role.
    GroupRole { gid: &'a str, alias: &'a str, role: &'a str },
    /// The user has missed messages.
    Missed { first: Seq, last: Seq, number: u64 },
    /// A first word from somebody.
    Ping { alias: Option<&'a str>, to: &'a str, body: Body },
}

impl Message<'_> {
    /// The frame's header. Its data, `body.len` octets, follow it.
    pub fn frame(&self, std: Std<'_>) -> Vec<u8> {
        let new = HeaderWriter::new;
        let data = |writer: HeaderWriter, body: Body| {
            writer
                .non_zero("datahead", body.head)
                .number("datalen", body.len)
                .non_zero("datasum", u64::from(body.sum))
                .text("from", std.from)
        };
        let plain = |writer: HeaderWriter| data(writer, Body::default());
        let op = |writer: HeaderWriter, op: &str| writer.text("op", op).text("posted", std.posted);
        let writer = match *self {
            Message::Delivery { body, notify } => {
                let writer = data(new(), body).seq("id", std.id);
                let writer = match notify {
                    Some(number) => writer.number("notify", number),
                    None => writer,
                };
                op(writer, "delivery")
            }
            Message::Notify { post_id, body } => op(data(new(), body).seq("id", std.id), "notify").seq("postid", post_id),
            Message::Login { node } => op(plain(new()).seq("id", std.id).text("node", node), "login"),
            Message::NewAlias { alias, uses, expires } => {
                let writer = new().number("datalen", 0).optional("expires", expires).text("from", std.from);
                let writer = op(writer.seq("id", std.id).text("newalias", alias), "user");
                match uses {
                    Some(uses) => writer.number("uses", uses),
                    None => writer,
                }
            }
            Message::DropAlias { alias } => {
                op(new().number("datalen", 0).text("dropalias", alias).text("from", std.from).seq("id", std.id), "user")
            }
            Message::DropNode { node, label } => {
                let writer = new().number("datalen", 0).text("dropnode", node).text("from", std.from);
                op(writer.seq("id", std.id).text("label", label), "user")
            }
            Message::NewNode { label, secret } => op(plain(new()).seq("id", std.id).text("newnode", label).text("nodeid", secret), "user"),
            Message::OhiEdit { users, act } => {
                let entry = |out: &mut Vec<u8>, uid: &String| {
                    out.extend_from_slice(b"{\"Id\":");
                    write_string(out, uid);
                    out.extend_from_slice(b",\"Type\":0}");
                };
                let writer = new().number("datalen", 0).raw("for", |out| write_list(out, users, entry)).text("from", std.from);
                op(writer.seq("id", std.id), "ohiedit").text("type", act)
            }
            Message::Invite { gid, alias, to, body } => {
                op(data(new().optional("alias", alias), body).text("gid", gid).seq("id", std.id), "invite").text("to", to)
            }
            Message::Member { act, gid, alias, new_alias } => {
                let writer = plain(new().text("act", act).text("alias", alias)).text("gid", gid).seq("id", std.id);
                op(writer.optional("newalias", new_alias), "member")
            }
            Message::GroupSet { gid, alias, invite, post, roster } => {
                let writer = plain(new().text("act", "set").text("alias", alias)).text("gid", gid).seq("id", std.id);
                let writer = writer.optional("invite", invite).text("op", "member").optional("post", post);
                writer.text("posted", std.posted).optional("roster", roster)
            }
            Message::GroupRole { gid, alias, role } => {
                let writer = plain(new().text("act", "moderator").text("alias", alias)).text("gid", gid);
                op(writer.seq("id", std.id), "member").text("role", role)
            }
            Message::Missed { first, last, number } => {
                let writer = new().number("datalen", 0).seq("first", first).text("from", std.from).seq("id", std.id);
                op(writer.seq("last", last).number("number", number), "missed")
            }
            Message::Ping { alias, to, body } => op(data(new().optional("alias", alias), body).seq("id", std.id), "ping").text("to", to),
        };
        writer.finish_with_headsum()
    }
}

fn write_list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a frame whose length is right.
    fn text(frame: Vec<u8>) -> String {
        let text = String::from_utf8(frame).unwrap();
        assert_eq!(text[..4], format!("{:04x}", text.len() - 4));
        text[4..].to_owned()
    }

    #[test]
    fn replies_are_as_the_contract_writes_them() {
        let site = Site { name: "A & B".into(), auth_by: None };
        assert_eq!(
            text(tmtprev(&site)),
            r#"{"features":["alias","ask","cork","group","invite","missed","node","reach","role"],"id":"1","name":"A \u0026 B","op":"tmtprev"}"#
        );
        assert_eq!(text(quit("logout ok")), r#"{"error":"logout ok","op":"quit"}"#);
        assert_eq!(text(info(&[])), r#"{"info":"login ok","op":"info"}"#);
        assert_eq!(text(info(&["U".into(), "V".into()])), r#"{"info":"login ok","ohi":["U","V"],"op":"info"}"#);
        assert_eq!(text(ack("a\0", None, &Full::default())), r#"{"id":"a\u0000","op":"ack"}"#);
        let posted = Some((Seq(255), "D"));
        assert_eq!(text(ack("a", posted, &Full::default())), r#"{"id":"a","msgid":"00000000000000ff","op":"ack","posted":"D"}"#);
        let full = Full { named: vec!["<x>".into(), "y".into()], more: 3 };
        let told = r#"{"full":["\u003cx\u003e","y"],"fullmore":3,"id":"a","msgid":"00000000000000ff","op":"ack","posted":"D"}"#;
        assert_eq!(text(ack("a", posted, &full)), told);
        let list = [serde_json::json!({ "b": 1, "a": "&" })];
        assert_eq!(
            text(result("a", "nodes", &list, Some("7"))),
            r#"{"cursor":"7","id":"a","list":[{"a":"\u0026","b":1}],"op":"result","what":"nodes"}"#
        );
        assert_eq!(text(ohi("U", false)), r#"{"from":"U","op":"ohi","status":2}"#);
    }

    #[test]
    fn every_message_shape_is_sorted_and_summed() {
        let std = Std { from: "U", id: Seq(1), posted: "D" };
        let body = Body { len: 5, head: 2, sum: 9 };
        let users = ["V".to_owned()];
        let shapes = [
            Message::Delivery { body, notify: Some(3) },
            Message::Notify { post_id: Seq(1), body },
            Message::Login { node: "n" },
            Message::NewAlias { alias: "a", uses: None, expires: None },
            Message::NewAlias { alias: "a", uses: Some(1), expires: Some("t") },
            Message::DropAlias { alias: "a" },
            Message::DropNode { node: "7", label: "l" },
            Message::GroupSet { gid: "g", alias: "a", invite: Some("members"), post: Some("anyone"), roster: None },
            Message::GroupRole { gid: "g", alias: "a", role: "member" },
            Message::Missed { first: Seq(1), last: Seq(2), number: 2 },
            Message::NewNode { label: "l", secret: "s" },
            Message::OhiEdit { users: &users, act: "add" },
            Message::Invite { gid: "g", alias: Some("a"), to: "t", body },
            Message::Member { act: "join", gid: "g", alias: "a", new_alias: Some("b") },
            Message::Ping { alias: Some("a"), to: "t", body },
        ];
        for shape in shapes {
            let frame = shape.frame(std);
            let header: serde_json::Value = serde_json::from_slice(&frame[4..]).unwrap();
            assert_eq!(usize::from_str_radix(std::str::from_utf8(&frame[..4]).unwrap(), 16).unwrap(), frame.len() - 4);
            let mut without = header.clone();
            let sum = without.as_object_mut().unwrap().remove("headsum").unwrap();
            let json = without.to_string();
            assert_eq!(sum, u64::from(crc32c::crc32c(format!("{:04x}{json}", json.len()).as_bytes())), "{shape:?}");
            assert_eq!(header.to_string().as_bytes(), &frame[4..], "{shape:?}");
        }
    }
}
