//! The two numberings of TMTP revision 1, and how a connection is latched to one.
//!
//! Both drafts announce themselves as `"1"`; ops 0-7 are the same, later ones are shifted by the
//! PostNotify that the 2020 draft put at 8. The first request that only one of them can mean decides.

use super::header::Header;

/// Which numbering a connection speaks, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    /// Nothing has told them apart yet.
    #[default]
    Unlatched,
    /// The 2018 draft: 12 ops, no PostNotify.
    Draft2018,
    /// The 2020 draft: 13 ops.
    Draft2020,
}

/// What an op number means, in either numbering.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum Op {
    TmtpRev,
    Register,
    Login,
    UserEdit,
    OhiEdit,
    GroupInvite,
    GroupEdit,
    Post,
    PostNotify,
    Ping,
    Ack,
    Pulse,
    Quit,
    Ask,
    Reach,
    Cork,
    Invite,
}

impl Op {
    /// All of them, in the order of the enum.
    pub const ALL: [Op; 17] = [
        Op::TmtpRev,
        Op::Register,
        Op::Login,
        Op::UserEdit,
        Op::OhiEdit,
        Op::GroupInvite,
        Op::GroupEdit,
        Op::Post,
        Op::PostNotify,
        Op::Ping,
        Op::Ack,
        Op::Pulse,
        Op::Quit,
        Op::Ask,
        Op::Reach,
        Op::Cork,
        Op::Invite,
    ];

    /// Its name in small letters.
    pub fn word(self) -> &'static str {
        match self {
            Op::TmtpRev => "tmtprev",
            Op::Register => "register",
            Op::Login => "login",
            Op::UserEdit => "useredit",
            Op::OhiEdit => "ohiedit",
            Op::GroupInvite => "groupinvite",
            Op::GroupEdit => "groupedit",
            Op::Post => "post",
            Op::PostNotify => "postnotify",
            Op::Ping => "ping",
            Op::Ack => "ack",
            Op::Pulse => "pulse",
            Op::Quit => "quit",
            Op::Ask => "ask",
            Op::Reach => "reach",
            Op::Cork => "cork",
            Op::Invite => "invite",
        }
    }
}

impl Dialect {
    /// What `op` means here, and what the connection speaks from now on. `None`: nothing that can be meant.
    pub(super) fn resolve(self, op: u64, header: &Header<'_>) -> Option<(Op, Dialect)> {
        use Dialect::{Draft2018, Draft2020, Unlatched};
        let notifies = header.note_len.is_some() || header.recipients.is_some();
        let same = |op| Some((op, self));
        match (op, self) {
            (0, _) => same(Op::TmtpRev),
            (1, _) => same(Op::Register),
            (2, _) => same(Op::Login),
            (3, _) => same(Op::UserEdit),
            (4, _) => same(Op::OhiEdit),
            (5, _) => same(Op::GroupInvite),
            (6, _) => same(Op::GroupEdit),
            (7, _) => same(Op::Post),
            // The same in both numberings, and no sign of either.
            (16, _) => same(Op::Ask),
            (17, _) => same(Op::Reach),
            (18, _) => same(Op::Cork),
            (19, _) => same(Op::Invite),
            (8, Unlatched | Draft2020) if notifies => Some((Op::PostNotify, Draft2020)),
            (8, Unlatched | Draft2018) if !notifies && header.to.is_some() => Some((Op::Ping, Draft2018)),
            (9, Unlatched | Draft2018) if header.kind.is_some() => Some((Op::Ack, Draft2018)),
            (9, Unlatched | Draft2020) if header.to.is_some() => Some((Op::Ping, Draft2020)),
            (10, Unlatched | Draft2018) if header.id.is_none() => Some((Op::Pulse, Draft2018)),
            (10, Unlatched | Draft2020) if header.id.is_some() => Some((Op::Ack, Draft2020)),
            (11, Draft2018) => Some((Op::Quit, Draft2018)),
            (11, Unlatched | Draft2020) => same(Op::Pulse),
            (12, Unlatched | Draft2020) => Some((Op::Quit, Draft2020)),
            _ => None,
        }
    }
}
