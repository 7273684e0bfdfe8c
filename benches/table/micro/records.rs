//! Records to octets and back.

use mnm::base::{NodeDigest, NodeNo, Seq, Wall};
use mnm::record::{AliasRecord, CursorRecord, Delivery, Lane, Mark, MessageRecord, NodeRecord, Payload, Record, delivery};

use super::Steps;
use crate::log::user;

const HEADER: &[u8] = br#"0092{"datalen":100,"from":"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP","headsum":1234567890,"id":"188add8cbe0ca2fb","op":"delivery","posted":"2026-11-26T18:00:00.123Z"}"#;

pub(super) fn all(steps: &mut Steps) {
    for size in [100, 1024, 10_000] {
        let data = vec![0x5a; size];
        codec(steps, &format!("message of {size} B"), &message(&data, 1));
    }
    codec(steps, "message of 100 B to 100 nodes", &message(&[0x5a; 100], 100));
    let mark = Mark { high: Seq(0x188a_dd8c_be0c_a2fb), ..Mark::default() };
    let cursor = CursorRecord { node: NodeNo(12_345), normal: mark.clone(), priority: mark, held: Mark::default(), seen: 1_764_180_000 };
    codec(steps, "cursor", &Record::Cursor(cursor));
    let alias = AliasRecord { name: "alice liddell".to_owned(), uses: 0, expires: Wall(0) };
    let node = NodeRecord { no: NodeNo(1), digest: NodeDigest([1; 32]), label: "phone".to_owned(), made: 0 };
    codec(steps, "user with an alias and a node", &Record::User(user(1, [1; 20], vec![alias], node)));
    let stored = message(&[0x5a; 1024], 1).encode();
    steps.step("what a recipient gets, found in a message of 1024 B", stored.len(), || match delivery(&stored) {
        Delivery::Whole(octets) => octets.len(),
        other => panic!("{other:?}: it is not so large"),
    });
    for size in [100, 16 << 10] {
        let octets = vec![0x5a; size];
        steps.step(&format!("CRC-32C of {size} B"), size, || crc32c::crc32c(&octets));
    }
}

fn message(data: &[u8], nodes: u32) -> Record<'_> {
    let to = (0..nodes).map(|no| NodeNo(1000 + no * 7)).collect();
    Record::Message(MessageRecord { lane: Lane::Normal, to, held: vec![], header: HEADER.into(), payload: Payload::Inline(data.into()) })
}

fn codec(steps: &mut Steps, what: &str, record: &Record<'_>) {
    let octets = record.encode();
    steps.step(&format!("{what} encoded"), octets.len(), || record.encode());
    steps.step(&format!("{what} decoded"), octets.len(), || Record::decode(&octets).expect("it was encoded just now"));
}
