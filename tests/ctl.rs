//! `mnm invite` and `mnm ctl`, with a relay that runs and without one; and what they say where neither can be.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use common::member::Member;
use common::process::Process;
use common::site::{Site, Stop};
use mnm::store::Directory;
use serde_json::{Value, json};

/// How long anything may take that must happen; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(command: &mut Command) -> Said {
        let Output { status, stdout, stderr } = command.output().expect("the program can be run");
        Said { status: status.code(), out: String::from_utf8(stdout).unwrap(), err: String::from_utf8(stderr).unwrap() }
    }

    /// What was printed; it must have gone well.
    fn good(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// The same as an object.
    fn object(self) -> Value {
        serde_json::from_str(&self.good()).expect("one JSON object")
    }
}

/// The program, on the data of a site.
fn mnm(site: &Process, args: &[&str]) -> Said {
    Said::of(Command::new(env!("CARGO_BIN_EXE_mnm")).args(args).arg("--config").arg(site.config()))
}

/// The same on a data directory.
fn mnm_at(data: &Path, args: &[&str]) -> Said {
    let here = data.parent().expect("a directory of the test's");
    Said::of(Command::new(env!("CARGO_BIN_EXE_mnm")).args(args).arg("--data").arg(data).current_dir(here))
}

fn start(settings: &Value) -> Process {
    let mut site = Process::start(settings).expect("the relay starts");
    ready(&mut site);
    site
}

fn begin(site: &mut Process) {
    site.begin().expect("the relay starts again");
    ready(site);
}

/// It tells its address a little before it listens to commands.
fn ready(site: &mut Process) {
    assert!(site.log_says("ready", PATIENCE), "{}", site.log());
}

const ABOUT_NOBODY: [&str; 3] = ["ctl", "member", "nobody of this name"];

#[test]
fn a_refusal_is_told_with_a_relay_and_without() {
    let mut site = start(&json!({}));
    let refused = |site: &Process| {
        let Said { status, out, err } = mnm(site, &ABOUT_NOBODY);
        assert_eq!((status, out.as_str()), (Some(1), ""), "{err}");
        let sentence = err.strip_prefix("mnm: ").expect("its name first").trim_end().to_owned();
        let Said { status, out, err: again } = mnm(site, &[&ABOUT_NOBODY[..], &["--json"]].concat());
        assert_eq!((status, again), (Some(1), err), "JSON is for programs, and stderr for people");
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!({ "error": sentence }));
        sentence
    };
    let online = refused(&site);
    assert!(site.log_says(r#"{\"command\":\"member\",\"whom\":{\"alias\":\"nobody of this name\"}} is refused"#, PATIENCE));
    site.end(Stop::Clean).unwrap();
    assert_eq!(refused(&site), online, "who does it makes no difference");
    assert!(!site.data_directory().join("control.sock").exists(), "who is alone listens to nobody");
    let verified = mnm(&site, &["verify"]).good();
    assert!(!verified.contains("did not end cleanly"), "{verified}");
    begin(&mut site);
    // What a relay left that was killed is nobody who could be asked.
    site.end(Stop::Kill).unwrap();
    assert_eq!(refused(&site), online);
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    for (line, fragment) in [
        ("ctl", "Usage: mnm ctl"),
        ("ctl register ajar", "[possible values: open, invite, closed]"),
        ("ctl register open --for 0", "0 is not in 1..=576000"),
        ("ctl register open --for 576001", "576001 is not in 1..=576000"),
        ("ctl role somebody king", "[possible values: full, receive, suspended]"),
        ("ctl admin somebody maybe", "[possible values: on, off]"),
        ("ctl drop-node somebody", "<NODE>"),
        ("ctl drop somebody", "<NODE>"),
        ("ctl suspend", "<UID-OR-ALIAS>"),
        ("ctl kick", "<UID-OR-ALIAS-OR-LINK>"),
        ("ctl members --limit 0", "0 is not in 1.."),
        ("ctl queues --top 0", "0 is not in 1.."),
        ("ctl queues --top some", "invalid digit"),
        ("ctl queues --by size", "[possible values: count, bytes, age]"),
        ("ctl links of somebody", "unexpected argument"),
        ("ctl invite --uses 0", "0 is not in 1..=1000000"),
        ("invite --uses 0", "0 is not in 1..=1000000"),
        ("invite --expires soon", "expected a duration as 90m, 12h, 30d or 2w, a time as 2026-11-26T18:00:00Z, or never"),
        ("invite --expires 0d", "expected a duration"),
        ("invite --role suspended", "[possible values: full, receive]"),
    ] {
        let said = mnm_at(&directory.path().join("data"), &line.split(' ').collect::<Vec<_>>());
        assert_eq!(said.status, Some(2), "{line}: {said:?}");
        assert!(said.err.contains(fragment), "{line}: {}", said.err);
    }
}

#[test]
fn where_there_is_no_log_none_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let expect = |fragment: &str| {
        for args in [&["invite"][..], &["ctl", "register", "closed"]] {
            let said = mnm_at(&data, args);
            assert_eq!((said.status, said.out.as_str()), (Some(1), ""), "{said:?}");
            assert!(said.err.contains(fragment) && said.err.contains("--data"), "{}", said.err);
        }
    };
    expect("there is no such directory");
    assert!(!data.exists());
    fs::create_dir(&data).unwrap();
    expect("there is no log in this directory");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "not even a lock");
}

#[test]
fn who_has_the_directory_and_does_not_answer_is_told() {
    let mut site = start(&json!({}));
    let data = site.data_directory();
    site.end(Stop::Clean).unwrap();
    let held = Directory::open(&data).unwrap();
    let expect = |status: i32, fragment: &str| {
        let said = mnm(&site, &ABOUT_NOBODY);
        assert_eq!((said.status, said.out.as_str()), (Some(status), ""), "{said:?}");
        assert!(said.err.contains(fragment) && said.err.contains("control.sock: "), "{}", said.err);
    };
    expect(6, "another process has the data directory, and does not listen here; if it is a relay that starts or stops, try again");

    let listener = UnixListener::bind(data.join("control.sock")).unwrap();
    let answers = ["", "half an ans", "hello\n"];
    let relay = thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(socket.try_clone().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["command"], "member");
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    expect(6, "has ended the connection without an answer");
    expect(6, "Whether the command was done is not known");
    expect(6, "has answered what this program does not understand");
    relay.join().unwrap();
    drop(held);
}

#[test]
fn another_users_log_is_not_touched() {
    let mut site = start(&json!({}));
    let data = site.data_directory();
    site.end(Stop::Clean).unwrap();
    let segment =
        || fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "seg"));
    if segment().try_for_each(|path| chown(path, Some(12_345), None)).is_err() {
        let _ = writeln!(std::io::stderr(), "skipped, only root can give files away");
        return;
    }
    let said = mnm(&site, &["invite"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(
        said.err.contains("the log belongs to another user (number 12345)") && said.err.contains("as the user that runs mnm"),
        "{said:?}"
    );
}

// ---- what the relay does ----

/// Registers with a code; the relay's reason not to.
fn register(site: &Process, code: &str) -> Result<Member, String> {
    Member::register_with(site.address(), &json!({ "invite": code }))
}

#[test]
fn a_code_lets_so_many_in_as_it_says() {
    let mut site = start(&json!({"register": "invite"}));
    let told = mnm(&site, &["invite"]).good();
    let [code, sentence] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(sentence.starts_with("Good for one new member, until ") && sentence.ends_with("; role full."), "{sentence}");
    assert!(Member::register_with(site.address(), &json!({})).is_err(), "without a code nobody gets in");
    register(&site, code).expect("the code is good");
    assert_eq!(register(&site, code).err().as_deref(), Some("register failure: the invite code is not valid"));

    let object = mnm(&site, &["invite", "--uses", "2", "--expires", "never", "--role", "receive", "--json"]).object();
    assert_eq!((&object["uses"], &object["expires"]), (&json!(2), &json!("never")));
    assert_eq!((&object["role"], &object["groups"]), (&json!("receive"), &json!([])));
    let code = object["code"].as_str().unwrap().to_lowercase().replace('-', " ");
    for _ in 0..2 {
        let member = register(&site, &code).expect("small letters and spaces do as well");
        let about = mnm(&site, &["ctl", "member", &member.account.uid, "--json"]).object();
        assert_eq!(about["role"], "receive");
    }
    assert!(register(&site, &code).is_err(), "it is used up");

    site.end(Stop::Clean).unwrap();
    let object = mnm(&site, &["invite", "--expires", "1h", "--json"]).object();
    begin(&mut site);
    register(&site, object["code"].as_str().unwrap()).expect("a code that was made while the relay did not run is good");

    let past = mnm(&site, &["invite", "--expires", "2020-01-01T00:00:00Z"]);
    assert_eq!(past.status, Some(1));
    assert!(past.err.contains("which has passed"), "{past:?}");
    let nowhere = mnm(&site, &["invite", "--group", "no group of this name"]);
    assert_eq!((nowhere.status, nowhere.out.as_str()), (Some(1), ""), "{nowhere:?}");
}

#[test]
fn a_code_invites_to_groups() {
    let site = start(&json!({}));
    let named = |name: &str| Member::register_with(site.address(), &json!({ "newalias": name })).unwrap();
    let (mut alice, _bob) = (named("alice in town"), named("bob the second"));
    alice.say(&json!({"op": 5, "id": "g", "gid": "the whole class", "from": "alice in town", "to": "bob the second"}), b"");
    alice.answer("g").expect("an invitation makes the group");
    let told = mnm(&site, &["invite", "--uses", "3", "--group", "the whole class"]).good();
    let [code, sentence] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(sentence.starts_with("Good for 3 new members, until "), "{sentence}");
    assert!(sentence.ends_with("; role full, and invited to the whole class."), "{sentence}");
    let mut carol = Member::register_with(site.address(), &json!({"newalias": "carol the third", "invite": code})).unwrap();
    let invited = std::iter::from_fn(|| carol.frame()).find(|frame| frame.str("op") == "invite").expect("an invitation comes");
    assert_eq!((invited.str("gid"), invited.str("to")), ("the whole class", "carol the third"));
}

#[test]
fn who_may_register_changes_at_once_and_holds_until_the_configuration_changes() {
    let mut site = start(&json!({}));
    Member::register(site.address());
    let may = |site: &Process| Member::register_with(site.address(), &json!({})).is_ok();
    assert_eq!(mnm(&site, &["ctl", "register", "closed"]).good(), "register: closed\n");
    assert!(!may(&site));
    site.end(Stop::Kill).unwrap();
    begin(&mut site);
    assert!(site.log_says("register: closed, by mnm ctl; the configuration says open", PATIENCE));
    assert!(!may(&site));
    assert_eq!(mnm(&site, &["ctl", "register", "open", "--json"]).object(), json!({"done": true}));
    assert!(may(&site));

    site.end(Stop::Clean).unwrap();
    let told = mnm(&site, &["ctl", "register", "closed", "--for", "60"]).good();
    assert!(told.starts_with("register: closed until 2") && told.ends_with("then what held before\n"), "{told}");
    begin(&mut site);
    assert!(site.log_says("register: closed, by mnm ctl until 2", PATIENCE));
    assert!(!may(&site));
    // Once the configuration says something else, that holds.
    site.end(Stop::Clean).unwrap();
    site.configure(&json!({"register": "invite"}));
    begin(&mut site);
    assert!(site.log_says("register: invite", PATIENCE));
    let code = mnm(&site, &["invite", "--json"]).object();
    register(&site, code["code"].as_str().unwrap()).expect("a code does");
}

#[test]
fn a_member_is_told_of_and_its_role_changes() {
    let mut site = start(&json!({}));
    let member = Member::register_with(site.address(), &json!({"newalias": "alice in town"})).unwrap();
    let uid = member.account.uid.clone();
    let about = |site: &Process| mnm(site, &["ctl", "member", "alice in town", "--json"]).object();
    let object = about(&site);
    assert_eq!((&object["uid"], &object["role"]), (&json!(uid), &json!("full")));
    assert_eq!((&object["admin"], &object["aliases"]), (&json!(false), &json!(["alice in town"])));
    let [node] = object["nodes"].as_array().unwrap().as_slice() else { panic!("{object}") };
    assert_eq!((&node["label"], &node["online"], &node["count"]), (&json!("a device"), &json!(true), &json!(0)));
    assert!(node["made"].is_string(), "{node}");
    let text = mnm(&site, &["ctl", "member", &uid]).good();
    assert!(text.contains(&format!("uid: {uid}\nrole: full\nalias: alice in town\nnode ")) && text.contains("\"a device\""), "{text}");

    assert_eq!(mnm(&site, &["ctl", "admin", &uid, "on"]).good(), format!("{uid}: an administrator\n"));
    assert_eq!(about(&site)["admin"], true);
    assert_eq!(mnm(&site, &["ctl", "admin", &uid, "off"]).good(), format!("{uid}: no administrator\n"));
    assert_eq!(about(&site)["admin"], false);

    let account = member.account.clone();
    assert_eq!(mnm(&site, &["ctl", "role", "alice in town", "suspended"]).good(), "alice in town: role suspended\n");
    let mut member = member;
    member.wait_closed();
    assert_eq!(Member::login(site.address(), &account).err().as_deref(), Some("account suspended"));
    site.end(Stop::Clean).unwrap();
    mnm(&site, &["ctl", "role", &uid, "full"]).good();
    begin(&mut site);
    Member::login(site.address(), &account).expect("it is let in again");
}

#[test]
fn a_lost_phone_is_dropped_and_another_one_made() {
    let mut site = start(&json!({}));
    let mut member = Member::register_with(site.address(), &json!({"newalias": "alice in town"})).unwrap();
    let lost = member.account.clone();
    let number = |site: &Process| {
        let about = mnm(site, &["ctl", "member", &lost.uid, "--json"]).object();
        about["nodes"][0]["node"].as_str().unwrap().to_owned()
    };
    let node = number(&site);
    assert_eq!(mnm(&site, &["ctl", "drop-node", &lost.uid, &node]).good(), format!("{}: node {node} is dropped\n", lost.uid));
    member.wait_closed();
    assert_eq!(Member::login(site.address(), &lost).err().as_deref(), Some("login failed"));
    assert_eq!(mnm(&site, &["ctl", "drop-node", &lost.uid, &node]).status, Some(1), "it is gone already");

    let told = mnm(&site, &["ctl", "new-node", "alice in town", "a new phone"]).good();
    let [uid, secret, _] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert_eq!(uid, format!("uid: {}", lost.uid));
    let found = common::member::Account { uid: lost.uid.clone(), node: secret.strip_prefix("nodeid: ").unwrap().to_owned() };
    Member::login(site.address(), &found).expect("the new phone is let in");
    assert!(!site.log().contains(&found.node), "the secret is in no log");

    site.end(Stop::Clean).unwrap();
    let object = mnm(&site, &["ctl", "new-node", &lost.uid, "a tablet", "--json"]).object();
    assert_ne!(number(&site), node, "numbers are not given twice");
    begin(&mut site);
    let tablet = common::member::Account { uid: lost.uid.clone(), node: object["nodeid"].as_str().unwrap().to_owned() };
    Member::login(site.address(), &tablet).expect("the tablet is let in");
}

// ---- lists ----

/// What people are shown, a row a line, cut at two blanks or more; without the names of the columns, which must be these.
fn rows(site: &Process, args: &[&str], names: &str) -> Vec<Vec<String>> {
    let text = mnm(site, args).good();
    let mut lines = text.lines();
    let cells = |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cells(lines.next().expect("a line of names")).join(" "), names, "{text}");
    lines.map(cells).collect()
}

fn object(site: &Process, args: &[&str]) -> Value {
    mnm(site, &[args, &["--json"]].concat()).object()
}

fn named(site: &Process, name: &str) -> Member {
    Member::register_with(site.address(), &json!({ "newalias": name })).unwrap()
}

#[test]
fn members_devices_and_queues_are_listed_with_a_relay_and_without() {
    let mut site = start(&json!({}));
    let (mut alice, bob) = (named(&site, "alice in town"), named(&site, "bob the second"));
    let [alices, bobs] = [&alice, &bob].map(|member| member.account.uid.clone());
    drop(bob);
    let gone = |site: &Process| object(site, &["ctl", "member", &bobs])["nodes"][0]["online"] == false;
    assert!((0..100_000).any(|_| gone(&site)), "he is not here");
    let first = alice.post(&bobs, b"to somebody who is not here");
    alice.post(&bobs, b"and once more");
    mnm(&site, &["ctl", "new-node", &alices, "a tablet"]).good();

    let waits = |site: &Process| object(site, &["ctl", "member", &bobs])["nodes"][0].clone();
    let [member, node] = [object(&site, &["ctl", "members"])["members"][1].clone(), waits(&site)];
    assert_eq!((&member["count"], &member["bytes"]), (&node["count"], &node["bytes"]));
    assert_eq!(
        member,
        json!({"uid": bobs, "role": "full", "admin": false, "aliases": ["bob the second"], "devices": 1, "online": 0, "count": 2,
            "bytes": node["bytes"]})
    );
    let [count, octets] = ["count", "bytes"].map(|key| node[key].to_string());
    let (short, number) = (&bobs[..8], node["node"].as_str().unwrap());
    let check = |site: &Process, alice_is_here: u64| {
        let members = rows(site, &["ctl", "members"], "UID ROLE ADMIN DEVICES ONLINE WAITING OCTETS ALIASES");
        let here = alice_is_here.to_string();
        let alice_has = [0, 1].map(|at| members[0][5 + at].as_str());
        assert_eq!(
            members,
            [
                [alices.as_str(), "full", "-", "2", &here, alice_has[0], alice_has[1], "alice in town"],
                [&bobs, "full", "-", "1", "0", &count, &octets, "bob the second"],
            ]
        );
        let nodes = rows(site, &["ctl", "nodes"], "UID NODE ONLINE WAITING OCTETS MADE SEEN ALIAS LABEL");
        let labels: Vec<&str> = nodes.iter().map(|row| row[8].as_str()).collect();
        assert_eq!(labels, [r#""a device""#, r#""a tablet""#, r#""a device""#]);
        assert_eq!(nodes[2][..5], [short, number, "-", &count, &octets]);
        assert_eq!(rows(site, &["ctl", "nodes", "bob the second"], "UID NODE ONLINE WAITING OCTETS MADE SEEN ALIAS LABEL"), nodes[2..]);
        let listed = object(site, &["ctl", "nodes", &bobs]);
        let mut expected = waits(site);
        (expected["uid"], expected["alias"]) = (json!(bobs), json!("bob the second"));
        assert_eq!(listed, json!({ "nodes": [expected] }), "the uid is whole");

        for by in ["count", "bytes", "age"] {
            let queues = rows(site, &["ctl", "queues", "--by", by], "UID NODE WAITING OCTETS AGE OLDEST ALIAS LABEL");
            let bobs_row = queues.iter().find(|row| row[0] == short).unwrap_or_else(|| panic!("{queues:?}"));
            assert_eq!([&bobs_row[1], &bobs_row[2], &bobs_row[5]], [number, &count, &first]);
        }
        let longest = object(site, &["ctl", "queues", "--top", "1", "--by", "bytes"]);
        let [queue] = longest["queues"].as_array().unwrap().as_slice() else { panic!("{longest}") };
        assert!(queue["age"].as_u64().is_some_and(|age| age < 3600) && queue["posted"].is_string(), "{queue}");
    };
    check(&site, 1);

    let more = mnm(&site, &["ctl", "members", "--limit", "1"]).good();
    assert!(more.ends_with(&format!("There are more: mnm ctl members --after {alices}\n")), "{more}");
    let rest = object(&site, &["ctl", "members", "--after", &alices]);
    assert_eq!(rest, json!({ "members": [member] }));
    for (args, sentence) in [
        (&["ctl", "members", "--after", "alice in town"][..], "after is \"alice in town\"; expected the uid of a member"),
        (&["ctl", "nodes", "nobody of this name"], "no member has the alias nobody of this name"),
    ] {
        let said = mnm(&site, args);
        assert_eq!((said.status, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.contains(sentence), "{said:?}");
    }

    site.end(Stop::Clean).unwrap();
    check(&site, 0);
}

#[test]
fn groups_are_listed_with_a_relay_and_without() {
    let mut site = start(&json!({}));
    const NAMES: &str = "JOINED INVITED BARRED GROUP";
    assert!(rows(&site, &["ctl", "groups"], NAMES).is_empty());
    assert_eq!(object(&site, &["ctl", "groups"]), json!({"groups": []}));
    let (mut alice, _bob) = (named(&site, "alice in town"), named(&site, "bob the second"));
    for gid in ["the whole class", "another group"] {
        alice.say(&json!({"op": 5, "id": gid, "gid": gid, "from": "alice in town", "to": "bob the second"}), b"");
        alice.answer(gid).expect("an invitation makes the group");
    }
    alice.say(&json!({"op": 6, "id": "d", "gid": "another group", "act": "drop", "to": "bob the second"}), b"");
    alice.answer("d").expect("he is barred");
    for _ in 0..2 {
        assert_eq!(rows(&site, &["ctl", "groups"], NAMES), [["1", "1", "0", "the whole class"], ["1", "0", "1", "another group"]]);
        let told = json!({"groups": [{"gid": "the whole class", "joined": 1, "invited": 1, "barred": 0},
            {"gid": "another group", "joined": 1, "invited": 0, "barred": 1}]});
        assert_eq!(object(&site, &["ctl", "groups"]), told);
        // The second time without it.
        site.end(Stop::Clean).unwrap();
    }
}

#[test]
fn a_list_in_many_parts_is_one_table() {
    let mut site = start(&json!({"log": "info"}));
    let members: Vec<String> = (0..8).map(|number| named(&site, &format!("member number {number}")).account.uid).collect();
    for uid in &members {
        for device in 1..100 {
            ask_directly(&site, &json!({"command": "new-node", "whom": {"uid": uid}, "label": format!("{device} {}", "x".repeat(200))}));
        }
    }
    let first = ask_directly(&site, &json!({"command": "nodes"}));
    assert!(first["next"].is_string() && first["nodes"].as_array().unwrap().len() < 800, "it does not fit one part");
    for _ in 0..2 {
        let nodes = rows(&site, &["ctl", "nodes"], "UID NODE ONLINE WAITING OCTETS MADE SEEN ALIAS LABEL");
        assert_eq!(nodes.len(), 800);
        let all = object(&site, &["ctl", "nodes"]);
        assert_eq!((all["nodes"].as_array().unwrap().len(), all.get("next")), (800, None));
        site.end(Stop::Clean).unwrap();
    }
    assert!(!site.log().contains(r#""command":"nodes""#), "who only asks does not fill the log");
}

/// Says a line to the control socket.
fn ask_directly(site: &Process, line: &Value) -> Value {
    let mut socket = std::os::unix::net::UnixStream::connect(site.data_directory().join("control.sock")).expect("the relay listens");
    socket.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).expect("an object")
}

#[test]
fn links_are_listed_as_the_log_names_them_and_kicked() {
    let mut site = start(&json!({}));
    const NAMES: &str = "LINK FROM STATE OPEN SILENT INFLIGHT UPLOAD UID NODE ALIAS";
    assert!(rows(&site, &["ctl", "links"], NAMES).is_empty());
    let (mut alice, mut bob) = (named(&site, "alice in town"), named(&site, "bob the second"));
    alice.post(&bob.account.uid, b"not acked");
    let all = object(&site, &["ctl", "links"]);
    let [first, second] = all["links"].as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!((&first["uid"], &first["alias"], &first["state"]), (&json!(alice.account.uid), &json!("alice in town"), &json!("member")));
    assert_eq!((&first["from"], &first["upload"], &first["inflight"]), (&json!("127.0.0.1"), &json!(false), &json!(0)));
    assert_eq!((&second["alias"], &second["inflight"]), (&json!("bob the second"), &json!(1)));
    let link = first["link"].as_str().unwrap().to_owned();
    let shown = rows(&site, &["ctl", "links"], NAMES);
    assert_eq!(shown[0][..3], [link.as_str(), "127.0.0.1", "member"]);
    assert_eq!(shown[0][5..], ["0", "-", &alice.account.uid[..8], first["node"].as_str().unwrap(), "alice in town"]);

    assert_eq!(mnm(&site, &["ctl", "kick", &link]).good(), format!("link {link} is ended\n"));
    assert!(site.log_says(&format!("the link ends: kicked by the operator\" link={link}"), PATIENCE), "{}", site.log());
    let account = alice.account.clone();
    let last = std::iter::from_fn(|| alice.frame()).last();
    assert!(last.is_none_or(|frame| frame.str("op") != "quit"), "it ends without a word");
    let again = mnm(&site, &["ctl", "kick", &link]);
    assert_eq!(again.status, Some(1), "{again:?}");
    let mut alice = Member::login(site.address(), &account).expect("she is let in again");

    assert_eq!(object(&site, &["ctl", "kick", "bob the second"]), json!({"ended": 1}));
    bob.wait_closed();
    assert_eq!(mnm(&site, &["ctl", "kick", &account.uid]).good(), format!("{}: one link is ended\n", account.uid));
    alice.wait_closed();
    assert_eq!(mnm(&site, &["ctl", "kick", &account.uid]).good(), format!("{}: is not here\n", account.uid));

    site.end(Stop::Clean).unwrap();
    assert_eq!(object(&site, &["ctl", "links"]), json!({"links": []}), "a relay that does not run has none");
    assert_eq!(object(&site, &["ctl", "kick", "alice in town"]), json!({"ended": 0}));
    let said = mnm(&site, &["ctl", "kick", "3.17"]);
    assert!(said.status == Some(1) && said.err.contains("there is no link 3.17"), "{said:?}");
}

#[test]
fn who_says_nothing_is_listed_and_kicked_too() {
    // Time enough on a slow machine: else the relay would end it by itself.
    let mut site = start(&json!({"limits": {"login_timeout_s": 60}}));
    let mut stranger = std::net::TcpStream::connect(site.address()).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    let found = (0..100_000).find_map(|_| {
        let all = object(&site, &["ctl", "links"]);
        all["links"].get(0).cloned()
    });
    let link = found.expect("it is let in");
    assert_eq!((&link["state"], &link["from"], link.get("uid")), (&json!("greeting"), &json!("127.0.0.1"), None));
    assert_eq!(object(&site, &["ctl", "kick", link["link"].as_str().unwrap()]), json!({"ended": 1}));
    std::io::copy(&mut stranger, &mut std::io::sink()).expect("the end comes");
    assert!(site.log_says("kicked by the operator", PATIENCE), "{}", site.log());
    assert!(!site.log().contains("not logged in in time"), "{}", site.log());
}

#[test]
fn short_words_do_what_long_ones_do() {
    let mut site = start(&json!({"register": "invite"}));
    let told = mnm(&site, &["ctl", "invite", "--uses", "2"]).good();
    let code = told.lines().next().unwrap();
    let mut member =
        Member::register_with(site.address(), &json!({"newalias": "alice in town", "invite": code})).expect("the code is good");
    let object = object(&site, &["ctl", "invite", "--expires", "never", "--role", "receive"]);
    assert_eq!((&object["expires"], &object["role"]), (&json!("never"), &json!("receive")));

    assert_eq!(mnm(&site, &["ctl", "suspend", "alice in town"]).good(), "alice in town: role suspended\n");
    member.wait_closed();
    assert_eq!(Member::login(site.address(), &member.account).err().as_deref(), Some("account suspended"));
    site.end(Stop::Clean).unwrap();
    mnm(&site, &["ctl", "role", "alice in town", "full"]).good();
    mnm(&site, &["ctl", "suspend", &member.account.uid]).good();
    begin(&mut site);
    assert_eq!(Member::login(site.address(), &member.account).err().as_deref(), Some("account suspended"));
    mnm(&site, &["ctl", "role", "alice in town", "full"]).good();

    let mut member = Member::login(site.address(), &member.account).expect("she is let in again");
    let about = self::object(&site, &["ctl", "member", "alice in town"]);
    let node = about["nodes"][0]["node"].as_str().unwrap();
    assert_eq!(mnm(&site, &["ctl", "drop", "alice in town", node]).good(), format!("alice in town: node {node} is dropped\n"));
    member.wait_closed();
    assert_eq!(Member::login(site.address(), &member.account).err().as_deref(), Some("login failed"));
}
