//! The bounds an operator may change, with their ranges.
//!
//! Defaults and reasons are in [`crate::limits`]; what is missing here is fixed by the contract or by the house.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::ConfigError;
use super::reader::{At, Fields, read_as_in_file};
use crate::limits;

/// A window is kept per logged-in node; this many entries are some hundred KiB.
const WINDOW_MAX: usize = 4096;
/// From 10 ms, so that tests need not wait, to a day.
const SECONDS: RangeInclusive<f64> = 0.01..=86400.0;

/// Records start at multiples of this in their segment (docs/STORE_FORMAT.md), so the last octets of another size would be
/// of no use.
const SEGMENT_STEP: u64 = 8;

/// The limits of one site. Keys in the file are the field names, with `_s` (seconds) for durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message body, in octets; `message_max_bytes`, 1 to [`limits::MESSAGE_MAX_MAX`].
    pub message_max_bytes: u64,
    /// Entries in `for` and in `notefor`, each; 1 to [`limits::RECIPIENTS_MAX`].
    pub recipients_max: usize,
    /// Unacked deliveries on their way to one node; 1 to 4096.
    pub window_deliveries: usize,
    /// Pings that a member may have accepted in 24 hours; 1 to [`limits::PINGS_MAX`].
    pub pings_per_day: usize,
    /// Pings of a member that may fail in a row in 24 hours; 1 to [`limits::COUNTS_MAX`].
    pub failed_pings: usize,
    /// Messages that may wait for one device; 1 to [`limits::QUEUE_MESSAGES_MAX`].
    pub queue_messages: usize,
    /// Their octets; [`limits::QUEUE_BYTES_MIN`] to [`limits::QUEUE_BYTES_MAX`].
    pub queue_bytes: u64,
    /// Members of one group, joined or invited; 1 to [`limits::GROUP_MEMBERS_MAX`].
    pub group_members: usize,
    /// Groups that one member joins; 1 to [`limits::GROUPS_MAX`].
    pub groups_per_member: usize,
    /// Aliases of one member; 1 to [`limits::ALIASES_MAX`].
    pub aliases_per_member: usize,
    /// Devices of one member; 1 to [`limits::NODES_MAX`].
    pub nodes_per_member: usize,
    /// Invite codes that a member has made and that are good still; 0 (members make none) to [`limits::COUNTS_MAX`].
    pub member_invites: usize,
    /// Wrong invite codes that are heard from one address in an hour; 1 to [`limits::COUNTS_MAX`].
    pub wrong_codes_per_hour: usize,
    /// Links at one time; 1 to [`limits::LINKS_MAX`].
    pub links_max: usize,
    /// Links from one address; 1 to [`limits::LINKS_MAX`]. `None`: [`limits::LINKS_PER_ADDRESS_DEFAULT`], but not for this machine's own.
    pub links_per_address: Option<usize>,
    /// New links a second; 1 to [`limits::HANDSHAKES_MAX`]. `None`: [`limits::HANDSHAKES_DEFAULT`], without this machine's own.
    pub handshakes_per_second: Option<u32>,
    /// Failed logins from one address in an hour that are answered at once; 0 to [`limits::COUNTS_MAX`]. `None`:
    /// [`limits::FAILED_LOGINS_DEFAULT`], but not for this machine's own.
    pub failed_logins: Option<usize>,
    /// Octets a second that a request must come with; 0 (at any pace) to [`limits::UPLOAD_RATE_MAX`].
    pub upload_min_bytes_per_s: u64,
    /// From the connect to the end of Login or Register; `login_timeout_s`.
    pub login_timeout: Duration,
    /// A link that sends nothing for this long is closed; `idle_timeout_s`.
    pub idle_timeout: Duration,
    /// An unacked delivery is sent again after this; `redelivery_timeout_s`.
    pub redelivery_timeout: Duration,
    /// A node whose link was silent for this long may be taken over by a new login; `takeover_silence_s`.
    pub takeover_silence: Duration,
    /// A link on which nothing could be written for this long is closed; `stall_timeout_s`.
    pub stall_timeout: Duration,
    /// How long a closed link may take to read our last words; `linger_timeout_s`.
    pub linger_timeout: Duration,
    /// The size of a log segment, in octets; [`limits::SEGMENT_BYTES_MIN`] to [`limits::SEGMENT_BYTES_MAX`], a
    /// multiple of 8.
    pub segment_bytes: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message_max_bytes: limits::MESSAGE_MAX_DEFAULT,
            recipients_max: limits::RECIPIENTS_MAX,
            window_deliveries: limits::WINDOW_DEFAULT,
            pings_per_day: limits::PINGS_DEFAULT,
            failed_pings: limits::FAILED_PINGS_DEFAULT,
            queue_messages: limits::QUEUE_MESSAGES_DEFAULT,
            queue_bytes: limits::QUEUE_BYTES_DEFAULT,
            group_members: limits::GROUP_MEMBERS_DEFAULT,
            groups_per_member: limits::GROUPS_DEFAULT,
            aliases_per_member: limits::ALIASES_MAX,
            nodes_per_member: limits::NODES_MAX,
            member_invites: 0,
            wrong_codes_per_hour: limits::WRONG_CODES_DEFAULT,
            links_max: limits::LINKS_DEFAULT,
            links_per_address: None,
            handshakes_per_second: None,
            failed_logins: None,
            upload_min_bytes_per_s: limits::UPLOAD_RATE_DEFAULT,
            login_timeout: limits::LOGIN_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            redelivery_timeout: limits::REDELIVERY_TIMEOUT,
            takeover_silence: limits::TAKEOVER_SILENCE,
            stall_timeout: limits::STALL_TIMEOUT,
            linger_timeout: limits::LINGER_TIMEOUT,
            segment_bytes: limits::SEGMENT_BYTES_DEFAULT,
        }
    }
}

impl Limits {
    pub(super) fn read(at: &At<'_>) -> Result<Limits, ConfigError> {
        let standard = Limits::default();
        let mut fields = at.fields()?;
        let fields = &mut fields;
        let read = Limits {
            message_max_bytes: integer(fields, "message_max_bytes", 1..=limits::MESSAGE_MAX_MAX)?.unwrap_or(standard.message_max_bytes),
            recipients_max: count(fields, "recipients_max", 1, limits::RECIPIENTS_MAX)?.unwrap_or(standard.recipients_max),
            window_deliveries: count(fields, "window_deliveries", 1, WINDOW_MAX)?.unwrap_or(standard.window_deliveries),
            pings_per_day: count(fields, "pings_per_day", 1, limits::PINGS_MAX)?.unwrap_or(standard.pings_per_day),
            failed_pings: count(fields, "failed_pings", 1, limits::COUNTS_MAX)?.unwrap_or(standard.failed_pings),
            queue_messages: count(fields, "queue_messages", 1, limits::QUEUE_MESSAGES_MAX)?.unwrap_or(standard.queue_messages),
            queue_bytes: integer(fields, "queue_bytes", limits::QUEUE_BYTES_MIN..=limits::QUEUE_BYTES_MAX)?.unwrap_or(standard.queue_bytes),
            group_members: count(fields, "group_members", 1, limits::GROUP_MEMBERS_MAX)?.unwrap_or(standard.group_members),
            groups_per_member: count(fields, "groups_per_member", 1, limits::GROUPS_MAX)?.unwrap_or(standard.groups_per_member),
            aliases_per_member: count(fields, "aliases_per_member", 1, limits::ALIASES_MAX)?.unwrap_or(standard.aliases_per_member),
            nodes_per_member: count(fields, "nodes_per_member", 1, limits::NODES_MAX)?.unwrap_or(standard.nodes_per_member),
            member_invites: count(fields, "member_invites", 0, limits::COUNTS_MAX)?.unwrap_or(standard.member_invites),
            wrong_codes_per_hour: count(fields, "wrong_codes_per_hour", 1, limits::COUNTS_MAX)?.unwrap_or(standard.wrong_codes_per_hour),
            links_max: count(fields, "links_max", 1, limits::LINKS_MAX)?.unwrap_or(standard.links_max),
            links_per_address: count(fields, "links_per_address", 1, limits::LINKS_MAX)?,
            // The cast cannot cut: the range ends at a u32.
            handshakes_per_second: integer(fields, "handshakes_per_second", 1..=u64::from(limits::HANDSHAKES_MAX))?.map(|n| n as u32),
            failed_logins: count(fields, "failed_logins", 0, limits::COUNTS_MAX)?,
            upload_min_bytes_per_s: integer(fields, "upload_min_bytes_per_s", 0..=limits::UPLOAD_RATE_MAX)?
                .unwrap_or(standard.upload_min_bytes_per_s),
            login_timeout: seconds(fields, "login_timeout_s")?.unwrap_or(standard.login_timeout),
            idle_timeout: seconds(fields, "idle_timeout_s")?.unwrap_or(standard.idle_timeout),
            redelivery_timeout: seconds(fields, "redelivery_timeout_s")?.unwrap_or(standard.redelivery_timeout),
            takeover_silence: seconds(fields, "takeover_silence_s")?.unwrap_or(standard.takeover_silence),
            stall_timeout: seconds(fields, "stall_timeout_s")?.unwrap_or(standard.stall_timeout),
            linger_timeout: seconds(fields, "linger_timeout_s")?.unwrap_or(standard.linger_timeout),
            segment_bytes: segment_bytes(fields)?.unwrap_or(standard.segment_bytes),
        };
        fields.finish()?;
        Ok(read)
    }

    /// What a file could not say is refused to a program too.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let given = self.entries().into_iter().filter(|(_, value, _)| value != NOT_GIVEN);
        let number = |text: &str| text.parse().map_or_else(|_| text.into(), Value::Number);
        let fields = given.map(|(key, value, _)| (key.trim_start_matches("limits.").to_owned(), number(&value)));
        read_as_in_file("limits", &fields.collect::<serde_json::Map<_, _>>().into(), Limits::read)
    }

    /// Every limit with its full key and its value as text, and whether it can be changed while the relay runs.
    pub(super) fn entries(&self) -> Vec<(&'static str, String, bool)> {
        vec![
            ("limits.message_max_bytes", self.message_max_bytes.to_string(), true),
            ("limits.recipients_max", self.recipients_max.to_string(), true),
            ("limits.window_deliveries", self.window_deliveries.to_string(), true),
            ("limits.pings_per_day", self.pings_per_day.to_string(), true),
            ("limits.failed_pings", self.failed_pings.to_string(), true),
            ("limits.queue_messages", self.queue_messages.to_string(), true),
            ("limits.queue_bytes", self.queue_bytes.to_string(), true),
            ("limits.group_members", self.group_members.to_string(), true),
            ("limits.groups_per_member", self.groups_per_member.to_string(), true),
            ("limits.aliases_per_member", self.aliases_per_member.to_string(), true),
            ("limits.nodes_per_member", self.nodes_per_member.to_string(), true),
            ("limits.member_invites", self.member_invites.to_string(), true),
            ("limits.wrong_codes_per_hour", self.wrong_codes_per_hour.to_string(), true),
            ("limits.links_max", self.links_max.to_string(), true),
            ("limits.links_per_address", or_default(self.links_per_address), true),
            ("limits.handshakes_per_second", or_default(self.handshakes_per_second), true),
            ("limits.failed_logins", or_default(self.failed_logins), true),
            ("limits.upload_min_bytes_per_s", self.upload_min_bytes_per_s.to_string(), true),
            ("limits.login_timeout_s", self.login_timeout.as_secs_f64().to_string(), true),
            ("limits.idle_timeout_s", self.idle_timeout.as_secs_f64().to_string(), true),
            ("limits.redelivery_timeout_s", self.redelivery_timeout.as_secs_f64().to_string(), true),
            ("limits.takeover_silence_s", self.takeover_silence.as_secs_f64().to_string(), true),
            ("limits.stall_timeout_s", self.stall_timeout.as_secs_f64().to_string(), true),
            ("limits.linger_timeout_s", self.linger_timeout.as_secs_f64().to_string(), true),
            ("limits.segment_bytes", self.segment_bytes.to_string(), false),
        ]
    }
}

/// What stands for a value where none is given.
const NOT_GIVEN: &str = "not given";

/// A value that stands for ours where none is given.
fn or_default<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NOT_GIVEN.to_owned(), |value| value.to_string())
}

fn count(fields: &mut Fields<'_>, name: &'static str, least: usize, most: usize) -> Result<Option<usize>, ConfigError> {
    // The cast cannot cut: the range ends at a usize.
    Ok(integer(fields, name, least as u64..=most as u64)?.map(|n| n as usize))
}

fn integer(fields: &mut Fields<'_>, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, ConfigError> {
    fields.get(name).map(|at| at.integer(range)).transpose()
}

/// Refused and not rounded: what the file says should be what the files have.
fn segment_bytes(fields: &mut Fields<'_>) -> Result<Option<u32>, ConfigError> {
    let range = u64::from(limits::SEGMENT_BYTES_MIN)..=u64::from(limits::SEGMENT_BYTES_MAX);
    let Some(at) = fields.get("segment_bytes") else { return Ok(None) };
    let octets = at.integer(range)?;
    if octets % SEGMENT_STEP != 0 {
        let below = octets - octets % SEGMENT_STEP;
        return Err(at.error(format_args!("is {octets}"), format!("expected a multiple of {SEGMENT_STEP}, such as {below}")));
    }
    Ok(Some(octets as u32))
}

fn seconds(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<Duration>, ConfigError> {
    fields.get(name).map(|at| at.seconds(SECONDS)).transpose()
}
