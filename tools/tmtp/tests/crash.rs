//! Relays, links and programs that end in the middle of something.

mod stand;

use std::fs;
use std::process::Stdio;

use stand::proxy::Proxy;
use stand::{Live, Stand};

/// The relay is killed and started again while one sends and the other follows: all that was acknowledged arrives, in order, and each
/// message is shown once however often it came.
#[test]
fn a_relay_that_is_killed_costs_no_message() {
    let (mut stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let following = bob.start(&["recv", "--follow", "--raw"]);
    let mut sending = alice.start(&["send", "bob", "--lines"]);
    let mut ids = Vec::new();
    for number in 0..60 {
        if number % 20 == 10 {
            let ended = stand.kill_relay();
            // On its way while there is no relay.
            sending.write(&format!("{number:02}."));
            sending.write("\n");
            stand.restart_relay(&ended);
        } else {
            sending.write(&format!("{number:02}.\n"));
        }
        ids.push(sending.line());
    }
    sending.close_input();
    assert_eq!(sending.end().0, Some(0));
    // The last one comes behind all others: what was not shown before it is lost.
    alice.send("bob", "end\n");
    let text = following.line();
    let mut came: Vec<&str> = text.trim_end_matches("end").split_terminator('.').collect();
    // A message whose ack was lost with the link is sent again under another message id: once more, but in its place.
    came.dedup();
    let wanted: Vec<String> = (0..60).map(|number| format!("{number:02}")).collect();
    assert_eq!(came, wanted);
    ids.dedup();
    assert_eq!(ids.len(), 60);
    assert_eq!(following.interrupt().0, Some(0));
}

/// The same in the middle of a large file: on its way to the relay, and on its way to who follows. It arrives whole, and no half of it is
/// left anywhere.
#[test]
fn a_relay_that_is_killed_in_the_middle_of_a_file_costs_no_octet() {
    let (mut stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let proxy = Proxy::to(&stand.relay().address);
    let file: Vec<u8> = (0..5_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(stand.dir.path().join("file"), &file).unwrap();

    alice.move_to(&proxy.address);
    proxy.arm(2_000_000);
    let sending = alice.start(&["send", "bob", "file"]);
    let ended = proxy.in_the_middle(|| stand.kill_relay());
    stand.restart_relay(&ended);
    let id = sending.line();
    assert_eq!(sending.end(), (Some(0), vec![]));

    bob.move_to(&proxy.address);
    proxy.arm(2_000_000);
    let following = bob.start(&["recv", "--follow", "--save", "in"]);
    let ended = proxy.in_the_middle(|| stand.kill_relay());
    assert!(following.note().ends_with("; trying on"));
    stand.restart_relay(&ended);
    assert!(following.line().contains(": 5000000 octets in in/"));
    assert_eq!(following.interrupt(), (Some(0), vec![]));
    let found: Vec<_> = fs::read_dir(stand.dir.path().join("in")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(found, [stand.dir.path().join("in").join(format!("{id}-file"))]);
    assert!(fs::read(&found[0]).unwrap() == file);
    assert!(bob.waiting().is_empty());
}

/// A follower says that the relay is away and that it is back, and shows nothing twice.
#[test]
fn a_follower_comes_back() {
    let (mut stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let following = bob.start(&["recv", "--follow"]);
    for round in 0..3 {
        alice.send("bob", &format!("round {round}"));
        assert!(following.line().ends_with(&format!(": round {round}")));
        // At once: the ack may not have been written down.
        let ended = stand.kill_relay();
        let note = following.note();
        assert!(note.ends_with("; trying on"), "{note}");
        stand.restart_relay(&ended);
        let note = following.note();
        assert!(note.ends_with(": connected again"), "{note}");
    }
    alice.send("bob", "the end");
    assert!(following.line().ends_with(": the end"), "and nothing came twice before it");
    assert_eq!(following.interrupt(), (Some(0), vec![]));
}

/// A program that is killed while its command runs has not acknowledged: the message comes again.
#[test]
fn a_message_comes_again_if_its_receiver_is_killed() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    alice.send("bob", "work");
    let (begun, go) = (stand.dir.path().join("begun"), stand.dir.path().join("go"));
    for fifo in [&begun, &go] {
        assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
    }
    // It tells that it has begun, and then waits for ever.
    let mut command = bob.command(&["recv", "--exec", "cat > begun; read line < go"]);
    let receiving = Live::of(command.stdout(Stdio::null()).stderr(Stdio::null()));
    assert_eq!(fs::read(&begun).unwrap(), b"work");
    receiving.kill();
    // Lets the orphan go.
    fs::write(&go, "\n").unwrap();
    assert_eq!(bob.run(&["recv", "--raw", "--count", "1"]).out, b"work");
    assert!(bob.waiting().is_empty());
}

/// A command that fails keeps its message at the relay: without --follow that ends the program, with it the others go on.
#[test]
fn a_message_whose_command_fails_comes_again() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let id = alice.send("bob", "bad");
    let (_, error) = bob.run(&["recv", "--exec", "cat; exit 7"]).fails(8);
    assert!(error.contains(&format!("the command for message {id} exited with 7")), "{error}");
    let (_, error) = bob.run(&["recv", "--exec", "kill -9 $$"]).fails(8);
    assert!(error.contains("was ended by signal 9"), "{error}");

    let following = bob.start(&["recv", "--follow", "--exec", "grep -v bad"]);
    assert!(following.note().contains(&format!("message {id} exited with 1; the message stays with the relay")));
    alice.send("bob", "good");
    assert_eq!(following.line(), "good");
    assert_eq!(following.interrupt(), (Some(0), vec![]));
    assert_eq!(bob.run(&["recv", "--exec", "cat", "--count", "1"]).out, b"bad");
    assert!(bob.waiting().is_empty());
    drop(stand);
}

/// With --save and --exec the file is there once, although the command has failed once.
#[test]
fn a_file_whose_command_fails_is_saved_once() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    let id = alice.run(&["send", "bob", "-m", "data", "--name", "n"]).ok();
    bob.run(&["recv", "--save", "in", "--exec", "false"]).fails(8);
    bob.run(&["recv", "--save", "in", "--exec", "test \"$(cat \"$TMTP_FILE\")\" = data", "--count", "1"]).ok();
    let found: Vec<_> = fs::read_dir(stand.dir.path().join("in")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(found, [format!("{}-n", id.trim()).as_str()]);
}

/// An interrupt while a command runs waits for the command, acknowledges, and ends.
#[test]
fn an_interrupt_lets_the_command_end() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    alice.send("bob", "work");
    let go = stand.dir.path().join("go");
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let receiving = bob.start(&["recv", "--follow", "--exec", "echo begun; read line < go; echo done"]);
    assert_eq!(receiving.line(), "begun");
    receiving.signal();
    fs::write(&go, "\n").unwrap();
    assert_eq!(receiving.end(), (Some(0), vec!["done".to_owned()]));
    assert!(bob.waiting().is_empty(), "it was acknowledged");
}
