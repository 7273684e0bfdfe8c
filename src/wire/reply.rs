//! Everything the relay says, one function per shape, each giving a finished frame header.
//!
//! Replies answer one link and are not stored. *Messages* ([`Message`]) carry who sent them, their id
//! and date and a `headsum`; they are stored as the exact octets that recipients get.

use super::canonical::{HeaderWriter, write_json, write_string};
use super::request::Body;
use crate::base::Seq;

/// What a site says of itself to whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The site's name.
    pub name: String,
    /// The third parties that vouch for new members, as the contract's `authby`; `None`: nobody has to.
    pub auth_by: Option<serde_json::Value>,
}

/// The answer to TmtpRev: our revision, whatever theirs is.
pub fn tmtprev(site: &Site) -> Vec<u8> {
    let mut writer = HeaderWriter::new();
    if let Some(auth_by) = &site.auth_by {
        writer = writer.number("auth", 1).raw("authby", |out| write_json(out, auth_by));
    }
    writer.text("id", "1").text("name", &site.name).text("op", "tmtprev").finish()
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

/// A request is done; `posted` are the id and date of the message it posted, where the contract wants them.
pub fn ack(id: &str, posted: Option<(Seq, &str)>) -> Vec<u8> {
    let msg_id = posted.map(|(seq, _)| seq.to_string());
    HeaderWriter::new()
        .text("id", id)
        .optional("msgid", msg_id.as_deref())
        .text("op", "ack")
        .optional("posted", posted.map(|(_, date)| date))
        .finish()
}

/// A request cannot be done, and nothing of it happened.
pub fn ack_error(id: &str, error: &str) -> Vec<u8> {
    HeaderWriter::new().text("error", error).text("id", id).text("op", "ack").finish()
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
    /// The user has another alias.
    NewAlias { alias: &'a str },
    /// The user has another node; this is its secret.
    NewNode { label: &'a str, secret: &'a str },
    /// The user changed who sees their presence.
    OhiEdit { users: &'a [String], act: &'a str },
    /// Somebody asks the user to join a group.
    Invite { gid: &'a str, alias: Option<&'a str>, to: &'a str, body: Body },
    /// Somebody was invited, joined, was renamed or left.
    Member { act: &'a str, gid: &'a str, alias: &'a str, new_alias: Option<&'a str> },
    /// A first word from somebody.
    Ping { alias: Option<&'a str>, to: &'a str, body: Body },
}

impl Message<'_> {
    /// The frame's header. Its data, `body.len` octets, follow it.
    pub fn frame(&self, std: Std<'_>) -> Vec<u8> {
        let id = std.id.to_string();
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
                let writer = data(new(), body).text("id", &id);
                let writer = match notify {
                    Some(number) => writer.number("notify", number),
                    None => writer,
                };
                op(writer, "delivery")
            }
            Message::Notify { post_id, body } => {
                let post_id = post_id.to_string();
                op(data(new(), body).text("id", &id), "notify").text("postid", &post_id)
            }
            Message::Login { node } => op(plain(new()).text("id", &id).text("node", node), "login"),
            Message::NewAlias { alias } => op(plain(new()).text("id", &id).text("newalias", alias), "user"),
            Message::NewNode { label, secret } => op(plain(new()).text("id", &id).text("newnode", label).text("nodeid", secret), "user"),
            Message::OhiEdit { users, act } => {
                let entry = |out: &mut Vec<u8>, uid: &String| {
                    out.extend_from_slice(b"{\"Id\":");
                    write_string(out, uid);
                    out.extend_from_slice(b",\"Type\":0}");
                };
                let writer = new().number("datalen", 0).raw("for", |out| write_list(out, users, entry)).text("from", std.from);
                op(writer.text("id", &id), "ohiedit").text("type", act)
            }
            Message::Invite { gid, alias, to, body } => {
                op(data(new().optional("alias", alias), body).text("gid", gid).text("id", &id), "invite").text("to", to)
            }
            Message::Member { act, gid, alias, new_alias } => {
                let writer = plain(new().text("act", act).text("alias", alias)).text("gid", gid).text("id", &id);
                op(writer.optional("newalias", new_alias), "member")
            }
            Message::Ping { alias, to, body } => op(data(new().optional("alias", alias), body).text("id", &id), "ping").text("to", to),
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
        assert_eq!(text(tmtprev(&site)), r#"{"id":"1","name":"A \u0026 B","op":"tmtprev"}"#);
        assert_eq!(text(quit("logout ok")), r#"{"error":"logout ok","op":"quit"}"#);
        assert_eq!(text(info(&[])), r#"{"info":"login ok","op":"info"}"#);
        assert_eq!(text(info(&["U".into(), "V".into()])), r#"{"info":"login ok","ohi":["U","V"],"op":"info"}"#);
        assert_eq!(text(ack("a\0", None)), r#"{"id":"a\u0000","op":"ack"}"#);
        assert_eq!(text(ack("a", Some((Seq(255), "D")))), r#"{"id":"a","msgid":"00000000000000ff","op":"ack","posted":"D"}"#);
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
            Message::NewAlias { alias: "a" },
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
