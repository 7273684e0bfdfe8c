//! Who may join, and under which names.

use serde_json::json;

use super::reader::{At, read_as_in_file};
use super::{Config, ConfigError, Listen, Remark, node};
use crate::limits::{NAME_MAX, NAME_MIN_CHARS, RESERVED_NAMES};

/// The words for who may register.
pub(super) const REGISTER: [(&str, Register); 3] = [("open", Register::Open), ("invite", Register::Invite), ("closed", Register::Closed)];

const LOOKALIKES: [(&str, Lookalikes); 3] = [("refuse", Lookalikes::Refuse), ("allow", Lookalikes::Allow), ("strict", Lookalikes::Strict)];

/// Reserved names that one site may list: each name that somebody wants is compared with all of them.
const RESERVED_MAX: usize = 10_000;

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Register {
    /// Whoever wants to.
    #[default]
    Open,
    /// Who has an invite code.
    Invite,
    /// Nobody.
    Closed,
}

/// What becomes of a name that looks like a taken one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lookalikes {
    /// It is refused; but names that differ only in Unicode composition, case or spaces are different, as the drafts have it.
    #[default]
    Refuse,
    /// It can be had.
    Allow,
    /// It is refused, those too.
    Strict,
}

/// The site's rules for names, besides the protocol's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Characters at least; [`NAME_MIN_CHARS`] to [`NAME_MAX`].
    pub min_chars: usize,
    /// Names that only administrators may have.
    pub reserved: Vec<String>,
    /// What looks like a taken one.
    pub lookalikes: Lookalikes,
}

impl Default for Names {
    fn default() -> Names {
        Names { min_chars: NAME_MIN_CHARS, reserved: RESERVED_NAMES.map(str::to_owned).to_vec(), lookalikes: Lookalikes::default() }
    }
}

impl Names {
    pub(super) fn read(at: &At<'_>) -> Result<Names, ConfigError> {
        let standard = Names::default();
        let mut fields = at.fields()?;
        let min_chars = fields.get("min_chars").map(|at| at.integer(NAME_MIN_CHARS as u64..=NAME_MAX as u64)).transpose()?;
        let reserved = fields.get("reserved").as_ref().map(reserved_names).transpose()?;
        let lookalikes = fields.get("lookalikes").map(|at| at.word(&LOOKALIKES)).transpose()?;
        fields.finish()?;
        Ok(Names {
            // The cast cannot cut: no name has more than 255 characters.
            min_chars: min_chars.map_or(standard.min_chars, |n| n as usize),
            reserved: reserved.unwrap_or(standard.reserved),
            lookalikes: lookalikes.unwrap_or(standard.lookalikes),
        })
    }

    /// What a file could not say is refused to a program too.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Names { min_chars, reserved, lookalikes: _ } = self;
        read_as_in_file("names", &json!({ "min_chars": min_chars, "reserved": reserved }), Names::read)
    }
}

fn reserved_names(at: &At<'_>) -> Result<Vec<String>, ConfigError> {
    let items = at.items()?;
    if items.len() > RESERVED_MAX {
        return Err(at.error(format_args!("lists {} names", items.len()), format!("expected at most {RESERVED_MAX}")));
    }
    items.iter().map(reserved_name).collect()
}

fn reserved_name(at: &At<'_>) -> Result<String, ConfigError> {
    let name = at.text("a name")?;
    // One that no member could ask for would reserve nothing, and the operator would not know.
    if name.len() > NAME_MAX || name.chars().any(char::is_control) {
        let cure = format!("expected 1 to {NAME_MAX} octets without control characters");
        return Err(at.error(format_args!("is {}", node::quote(name)), cure));
    }
    Ok(name.to_owned())
}

impl Config {
    /// What the operator of a site should know in which everybody may register, if strangers reach it.
    ///
    /// A host name is asked of the resolver, which may take seconds.
    pub fn open_to_strangers(&self) -> Option<Remark> {
        // Whoever registers there needs a third party's word.
        if self.auth_required {
            return None;
        }
        let listen = self.listen.iter().find(|listen| !is_loopback(listen))?;
        Some(Remark::warn(format!(
            "register is open, and {listen} is not loopback: anybody who reaches it may register; set \"register\" to \"invite\" or \
             \"closed\" (while the relay runs: mnm ctl register invite), or listen on 127.0.0.1"
        )))
    }
}

/// Whether only this machine reaches that address. What has no address cannot be listened on, which is told elsewhere.
fn is_loopback(listen: &Listen) -> bool {
    let local = |found: Vec<std::net::SocketAddr>| found.iter().all(|address| address.ip().to_canonical().is_loopback());
    listen.candidates().map_or(true, local)
}
