//! `mnm init`: from nothing to a site to which its first member can come.
//!
//! Decides what must be decided (`draft`), by flags, by questions on a terminal (`questions`), by what a configuration says that
//! is to be replaced, or by default. Then makes, in this order, the data directory, the certificate, an empty log and the first
//! invite code, each as a start or `mnm invite` makes it; the configuration is written last. So whatever fails, the same command can
//! be given again: what is there already is used as it is, and the configuration is there when all else is.
//!
//! Where a relay has the data directory already, as after the package was installed, it is asked for the code, and must be
//! started anew to take the configuration.

mod draft;
mod file;
mod owner;
mod questions;
mod report;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{OsEntropy, Wall};
use crate::certificate::{self, Certificate};
use crate::cli::{Expiry, Init, Order, Terms};
use crate::config::{Config, ConfigError, DataPlace, Overrides};
use crate::ctl::{self, Failure};
use crate::record::{Mode, Role};
use crate::server::control::{self, Reply, Request};
use crate::server::{self, RunError};
use crate::store::{self, Directory, Exchange, Options, StoreError};

use draft::Draft;
use owner::Owner;

/// How long the first code is good, as for `mnm invite`.
const CODE_LASTS: Duration = Duration::from_secs(30 * 86_400);

/// Whom the questions are put to.
pub struct Talk<'a> {
    /// Where answers come from.
    pub hear: &'a mut dyn BufRead,
    /// Where questions go.
    pub say: &'a mut dyn Write,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What to tell: what there is now, and what to do next.
    pub lines: Vec<String>,
    /// Why it was not done, and what was made before that.
    pub complaint: Option<String>,
    /// The exit status.
    pub status: u8,
}

/// A site that was made.
struct Site {
    draft: Draft,
    /// Where the configuration is kept that was replaced.
    backup: Option<PathBuf>,
    /// There was a log already.
    had_log: bool,
    /// A relay runs on this data.
    runs: bool,
    /// The addresses as client programs take them.
    addresses: Vec<String>,
    /// Others than this machine reach it.
    is_public: bool,
    certificate: Arc<Certificate>,
    /// What was asked for and answered, if the site takes codes.
    invite: Option<(Request, Reply)>,
}

/// Makes a site. `symbol` makes the QR symbol of the code, where one is wanted.
pub fn init(overrides: &Overrides, wishes: &Init, talk: Option<Talk<'_>>, symbol: Option<fn(&str) -> Vec<String>>, now: Wall) -> Done {
    let mut made = Vec::new();
    match make(overrides, wishes, talk, now, &mut made) {
        Ok(site) => {
            let lines = if wishes.json { vec![report::object(&site)] } else { report::lines(&site, symbol) };
            Done { lines, complaint: None, status: 0 }
        }
        Err(failure) => Done { lines: Vec::new(), complaint: Some(report::failure(&failure, &made)), status: failure.exit_status() },
    }
}

/// `made` tells what is there already if this fails.
fn make(overrides: &Overrides, wishes: &Init, talk: Option<Talk<'_>>, now: Wall, made: &mut Vec<String>) -> Result<Site, Failure> {
    let mut draft = Draft::new(overrides, wishes, now)?;
    if let Some(talk) = talk {
        questions::ask(&mut draft, talk, now)?;
    }
    let (text, config) = draft.settle()?;
    file::check(&draft.file)?;
    // As this user: who owns the data may not be able to read an operator's key before it is in the right group.
    let given = draft.certificate.as_ref().map(|paths| certificate::load(paths, now)).transpose()?;

    let owner = Owner::of(&config.data)?;
    let shown = config.data.display().to_string();
    // The certificate first: it makes the data directory, with the right mode.
    let at_hand = Config { data: owner.data().to_path_buf(), ..config.clone() };
    let certificate = match given {
        Some(given) => Arc::new(given),
        None => own_certificate(&at_hand, now)?,
    };
    made.push(format!("the data directory {shown}"));
    if certificate.made_now {
        made.push("a certificate in it".to_owned());
    }
    let runs = control::call(owner.data()).is_ok();
    let had_log = have_log(&at_hand)?;
    if !had_log {
        made.push("an empty log".to_owned());
    }
    let invite = if draft.register == Mode::Invite { Some(first_code(&at_hand, now)?) } else { None };
    if let Some((_, Reply::Code { code, .. })) = &invite {
        made.push(format!("the invite code {code}"));
    }
    drop(owner);
    let backup = file::write(&draft.file, &text)?;
    let addresses = config.listen.iter().map(|listen| certificate.client_address(listen, listen.port)).collect();
    let is_public = config.open_to_strangers().is_some();
    Ok(Site { draft, backup, had_log, runs, addresses, is_public, certificate, invite })
}

fn own_certificate(config: &Config, now: Wall) -> Result<Arc<Certificate>, Failure> {
    DataPlace::look(&config.data)?;
    let identities = certificate::open_all(config, now).map_err(RunError::from)?;
    Ok(identities.first().expect("there is an address").certificate.clone())
}

/// Makes an empty log where there is none; whether there was one.
fn have_log(config: &Config) -> Result<bool, Failure> {
    let look = || -> Result<bool, RunError> {
        Exchange::check_none(&config.data)?;
        let mut disk = Directory::open(&config.data)?;
        if store::glance(&mut disk)?.segments > 0 {
            return Ok(true);
        }
        let options = Options { segment_bytes: config.limits.segment_bytes };
        server::recover(disk, options, Box::new(OsEntropy))?;
        Ok(false)
    };
    match look() {
        // Who has the directory has a log, or makes one just now.
        Err(RunError::Store(StoreError::Locked { .. })) => Ok(true),
        looked => Ok(looked?),
    }
}

fn first_code(config: &Config, now: Wall) -> Result<(Request, Reply), Failure> {
    let terms = Terms { uses: 1, expires: Expiry::In(CODE_LASTS), role: Role::Full, groups: Vec::new(), no_qr: true };
    let request = ctl::order(Order::Invite(terms), now);
    match ctl::ask(config, &request)? {
        Reply::Refused { error } => {
            let cure = "make one with mnm invite once the relay runs";
            Err(ConfigError::about_file(&config.data, format!("there is no invite code ({error})"), cure).into())
        }
        reply => Ok((request, reply)),
    }
}
