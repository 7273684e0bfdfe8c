//! What goes wrong, and how a script can tell.

mod stand;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use mnm::wire::HeaderWriter;
use stand::{Live, Stand};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A port at which nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// 1, 2, 3, 5 and 7, each with a sentence that names what is wrong.
#[test]
fn each_failure_has_its_exit_status() {
    let (stand, [alice, _bob]) = Stand::members(["alice", "bob"]);
    for (args, status, says) in [
        (&["join", "no such group"][..], 1, "group no such group is unknown"),
        (&["send", "eve", "-m", "x"], 2, "eve: neither a contact nor a uid"),
        (&["send", "bob"], 2, "nothing to send"),
        (&["send"], 2, "for whom?"),
        (&[&["send", "-m", "x"], &vec![&alice.uid[..]; 1001][..]].concat(), 2, "too many recipients"),
        (&["sned"], 2, "unrecognized subcommand 'sned'; tip: "),
        (&["register"], 2, "not provided:; <ADDR>; --help tells the usage"),
        (&["who", "add", "x", "no uid"], 2, "a uid has 32 characters"),
        (&["register", "no port"], 2, "HOST:PORT"),
        (&["--profile", "../x", "whoami"], 2, "profile \"../x\""),
        (&["--profile", "nobody", "whoami"], 3, "profile nobody: there is none"),
        (&["send", "bob", "missing.pdf"], 5, "missing.pdf: No such file"),
        (&["send", "bob", "-f", "."], 5, "directory"),
        (&["recv", "--save", "/proc/here"], 5, "/proc/here"),
        (&["recv", "--count", "3", "--wait", "0.2"], 7, "0 of 3 messages came in time"),
    ] {
        let (out, error) = alice.run(args).fails(status);
        assert!(error.contains(says) && error.lines().count() == 1 && out.is_empty(), "{args:?}: {error}");
    }
    drop(stand);
}

/// A relay that speaks the drafts and nothing else: what needs an extension says which one, and the rest goes on without. (Such a relay
/// is played by who listens where a follower would.)
#[test]
fn a_relay_without_extensions_is_no_riddle() {
    let (stand, [alice, _bob]) = Stand::members(["alice", "bob"]);
    let listener = UnixListener::bind(alice.dir().join("link")).unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let replies = [
                HeaderWriter::new().text("id", "1").text("name", "old").text("op", "tmtprev").finish(),
                HeaderWriter::new().text("info", "login ok").text("op", "info").finish(),
                HeaderWriter::new().text("error", "logout ok").text("op", "quit").finish(),
            ];
            // An answer for each of TmtpRev, Login and Quit, which are all that may come.
            for reply in replies {
                let _ = socket.read(&mut [0; 4096]);
                let _ = socket.write_all(&reply);
            }
        }
    });
    for (args, feature) in [
        (&["group", "list"][..], "ask"),
        (&["node", "list"], "ask"),
        (&["group", "set", "wonderland", "--post", "anyone"], "group"),
        (&["alias", "drop", "alice at home"], "alias"),
        (&["node", "drop", "1"], "node"),
        (&["code"], "invite"),
    ] {
        let (_, error) = alice.run(args).fails(1);
        assert!(error.contains("the relay of mnm cannot") && error.contains(&format!("it lacks the extension `{feature}`")), "{error}");
    }
    let me = alice.run(&["whoami"]).ok();
    assert!(me.contains(&alice.uid) && me.contains("not told by this relay"), "{me}");
    drop(stand);
}

/// 4: nobody listens; somebody listens who never answers; the device is connected elsewhere.
#[test]
fn a_relay_that_cannot_be_reached_in_time() {
    let (stand, [alice, bob]) = Stand::members(["alice", "bob"]);
    bob.run(&["whoami"]).ok();
    let address = stand.relay().address.clone();
    let dead = nobody();
    bob.move_to(&dead);
    let (_, error) = bob.run(&["--timeout", "0.5", "whoami"]).fails(4);
    assert!(error.contains(&dead) && error.contains("refused") && error.contains("tried for 0.5 s"), "{error}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    bob.move_to(&silent.local_addr().unwrap().to_string());
    let (_, error) = bob.run(&["--timeout", "0.5", "whoami"]).fails(4);
    assert!(error.contains("did not answer in time"), "{error}");
    let stranger = stand.stranger("stranger");
    stranger.run(&["--timeout", "0.5", "register", &dead]).fails(4);
    assert!(!stranger.dir().exists(), "nothing is left of it");
    bob.move_to(&address);
    bob.run(&["whoami"]).ok();

    // A receiver that does not share its link: it has said that it is there by what it printed.
    alice.send("bob", "hello");
    let elsewhere = bob.start(&["recv", "--wait", "600"]);
    assert!(elsewhere.line().ends_with(": hello"));
    let (_, error) = bob.run(&["--timeout", "5", "whoami"]).fails(4);
    assert!(error.contains("profile bob: this device is connected elsewhere"), "{error}");
    elsewhere.kill();
    bob.run(&["whoami"]).ok();
}

/// 6: a relay with another certificate gets nothing; both fingerprints are named, and the cure does cure.
#[test]
fn another_certificate_is_refused() {
    let (mut stand, [alice, _bob]) = Stand::members(["alice", "bob"]);
    let pinned = alice.profile()["trust"]["fingerprint"].as_str().unwrap().to_owned();
    let ended = stand.kill_relay();
    for file in ["mnm.crt", "mnm.key"] {
        fs::remove_file(stand.dir.path().join("relay").join(file)).unwrap();
    }
    stand.restart_relay(&ended);
    for args in [&["whoami"][..], &["recv"], &["send", "bob", "-m", "x"], &["login"]] {
        let (_, error) = alice.run(args).fails(6);
        assert!(error.contains(&pinned) && error.contains("profile alice"), "{error}");
        let met = error.split_once("met was ").unwrap().1.split(';').next().unwrap();
        assert!(met.len() == pinned.len() && met != pinned, "{error}");
        assert!(error.trim().ends_with(&format!("tmtp login --repin {met}")), "{error}");
    }
    let (_, error) = alice.run(&["whoami"]).fails(6);
    let met = error.trim().rsplit(' ').next().unwrap();
    let (_, error) = alice.run(&["login", "--repin", &pinned]).fails(6);
    assert!(error.contains(met), "{error}");
    alice.run(&["login", "--repin", met]).ok();
    assert_eq!(alice.profile()["trust"]["fingerprint"], met);
    alice.send("bob", "again");
    // A pin that is told beforehand is not learnt.
    let carol = stand.stranger("carol");
    let address = stand.relay().address.clone();
    carol.run(&["register", &address, "--fingerprint", &pinned]).fails(6);
    carol.run(&["register", &address, "--fingerprint", met]).ok();
}

/// Authorities instead of a pin: the relay's own certificate is signed by itself, so its file serves as one; the system's do not know
/// it. The file's place is kept, wherever the next command runs.
#[test]
fn authorities_are_asked_where_that_is_wanted() {
    let stand = Stand::new();
    let (alice, bob) = (stand.stranger("alice"), stand.stranger("bob"));
    let address = &stand.relay().address;
    let (_, error) = bob.run(&["register", address, "--ca", "no such file"]).fails(5);
    assert!(error.contains("no such file"), "{error}");
    let (_, error) = bob.run(&["register", address, "--ca", "relay/mnm.key"]).fails(5);
    assert!(error.contains("relay/mnm.key"), "{error}");
    let registered = alice.run(&["register", address, "--ca", "relay/mnm.crt"]);
    // Whether such a certificate may sign itself is for the verifier to say; what it says is about the certificate.
    if registered.status.success() {
        let kept = alice.profile()["trust"]["authorities"].as_str().unwrap().to_owned();
        assert!(Path::new(&kept).is_absolute(), "{kept}");
        alice.run(&["whoami"]).ok();
    } else {
        let (_, error) = registered.fails(6);
        assert!(error.contains("invalid peer certificate"), "{error}");
    }
    let system = bob.run(&["register", &format!("+{address}")]);
    let status = system.status.code();
    assert!(status == Some(6) || (status == Some(5) && system.err.contains("ca-certificates")), "{system:?}");
    assert!(!bob.dir().exists());
}

/// 3: a profile that others can read is not used, and the cure is said as it can be typed.
#[test]
fn loose_permissions_are_refused() {
    let (stand, [alice, _bob]) = Stand::members(["alice", "bob"]);
    for (path, loose, tight) in [(alice.dir().join("profile.json"), 0o640, 0o600), (alice.dir(), 0o755, 0o700)] {
        chmod(&path, loose);
        for args in [&["whoami"][..], &["recv"], &["who", "drop", "bob"]] {
            let (_, error) = alice.run(args).fails(3);
            let cure = format!("chmod {tight:o} {}", path.display());
            assert!(error.trim().ends_with(&cure) && error.contains(&format!("mode {loose:04o}")), "{error}");
        }
        chmod(&path, tight);
        alice.run(&["whoami"]).ok();
    }
    chmod(&alice.home, 0o770);
    let (_, error) = alice.run(&["whoami"]).fails(3);
    assert!(error.contains(&format!("others may write to {0}; chmod go-w {0}", alice.home.display())), "{error}");
    chmod(&alice.home, 0o700);
    alice.run(&["recv"]).ok();
    for entry in fs::read_dir(alice.dir()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
    fs::write(alice.dir().join("profile.json"), "{").unwrap();
    let (_, error) = alice.run(&["whoami"]).fails(3);
    assert!(error.contains("is damaged"), "{error}");
    drop(stand);
}

/// The user's configuration directory is where profiles are, unless a home is named.
#[test]
fn profiles_are_where_the_user_keeps_such_things() {
    let stand = Stand::new();
    let alice = stand.stranger("alice");
    let config = stand.dir.path().join("config");
    let mut command = alice.command(&["register", &stand.relay().address]);
    let live = Live::of(command.env_remove("TMTP_HOME").env_remove("TMTP_PROFILE").env("XDG_CONFIG_HOME", &config));
    assert_eq!(live.end().0, Some(0));
    assert!(config.join("tmtp/default/profile.json").is_file());
    let home = config.join("tmtp");
    alice.run(&["whoami", "--home", home.to_str().unwrap(), "--profile", "default"]).ok();
}

/// Completions for the usual shells, also into a pipe that nobody reads; and the exit statuses are told by --help.
#[test]
fn completions_and_help() {
    let stand = Stand::new();
    let alice = stand.stranger("alice");
    for (shell, mark) in [("bash", "complete -F _tmtp"), ("zsh", "#compdef tmtp"), ("fish", "complete -c tmtp")] {
        let script = alice.run(&["completions", shell]).ok();
        assert!(script.contains(mark) && script.contains("whoami"), "{shell}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(Live::of(alice.command(&["completions", shell]).stdout(writer)).end().0, Some(0));
    }
    let help = alice.run(&["--help"]).ok();
    for told in [
        "0 done",
        "1 the relay",
        "2 wrong usage",
        "3 the profile",
        "4 the relay",
        "5 files",
        "6 the certificate",
        "7 fewer",
        "8 the --exec",
    ] {
        assert!(help.contains(told), "{told}: {help}");
    }
}
