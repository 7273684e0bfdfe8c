//! A user's record, read where it lies.
//!
//! A site has many users and looks at few of them at a time: kept as octets, one takes a third of what the parts would.

use super::codec::Reader;
use super::encode::{USER, put_user};
use super::{NodeRecord, Record, UserRecord};
use crate::base::{NodeDigest, NodeNo, UID_BYTES, Uid, UserNo};

/// A user's record as octets. What it gives is what [`UserRecord`] holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackedUser {
    octets: Box<[u8]>,
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

    /// The user's number.
    pub fn no(&self) -> UserNo {
        self.head().0
    }

    /// The user's public id.
    pub fn uid(&self) -> Uid {
        self.head().1
    }

    /// Names by which others may find the user, oldest first.
    pub fn aliases(&self) -> impl ExactSizeIterator<Item = &str> {
        let (.., mut reader) = self.head();
        let count = reader.number().expect(WRITTEN) as usize;
        (0..count).map(move |_| text(&mut reader))
    }

    /// Devices, oldest first.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeView<'_>> {
        let (.., mut reader) = self.head();
        for _ in 0..reader.number().expect(WRITTEN) {
            reader.bytes().expect(WRITTEN);
        }
        let count = reader.number().expect(WRITTEN) as usize;
        (0..count).map(move |_| {
            let no = NodeNo(reader.number32().expect(WRITTEN));
            let digest = NodeDigest(reader.array().expect(WRITTEN));
            NodeView { no, digest, label: text(&mut reader) }
        })
    }

    /// Number and id, and a reader of what follows the first node number that no user has had.
    fn head(&self) -> (UserNo, Uid, Reader<'_>) {
        let mut reader = Reader::new(&self.octets);
        let kind = reader.octet();
        debug_assert_eq!(kind, Ok(USER));
        let no = UserNo(reader.number32().expect(WRITTEN));
        let uid = Uid(reader.array::<UID_BYTES>().expect(WRITTEN));
        reader.number32().expect(WRITTEN);
        (no, uid, reader)
    }
}

impl From<NodeView<'_>> for NodeRecord {
    fn from(view: NodeView<'_>) -> NodeRecord {
        NodeRecord { no: view.no, digest: view.digest, label: view.label.to_owned() }
    }
}

fn text<'a>(reader: &mut Reader<'a>) -> &'a str {
    std::str::from_utf8(reader.bytes().expect(WRITTEN)).expect(WRITTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_user_is_the_user() {
        let node = |no, label: &str| NodeRecord { no: NodeNo(no), digest: NodeDigest([no as u8; 32]), label: label.into() };
        for (aliases, nodes) in [
            (vec![], vec![]),
            (vec!["alice-the-first".to_owned()], vec![node(300, "phone")]),
            (vec!["a".repeat(255), "ünïcödé ✓".to_owned()], vec![node(1, ""), node(u32::MAX, "laptop"), node(7, "é")]),
        ] {
            let record = UserRecord { no: UserNo(70_000), uid: Uid([9; 20]), aliases, nodes, next_node: NodeNo(13) };
            let packed = PackedUser::of(&record);
            assert_eq!(packed.unpack(), record);
            assert_eq!((packed.no(), packed.uid()), (record.no, record.uid));
            assert!(packed.aliases().eq(&record.aliases) && packed.aliases().len() == record.aliases.len());
            assert!(packed.nodes().map(NodeRecord::from).eq(record.nodes.iter().cloned()));
        }
    }
}
