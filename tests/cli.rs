//! The command line, and what `mnm check` tells.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use log::LevelFilter;
use mnm::base::Wall;
use mnm::config::Overrides;
use mnm::record::{Mode, Role};
use mnm::store::Directory;
use mnm::{check, cli};

#[test]
fn the_command_line_is_read() {
    cli::Cli::command().debug_assert();
    let read = |line: &str| cli::Cli::try_parse_from(line.split(' '));

    let run = read("mnm --listen :1 --listen :2 --log DEBUG").unwrap();
    assert_eq!((run.command, run.flags.listen.len(), run.flags.log), (None, 2, Some(LevelFilter::Debug)));
    for line in ["mnm check --config f --data d", "mnm --config f --data d check"] {
        let check = read(line).unwrap();
        assert_eq!(check.command, Some(cli::Command::Check), "{line}");
        assert_eq!(Overrides::from(check.flags).config, Some("f".into()), "{line}");
    }
    let invite = read("mnm invite --group one --data d --uses 3 --group two --expires 2w --role receive --no-qr").unwrap();
    let expires = cli::Expiry::In(Duration::from_secs(14 * 86_400));
    let groups = vec!["one".to_owned(), "two".to_owned()];
    let terms = cli::Terms { uses: 3, expires, role: Role::Receive, groups, no_qr: true };
    let expected = cli::Command::Invite { terms: terms.clone(), json: false };
    assert_eq!((invite.command, invite.flags.data), (Some(expected), Some("d".into())));
    for (text, expires) in [
        ("90m", cli::Expiry::In(Duration::from_secs(5400))),
        ("12h", cli::Expiry::In(Duration::from_secs(43_200))),
        ("1d", cli::Expiry::In(Duration::from_secs(86_400))),
        ("1970-01-01T00:00:01Z", cli::Expiry::At(Wall::from_seconds(1))),
        ("never", cli::Expiry::Never),
    ] {
        let Some(cli::Command::Invite { terms, .. }) = read(&format!("mnm invite --expires {text}")).unwrap().command else {
            panic!("{text}");
        };
        assert_eq!(terms.expires, expires, "{text}");
    }
    let order = |line: &str| match read(line).unwrap().command {
        Some(cli::Command::Ctl { json, order }) => (json, order),
        other => panic!("{line}: {other:?}"),
    };
    let closed = cli::Order::Register { mode: Mode::Closed, minutes: Some(5) };
    for line in ["mnm ctl --json register closed --for 5", "mnm ctl register --for 5 closed --json --data d"] {
        assert_eq!(order(line), (true, closed.clone()), "{line}");
    }
    for (word, on) in [("on", true), ("off", false)] {
        assert_eq!(order(&format!("mnm ctl admin X {word}")), (false, cli::Order::Admin { who: "X".to_owned(), on }));
    }
    let line = "mnm ctl invite --group one --uses 3 --group two --expires 2w --role receive --no-qr";
    assert_eq!(order(line), (false, cli::Order::Invite(terms)), "the same words after ctl");
    for line in ["mnm ctl drop X 7", "mnm ctl drop-node X 7"] {
        assert_eq!(order(line), (false, cli::Order::Drop { who: "X".to_owned(), node: "7".to_owned() }), "{line}");
    }
    assert_eq!(order("mnm ctl nodes --json"), (true, cli::Order::Nodes { who: None }));
    assert_eq!(order("mnm ctl queues"), (false, cli::Order::Queues { top: 20, by: "count".to_owned() }));
    // What stands in the help is that of the command, and not of what it shares with another.
    for (line, fragment) in [("mnm invite --help", "Make an invite code with which"), ("mnm ctl invite --help", "Make an invite code, as")]
    {
        let help = read(line).unwrap_err().to_string();
        assert!(help.starts_with(fragment), "{help}");
    }
    for (line, fragment) in [("mnm --log loud", "error, warn, info, debug, trace"), ("mnm chek", "check"), ("mnm --config", "FILE")] {
        let error = read(line).unwrap_err().to_string();
        assert!(error.contains(fragment), "{error}");
    }
    let version = read("mnm --version").unwrap_err().to_string();
    assert_eq!(version.trim(), concat!("mnm ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn checking_tells_everything_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let check = |text: &str| {
        let file = here.join("mnm.conf");
        fs::write(&file, text).unwrap();
        check::check(&Overrides { config: Some(file), ..Overrides::default() }, Wall(1_767_225_600_000_000_000))
    };
    let good = check(r#"{"listen":{"laddr":"127.0.0.1:0"},"ntp":{}}"#);
    let text = good.lines.join("\n");
    assert_eq!(good.errors, 0, "{text}");
    for fragment in ["a self-signed one would be made in", "data, which would be made", "note: ntp is not used", "the relay would start"] {
        assert!(text.contains(fragment), "{text}\nlacks: {fragment}");
    }
    assert!(!here.join("data").exists());

    let bad = check(r#"{"data":"mnm.conf","listen":[{"laddr":"192.0.2.1:1"},{"laddr":"127.0.0.1:0","certPath":"c","keyPath":"k"}]}"#);
    let text = bad.lines.join("\n");
    for fragment in [
        "mnm.conf: is a file and not a directory",
        "listen[0].laddr is 192.0.2.1:1, which cannot",
        "c: the certificate is not there",
        "not start",
    ] {
        assert!(text.contains(fragment), "{text}\nlacks: {fragment}");
    }

    let wrong = check("{");
    assert_eq!((wrong.errors, wrong.lines.len()), (1, 1));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let beside = check(&format!(r#"{{"listen":{{"laddr":"{}"}}}}"#, taken.local_addr().unwrap()));
    assert_eq!(beside.errors, 0, "a relay that runs is no error: {:?}", beside.lines);
    assert!(beside.lines.iter().any(|line| line.starts_with("warning: ") && line.contains("another mnm?")), "{:?}", beside.lines);
    let verdict = beside.lines.last().unwrap();
    assert!(verdict.starts_with("the relay would start once the program that listens on"), "{verdict}");
}

#[test]
fn checking_tells_where_metrics_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let check = |metrics: &str| {
        let file = here.join("mnm.conf");
        fs::write(&file, format!(r#"{{"metrics":"{metrics}","listen":{{"laddr":"127.0.0.1:0"}}}}"#)).unwrap();
        let found = check::check(&Overrides { config: Some(file), ..Overrides::default() }, Wall(1_767_225_600_000_000_000));
        (found.errors, found.lines.join("\n"))
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _heard = std::os::unix::net::UnixListener::bind(here.join("heard")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(here.join("dead")).unwrap());
    let port = taken.local_addr().unwrap().to_string();
    for (metrics, errors, fragment) in [
        ("", 0, "metrics: nowhere"),
        ("127.0.0.1:0", 0, "metrics: 127.0.0.1:0"),
        (&port, 0, "the relay would start once the program that listens on 127.0.0.1:"),
        ("unix:new", 0, "metrics: unix:"),
        ("unix:dead", 0, "/dead\n"),
        ("unix:heard", 0, "/heard has stopped"),
        ("unix:mnm.conf", 1, "is no socket); move it away"),
        ("unix:none/new", 1, "make the directory that the socket is to be in"),
    ] {
        let (found, text) = check(metrics);
        assert_eq!(found, errors, "{metrics}: {text}");
        assert!(text.contains(fragment), "{text}\nlacks: {fragment}");
    }
    assert!(here.join("dead").exists() && !here.join("new").exists(), "a check changes nothing");
}

#[test]
fn checking_tells_who_may_register() {
    let directory = tempfile::tempdir().unwrap();
    let check = |register: &str, address: &str| {
        let file = directory.path().join("mnm.conf");
        fs::write(&file, format!(r#"{{"register":"{register}","listen":{{"laddr":"{address}"}}}}"#)).unwrap();
        check::check(&Overrides { config: Some(file), ..Overrides::default() }, Wall(1_767_225_600_000_000_000)).lines.join("\n")
    };
    for (register, address, warns) in
        [("open", "0.0.0.0:0", true), ("open", "127.0.0.1:0", false), ("invite", "0.0.0.0:0", false), ("closed", "0.0.0.0:0", false)]
    {
        let text = check(register, address);
        assert!(text.contains(&format!("register: {register}, unless")), "{text}");
        assert_eq!(text.contains("warning: register is open, and 0.0.0.0:0 is not loopback"), warns, "{text}");
    }
}

#[test]
fn what_a_start_would_stumble_over_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let check = |data: &Path, listen: &[&str]| {
        let listen = listen.iter().map(|address| address.to_string()).collect();
        let file = here.join("mnm.conf");
        fs::write(&file, "{}").unwrap();
        let overrides = Overrides { config: Some(file), data: Some(data.to_path_buf()), listen, ..Overrides::default() };
        let found = check::check(&overrides, Wall(1_767_225_600_000_000_000));
        (found.errors, found.lines.join("\n"))
    };
    let expect = |(errors, text): (usize, String), expected: usize, fragments: &[&str]| {
        assert_eq!(errors, expected, "{text}");
        fragments.iter().for_each(|fragment| assert!(text.contains(fragment), "{text}\nlacks: {fragment}"));
    };

    let data = here.join("data");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let all = format!(":{}", free.port());
    let own = free.to_string();
    expect(check(&data, &[&own, &all]), 1, &[&format!("--listen ({own}) takes already"), "would not start"]);

    symlink("nowhere", here.join("dangling")).unwrap();
    expect(check(&here.join("dangling"), &["127.0.0.1:0"]), 1, &["dangling: is a symbolic link to nowhere, which is not there"]);

    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).unwrap();
    expect(check(&data, &["127.0.0.1:0"]), 0, &["warning: ", "every user of this machine may write", "chmod 700"]);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();

    let held = Directory::open(&data).unwrap();
    expect(check(&data, &["127.0.0.1:0"]), 0, &["is using the data directory", "would start once the process that uses"]);
    drop(held);

    fs::write(data.join("0000000001.seg"), [7; 4096]).unwrap();
    expect(check(&data, &["127.0.0.1:0"]), 1, &["0000000001.seg is damaged at offset 0"]);
}
