//! How the relay fares, on one page: for `mnm ctl status`.

use std::fs;

use serde::{Deserialize, Serialize};

use super::shell::Shell;
use crate::relay::Now;

/// What is told. Sizes are octets.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// `ready` or `draining`.
    pub status: String,
    /// The program's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// Since the start.
    pub uptime_ms: u64,
    /// What the site calls itself.
    pub site: String,
    /// Who may register now.
    pub register: String,
    /// The configuration file, or the built-in defaults.
    pub config: String,
    /// Where everything is kept.
    pub data: String,
    /// The log's level.
    pub log: String,
    /// Links, those included on which nobody has logged in.
    pub links: usize,
    /// Devices that are here.
    pub online: usize,
    /// Members.
    pub members: usize,
    /// Messages that wait for somebody.
    pub messages: usize,
    /// Deliveries on their way.
    pub in_flight: usize,
    /// Files of the log.
    pub segments: usize,
    /// What they take.
    pub log_bytes: u64,
    /// What of that is needed still.
    pub live_bytes: u64,
    /// What is free on their disk, as far as is known.
    pub disk_free: u64,
    /// The process's memory, files that it has mapped included.
    pub memory: u64,
    /// Links since the start.
    pub accepted: u64,
    /// Messages that were posted since.
    pub posted: u64,
    /// Their octets.
    pub posted_bytes: u64,
    /// Deliveries since, repeated ones included.
    pub delivered: u64,
    /// Acknowledgements since.
    pub acked: u64,
}

impl Shell<'_> {
    pub(super) fn status(&self, now: Now) -> Status {
        let config = self.reloader.config();
        let (relay, stats) = (self.server.relay(), self.server.store().stats());
        Status {
            status: if self.drain.is_some() { "draining" } else { "ready" }.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: now.mono.since(self.started.mono).as_millis() as u64,
            site: config.name.clone(),
            register: self.register_mode(now).to_owned(),
            config: config.origin(),
            data: config.data.display().to_string(),
            log: log::max_level().to_string().to_lowercase(),
            links: self.server.links(),
            online: relay.online_count(),
            members: relay.ledger().user_count(),
            messages: relay.ledger().message_count(),
            in_flight: relay.deliveries_in_flight(),
            segments: stats.segments,
            log_bytes: stats.disk_bytes,
            live_bytes: stats.live_bytes,
            disk_free: self.server.store().free_bytes(),
            memory: resident(),
            accepted: self.server.metrics.accepted,
            posted: relay.counts().posts,
            posted_bytes: relay.counts().posted_bytes,
            delivered: self.server.metrics.delivered + self.server.metrics.redelivered,
            acked: relay.counts().acks,
        }
    }
}

/// 0 where the system does not tell.
fn resident() -> u64 {
    let told = fs::read_to_string("/proc/self/statm").ok();
    let pages = told.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or_default();
    pages * rustix::param::page_size() as u64
}
