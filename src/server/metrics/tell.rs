//! The families of the relay itself, each with its sentence. docs/OPERATING.md has them in a table.

use super::Page;
use crate::base::Limit;
use crate::net::Socket;
use crate::relay::Now;
use crate::server::Server;
use crate::store::Disk;
use crate::wire::Op;

/// Nanoseconds are counted, and seconds told.
const NANOS: f64 = 1e9;

/// A relay in a few numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) struct Health {
    pub(in crate::server) links: usize,
    pub(in crate::server) members: usize,
    pub(in crate::server) messages_waiting: usize,
}

/// Somebody who can tell how a relay does.
pub(in crate::server) trait Teller {
    /// Writes down everything that is known.
    fn tell(&self, page: &mut Page, now: Now);

    /// The short form.
    fn health(&self) -> Health;
}

impl<S: Socket, D: Disk> Teller for Server<S, D> {
    fn tell(&self, page: &mut Page, now: Now) {
        self.tell_links(page);
        self.tell_requests(page);
        self.tell_messages(page, now);
        self.tell_commits(page);
        self.tell_log(page);
        self.tell_refusals(page);
    }

    fn health(&self) -> Health {
        let ledger = self.relay.ledger();
        Health { links: self.links(), members: ledger.user_count(), messages_waiting: ledger.message_count() }
    }
}

impl<S: Socket, D: Disk> Server<S, D> {
    fn tell_links(&self, page: &mut Page) {
        let (metrics, online) = (&self.metrics, self.relay.online());
        // What is left over: between two turns each link is in one of these states, but for those that end in this moment.
        let anonymous = self.links().saturating_sub(online + metrics.handshaking + metrics.closing);
        let states = [("handshaking", metrics.handshaking), ("anonymous", anonymous), ("member", online), ("closing", metrics.closing)];
        page.gauges("mnm_links", "Links now, by how far they have come.", "state", states);
        page.counter("mnm_links_accepted_total", "Connections that became links.", metrics.accepted);
        let handshakes = [("completed", metrics.handshakes), ("failed", metrics.failed_handshakes)];
        page.counters("mnm_handshakes_total", "TLS handshakes, by how they ended.", "result", handshakes);
        page.gauge("mnm_members", "Accounts of the site.", self.relay.ledger().user_count());
        page.gauge("mnm_nodes_online", "Devices that are logged in.", online);
    }

    fn tell_requests(&self, page: &mut Page) {
        let counts = self.relay.counts();
        let requests = Op::ALL.map(|op| (op.word(), counts.requests[op as usize]));
        page.counters("mnm_requests_total", "Requests, by op, whichever numbering they came in.", "op", requests);
        page.counter("mnm_requests_denied_total", "Requests that were answered with the reason why they were not done.", counts.denied);
        page.counter("mnm_logins_failed_total", "Logins with a uid or nodeid that nobody has.", counts.failed_logins);
        let wrong_codes = self.relay.ledger().site().wrong_codes;
        page.counter("mnm_wrong_invite_codes_total", "Wrong invite codes, since the site began.", wrong_codes);
    }

    fn tell_messages(&self, page: &mut Page, now: Now) {
        let (counts, ledger) = (self.relay.counts(), self.relay.ledger());
        page.counter("mnm_posts_total", "Posts, notes, pings and invitations of members that were taken.", counts.posts);
        page.counter("mnm_posted_bytes_total", "Octets of their data.", counts.posted_bytes);
        let help = "Messages that were written, news of logins and of changes among them.";
        page.counter("mnm_messages_stored_total", help, counts.messages);
        let deliveries = [("first", self.metrics.delivered), ("again", self.metrics.redelivered)];
        page.counters("mnm_deliveries_total", "Messages handed to a link: first, or again since no ack came.", "kind", deliveries);
        let acks = [("taken", counts.acks), ("stray", counts.stray_acks)];
        page.counters("mnm_acks_total", "Acks: taken, or stray, of what was not outstanding.", "kind", acks);
        page.gauge("mnm_messages_waiting", "Messages that some device has not acknowledged.", ledger.message_count());
        let age = ledger.oldest_message().map_or(0, |second| u64::from(now.wall.seconds()).saturating_sub(second));
        page.gauge("mnm_oldest_message_age_seconds", "Age of the oldest of them; 0 if none waits.", age);
    }

    fn tell_commits(&self, page: &mut Page) {
        let metrics = &self.metrics;
        let help = "How long commits took: the loop waits for each.";
        page.histogram("mnm_commit_duration_seconds", help, &metrics.commit_times, NANOS);
        page.histogram("mnm_commit_records", "Records that became durable with one commit.", &metrics.commit_records, 1.0);
        page.histogram("mnm_commit_bytes", "Octets of these records.", &metrics.commit_bytes, 1.0);
        let (records, octets) = self.intake.appended;
        page.counter("mnm_log_appended_records_total", "Records that were appended to the log.", records);
        page.counter("mnm_log_appended_bytes_total", "Octets of these records.", octets);
    }

    fn tell_log(&self, page: &mut Page) {
        let stats = self.store.stats();
        page.gauge("mnm_log_segments", "Files of the log, spare ones included.", stats.segments);
        page.gauge("mnm_log_spare_segments", "Those of them without content.", stats.spares);
        page.gauge("mnm_log_file_bytes", "Octets that these files take.", stats.disk_bytes);
        page.gauge("mnm_log_live_bytes", "Octets in them of records that somebody needs.", stats.live_bytes);
        page.gauge("mnm_log_live_records", "How many records these are.", stats.records);
        let upkeep = stats.upkeep;
        page.counter("mnm_log_copied_bytes_total", "Octets of records that were copied out of sparse segments.", upkeep.copied_bytes);
        page.counter("mnm_log_segments_recycled_total", "Segments that became spares.", upkeep.recycled);
        page.counter("mnm_log_segments_removed_total", "Segments whose files were removed.", upkeep.removed);
    }

    fn tell_refusals(&self, page: &mut Page) {
        let refused = Limit::ALL.map(|limit| (limit.word(), self.metrics.refused.of(limit) + self.relay.counts().refused.of(limit)));
        page.counters("mnm_refused_total", "What was turned away, cut off or not done, by the limit that was reached.", "limit", refused);
    }
}

impl Page {
    /// What is told whatever the relay is about.
    pub(in crate::server) fn tell_state(&mut self, version: &str, ready: bool) {
        self.gauges("mnm_build_info", "Which program this is.", "version", [(version, 1)]);
        self.gauge("mnm_ready", "1 while the relay serves; 0 while it reads its log, or is about to end.", u8::from(ready));
    }

    /// How far the reading of the log has come: `done` of `total` parts.
    pub(in crate::server) fn tell_recovery(&mut self, (done, total): (usize, usize)) {
        let part = if total == 0 { 0.0 } else { done as f64 / total as f64 };
        self.gauge("mnm_recovery_ratio", "While the log is read: how much of it was, of 1.", part);
    }
}
