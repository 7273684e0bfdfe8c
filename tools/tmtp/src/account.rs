//! Accounts and profiles: `register`, `login`, `whoami`.

use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;
use std::time::Duration;

use mnm::base::Uid;
use mnm_client::{Account, LinkError, Registration, Site, Trust, write_fingerprint};
use serde_json::{Value, json};

use crate::cli::{Json, Login, Register, TrustArgs};
use crate::home::Place;
use crate::profile::{KeptTrust, Profile, refuse_existing};
use crate::session::{Purpose, Session, failure, first_contact, try_account};
use crate::text::shown;
use crate::{Failure, out};

/// The environment variable with the secret of a device that is put into a profile.
const NODE_VARIABLE: &str = "TMTP_NODE";
/// More is no secret of any relay.
const NODE_MAX: u64 = 256;

/// Makes an account and its profile. Everything that can fail on this machine is tried before the relay is asked: it tells the
/// secret once.
pub(crate) fn register(place: &Place, timeout: Duration, args: &Register) -> Result<(), Failure> {
    let site = address(&args.address)?;
    refuse_existing(place)?;
    place.create()?;
    let locked = place.lock_to_change()?;
    let made = register_in(place, timeout, args, site);
    drop(locked);
    if made.is_err() {
        place.abandon();
    }
    made
}

fn register_in(place: &Place, timeout: Duration, args: &Register, site: Site) -> Result<(), Failure> {
    refuse_existing(place)?;
    place.rehearse()?;
    let label = args.label.clone().unwrap_or_else(host_name);
    let (mut client, site, trust) = first_contact(place, site.clone(), wanted_trust(&args.trust, &site)?, timeout)?;
    let registration = Registration { label: &label, alias: args.alias.as_deref(), invite: args.invite.as_deref() };
    let registered = match client.register(&registration) {
        Ok(registered) => registered,
        Err(mnm_client::Error::Link(error)) if error.is_transient() && !matches!(error, LinkError::Quit(_)) => {
            return Err(Failure::Unreachable(format!(
                "{}: {error}; whether an account was made is not known, and if so nobody can use it; try again",
                site.address
            )));
        }
        Err(error) => return Err(failure(error, place, &site, timeout)),
    };
    let name = client.greeting().text("name").to_owned();
    let mut profile = Profile::new(&site.address, trust, &name, registered.account, &label);
    let refused = registered.error;
    // The error may be about the alias or about a group: only the relay knows whether the alias is ours.
    profile.aliases = if refused.is_none() { args.alias.iter().cloned().collect() } else { Vec::new() };
    profile.save_new(place)?;
    if refused.is_some()
        && client.has("ask")
        && let Ok(entries) = client.ask("aliases", None)
    {
        profile.aliases = texts(&entries, "alias");
        place.write(&place.profile(), &profile.to_bytes())?;
    }
    let fingerprint = client.fingerprint().map(|f| write_fingerprint(&f)).unwrap_or_default();
    let _ = client.quit();
    out::line(format_args!("registered at {} ({}) as {}", shown(&name), site.address, profile.uid))?;
    out::line(told_trust(&profile.trust, &fingerprint))?;
    out::line(format_args!("kept as profile {} in {}", place.name, place.profile().display()))?;
    match refused {
        None => Ok(()),
        Some(error) => Err(Failure::Refused(format!(
            "the account was made and is kept, but the relay refuses: {}; another name: tmtp alias add NAME",
            shown(&error)
        ))),
    }
}

/// Puts an account into a profile, or sees whether the profile's own can log in.
pub(crate) fn login(place: &Place, timeout: Duration, args: &Login) -> Result<(), Failure> {
    match (&args.address, &args.uid, &args.repin) {
        (Some(address), Some(uid), _) => adopt(place, timeout, args, address, uid),
        (_, _, Some(fingerprint)) => repin(place, timeout, fingerprint),
        _ => verify(place, timeout, &args.trust),
    }
}

fn adopt(place: &Place, timeout: Duration, args: &Login, at: &str, uid: &str) -> Result<(), Failure> {
    let site = address(at)?;
    if Uid::parse(uid).is_none() {
        return Err(Failure::Usage(format!("--uid {}: a uid has 32 characters of %+123456789BCDFGHJKLMNPQRSTVWXYZ", shown(uid))));
    }
    refuse_existing(place)?;
    let account = Account { uid: uid.to_owned(), node: node_secret()? };
    place.create()?;
    let locked = place.lock_to_change()?;
    let kept = keep_account(place, timeout, site, wanted_trust_of(args, at)?, account, args.label.as_deref());
    drop(locked);
    match kept {
        Ok((profile, fingerprint)) => tell(place, &profile, &fingerprint),
        Err(error) => {
            place.abandon();
            Err(error)
        }
    }
}

/// Logs in with an account and keeps it as a new profile.
fn keep_account(
    place: &Place,
    timeout: Duration,
    site: Site,
    trust: Option<KeptTrust>,
    account: Account,
    label: Option<&str>,
) -> Result<(Profile, String), Failure> {
    let (mut client, site, trust) = first_contact(place, site, trust, timeout)?;
    try_account(&mut client, &account, place, &site, timeout)?;
    let ask = |client: &mut mnm_client::Client, what: &str| -> Vec<_> {
        if client.has("ask") { client.ask(what, None).unwrap_or_default() } else { Vec::new() }
    };
    let nodes = ask(&mut client, "nodes");
    let own = nodes.iter().find(|entry| entry.get("self") == Some(&Value::Bool(true)));
    let label = label.or_else(|| own?.get("label")?.as_str()).unwrap_or("");
    let mut profile = Profile::new(&site.address, trust, client.greeting().text("name"), account, label);
    profile.aliases = texts(&ask(&mut client, "aliases"), "alias");
    profile.save_new(place)?;
    let fingerprint = client.fingerprint().map(|f| write_fingerprint(&f)).unwrap_or_default();
    let _ = client.quit();
    Ok((profile, fingerprint))
}

fn verify(place: &Place, timeout: Duration, trust: &TrustArgs) -> Result<(), Failure> {
    if trust.ca.is_some() || trust.fingerprint.is_some() {
        return Err(Failure::Usage("--ca and --fingerprint are for a new profile; for one that is there: --repin FINGERPRINT".to_owned()));
    }
    let session = Session::open(place, Purpose::Request, timeout, None)?;
    // None: a `tmtp recv` of this profile runs. That it is logged in is as good as a login.
    let fingerprint = session.client.fingerprint().map_or_else(|| "seen by another tmtp".to_owned(), |f| write_fingerprint(&f));
    let profile = session.profile.clone();
    session.close();
    tell(place, &profile, &fingerprint)
}

/// Trusts another certificate: one that is named, and not simply the one that is met, as the device's secret goes to who has it.
fn repin(place: &Place, timeout: Duration, fingerprint: &str) -> Result<(), Failure> {
    let profile = Profile::load(place)?;
    let parsed = mnm_client::parse_fingerprint(fingerprint).map_err(|e| Failure::Usage(format!("--repin: expected {e}")))?;
    let site = profile.reach(place)?.trusting(Trust::Fingerprint(parsed));
    let (mut client, site, trust) = first_contact(place, site, Some(KeptTrust::Fingerprint(fingerprint.to_owned())), timeout)?;
    try_account(&mut client, &profile.account(), place, &site, timeout)?;
    let _ = client.quit();
    let profile = Profile::change(place, |profile| profile.trust = trust)?;
    tell(place, &profile, fingerprint)
}

fn tell(place: &Place, profile: &Profile, fingerprint: &str) -> Result<(), Failure> {
    out::line(format_args!("profile {}: login at {} ({}) as {} works", place.name, shown(&profile.site), profile.address, profile.uid))?;
    out::line(told_trust(&profile.trust, fingerprint))
}

/// Who one is, as far as profile and relay know.
pub(crate) fn whoami(place: &Place, timeout: Duration, Json { json }: Json) -> Result<(), Failure> {
    let mut session = Session::open(place, Purpose::Request, timeout, None)?;
    let asks = session.client.has("ask");
    let mut ask = |what: &str| -> Result<Vec<serde_json::Map<String, Value>>, Failure> {
        if asks { session.client.ask(what, None).map_err(|e| session_failure(e, place, &session.profile, timeout)) } else { Ok(Vec::new()) }
    };
    let (account, aliases, queue, nodes) = (ask("account")?, ask("aliases")?, ask("queue")?, ask("nodes")?);
    let own = nodes.iter().find(|entry| entry.get("self") == Some(&Value::Bool(true))).and_then(|entry| entry.get("node"));
    let waits = queue.iter().find(|entry| own.is_some() && entry.get("node") == own);
    let profile = if asks {
        let aliases = texts(&aliases, "alias");
        Profile::change(place, |profile| profile.aliases.clone_from(&aliases))?
    } else {
        session.profile.clone()
    };
    let fingerprint = session.client.fingerprint().map(|f| write_fingerprint(&f));
    session.close();
    let role = account.first().and_then(|entry| entry.get("role")).cloned().unwrap_or(Value::Null);
    let admin = account.first().and_then(|entry| entry.get("admin")) == Some(&Value::Bool(true));
    let fingerprint = fingerprint.or_else(|| if let KeptTrust::Fingerprint(pinned) = &profile.trust { Some(pinned.clone()) } else { None });
    if json {
        return out::json(&json!({
            "profile": place.name, "site": profile.site, "address": profile.address, "fingerprint": fingerprint, "trust": profile.trust,
            "uid": profile.uid, "role": role, "admin": admin, "label": profile.label, "aliases": profile.aliases,
            "waiting": waits.map(|entry| json!({"count": entry.get("count"), "bytes": entry.get("bytes"), "oldest": entry.get("oldest")})),
        }));
    }
    let role = format!("{}{}", role.as_str().unwrap_or("not told by this relay"), if admin { ", administrator" } else { "" });
    let waiting = match waits {
        None => "not told by this relay".to_owned(),
        Some(entry) => {
            let number = |key: &str| entry.get(key).and_then(Value::as_u64).unwrap_or(0);
            format!("{} messages, {} octets", number("count"), number("bytes"))
        }
    };
    let aliases: Vec<String> = profile.aliases.iter().map(|alias| shown(alias)).collect();
    let aliases = if aliases.is_empty() { "none".to_owned() } else { aliases.join(", ") };
    let fingerprint = fingerprint.unwrap_or_else(|| "not seen: the link is another tmtp's".to_owned());
    out::table(
        &[
            ("profile", place.name.clone()),
            ("site", shown(&profile.site)),
            ("address", profile.address.clone()),
            ("fingerprint", fingerprint),
            ("uid", profile.uid.clone()),
            ("device", shown(&profile.label)),
            ("role", role),
            ("aliases", aliases),
            ("waiting", waiting),
        ]
        .map(|(key, value)| vec![key.to_owned(), value]),
    )
}

fn session_failure(error: mnm_client::Error, place: &Place, profile: &Profile, timeout: Duration) -> Failure {
    match profile.reach(place) {
        Ok(site) => failure(error, place, &site, timeout),
        Err(failure) => failure,
    }
}

fn told_trust(trust: &KeptTrust, fingerprint: &str) -> String {
    match trust {
        KeptTrust::Fingerprint(pinned) => format!("certificate pinned, SHA-256 {pinned}"),
        KeptTrust::Authorities(path) => format!("certificate signed as {} asks, SHA-256 {fingerprint}", path.display()),
        KeptTrust::System => format!("certificate signed by an authority that this system knows, SHA-256 {fingerprint}"),
    }
}

/// The strings of one column of an answer.
pub(crate) fn texts(entries: &[serde_json::Map<String, Value>], key: &str) -> Vec<String> {
    entries.iter().filter_map(|entry| entry.get(key)?.as_str().map(str::to_owned)).collect()
}

fn address(text: &str) -> Result<Site, Failure> {
    Site::new(text).map_err(|e| Failure::Usage(e.to_string()))
}

fn wanted_trust_of(args: &Login, at: &str) -> Result<Option<KeptTrust>, Failure> {
    wanted_trust(&args.trust, &address(at)?)
}

/// By what the certificate shall be judged; `None`: the one met first is pinned.
fn wanted_trust(args: &TrustArgs, site: &Site) -> Result<Option<KeptTrust>, Failure> {
    if let Some(fingerprint) = &args.fingerprint {
        return Ok(Some(KeptTrust::Fingerprint(fingerprint.clone())));
    }
    match &args.ca {
        Some(path) if path == Path::new("system") => Ok(Some(KeptTrust::System)),
        // The profile is used from other directories too.
        Some(path) => Ok(Some(KeptTrust::Authorities(std::path::absolute(path).map_err(|e| Failure::file(path, &e))?))),
        None => Ok((site.trust == Trust::System).then_some(KeptTrust::System)),
    }
}

/// The secret of a device: never from the command line, which every user of the machine can read.
fn node_secret() -> Result<String, Failure> {
    if let Some(secret) = std::env::var(NODE_VARIABLE).ok().filter(|secret| !secret.trim().is_empty()) {
        return Ok(secret.trim().to_owned());
    }
    let input = io::stdin();
    if input.is_terminal() {
        out::note("the device's secret, please, and Enter:");
    }
    let mut line = String::new();
    input.lock().take(NODE_MAX).read_line(&mut line).map_err(|e| Failure::Local(format!("standard input: {e}")))?;
    match line.trim() {
        "" => Err(Failure::Usage(format!("no secret came: put it into the environment as {NODE_VARIABLE}, or into standard input"))),
        secret => Ok(secret.to_owned()),
    }
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "tmtp".to_owned() } else { name }
}
