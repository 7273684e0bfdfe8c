//! What members do with each other: every command, as a user types it.

mod stand;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use stand::{Relay, Stand};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn json(said: String) -> Value {
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// `register` keeps what it was told where nobody else can read it, tells what it pinned, and never takes the place of an account;
/// `whoami` and `login` tell of it.
#[test]
fn an_account_is_registered_and_kept() {
    let stand = Stand::new();
    let alice = stand.stranger("alice");
    let address = format!("={}", stand.relay().address);
    let said = alice.run(&["register", &address, "--alias", "alice at home", "--label", "laptop"]).ok();
    let profile = alice.profile();
    let (uid, pinned) = (profile["uid"].as_str().unwrap(), profile["trust"]["fingerprint"].as_str().unwrap());
    assert!(said.contains(uid) && said.contains(pinned) && said.contains("profile alice"), "{said}");
    assert!(!said.contains(profile["node"].as_str().unwrap()), "the secret is not printed: {said}");
    assert_eq!((mode(&alice.home), mode(&alice.dir()), mode(&alice.dir().join("profile.json"))), (0o700, 0o700, 0o600));

    let (_, error) = alice.run(&["register", &address]).fails(3);
    assert!(error.contains("profile alice: it is there already"), "{error}");
    assert_eq!(alice.profile(), profile, "and it is as it was");

    let me = json(alice.run(&["whoami", "--json"]).ok());
    assert_eq!((me["uid"].as_str(), me["site"].as_str(), me["role"].as_str()), (Some(uid), Some("mnm"), Some("full")));
    assert_eq!((me["fingerprint"].as_str(), &me["aliases"][0]), (Some(pinned), &Value::from("alice at home")));
    assert!(me["waiting"]["count"].as_u64().is_some_and(|count| count <= 1), "the notice of its own login at most: {me}");
    let plain = alice.run(&["whoami"]).ok();
    for wanted in [uid, pinned, "laptop", "alice at home", &stand.relay().address] {
        assert!(plain.contains(wanted), "{wanted}: {plain}");
    }
    let works = alice.run(&["login"]).ok();
    assert!(works.contains(uid) && works.contains(pinned) && works.contains("works"), "{works}");
}

/// An alias that the relay refuses leaves an account that works, and says so.
#[test]
fn a_refused_alias_does_not_cost_the_account() {
    let stand = Stand::new();
    let alice = stand.stranger("alice");
    let (_, error) = alice.run(&["register", &stand.relay().address, "--alias", "short"]).fails(1);
    assert!(error.contains("the account was made and is kept") && error.contains("8+ characters"), "{error}");
    assert_eq!(alice.profile()["aliases"], serde_json::json!([]));
    alice.run(&["alias", "add", "alice at home"]).ok();
    assert_eq!(alice.profile()["aliases"], serde_json::json!(["alice at home"]));
}

/// A ping teaches who has sent it, but never takes a name that was given to somebody else; `who` lists, adds and drops.
#[test]
fn pings_teach_contacts() {
    let stand = Stand::new();
    let (alice, bob, eve) = (stand.member("alice"), stand.member("bob"), stand.member("eve"));
    alice.run(&["who", "add", "eve at home", &bob.uid]).ok();
    for sender in [&bob, &eve] {
        sender.run(&["ping", "alice at home", "it is me"]).ok();
    }
    let said = alice.run(&["recv", "--count", "2"]).ok();
    assert!(said.lines().all(|line| line.contains(" ping ") && line.ends_with(": it is me")), "{said}");
    let contacts = alice.profile()["contacts"].clone();
    assert_eq!(contacts, serde_json::json!({"bob at home": bob.uid, "eve at home": bob.uid}), "eve does not get what is meant for bob");

    alice.send("bob at home", "hello");
    assert_eq!(bob.waiting()[0]["text"], "hello");
    let listed = json(alice.run(&["who", "--json"]).ok());
    assert_eq!(listed[0], serde_json::json!({"name": "bob at home", "uid": bob.uid, "online": false}));
    alice.run(&["who", "drop", "bob at home"]).ok();
    let (_, error) = alice.run(&["send", "bob at home", "-m", "x"]).fails(2);
    assert!(error.contains("bob at home: neither a contact nor a uid"), "{error}");
    alice.run(&["who", "drop", "bob at home"]).fails(2);
    let (_, error) = alice.run(&["ping", "alice in chains", ""]).fails(1);
    assert!(error.contains("the relay refuses: to: alias alice in chains is unknown"), "{error}");
    let (_, error) = alice.run(&["ping", "bob at home", &"x".repeat(141)]).fails(2);
    assert!(error.contains("141 characters"), "{error}");
}

/// Presence: who follows with --show-presence is seen by contacts, who see it come and go.
#[test]
fn presence_is_shown_to_contacts() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let watching = bob.start(&["recv", "--follow"]);
    alice.send("bob", "are you there?");
    assert!(watching.line().ends_with("alice: are you there?"));
    let shown = alice.start(&["recv", "--follow", "--show-presence"]);
    assert_eq!(watching.line(), "alice is here");
    let listed = json(bob.run(&["who", "--json"]).ok());
    assert_eq!(listed[0], serde_json::json!({"name": "alice", "uid": alice.uid, "online": true}));
    assert_eq!(shown.interrupt().0, Some(0));
    assert_eq!(watching.line(), "alice has gone");
    drop(stand);
}

/// A group from its first invitation to its end.
#[test]
fn a_group_lives() {
    let (stand, [alice, bob, carol]) = Stand::members(["alice", "bob", "carol"]);
    alice.run(&["invite", "wonderland", "bob at home", "come in"]).ok();
    let invitation = &bob.waiting()[0];
    assert_eq!((&invitation["op"], &invitation["gid"], &invitation["text"]), (&"invite".into(), &"wonderland".into(), &"come in".into()));
    bob.run(&["alias", "add", "bob in wonderland"]).ok();
    bob.run(&["join", "wonderland", "--as", "bob in wonderland"]).ok();
    alice.run(&["invite", "wonderland", "carol at home"]).ok();
    carol.run(&["join", "wonderland"]).ok();

    let groups = json(bob.run(&["group", "list", "--json"]).ok());
    assert_eq!((&groups[0]["gid"], &groups[0]["alias"]), (&"wonderland".into(), &"bob in wonderland".into()));
    let roster = alice.run(&["group", "show", "wonderland"]).ok();
    let names: Vec<&str> = roster.lines().filter_map(|line| line.split_once("  ").map(|(name, _)| name.trim())).collect();
    assert_eq!(names.len(), 3, "{roster}");
    assert!(names.contains(&"bob in wonderland") && roster.contains("joined, moderator"), "{roster}");

    alice.run(&["send", "--group", "wonderland", "-m", "to all"]).ok();
    for member in [&bob, &carol] {
        let waiting = member.waiting();
        assert!(waiting.iter().any(|message| message["text"] == "to all"), "{waiting:?}");
    }
    alice.run(&["group", "set", "wonderland", "--post", "moderators", "--roster", "moderators"]).ok();
    bob.run(&["send", "--group", "wonderland", "-m", "may I?"]).fails(1);
    bob.run(&["group", "show", "wonderland"]).fails(1);
    alice.run(&["group", "moderator", "wonderland", "bob in wonderland"]).ok();
    bob.run(&["send", "--group", "wonderland", "-m", "now I may"]).ok();
    alice.run(&["group", "moderator", "wonderland", "bob in wonderland", "--off"]).ok();
    bob.run(&["send", "--group", "wonderland", "-m", "may I still?"]).fails(1);
    alice.run(&["group", "drop", "wonderland", "carol at home"]).ok();
    carol.run(&["send", "--group", "wonderland", "-m", "let me in"]).fails(1);
    bob.run(&["leave", "wonderland"]).ok();
    let roster = alice.run(&["group", "show", "wonderland", "--json"]).ok();
    let standing =
        |alias: &str| json(roster.clone()).as_array().unwrap().iter().find(|e| e["alias"] == alias).map(|e| e["standing"].clone());
    assert_eq!((standing("bob in wonderland"), standing("carol at home")), (Some("invited".into()), Some("barred".into())));
    let (_, error) = carol.run(&["leave", "nowhere at all"]).fails(1);
    assert!(error.contains("nowhere at all"), "{error}");
    alice.run(&["group", "set", "wonderland"]).fails(2);
    let told = alice.run(&["recv", "--op", "member"]).ok();
    assert!(told.contains("wonderland: bob at home has joined as bob in wonderland"), "{told}");
    assert!(told.contains("wonderland: alice at home has set post moderators, roster moderators"), "{told}");
    drop(stand);
}

/// A member whose queue is full misses what a group is sent: the sender is told who, on standard error and as JSON.
#[test]
fn who_misses_a_message_is_told() {
    let stand = Stand::with(|data| Relay::configured(data, r#"{"limits": {"queue_messages": 100}}"#));
    let (alice, bob) = (stand.member("alice"), stand.member("bob"));
    alice.run(&["invite", "wonderland", "bob at home"]).ok();
    bob.run(&["join", "wonderland"]).ok();
    let lines = "x\n".repeat(120);
    let (_, note) = alice.run_with(&["send", "--group", "wonderland", "--lines"], lines.as_bytes()).fails(0);
    assert!(note.starts_with("tmtp: these members miss it, since their queues are full: bob at home\n"), "{note}");
    let said = json(alice.run(&["send", "--group", "wonderland", "-m", "x", "--json"]).ok());
    assert_eq!(said["full"], serde_json::json!(["bob at home"]));
    let told = bob.run(&["recv", "--op", "missed", "--wait", "5"]).ok();
    assert!(told.contains(" messages were missed, since too many waited"), "{told}");
}

/// Aliases come and go, with limits, here and at the relay.
#[test]
fn aliases_are_added_listed_and_dropped() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    alice.run(&["alias", "add", "alice for once", "--uses", "1", "--expires", "2d"]).ok();
    let listed = json(alice.run(&["alias", "list", "--json"]).ok());
    assert_eq!((&listed[1]["alias"], &listed[1]["uses"]), (&"alice for once".into(), &1.into()));
    assert!(listed[1]["expires"].is_string(), "{listed}");
    bob.run(&["ping", "alice for once", "first"]).ok();
    bob.run(&["ping", "alice for once", "second"]).fails(1);
    alice.run(&["recv"]).ok();
    assert_eq!(alice.profile()["aliases"], serde_json::json!(["alice at home"]), "it was used up, and the relay has told");
    alice.run(&["alias", "drop", "alice at home"]).ok();
    assert_eq!(alice.run(&["alias", "list"]).ok(), "");
    let (_, error) = alice.run(&["ping", "bob at home"]).fails(2);
    assert!(error.contains("no alias is known under which to speak"), "{error}");
    drop(stand);
}

/// Devices: one is made into a profile of its own, one is shown and put in by hand, one is dropped and gets in no more. The secret
/// is never printed but where that was asked for.
#[test]
fn devices_are_made_and_dropped() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    bob.send("alice", "waits for every device");
    let said = alice.run(&["node", "add", "phone", "--save-as", "phone"]).ok();
    let phone = stand.stranger("phone");
    let secret = phone.profile()["node"].as_str().unwrap().to_owned();
    assert!(!said.contains(&secret), "{said}");
    assert_eq!((phone.profile()["uid"].as_str(), &phone.profile()["contacts"]["bob"]), (Some(&alice.uid[..]), &bob.uid.clone().into()));
    assert_eq!(mode(&phone.dir().join("profile.json")), 0o600);
    assert!(phone.waiting().iter().any(|message| message["text"] == "waits for every device"));
    alice.run(&["node", "add", "phone", "--save-as", "phone"]).fails(3);

    let shown = alice.run(&["node", "add", "tablet", "--show-secret"]).ok();
    let tablet = stand.stranger("tablet");
    let address = &stand.relay().address;
    let (_, error) = tablet.run_with(&["login", address, "--uid", &alice.uid], b"%%%%\n").fails(3);
    assert!(error.contains("login failed") && !tablet.dir().exists(), "{error}");
    tablet.run_with(&["login", address, "--uid", &alice.uid], shown.as_bytes()).ok();
    assert_eq!((tablet.profile()["label"].as_str(), &tablet.profile()["aliases"][0]), (Some("tablet"), &"alice at home".into()));
    let again = stand.stranger("again");
    let said = stand::Live::of(again.command(&["login", address, "--uid", &alice.uid]).env("TMTP_NODE", shown.trim())).end();
    assert_eq!(said.0, Some(0), "the environment serves as well: {said:?}");

    let nodes = json(alice.run(&["node", "list", "--json"]).ok());
    let number = nodes.as_array().unwrap().iter().find(|node| node["label"] == "phone").unwrap()["node"].as_str().unwrap().to_owned();
    assert_eq!(nodes.as_array().unwrap().len(), 3);
    alice.run(&["node", "drop", &number]).ok();
    let (_, error) = phone.run(&["whoami"]).fails(3);
    assert!(error.contains("profile phone: login failed"), "{error}");
    // The relay tells each new device of itself, secret included.
    let told = tablet.run(&["recv", "--json"]).ok();
    assert!(told.lines().any(|line| json(line.to_owned())["newnode"] == "tablet"), "{told}");
    assert!(!told.contains(shown.trim()) && !told.contains("nodeid"), "{told}");
}

/// A site where members invite new ones: the code that one makes lets another register, once.
#[test]
fn members_make_codes_for_new_members() {
    let config = r#"{"register": "open", "limits": {"member_invites": 5}}"#;
    let stand = Stand::with(|data| Relay::configured(data, config));
    let alice = stand.member("alice");
    let code = alice.run(&["code", "--uses", "1", "--expires", "12h"]).ok();
    let made = json(alice.run(&["code", "--json"]).ok());
    assert!(made["code"].is_string() && made["expires"].is_string(), "{made}");
    let bob = stand.stranger("bob");
    bob.run(&["register", &stand.relay().address, "--invite", code.trim()]).ok();
    let carol = stand.stranger("carol");
    let (_, error) = carol.run(&["register", &stand.relay().address, "--invite", code.trim()]).fails(1);
    assert!(error.contains("the invite code is not valid"), "{error}");
    assert!(!carol.dir().exists(), "nothing is left of it");
}
