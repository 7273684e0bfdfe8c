//! The account's own names.

use std::time::Duration;

use mnm_client::request::{self, UserChange};
use serde_json::{Map, Value};

use crate::cli::{Alias, Json};
use crate::group::{session_ask, text};
use crate::home::Place;
use crate::profile::keep;
use crate::session::{Purpose, Session};
use crate::text::shown;
use crate::{Failure, out};

pub(crate) fn alias(place: &Place, timeout: Duration, order: &Alias) -> Result<(), Failure> {
    match order {
        Alias::List(Json { json }) => list(place, timeout, *json),
        Alias::Add { name, uses, expires } => add(place, timeout, name, *uses, expires.as_deref()),
        Alias::Drop { name } => drop_alias(place, timeout, name),
    }
}

fn list(place: &Place, timeout: Duration, as_json: bool) -> Result<(), Failure> {
    let aliases = session_ask(place, timeout, "aliases", None, "list aliases")?;
    if as_json {
        return out::json(&Value::from(aliases.into_iter().map(Value::Object).collect::<Vec<_>>()));
    }
    let row = |entry: &Map<String, Value>| {
        let uses = entry.get("uses").map(|uses| format!("{uses} uses left")).unwrap_or_default();
        let until = if text(entry, "expires").is_empty() { String::new() } else { format!("until {}", shown(text(entry, "expires"))) };
        vec![shown(text(entry, "alias")), uses, until]
    };
    out::table(&aliases.iter().map(row).collect::<Vec<_>>())
}

fn add(place: &Place, timeout: Duration, name: &str, uses: Option<u64>, expires: Option<&str>) -> Result<(), Failure> {
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    if uses.is_some() || expires.is_some() {
        session.needs("alias", "limit how long an alias is good")?;
    }
    let change = UserChange::NewAlias { alias: name, uses, expires };
    session.client.request(|out, id| request::user_edit(out, id, change)).map_err(|e| session.failure(e))?;
    session.close();
    keep(place, |profile| {
        if !profile.aliases.iter().any(|known| known == name) {
            profile.aliases.push(name.to_owned());
        }
    });
    Ok(())
}

fn drop_alias(place: &Place, timeout: Duration, name: &str) -> Result<(), Failure> {
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    session.needs("alias", "give up an alias")?;
    session.client.request(|out, id| request::user_edit(out, id, UserChange::DropAlias(name))).map_err(|e| session.failure(e))?;
    session.close();
    keep(place, |profile| profile.aliases.retain(|known| known != name));
    Ok(())
}
