//! What an operator may set, as the relay wants it.

use std::time::Duration;

use crate::limits::{
    CHUNK_BYTES, IDLE_TIMEOUT, LINGER_TIMEOUT, LOGIN_TIMEOUT, MESSAGE_MAX_DEFAULT, REDELIVERY_TIMEOUT, STALL_TIMEOUT, TAKEOVER_SILENCE,
    WINDOW_DEFAULT,
};
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

/// The relay's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the site says of itself.
    pub site: Site,
    /// Registering needs a third party's word.
    pub token_required: bool,
    /// The numbering that links start with; unlatched, unless the operator pins one.
    pub dialect: Dialect,
    /// How long to wait.
    pub timeouts: Timeouts,
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
            dialect: Dialect::Unlatched,
            timeouts: Timeouts::default(),
            window: WINDOW_DEFAULT,
            message_max: MESSAGE_MAX_DEFAULT,
            chunk: CHUNK_BYTES,
        }
    }
}
