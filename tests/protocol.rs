//! The protocol's document cannot drift: its examples are replayed, its grammar is matched with them, and its tables are compared
//! with the code.
//!
//! `PROTOCOL_WRITE=1 cargo test --test protocol` fills in what the relay says in the examples; look at the difference then.

mod common;
#[path = "protocol/mod.rs"]
mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs};

use common::frame::{canonical, crc32c};
use document::example::{self, What, parts};
use document::grammar::Grammar;
use document::table::{anchor, code, rows, section};
use document::{exact, live, write};
use mnm::base::{BASE32_ALPHABET, CODE_ALPHABET, InviteCode, NODE_SECRET_BYTES, UID_BYTES};
use mnm::ledger::check_name;
use mnm::limits;
use mnm::wire::reply::FEATURES;
use mnm::wire::{Dialect, Op, Request, RequestLimits};
use serde_json::Value;

/// Octet for octet, with the document's clock and the document's secrets.
#[test]
fn examples_are_exact() {
    if env::var_os("PROTOCOL_WRITE").is_some() {
        let text = write::rewrite(&document::text());
        fs::write(document::path(), text).expect("the document can be written");
    }
    let blocks = example::read(&document::text());
    assert!(blocks.len() > 20, "the examples are found");
    if let Err(what) = exact::replay(&blocks) {
        panic!("docs/PROTOCOL.md: {what}");
    }
}

/// Over TLS, with whatever ids, times and secrets the program makes.
#[test]
fn examples_are_what_the_program_does() {
    if env::var_os("PROTOCOL_WRITE").is_some() {
        return;
    }
    if let Err(what) = live::replay(&example::read(&document::text())) {
        panic!("docs/PROTOCOL.md: {what}");
    }
}

/// What fills in the relay's lines finds nothing to change, whatever it found there before.
#[test]
fn writing_changes_nothing() {
    if env::var_os("PROTOCOL_WRITE").is_some() {
        return;
    }
    let document = document::text();
    assert!(write::rewrite(&document) == document);
    // As an author leaves it: nothing of an ack, and a request without its length.
    let draft: Vec<&str> = document
        .lines()
        .map(|line| if line.starts_with("alice < ") && line.contains("\"op\":\"ack\"") { "alice <" } else { line })
        .collect();
    let draft = draft.join("\n").replacen("alice > 005a{", "alice > ....{", 1) + "\n";
    assert!(draft != document && write::rewrite(&draft) == document);
}

/// The frames of the examples: to the relay with what each is, and from it.
#[derive(Default)]
struct Frames {
    requests: Vec<(Op, Vec<u8>)>,
    answers: Vec<(Value, Vec<u8>)>,
}

fn frames() -> Frames {
    let mut frames = Frames::default();
    let mut dialects: BTreeMap<String, Dialect> = BTreeMap::new();
    for step in example::read(&document::text()).into_iter().flat_map(|block| block.steps) {
        match step.what {
            What::Connects(link) => drop(dialects.insert(link, Dialect::Unlatched)),
            What::Sends(link, octets) => {
                let request = parts(&octets).map(|parts| {
                    let dialect = dialects.get_mut(&link).expect("it is connected");
                    Request::parse(parts.header.as_bytes(), dialect, &RequestLimits::default()).map(|request| request.op())
                });
                frames.requests.extend(request.and_then(Result::ok).map(|op| (op, octets)));
            }
            What::Gets(_, octets) => {
                let header = serde_json::from_str(parts(&octets).expect("a frame").header).expect("JSON");
                frames.answers.push((header, octets));
            }
            What::Site(_) | What::At(_) | What::Closes(_) | What::IsClosed(_) => {}
        }
    }
    frames
}

/// The grammar describes every frame of the examples, and tells right from wrong as the code does.
#[test]
fn grammar_describes_the_frames() {
    let document = document::text();
    let grammar = Grammar::of(&document);
    let frames = frames();
    for (octets, rule) in frames
        .requests
        .iter()
        .map(|(_, octets)| (octets, "header"))
        .chain(frames.answers.iter().flat_map(|(_, octets)| ["header", "relay-header"].map(|rule| (octets, rule))))
    {
        let parts = parts(octets).expect("a frame");
        assert!(grammar.matches("length", parts.length), "{}", parts.length);
        assert!(grammar.matches(rule, parts.header), "no {rule}: {}", parts.header);
    }
    for (header, _) in &frames.answers {
        let mut fields = header.as_object().expect("an object").iter();
        fields.by_ref().for_each(|(key, value)| {
            let rule = match key.as_str() {
                "msgid" | "postid" | "first" | "last" => "message-id",
                "uid" | "from" => "uid",
                "nodeid" => "nodeid",
                "posted" | "expires" => "time",
                "alias" | "newalias" | "dropalias" | "gid" | "to" => "name",
                "newnode" | "label" => "label",
                "id" if header["op"] == "ack" || header["op"] == "result" => "request-id",
                "id" if header.get("headsum").is_some() => "message-id",
                _ => return,
            };
            let text = value.as_str().expect("a text");
            assert!(grammar.matches(rule, text), "{key} is no {rule}: {text}");
        });
        for code in header["list"].as_array().into_iter().flatten().filter_map(|entry| entry["code"].as_str()) {
            assert!(grammar.matches("invite-code", code), "{code}");
        }
    }
}

#[test]
fn grammar_agrees_with_the_code() {
    let grammar = Grammar::of(&document::text());
    let alphabet = |rule: &str| (0..=127u8).map(char::from).filter(|c| grammar.matches(rule, &c.to_string())).collect::<String>();
    let sorted = |text: &str| {
        let mut chars: Vec<char> = text.chars().collect();
        chars.sort_unstable();
        chars.into_iter().collect::<String>()
    };
    assert_eq!(alphabet("base32"), sorted(BASE32_ALPHABET));
    assert_eq!(alphabet("code-char"), sorted(std::str::from_utf8(CODE_ALPHABET).expect("ASCII")));
    assert_eq!(alphabet("lowhex"), "0123456789abcdef");
    for (rule, first, last) in [
        ("uid", UID_BYTES * 8 / 5, UID_BYTES * 8 / 5),
        ("nodeid", NODE_SECRET_BYTES * 8 / 5, NODE_SECRET_BYTES * 8 / 5),
        ("message-id", 16, 16),
        ("request-id", 1, limits::REQUEST_ID_MAX),
        ("name", limits::NAME_MIN_CHARS, limits::NAME_MAX),
        ("label", 1, limits::LABEL_MAX),
    ] {
        for len in [0, first - 1, first, last, last + 1, 2000] {
            assert_eq!(grammar.matches(rule, &"1".repeat(len)), (first..=last).contains(&len), "{rule} of {len}");
        }
    }
    // Names of all kinds of characters, as the relay judges them.
    for c in (0..0x600)
        .chain(0x2000..0x2070)
        .chain([0x3000, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0x1f600, 0xe0001, 0x10ffff])
        .filter_map(char::from_u32)
    {
        let name = c.to_string().repeat(8);
        assert_eq!(grammar.matches("name", &name), check_name("gid", &name).is_ok(), "{c:?}");
        // Strings as an encoder writes them that shares nothing with the relay's.
        let string = canonical(&Value::from(c.to_string()));
        assert!(grammar.matches("c-string", &string), "{string}");
        let escaped = format!("\"\\u{:04x}\"", u32::from(c));
        assert_eq!(grammar.matches("c-string", &escaped), string == escaped, "{escaped}");
        assert_eq!(grammar.matches("c-string", &format!("\"{c}\"")), string == format!("\"{c}\""), "{c:?}");
    }
    for (rule, text, fits) in [
        ("length", "00aF", true),
        ("length", "+0af", false),
        ("length", "0af", false),
        ("header", " {\"a\" : [1] } ", true),
        ("header", "[1]", false),
        ("relay-header", r#"{"a":1,"b":{"c":[true,"x"]}}"#, true),
        ("relay-header", r#"{"a": 1}"#, false),
        ("relay-header", r#"{"a":01}"#, false),
        ("relay-header", r#"{"a":4.0}"#, false),
        ("relay-header", r#"{"a":"\u003C"}"#, false),
        ("relay-header", r#"{"a":"/\/"}"#, false),
        ("c-number", "9223372036854775807", true),
        ("message-id", "18EB8E5B8A41A282", false),
        ("time", "2026-11-26T09:30:00.250Z", true),
        ("time", "2026-11-26T09:30:00Z", false),
        ("time", "2026-11-26t09:30:00.250z", false),
        ("invite-code", "K7QXA-9TMDW-4RHU7", true),
        ("invite-code", "K7QXA9TMDW4RHU7", false),
        ("invite-code", "k7qxa-9tmdw-4rhu7", false),
    ] {
        assert_eq!(grammar.matches(rule, text), fits, "{rule}: {text}");
    }
    let used: BTreeSet<&str> = ["frame", "link", "data", "note", "part", "secondary", "field", "value"].into();
    assert!(used.is_subset(&grammar.names()));
}

/// A request of each op in either numbering.
fn sample(op: &str, number: &str) -> String {
    let rest = match op {
        "TmtpRev" => r#""id":"1""#,
        "Register" => r#""newnode":"phone""#,
        "Login" => r#""uid":"u","node":"n""#,
        "UserEdit" => r#""id":"1","newalias":"alice the first""#,
        "OhiEdit" => r#""id":"1","for":[{"id":"u"}],"type":"add""#,
        "GroupInvite" => r#""id":"1","gid":"the group","from":"alice the first","to":"bob the builder""#,
        "GroupEdit" => r#""id":"1","gid":"the group","act":"join""#,
        "Post" => r#""id":"1","for":[],"datalen":1"#,
        "PostNotify" => r#""id":"1","for":[],"datalen":2,"notelen":1"#,
        "Ping" => r#""id":"1","from":"alice the first","to":"bob the builder""#,
        "Ack" => r#""id":"18eb8e5b8a41a282","type":"ok""#,
        "Pulse" | "Quit" => r#""nothing":0"#,
        "Ask" => r#""id":"1","what":"nodes""#,
        "Reach" => r#""id":"1","policy":"any""#,
        "Cork" | "Invite" => r#""id":"1""#,
        op => panic!("the table has {op}, which this test does not know"),
    };
    format!(r#"{{"op":{number},{rest}}}"#)
}

#[test]
fn ops_have_these_numbers() {
    let document = document::text();
    let numbers = rows(section(&document, "5.1."));
    let names: BTreeSet<String> = numbers.iter().map(|row| row[0].split(' ').next().expect("a name").to_lowercase()).collect();
    assert_eq!(names, Op::ALL.iter().map(|op| op.word().to_owned()).collect());
    let shown: BTreeSet<Op> = frames().requests.into_iter().map(|(op, _)| op).collect();
    assert_eq!(shown, Op::ALL.into(), "each has an example");
    for row in &numbers {
        let name = row[0].split(' ').next().expect("a name");
        for (number, dialect) in [(row[1], Dialect::Draft2018), (row[2], Dialect::Draft2020)] {
            if number == "none" {
                continue;
            }
            let header = sample(name, number);
            let request = Request::parse(header.as_bytes(), &mut dialect.clone(), &RequestLimits::default());
            assert_eq!(request.as_ref().map(|request| request.op().word()), Ok(&*name.to_lowercase()), "{dialect:?} {header}");
        }
    }
    let known: BTreeSet<&str> = numbers.iter().map(|row| row[2]).collect();
    for number in (0..64).map(|number| number.to_string()).filter(|number| !known.contains(&**number)) {
        let header = sample("Ask", &number);
        assert!(Request::parse(header.as_bytes(), &mut Dialect::Draft2020, &RequestLimits::default()).is_err(), "{header}");
    }
}

/// The table of what latches a connection, row by row.
#[test]
fn shapes_latch_as_they_should() {
    let latch = |number: u64, rest: &str, mut dialect: Dialect| {
        let header = format!(r#"{{"op":{number}{rest}}}"#);
        let limits = RequestLimits::default();
        Request::parse(header.as_bytes(), &mut dialect, &limits).ok().map(|request| (request.op(), dialect))
    };
    use Dialect::{Draft2018, Draft2020, Unlatched};
    let post = r#","id":"1","for":[],"datalen":2,"notelen":1"#;
    let ping = r#","id":"1","from":"alice the first","to":"bob the builder""#;
    let ack = r#","id":"1","type":"ok""#;
    for (number, rest, dialect, due) in [
        (8, post, Unlatched, Some((Op::PostNotify, Draft2020))),
        (8, ping, Unlatched, Some((Op::Ping, Draft2018))),
        (8, post, Draft2018, None),
        (8, ping, Draft2020, None),
        (9, ack, Unlatched, Some((Op::Ack, Draft2018))),
        (9, ping, Unlatched, Some((Op::Ping, Draft2020))),
        (9, ack, Draft2020, None),
        (10, "", Unlatched, Some((Op::Pulse, Draft2018))),
        (10, ack, Unlatched, Some((Op::Ack, Draft2020))),
        (10, "", Draft2020, None),
        (10, ack, Draft2018, None),
        (11, "", Unlatched, Some((Op::Pulse, Unlatched))),
        (11, "", Draft2018, Some((Op::Quit, Draft2018))),
        (11, "", Draft2020, Some((Op::Pulse, Draft2020))),
        (12, "", Unlatched, Some((Op::Quit, Draft2020))),
        (12, "", Draft2018, None),
    ] {
        assert_eq!(latch(number, rest, dialect), due, "{number} {rest} {dialect:?}");
    }
}

/// What a file of the relay has in quotes behind one of these beginnings.
fn sentences(source: &str, beginnings: &[&str]) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]").next().expect("a part");
    let mut found = BTreeSet::new();
    for beginning in beginnings {
        for (at, _) in source.match_indices(beginning) {
            let rest = source[at + beginning.len()..].trim_start();
            let rest = rest.strip_prefix("f,").unwrap_or(rest).trim_start();
            // A limit may come first.
            let rest = if rest.starts_with("Limit::") { rest.split_once(',').map_or(rest, |(_, rest)| rest.trim_start()) } else { rest };
            let rest = rest.strip_prefix("format!(").unwrap_or(rest).trim_start();
            if let Some(text) = rest.strip_prefix('"') {
                found.insert(text[..text.find('"').expect("it ends")].to_owned());
            }
        }
    }
    found
}

fn source(path: &str) -> String {
    fs::read_to_string(format!("{}/src/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn reasons_of_quit_are_these() {
    let document = document::text();
    let listed: BTreeSet<String> = rows(section(&document, "6.3.")).iter().map(|row| code(row[0])[0].to_owned()).collect();
    let spoken = sentences(&source("relay/session.rs"), &["Reason::HeaderLength =>", "=>"]);
    let spoken: BTreeSet<String> = spoken.into_iter().filter(|text| !matches!(&**text, "not logged in in time" | "refused")).collect();
    assert_eq!(listed, spoken);
}

/// Whether a text is what a sentence of the code makes, whatever stands in its braces.
fn is_made_by(sentence: &str, text: &str) -> bool {
    let mut pattern = String::new();
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        pattern += before;
        pattern.push('*');
        rest = after.split_once('}').expect("braces end").1;
    }
    common::text::is_like(&(pattern + rest), text)
}

/// Each error of an ack that the code can make is in the table, and each one there can be made.
#[test]
fn errors_of_acks_are_these() {
    let document = document::text();
    let listed: BTreeSet<&str> = rows(section(&document, "10.")).iter().flat_map(|row| code(row[0])).collect();
    let ops = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/relay/ops")).expect("the ops");
    let files = ops.map(|entry| format!("relay/ops/{}", entry.expect("an entry").file_name().to_string_lossy()));
    let files = files.filter(|path| path.ends_with(".rs")).chain(["relay/names.rs".into(), "ledger/names.rs".into()]);
    let mut made: BTreeSet<String> = files.flat_map(|path| sentences(&source(&path), &["deny(", "over(", "Err(", "write!("])).collect();
    made.extend(sentences(&source("relay/ops/mod.rs"), &["STORAGE_FULL: &str ="]));
    assert!(made.len() > 60, "they are found");
    for sentence in &made {
        assert!(listed.iter().any(|text| is_made_by(sentence, text)), "not in the table: {sentence}");
    }
    for text in listed {
        assert!(made.iter().any(|sentence| is_made_by(sentence, text)), "nothing makes it: {text}");
    }
}

#[test]
fn features_are_these() {
    let document = document::text();
    let listed: Vec<&str> = rows(section(&document, "8.")).iter().map(|row| code(row[0])[0]).collect();
    assert_eq!(listed, FEATURES);
}

/// Every key that a request can have is a field in some table, and every field there is a key.
#[test]
fn fields_are_these() {
    let document = document::text();
    let source = source("wire/header.rs");
    let (_, fields) = source.split_once("\nfields! {").expect("the list of keys");
    let keys: BTreeSet<&str> = fields[..fields.find("\n}").expect("its end")]
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once('"'))
        .map(|(key, _)| key)
        .filter(|key| *key != "op")
        .collect();
    let numbers = |chapter: usize, last: usize| (1..=last).map(move |n| format!("{chapter}.{n}."));
    let mut listed = BTreeSet::new();
    for heading in numbers(7, 13).chain(numbers(8, 8)) {
        for row in rows(section(&document, &heading)).iter().filter(|row| row.len() == 4 && row[0].starts_with('`')) {
            listed.extend(code(row[0]));
        }
    }
    let standard = ["datalen", "datahead", "datasum"];
    for field in standard {
        assert!(rows(section(&document, "4.5.")).iter().any(|row| row[0] == format!("`{field}`")), "{field}");
    }
    assert_eq!(listed.into_iter().chain(standard).collect::<BTreeSet<_>>(), keys);
}

/// What the relay sends is in the tables of what it sends, field by field, and each kind of frame has an example.
#[test]
fn frames_from_the_relay_are_these() {
    let document = document::text();
    let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in rows(section(&document, "9.")) {
        let mut fields: BTreeSet<&str> = code(row[1]).into_iter().collect();
        if row[1].contains("data") {
            fields.extend(["datalen", "datahead", "datasum"]);
        }
        // Messages have a column more, and the standard fields.
        if row.len() == 5 {
            fields.extend(["from", "id", "posted", "headsum", "datalen"]);
        }
        listed.insert(code(row[0])[0], fields);
    }
    let mut shown = BTreeSet::new();
    for (header, octets) in frames().answers {
        let op = header["op"].as_str().expect("an op");
        let fields = listed.get(op).unwrap_or_else(|| panic!("{op} is not in the tables"));
        for key in header.as_object().expect("an object").keys().filter(|key| *key != "op") {
            assert!(fields.contains(&**key), "{key} of {op} is not in the tables: {}", example::escape(&octets));
        }
        shown.insert(op.to_owned());
    }
    let known: BTreeSet<&str> = listed.values().flatten().copied().collect();
    let written = ["text(\"", "seq(\"", "number(\"", "non_zero(\"", "optional(\"", "raw(\""];
    let replies = source("wire/reply.rs");
    let replies = replies.split("#[cfg(test)]").next().expect("a part");
    let keys: BTreeSet<&str> = written
        .iter()
        .flat_map(|call| replies.match_indices(call).map(|(at, _)| &replies[at + call.len()..]))
        .map(|rest| &rest[..rest.find('"').expect("a key ends")])
        .filter(|key| !matches!(*key, "op"))
        .collect();
    assert!(keys.len() > 40 && keys.is_subset(&known), "not in the tables: {:?}", keys.difference(&known));
    assert_eq!(shown, listed.keys().map(|op| (*op).to_owned()).collect(), "each has an example");
}

#[test]
fn limits_are_these() {
    let document = document::text();
    let rows = rows(section(&document, "12."));
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs());
    let kib = |octets: usize| format!("{} KiB", octets >> 10);
    let due = [
        ("header", format!("{} to {} octets", limits::HEADER_MIN, limits::HEADER_MAX)),
        ("request `id`", format!("1 to {} octets", limits::REQUEST_ID_MAX)),
        ("`uid`, `node`, and a uid", format!("{} octets", limits::ID_TEXT_MAX)),
        ("label", format!("{} octets", limits::LABEL_MAX)),
        ("alias, group name", format!("{} characters to {} octets", limits::NAME_MIN_CHARS, limits::NAME_MAX)),
        ("entries in `for`", format!("{};", limits::RECIPIENTS_MAX)),
        ("text of Ping", format!("{} UTF-16 units", limits::TEXT_MAX_UTF16)),
        ("the connect", seconds(limits::LOGIN_TIMEOUT)),
        ("the last octet from the client", seconds(limits::IDLE_TIMEOUT)),
        ("a message was sent", seconds(limits::REDELIVERY_TIMEOUT)),
        ("the last octet on a node's link", seconds(limits::TAKEOVER_SILENCE)),
        ("the last octet that could be written", seconds(limits::STALL_TIMEOUT)),
        ("the last word of the relay", seconds(limits::LINGER_TIMEOUT)),
        ("Login of a node", seconds(limits::LOGIN_PATIENCE)),
        (
            "data of one request",
            format!("{} GiB; `message_max_bytes`, up to {} GiB", limits::MESSAGE_MAX_DEFAULT >> 30, limits::MESSAGE_MAX_MAX >> 30),
        ),
        ("pace of one", format!("{} octets a second", limits::UPLOAD_RATE_DEFAULT)),
        ("aliases of a user", limits::ALIASES_MAX.to_string()),
        ("nodes of a user", limits::NODES_MAX.to_string()),
        ("aliases that a user has given up", limits::RETIRED_MAX.to_string()),
        ("nodes that a user has had", limits::NODES_EVER_MAX.to_string()),
        ("those who are shown", limits::PRESENCE_MAX.to_string()),
        ("users that `info`", limits::INFO_USERS_MAX.to_string()),
        ("nodes that one post", limits::FANOUT_MAX.to_string()),
        ("messages that a new node", limits::BACKLOG_TOTAL_MAX.to_string()),
        ("messages on their way", format!("{};", limits::WINDOW_DEFAULT)),
        ("messages acknowledged out of order", format!("{} older", limits::CURSOR_OWED_MAX)),
        ("entries of a block list", format!("{} each", limits::REACH_LIST_MAX)),
        ("pings accepted", format!("{}; {}", limits::PINGS_DEFAULT, limits::FAILED_PINGS_DEFAULT)),
        ("messages, octets", format!("{}; {} GiB", limits::QUEUE_MESSAGES_DEFAULT, limits::QUEUE_BYTES_DEFAULT >> 30)),
        ("members of a group", format!("{}; {}", limits::GROUP_MEMBERS_DEFAULT, limits::GROUPS_DEFAULT)),
        ("wrong invite codes", limits::WRONG_CODES_DEFAULT.to_string()),
        ("failed logins", limits::FAILED_LOGINS_DEFAULT.to_string()),
        ("replies that a link does not read", kib(limits::OUTPUT_READ_MAX)),
        ("replies and `ohi`", format!("{} MiB", limits::OUTPUT_MAX >> 20)),
    ];
    for (what, limit) in &due {
        let row = rows.iter().find(|row| row[0].starts_with(what)).unwrap_or_else(|| panic!("no row {what}"));
        let cell = if row.len() == 4 { row[2] } else { row[1] };
        let is_whole = !cell.strip_prefix(&**limit).unwrap_or("0").starts_with(|c: char| c.is_ascii_digit());
        assert!(is_whole, "{what}: {cell}, and in the code {limit}");
    }
    // The rows that no constant stands behind.
    let words = ["a length", "`datasum`, `notesum`", "room on the disk"];
    for row in rows {
        assert!(due.iter().map(|(what, _)| what).chain(&words).any(|what| row[0].starts_with(what)), "nobody checks {}", row[0]);
    }
}

/// The numbers that sentences name.
#[test]
fn numbers_in_sentences_are_these() {
    let document = document::text();
    let words = |heading: &str| section(&document, heading).split_whitespace().collect::<Vec<_>>().join(" ");
    let grouped = |number: usize| format!("{} {:03}", number / 1000, number % 1000);
    let days = |time: std::time::Duration| time.as_secs() / 86_400;
    for (heading, sentence) in [
        ("6.1.", format!("within {} s of the connect", limits::LOGIN_TIMEOUT.as_secs())),
        ("6.1.", format!("for {} minutes is closed", limits::IDLE_TIMEOUT.as_secs() / 60)),
        ("6.1.", format!("fewer than {} octets a second", limits::UPLOAD_RATE_DEFAULT)),
        ("6.2.", format!("has {} s to read it", limits::LINGER_TIMEOUT.as_secs())),
        ("6.3.", format!("after {} ms to {} s", limits::LOGIN_DELAY_FIRST.as_millis(), limits::LOGIN_DELAY_MAX.as_secs())),
        ("6.4.", format!("waits up to {} s", limits::LOGIN_PATIENCE.as_secs())),
        ("6.4.", format!("has come for {} s", limits::TAKEOVER_SILENCE.as_secs())),
        ("7.3.", format!("Of more than {} the rest", limits::INFO_USERS_MAX)),
        ("7.4.", format!("more than {} aliases or nodes", limits::ALIASES_MAX)),
        ("7.4.", format!("more than {} messages to copy", grouped(limits::BACKLOG_TOTAL_MAX))),
        ("7.5.", format!("more than {} on the list", grouped(limits::PRESENCE_MAX))),
        ("7.8.", format!("more than {} nodes", grouped(limits::FANOUT_MAX))),
        ("8.", format!("by {} days at most", days(limits::AHEAD_MAX))),
        ("8.3.", format!("1 to {}; with `newalias`", limits::ALIAS_USES_MAX)),
        ("8.3.", format!("dropped at most {} different ones", limits::RETIRED_MAX)),
        ("8.3.", format!("had at most {} nodes in all", limits::NODES_EVER_MAX)),
        ("8.4.", format!("{} unless the operator", grouped(limits::GROUP_MEMBERS_DEFAULT))),
        ("8.6.", format!("at most {} entries each", limits::REACH_LIST_MAX)),
        ("8.7.", format!("At most {} names", limits::CORK_NAMES_MAX)),
        ("8.8.", format!("1 to {}; absent means 1", limits::MEMBER_INVITE_USES_MAX)),
        ("8.8.", format!("in {} days", days(limits::MEMBER_INVITE_LIFE))),
        ("8.9.", format!("`pings_per_day` says ({})", limits::PINGS_DEFAULT)),
        ("8.9.", format!("`failed_pings` says ({})", limits::FAILED_PINGS_DEFAULT)),
        ("8.10.", format!("`queue_messages` messages ({})", grouped(limits::QUEUE_MESSAGES_DEFAULT))),
        ("8.10.", format!("multiple of {}, and {} octets", limits::WEIGHT_STEP, limits::WEIGHT_BASE)),
        ("8.10.", format!("at most {} of them", limits::FULL_NAMED_MAX)),
        ("11.1.", format!("each time {} s have passed", limits::REDELIVERY_TIMEOUT.as_secs())),
        ("11.2.", format!("At most {} messages without an Ack", limits::WINDOW_DEFAULT)),
    ] {
        assert!(words(heading).contains(&sentence), "section {heading} does not say: {sentence}");
    }
}

/// The checksum that the document computes step by step is that of the example that it names.
#[test]
fn headsum_is_computed_as_it_says() {
    let document = document::text();
    let text = section(&document, "4.4.");
    let shown: String = text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let sum = crc32c(shown.as_bytes());
    for due in
        [format!("`{sum:08x}`"), format!("decimal {sum}."), format!("`\"headsum\":{sum},`"), format!("4 + {} octets", shown.len() - 4)]
    {
        assert!(text.contains(&due), "{due}");
    }
    let with = shown[4..].replacen(",\"id\":", &format!(",\"headsum\":{sum},\"id\":"), 1);
    assert!(document.contains(&format!("< {:04x}{with}\n", with.len())), "the frame is an example");
    assert!(text.contains(&format!("\n{} octets", with.len())) || text.contains(&format!(" {} octets", with.len())));
}

#[test]
fn the_code_is_computed_as_it_says() {
    let document = document::text();
    let text = section(&document, "8.1.");
    let code = InviteCode::parse("k7qxa 9tmdw 4rhu7").expect("a code");
    assert!(text.contains(&format!("`{code}`")));
    let digest: String = code.digest().iter().map(|octet| format!("{octet:02x}")).collect();
    assert!(text.contains(&format!("`{digest}`")));
}

/// Links within the document, and to other files, lead somewhere.
#[test]
fn links_lead_somewhere() {
    let document = document::text();
    let mut anchors = BTreeSet::new();
    let mut is_fenced = false;
    for line in document.lines() {
        is_fenced ^= line.starts_with("```");
        if !is_fenced && line.starts_with('#') {
            assert!(anchors.insert(anchor(line.trim_start_matches('#'))), "twice: {line}");
        }
    }
    let mut count = 0;
    for (at, _) in document.match_indices("](") {
        let target = &document[at + 2..at + document[at..].find(')').expect("a link ends")];
        count += 1;
        match target.strip_prefix('#') {
            Some(anchor) => assert!(anchors.contains(anchor), "{target}"),
            None => {
                let (path, anchor_) = target.split_once('#').unwrap_or((target, ""));
                let file = document::path().parent().expect("docs").join(path);
                let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{target}: {error}"));
                let has = |line: &str| line.starts_with('#') && anchor(line.trim_start_matches('#')) == anchor_;
                assert!(anchor_.is_empty() || text.lines().any(has), "{target}");
            }
        }
    }
    assert!(count > 50, "links are found");
}
