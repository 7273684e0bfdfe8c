//! One device of one member at one site, as it is kept between two commands.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use mnm_client::{Account, Site, Trust, parse_fingerprint, write_fingerprint};
use serde::{Deserialize, Serialize};

use crate::home::Place;
use crate::text::is_uid;
use crate::{Failure, out};

/// What is kept. Its `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) trust: KeptTrust,
    /// What the relay calls its site.
    pub(crate) site: String,
    pub(crate) uid: String,
    /// The device's secret.
    node: String,
    /// What the device is called.
    pub(crate) label: String,
    /// The member's own names, the oldest first.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    /// Names of others, and their uids.
    #[serde(default)]
    pub(crate) contacts: BTreeMap<String, String>,
}

/// By what the relay's certificate is judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeptTrust {
    /// SHA-256 of the one that is trusted, as the relay writes it.
    Fingerprint(String),
    /// A PEM file with the authorities that may have signed it.
    Authorities(PathBuf),
    /// The authorities that the system knows.
    System,
}

impl KeptTrust {
    pub(crate) fn pin(fingerprint: &mnm_client::Fingerprint) -> KeptTrust {
        KeptTrust::Fingerprint(write_fingerprint(fingerprint))
    }

    fn for_client(&self) -> Result<Trust, String> {
        Ok(match self {
            KeptTrust::Fingerprint(text) => Trust::Fingerprint(parse_fingerprint(text)?),
            KeptTrust::Authorities(path) => Trust::Authorities(path.clone()),
            KeptTrust::System => Trust::System,
        })
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("address", &self.address).field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl Profile {
    /// A new one, for an account that works.
    pub(crate) fn new(address: &str, trust: KeptTrust, site: &str, account: Account, label: &str) -> Profile {
        Profile {
            address: address.to_owned(),
            trust,
            site: site.to_owned(),
            uid: account.uid,
            node: account.node,
            label: label.to_owned(),
            aliases: Vec::new(),
            contacts: BTreeMap::new(),
        }
    }

    /// Reads it, unless others could have done so too.
    pub(crate) fn load(place: &Place) -> Result<Profile, Failure> {
        place.check_private()?;
        let (path, name) = (place.profile(), &place.name);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::Profile(format!(
                    "profile {name}: there is none ({} does not exist); make one with `tmtp register ADDR`, or `tmtp login ADDR --uid UID`",
                    path.display()
                )));
            }
            text => text.map_err(|e| Failure::file(&path, &e))?,
        };
        serde_json::from_str(&text).map_err(|e| Failure::Profile(format!("profile {name}: {} is damaged: {e}", path.display())))
    }

    /// Writes it for the first time; refuses if there is one.
    pub(crate) fn save_new(&self, place: &Place) -> Result<(), Failure> {
        refuse_existing(place)?;
        place.write(&place.profile(), &self.to_bytes())
    }

    /// Changes it as it is now, which may be other than as it was read: programs that run beside this one change it too.
    pub(crate) fn change(place: &Place, change: impl FnOnce(&mut Profile)) -> Result<Profile, Failure> {
        let _locked = place.lock_to_change()?;
        let old = Profile::load(place)?;
        let mut new = old.clone();
        change(&mut new);
        if new != old {
            place.write(&place.profile(), &new.to_bytes())?;
        }
        Ok(new)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut octets = serde_json::to_vec_pretty(self).expect("strings and maps of strings can be written as JSON");
        octets.push(b'\n');
        octets
    }

    /// What the device logs in with.
    pub(crate) fn account(&self) -> Account {
        Account { uid: self.uid.clone(), node: self.node.clone() }
    }

    /// Where the relay is.
    pub(crate) fn reach(&self, place: &Place) -> Result<Site, Failure> {
        let damaged = |why: String| Failure::Profile(format!("profile {}: {} is damaged: {why}", place.name, place.profile().display()));
        let site = Site::new(&self.address).map_err(|e| damaged(e.to_string()))?;
        Ok(site.trusting(self.trust.for_client().map_err(|e| damaged(format!("fingerprint: {e}")))?))
    }

    /// By which name somebody is known here.
    pub(crate) fn name_of(&self, uid: &str) -> Option<&str> {
        self.contacts.iter().find(|(_, known)| *known == uid).map(|(name, _)| name.as_str())
    }

    /// Whom a uid or a contact's name means.
    pub(crate) fn uid_of(&self, who: &str) -> Option<String> {
        if is_uid(who) {
            return Some(who.to_owned());
        }
        self.contacts.get(who).cloned()
    }

    /// Whether it would be news that this is somebody's name. A name that is taken stays whose it is: else whoever has an alias
    /// like the name that was given to somebody else would get that one's messages.
    pub(crate) fn learns(&self, name: &str, uid: &str) -> bool {
        !name.is_empty() && uid != self.uid && is_uid(uid) && !is_uid(name) && !self.contacts.contains_key(name)
    }
}

/// Refuses to write over an account: its secret is nowhere else.
pub(crate) fn refuse_existing(place: &Place) -> Result<(), Failure> {
    if place.profile().exists() {
        return Err(Failure::Profile(format!(
            "profile {}: it is there already ({}); take another name with --profile, or remove it if its account is not needed any more",
            place.name,
            place.profile().display()
        )));
    }
    Ok(())
}

/// Changes the profile for what is good to know but not essential: that it cannot be kept is a note, not a failure.
pub(crate) fn keep(place: &Place, change: impl FnOnce(&mut Profile)) {
    if let Err(error) = Profile::change(place, change) {
        out::note(format_args!("what was learnt cannot be kept: {error}"));
    }
}
