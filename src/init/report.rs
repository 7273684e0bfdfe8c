//! What `mnm init` tells: what there is now, and what to do next.

use std::path::Path;

use serde_json::json;

use super::Site;
use super::draft::is_system;
use crate::certificate::OWN_CHAIN;
use crate::config::DEFAULT_FILE;
use crate::ctl::{self, Failure};
use crate::record::Mode;
use crate::server::control::Reply;

/// There where systemd is the first process.
const SYSTEMD: &str = "/run/systemd/system";

/// For a person.
pub(super) fn lines(site: &Site, symbol: Option<fn(&str) -> Vec<String>>) -> Vec<String> {
    let draft = &site.draft;
    let mut lines = vec![match &site.backup {
        Some(backup) => format!("{}: written; what it replaces is kept as {}", draft.file.display(), backup.display()),
        None => format!("{}: written", draft.file.display()),
    }];
    let log = if site.had_log { "and the log that was there" } else { "and an empty log" };
    let certificate = &site.certificate;
    let made = if certificate.made_now { ", made just now" } else { "" };
    let kind = if certificate.self_signed { "self-signed" } else { "issued by an authority" };
    lines.push(format!("{}: the data directory, {log}", draft.data.display()));
    lines.push(format!("the certificate is {kind}{made}, good until {}", certificate.not_after.date()));
    lines.extend(draft.notes.iter().map(|note| format!("note: {note}")));

    lines.extend([String::new(), format!("The site {:?}, register: {}", draft.name, draft.register.word())]);
    lines.extend(site.addresses.iter().map(|address| format!("  address       {}", shown(address))));
    lines.push(format!("  certificate   {}", certificate.fingerprint_text()));
    if let Some((request, reply)) = &site.invite {
        let mut told = ctl::lines(request, reply, symbol).into_iter();
        lines.extend(told.next().map(|code| format!("  invite code   {code}")));
        lines.extend(told);
    }

    lines.extend([String::new(), "Start the relay:".to_owned(), format!("  {}", start(site))]);
    if site.runs && !is_system(&draft.file) {
        lines.push("  (the one that runs on this data must be stopped before)".to_owned());
    }
    match draft.register {
        Mode::Invite | Mode::Open => lines.extend(["A member registers with:".to_owned(), format!("  {}", register(site))]),
        Mode::Closed => lines.push("Nobody can register until that is changed (mnm ctl register).".to_owned()),
    }
    if certificate.self_signed && site.is_public {
        lines.push(
            "The certificate is self-signed, so members must compare the fingerprint that they are shown with the one above, told them \
             by somebody whom they know; or give it to tmtp with --fingerprint."
                .to_owned(),
        );
    }
    if draft.register == Mode::Invite {
        lines.extend(["Another code, for one more member or for many (--uses N):".to_owned(), format!("  {}", invite(&draft.file))]);
    }
    lines
}

/// For a program.
pub(super) fn object(site: &Site) -> String {
    let draft = &site.draft;
    // By its whole path: root may have been in the data directory while it was opened.
    let own = || draft.data.join(OWN_CHAIN);
    let certificate = draft.certificate.as_ref().map_or_else(own, |paths| paths.chain.clone());
    let octets: Vec<String> = site.certificate.fingerprint.iter().map(|octet| format!("{octet:02X}")).collect();
    json!({
        "config": draft.file,
        "backup": site.backup,
        "data": draft.data,
        "name": draft.name,
        "register": draft.register.word(),
        "addresses": site.addresses,
        "certificate": certificate,
        "self_signed": site.certificate.self_signed,
        "fingerprint": octets.join(":"),
        "invite": site.invite.as_ref().map(|(_, reply)| reply),
        "runs": site.runs,
        "start": start(site),
        "notes": draft.notes,
    })
    .to_string()
}

/// Why it was not done, and what is there though.
pub(super) fn failure(failure: &Failure, made: &[String]) -> String {
    if made.is_empty() {
        return format!("{failure}. Nothing was written");
    }
    format!(
        "{failure}. There is now {}, but no new configuration; put right what is wrong and repeat the command, which uses what is there",
        made.join(", ")
    )
}

/// With port 0 the system chooses at each start.
fn shown(address: &str) -> String {
    match address.ends_with(":0") {
        true => format!("{address} (the relay tells its port when it starts)"),
        false => address.to_owned(),
    }
}

fn register(site: &Site) -> String {
    let address = site.addresses.first().map_or("", String::as_str);
    let code = match &site.invite {
        Some((_, Reply::Code { code, .. })) => format!(" --invite {code}"),
        _ => String::new(),
    };
    format!("tmtp register {address}{code} --alias \"a name of 8 characters or more\"")
}

fn start(site: &Site) -> String {
    let file = &site.draft.file;
    if is_system(file) && Path::new(SYSTEMD).is_dir() {
        return "systemctl restart mnm".to_owned();
    }
    format!("mnm{}", config_flag(file))
}

fn invite(file: &Path) -> String {
    format!("mnm invite{}", config_flag(file))
}

/// Nothing where the file is found without it.
fn config_flag(file: &Path) -> String {
    let found = is_system(file) || file == Path::new(DEFAULT_FILE);
    if found { String::new() } else { format!(" --config {}", file.display()) }
}
