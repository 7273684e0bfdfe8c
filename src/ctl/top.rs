//! `mnm ctl top`: how the relay fares, and how fast, until somebody has seen enough.
//!
//! It asks for the status again and again, and divides what has been counted by the time that the relay says has passed. On a terminal each
//! answer takes the place of the one before; elsewhere they follow each other.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::status::{lines, size};
use super::{Failure, ask};
use crate::config::Config;
use crate::server::Status;
use crate::server::control::{Reply, Request};

/// Clears a terminal, and goes to its first line (ECMA-48: ED, CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Shows the status every so often, `count` times or until the output is closed.
///
/// # Errors
/// As for [`ask`]; an output that is closed is none.
pub fn top(config: &Config, every: Duration, count: Option<u64>) -> Result<(), Failure> {
    let mut before: Option<Status> = None;
    let mut left = count;
    while left != Some(0) {
        let status = match ask(config, &Request::Status {})? {
            Reply::Status(status) => *status,
            Reply::Refused { error } => return Err(Failure::Refused(error)),
            _ => return Err(Failure::Refused("the relay has answered something else".to_owned())),
        };
        let page = page(&status, before.as_ref());
        before = Some(status);
        if show(&page).is_err() {
            return Ok(());
        }
        left = left.map(|left| left - 1);
        if left != Some(0) {
            pause(every);
        }
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "no loop waits for this process")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn show(page: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        write!(out, "{CLEAR}")?;
    }
    page.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    writeln!(out)?;
    out.flush()
}

fn page(status: &Status, before: Option<&Status>) -> Vec<String> {
    let mut page = lines(status);
    page.extend(before.and_then(|before| rates(before, status)));
    page
}

/// What has happened in a second since the answer before, unless the relay was started anew.
fn rates(before: &Status, now: &Status) -> Option<String> {
    let millis = now.uptime_ms.checked_sub(before.uptime_ms).filter(|millis| *millis > 0 && now.pid == before.pid)?;
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 * 1000.0 / millis as f64;
    let octets = rate(before.posted_bytes, now.posted_bytes);
    Some(format!(
        "{:<9} {:.1} links, {:.1} posts of {}, {:.1} deliveries, {:.1} acks",
        "a second",
        rate(before.accepted, now.accepted),
        rate(before.posted, now.posted),
        size(octets as u64),
        rate(before.delivered, now.delivered),
        rate(before.acked, now.acked),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pid: u32, uptime_ms: u64, delivered: u64) -> Status {
        Status { pid, uptime_ms, delivered, ..Status::default() }
    }

    #[test]
    fn rates_are_by_the_relay_s_time() {
        let line = rates(&status(1, 1000, 100), &status(1, 3000, 500)).unwrap();
        assert!(line.contains("200.0 deliveries") && line.contains(" 0.0 acks"), "{line}");
        assert_eq!(rates(&status(1, 3000, 500), &status(2, 4000, 600)), None, "another process counts anew");
        assert_eq!(rates(&status(1, 3000, 500), &status(1, 3000, 500)), None);
    }
}
