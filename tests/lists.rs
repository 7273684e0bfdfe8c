//! The operator's lists against the pure core: what is told, in which parts, and what becomes of who comes or goes between two
//! parts; and links that are ended by the operator.

mod core;

use mnm::base::{LinkId, Seq, Wall};
use mnm::limits::{CONTROL_ANSWER_MAX, LIST_SCAN_MAX};
use mnm::relay::{Input, Settings};
use mnm::server::control::{Reply, Request};
use mnm::wire::{Dialect, Request as Said, RequestLimits};
use serde_json::{Value, json};

use crate::core::Core;

/// More than two parts of members with one device each.
const MANY: usize = LIST_SCAN_MAX + 100;

/// What a line to the control socket is answered with.
fn ask(core: &mut Core, line: &Value) -> Value {
    let command = Request::read(line.to_string().as_bytes()).and_then(|request| request.command(core.now.wall));
    let command = match command {
        Ok(command) => command,
        Err(error) => return json!({ "error": error }),
    };
    core.input(Input::Command { ticket: 9, command: command.clone() });
    let (ticket, answer) = core.answers.pop().expect("a command is answered at once");
    assert_eq!(ticket, 9);
    let line = Reply::new(&command, answer).line();
    assert!(line.len() <= CONTROL_ANSWER_MAX, "an answer of {} octets is more than is promised", line.len());
    serde_json::from_str(&line).expect("an object")
}

/// All parts of a list. `between` happens after each of them but the last.
fn parts(core: &mut Core, list: &str, fields: &Value, mut between: impl FnMut(&mut Core, usize)) -> Vec<Vec<Value>> {
    let mut parts = Vec::new();
    let mut after = Value::Null;
    loop {
        let mut line = fields.clone();
        line["command"] = list.into();
        line["after"] = after;
        let answer = ask(core, &line);
        parts.push(answer[list].as_array().unwrap_or_else(|| panic!("{line}: {answer}")).clone());
        after = answer["next"].clone();
        if after.is_null() {
            return parts;
        }
        between(core, parts.len());
        assert!(parts.len() < 100, "a list ends");
    }
}

/// One field of all entries.
fn column<'a>(parts: &'a [Vec<Value>], key: &str) -> Vec<&'a str> {
    parts.iter().flatten().map(|entry| entry[key].as_str().unwrap_or_else(|| panic!("{key} in {entry}"))).collect()
}

fn core() -> Core {
    Core::new(Settings::default())
}

/// So many members, each with one device that is here.
fn crowd(core: &mut Core, count: usize) -> Vec<(LinkId, String)> {
    let member = |number| {
        let (link, uid, _) = core.member(&format!("member number {number}"));
        (link, uid)
    };
    (0..count).map(member).collect()
}

fn post(core: &mut Core, from: LinkId, to: &str, data: &[u8]) -> String {
    let head = json!({"op": 7, "id": "p", "for": [{"id": to, "type": 1}], "datalen": data.len()});
    core.say(from, &head.to_string(), data);
    let frames = core.take(from);
    let ack = frames.iter().find(|frame| frame.header["op"] == "ack").expect("an ack");
    ack.text("msgid").to_owned()
}

fn invite(core: &mut Core, from: LinkId, gid: &str, [sender, to]: [&str; 2]) {
    core.say(from, &json!({"op": 5, "id": "g", "gid": gid, "from": sender, "to": to}).to_string(), b"");
    let frames = core.take(from);
    assert!(frames.iter().all(|frame| frame.header.get("error").is_none()), "{frames:?}");
}

// ---- members ----

#[test]
fn members_are_told_in_the_order_of_their_registration_newcomers_too() {
    let mut core = core();
    let mut uids: Vec<String> = crowd(&mut core, MANY).into_iter().map(|(_, uid)| uid).collect();
    let parts = parts(&mut core, "members", &json!({}), |core, _| uids.push(core.member("a newcomer of today").1));
    assert!(parts.len() > 2 && parts.iter().all(|part| part.len() <= LIST_SCAN_MAX / 2), "a part looks at each one's device too");
    assert_eq!(column(&parts, "uid"), uids);
}

#[test]
fn so_many_members_are_told_as_are_wanted_and_where_to_go_on() {
    let mut core = core();
    let uids: Vec<String> = crowd(&mut core, 5).into_iter().map(|(_, uid)| uid).collect();
    for (after, limit, told, next) in [
        (None, Some(2), 0..2, Some(1)),
        (Some(1), Some(2), 2..4, Some(3)),
        (Some(3), Some(2), 4..5, None),
        (Some(4), None, 5..5, None),
        (None, Some(5), 0..5, None),
        (None, Some(4), 0..4, Some(3)),
    ] {
        let mut line = json!({"command": "members"});
        line["after"] = after.map(|at: usize| uids[at].clone()).into();
        line["limit"] = limit.into();
        let answer = ask(&mut core, &line);
        assert_eq!(column(&[answer["members"].as_array().unwrap().clone()], "uid"), uids[told], "{line}");
        assert_eq!(answer["next"].as_str(), next.map(|at: usize| uids[at].as_str()), "{line}");
    }
}

#[test]
fn a_member_is_told_in_one_line() {
    let mut core = core();
    let (alice, uid, _) = core.member("alice in town");
    core.say(alice, r#"{"op":3,"id":"a","newalias":"alice of the hills"}"#, b"");
    core.take_and_ack(alice);
    let (bob, bobs, _) = core.member("bob the second");
    // Without a name, and without a link.
    ask(&mut core, &json!({"command": "new-node", "whom": {"uid": uid}, "label": "a phone"}));
    core.take_and_ack(alice);
    ask(&mut core, &json!({"command": "role", "whom": {"uid": bobs}, "role": "receive"}));
    ask(&mut core, &json!({"command": "admin", "whom": {"uid": bobs}, "on": true}));
    let waits = |core: &mut Core| {
        let about = ask(core, &json!({"command": "member", "whom": {"uid": uid}}));
        let sum = |key: &str| about["nodes"].as_array().unwrap().iter().map(|node| node[key].as_u64().unwrap()).sum::<u64>();
        (sum("count"), sum("bytes"))
    };
    let before = waits(&mut core);
    ask(&mut core, &json!({"command": "role", "whom": {"uid": bobs}, "role": "full"}));
    post(&mut core, bob, &uid, &[0; 5000]);
    let (count, bytes) = waits(&mut core);
    assert!(count == before.0 + 2 && bytes >= before.1 + 10_000, "one message waits for each of two devices");
    let bob_waits = ask(&mut core, &json!({"command": "member", "whom": {"uid": bobs}}))["nodes"][0].clone();
    assert_eq!(
        ask(&mut core, &json!({"command": "members"})),
        json!({"members": [
            {"uid": uid, "role": "full", "admin": false, "aliases": ["alice in town", "alice of the hills"], "devices": 2, "online": 1,
             "count": count, "bytes": bytes},
            {"uid": bobs, "role": "full", "admin": true, "aliases": ["bob the second"], "devices": 1, "online": 1,
             "count": bob_waits["count"], "bytes": bob_waits["bytes"]},
        ]})
    );
}

// ---- devices ----

#[test]
fn a_device_that_goes_before_its_part_is_not_told_and_one_that_goes_after_is() {
    let mut core = core();
    let crowd = crowd(&mut core, MANY);
    let numbers = |core: &mut Core, at: usize| {
        let answer = ask(core, &json!({"command": "nodes", "whom": {"uid": crowd[at].1}}));
        answer["nodes"].as_array().unwrap().iter().map(|node| node["node"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let drop = |core: &mut Core, at: usize| {
        let [node] = &numbers(core, at)[..] else { panic!("it has one device") };
        let answer = ask(core, &json!({"command": "drop-node", "whom": {"uid": crowd[at].1}, "node": node}));
        assert_eq!(answer, json!({"done": true}));
    };
    let parts = parts(&mut core, "nodes", &json!({}), |core, part| match part {
        1 => {
            drop(core, 3);
            drop(core, MANY - 3);
            ask(core, &json!({"command": "new-node", "whom": {"uid": crowd[MANY - 1].1}, "label": "one more"}));
        }
        // Of whom the part before has told: where to go on does not hang on the device.
        2 => drop(core, 999),
        _ => {}
    });
    let mut expected: Vec<&str> = crowd.iter().map(|(_, uid)| uid.as_str()).collect();
    expected.push(&crowd[MANY - 1].1);
    expected.remove(MANY - 3);
    assert_eq!(column(&parts, "uid"), expected);
    assert!(parts.len() > 2);
    assert_eq!(parts.concat().last().unwrap()["label"], "one more");
    assert_eq!(numbers(&mut core, 3), [""; 0]);
}

#[test]
fn a_device_is_told_with_whose_it_is() {
    let mut core = core();
    let (_, uid, _) = core.member("alice in town");
    let link = core.connect();
    core.say(link, r#"{"op":0,"id":"1"}"#, b"");
    core.say(link, r#"{"op":1,"newnode":"a \"phone\""}"#, b"");
    let nameless = core.take(link)[1].text("uid").to_owned();
    core.disconnect(link);
    let answer = ask(&mut core, &json!({"command": "nodes"}));
    let [first, second] = &answer["nodes"].as_array().unwrap()[..] else { panic!("{answer}") };
    let made = Wall(core.now.wall.0).to_rfc3339();
    assert_eq!(
        *first,
        json!({"uid": uid, "alias": "alice in town", "node": first["node"], "label": "first", "made": made, "seen": made, "online": true,
            "count": 0, "bytes": 0})
    );
    assert_eq!(
        *second,
        json!({"uid": nameless, "node": second["node"], "label": "a \"phone\"", "made": made, "seen": made, "online": false, "count": 0, "bytes": 0})
    );
    assert_eq!(ask(&mut core, &json!({"command": "nodes", "whom": {"uid": nameless}})), json!({"nodes": [second]}));
    assert_eq!(ask(&mut core, &json!({"command": "nodes", "whom": {"alias": "alice in town"}})), json!({"nodes": [first]}));
}

// ---- queues ----

#[test]
fn the_longest_queues_come_first_whatever_long_means() {
    let mut core = core();
    let (writer, ..) = core.member("who writes to all");
    let people = ["many small ones", "one large one", "the oldest one"].map(|alias| core.member(alias));
    let [(_, many, _), (_, large, _), (old_link, old, _)] = &people;
    let mut first = Vec::new();
    // What was acked does not count: its age would be the oldest's by far.
    let acked = post(&mut core, writer, many, b"soon acked");
    let oldest = post(&mut core, writer, old, b"old");
    core.pass(5_000_000_000);
    core.say(people[0].0, &json!({"op": 10, "id": acked, "type": "ok"}).to_string(), b"");
    for _ in 0..3 {
        first.push(post(&mut core, writer, many, b"small"));
    }
    // Ids are a little later than the clock, since each is another.
    core.pass(2_000_001_000);
    let head = post(&mut core, writer, large, &[0; 9000]);
    post(&mut core, writer, old, b"young");
    for (by, top, order) in [
        (json!("count"), 20, vec![many, old, large]),
        (json!(null), 20, vec![many, old, large]),
        (json!("bytes"), 20, vec![large, many, old]),
        (json!("age"), 20, vec![old, many, large]),
        (json!("age"), 1, vec![old]),
        (json!("bytes"), 2, vec![large, many]),
    ] {
        let answer = ask(&mut core, &json!({"command": "queues", "by": by, "top": top}));
        assert_eq!(column(&[answer["queues"].as_array().unwrap().clone()], "uid"), order, "{by} {top}: {answer}");
        for (uid, oldest, age) in [(many, &first[0], 2), (large, &head, 0), (old, &oldest, 7)] {
            let Some(queue) = answer["queues"].as_array().unwrap().iter().find(|queue| queue["uid"] == **uid) else { continue };
            assert_eq!((queue["oldest"].as_str(), queue["age"].as_u64()), (Some(oldest.as_str()), Some(age)), "{queue}");
            assert_eq!(queue["posted"].as_str(), Some(Wall(Seq::from_hex(oldest).unwrap().0).to_rfc3339().as_str()));
        }
    }
    core.disconnect(*old_link);
    let empty = core.member("who has nothing yet").1;
    let uids = ask(&mut core, &json!({"command": "queues", "top": 100}));
    assert!(!uids.to_string().contains(&empty), "an empty queue is none");
}

#[test]
fn a_part_in_which_nothing_waits_is_empty_and_the_list_goes_on() {
    let mut core = core();
    let crowd = crowd(&mut core, MANY);
    let [first, last] = [0, MANY - 1];
    for (to, count) in [(last, 2), (first, 1)] {
        for _ in 0..count {
            post(&mut core, crowd[5].0, &crowd[to].1, b"hello");
        }
    }
    let parts = parts(&mut core, "queues", &json!({"top": 3}), |core, part| {
        if part == 1 {
            core.take_and_ack(crowd[first].0);
        }
    });
    let told: Vec<Vec<&str>> = parts.iter().map(|part| column(std::slice::from_ref(part), "uid")).collect();
    assert_eq!(told, [vec![crowd[first].1.as_str()], vec![], vec![crowd[last].1.as_str()]]);
}

// ---- groups ----

#[test]
fn groups_are_told_in_parts_with_who_stands_how() {
    let mut core = Core::new(Settings::default());
    let names = ["alice in town", "bob the second", "carol the third", "dave the fourth"];
    let [alice, bob, carol, _] = names.map(|alias| core.member(alias).0);
    let gids: Vec<String> = (0..=LIST_SCAN_MAX).map(|number| format!("group number {number}")).collect();
    // One member may have a thousand.
    for (at, gid) in gids.iter().enumerate() {
        let (link, sender) = if at % 2 == 0 { (alice, 0) } else { (bob, 1) };
        invite(&mut core, link, gid, [names[sender], names[3]]);
    }
    invite(&mut core, alice, &gids[0], [names[0], names[1]]);
    invite(&mut core, alice, &gids[0], [names[0], names[2]]);
    core.say(carol, &json!({"op": 6, "id": "j", "gid": gids[0], "act": "join"}).to_string(), b"");
    core.say(alice, &json!({"op": 6, "id": "d", "gid": gids[0], "act": "drop", "to": names[1]}).to_string(), b"");
    let parts = parts(&mut core, "groups", &json!({}), |core, _| invite(core, bob, "a group of today", [names[1], names[3]]));
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [LIST_SCAN_MAX, 2]);
    let expected: Vec<&str> = gids.iter().map(String::as_str).chain(["a group of today"]).collect();
    assert_eq!(column(&parts, "gid"), expected);
    assert_eq!(parts[0][0], json!({"gid": gids[0], "joined": 2, "invited": 1, "barred": 1}));
    assert_eq!(parts[0][1], json!({"gid": gids[1], "joined": 1, "invited": 1, "barred": 0}));
}

// ---- links ----

#[test]
fn links_are_told_in_parts_and_a_place_is_told_once() {
    let mut core = core();
    let crowd = crowd(&mut core, MANY);
    core.disconnect(crowd[1].0);
    let newer = LinkId { slot: 1, generation: 900_000 };
    let parts = parts(&mut core, "links", &json!({}), |core, _| {
        core.disconnect(crowd[2].0);
        core.disconnect(crowd[MANY - 2].0);
        core.input(Input::Opened { link: newer, from: None });
    });
    let expected: Vec<String> =
        crowd.iter().enumerate().filter(|(at, _)| ![1, MANY - 2].contains(at)).map(|(_, (link, _))| link.text()).collect();
    assert_eq!(column(&parts, "link"), expected);
    assert_eq!(parts[0].len(), LIST_SCAN_MAX - 1, "an empty place is looked at too");
    let again = ask(&mut core, &json!({"command": "links"}));
    assert_eq!(again["links"][1]["link"], newer.text());
}

#[test]
fn a_link_is_told_with_how_far_it_has_come() {
    let mut core = core();
    let (alice, uid, _) = core.member("alice in town");
    let (bob, bobs, _) = core.member("bob the second");
    let silent = LinkId { slot: 77, generation: 5 };
    core.input(Input::Opened { link: silent, from: Some("2001:db8::7".parse().unwrap()) });
    let anonymous = core.connect();
    core.say(anonymous, r#"{"op":0,"id":"1"}"#, b"");
    post(&mut core, bob, &uid, b"one");
    post(&mut core, bob, &uid, b"two");
    core.pass(3_000_000_000);
    core.input(Input::Heard { link: alice });
    let head = json!({"op": 7, "id": "p", "for": [{"id": uid, "type": 1}], "datalen": 10}).to_string();
    let mut dialect = Dialect::Unlatched;
    let request = Said::parse(head.as_bytes(), &mut dialect, &RequestLimits::default()).unwrap();
    core.input(Input::Request { link: bob, request, dialect, body: b"half" });
    let quitting = core.member("who is about to go").0;
    core.say(quitting, r#"{"op":12}"#, b"");
    assert!(core.closed.contains(&quitting));
    core.pass(1_000_000_000);
    let node = |core: &mut Core, uid: &str| ask(core, &json!({"command": "nodes", "whom": {"uid": uid}}))["nodes"][0]["node"].clone();
    let (alices, bobs_node) = (node(&mut core, &uid), node(&mut core, &bobs));
    assert_eq!(
        ask(&mut core, &json!({"command": "links"})),
        json!({"links": [
            {"link": alice.text(), "state": "member", "uid": uid, "alias": "alice in town", "node": alices, "open": 4, "silent": 1,
             "inflight": 2, "upload": false},
            {"link": bob.text(), "state": "member", "uid": bobs, "alias": "bob the second", "node": bobs_node, "open": 4, "silent": 4,
             "inflight": 0, "upload": true},
            {"link": anonymous.text(), "state": "anonymous", "open": 4, "silent": 4, "inflight": 0, "upload": false},
            {"link": quitting.text(), "state": "closing", "open": 1, "silent": 1, "inflight": 0, "upload": false},
            {"link": "77.5", "from": "2001:db8::7", "state": "greeting", "open": 4, "silent": 4, "inflight": 0, "upload": false},
        ]})
    );
}

// ---- kicks ----

#[test]
fn a_kick_ends_links_without_a_word_and_they_may_come_back() {
    let mut core = core();
    let (alice, uid, secret) = core.member("alice in town");
    let (bob, bobs, _) = core.member("bob the second");
    core.say(alice, &json!({"op": 4, "id": "o", "for": [{"id": bobs}], "type": "init"}).to_string(), b"");
    let message = post(&mut core, bob, &uid, b"not acked yet");
    core.take(alice);
    core.take(bob);
    assert_eq!(ask(&mut core, &json!({"command": "kick", "whom": {"alias": "alice in town"}})), json!({"ended": 1}));
    assert!(core.closed.contains(&alice) && !core.closed.contains(&bob));
    assert!(core.take(alice).is_empty(), "no reason of the contract's is true");
    let seen: Vec<Value> = core.take(bob).into_iter().map(|frame| frame.header).collect();
    assert_eq!(seen, [json!({"from": uid, "op": "ohi", "status": 2})], "others learn that she is gone");
    assert_eq!(ask(&mut core, &json!({"command": "kick", "whom": {"uid": uid}})), json!({"ended": 0}));
    let again = core.login(&uid, &secret);
    let came: Vec<String> = core.take(again).iter().map(|frame| frame.text("op").to_owned()).collect();
    assert_eq!(came, ["tmtprev", "info", "delivery", "login"], "what was not acked comes again: {message}");
    core.pass(2_000_000_000);
    core.relay.check_invariants();
}

#[test]
fn one_link_is_kicked_by_its_id_whoever_is_on_it() {
    let mut core = core();
    let (alice, uid, _) = core.member("alice in town");
    let greeting = core.connect();
    let anonymous = core.connect();
    core.say(anonymous, r#"{"op":0,"id":"1"}"#, b"");
    core.take(anonymous);
    let kick = |core: &mut Core, link: &str| ask(core, &json!({"command": "kick", "whom": {"link": link}}));
    for link in [greeting, anonymous, alice] {
        assert_eq!(kick(&mut core, &link.text()), json!({"ended": 1}));
        assert!(core.closed.contains(&link) && core.take(link).iter().all(|frame| frame.header["op"] != "quit"));
        let error = kick(&mut core, &link.text());
        assert_eq!(error, json!({ "error": format!("{link} is closing already") }));
    }
    assert_eq!(ask(&mut core, &json!({"command": "nodes", "whom": {"uid": uid}}))["nodes"][0]["online"], false);
    core.disconnect(alice);
    // The same place is another link.
    core.input(Input::Opened { link: LinkId { generation: 1000, ..alice }, from: None });
    assert!(kick(&mut core, &alice.text())["error"].as_str().unwrap().contains("it has ended, or never was"));
}

// ---- what cannot be done ----

#[test]
fn what_cannot_be_told_is_refused_with_a_cure() {
    let mut core = core();
    let (_, uid, _) = core.member("alice in town");
    for (line, sentence) in [
        (json!({"command": "members", "after": "alice in town"}), r#"after is "alice in town"; expected the uid of a member"#),
        (json!({"command": "nodes", "after": "%+123456789BCDFGHJKLMNPQRSTVWXYZ"}), "expected the uid of a member"),
        (json!({"command": "queues", "after": ""}), "expected the uid of a member"),
        (json!({"command": "members", "limit": 0}), "limit is 0; expected 1 or more"),
        (json!({"command": "queues", "top": 0}), "top is 0; expected 1 or more"),
        (json!({"command": "queues", "by": "size"}), r#"by is "size"; expected count or bytes or age"#),
        (json!({"command": "nodes", "whom": {"alias": "nobody of this name"}}), "no member has the alias nobody of this name"),
        (json!({"command": "nodes", "whom": {"uid": uid}, "after": uid}), "whom and after are both there; expected one of them"),
        (json!({"command": "kick", "whom": {"link": "7"}}), r#"link is "7"; expected two numbers with a dot"#),
        (json!({"command": "kick", "whom": {"link": "7.7"}}), "there is no link 7.7"),
        (json!({"command": "kick", "whom": {"alias": "nobody of this name"}}), "no member has the alias nobody of this name"),
    ] {
        let answer = ask(&mut core, &line);
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(sentence)), "{line}: {answer}");
    }
    for (line, answer) in [
        (json!({"command": "groups", "after": u32::MAX}), json!({"groups": []})),
        (json!({"command": "links", "after": u32::MAX}), json!({"links": []})),
        (json!({"command": "members", "after": uid}), json!({"members": []})),
    ] {
        assert_eq!(ask(&mut core, &line), answer, "{line}: after the last there is nothing");
    }
}

#[test]
fn a_full_disk_keeps_nobody_from_looking_or_from_ending_links() {
    let mut core = core();
    let (alice, ..) = core.member("alice in town");
    core.input(Input::Room { octets: 0, disk: 0, cursors: false });
    for list in ["members", "nodes", "queues", "groups", "links"] {
        assert!(ask(&mut core, &json!({ "command": list }))[list].is_array(), "{list}");
    }
    let role = ask(&mut core, &json!({"command": "role", "whom": {"alias": "alice in town"}, "role": "receive"}));
    assert_eq!(role["error"], "storage full, try again later");
    assert_eq!(ask(&mut core, &json!({"command": "kick", "whom": {"link": alice.text()}})), json!({"ended": 1}));
}

#[test]
fn the_largest_answers_are_no_longer_than_promised() {
    let mut core = core();
    for member in 0..8 {
        // What takes most room in JSON: two octets for one in names, which are printable; labels are made printable, at three for one.
        let alias = |number: usize| format!("{}{:04}", "\"".repeat(251), member * 100 + number);
        let link = core.connect();
        core.say(link, r#"{"op":0,"id":"1"}"#, b"");
        core.say(link, &json!({"op": 1, "newnode": "\u{1}".repeat(255), "newalias": alias(0)}).to_string(), b"");
        let uid = core.take(link)[1].text("uid").to_owned();
        for number in 1..100 {
            core.say(link, &json!({"op": 3, "id": "a", "newalias": alias(number)}).to_string(), b"");
            core.say(link, &json!({"op": 3, "id": "n", "newnode": "\u{1}".repeat(255)}).to_string(), b"");
        }
        let frames = core.take(link);
        assert!(frames.iter().all(|frame| frame.header.get("error").is_none()));
        // `ask` looks at each answer's length.
        let about = ask(&mut core, &json!({"command": "member", "whom": {"uid": uid}}));
        assert_eq!((about["nodes"].as_array().unwrap().len(), about["aliases"].as_array().unwrap().len()), (100, 100));
    }
    for (list, entries) in [("members", 8), ("nodes", 800), ("queues", 800)] {
        let parts = parts(&mut core, list, &json!(if list == "queues" { json!({"top": 1000}) } else { json!({}) }), |_, _| {});
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), entries, "{list}");
        assert!(parts.len() > 1, "{list}");
    }
}
