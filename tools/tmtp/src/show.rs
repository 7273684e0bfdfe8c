//! Messages as they are printed: a line for people, a JSON object for programs, or the bare data.

use std::io::{self, Read, Write};
use std::path::Path;

use data_encoding::BASE64;
use mnm_client::Header;
use serde_json::{Map, Value};

use crate::Failure;
use crate::parcel::Parcel;
use crate::profile::Profile;
use crate::text::shown;

/// Read and encoded at once; a multiple of three, so that pieces of base64 can stand behind each other.
const PIECE: usize = 3 << 14;

/// Who this is from: a contact's name, an alias that the message gives, or the uid.
pub(crate) fn sender(header: &Header, profile: &Profile) -> String {
    let uid = header.from();
    if uid == profile.uid {
        return "me".to_owned();
    }
    let name = profile.name_of(uid).or_else(|| header.optional("alias").filter(|_| matches!(header.op(), "ping" | "invite")));
    shown(name.unwrap_or(uid))
}

/// One line for people; `None` if the data can be shown to nobody.
pub(crate) fn human(header: &Header, parcel: &Parcel<'_>, saved: Option<&Path>, profile: &Profile) -> Option<String> {
    let said = match (header.op(), saved) {
        (_, Some(path)) => format!("{} octets in {}", parcel.len(), path.display()),
        ("delivery" | "notify" | "ping", None) => {
            // Most texts that come out of a pipe end with a line's end.
            let text = shown(parcel.text()?.trim_end_matches(['\r', '\n']));
            match (parcel.name(), header.optional("to")) {
                (Some(name), _) => format!("[{}] {text}", shown(name)),
                // From another device of one's own, of which it is a copy.
                (None, Some(to)) if header.from() == profile.uid => format!("to {}: {text}", shown(to)),
                (None, _) => text,
            }
        }
        ("invite", None) => invitation(header, parcel.text().unwrap_or("")),
        (_, None) => news(header),
    };
    Some(format!("{} {} {}: {said}", header.text("posted"), header.op(), sender(header, profile)))
}

fn invitation(header: &Header, text: &str) -> String {
    let gid = shown(header.text("gid"));
    let text = if text.is_empty() { String::new() } else { format!(": {}", shown(text)) };
    format!("invites {} to {gid}{text}", shown(header.text("to")))
}

/// What has no data.
fn news(header: &Header) -> String {
    let text = |key: &str| shown(header.text(key));
    match header.op() {
        "member" => {
            let (gid, alias) = (text("gid"), text("alias"));
            match header.text("act") {
                "invite" => format!("{gid}: {alias} is invited"),
                "join" if header.optional("newalias").is_some() => format!("{gid}: {alias} has joined as {}", text("newalias")),
                "join" => format!("{gid}: {alias} has joined"),
                "alias" => format!("{gid}: {alias} is now {}", text("newalias")),
                "drop" => format!("{gid}: {alias} is out"),
                "moderator" if header.text("role") == "moderator" => format!("{gid}: {alias} moderates"),
                "moderator" => format!("{gid}: {alias} moderates no longer"),
                "set" => {
                    let rules =
                        ["invite", "post", "roster"].iter().filter_map(|key| Some(format!("{key} {}", shown(header.optional(key)?))));
                    format!("{gid}: {alias} has set {}", rules.collect::<Vec<_>>().join(", "))
                }
                other => format!("{gid}: {alias}: {}", shown(other)),
            }
        }
        "login" => format!("logged in on {}", text("node")),
        "user" => match (header.optional("newalias"), header.optional("newnode"), header.optional("dropalias")) {
            (Some(_), _, _) => format!("new alias {}", text("newalias")),
            (_, Some(_), _) => format!("new device {}", text("newnode")),
            (_, _, Some(_)) => format!("alias {} is no more", text("dropalias")),
            _ => format!("device {} ({}) is no more", text("dropnode"), text("label")),
        },
        "ohiedit" => format!("presence: {} of {}", text("type"), header.list("for").len()),
        "missed" => format!("{} messages were missed, since too many waited", header.number("number")),
        _ => String::new(),
    }
}

/// A JSON object with all fields, but for secrets.
pub(crate) fn json(header: &Header, parcel: &Parcel<'_>, saved: Option<&Path>, profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    let mut fields = public(header.fields());
    if let Some(name) = profile.name_of(header.from()) {
        fields.insert("from_name".to_owned(), Value::from(name));
    }
    if let Some(head) = &parcel.head {
        fields.insert("head".to_owned(), head.clone());
    }
    if let Some(name) = parcel.name() {
        fields.insert("name".to_owned(), Value::from(name));
    }
    match (saved, parcel.text()) {
        (None, _) if header.number("datalen") == 0 => {}
        (Some(path), _) => {
            fields.insert("file".to_owned(), Value::from(path.to_string_lossy()));
        }
        (None, Some(text)) => {
            fields.insert("text".to_owned(), Value::from(text));
        }
        (None, None) => return base64(&fields, parcel, out),
    }
    writeln!(out, "{}", Value::Object(fields))
}

/// Without what a device logs in with.
fn public(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields.clone();
    fields.remove("nodeid");
    fields
}

/// The data may be larger than the memory: it is encoded piece by piece.
fn base64(fields: &Map<String, Value>, parcel: &Parcel<'_>, out: &mut dyn Write) -> io::Result<()> {
    let object = Value::Object(fields.clone()).to_string();
    write!(out, "{},\"base64\":\"", &object[..object.len() - 1])?;
    let mut reader = parcel.reader()?;
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        reader.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        out.write_all(BASE64.encode(&piece).as_bytes())?;
    }
    writeln!(out, "\"}}")
}

/// The data and nothing else.
pub(crate) fn raw(parcel: &Parcel<'_>, out: &mut dyn Write) -> io::Result<()> {
    io::copy(&mut parcel.reader()?, out).map(drop)
}

/// Somebody who shows it comes or goes.
pub(crate) fn presence(header: &Header, profile: &Profile, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let mut fields = header.fields().clone();
        if let Some(name) = profile.name_of(header.from()) {
            fields.insert("from_name".to_owned(), Value::from(name));
        }
        return crate::out::json(&Value::Object(fields));
    }
    let state = if header.number("status") == 1 { "is here" } else { "has gone" };
    crate::out::line(format_args!("{} {state}", sender(header, profile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_printed() {
        let header =
            Header::parse(br#"{"datalen":0,"from":"U","id":"1","newnode":"x","nodeid":"SECRET","op":"user","posted":"T"}"#).unwrap();
        assert!(!Value::Object(public(header.fields())).to_string().contains("SECRET"));
        assert_eq!(news(&header), "new device x");
    }
}
