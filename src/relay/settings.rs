//! What an operator may set, as the relay wants it.

use std::time::Duration;

use crate::limits::{
    ALIASES_MAX, CHUNK_BYTES, FAILED_LOGINS_DEFAULT, FAILED_PINGS_DEFAULT, GROUP_MEMBERS_DEFAULT, GROUPS_DEFAULT, IDLE_TIMEOUT,
    LINGER_TIMEOUT, LOGIN_TIMEOUT, MESSAGE_MAX_DEFAULT, NAME_MIN_CHARS, NODES_MAX, PINGS_DEFAULT, QUEUE_BYTES_DEFAULT,
    QUEUE_MESSAGES_DEFAULT, REDELIVERY_TIMEOUT, RESERVED_NAMES, STALL_TIMEOUT, TAKEOVER_SILENCE, UPLOAD_RATE_DEFAULT, WINDOW_DEFAULT,
    WRONG_CODES_DEFAULT,
};
use crate::record::Mode;
use crate::wire::Dialect;
use crate::wire::reply::Site;

/// How long the relay waits for whom.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the connect to the login.
    pub login: Duration,
    /// For any octet from a member.
    pub idle: Duration,
    /// For the ack of a delivery.
    pub redelivery: Duration,
    /// Silence after which another link may log in as the same node.
    pub takeover: Duration,
    /// For the peer to read anything of what waits for it.
    pub stall: Duration,
    /// For the peer to close after the last word.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            login: LOGIN_TIMEOUT,
            idle: IDLE_TIMEOUT,
            redelivery: REDELIVERY_TIMEOUT,
            takeover: TAKEOVER_SILENCE,
            stall: STALL_TIMEOUT,
            linger: LINGER_TIMEOUT,
        }
    }
}

/// What becomes of a name that looks like a taken one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lookalikes {
    /// It can be had.
    Allow,
    /// It is refused; but names that differ only in Unicode composition, case or spaces are different, as the drafts have it.
    #[default]
    Refuse,
    /// It is refused, those too.
    Strict,
}

/// The site's rules for names, besides the protocol's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameRules {
    /// Characters at least.
    pub min_chars: usize,
    /// Names that only administrators may have.
    pub reserved: Vec<String>,
    /// What looks like a taken one.
    pub lookalikes: Lookalikes,
}

impl Default for NameRules {
    fn default() -> NameRules {
        let reserved = RESERVED_NAMES.map(str::to_owned).to_vec();
        NameRules { min_chars: NAME_MIN_CHARS, reserved, lookalikes: Lookalikes::default() }
    }
}

/// How much of what one member, or one group, may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quotas {
    /// Pings accepted in 24 hours.
    pub pings: usize,
    /// Pings that fail in a row in 24 hours.
    pub failed_pings: usize,
    /// Messages waiting for one node.
    pub queue_messages: usize,
    /// Their octets.
    pub queue_bytes: u64,
    /// Members of a group, joined or invited.
    pub group_members: usize,
    /// Groups joined.
    pub groups: usize,
    /// Aliases.
    pub aliases: usize,
    /// Nodes.
    pub nodes: usize,
    /// Invite codes that a member has made and that are still good; 0: members make none.
    pub member_invites: usize,
    /// Wrong invite codes heard from one address in an hour.
    pub wrong_codes: usize,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas {
            pings: PINGS_DEFAULT,
            failed_pings: FAILED_PINGS_DEFAULT,
            queue_messages: QUEUE_MESSAGES_DEFAULT,
            queue_bytes: QUEUE_BYTES_DEFAULT,
            group_members: GROUP_MEMBERS_DEFAULT,
            groups: GROUPS_DEFAULT,
            aliases: ALIASES_MAX,
            nodes: NODES_MAX,
            member_invites: 0,
            wrong_codes: WRONG_CODES_DEFAULT,
        }
    }
}

/// When failed logins are answered late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginManners {
    /// So many from one address in an hour are answered at once; of those that follow each waits twice as long as the one before.
    pub free: usize,
    /// Programs on this machine are never made to wait.
    pub spares_own: bool,
}

impl Default for LoginManners {
    fn default() -> LoginManners {
        LoginManners { free: FAILED_LOGINS_DEFAULT, spares_own: true }
    }
}

/// The relay's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the site says of itself.
    pub site: Site,
    /// Registering needs a third party's word.
    pub token_required: bool,
    /// Who may register, unless the operator has changed that since.
    pub register: Mode,
    /// The site's rules for names.
    pub names: NameRules,
    /// How much one member may have.
    pub quotas: Quotas,
    /// The numbering that links start with; unlatched, unless the operator pins one.
    pub dialect: Dialect,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// When failed logins are answered late.
    pub login_manners: LoginManners,
    /// Octets a second that a request must come with, at least; 0: at any pace.
    pub upload_rate: u64,
    /// Unacked deliveries on their way to one node.
    pub window: usize,
    /// Octets of data in one message.
    pub message_max: u64,
    /// Octets of data that a message's own record holds; more goes into chunks of this size.
    pub chunk: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            site: Site { name: "mnm".to_owned(), auth_by: None },
            token_required: false,
            register: Mode::default(),
            names: NameRules::default(),
            quotas: Quotas::default(),
            dialect: Dialect::Unlatched,
            timeouts: Timeouts::default(),
            login_manners: LoginManners::default(),
            upload_rate: UPLOAD_RATE_DEFAULT,
            window: WINDOW_DEFAULT,
            message_max: MESSAGE_MAX_DEFAULT,
            chunk: CHUNK_BYTES,
        }
    }
}
