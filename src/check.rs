//! `mnm check`: goes through a start as far as that changes nothing, and says what it would do.
//!
//! A start and a check look at the same things with the same code, so that they agree. What another program is in the way of
//! is no mistake (one checks beside a running relay before restarting it): then the relay would start once that has
//! stopped. Of the log only the headers are read; `mnm verify` reads all of it.

use std::fmt::Display;
use std::path::Path;

use log::Level;

use crate::base::Wall;
use crate::certificate::{self, Certificate};
use crate::config::{Config, DataPlace, Listen, Overrides, Register, Remark};
use crate::limits::DESCRIPTORS_RESERVED;
use crate::server::{self, Listeners, Refusal};
use crate::store::{self, Directory, Exchange, Glance, StoreError};

/// What the relay's own certificate and the small files take, generously.
const SMALL_FILES_BYTES: u64 = 64 << 10;
/// A first start makes the tail and a spare.
const FIRST_SEGMENTS: u64 = 2;
/// Segments for which there must be room so that messages are taken while none is spare: the one that is wanted, and what
/// the store leaves to others.
const ROOM_SEGMENTS: u64 = 3;

/// What [`check`] found, a line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What would be done, remarks, and `error:` lines; in the order of a start.
    pub lines: Vec<String>,
    /// How many of them are errors: the relay would not start. The exit code is 1 if there is any.
    pub errors: usize,
    /// What must happen first though nothing is wrong.
    pub conditions: Vec<String>,
}

impl Findings {
    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn warn(&mut self, sentence: impl Display) {
        self.say(format!("warning: {sentence}"));
    }

    fn remark(&mut self, remark: &Remark) {
        match remark.level {
            Level::Error | Level::Warn => self.warn(remark),
            Level::Info | Level::Debug | Level::Trace => self.say(format!("note: {remark}")),
        }
    }

    fn error(&mut self, error: impl Display) {
        self.errors += 1;
        self.say(format!("error: {error}"));
    }

    fn conclude(&mut self) {
        let verdict = match (self.errors, self.conditions.as_slice()) {
            (0, []) => "the relay would start".to_string(),
            (0, conditions) => format!("the relay would start once {}", conditions.join(" and ")),
            (errors, _) => format!("the relay would not start: {errors} to mend"),
        };
        self.say(verdict);
    }
}

/// Goes through a start as far as it changes nothing. Addresses are bound while it lasts, nothing is written.
///
/// Goes on after a complaint where what follows does not depend on it, so that one run tells everything.
pub fn check(overrides: &Overrides, now: Wall) -> Findings {
    let mut findings = Findings::default();
    let config = match Config::load(overrides) {
        Ok(config) => config,
        Err(error) => {
            findings.error(&error);
            return findings;
        }
    };
    findings.say(format!("configuration: {}", config.origin()));
    config.remarks.iter().for_each(|remark| findings.remark(remark));
    findings.say(format!(
        "site: {:?}, authentication by others {}",
        config.name,
        if config.auth_required { "required" } else { "not required" }
    ));
    findings.say(format!("register: {}, unless mnm ctl has changed that", server::settings(&config).register.word()));
    if config.register == Register::Open {
        config.open_to_strangers().iter().for_each(|remark| findings.remark(remark));
    }
    match server::descriptors() {
        Ok(granted) => check_links(&mut findings, &config, granted),
        Err(error) => findings.error(&error),
    }
    match DataPlace::look(&config.data) {
        Ok(place) => check_data(&mut findings, &config, &place),
        Err(error) => findings.error(&error),
    }
    let mut listeners = Listeners::new(&config.listen);
    for (entry, listen) in config.listen.iter().enumerate() {
        match listeners.try_bind(entry) {
            Ok(()) => findings.say(format!("listen: {listen}")),
            Err(Refusal::Absent(error) | Refusal::Unfit(error)) => findings.error(&error),
            Err(Refusal::Taken(error)) => {
                findings.warn(&error);
                findings.conditions.push(format!("the program that listens on {listen} has stopped"));
            }
        }
        check_certificate(&mut findings, listen, &config, now);
    }
    check_metrics(&mut findings, &config);
    findings.conclude();
    findings
}

fn check_metrics(findings: &mut Findings, config: &Config) {
    let Some(metrics) = &config.metrics else { return findings.say("metrics: nowhere") };
    match server::probe_metrics(metrics) {
        Ok(()) => findings.say(format!("metrics: {metrics}")),
        Err(Refusal::Absent(error) | Refusal::Unfit(error)) => findings.error(&error),
        Err(Refusal::Taken(error)) => {
            findings.warn(&error);
            findings.conditions.push(format!("the program that listens on {metrics} has stopped"));
        }
    }
}

/// How many links there may be, and what bounds them.
fn check_links(findings: &mut Findings, config: &Config, descriptors: u64) {
    let wanted = config.limits.links_max as u64;
    let room = descriptors.saturating_sub(DESCRIPTORS_RESERVED);
    if room < wanted {
        findings.warn(format_args!(
            "file descriptors allow {room} links, fewer than limits.links_max ({wanted}); raise the limit (ulimit -n, LimitNOFILE=), or lower \
             limits.links_max"
        ));
    } else {
        findings.say(format!("links: at most {wanted}"));
    }
}

fn check_data(findings: &mut Findings, config: &Config, place: &DataPlace) {
    let data = &config.data;
    if let Err(error) = place.check_writable() {
        findings.error(&error);
    } else if place.is_to_be_made() {
        findings.say(format!("data: {}, which would be made", data.display()));
    } else {
        findings.say(format!("data: {}", data.display()));
    }
    place.remark().iter().for_each(|remark| findings.remark(remark));
    let log = if place.is_to_be_made() { Some(Glance::default()) } else { check_log(findings, data) };
    if let (Some(log), Ok(free)) = (log, place.free_bytes()) {
        check_room(findings, config, log, free);
    }
}

/// What there is of a log; `None` if that is not known.
fn check_log(findings: &mut Findings, data: &Path) -> Option<Glance> {
    let open = || Exchange::check_none(data).and_then(|()| Directory::open_to_read(data));
    match open().and_then(|mut disk| store::glance(&mut disk)) {
        Ok(log) => {
            if log.segments > 0 {
                let Glance { segments, bytes } = log;
                findings.say(format!("log: {segments} segments of {bytes} octets, their headers good; mnm verify reads the rest"));
            }
            Some(log)
        }
        Err(StoreError::Locked { .. }) => {
            findings.warn(format_args!(
                "{}: another process (a running mnm?) is using the data directory; stop it before the start",
                data.display()
            ));
            findings.conditions.push(format!("the process that uses {} has stopped", data.display()));
            None
        }
        Err(error) => {
            findings.error(&error);
            None
        }
    }
}

/// A first start needs room; a later one gets by with none, but then the relay takes no messages.
fn check_room(findings: &mut Findings, config: &Config, log: Glance, free: u64) {
    let segment = u64::from(config.limits.segment_bytes);
    let data = config.data.display();
    let first = FIRST_SEGMENTS * segment + SMALL_FILES_BYTES;
    if log.segments == 0 && free < first {
        let what = "two segments and the certificate";
        findings
            .error(format_args!("{data}: {free} octets are free on its file system, and a first start wants {first} ({what}); free some"));
    } else if free < ROOM_SEGMENTS * segment {
        let wanted = ROOM_SEGMENTS * segment;
        findings.warn(format_args!(
            "{data}: {free} octets are free on its file system; below {wanted} the relay may refuse messages; free some"
        ));
    }
}

fn check_certificate(findings: &mut Findings, listen: &Listen, config: &Config, now: Wall) {
    match certificate::inspect(listen, config, now) {
        Err(error) => findings.error(&error),
        Ok(None) => findings.say(format!("certificate: a self-signed one would be made in {}", config.data.display())),
        Ok(Some(certificate)) => say_certificate(findings, listen, &certificate),
    }
}

fn say_certificate(findings: &mut Findings, listen: &Listen, certificate: &Certificate) {
    findings.say(format!("certificate: {}, good until {}", certificate.paths.chain.display(), certificate.not_after.date()));
    findings.say(format!("certificate: {}", certificate.fingerprint_text()));
    // With port 0 the address is not known before the start.
    if listen.port != 0 {
        findings.say(format!("clients take the address {}", certificate.client_address(listen, listen.port)));
    }
    certificate.remarks.iter().chain(&certificate.name_remark(listen)).for_each(|remark| findings.remark(remark));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_told_with_figures() {
        let config = Config::default();
        let segment = u64::from(config.limits.segment_bytes);
        let told = |segments, free| {
            let mut findings = Findings::default();
            check_room(&mut findings, &config, Glance { segments, bytes: 0 }, free);
            (findings.errors, findings.lines.join("\n"))
        };
        let first = FIRST_SEGMENTS * segment + SMALL_FILES_BYTES;
        let (errors, text) = told(0, first - 1);
        assert_eq!(errors, 1);
        assert!(text.contains(&(first - 1).to_string()) && text.contains(&first.to_string()), "{text}");
        assert_eq!(told(0, first).0, 0);
        let (errors, text) = told(2, 0);
        assert_eq!(errors, 0, "a log that is there can be started with no room at all");
        assert!(text.starts_with("warning: ") && text.contains("may refuse messages"), "{text}");
        assert_eq!(told(2, ROOM_SEGMENTS * segment), (0, String::new()));
    }
}
