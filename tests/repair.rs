//! `mnm repair`: what is outside the damage is kept, what is in it is told, and the old log is set aside octet for octet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use mnm::base::{Entropy, GroupNo, NodeDigest, NodeNo, Seq, Uid, UserNo, Wall};
use mnm::ledger::Ledger;
use mnm::record::{
    AliasRecord, CorkRecord, CursorRecord, GroupRecord, GroupRules, InviteRecord, Lane, Mark, MemberRecord, MessageRecord, MissedRecord,
    Mode, NodeRecord, Override, Payload, Policy, ReachRecord, Record, RetiredRecord, Role, SiteRecord, Standing, TallyRecord, UserRecord,
    Who,
};
use mnm::server::{Means, Repair, RunError, repair, verify, verify_directory};
use mnm::store::{Directory, Exchange, Options, Store, StoreError};

/// Who starts a process is alone: until it runs its own program, it has a copy of every lock in this one.
static ALONE: RwLock<()> = RwLock::new(());

fn among_others() -> RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(PoisonError::into_inner)
}

const OPTIONS: Options = Options { segment_bytes: 4096 };
const MESSAGES: u64 = 60;

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.iter_mut().enumerate().for_each(|(i, octet)| *octet = self.0.wrapping_mul(37) ^ i as u8);
    }
}

fn user(no: u32) -> Record<'static> {
    let nodes = vec![NodeRecord { no: NodeNo(no), digest: NodeDigest([no as u8; 32]), label: "phone".into(), made: 0 }];
    let (no, uid, next_node) = (UserNo(no), Uid([no as u8 + 1; 20]), NodeNo(no + 1));
    let aliases = vec![AliasRecord { name: format!("member number {}", no.0), uses: 0, expires: Wall(0) }];
    Record::User(UserRecord { no, uid, role: Role::Full, admin: false, aliases, nodes, dropped: 0, next_node })
}

fn message(seq: u64, payload: Payload<'static>) -> Record<'static> {
    let json = format!("{{\"from\":\"{}\",\"id\":\"{seq}\"}}", Uid([1; 20]));
    let header = format!("{:04x}{json}", json.len()).into_bytes();
    let to = if seq.is_multiple_of(3) { vec![NodeNo(0), NodeNo(1)] } else { vec![NodeNo((seq % 2) as u32)] };
    // Some are kept back for the second member.
    let held = to.iter().copied().filter(|node| *node == NodeNo(1) && seq.is_multiple_of(7)).collect();
    Record::Message(MessageRecord { lane: Lane::Normal, to, held, header: header.into(), payload })
}

fn member(no: u32, moderator: bool) -> Record<'static> {
    let (group, user, alias) = (GroupNo(0), UserNo(no), format!("member number {no}"));
    Record::Member(MemberRecord { group, user, alias, standing: Standing::Joined, moderator })
}

fn group(rules: Option<GroupRules>) -> Record<'static> {
    Record::Group(GroupRecord { no: GroupNo(0), name: "the two of us".into(), rules })
}

/// What else can be decided, and what a report says where it is lost.
fn decisions() -> Vec<(Record<'static>, &'static str)> {
    let user = UserNo(1);
    let rules = GroupRules { invite: Who::Moderators, post: Who::Anyone, roster: Who::Members };
    let mode = Some(Override { mode: Mode::Closed, until: Wall(0), then: Mode::Closed, configured: Mode::Open });
    let (digest, expires, maker, groups) = ([8; 32], Wall(0), Some(user), vec![GroupNo(0)]);
    let mark = |high, ahead: &[u64]| Mark { high: Seq(high), owed: vec![], ahead: ahead.iter().copied().map(Seq).collect() };
    let (normal, priority, held) = (mark(0, &[]), mark(0, &[]), mark(0, &[7]));
    vec![
        (Record::Reach(ReachRecord { user, policy: Policy::None, block: vec![], allow: vec![Uid([1; 20])] }), "lets through"),
        (Record::Cork(CorkRecord { user, until: Wall(1 << 60), all: false, from: vec![Uid([1; 20])] }), "wants kept back"),
        (Record::Tally(TallyRecord { user, pings: vec![5], failures: vec![6] }), "has pinged"),
        (Record::Missed(MissedRecord { user, count: 3, first: Seq(40), last: Seq(50) }), "has missed 3 messages"),
        (Record::Invite(InviteRecord { slot: 5, digest, uses: 3, expires, role: Role::Receive, maker, groups }), "the one at place 5"),
        (Record::Retired(RetiredRecord { user, name: "given up by member 1".into() }), "was given up"),
        (Record::Site(SiteRecord { mode, wrong_codes: 3 }), "who may register"),
        (group(Some(rules)), "what its moderators have decided"),
        (member(0, true), "which that member moderates"),
        (Record::Cursor(CursorRecord { node: NodeNo(1), normal, priority, held, seen: 70 }), "has acknowledged"),
    ]
}

/// A log of many segments, closed: two members, a group of both, messages, one of them in parts, and what was acked.
fn write_log(path: &Path) {
    let mut store = Store::open(Directory::open(path).unwrap(), OPTIONS, Box::new(Counting(0)), &mut |_, _| Ok(())).unwrap().store;
    let mut seq = 0;
    let mut append = |record: &Record<'_>| {
        seq += 1;
        store.append(Seq(seq), &record.encode(), true).unwrap();
        store.commit().unwrap();
        seq
    };
    append(&user(0));
    append(&user(1));
    append(&group(None));
    append(&member(0, false));
    append(&member(1, false));
    for i in 0..MESSAGES {
        if i == 30 {
            let parts = (0..3).map(|_| Seq(append(&Record::Chunk(vec![7; 500].into())))).collect::<Vec<_>>();
            append(&message(parts[2].0 + 1, Payload::Chunks(parts)));
        }
        let next = 6 + i + if i >= 30 { 4 } else { 0 };
        append(&message(next, Payload::Inline(vec![b'a' + (i % 26) as u8; 300].into())));
    }
    let normal = Mark { high: Seq(12), owed: vec![Seq(9)], ahead: vec![] };
    let held = Mark { high: Seq(7), ..Mark::default() };
    decisions().iter().for_each(|(record, _)| _ = append(record));
    append(&Record::Cursor(CursorRecord { node: NodeNo(1), normal, priority: Mark::default(), held, seen: 80 }));
    store.close().unwrap();
}

fn means() -> Means {
    Means { options: OPTIONS, entropy: Box::new(Counting(100)), now: Wall(1_000) }
}

type Files = BTreeMap<String, Vec<u8>>;

fn segments(path: &Path) -> Files {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "seg"));
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect()
}

fn restore(path: &Path, files: &Files) {
    fs::remove_dir_all(path).unwrap();
    fs::create_dir(path).unwrap();
    files.iter().for_each(|(name, octets)| fs::write(path.join(name), octets).unwrap());
}

fn facts(path: &Path) -> Result<Ledger, String> {
    verify(Directory::open_existing(path).unwrap(), &mut |_, _| {}).map(|verified| verified.ledger).map_err(|error| error.to_string())
}

fn owed(ledger: &Ledger) -> BTreeSet<(u32, u64)> {
    let lanes = |node: u32| Lane::ALL.into_iter().flat_map(move |lane| ledger.queue(NodeNo(node)).owed(lane)).map(move |seq| (node, seq.0));
    [0, 1].into_iter().flat_map(lanes).collect()
}

/// Whether a report names a message, or a range that it lies in.
fn tells(report: &[String], id: u64) -> bool {
    let number = |word: &str| u64::from_str_radix(word.trim_end_matches([',', ':', ';']), 16).ok().filter(|_| word.len() >= 16);
    report.iter().any(|line| {
        let after = |words: &str| line.split_once(words).and_then(|(_, rest)| number(rest.split(' ').next()?));
        let named = line.split(' ').any(|word| number(word) == Some(id)) && !line.contains("between");
        let between = after("ids between ").zip(after(" and ")).is_some_and(|(low, high)| low < id && id < high);
        let open = after("ids after ").is_some_and(|low| low < id) || after("ids before ").is_some_and(|high| id < high);
        named || between || open || line.contains("unknown ids")
    })
}

/// Repairs a damaged log and checks all that is promised; returns what is owed no more, and the report.
fn check(path: &Path, whole: &Ledger, what: &str) -> (BTreeSet<(u32, u64)>, Vec<String>) {
    let damaged = segments(path);
    let Repair::Damaged(finding) = repair(path, means(), false, &mut |_, _| {}).unwrap() else { panic!("{what}: it is damaged") };
    assert_eq!(segments(path), damaged, "{what}: without consent nothing is changed");
    let repaired = repair(path, means(), true, &mut |_, _| {}).unwrap_or_else(|error| panic!("{what}: {error}"));
    let Repair::Repaired { report, aside, verified } = repaired else { panic!("{what}: it is repaired") };
    assert_eq!(report, finding, "{what}: what was announced is what was done");
    assert_eq!(segments(&aside), damaged, "{what}: the old log is set aside as it was");
    assert!(aside.starts_with(path));
    assert!(verified.ledger.last() > whole.last(), "{what}: ids go on");
    assert!(matches!(repair(path, means(), true, &mut |_, _| {}), Ok(Repair::Healthy(_))), "{what}: once is enough");
    let left = owed(&verified.ledger);
    let before = owed(whole);
    let lost: BTreeSet<(u32, u64)> = before.difference(&left).copied().collect();
    for (_, id) in &lost {
        assert!(tells(&report, *id), "{what}: message {id:016x} is lost, and told:\n{}", report.join("\n"));
    }
    // A newest cursor that is lost repeats deliveries; nothing else comes that was not there.
    assert!(left.difference(&before).all(|(node, id)| *node == 1 && *id <= 12), "{what}: {left:?}");
    if let Some(group) = verified.ledger.group_by_name("the two of us") {
        verified.ledger.group_nodes(group, None).for_each(drop);
    }
    verified.ledger.check_invariants();
    verified.ledger.corks().for_each(|cork| _ = verified.ledger.user(cork.user));
    // The store takes it as any other.
    let opened = Store::open(Directory::open(path).unwrap(), OPTIONS, Box::new(Counting(200)), &mut |_, _| Ok(()));
    opened.unwrap_or_else(|error| panic!("{what}: {error}")).store.check_invariants();
    (lost, report)
}

#[test]
fn a_flip_anywhere_costs_what_it_hit_and_that_is_told() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    let (files, whole) = (segments(&path), facts(&path).unwrap());
    assert!(files.len() > 5 && owed(&whole).len() > 70, "{} segments", files.len());
    let (mut damaged, mut cost) = (0, 0);
    for (name, octets) in &files {
        for at in (0..octets.len()).step_by(811).chain([9, 26, 62, 100, 140, 1340]) {
            let mut octets = octets.clone();
            octets[at] ^= 16;
            restore(&path, &files);
            fs::write(path.join(name), octets).unwrap();
            let what = format!("{name} flipped at {at}");
            if facts(&path).is_ok() {
                assert!(matches!(repair(&path, means(), true, &mut |_, _| {}), Ok(Repair::Healthy(_))), "{what}: harmless");
                continue;
            }
            let (lost, report) = check(&path, &whole, &what);
            assert!(report.iter().any(|line| line.contains(name)), "{what}: {report:?}");
            let messages: BTreeSet<u64> = lost.iter().map(|(_, id)| *id).collect();
            let of_a_user = report.iter().any(|line| line.contains("device number"));
            assert!(messages.len() <= 1 || of_a_user, "{what}: {messages:?} are lost\n{}", report.join("\n"));
            assert!(at >= 64 || lost.is_empty(), "{what}: a header with one wrong octet is mended");
            damaged += 1;
            cost += lost.len();
        }
    }
    assert!(damaged > 30 && cost > 15, "{damaged} {cost}");
}

#[test]
fn what_was_decided_is_told_where_it_is_lost() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let mut store = Store::open(Directory::open(&path).unwrap(), OPTIONS, Box::new(Counting(0)), &mut |_, _| Ok(())).unwrap().store;
    let people = [user(0), user(1), group(None), member(0, false), message(7, Payload::EMPTY)];
    let decided = decisions();
    // So that the message has the number that it says.
    for (seq, record) in (3..).zip(people.iter().chain(decided.iter().map(|(record, _)| record))) {
        store.append(Seq(seq), &record.encode(), true).unwrap();
    }
    store.close().unwrap();
    let (files, whole) = (segments(&path), facts(&path).unwrap());
    assert_eq!(owed(&whole), BTreeSet::new());
    let damage = |record: &Record<'_>| {
        let record = record.encode();
        let place = |octets: &[u8]| octets.windows(record.len()).position(|window| window == record);
        let (name, mut octets) = segments(&path).into_iter().find(|(_, octets)| place(octets).is_some()).expect("it is in the log");
        let at = place(&octets).expect("it was found above") + record.len() - 1;
        octets[at] ^= 1;
        fs::write(path.join(name), octets).unwrap();
    };
    for (record, sentence) in &decided {
        restore(&path, &files);
        damage(record);
        let (_, report) = check(&path, &whole, sentence);
        assert!(report.iter().any(|line| line.contains(sentence)), "{sentence}: {report:?}");
    }
    // Without those whom it is about.
    restore(&path, &files);
    [&people[1], &people[2], &decided[7].0].into_iter().for_each(damage);
    let Ok(Repair::Repaired { report, verified, .. }) = repair(&path, means(), true, &mut |_, _| {}) else { panic!("it is repaired") };
    let ledger = verified.ledger;
    assert!(ledger.reach(UserNo(1)).is_none() && ledger.cork(UserNo(1)).is_none() && ledger.tally(UserNo(1)).is_none(), "{report:?}");
    let invite = ledger.invite(&[8; 32]).expect("its code is good still");
    assert_eq!((invite.uses, invite.maker, &invite.groups[..]), (3, None, &[][..]));
    assert!(ledger.retired("given up by member 1").is_some_and(|owner| owner != UserNo(1)), "whose number the next new member gets");
    assert_eq!(ledger.site(), whole.site());
}

#[test]
fn a_missing_segment_costs_what_was_in_it_and_the_ids_are_told() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    let (files, whole) = (segments(&path), facts(&path).unwrap());
    let mut cost = BTreeSet::new();
    for name in files.keys() {
        restore(&path, &files);
        fs::remove_file(path.join(name)).unwrap();
        if facts(&path).is_ok() {
            continue;
        }
        let (lost, report) = check(&path, &whole, name);
        assert!(report.iter().any(|line| line.contains(name) && line.contains("missing")), "{name}: {report:?}");
        cost.extend(lost);
    }
    assert_eq!(cost, owed(&whole), "each message is in one of them");
}

#[test]
fn a_segment_that_was_cut_short_costs_what_was_cut() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    let (files, whole) = (segments(&path), facts(&path).unwrap());
    for (i, (name, octets)) in files.iter().enumerate() {
        for len in [[0, 40, 700][i % 3], 64 + 500 * i % 4000, octets.len() - 8] {
            restore(&path, &files);
            fs::write(path.join(name), &octets[..len]).unwrap();
            check(&path, &whole, &format!("{name} cut to {len}"));
        }
    }
}

#[test]
fn much_damage_at_once_leaves_a_log_that_starts() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    let (files, whole) = (segments(&path), facts(&path).unwrap());
    let mut dice = 88_172_645_463_325_252u64;
    let mut roll = |sides: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % sides as u64) as usize
    };
    let mut damaged = 0;
    for round in 0..30 {
        let mut hurt = files.clone();
        for _ in 0..1 + roll(8) {
            let name = hurt.keys().nth(roll(hurt.len())).unwrap().clone();
            let octets = hurt.get_mut(&name).unwrap();
            let (at, len) = (roll(octets.len()), 1 + roll(600));
            match roll(6) {
                0 => drop(hurt.remove(&name)),
                1 => octets.iter_mut().skip(at).take(len).for_each(|octet| *octet = 0),
                2 => octets.iter_mut().skip(at).take(len).for_each(|octet| *octet ^= 0x55),
                _ => octets[at] ^= 2,
            }
            if hurt.is_empty() {
                break;
            }
        }
        restore(&path, &hurt);
        if !hurt.is_empty() && facts(&path).is_err() {
            check(&path, &whole, &format!("round {round}"));
            damaged += 1;
        }
    }
    assert!(damaged > 15, "{damaged}");
}

#[test]
fn a_repair_that_is_cut_short_anywhere_is_completed_by_the_next() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    let mut old = segments(&path);
    old.values_mut().nth(2).unwrap()[900] ^= 1;
    restore(&path, &old);
    let Ok(Repair::Repaired { aside, .. }) = repair(&path, means(), true, &mut |_, _| {}) else { panic!("it is damaged") };
    let (new, digest) = (segments(&path), facts(&path).unwrap().digest());
    let first = new.keys().next().unwrap().strip_suffix(".seg").unwrap().to_owned();
    assert!(old.keys().next_back().unwrap() < new.keys().next().unwrap(), "new numbers are above the old ones");
    // As it is when the exchange has been decided and not begun.
    let decided = || {
        restore(&path, &old);
        fs::write(path.join("fresh.new"), "half").unwrap();
        let site = path.join(format!("repair-1-{first}"));
        fs::create_dir(&site).unwrap();
        new.iter().for_each(|(name, octets)| fs::write(site.join(name), octets).unwrap());
        fs::write(site.join("lock"), "").unwrap();
    };
    decided();
    let count = Exchange::pending(&path).unwrap().expect("it was decided").steps().unwrap().len();
    assert!(count > old.len() + new.len());
    for done in 0..=count {
        decided();
        let steps = Exchange::pending(&path).unwrap().expect("it was decided").steps().unwrap();
        steps.iter().take(done).for_each(|step| step.run().unwrap());
        match facts(&path) {
            Ok(ledger) => assert_eq!(ledger.digest(), digest, "after {done} steps a log that can be read is the new one"),
            Err(error) => assert!(error.contains("belong together") || error.contains("damaged") || error.contains("missing"), "{error}"),
        }
        let before = segments(&path);
        let pending = Exchange::pending(&path).unwrap().is_some();
        if pending {
            // Whatever a file put back may make of it: a relay would give names that the new log has.
            assert!(matches!(verify_directory(&path, &mut |_, _| {}), Err(RunError::Store(StoreError::Unfinished { .. }))), "{done}");
            assert!(matches!(repair(&path, means(), false, &mut |_, _| {}), Ok(Repair::Interrupted)), "after {done} steps");
            assert_eq!(segments(&path), before, "without consent nothing is changed");
            let completed = repair(&path, means(), true, &mut |_, _| {});
            assert!(matches!(completed, Ok(Repair::Repaired { .. })), "after {done} steps");
        }
        assert!(matches!(repair(&path, means(), false, &mut |_, _| {}), Ok(Repair::Healthy(_))), "after {done} steps");
        assert_eq!(segments(&path), new, "after {done} steps");
        assert_eq!(segments(&aside), old, "after {done} steps");
        assert_eq!(facts(&path).unwrap().digest(), digest);
    }
}

#[test]
fn a_message_without_its_parts_is_dropped_though_every_octet_is_whole() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let mut store = Store::open(Directory::open(&path).unwrap(), OPTIONS, Box::new(Counting(0)), &mut |_, _| Ok(())).unwrap().store;
    let records = [user(0), message(2, Payload::Chunks(vec![Seq(1)])), message(4, Payload::EMPTY)];
    for (seq, record) in (1..).zip(records) {
        store.append(Seq(seq * 2), &record.encode(), true).unwrap();
    }
    store.close().unwrap();
    assert!(facts(&path).unwrap_err().contains("needs chunk"));
    let Ok(Repair::Repaired { report, verified, .. }) = repair(&path, means(), true, &mut |_, _| {}) else { panic!("it is repaired") };
    assert!(report.iter().any(|line| line.contains("message 0000000000000004 is lost") && line.contains("parts")), "{report:?}");
    assert_eq!(owed(&verified.ledger), BTreeSet::from([(0, 6)]));
}

#[test]
fn a_record_of_a_later_version_is_left_to_that() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    let mut store = Store::open(Directory::open(&path).unwrap(), OPTIONS, Box::new(Counting(50)), &mut |_, _| Ok(())).unwrap().store;
    store.append(Seq(500), &[99, 1, 2], true).unwrap();
    store.close().unwrap();
    let (name, mut octets) = segments(&path).into_iter().next().unwrap();
    octets[300] ^= 1;
    fs::write(path.join(name), octets).unwrap();
    let before = segments(&path);
    let error = repair(&path, means(), true, &mut |_, _| {}).err().expect("it must not be dropped").to_string();
    assert!(error.contains("kind 99") && error.contains("Use the program that wrote it"), "{error}");
    assert_eq!(segments(&path), before);
}

#[test]
fn a_second_repair_sets_its_old_log_aside_beside_the_first() {
    let _lock = among_others();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    for name in ["set-aside-1", "set-aside-2"] {
        let whole = facts(&path).unwrap();
        let (file, mut octets) = segments(&path).into_iter().next().unwrap();
        octets[200] ^= 1;
        fs::write(path.join(file), octets).unwrap();
        check(&path, &whole, name);
        assert!(path.join(name).is_dir());
    }
}

fn run(path: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_mnm")).arg("repair").args(flags).arg("--data").arg(path).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[test]
fn the_program_shows_first_and_acts_on_yes() {
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    write_log(&path);
    let healthy = segments(&path);
    let (status, said) = run(&path, &["--yes"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("nothing is damaged, and nothing was changed"), "{said}");
    assert_eq!(segments(&path), healthy);

    let (name, mut octets) = healthy.into_iter().nth(1).unwrap();
    let at = octets.windows(40).position(|window| window.iter().all(|octet| *octet == window[0] && *octet > b'a')).unwrap();
    octets[at] ^= 1;
    fs::write(path.join(&name), octets).unwrap();
    let damaged = segments(&path);
    let (status, said) = run(&path, &[]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("nothing was changed; repeat with --yes to do this"), "{said}");
    let line = said.lines().find(|line| line.contains("a message, lost")).unwrap_or_else(|| panic!("{said}"));
    let sender = Uid([1; 20]).to_string();
    let recipient = Uid([1; 20]).to_string() + ", " + &Uid([2; 20]).to_string();
    assert!(line.contains(&name) && line.contains("at offset") && line.contains(&format!("from {sender}")), "{line}");
    assert!(recipient.split(", ").any(|uid| line.split("for ").nth(1).is_some_and(|to| to.contains(uid))), "{line}");
    assert_eq!(segments(&path), damaged);

    let held = Directory::open(&path).unwrap();
    let (status, said) = run(&path, &["--yes"]);
    assert_eq!(status, Some(6), "{said}");
    assert!(said.contains("another process"), "{said}");
    drop(held);

    let (status, said) = run(&path, &["--yes"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("set-aside-1") && said.contains("2 members") && said.contains("a message, lost"), "{said}");
    assert_eq!(segments(&path.join("set-aside-1")), damaged);
    let (status, said) = run(&path, &[]);
    assert_eq!(status, Some(0), "{said}");
}
