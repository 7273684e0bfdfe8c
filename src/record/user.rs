//! Users: their record, and the same read where it lies.
//!
//! A site has many users and looks at few of them at a time: kept as octets, one takes a third of what the parts would.

use super::codec::{Reader, put_bytes, put_number, put_wall};
use super::{DecodeError, Record};
use crate::base::{NodeDigest, NodeNo, UID_BYTES, Uid, UserNo, Wall};

/// A user's record of the first version: every alias is for ever, every account of role full.
pub(super) const OLD_USER: u8 = 1;
pub(super) const USER: u8 = 8;

/// What an account may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// Everything.
    #[default]
    Full,
    /// Everything but write to others.
    Receive,
    /// Nothing.
    Suspended,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Full, Role::Receive, Role::Suspended];

    /// The word on the wire and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Role::Full => "full",
            Role::Receive => "receive",
            Role::Suspended => "suspended",
        }
    }

    pub(super) fn octet(self) -> u8 {
        match self {
            Role::Full => 0,
            Role::Receive => 1,
            Role::Suspended => 2,
        }
    }

    pub(super) fn of(octet: u8) -> Result<Role, DecodeError> {
        match octet {
            0 => Ok(Role::Full),
            1 => Ok(Role::Receive),
            2 => Ok(Role::Suspended),
            _ => Err(DecodeError::Number),
        }
    }
}

/// A name of a user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AliasRecord {
    /// The name.
    pub name: String,
    /// How often it may still be used; 0: as often as anybody likes.
    pub uses: u32,
    /// Until when, to the millisecond; 0: for ever.
    pub expires: Wall,
}

/// One device of a user, as its user's record holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRecord {
    /// Its number.
    pub no: NodeNo,
    /// What its secret hashes to.
    pub digest: NodeDigest,
    /// The name its owner gave it.
    pub label: String,
    /// When it was made, in seconds since the Unix epoch; 0: that is not known.
    pub made: u32,
}

/// Everything that is kept of a user and that most users have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserRecord {
    /// The user's number.
    pub no: UserNo,
    /// The user's public id.
    pub uid: Uid,
    /// What the account may do.
    pub role: Role,
    /// Whether the user may drop anybody's nodes.
    pub admin: bool,
    /// Names by which others may find the user, oldest first.
    pub aliases: Vec<AliasRecord>,
    /// Devices, oldest first.
    pub nodes: Vec<NodeRecord>,
    /// How many devices the user had that were dropped.
    pub dropped: u32,
    /// The first node number that no user has had yet: numbers of dropped nodes must not come again.
    pub next_node: NodeNo,
}

pub(super) fn put_user(out: &mut Vec<u8>, user: &UserRecord) {
    out.push(USER);
    put_number(out, u64::from(user.no.0));
    out.extend_from_slice(&user.uid.0);
    put_number(out, u64::from(user.next_node.0));
    out.push(user.role.octet() | if user.admin { ADMIN } else { 0 });
    put_number(out, user.aliases.len() as u64);
    for alias in &user.aliases {
        put_bytes(out, alias.name.as_bytes());
        put_number(out, u64::from(alias.uses));
        put_wall(out, alias.expires);
    }
    put_number(out, user.nodes.len() as u64);
    for node in &user.nodes {
        put_number(out, u64::from(node.no.0));
        out.extend_from_slice(&node.digest.0);
        put_bytes(out, node.label.as_bytes());
        put_number(out, u64::from(node.made));
    }
    put_number(out, u64::from(user.dropped));
}

/// In the octet of the role.
const ADMIN: u8 = 0x80;

pub(super) fn take_user(reader: &mut Reader<'_>, old: bool) -> Result<UserRecord, DecodeError> {
    let (no, uid, next_node) = (UserNo(reader.number32()?), Uid(reader.array()?), NodeNo(reader.number32()?));
    let flags = if old { 0 } else { reader.octet()? };
    let mut aliases = Vec::new();
    for _ in 0..reader.number()? {
        let name = reader.text()?;
        let (uses, expires) = if old { (0, Wall(0)) } else { (reader.number32()?, reader.wall()?) };
        aliases.push(AliasRecord { name, uses, expires });
    }
    let mut nodes = Vec::new();
    for _ in 0..reader.number()? {
        let (no, digest, label) = (NodeNo(reader.number32()?), NodeDigest(reader.array()?), reader.text()?);
        nodes.push(NodeRecord { no, digest, label, made: if old { 0 } else { reader.number32()? } });
    }
    let dropped = if old { 0 } else { reader.number32()? };
    Ok(UserRecord { no, uid, role: Role::of(flags & !ADMIN)?, admin: flags & ADMIN != 0, aliases, nodes, dropped, next_node })
}

/// A user's record as octets. What it gives is what [`UserRecord`] holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackedUser {
    octets: Box<[u8]>,
}

/// One alias, as its user's record holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AliasView<'a> {
    /// The name.
    pub name: &'a str,
    /// How often it may still be used; 0: as often as anybody likes.
    pub uses: u32,
    /// Until when, to the millisecond; 0: for ever.
    pub expires: Wall,
}

impl AliasView<'_> {
    /// Whether its time has come.
    pub fn has_expired(&self, now: Wall) -> bool {
        self.expires != Wall(0) && self.expires <= now
    }
}

/// One device, as its user's record holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeView<'a> {
    /// Its number.
    pub no: NodeNo,
    /// What its secret hashes to.
    pub digest: NodeDigest,
    /// The name its owner gave it.
    pub label: &'a str,
    /// When it was made, in seconds since the Unix epoch; 0: that is not known.
    pub made: u32,
}

const WRITTEN: &str = "put_user wrote it";

impl PackedUser {
    /// The octets of a record.
    pub fn of(record: &UserRecord) -> PackedUser {
        let mut octets = Vec::with_capacity(128);
        put_user(&mut octets, record);
        PackedUser { octets: octets.into() }
    }

    /// The record, to be changed.
    pub fn unpack(&self) -> UserRecord {
        match Record::decode(&self.octets) {
            Ok(Record::User(record)) => record,
            other => unreachable!("a user was packed, not {other:?}"),
        }
    }

    /// How many octets it has.
    pub fn octets(&self) -> usize {
        self.octets.len()
    }

    /// The user's number.
    pub fn no(&self) -> UserNo {
        self.head().0
    }

    /// The user's public id.
    pub fn uid(&self) -> Uid {
        self.head().1
    }

    /// What the account may do.
    pub fn role(&self) -> Role {
        Role::of(self.head().2 & !ADMIN).expect(WRITTEN)
    }

    /// Whether the user may drop anybody's nodes.
    pub fn is_admin(&self) -> bool {
        self.head().2 & ADMIN != 0
    }

    /// Names by which others may find the user, oldest first.
    pub fn aliases(&self) -> impl ExactSizeIterator<Item = AliasView<'_>> {
        let (.., mut reader) = self.head();
        let count = reader.number().expect(WRITTEN) as usize;
        (0..count).map(move |_| alias(&mut reader))
    }

    /// Devices, oldest first.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeView<'_>> {
        let (.., mut reader) = self.head();
        for _ in 0..reader.number().expect(WRITTEN) {
            alias(&mut reader);
        }
        let count = reader.number().expect(WRITTEN) as usize;
        (0..count).map(move |_| {
            let no = NodeNo(reader.number32().expect(WRITTEN));
            let digest = NodeDigest(reader.array().expect(WRITTEN));
            NodeView { no, digest, label: text(&mut reader), made: reader.number32().expect(WRITTEN) }
        })
    }

    /// Number, id and flags, and a reader of what follows them.
    fn head(&self) -> (UserNo, Uid, u8, Reader<'_>) {
        let mut reader = Reader::new(&self.octets);
        let kind = reader.octet();
        debug_assert_eq!(kind, Ok(USER));
        let no = UserNo(reader.number32().expect(WRITTEN));
        let uid = Uid(reader.array::<UID_BYTES>().expect(WRITTEN));
        reader.number32().expect(WRITTEN);
        let flags = reader.octet().expect(WRITTEN);
        (no, uid, flags, reader)
    }
}

impl From<AliasView<'_>> for AliasRecord {
    fn from(view: AliasView<'_>) -> AliasRecord {
        AliasRecord { name: view.name.to_owned(), uses: view.uses, expires: view.expires }
    }
}

impl From<NodeView<'_>> for NodeRecord {
    fn from(view: NodeView<'_>) -> NodeRecord {
        NodeRecord { no: view.no, digest: view.digest, label: view.label.to_owned(), made: view.made }
    }
}

fn alias<'a>(reader: &mut Reader<'a>) -> AliasView<'a> {
    let name = text(reader);
    AliasView { name, uses: reader.number32().expect(WRITTEN), expires: reader.wall().expect(WRITTEN) }
}

fn text<'a>(reader: &mut Reader<'a>) -> &'a str {
    std::str::from_utf8(reader.bytes().expect(WRITTEN)).expect(WRITTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_user_is_the_user() {
        let node = |no, label: &str| NodeRecord { no: NodeNo(no), digest: NodeDigest([no as u8; 32]), label: label.into(), made: no };
        let alias = |name: &str, uses| AliasRecord { name: name.into(), uses, expires: Wall::from_seconds(uses) };
        for (aliases, nodes) in [
            (vec![], vec![]),
            (vec![alias("alice-the-first", 0)], vec![node(300, "phone")]),
            (vec![alias(&"a".repeat(255), 1), alias("ünïcödé ✓", 70_000)], vec![node(1, ""), node(u32::MAX, "laptop"), node(7, "é")]),
        ] {
            for (role, admin) in [(Role::Full, false), (Role::Receive, true), (Role::Suspended, false)] {
                let (aliases, nodes) = (aliases.clone(), nodes.clone());
                let record =
                    UserRecord { no: UserNo(70_000), uid: Uid([9; 20]), role, admin, aliases, nodes, dropped: 300, next_node: NodeNo(13) };
                let packed = PackedUser::of(&record);
                assert_eq!(packed.unpack(), record);
                assert_eq!((packed.no(), packed.uid(), packed.role(), packed.is_admin()), (record.no, record.uid, role, admin));
                assert!(packed.aliases().map(AliasRecord::from).eq(record.aliases.iter().cloned()));
                assert_eq!(packed.aliases().len(), record.aliases.len());
                assert!(packed.nodes().map(NodeRecord::from).eq(record.nodes.iter().cloned()));
            }
        }
    }
}
