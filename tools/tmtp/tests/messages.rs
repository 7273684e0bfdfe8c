//! What is sent, and in which forms it is received.

mod stand;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use data_encoding::BASE64;
use stand::{Live, Stand};

/// Octets that no transfer could get right by chance.
fn octets(count: u32) -> Vec<u8> {
    (0..count).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A file of 3 MB arrives octet by octet, under its name, and leaves nothing else behind; then nothing waits any more.
#[test]
fn a_file_goes_from_one_to_another() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let (sent, dir) = (octets(3_000_000), stand.dir.path().join("in"));
    fs::write(stand.dir.path().join("report.pdf"), &sent).unwrap();
    let id = alice.run(&["send", "bob", "report.pdf"]).ok();
    let said = bob.run(&["recv", "--save", dir.to_str().unwrap()]).ok();
    let found = files(&dir);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(name(&found[0]), format!("{}-report.pdf", id.trim()));
    assert!(fs::read(&found[0]).unwrap() == sent);
    assert!(said.contains(&format!("alice: 3000000 octets in {}", found[0].display())), "{said}");
    assert!(bob.waiting().is_empty());
}

/// What cannot be shown as a text is not lost by being looked at: it waits until it is fetched, here as base64 and as bare data.
#[test]
fn what_is_no_text_stays_with_the_relay_until_it_is_fetched() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    for count in [1000, 400_000] {
        let sent = octets(count);
        fs::write(stand.dir.path().join("data"), &sent).unwrap();
        for _ in 0..2 {
            alice.run(&["send", "bob", "data"]).ok();
        }
        let (out, note) = bob.run(&["recv"]).fails(0);
        assert_eq!((out.as_str(), note.matches(&format!("{count} octets from alice (data) cannot be shown")).count()), ("", 2), "{note}");
        let said = bob.run(&["recv", "--json", "--count", "1"]).ok();
        let message: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&message["name"], &message["from_name"]), (&"data".into(), &"alice".into()));
        assert!(BASE64.decode(message["base64"].as_str().unwrap().as_bytes()).unwrap() == sent);
        assert!(bob.run(&["recv", "--raw", "--count", "1"]).out == sent);
    }
    assert!(bob.waiting().is_empty());
}

/// Standard input as one message, of whatever size, also when it is asked for by `-`; as one message a line; and nothing at all.
#[test]
fn standard_input_is_sent() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let large = octets(1_000_000);
    alice.run_with(&["send", "bob"], &large).fails(0);
    assert!(bob.run(&["recv", "--raw", "--count", "1"]).out == large);
    alice.run_with(&["send", "bob", "-", "--name", "notes.txt"], b"one\ntwo\n").fails(0);
    let message = &bob.waiting()[0];
    assert_eq!((&message["text"], &message["name"]), (&"one\ntwo\n".into(), &"notes.txt".into()));
    let said = alice.run_with(&["send", "bob", "--lines", "--json"], b"first\n\nsecond\r\nthird");
    let ids: Vec<String> =
        said.ok().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["msgid"].to_string()).collect();
    let came: Vec<String> = bob.waiting().iter().map(|m| format!("{} {}", m["id"], m["text"].as_str().unwrap())).collect();
    assert_eq!(came, [format!("{} first", ids[0]), format!("{} second", ids[1]), format!("{} third", ids[2])]);
    let (_, error) = alice.run_with(&["send", "bob"], b"").fails(2);
    assert!(error.contains("nothing to send"), "{error}");
    drop(stand);
}

/// As many as one post may name fit its header.
#[test]
fn a_message_may_have_a_thousand_recipients() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    alice.run(&[&["send", "-m", "to all"], &vec![&bob.uid[..]; 1000][..]].concat()).ok();
    assert_eq!(bob.waiting().len(), 1, "once, however often one is named");
    drop(stand);
}

/// Lines that are typed slowly go out one by one, and not when the input ends.
#[test]
fn lines_are_sent_as_they_come() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let mut sending = alice.start(&["send", "bob", "--lines"]);
    for line in ["one", "two"] {
        sending.write(&format!("{line}\n"));
        sending.line();
        assert_eq!(bob.run(&["recv", "--raw", "--count", "1"]).out, line.as_bytes());
    }
    sending.close_input();
    assert_eq!(sending.end(), (Some(0), vec![]));
    drop(stand);
}

/// The form for people has one line a message, and no message can drive the terminal or pretend to be another line.
#[test]
fn lines_for_people_are_lines() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let id = alice.send("bob", "red \x1b[31m\n2026-01-01 delivery eve: fake\u{202e}");
    let said = bob.run(&["recv"]).ok();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.ends_with(" delivery alice: red \\u{1b}[31m\\n2026-01-01 delivery eve: fake\\u{202e}\n"), "{said}");
    assert!(fs::read_to_string(bob.dir().join("handled")).unwrap().contains(&id));
    drop(stand);
}

/// Whatever a sender calls a file, it stays in the directory, is seen by `ls`, has no control characters, and takes no other's place.
#[test]
fn hostile_names_stay_in_the_directory() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let long = "é".repeat(2048);
    let names = ["../../x", "/etc/passwd", ".bashrc", "a\nb", "nul\0", "..", "", "-rf", &long, "x\u{202e}fdp.exe"];
    let dir = stand.dir.path().join("in");
    for (number, name) in names.iter().enumerate() {
        // Arguments of programs hold no NUL.
        if !name.contains('\0') {
            alice.run_with(&["send", "bob", "--name", name], format!("{number}").as_bytes()).fails(0);
        }
    }
    // A file that is there already, by the name that the next one would have, and whose content is another.
    let first = alice.run(&["send", "bob", "-m", "mine", "--name", "same"]).ok();
    fs::create_dir(&dir).unwrap();
    let taken = dir.join(format!("{}-same", first.trim()));
    fs::write(&taken, "theirs").unwrap();
    let said = bob.run(&["recv", "--save", dir.to_str().unwrap(), "--json"]).ok();
    let found = files(&dir);
    assert_eq!(found.len(), names.len() + 1, "{found:?}");
    for path in &found {
        let name = name(path);
        assert!(path.is_file() && !name.starts_with('.') && name.len() < 200, "{name}");
        assert!(name[..16].bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        assert!(!name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | '\u{202e}')), "{name}");
    }
    for line in said.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(found.contains(&PathBuf::from(message["file"].as_str().unwrap())), "{line}");
    }
    assert_eq!(fs::read_to_string(&taken).unwrap(), "theirs");
    let other = dir.join(format!("{}~2-same", first.trim()));
    assert_eq!(fs::read_to_string(other).unwrap(), "mine");
    let outside = files(stand.dir.path());
    assert_eq!(outside.iter().map(|path| name(path)).collect::<Vec<_>>(), ["home", "in", "relay"], "{outside:?}");
}

/// A message that was saved, but whose ack got lost, is not saved again under another name.
#[test]
fn what_is_saved_already_is_not_saved_twice() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let dir = stand.dir.path().join("in");
    let id = alice.run(&["send", "bob", "-m", "once", "--name", "n"]).ok();
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join(format!("{}-n", id.trim())), "once").unwrap();
    // What a killed program was writing, in a directory that nobody holds any more.
    fs::create_dir(dir.join(".tmtp-left")).unwrap();
    fs::write(dir.join(".tmtp-left/half"), "on").unwrap();
    bob.run(&["recv", "--save", dir.to_str().unwrap(), "--count", "1"]).ok();
    assert_eq!(files(&dir).iter().map(|path| name(path)).collect::<Vec<_>>(), [format!("{}-n", id.trim())]);
    assert!(bob.waiting().is_empty(), "and it was acknowledged");
}

/// A message whose id was handled is acknowledged and not handled again, also by a later run.
#[test]
fn what_was_handled_is_not_handled_again() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let id = alice.send("bob", "handled");
    fs::write(bob.dir().join("handled"), format!("{id}\n")).unwrap();
    assert!(bob.waiting().is_empty());
    fs::remove_file(bob.dir().join("handled")).unwrap();
    assert!(bob.waiting().is_empty(), "it was acknowledged");
    drop(stand);
}

/// --op takes some kinds only, says what else there was, and --count ends in time.
#[test]
fn kinds_can_be_chosen() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    alice.run(&["ping", "bob at home", "ring"]).ok();
    for text in ["one", "two"] {
        alice.send("bob", text);
    }
    let (out, note) = bob.run(&["recv", "--op", "delivery,invite", "--count", "1", "--json"]).fails(0);
    assert!(out.contains("\"text\":\"one\"") && out.lines().count() == 1, "{out}");
    assert_eq!(note, "tmtp: acknowledged and dropped, since they were not asked for: 1 ping\n");
    assert_eq!(bob.waiting().len(), 1, "the second one was not touched");
    bob.run(&["recv", "--op", "nonsense"]).fails(2);
    drop(stand);
}

/// The command gets the data and all about it, and with --save the file; what it prints is printed.
#[test]
fn commands_are_told_all_about_a_message() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let id = alice.run_with(&["send", "bob", "--name", "../n\nm"], b"the data").ok();
    let command = r#"echo "$TMTP_ID|$TMTP_FROM|$TMTP_FROM_NAME|$TMTP_OP|$TMTP_POSTED|$TMTP_NAME|$TMTP_FILE|$(cat)|$(cat "$TMTP_FILE")""#;
    let said = bob.run(&["recv", "--count", "1", "--save", "in", "--exec", command]).ok();
    let parts: Vec<&str> = said.trim().split('|').collect();
    let id = id.trim();
    assert_eq!(parts[..4], [id, &alice.uid, "alice", "delivery"]);
    assert!(parts[4].starts_with("20") && parts[4].ends_with('Z'), "{said}");
    assert_eq!(parts[5..], ["n_m", &format!("in/{id}-n_m"), "the data", "the data"]);
    drop(stand);
}

/// Nobody reads: that is no error, nothing panics, and what nobody could read is not acknowledged. A full disk is an error.
#[test]
fn what_could_not_be_printed_is_not_acknowledged() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    alice.send("bob", "read me");
    for form in ["--json", "--raw", "--wait=2"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let live = Live::of(bob.command(&["recv", form]).stdout(writer).stderr(Stdio::piped()));
        assert_eq!(live.end().0, Some(0), "{form}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let live = Live::of(bob.command(&["recv"]).stdout(full));
    assert!(live.note().starts_with("tmtp: standard output: No space left"));
    assert_eq!(live.end().0, Some(5));
    assert_eq!(bob.waiting()[0]["text"], "read me");
    drop(stand);
}
