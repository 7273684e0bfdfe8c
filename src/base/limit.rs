//! Which bound somebody ran into: one closed list for the core, which only counts, and for the server, which tells.

/// A bound of the relay's that turned something away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// As many links as there may be.
    LinksTotal,
    /// As many links from one address as there may be from one.
    LinksPerAddress,
    /// More new links in a second than handshakes are made for.
    HandshakeRate,
    /// No file descriptor for a connection, or none to spare.
    Descriptors,
    /// Not logged in in time.
    LoginDeadline,
    /// Too many failed logins.
    LoginFailures,
    /// Too many wrong invite codes.
    WrongCodes,
    /// A frame or header that no client of TMTP sends.
    Frame,
    /// A link that was silent for too long.
    Idle,
    /// A link whose peer reads nothing.
    Stall,
    /// A link that was still open long after the last word.
    Linger,
    /// A link with more unread output than is kept for one.
    Output,
    /// Data larger than a message, or a text, may be.
    BodySize,
    /// Data that comes more slowly than it must.
    UploadRate,
    /// More recipients' devices, or entries of a list, than one request may name.
    Fanout,
    /// The queue of somebody who is named is full.
    QueueFull,
    /// Too many pings, or too many that failed.
    Pings,
    /// As many groups, or members of one, as there may be.
    Groups,
    /// As many aliases as a member may have.
    Aliases,
    /// As many devices as a member may have.
    Nodes,
    /// As many invite codes as may be good at a time.
    Invites,
    /// The disk takes no more.
    Storage,
}

impl Limit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Limit; 22] = [
        Limit::LinksTotal,
        Limit::LinksPerAddress,
        Limit::HandshakeRate,
        Limit::Descriptors,
        Limit::LoginDeadline,
        Limit::LoginFailures,
        Limit::WrongCodes,
        Limit::Frame,
        Limit::Idle,
        Limit::Stall,
        Limit::Linger,
        Limit::Output,
        Limit::BodySize,
        Limit::UploadRate,
        Limit::Fanout,
        Limit::QueueFull,
        Limit::Pings,
        Limit::Groups,
        Limit::Aliases,
        Limit::Nodes,
        Limit::Invites,
        Limit::Storage,
    ];

    /// The word for it in the metrics.
    pub fn word(self) -> &'static str {
        match self {
            Limit::LinksTotal => "links_total",
            Limit::LinksPerAddress => "links_per_address",
            Limit::HandshakeRate => "handshake_rate",
            Limit::Descriptors => "descriptors",
            Limit::LoginDeadline => "login_deadline",
            Limit::LoginFailures => "login_failures",
            Limit::WrongCodes => "wrong_codes",
            Limit::Frame => "frame",
            Limit::Idle => "idle",
            Limit::Stall => "stall",
            Limit::Linger => "linger",
            Limit::Output => "output",
            Limit::BodySize => "body_size",
            Limit::UploadRate => "upload_rate",
            Limit::Fanout => "fanout",
            Limit::QueueFull => "queue_full",
            Limit::Pings => "pings",
            Limit::Groups => "groups",
            Limit::Aliases => "aliases",
            Limit::Nodes => "nodes",
            Limit::Invites => "invites",
            Limit::Storage => "storage",
        }
    }
}

/// How often each bound has turned something away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refusals([u64; Limit::ALL.len()]);

impl Refusals {
    /// It did so once more.
    pub fn note(&mut self, limit: Limit) {
        self.add(limit, 1);
    }

    /// It did so so many times more.
    pub fn add(&mut self, limit: Limit, count: u64) {
        self.0[limit as usize] += count;
    }

    /// How often it did.
    pub fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_place_and_its_word() {
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place, "{limit:?}");
        }
        let mut words = Limit::ALL.map(Limit::word);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "{words:?}");
    }
}
