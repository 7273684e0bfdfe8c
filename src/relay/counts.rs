//! What has happened since the start, in plain numbers: for whoever looks on. Nothing is decided by them.

use super::session::Reason;
use crate::base::{Limit, Refusals};
use crate::wire::Op;

/// Numbers that only rise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Requests, by the place of their op in [`Op::ALL`].
    pub requests: [u64; Op::ALL.len()],
    /// Requests that were answered with a sentence why they were not done.
    pub denied: u64,
    /// Posts, notes, pings and invitations that were taken.
    pub posts: u64,
    /// Octets of their data.
    pub posted_bytes: u64,
    /// Messages that were written, news of logins and of changes among them.
    pub messages: u64,
    /// Acks of what was outstanding.
    pub acks: u64,
    /// Acks of anything else.
    pub stray_acks: u64,
    /// Logins with a uid or nodeid that nobody has.
    pub failed_logins: u64,
    /// What bounds have turned away.
    pub refused: Refusals,
}

impl Counts {
    /// A link ends for this reason.
    pub(super) fn note_reason(&mut self, reason: Reason) {
        match reason {
            Reason::LoginFailed => self.failed_logins += 1,
            Reason::CodeGuessed => self.refused.note(Limit::WrongCodes),
            Reason::HeaderLength | Reason::Header | Reason::DataTooShort | Reason::NoRecipients => self.refused.note(Limit::Frame),
            Reason::DataTooLong => self.refused.note(Limit::BodySize),
            Reason::RevOmitted
            | Reason::Repetition
            | Reason::Unauthenticated
            | Reason::AlreadyConnected
            | Reason::AuthRequired
            | Reason::RegisterFailure
            | Reason::CorruptBase32
            | Reason::NodeConnected
            | Reason::NotUtf8
            | Reason::Logout
            | Reason::NodeDropped
            | Reason::Suspended
            | Reason::Closed
            | Reason::CodeRequired
            | Reason::CodeInvalid
            | Reason::CodeMistyped => {}
        }
    }
}
