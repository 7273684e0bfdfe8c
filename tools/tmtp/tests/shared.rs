//! One device, one link: commands that run while another one of the same profile has the link.

mod stand;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use mnm_client::request;
use serde_json::Value;
use stand::{Live, Member, PATIENCE, Stand};

/// A follower that is known to be at work: it has shown a message.
fn following(member: &Member, by: &Member, args: &[&str]) -> Live {
    let live = member.start(&[&["recv", "--follow"], args].concat());
    by.send(member.name, "begin");
    assert!(live.line().ends_with("begin"));
    live
}

/// All kinds of commands use the follower's link, large files and many lines among them, and get what the relay says.
#[test]
fn commands_use_the_link_of_a_follower() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let live = following(&alice, &bob, &[]);
    let socket = alice.dir().join("link");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let me: Value = serde_json::from_str(&alice.run(&["whoami", "--json"]).ok()).unwrap();
    assert_eq!((me["uid"].as_str(), me["role"].as_str()), (Some(&alice.uid[..]), Some("full")));
    let file: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(stand.dir.path().join("file"), &file).unwrap();
    let id = alice.run(&["send", "bob", "file"]).ok();
    bob.run(&["recv", "--save", "in", "--op", "delivery", "--count", "1"]).ok();
    assert!(fs::read(stand.dir.path().join("in").join(format!("{}-file", id.trim()))).unwrap() == file);

    let lines: String = (0..300).map(|number| format!("line {number}\n")).collect();
    assert_eq!(alice.run_with(&["send", "bob", "--lines"], lines.as_bytes()).ok().lines().count(), 300);
    let came: String = bob.waiting().iter().map(|message| format!("{}\n", message["text"].as_str().unwrap())).collect();
    assert!(came == lines);
    let (_, error) = alice.run(&["ping", "nobody at all"]).fails(1);
    assert!(error.contains("alias nobody at all is unknown"), "{error}");

    // The answer to this one comes as a message, which the follower must not keep for itself, nor print its secret.
    alice.run(&["node", "add", "phone", "--save-as", "phone"]).ok();
    let phone = stand.stranger("phone");
    assert_eq!(phone.run(&["whoami", "--json"]).ok().matches(&alice.uid).count(), 1);
    bob.send("alice", "still there?");
    assert!(live.line().ends_with(" login me: logged in on phone"));
    assert!(live.line().ends_with(": still there?"));
    assert_eq!(live.interrupt(), (Some(0), vec![]));
    assert!(!socket.exists());
    alice.run(&["whoami"]).ok();
}

/// There is one that receives, and a second one says so instead of waiting.
#[test]
fn a_second_receiver_is_refused() {
    let (_stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let live = following(&alice, &bob, &[]);
    let (_, error) = alice.run(&["recv"]).fails(4);
    assert!(error.contains("profile alice: another tmtp recv runs"), "{error}");
    bob.send("alice", "unharmed");
    assert!(live.line().ends_with("unharmed"));
}

/// A command that a message was handed to answers by the same device: that is what scripts do.
#[test]
fn a_command_may_answer() {
    let (_stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let answer = format!("{} send \"$TMTP_FROM\" -m \"you said $(cat)\" >&2", env!("CARGO_BIN_EXE_tmtp"));
    let live = alice.start(&["recv", "--follow", "--exec", &answer]);
    for text in ["one", "two"] {
        bob.send("alice", text);
        assert_eq!(bob.run(&["recv", "--raw", "--count", "1", "--wait", "60"]).out, format!("you said {text}").into_bytes());
    }
    assert_eq!(live.interrupt().0, Some(0));
    // Without --follow as well, and with a profile that the command must be told of.
    bob.send("alice", "three");
    let mut command = alice.command(&["recv", "--count", "1", "--exec", &answer, "--profile", "alice", "--home"]);
    command.arg(alice.home.file_name().unwrap()).env_remove("TMTP_HOME").env_remove("TMTP_PROFILE");
    assert_eq!(Live::of(&mut command).end().0, Some(0));
    assert_eq!(bob.run(&["recv", "--raw", "--count", "1"]).out, b"you said three");
}

/// A follower that was killed leaves a socket that nobody hears: commands go to the relay, and the next follower takes its place.
#[test]
fn a_killed_follower_is_in_nobodys_way() {
    let (_stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    following(&alice, &bob, &[]).kill();
    assert!(alice.dir().join("link").exists());
    alice.send("bob", "by a link of its own");
    assert_eq!(bob.waiting()[0]["text"], "by a link of its own");
    let live = following(&alice, &bob, &[]);
    alice.send("bob", "by the next one's");
    assert_eq!(bob.waiting()[0]["text"], "by the next one's");
    assert_eq!(live.interrupt().0, Some(0));
}

/// What is sent while the relay is away goes out when it is back, by the follower that comes back.
#[test]
fn a_relay_that_is_killed_costs_no_message_of_a_shared_link() {
    let (mut stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let live = following(&alice, &bob, &[]);
    let ended = stand.kill_relay();
    assert!(live.note().ends_with("; trying on"));
    let sending = alice.start(&["send", "bob", "-m", "patience"]);
    stand.restart_relay(&ended);
    let id = sending.line();
    assert_eq!(sending.end().0, Some(0));
    let came = bob.waiting();
    assert!(came.iter().any(|message| message["id"] == id[..]), "{came:?}");
    assert!(came.iter().filter(|message| message["op"] == "delivery").all(|message| message["text"] == "patience"));
}

/// The socket serves who has the device's secret and nobody else; requests without a login, and nonsense, end the link and not the
/// follower.
#[test]
fn the_socket_asks_for_the_secret() {
    let (_stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let live = following(&alice, &bob, &[]);
    let talk = |octets: &[u8]| {
        let mut socket = UnixStream::connect(alice.dir().join("link")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(octets).unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        said
    };
    let mut frames = Vec::new();
    request::login(&mut frames, &alice.uid, &"%".repeat(40));
    assert!(talk(&frames).ends_with(r#"{"error":"login failed","op":"quit"}"#));
    let (mut frames, secret) = (Vec::new(), alice.profile()["node"].as_str().unwrap().to_owned());
    request::login(&mut frames, &bob.uid, &secret);
    assert!(talk(&frames).ends_with(r#"{"error":"login failed","op":"quit"}"#));
    let mut frames = Vec::new();
    request::ask(&mut frames, "1", "account", None, None);
    assert!(talk(&frames).ends_with(r#"{"error":"disallowed op on unauthenticated link","op":"quit"}"#));
    assert!(talk(b"0008nonsense").ends_with(r#"{"error":"invalid header","op":"quit"}"#));
    let mut frames = Vec::new();
    request::tmtprev(&mut frames);
    request::login(&mut frames, &alice.uid, &secret);
    request::ask(&mut frames, "same id", "account", None, None);
    request::quit(&mut frames);
    let said = talk(&frames);
    assert!(said.contains(r#""op":"tmtprev""#) && said.contains("login ok") && said.contains("logout ok"), "{said}");
    bob.send("alice", "unharmed");
    assert!(live.line().ends_with("unharmed"));
}
