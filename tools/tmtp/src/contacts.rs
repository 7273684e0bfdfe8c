//! Names of others: `who`, and what messages teach.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use mnm_client::Header;
use serde_json::json;

use crate::cli::{Json, Who};
use crate::home::Place;
use crate::profile::{Profile, keep};
use crate::session::{Purpose, Session};
use crate::text::{is_uid, shown};
use crate::{Failure, out};

/// The profile as a program sees it that runs for long, while others change it.
#[derive(Debug)]
pub(crate) struct Contacts {
    place: Place,
    profile: Profile,
    /// Which file was read: every change makes a new one.
    read: Option<(u64, i64, i64)>,
}

impl Contacts {
    pub(crate) fn new(place: &Place, profile: Profile) -> Contacts {
        Contacts { place: place.clone(), profile, read: None }
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Takes from a message what it says of names: an alias of its sender, or one of our own that has come or gone.
    pub(crate) fn learn(&mut self, header: &Header) {
        self.refresh();
        let (op, from) = (header.op().to_owned(), header.from().to_owned());
        if matches!(&op[..], "ping" | "invite") {
            let alias = header.text("alias").to_owned();
            if self.profile.learns(&alias, &from) {
                keep(&self.place, |profile| {
                    if profile.learns(&alias, &from) {
                        profile.contacts.insert(alias, from);
                    }
                });
            }
        } else if op == "user" && from == self.profile.uid {
            let (new, gone) = (header.optional("newalias").map(str::to_owned), header.optional("dropalias").map(str::to_owned));
            if new.is_some() || gone.is_some() {
                keep(&self.place, |profile| {
                    profile.aliases.retain(|alias| Some(alias) != gone.as_ref());
                    profile.aliases.extend(new.filter(|new| !profile.aliases.contains(new)));
                });
            }
        }
        self.refresh();
    }

    fn refresh(&mut self) {
        let found = fs::metadata(self.place.profile()).ok().map(|found| (found.ino(), found.mtime(), found.mtime_nsec()));
        if found.is_some() && found != self.read {
            // One that cannot be read any more is told of by the commands that need it.
            if let Ok(profile) = Profile::load(&self.place) {
                self.profile = profile;
            }
            self.read = found;
        }
    }
}

/// Lists, adds and drops contacts.
pub(crate) fn who(place: &Place, timeout: Duration, Json { json }: Json, order: Option<&Who>) -> Result<(), Failure> {
    match order {
        None => list(place, timeout, json),
        Some(Who::Add { name, uid }) => add(place, name, uid),
        Some(Who::Drop { name }) => {
            let mut known = true;
            Profile::change(place, |profile| known = profile.contacts.remove(name).is_some())?;
            if known { Ok(()) } else { Err(Failure::Usage(format!("{}: no contact has this name; `tmtp who` lists them", shown(name)))) }
        }
    }
}

fn add(place: &Place, name: &str, uid: &str) -> Result<(), Failure> {
    if !is_uid(uid) {
        return Err(Failure::Usage(format!("{}: a uid has 32 characters of %+123456789BCDFGHJKLMNPQRSTVWXYZ", shown(uid))));
    }
    if name.trim().is_empty() || name == "-" || is_uid(name) || name.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("{:?}: a contact's name is a text, and neither - nor like a uid", shown(name))));
    }
    Profile::change(place, |profile| drop(profile.contacts.insert(name.to_owned(), uid.to_owned()))).map(drop)
}

fn list(place: &Place, timeout: Duration, as_json: bool) -> Result<(), Failure> {
    let session = Session::open(place, Purpose::Request, timeout, None)?;
    let online: HashSet<String> = session.client.online().iter().cloned().collect();
    let profile = session.profile.clone();
    session.close();
    if as_json {
        let entries: Vec<_> =
            profile.contacts.iter().map(|(name, uid)| json!({"name": name, "uid": uid, "online": online.contains(uid)})).collect();
        return out::json(&json!(entries));
    }
    let state = |uid: &String| if online.contains(uid) { "here" } else { "" };
    let rows: Vec<Vec<String>> = profile.contacts.iter().map(|(name, uid)| vec![shown(name), uid.clone(), state(uid).to_owned()]).collect();
    out::table(&rows)
}
