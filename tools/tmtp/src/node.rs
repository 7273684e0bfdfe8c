//! The account's devices.

use std::collections::HashSet;
use std::fs::File;
use std::time::{Duration, Instant};

use mnm_client::request::{self, UserChange};
use mnm_client::{Account, Message};
use serde_json::{Map, Value};

use crate::cli::{Json, Node};
use crate::group::{session_ask, text};
use crate::home::Place;
use crate::profile::{Profile, refuse_existing};
use crate::session::{Purpose, Session};
use crate::text::shown;
use crate::{Failure, out};

/// How long messages about older devices may take to show up. That they do not is no harm: those devices are of this account too.
const OLDER_MAX: Duration = Duration::from_millis(200);

pub(crate) fn node(place: &Place, timeout: Duration, order: &Node) -> Result<(), Failure> {
    match order {
        Node::List(Json { json }) => list(place, timeout, *json),
        Node::Add { label, save_as, show_secret: _ } => add(place, timeout, label, save_as.as_deref()),
        Node::Drop { node } => {
            let mut session = Session::open(place, Purpose::Request, timeout, None)?;
            session.needs("node", "drop a device")?;
            session.client.request(|out, id| request::user_edit(out, id, UserChange::DropNode(node))).map_err(|e| session.failure(e))?;
            session.close();
            Ok(())
        }
    }
}

fn list(place: &Place, timeout: Duration, as_json: bool) -> Result<(), Failure> {
    let nodes = session_ask(place, timeout, "nodes", None, "list devices")?;
    if as_json {
        return out::json(&Value::from(nodes.into_iter().map(Value::Object).collect::<Vec<_>>()));
    }
    let flag = |entry: &Map<String, Value>, key: &str| entry.get(key) == Some(&Value::Bool(true));
    let row = |entry: &Map<String, Value>| {
        let state = if flag(entry, "self") {
            "this one".to_owned()
        } else if flag(entry, "online") {
            "here".to_owned()
        } else {
            match text(entry, "seen") {
                "" => "never seen".to_owned(),
                seen => format!("seen {}", shown(seen)),
            }
        };
        vec![shown(text(entry, "node")), shown(text(entry, "label")), state]
    };
    out::table(&nodes.iter().map(row).collect::<Vec<_>>())
}

/// The place of the new profile is made before the device is: the relay tells the secret in a message that is acknowledged only
/// when it is kept, or printed.
fn add(place: &Place, timeout: Duration, label: &str, save_as: Option<&str>) -> Result<(), Failure> {
    let Some(name) = save_as else { return made(place, timeout, label, None) };
    let new = place.sibling(name)?;
    refuse_existing(&new)?;
    new.create()?;
    let locked = new.lock_to_change()?;
    let result = new.rehearse().and_then(|()| made(place, timeout, label, Some((&new, &locked))));
    drop(locked);
    if result.is_err() {
        new.abandon();
    }
    result
}

fn made(place: &Place, timeout: Duration, label: &str, new: Option<(&Place, &File)>) -> Result<(), Failure> {
    let mut session = Session::open(place, Purpose::AnswerByMessage, timeout, None)?;
    session.client.tend(OLDER_MAX).map_err(|e| session.failure(e))?;
    let mut older = HashSet::new();
    while let Some(message) = session.client.receive(Duration::ZERO).map_err(|e| session.failure(e))? {
        older.insert(message.header.id().to_owned());
    }
    session.client.request(|out, id| request::user_edit(out, id, UserChange::NewNode(label))).map_err(|e| session.failure(e))?;
    let message = told(&mut session, timeout, label, &older)?;
    let secret = message.header.text("nodeid");
    match new {
        Some((new, _locked)) => {
            let account = Account { uid: session.profile.uid.clone(), node: secret.to_owned() };
            let old = &session.profile;
            let mut profile = Profile::new(&old.address, old.trust.clone(), &old.site, account, label);
            profile.aliases.clone_from(&old.aliases);
            profile.contacts.clone_from(&old.contacts);
            profile.save_new(new)?;
            out::line(format_args!("device {} kept as profile {} in {}", shown(label), new.name, new.profile().display()))?;
        }
        None => {
            out::line(secret)?;
            out::note(format_args!(
                "whoever has this secret is this device; elsewhere: tmtp login {} --uid {}",
                session.profile.address, session.profile.uid
            ));
        }
    }
    session.client.ack(message.header.id());
    session.close();
    Ok(())
}

/// Waits for the message that tells a device's secret. All else goes on waiting at the relay.
fn told(session: &mut Session, timeout: Duration, label: &str, older: &HashSet<String>) -> Result<Message, Failure> {
    let until = Instant::now() + timeout.max(Duration::from_secs(1));
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let message = session.client.receive(left).map_err(|e| session.failure(e))?.ok_or_else(|| {
            Failure::Unreachable(format!(
                "the device was made, but its secret did not come within {} s; drop it (`tmtp node list`, `tmtp node drop N`) and try again",
                timeout.as_secs_f64()
            ))
        })?;
        let header = &message.header;
        let is_it = header.op() == "user" && header.text("newnode") == label && header.optional("nodeid").is_some();
        if is_it && !older.contains(header.id()) {
            return Ok(message);
        }
    }
}
