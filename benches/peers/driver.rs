//! What the load generator asks of a protocol: one connection's state, without sockets, clocks or buffers of its own.
//!
//! A driver turns octets into [`Event`]s and posts into octets. All that is alike for the servers (the loop, TLS, content and its
//! verification, windows, time) is elsewhere, so that the generator costs each of them the same but for the protocol itself.

/// What goes wrong here ends the measurement with a sentence: there is nobody who could do better.
pub(crate) type Outcome<T> = Result<T, String>;

/// What a link of a member is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Posts and receives.
    Both,
    /// Posts only.
    Producer,
    /// Receives only.
    Consumer,
}

impl Role {
    pub(crate) fn posts(self) -> bool {
        self != Role::Consumer
    }
}

/// Who gets a post.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To<'a> {
    /// One member, by what its driver gave as its address.
    Member(&'a str),
    /// Everybody in the group, which is one.
    Group,
}

/// What a server said.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The link is logged in and, if it receives, subscribed. In a group that invites: again when the member has joined.
    Ready,
    /// The oldest post without an answer has one.
    Acked,
    /// A message has come; the driver acks it by itself.
    Message(&'a [u8]),
    /// Nothing that the workload must know.
    Other,
}

/// One protocol, one connection of it.
pub(crate) trait Driver: Sized {
    /// The links that one member needs.
    const ROLES: &'static [Role];
    /// Members come into the group only when [`Driver::invite`] was called.
    const INVITES: bool;

    /// A link of the member with this number, as one of a group or not.
    fn new(member: usize, role: Role, in_group: bool) -> Self;

    /// The same member on another link.
    fn successor(&self) -> Self;

    /// How others reach the member; known once it is ready.
    fn address(&self) -> &str;

    /// The first words on the link, sent with the end of the handshake.
    fn greet(&mut self, out: &mut Vec<u8>);

    /// What the front of `input` says, and how many octets that takes; `None` if its end has not come yet.
    ///
    /// # Errors
    /// The server refuses, or what it says makes no sense.
    fn take<'i>(&mut self, input: &'i [u8], out: &mut Vec<u8>) -> Outcome<Option<(usize, Event<'i>)>>;

    /// Appends a post.
    fn post(&mut self, to: To<'_>, body: &[u8], out: &mut Vec<u8>);

    /// All input that there is has been taken: what was put off for that goes out now.
    fn settle(&mut self, out: &mut Vec<u8>);

    /// Asks so many others into the group, as its first member.
    fn invite(&mut self, others: usize, out: &mut Vec<u8>);

    /// A good-bye.
    fn quit(&mut self, out: &mut Vec<u8>);
}
