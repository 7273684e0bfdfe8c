//! Third-party authentication (OIDC): what clients are told, and what tokens are checked against.
//!
//! Only read here. Whether a token is good is not the configuration's to say, and no key is fetched.

use serde_json::json;

use super::reader::{At, read_as_in_file};
use super::{ConfigError, Remark};
use crate::limits::{HEADER_MAX, NAME_MAX};

/// What the tmtprev reply may spend on `authby`: the rest is for the site's name, escaped six-fold, and the other keys.
const AUTHBY_BYTES_MAX: usize = HEADER_MAX - NAME_MAX * 6 - 1024;

/// One service that vouches for members. `label`, `login` and `token` go to clients as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthBy {
    /// What a client program shows on the button.
    pub label: String,
    /// Where a browser is sent to log in: address and parameters.
    pub login: [String; 2],
    /// Where a client exchanges the code for a token: address and parameters.
    pub token: [String; 2],
    /// Where the service's public keys are found.
    pub keys: Option<String>,
    /// The issuer that a token must name.
    pub iss: Option<String>,
    /// The audience that a token must name.
    pub aud: Option<String>,
}

impl AuthBy {
    /// What clients are told of the service.
    pub fn greeting(&self) -> serde_json::Value {
        json!({ "label": self.label, "login": self.login, "token": self.token })
    }

    pub(super) fn read_all(at: &At<'_>) -> Result<Vec<AuthBy>, ConfigError> {
        let all = at.items()?.iter().map(AuthBy::read).collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = all.iter().map(AuthBy::greeting_bytes).sum();
        if bytes > AUTHBY_BYTES_MAX {
            let trouble = format!("takes {bytes} octets of the greeting that each client gets");
            return Err(at.error(trouble, format!("expected at most {AUTHBY_BYTES_MAX}")));
        }
        Ok(all)
    }

    /// What a file could not say is refused to a program too: a greeting must fit its frame.
    pub(super) fn check(all: &[AuthBy]) -> Result<(), ConfigError> {
        let told =
            |by: &AuthBy| json!({ "label": by.label, "login": by.login, "token": by.token, "keys": by.keys, "iss": by.iss, "aud": by.aud });
        read_as_in_file("authby", &all.iter().map(told).collect(), AuthBy::read_all)
    }

    fn read(at: &At<'_>) -> Result<AuthBy, ConfigError> {
        let mut fields = at.fields()?;
        let label = fields.get("label").map(|at| at.text("the service's name")).transpose()?;
        let login = fields.get("login").as_ref().map(address_and_parameters).transpose()?;
        let token = fields.get("token").as_ref().map(address_and_parameters).transpose()?;
        let mut optional = |name, what| fields.get(name).map(|at| at.any_text(what)).transpose();
        let keys = optional("keys", "the address of the service's keys")?;
        let iss = optional("iss", "the issuer")?;
        let aud = optional("aud", "the audience")?;
        fields.finish()?;

        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_string);
        let lacking = |name: &str| at.error(format_args!("lacks {name}"), "expected label, login and token");
        Ok(AuthBy {
            label: label.ok_or_else(|| lacking("label"))?.to_string(),
            login: login.ok_or_else(|| lacking("login"))?,
            token: token.ok_or_else(|| lacking("token"))?,
            keys: owned(keys),
            iss: owned(iss),
            aud: owned(aud),
        })
    }

    /// Octets of this entry in a header, braces, keys and escapes included.
    fn greeting_bytes(&self) -> usize {
        let texts = [&self.label, &self.login[0], &self.login[1], &self.token[0], &self.token[1]];
        64 + texts.iter().map(|text| escaped_bytes(text)).sum::<usize>()
    }

    /// What an operator who requires authentication should know about the services named.
    pub(super) fn remarks(required: bool, all: &[AuthBy]) -> Vec<Remark> {
        if !required {
            return Vec::new();
        }
        if all.is_empty() {
            return vec![Remark::warn("auth is required but authby names no service: nobody can register; name one, or set auth to false")];
        }
        let incomplete = |by: &&AuthBy| by.keys.is_none() || by.iss.is_none() || by.aud.is_none();
        let sentence = |by: &AuthBy| {
            format!("authby {:?} lacks keys, iss or aud: its tokens cannot be checked and are refused; give all three", by.label)
        };
        all.iter().filter(incomplete).map(|by| Remark::warn(sentence(by))).collect()
    }
}

fn address_and_parameters(at: &At<'_>) -> Result<[String; 2], ConfigError> {
    let items = at.items()?;
    let [address, parameters] = items.as_slice() else {
        return Err(at.error(format_args!("has {} items", items.len()), "expected two texts, [address, parameters]"));
    };
    Ok([address.text("an address")?.to_string(), parameters.any_text("parameters")?.to_string()])
}

/// Octets of a text in canonical JSON, without its quotes.
fn escaped_bytes(text: &str) -> usize {
    let one = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    };
    text.chars().map(one).sum()
}
