//! Changes while the relay runs: the configuration when the operator says so, certificates when their files change.
//!
//! All or nothing: everything of a new configuration is checked, certificates included, before any of it holds. What cannot change while
//! the relay runs (where it listens, where its data is) stays as it was, and the answer says so.
//!
//! A certificate is renewed in two files that are not replaced at one moment: a pair that does not fit together is tried again at the next
//! look, and complained of if it is still the same then. Until it is good the old one is shown. Links that are there keep what they have.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::confinement::Confinement;
use super::door::{Door, Way};
use super::run::{Again, Tcp, request_limits};
use super::settings;
use crate::base::Mono;
use crate::certificate::{self, Certificate, Identity, OpenError};
use crate::config::{CertificatePaths, Config, Difference};
use crate::limits::CERTIFICATE_LOOK;
use crate::net::TlsConfig;
use crate::relay::Now;

/// What a reload has done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Changes {
    /// What holds now that did not before, `key: old -> new`.
    pub changed: Vec<String>,
    /// What differs and will hold after a restart.
    pub restart: Vec<String>,
}

impl Changes {
    /// For people.
    pub fn in_words(&self) -> String {
        let told = |words: &str, list: &[String]| (!list.is_empty()).then(|| format!("{words} {}", list.join("; ")));
        let both = [told("changed", &self.changed), told("to be changed by a restart", &self.restart)];
        let both: Vec<String> = both.into_iter().flatten().collect();
        if both.is_empty() { "nothing has changed".to_owned() } else { both.join("; ") }
    }
}

/// What a file was like when it was read.
pub(super) type Stamp = (u64, i64, i64, u64);

/// A certificate, and how it is shown.
type Shown = (Arc<Certificate>, TlsConfig);

/// What the files of certificates were like, before they were read.
pub(super) type Stamps = BTreeMap<CertificatePaths, Option<[Stamp; 2]>>;

/// What is known of the files of one certificate.
#[derive(Clone, Debug)]
struct Looked {
    /// As they were when what is shown was read.
    shown: Option<[Stamp; 2]>,
    /// As they were at a look at which they were no good, and whether that was told.
    bad: Option<(Option<[Stamp; 2]>, bool)>,
}

/// Who takes changes.
pub(super) struct Reloader<'a> {
    again: Again<'a>,
    /// What holds.
    config: Config,
    /// For each listener the entry of the configuration that it belongs to.
    entries: Vec<usize>,
    /// What each entry shows.
    shown: Vec<Shown>,
    files: BTreeMap<CertificatePaths, Looked>,
    confinement: Confinement,
    look_at: Mono,
}

impl<'a> Reloader<'a> {
    pub(super) fn new(
        config: &Config,
        again: Again<'a>,
        entries: Vec<usize>,
        (identities, stamps): (&[Identity], Stamps),
        confinement: Confinement,
        now: Now,
    ) -> Reloader<'a> {
        let look_at = now.mono.plus(CERTIFICATE_LOOK);
        let mut reloader =
            Reloader { again, config: config.clone(), entries, shown: Vec::new(), files: BTreeMap::new(), confinement, look_at };
        reloader.take(identities, stamps);
        reloader
    }

    /// What holds.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The way in for each listener.
    pub(super) fn ways(&self) -> Vec<Way> {
        let way = |&entry: &usize| if self.config.listen[entry].tls { Way::Tls(self.shown[entry].1.clone()) } else { Way::Plain };
        self.entries.iter().map(way).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        (!self.files.is_empty()).then_some(self.look_at)
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        !self.files.is_empty() && self.look_at <= now.mono
    }

    /// Reads the configuration again and has it hold.
    ///
    /// # Errors
    /// A sentence; then nothing has changed.
    pub(super) fn reload(&mut self, server: &mut Tcp, door: &mut Door, now: Now) -> Result<Changes, String> {
        let newer = (self.again)().map_err(|error| error.to_string())?;
        let (live, restart): (Vec<Difference>, Vec<Difference>) =
            self.config.differences(&newer).into_iter().partition(|difference| difference.live);
        let next = self.without_restart(newer);
        let stamps = stamps_of(&next);
        let identities = certificate::open_all(&next, now.wall).map_err(|error| self.explain(&error))?;
        for remark in next.remarks.iter().chain(&certificate::remarks(&next, &identities)) {
            log::log!(remark.level, "{remark}");
        }
        log::set_max_level(next.log);
        server.configure(settings(&next), request_limits(&next));
        let renewed = self.renewed(&identities);
        self.config = next;
        self.take(&identities, stamps);
        door.change(self.ways(), self.config.limits);
        let told = |difference: &Difference| format!("{}: {} -> {}", difference.key, difference.from, difference.to);
        let changed = live.iter().map(told).chain(renewed).collect();
        Ok(Changes { changed, restart: restart.iter().map(told).collect() })
    }

    /// The newer configuration with what cannot change as it is. Of its certificates those count that are for addresses which are there.
    fn without_restart(&self, newer: Config) -> Config {
        let mut listen = self.config.listen.clone();
        for entry in &mut listen {
            if let Some(other) = newer.listen.iter().find(|other| other.address() == entry.address()) {
                entry.certificate = other.certificate.clone();
            }
        }
        let mut limits = newer.limits;
        limits.segment_bytes = self.config.limits.segment_bytes;
        Config {
            listen,
            limits,
            data: self.config.data.clone(),
            log_format: self.config.log_format,
            metrics: self.config.metrics.clone(),
            ..newer
        }
    }

    /// Certificates whose files are the same as before by name, and other ones by content.
    fn renewed(&self, identities: &[Identity]) -> Vec<String> {
        let of = |identity: &Identity| {
            let certificate = &identity.certificate;
            let before = self.shown.iter().find(|(known, _)| known.paths == certificate.paths)?;
            let (until, print) = (certificate.not_after.date(), certificate.fingerprint_text());
            let line = || format!("{}: renewed, good until {until}, fingerprint {print}", certificate.paths.chain.display());
            (before.0.chain != certificate.chain).then(line)
        };
        let mut lines: Vec<String> = identities.iter().filter_map(of).collect();
        lines.dedup();
        lines
    }

    /// Looks whether certificates were renewed; the ways in if any was, and is good.
    pub(super) fn look_at_certificates(&mut self, now: Now) -> Option<Vec<Way>> {
        self.look_at = now.mono.plus(CERTIFICATE_LOOK);
        let wants_a_look = |(paths, looked): (&CertificatePaths, &Looked)| {
            let now = stamps(paths);
            looked.wants_a_look(&now).then(|| (paths.clone(), now))
        };
        let changed: Vec<(CertificatePaths, Option<[Stamp; 2]>)> = self.files.iter().filter_map(wants_a_look).collect();
        if changed.is_empty() {
            return None;
        }
        let before = stamps_of(&self.config);
        match certificate::open_all(&self.config, now.wall) {
            Ok(identities) => {
                self.renewed(&identities).iter().for_each(|line| log::info!("certificate {line}"));
                for remark in certificate::remarks(&self.config, &identities) {
                    log::log!(remark.level, "{remark}");
                }
                self.take(&identities, before);
                Some(self.ways())
            }
            Err(error) => {
                let sentence = self.explain(&error);
                for (paths, now) in changed {
                    self.files.entry(paths).and_modify(|looked| looked.note_bad(now, &sentence));
                }
                None
            }
        }
    }

    /// From now on these are shown. A certificate that is the same as before goes on as it was, or its tickets would be good no more.
    /// `stamps` is what the files were like before they were read: what has changed since is seen at the next look.
    fn take(&mut self, identities: &[Identity], stamps: Stamps) {
        let before = std::mem::take(&mut self.shown);
        let shown = |identity: &Identity| {
            // All of it: an intermediate that was wanting makes a difference.
            let same = before.iter().find(|(known, _)| known.chain == identity.certificate.chain);
            (identity.certificate.clone(), same.map_or_else(|| identity.tls.clone(), |(_, tls)| tls.clone()))
        };
        self.shown = identities.iter().map(shown).collect();
        self.files = stamps.into_iter().map(|(paths, shown)| (paths, Looked { shown, bad: None })).collect();
    }

    /// Where the system keeps the relay from reading a file that is elsewhere than the ones it was started with, it says so.
    fn explain(&self, error: &OpenError) -> String {
        let hint = if self.confinement.is_in_force() {
            " (a file in a directory that the configuration did not name at the start can be read after a restart only)"
        } else {
            ""
        };
        let sentence = error.to_string();
        if sentence.contains("ermission denied") { format!("{sentence}{hint}") } else { sentence }
    }
}

impl Looked {
    /// Whether the files are other than those that are shown, and other than those that are known to be bad.
    fn wants_a_look(&self, now: &Option<[Stamp; 2]>) -> bool {
        let known_bad = self.bad.is_some_and(|(bad, told)| told && bad == *now);
        *now != self.shown && !known_bad
    }

    /// The second time it is no accident of the moment.
    fn note_bad(&mut self, now: Option<[Stamp; 2]>, sentence: &str) {
        let again = self.bad.is_some_and(|(bad, _)| bad == now);
        if again {
            log::error!("the old certificate is shown still: {sentence}");
        }
        self.bad = Some((now, again));
    }
}

/// What the files of the certificates of a configuration are like now.
pub(super) fn stamps_of(config: &Config) -> Stamps {
    let paths = config.listen.iter().map(|listen| certificate::paths_for(listen, config));
    paths.map(|paths| (paths.clone(), stamps(&paths))).collect()
}

/// `None` while one of the files is not there: it may be about to come.
fn stamps(CertificatePaths { chain, key }: &CertificatePaths) -> Option<[Stamp; 2]> {
    // The change of a file's owner or mode is one too: it may be what was wanting.
    let of = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.ino(), meta.ctime(), meta.ctime_nsec(), meta.size()));
    Some([of(chain)?, of(key)?])
}
