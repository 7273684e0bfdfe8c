//! The seeds under `fuzz/corpus`: small inputs that are what the targets are about, so that a fuzzer need not find it out.

use mnm::base::{GroupNo, NodeDigest, NodeNo, Seq, Uid, UserNo, Wall};
use mnm::record::{
    AliasRecord, BacklogRecord, CorkRecord, CursorRecord, GroupRecord, GroupRules, InviteRecord, Lane, Mark, MemberRecord, MessageRecord,
    MissedRecord, Mode, NodeRecord, Override, Payload, Policy, ReachRecord, Record, RetiredRecord, Role, SiteRecord, Standing, TallyRecord,
    UserRecord, Who,
};

/// Name and octets.
pub(crate) type Seed = (String, Vec<u8>);

/// Every request, in the numbering of the 2020 draft, of the 2018 draft, or in both; then the data that follows.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("tmtprev", r#"{"op":0,"id":"1"}"#, ""),
    ("register", r#"{"op":1,"newnode":"phone","newalias":"alice the first"}"#, ""),
    ("register-without-alias", r#"{"op":1,"newnode":"pho\u0000ne \u20ac","newalias":"_"}"#, ""),
    ("register-with-token", r#"{"op":1,"newnode":"phone","oidc":{"id_token":["x",1.5e3,null]}}"#, ""),
    ("login", r#"{"op":2,"uid":"%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%","node":"ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ"}"#, ""),
    ("useredit-alias", r#"{"op":3,"id":"u","newalias":"Tom & <Jerry>"}"#, ""),
    ("useredit-node", r#"{"op":3,"id":"u","newnode":"laptop"}"#, ""),
    ("ohiedit-add", r#"{"op":4,"id":"o","for":[{"id":"%%%%%%%%"}],"type":"add"}"#, ""),
    ("ohiedit-drop", r#"{"op":4,"id":"o","for":[{"Id":"%%%%%%%%","Type":0}],"type":"drop"}"#, ""),
    ("ohiedit-init", r#"{"op":4,"id":"o","for":[{"id":"a"},{"id":"b"},{"id":"c"}],"type":"init"}"#, ""),
    ("groupinvite", r#"{"op":5,"id":"i","gid":"the group","from":"alice the first","to":"bob the second","datalen":5}"#, "hello"),
    ("groupinvite-2018", r#"{"op":10}{"op":5,"id":"i","gid":"the group","to":"bob the second"}"#, ""),
    ("groupedit-join", r#"{"op":6,"id":"g","gid":"the group","act":"join"}"#, ""),
    ("groupedit-join-as", r#"{"op":6,"id":"g","gid":"the group","act":"join","newalias":"bob the other"}"#, ""),
    ("groupedit-alias", r#"{"op":6,"id":"g","gid":"the group","act":"alias","newalias":"bob the other"}"#, ""),
    ("groupedit-drop", r#"{"op":6,"id":"g","gid":"the group","act":"drop","to":"bob the second"}"#, ""),
    ("post-to-oneself", r#"{"op":7,"id":"p","for":[],"datalen":2}"#, "hi"),
    ("post-to-many", r#"{"op":7,"id":"p","for":[{"id":"u","type":1},{"id":"the group","type":2},{"id":"g","type":3}],"datalen":1}"#, "x"),
    ("post-with-head-and-sum", r#"{"op":7,"id":"p","for":[],"datahead":2,"datalen":4,"datasum":4294967295}"#, "{}hi"),
    (
        "postnotify",
        r#"{"op":8,"id":"n","for":[{"id":"u","type":1}],"notefor":[{"id":"g","type":3}],"notelen":2,"notehead":1,"notesum":7,"datalen":6,"datahead":1,"datasum":9}"#,
        "nodata",
    ),
    ("postnotify-not-to-self", r#"{"op":8,"id":"n","for":[{"id":"u","type":1}],"fornotself":true,"notelen":1,"datalen":2}"#, "nd"),
    ("ping", r#"{"op":9,"id":"q","from":"alice the first","to":"bob the second","datalen":2}"#, "\u{e9}"),
    ("ping-2018", r#"{"op":8,"id":"q","to":"bob the second"}"#, ""),
    ("ack", r#"{"op":10,"id":"0123456789abcdef","type":"ok"}"#, ""),
    ("ack-2018", r#"{"op":9,"id":"0123456789abcdef","type":"ok"}"#, ""),
    ("pulse", r#"{"op":11}"#, ""),
    ("pulse-2018", r#"{"op":10}"#, ""),
    ("quit", r#"{"op":12}"#, ""),
    ("register-with-invite", r#"{"op":1,"newnode":"phone","newalias":"alice the first","invite":"AAAAA-AAAAA-AAAAA"}"#, ""),
    ("useredit-alias-for-once", r#"{"op":3,"id":"u","newalias":"only for you","uses":1,"expires":"2027-01-31T18:00:00Z"}"#, ""),
    ("useredit-dropalias", r#"{"op":3,"id":"u","dropalias":"only for you"}"#, ""),
    ("useredit-dropnode", r#"{"op":3,"id":"u","dropnode":"7","uid":"%%%%%%%%"}"#, ""),
    ("groupedit-set", r#"{"op":6,"id":"g","gid":"the group","act":"set","invite":"moderators","post":"anyone","roster":"members"}"#, ""),
    ("groupedit-moderator", r#"{"op":6,"id":"g","gid":"the group","act":"moderator","to":"bob the second","role":"moderator"}"#, ""),
    ("ask", r#"{"op":16,"id":"a","what":"roster","gid":"the group","cursor":"0000000000000001"}"#, ""),
    ("reach", r#"{"op":17,"id":"r","act":"block","for":[{"id":"%%%%%%%%"}],"policy":"none"}"#, ""),
    ("cork", r#"{"op":18,"id":"c","until":"2027-01-31T18:00:00.5+01:00","for":[{"id":"%%%%%%%%"}]}"#, ""),
    ("cork-lifted", r#"{"op":18,"id":"c"}"#, ""),
    ("invite", r#"{"op":19,"id":"v","uses":3,"expires":"2027-01-31T18:00:00Z","gid":"the group"}"#, ""),
    ("keys-of-extensions-in-old-requests", r#"{"op":7,"id":"p","for":[],"datalen":1,"role":7,"post":[{}],"uses":-1.5}"#, "x"),
    ("refused-uses-of-a-wrong-type", r#"{"op":3,"id":"u","newalias":"only for you","uses":"1"}"#, ""),
    ("refused-for-without-until", r#"{"op":18,"id":"c","for":[{"id":"a"}]}"#, ""),
    ("keys-in-any-case", r#"{ "Op":7, "OP":7, "ID":"\u0041\n\ud83d\ude00", "For":null, "for":[], "DataLen":1, "x":{"op":[[]]} }"#, "x"),
    ("refused-wrong-type", r#"{"op":7,"id":5}"#, ""),
    ("refused-data-too-long", r#"{"op":9,"id":"q","from":"a","to":"b","datalen":421}"#, ""),
    ("refused-head-beyond-the-message", r#"{"op":8,"id":"n","for":[],"notelen":2,"datalen":6,"datahead":5}"#, "nodata"),
    ("refused-empty-alias", r#"{"op":6,"id":"g","gid":"the group","act":"join","newalias":""}"#, ""),
    ("refused-no-recipients", r#"{"op":8,"id":"n","for":[],"fornotself":true,"notelen":1,"datalen":2}"#, "nd"),
    ("refused-too-large", r#"{"op":7,"id":"p","for":[],"datalen":9223372036854775807}"#, "x"),
];

pub(crate) fn frame(header: &str, data: &str) -> Vec<u8> {
    format!("{:04x}{header}{data}", header.len()).into_bytes()
}

pub(crate) fn frames() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = REQUESTS.iter().map(|(name, header, data)| ((*name).to_owned(), frame(header, data))).collect();
    let all = |newer: bool| {
        let chosen = REQUESTS.iter().filter(|(name, ..)| !name.starts_with("refused") && (name.ends_with("2018") != newer));
        chosen.flat_map(|(_, header, data)| frame(header, data)).collect::<Vec<u8>>()
    };
    seeds.push(("a-conversation".into(), all(true)));
    seeds.push(("a-conversation-2018".into(), [frame(r#"{"op":0,"id":"1"}"#, ""), all(false), frame(r#"{"op":11}"#, "")].concat()));
    seeds.push(("upper-case-length".into(), [&b"000A"[..], br#"{"op": 12}"#].concat()));
    seeds.push(("half-a-length".into(), b"00".to_vec()));
    seeds.push(("half-a-header".into(), frame(r#"{"op":0,"id":"1"}"#, "")[..9].to_vec()));
    seeds.push(("half-a-body".into(), frame(r#"{"op":7,"id":"p","for":[],"datalen":20}"#, "hi")));
    seeds.push(("refused-length".into(), b"0007{op:0}".to_vec()));
    seeds.push(("refused-http".into(), b"GET / HTTP/1.1\r\n\r\n".to_vec()));
    seeds
}

pub(crate) fn records() -> Vec<Seed> {
    let header: &'static [u8] = b"000a{\"op\":\"x\"}";
    let to_some = |to: &[u32], held: &[u32], lane, payload| {
        let [to, held] = [to, held].map(|nodes| nodes.iter().map(|no| NodeNo(*no)).collect());
        Record::Message(MessageRecord { lane, to, held, header: header.into(), payload })
    };
    let message = |to: &[u32], lane, payload| to_some(to, &[], lane, payload);
    let user = |aliases: &[&str], labels: &[&str]| {
        let node = |(i, label): (usize, &&str)| {
            let (no, made) = (NodeNo(i as u32 + 7), i as u32 * 300);
            NodeRecord { no, digest: NodeDigest([5; 32]), label: (*label).into(), made }
        };
        let alias = |(i, name): (usize, &&str)| {
            let uses = i as u32 * 300;
            AliasRecord { name: (*name).into(), uses, expires: Wall::from_seconds(uses) }
        };
        let aliases = aliases.iter().enumerate().map(alias).collect();
        let nodes = labels.iter().enumerate().map(node).collect();
        let (no, uid, next_node) = (UserNo(700), Uid([9; 20]), NodeNo(13));
        UserRecord { no, uid, role: Role::Full, admin: false, aliases, nodes, dropped: 0, next_node }
    };
    let moderates = |standing, moderator| {
        let (group, user, alias) = (GroupNo(1), UserNo(700), "alice the first".into());
        Record::Member(MemberRecord { group, user, alias, standing, moderator })
    };
    let member = |standing| moderates(standing, false);
    let group = |rules| Record::Group(GroupRecord { no: GroupNo(1), name: "Tom & <Jerry>".into(), rules });
    let uids = |of: &[u8]| of.iter().map(|no| Uid([*no; 20])).collect::<Vec<_>>();
    let backlog = |lane, messages: &[u64]| {
        Record::Backlog(BacklogRecord { node: NodeNo(3), lane, messages: messages.iter().map(|seq| Seq(*seq)).collect() })
    };
    let mark = Mark { high: Seq(u64::MAX), owed: vec![Seq(4), Seq(9)], ahead: vec![Seq(70)] };
    let cursor = |normal, priority| {
        let held = Mark { ahead: vec![Seq(3)], ..Mark::default() };
        Record::Cursor(CursorRecord { node: NodeNo(u32::MAX), normal, priority, held, seen: 1 << 31 })
    };
    let user_no = UserNo(700);
    let invite = |maker, groups: &[u32]| {
        let (digest, groups) = ([7; 32], groups.iter().copied().map(GroupNo).collect());
        Record::Invite(InviteRecord {
            slot: 3,
            digest,
            uses: 100,
            expires: Wall::from_seconds(1 << 31),
            role: Role::Receive,
            maker,
            groups,
        })
    };
    let site = |mode| Record::Site(SiteRecord { mode, wrong_codes: 1 << 40 });
    let records = [
        ("user", Record::User(user(&["alice the first", "\u{fc}n\u{ef}c\u{f6}d\u{e9}"], &["phone", ""]))),
        ("user-bare", Record::User(user(&[], &[]))),
        ("user-suspended", Record::User(UserRecord { role: Role::Suspended, admin: true, ..user(&["alice the first"], &["phone"]) })),
        ("group", group(None)),
        ("group-managed", group(Some(GroupRules { invite: Who::Moderators, post: Who::Anyone, roster: Who::Members }))),
        ("member-moderator", moderates(Standing::Joined, true)),
        ("member-invited", member(Standing::Invited)),
        ("member-joined", member(Standing::Joined)),
        ("member-barred", member(Standing::Barred)),
        ("message", message(&[3, 300, u32::MAX], Lane::Normal, Payload::Inline(b"hello"[..].into()))),
        ("message-to-nobody", message(&[], Lane::Normal, Payload::EMPTY)),
        ("message-with-priority", message(&[3], Lane::Priority, Payload::EMPTY)),
        ("message-in-chunks", message(&[3], Lane::Normal, Payload::Chunks(vec![Seq(1 << 60), Seq((1 << 60) + 5)]))),
        ("message-in-no-chunks", message(&[3], Lane::Priority, Payload::Chunks(vec![]))),
        ("chunk", Record::Chunk(b"data"[..].into())),
        ("chunk-of-nothing", Record::Chunk(b""[..].into())),
        ("cursor", cursor(mark.clone(), mark)),
        ("cursor-at-zero", cursor(Mark::default(), Mark::default())),
        ("backlog", backlog(Lane::Normal, &[1, 2, 1 << 62])),
        ("backlog-with-priority", backlog(Lane::Priority, &[])),
        ("backlog-held", backlog(Lane::Held, &[5])),
        ("message-held-for-some", to_some(&[3, 300], &[300], Lane::Normal, Payload::EMPTY)),
        ("reach", Record::Reach(ReachRecord { user: user_no, policy: Policy::None, block: uids(&[1, 2]), allow: uids(&[3]) })),
        ("reach-of-nobody", Record::Reach(ReachRecord { user: user_no, policy: Policy::Any, block: vec![], allow: vec![] })),
        ("cork", Record::Cork(CorkRecord { user: user_no, until: Wall::from_seconds(1 << 31), all: false, from: uids(&[1, 2]) })),
        ("cork-for-all", Record::Cork(CorkRecord { user: user_no, until: Wall(0), all: true, from: vec![] })),
        ("tally", Record::Tally(TallyRecord { user: user_no, pings: vec![5, 5, 9], failures: vec![u32::MAX] })),
        ("missed", Record::Missed(MissedRecord { user: user_no, count: 3, first: Seq(1 << 60), last: Seq(u64::MAX) })),
        ("invite", invite(Some(UserNo(u32::MAX)), &[1, 4])),
        ("invite-of-the-operator", invite(None, &[])),
        ("retired", Record::Retired(RetiredRecord { user: user_no, name: "alice no more".into() })),
        ("site", site(Some(Override { mode: Mode::Closed, until: Wall::from_seconds(9), then: Mode::Open, configured: Mode::Invite }))),
        ("site-as-configured", site(None)),
    ];
    let mut seeds: Vec<Seed> = records.into_iter().map(|(name, record)| (name.to_owned(), record.encode())).collect();
    seeds.push(("refused-kind".into(), vec![99]));
    seeds.push(("refused-short".into(), seeds[0].1[..20].to_vec()));
    // Kinds that are read and no longer written.
    let user = [&[1, 7][..], &[9; 20], &[13, 1, 5], b"alice", &[1, 12], &[5; 32], &[5], b"phone"].concat();
    seeds.push(("user-of-the-first-version".into(), user));
    seeds.push(("cursor-of-the-first-version".into(), vec![6, 3, 9, 2, 4, 1, 1, 12, 8, 0, 0]));
    seeds
}

/// Steps of a history of a log, as the target `recovery` reads them.
mod step {
    pub(super) const COMMIT: &[u8] = &[6];
    pub(super) const CLOSE: &[u8] = &[12];
    pub(super) const WRITE_AHEAD: &[u8] = &[15];
    pub(super) const CRASH: &[u8] = &[16];
    pub(super) const CRASH_IN_PART: &[u8] = &[18, 7];
    pub(super) const KILL: &[u8] = &[19];
    pub(super) const REMEMBER: &[u8] = &[22];
    pub(super) const APPEND_SMALL: &[u8] = &[0, 40];
    pub(super) const APPEND_LARGE: &[u8] = &[3, 150];
    pub(super) const APPEND_BATCH: &[u8] = &[4, 2, 40, 0, 90];
    pub(super) const FORGET: &[u8] = &[8, 0, 7];
    pub(super) const FORGET_OLDEST: &[u8] = &[9, 4];
    pub(super) const MAINTAIN: &[u8] = &[10, 5];
    pub(super) const POWER_GOES: &[u8] = &[13, 1, 9];
    pub(super) const CALL_FAILS: &[u8] = &[14, 1];
    pub(super) const SMALL_DISK: &[u8] = &[20, 16, 0];
    pub(super) const LARGE_SEGMENTS: &[u8] = &[21, 3];
}

pub(crate) fn recovery() -> Vec<Seed> {
    use step::*;
    let round = [APPEND_BATCH, APPEND_LARGE, COMMIT, APPEND_SMALL, MAINTAIN].concat();
    let busy = [&round[..], &round, &round, FORGET_OLDEST, FORGET, MAINTAIN, &round, FORGET_OLDEST, MAINTAIN, MAINTAIN, &round].concat();
    let after = |end: &[&[u8]]| [&busy, &end.concat()[..]].concat();
    let segment = |number: u8| number - 1;
    // A batch over many sectors, some of which are lost: others each time.
    let torn = |lost: u8| [&[4, 7, 60, 60, 60, 60, 60, 60, 60, 60][..], &[13, 1, lost], COMMIT, CRASH, APPEND_SMALL, COMMIT].concat();
    let scratched = |segment: u8, at: u8| [CLOSE, &[23, segment, 0, at, 4][..], APPEND_SMALL].concat();
    let named = [
        ("nothing", vec![]),
        ("one-record", [APPEND_SMALL, COMMIT].concat()),
        ("not-committed", [APPEND_SMALL, CRASH].concat()),
        ("closed", after(&[CLOSE])),
        ("closed-and-opened", after(&[CLOSE, APPEND_SMALL, COMMIT, CLOSE])),
        ("killed", after(&[APPEND_BATCH, KILL, APPEND_BATCH, KILL])),
        ("crashed", after(&[APPEND_BATCH, CRASH, &busy, CRASH])),
        ("crashed-in-part", after(&[APPEND_BATCH, APPEND_BATCH, WRITE_AHEAD, CRASH_IN_PART, APPEND_SMALL, COMMIT])),
        ("power-goes", after(&[POWER_GOES, APPEND_LARGE, APPEND_BATCH, COMMIT, &round])),
        ("power-goes-in-upkeep", after(&[POWER_GOES, FORGET_OLDEST, MAINTAIN, MAINTAIN, &round])),
        ("torn-batches", (0..12).flat_map(torn).collect()),
        ("a-call-fails", after(&[CALL_FAILS, APPEND_LARGE, COMMIT, &round])),
        ("a-full-disk", after(&[SMALL_DISK, &busy, CRASH, &busy, CRASH, &round])),
        ("segments-of-another-size", after(&[CRASH, LARGE_SEGMENTS, &busy, CRASH, &busy])),
        ("flipped", after(&[&[23, 0, 1, 0, 255]])),
        ("scratched-where-it-is-needed", [&round[..], &scratched(0, 150)].concat()),
        ("scratched-in-the-mark-of-closing", [APPEND_SMALL, COMMIT, &scratched(0, 252)].concat()),
        ("flipped-at-the-end", after(&[CRASH, &[23, 255, 0, 200, 1], APPEND_SMALL])),
        ("cut", after(&[CLOSE, &[25, 3, 0, 100]])),
        ("zeroed", after(&[CLOSE, &[26, 2, 0, 64, 0, 64]])),
        ("copied", after(&[&[27, 0, 1, 0, 64, 0, 64, 4, 0]])),
        ("removed", after(&[&[28, segment(2)]])),
        ("all-removed", [&round[..], &[28, 0], &[28, 0], &[28, 0], &round].concat()),
        ("renamed", after(&[&[29, 0, 200]])),
        ("as-it-was", after(&[REMEMBER, &busy, &[30, 0, 0], &[30, 0, 1], &[30, 0, 2], &[30, 0, 3]])),
        ("not-a-segment", [&round[..], &[30, 1, 5, 0, 20], b"this is no segment.."].concat()),
        ("in-the-making", [&round[..], &[30, 1, 0, 0, 5], b"fresh", &round].concat()),
        ("forged-header", after(&[&[31, 1, 0, 0, 0, 2]])),
        ("forged-manifest", after(&[&[31, 1, 1, 6, 0, 2]])),
        ("forged-kind", after(&[&[31, 2, 3, 0, 0, 5]])),
        ("forged-number", after(&[CLOSE, &[31, 2, 2, 3, 0, 0], APPEND_SMALL, COMMIT])),
        ("forged-place", after(&[CLOSE, &[31, 2, 2, 4, 9, 9]])),
    ];
    named.into_iter().map(|(name, steps)| (name.to_owned(), steps)).collect()
}

/// What strangers say and do, as the target `link` reads it.
mod act {
    /// The server has its turns.
    pub(super) const TURN: &[u8] = &[0xff];
    pub(super) const NEXT: &[u8] = &[0xfa, 0];
    pub(super) const CLOSE: &[u8] = &[0xfa, 2];
    pub(super) const RESET: &[u8] = &[0xfa, 3];
    pub(super) const STOP_READING: &[u8] = &[0xfa, 4];
    pub(super) const READ_AGAIN: &[u8] = &[0xfa, 5];
    pub(super) const MOMENT: &[u8] = &[0xfb, 1];
    pub(super) const SECONDS: &[u8] = &[0xfb, 4];
    pub(super) const HALF_A_MINUTE: &[u8] = &[0xfb, 6];
    pub(super) const MINUTES: &[u8] = &[0xfb, 7];

    /// A header, its length to be put before it: `$h`, `$u`, `$n`, `$m` are the honest member's uid, the own uid, the own secret, and
    /// the newest message's id.
    pub(super) fn frame(header: &str, data: &str) -> Vec<u8> {
        let mut out = vec![0xfe];
        let mut parts = header.split('$');
        out.extend(parts.next().expect("a header").bytes());
        for part in parts {
            let known = "hunm".find(part.chars().next().expect("a name")).expect("a known name");
            out.extend([0xfc, known as u8]);
            out.extend(part.bytes().skip(1));
        }
        out.push(0xfd);
        out.extend(data.bytes());
        out
    }
}

pub(crate) fn link() -> Vec<Seed> {
    use act::*;
    let greet = || frame(r#"{"op":0,"id":"1"}"#, "");
    let join = |alias: &str| [greet(), frame(&format!(r#"{{"op":1,"newnode":"phone","newalias":"{alias}"}}"#), ""), TURN.to_vec()].concat();
    let alice = || join("alice the first");
    let bob = || [NEXT.to_vec(), join("bob the second")].concat();
    let say = |header: &str, data: &str| [frame(header, data), TURN.to_vec()].concat();
    let post = || say(r#"{"op":7,"id":"p","for":[{"id":"$h","type":1}],"datalen":5}"#, "hello");
    let ack = || say(r#"{"op":10,"id":"$m","type":"ok"}"#, "");
    let login = || [greet(), say(r#"{"op":2,"uid":"$u","node":"$n"}"#, "")].concat();
    let two = |rest: &[Vec<u8>]| [alice(), bob(), rest.concat()].concat();
    let invite = || say(r#"{"op":5,"id":"i","gid":"the group","from":"bob the second","to":"alice the first","datalen":2}"#, "hi");
    let member = |rest: &[Vec<u8>]| [alice(), rest.concat()].concat();
    let mut seeds: Vec<Seed> = REQUESTS.iter().map(|(name, header, data)| (format!("one-{name}"), member(&[say(header, data)]))).collect();
    let bulk = |octets: u8, header: &str| [frame(header, ""), vec![0xf9, octets, b'x'], TURN.to_vec()].concat();
    let named = [
        ("nobody", vec![]),
        ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("no-greeting", say(r#"{"op":7,"id":"p","for":[],"datalen":1}"#, "x")),
        ("a-silent-stranger", [greet(), SECONDS.to_vec(), SECONDS.to_vec()].concat()),
        ("a-wrong-login", [greet(), say(r#"{"op":2,"uid":"$h","node":"$h%%%%%%%%"}"#, "")].concat()),
        ("a-post", member(&[post(), ack()])),
        ("posts-in-a-row", member(&[post(), post(), post(), post(), post(), post()])),
        ("octet-by-octet", member(&post().iter().flat_map(|&octet| [octet, 0xff]).map(|octet| vec![octet]).collect::<Vec<_>>())),
        ("gone-and-back", member(&[CLOSE.to_vec(), login(), post(), RESET.to_vec(), login()])),
        (
            "a-login-that-waits",
            member(&[NEXT.to_vec(), login(), MOMENT.to_vec(), NEXT.to_vec(), NEXT.to_vec(), CLOSE.to_vec(), MOMENT.to_vec()]),
        ),
        ("taken-over", member(&[HALF_A_MINUTE.to_vec(), HALF_A_MINUTE.to_vec(), NEXT.to_vec(), login()])),
        ("idle", member(&[MINUTES.to_vec(), MINUTES.to_vec()])),
        (
            "deliveries-without-acks",
            two(&[
                say(r#"{"op":8,"id":"n","for":[{"id":"$u","type":1}],"notefor":[{"id":"$h","type":1}],"notelen":2,"datalen":6}"#, "nodata"),
                HALF_A_MINUTE.to_vec(),
                HALF_A_MINUTE.to_vec(),
                ack(),
            ]),
        ),
        ("an-upload", member(&[bulk(250, r#"{"op":7,"id":"p","for":[{"id":"$h","type":1}],"datalen":4000}"#), post()])),
        (
            "an-upload-to-a-new-node",
            member(&[
                bulk(125, r#"{"op":7,"id":"p","for":[{"id":"$u","type":1}],"datalen":2000}"#),
                say(r#"{"op":3,"id":"e","newnode":"laptop"}"#, ""),
                NEXT.to_vec(),
                login(),
                ack(),
            ]),
        ),
        ("half-an-upload", member(&[bulk(100, r#"{"op":7,"id":"p","for":[],"datalen":4000}"#), RESET.to_vec()])),
        ("too-large", member(&[bulk(255, r#"{"op":7,"id":"p","for":[],"datalen":90000}"#)])),
        ("does-not-read", member(&[STOP_READING.to_vec(), post(), post(), MINUTES.to_vec(), READ_AGAIN.to_vec(), post()])),
        (
            "a-group",
            two(&[
                invite(),
                NEXT.to_vec(),
                NEXT.to_vec(),
                say(r#"{"op":6,"id":"j","gid":"the group","act":"join"}"#, ""),
                ack(),
                say(r#"{"op":7,"id":"p","for":[{"id":"the group","type":2}],"datalen":1}"#, "x"),
                say(r#"{"op":6,"id":"d","gid":"the group","act":"drop","to":"bob the second"}"#, ""),
            ]),
        ),
        (
            "presence",
            two(&[
                say(r#"{"op":4,"id":"o","for":[{"id":"$h"},{"id":"$u"}],"type":"init"}"#, ""),
                say(r#"{"op":4,"id":"o","for":[{"id":"$h"}],"type":"drop"}"#, ""),
                CLOSE.to_vec(),
            ]),
        ),
        ("a-ping", two(&[say(r#"{"op":9,"id":"q","from":"bob the second","to":"the honest one","datalen":2}"#, "hi"), ack()])),
        (
            "the-older-numbering",
            member(&[
                say(r#"{"op":8,"id":"q","to":"the honest one"}"#, ""),
                say(r#"{"op":9,"id":"$m","type":"ok"}"#, ""),
                say(r#"{"op":11}"#, ""),
            ]),
        ),
    ];
    seeds.extend(named.into_iter().map(|(name, octets)| (name.to_owned(), octets)));
    seeds
}
