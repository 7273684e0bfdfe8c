//! What one link is in the middle of: greeting → anonymous → logged in → closing.

use core::net::IpAddr;
use std::collections::VecDeque;
use std::fmt;

use super::settings::Timeouts;
use super::upload::Upload;
use crate::base::{Limit, LinkId, Mono, NodeNo, Seq, UserNo};
use crate::record::Lane;
use crate::wire::{Dialect, FrameError, Request, RequestError};

use super::Fault;

/// Why a link ends, as the contract words it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Reason {
    HeaderLength,
    Header,
    RevOmitted,
    Repetition,
    Unauthenticated,
    AlreadyConnected,
    AuthRequired,
    RegisterFailure,
    CorruptBase32,
    LoginFailed,
    NodeConnected,
    DataTooLong,
    DataTooShort,
    NotUtf8,
    NoRecipients,
    Logout,
    NodeDropped,
    Suspended,
    Closed,
    CodeRequired,
    CodeInvalid,
    CodeMistyped,
    CodeGuessed,
}

impl Reason {
    /// The words on the wire.
    pub fn words(self) -> &'static str {
        match self {
            Reason::HeaderLength => "invalid header length",
            Reason::Header => "invalid header",
            Reason::RevOmitted => "tmtprev was omitted",
            Reason::Repetition => "disallowed op repetition",
            Reason::Unauthenticated => "disallowed op on unauthenticated link",
            Reason::AlreadyConnected => "disallowed op on connected link",
            Reason::AuthRequired => "authentication required",
            Reason::RegisterFailure => "register failure",
            Reason::CorruptBase32 => "corrupt base32 value",
            Reason::LoginFailed => "login failed",
            Reason::NodeConnected => "node already connected",
            Reason::DataTooLong => "data too long for request type",
            Reason::DataTooShort => "data too short for request type",
            Reason::NotUtf8 => "data not valid UTF8",
            Reason::NoRecipients => "recipient list empty",
            Reason::Logout => "logout ok",
            Reason::NodeDropped => "node dropped",
            Reason::Suspended => "account suspended",
            Reason::Closed => "register failure: this site takes no new members",
            Reason::CodeRequired => "register failure: this site takes new members with an invite code only",
            Reason::CodeInvalid => "register failure: the invite code is not valid",
            Reason::CodeMistyped => "register failure: the invite code has a typing error",
            Reason::CodeGuessed => "register failure: too many wrong invite codes from this address, try again in an hour",
        }
    }

    /// What the peer is told about each fault: one total mapping.
    pub(super) fn of(fault: &Fault) -> Reason {
        match fault {
            Fault::Frame(FrameError::HeaderLength) => Reason::HeaderLength,
            Fault::Request(RequestError::InvalidHeader(_)) => Reason::Header,
            Fault::Request(RequestError::DataTooLong) => Reason::DataTooLong,
            Fault::Request(RequestError::DataTooShort) => Reason::DataTooShort,
            Fault::Request(RequestError::RecipientListEmpty) => Reason::NoRecipients,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// A delivery that its node has not acked.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) message: Seq,
    pub(super) lane: Lane,
    /// When it was sent, or else when the output that it was part of had gone out.
    pub(super) sent_at: Mono,
    /// All of it is with the peer's socket, as far as is known.
    pub(super) is_out: bool,
}

/// A link that proved to be a user's node.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) user: UserNo,
    pub(super) node: NodeNo,
    /// The newest message of each lane that was sent on this link.
    pub(super) sent: [Seq; Lane::ALL.len()],
    /// In the order of sending.
    pub(super) in_flight: VecDeque<InFlight>,
    /// It has used OhiEdit, so it takes part in its user's presence.
    pub(super) shows_presence: bool,
}

impl LoggedIn {
    pub(super) fn new(user: UserNo, node: NodeNo) -> LoggedIn {
        LoggedIn { user, node, sent: [Seq::ZERO; Lane::ALL.len()], in_flight: VecDeque::new(), shows_presence: false }
    }

    /// How many deliveries of a lane wait for their ack. Each lane has a window of its own: news of one's own account
    /// must overtake messages that are not acked.
    pub(super) fn in_flight_in(&self, lane: Lane) -> usize {
        self.in_flight.iter().filter(|delivery| delivery.lane == lane).count()
    }

    pub(super) fn sent(&mut self, lane: Lane) -> &mut Seq {
        &mut self.sent[lane as usize]
    }
}

/// How far a link has come.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing valid was said yet: it may be no TMTP client, and gets no answer to nonsense.
    Greeting,
    /// TmtpRev was said.
    Anonymous,
    /// A login has failed, as too many from the same address before it: that is told at this time.
    Refused(Mono),
    /// Register or Login went well.
    LoggedIn(LoggedIn),
    /// The last word is said; what still comes is not heard. Holds when that was.
    Closing(Mono),
}

impl State {
    /// Whether a request may come now; if not, the reason to end the link with.
    pub(super) fn admit(&self, request: &Request<'_>) -> Result<(), Reason> {
        match (self, request) {
            (State::Greeting, Request::TmtpRev) => Ok(()),
            (State::Greeting, Request::Register { .. } | Request::Login { .. }) => Err(Reason::RevOmitted),
            (State::Anonymous | State::LoggedIn(_), Request::TmtpRev) => Err(Reason::Repetition),
            (State::Anonymous, Request::Register { .. } | Request::Login { .. }) => Ok(()),
            (State::LoggedIn(_), Request::Register { .. } | Request::Login { .. }) => Err(Reason::AlreadyConnected),
            (State::LoggedIn(_), _) => Ok(()),
            (State::Greeting | State::Anonymous, _) => Err(Reason::Unauthenticated),
            (State::Refused(_) | State::Closing(_), _) => unreachable!("a link that ends is not heard"),
        }
    }
}

/// Whether a link's output moves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    /// All of it is with the peer's socket, since then.
    Drained(Mono),
    /// Some waits; the last octet moved then.
    Blocked(Mono),
}

/// One link, as the relay sees it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: LinkId,
    /// Where it comes from.
    pub(super) from: Option<IpAddr>,
    pub(super) state: State,
    pub(super) dialect: Dialect,
    pub(super) opened_at: Mono,
    pub(super) heard_at: Mono,
    pub(super) output: Output,
    pub(super) upload: Option<Box<Upload>>,
    /// The moment `Timers` will ask for this link.
    pub(super) armed: Option<Mono>,
}

/// What a session's timer found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Login, idle, stall or linger time is over.
    Cut(Limit, &'static str),
    /// A failed login is to be told.
    Refusal,
    /// The pace of an upload was good: count anew.
    Pace,
    /// Deliveries may have to be repeated.
    Redelivery,
    /// Nothing; ask again then.
    Nothing(Mono),
}

impl Session {
    pub(super) fn new(link: LinkId, from: Option<IpAddr>, dialect: Dialect, now: Mono) -> Session {
        Session {
            link,
            from,
            state: State::Greeting,
            dialect,
            opened_at: now,
            heard_at: now,
            output: Output::Drained(now),
            upload: None,
            armed: None,
        }
    }

    /// What is due at `now`, or else when something may be.
    pub(super) fn due(&self, now: Mono, timeouts: &Timeouts, upload_rate: u64) -> Due {
        if let State::Refused(at) = self.state
            && at <= now
        {
            return Due::Refusal;
        }
        let (deadline, limit, why) = match &self.state {
            State::Refused(at) => (*at, Limit::LoginFailures, "refused"),
            State::Greeting | State::Anonymous => (self.opened_at.plus(timeouts.login), Limit::LoginDeadline, "not logged in in time"),
            State::LoggedIn(_) => (self.heard_at.plus(timeouts.idle), Limit::Idle, "silent too long"),
            State::Closing(at) => (at.plus(timeouts.linger), Limit::Linger, "still open after the last word"),
        };
        if deadline <= now {
            return Due::Cut(limit, why);
        }
        let mut next = deadline;
        if let Output::Blocked(since) = self.output {
            let stalled = since.plus(timeouts.stall);
            if stalled <= now {
                return Due::Cut(Limit::Stall, "reads nothing");
            }
            next = next.min(stalled);
        }
        if let Some(at) = self.redelivery_at(timeouts) {
            if at <= now {
                return Due::Redelivery;
            }
            next = next.min(at);
        }
        if let Some(upload) = &self.upload {
            let at = upload.judged_at();
            if at <= now {
                return if upload.is_slow(upload_rate, now) {
                    Due::Cut(Limit::UploadRate, "sends a request too slowly")
                } else {
                    Due::Pace
                };
            }
            next = next.min(at);
        }
        Due::Nothing(next)
    }

    /// Takes note of whether output moves. What waits to go out has not been sent yet, however long ago that was decided.
    pub(super) fn note_output(&mut self, output: Output) {
        self.output = output;
        let State::LoggedIn(login) = &mut self.state else { return };
        for delivery in &mut login.in_flight {
            match output {
                // What was sent in this turn may be among what waits.
                Output::Blocked(now) => delivery.is_out &= delivery.sent_at != now,
                Output::Drained(now) if !delivery.is_out => (delivery.is_out, delivery.sent_at) = (true, now),
                Output::Drained(_) => {}
            }
        }
    }

    /// When the oldest delivery has waited long enough for its ack. A link that is still being written to gets more time.
    pub(super) fn redelivery_at(&self, timeouts: &Timeouts) -> Option<Mono> {
        let (State::LoggedIn(login), Output::Drained(_)) = (&self.state, self.output) else { return None };
        let oldest = login.in_flight.iter().filter(|delivery| delivery.is_out).map(|delivery| delivery.sent_at).min()?;
        Some(oldest.plus(timeouts.redelivery))
    }

    pub(super) fn login(&self) -> Option<&LoggedIn> {
        match &self.state {
            State::LoggedIn(login) => Some(login),
            State::Greeting | State::Anonymous | State::Refused(_) | State::Closing(_) => None,
        }
    }

    pub(super) fn login_mut(&mut self) -> Option<&mut LoggedIn> {
        match &mut self.state {
            State::LoggedIn(login) => Some(login),
            State::Greeting | State::Anonymous | State::Refused(_) | State::Closing(_) => None,
        }
    }
}

/// All sessions, by the slot of their link.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Vec<Option<Session>>,
}

impl Sessions {
    pub(super) fn open(&mut self, session: Session) {
        let at = session.link.slot as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        debug_assert!(self.slots[at].is_none(), "a slot is freed before it is used again");
        self.slots[at] = Some(session);
    }

    pub(super) fn get(&self, link: LinkId) -> Option<&Session> {
        self.slots.get(link.slot as usize)?.as_ref().filter(|session| session.link == link)
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Session> {
        self.slots.get_mut(link.slot as usize)?.as_mut().filter(|session| session.link == link)
    }

    pub(super) fn close(&mut self, link: LinkId) -> Option<Session> {
        self.get(link)?;
        self.slots[link.slot as usize].take()
    }

    /// What there is at each place from that number on, in rising order.
    pub(super) fn places_from(&self, slot: usize) -> impl Iterator<Item = (usize, Option<&Session>)> {
        self.slots.iter().enumerate().skip(slot).map(|(at, session)| (at, session.as_ref()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().flatten()
    }
}
