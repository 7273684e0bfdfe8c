//! Groups: `invite`, `join`, `leave`, and what `group` does.

use std::time::Duration;

use mnm_client::request::{self, GroupChange};
use serde_json::{Map, Value};

use crate::cli::{Group, Json, Speak};
use crate::home::Place;
use crate::ping::check_text;
use crate::send::tell;
use crate::session::{Purpose, Session};
use crate::text::shown;
use crate::{Failure, out};

/// Invites somebody, and makes the group if there is none of this name.
pub(crate) fn invite(place: &Place, timeout: Duration, gid: &str, to: &str, text: &str, speak: &Speak) -> Result<(), Failure> {
    check_text(text)?;
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    let from = session.alias(speak.from.as_deref())?;
    let write = |out: &mut Vec<u8>, id: &str| {
        request::group_invite(out, id, gid, &from, to, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    };
    let ack = session.client.request(write).map_err(|e| session.failure(e))?;
    session.close();
    tell(&ack, speak.json.json)
}

pub(crate) fn join(place: &Place, timeout: Duration, gid: &str, alias: Option<&str>) -> Result<(), Failure> {
    change(place, timeout, gid, GroupChange::Join(alias), None)
}

/// A group knows its members by aliases, so the one to leave must be found out.
pub(crate) fn leave(place: &Place, timeout: Duration, gid: &str, alias: Option<&str>) -> Result<(), Failure> {
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    let alias = match alias {
        Some(alias) => alias.to_owned(),
        None if session.client.has("ask") => {
            let groups = session.client.ask("groups", None).map_err(|e| session.failure(e))?;
            let own = groups.iter().find(|entry| text(entry, "gid") == gid).map(|entry| text(entry, "alias").to_owned());
            own.ok_or_else(|| Failure::Refused(format!("{}: not a group of this member; `tmtp group list` lists those", shown(gid))))?
        }
        None => session.alias(None)?,
    };
    let write = |out: &mut Vec<u8>, id: &str| request::group_edit(out, id, gid, GroupChange::Drop(&alias));
    session.client.request(write).map_err(|e| session.failure(e))?;
    session.close();
    Ok(())
}

pub(crate) fn group(place: &Place, timeout: Duration, order: &Group) -> Result<(), Failure> {
    match order {
        Group::List(Json { json }) => list(place, timeout, *json),
        Group::Show { gid, json } => show(place, timeout, gid, json.json),
        Group::Drop { gid, alias } => change(place, timeout, gid, GroupChange::Drop(alias), None),
        Group::Set { gid, invite, post, roster } => {
            if invite.is_none() && post.is_none() && roster.is_none() {
                return Err(Failure::Usage("nothing to set: name --invite, --post or --roster".to_owned()));
            }
            let rules = GroupChange::Set { invite: invite.as_deref(), post: post.as_deref(), roster: roster.as_deref() };
            change(place, timeout, gid, rules, Some("set rules of groups"))
        }
        Group::Moderator { gid, alias, off } => {
            let role = if *off { "member" } else { "moderator" };
            change(place, timeout, gid, GroupChange::Moderator(alias, role), Some("change moderators of groups"))
        }
    }
}

/// `extension`: what the relay must have learnt beyond the drafts.
fn change(place: &Place, timeout: Duration, gid: &str, change: GroupChange<'_>, extension: Option<&str>) -> Result<(), Failure> {
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    if let Some(what) = extension {
        session.needs("group", what)?;
    }
    session.client.request(|out, id| request::group_edit(out, id, gid, change)).map_err(|e| session.failure(e))?;
    session.close();
    Ok(())
}

fn list(place: &Place, timeout: Duration, as_json: bool) -> Result<(), Failure> {
    let groups = session_ask(place, timeout, "groups", None, "list groups")?;
    if as_json {
        return out::json(&Value::from(groups.into_iter().map(Value::Object).collect::<Vec<_>>()));
    }
    let row = |entry: &Map<String, Value>| {
        let rules = ["invite", "post", "roster"].map(|key| format!("{key} {}", shown(text(entry, key))));
        vec![shown(text(entry, "gid")), standing(entry), format!("as {}", shown(text(entry, "alias"))), rules.join(", ")]
    };
    out::table(&groups.iter().map(row).collect::<Vec<_>>())
}

fn show(place: &Place, timeout: Duration, gid: &str, as_json: bool) -> Result<(), Failure> {
    let roster = session_ask(place, timeout, "roster", Some(gid), "tell who is in a group")?;
    if as_json {
        return out::json(&Value::from(roster.into_iter().map(Value::Object).collect::<Vec<_>>()));
    }
    out::table(&roster.iter().map(|entry| vec![shown(text(entry, "alias")), standing(entry)]).collect::<Vec<_>>())
}

fn standing(entry: &Map<String, Value>) -> String {
    let moderates = if entry.get("moderator") == Some(&Value::Bool(true)) { ", moderator" } else { "" };
    format!("{}{moderates}", shown(text(entry, "standing")))
}

/// One question to the relay, where it can be asked. `what_for` completes "the relay cannot".
pub(crate) fn session_ask(
    place: &Place,
    timeout: Duration,
    what: &str,
    gid: Option<&str>,
    what_for: &str,
) -> Result<Vec<Map<String, Value>>, Failure> {
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    session.needs("ask", what_for)?;
    let found = session.client.ask(what, gid).map_err(|e| session.failure(e))?;
    session.close();
    Ok(found)
}

/// A string of an entry; empty if it is not there.
pub(crate) fn text<'a>(entry: &'a Map<String, Value>, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or("")
}
