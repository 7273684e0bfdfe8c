//! A link that is logged in, and what its errors mean to a user.

use std::path::Path;
use std::time::Duration;

use mnm_client::{Account, Client, Error, LinkError, Options, Site, Trust, write_fingerprint};

use crate::Failure;
use crate::home::Place;
use crate::profile::{KeptTrust, Profile};

/// How long an ack may take before a new link is tried.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// What a link is wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To ask for something: what waits goes on waiting. The link of a `recv --follow` is used if one runs.
    Request,
    /// The same, where the answer comes as a message.
    AnswerByMessage,
    /// To take what waits; by a link of its own.
    Receive,
}

/// A profile's link.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) place: Place,
    pub(crate) profile: Profile,
    pub(crate) timeout: Duration,
}

impl Session {
    /// Connects and logs in, within the patience.
    pub(crate) fn open(place: &Place, purpose: Purpose, timeout: Duration, spool: Option<&Path>) -> Result<Session, Failure> {
        let profile = Profile::load(place)?;
        let site = profile.reach(place)?;
        let mut options = options(timeout);
        options.receives = matches!(purpose, Purpose::AnswerByMessage | Purpose::Receive);
        options.label = Some(profile.label.clone()).filter(|label| !label.is_empty());
        options.local = matches!(purpose, Purpose::Request | Purpose::AnswerByMessage).then(|| place.socket());
        if let Some(spool) = spool {
            spool.clone_into(&mut options.spool);
        }
        let mut client = Client::connect(&site, options).map_err(|e| failure(e, place, &site, timeout))?;
        client.login(&profile.account()).map_err(|e| failure(e, place, &site, timeout))?;
        Ok(Session { client, place: place.clone(), profile, timeout })
    }

    /// What an error of the client means here.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        match self.profile.reach(&self.place) {
            Ok(site) => failure(error, &self.place, &site, self.timeout),
            Err(failure) => failure,
        }
    }

    /// Refuses what the relay has not learnt, by the name that `tmtprev` gives it.
    pub(crate) fn needs(&self, feature: &str, what: &str) -> Result<(), Failure> {
        if self.client.has(feature) {
            return Ok(());
        }
        let site = &self.profile.site;
        Err(Failure::Refused(format!("the relay of {site} cannot {what}: it lacks the extension `{feature}`")))
    }

    /// The alias to speak under: the one that is named, or the oldest one.
    pub(crate) fn alias(&mut self, named: Option<&str>) -> Result<String, Failure> {
        if let Some(alias) = named.or(self.profile.aliases.first().map(String::as_str)) {
            return Ok(alias.to_owned());
        }
        let known = if self.client.has("ask") { self.client.ask("aliases", None).map_err(|e| self.failure(e))? } else { Vec::new() };
        let oldest = known.first().and_then(|entry| entry.get("alias")).and_then(serde_json::Value::as_str).map(str::to_owned);
        oldest.ok_or_else(|| {
            let name = &self.place.name;
            Failure::Usage(format!(
                "profile {name}: no alias is known under which to speak; name one with --from or --as, or `tmtp alias add NAME`"
            ))
        })
    }

    /// Says good-bye. All that was asked has been answered: that the relay does not answer this is no trouble.
    pub(crate) fn close(self) {
        let _ = self.client.quit();
    }
}

/// Connects for an account that is about to be made or kept. Without a trust that is given, the certificate met first is pinned;
/// it is met once before anything is said, so that all that is said goes to the one whose certificate is kept.
pub(crate) fn first_contact(
    place: &Place,
    site: Site,
    trust: Option<KeptTrust>,
    timeout: Duration,
) -> Result<(Client, Site, KeptTrust), Failure> {
    let site = match &trust {
        None => site.trusting(Trust::Any),
        Some(KeptTrust::System) => site.trusting(Trust::System),
        Some(KeptTrust::Authorities(path)) => {
            std::fs::File::open(path).map_err(|e| Failure::file(path, &e))?;
            site.trusting(Trust::Authorities(path.clone()))
        }
        Some(KeptTrust::Fingerprint(text)) => {
            let fingerprint = mnm_client::parse_fingerprint(text).map_err(|e| Failure::Usage(format!("--fingerprint: expected {e}")))?;
            site.trusting(Trust::Fingerprint(fingerprint))
        }
    };
    let client = Client::connect(&site, options(timeout)).map_err(|e| failure(e, place, &site, timeout))?;
    if let Some(trust) = trust {
        return Ok((client, site, trust));
    }
    let met = client.fingerprint().ok_or_else(|| Failure::Certificate(format!("{}: the relay shows no certificate", site.address)))?;
    let site = site.trusting(Trust::Fingerprint(met));
    let client = Client::connect(&site, options(timeout)).map_err(|e| failure(e, place, &site, timeout))?;
    Ok((client, site, KeptTrust::pin(&met)))
}

/// Logs in with an account that no profile has.
pub(crate) fn try_account(client: &mut Client, account: &Account, place: &Place, site: &Site, timeout: Duration) -> Result<(), Failure> {
    client.login(account).map(drop).map_err(|e| failure(e, place, site, timeout))
}

fn options(timeout: Duration) -> Options {
    // One-shot commands take nothing: with an answer beyond the patience a dead relay would be waited for too long.
    Options { patience: timeout, answer: ANSWER_MAX.min(timeout.max(Duration::from_secs(1))), receives: false, ..Options::default() }
}

/// Sorts an error of the client by what a user can do about it.
pub(crate) fn failure(error: Error, place: &Place, site: &Site, timeout: Duration) -> Failure {
    let (name, address) = (&place.name, &site.address);
    match error {
        Error::Refused(text) => Failure::Refused(format!("the relay refuses: {text}")),
        Error::Local(error) => Failure::Local(error.to_string()),
        Error::Usage(text) if matches!(site.trust, Trust::Authorities(_) | Trust::System) => Failure::Local(text),
        Error::Usage(text) => Failure::Usage(text),
        Error::Link(LinkError::Tls(tls)) if is_certificate(&tls.to_string()) => certificate(&tls.to_string(), place, site),
        Error::Link(LinkError::Quit(reason)) => match reason.as_str() {
            "login failed" | "corrupt base32 value" => Failure::Profile(format!(
                "profile {name}: login failed: {address} does not know this uid and device; was the device dropped, or is it another relay?"
            )),
            "account suspended" => {
                Failure::Profile(format!("profile {name}: account suspended; the relay's operator can say why, and lift it"))
            }
            "node dropped" => Failure::Profile(format!("profile {name}: this device has been dropped from its account")),
            "node already connected" => Failure::Unreachable(format!(
                "profile {name}: this device is connected elsewhere; end the other program (another `tmtp recv`?), or log that one in as a device of its own (`tmtp node add`)"
            )),
            _ => Failure::Refused(format!("the relay refuses: {reason}")),
        },
        Error::Link(error) if error.is_transient() => {
            let (told, tried) = (error.to_string(), timeout.as_secs_f64());
            // Some errors name the address themselves, or what it was resolved to.
            let what = if told.contains(address.as_str()) { told } else { format!("{address}: {told}") };
            Failure::Unreachable(format!("{what} (tried for {tried} s; is the relay running?)"))
        }
        Error::Link(error) => Failure::Unreachable(format!("{address}: {error}")),
    }
}

/// What all of rustls's errors about certificates begin with.
const CERTIFICATE: &str = "invalid peer certificate";
/// What a pinned certificate's refusal says before the fingerprint that was met.
const MET: &str = "its fingerprint is ";

fn is_certificate(text: &str) -> bool {
    text.starts_with(CERTIFICATE)
}

fn certificate(text: &str, place: &Place, site: &Site) -> Failure {
    let (name, address) = (&place.name, &site.address);
    let met = text.split_once(MET).map(|(_, rest)| rest.chars().take_while(|c| c.is_ascii_hexdigit() || *c == ':').collect::<String>());
    Failure::Certificate(match (&site.trust, met) {
        (Trust::Fingerprint(trusted), Some(met)) => format!(
            "{address}: another certificate than the one that profile {name} trusts: trusted is {}, met was {met}; if the relay's operator confirms the new one: tmtp login --repin {met}",
            write_fingerprint(trusted)
        ),
        _ => format!(
            "{address}: {text}; if the relay made its certificate itself, pin it with --fingerprint (for a profile that is there: tmtp login --repin FINGERPRINT)"
        ),
    })
}
