//! A log as the first version wrote it, octet for octet: read for ever. Its layouts of users and cursors are written no more.

use mnm::base::{NodeNo, Seq, Uid, UserNo, Wall};
use mnm::ledger::{Ledger, Replay, weight_octets};
use mnm::record::{Lane, Record, Role, Standing};

/// A name or other text of less than 128 octets.
fn text(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// One user with two devices and a group; the second device was made when the first message waited.
fn first_version() -> Vec<(u64, Vec<u8>)> {
    let node = |no: u8, label| [vec![no], vec![no + 1; 32], text(label)].concat();
    let user = |nodes: &[Vec<u8>]| {
        let head = [&[1, 0][..], &[9; 20], &[nodes.len() as u8, 1]].concat();
        [head, text("alice the first"), vec![nodes.len() as u8], nodes.concat()].concat()
    };
    let header = b"000d{\"datalen\":3}";
    let message = |to: &[u8], data: &[u8]| [&[4, 0, 6 + to.len() as u8, 0, 0, 0][..], to, b"0002{}", data].concat();
    let chunked = [&[4, 2, 10, 0, 0, 0, 1, 0, 1, 21][..], &header[..]].concat();
    let urgent = [&[4, 1, 9, 0, 0, 0, 2, 0, 1][..], b"0002{}"].concat();
    vec![
        (1, user(&[node(0, "phone")])),
        (2, [vec![2, 0], text("the group")].concat()),
        (3, [vec![3, 0, 0, 1], text("alice the first")].concat()),
        (20, message(&[1, 0], b"hello")),
        (21, b"\x05abc".to_vec()),
        (22, chunked),
        (23, user(&[node(0, "phone"), node(1, "laptop")])),
        (24, vec![7, 1, 0, 2, 20, 2]),
        (25, urgent),
        // The phone has the second message and not the first, and what is urgent.
        (26, vec![6, 0, 22, 1, 20, 0, 25, 0, 0]),
        // The laptop has the first one and not the second.
        (27, vec![6, 1, 20, 0, 0, 0, 0, 0]),
    ]
}

fn replay<'a>(records: impl Iterator<Item = (&'a u64, Vec<u8>)>) -> Ledger {
    let mut replay = Replay::new();
    records.for_each(|(seq, octets)| replay.take(Seq(*seq), &octets).expect("a record"));
    replay.finish().expect("a sound log").0
}

#[test]
fn a_log_of_the_first_version_is_read() {
    let log = first_version();
    let ledger = replay(log.iter().map(|(seq, octets)| (seq, octets.clone())));
    ledger.check_invariants();
    let user = ledger.user_by_alias("alice the first", Wall(1 << 60)).expect("the alias is for ever");
    assert_eq!((user.no(), user.uid(), user.role(), user.is_admin()), (UserNo(0), Uid([9; 20]), Role::Full, false));
    assert!(user.nodes().map(|node| (node.no, node.label, node.made)).eq([(NodeNo(0), "phone", 0), (NodeNo(1), "laptop", 0)]));
    let group = ledger.group_by_name("the group").expect("it is there");
    assert!(!group.is_managed() && group.is_moderated_by(UserNo(0)));
    assert_eq!(group.member(UserNo(0)).map(|member| (member.standing, member.moderator)), Some((Standing::Joined, false)));
    let waits = |node, lane| ledger.queue(NodeNo(node)).owed(lane).map(|seq| seq.0).collect::<Vec<_>>();
    assert_eq!([waits(0, Lane::Normal), waits(0, Lane::Priority), waits(0, Lane::Held)], [vec![20], vec![], vec![]]);
    assert_eq!([waits(1, Lane::Normal), waits(1, Lane::Priority), waits(1, Lane::Held)], [vec![22], vec![25], vec![]]);
    assert_eq!([0, 1].map(|node| ledger.queue(NodeNo(node)).octets()), [weight_octets(5), weight_octets(3) + weight_octets(0)]);
    assert_eq!([0, 1].map(|node| ledger.queue(NodeNo(node)).seen()), [0, 0]);
}

/// As when everything has been written again by now.
#[test]
fn its_records_say_the_same_in_the_layouts_of_today() {
    let log = first_version();
    let again = |octets: &Vec<u8>| Record::decode(octets).expect("a record").encode();
    let kinds: Vec<u8> = log.iter().map(|(_, octets)| again(octets)[0]).collect();
    assert_eq!(kinds, [8, 2, 3, 4, 5, 4, 8, 7, 4, 10, 10]);
    let old = replay(log.iter().map(|(seq, octets)| (seq, octets.clone())));
    let new = replay(log.iter().map(|(seq, octets)| (seq, again(octets))));
    assert_eq!(old.digest(), new.digest());
}
