//! What the operator may write, and what is said when it cannot be meant.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::{Level, LevelFilter};
use mnm::config::{CertificatePaths, Config, Dialect, Limits, Listen, Lookalikes, MetricsPlace, Names, Overrides, Register};
use mnm::relay::{self, Settings};
use mnm::{record, server};

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("mnm.conf")).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// The text must be refused with one line that holds every fragment.
fn refuse(text: &str, fragments: &[&str]) {
    let error = match Config::parse(text, Path::new("etc/mnm.conf")) {
        Ok(config) => panic!("{text} was taken as {config:?}"),
        Err(error) => error.to_string(),
    };
    assert!(error.starts_with("etc/mnm.conf: "), "{text}\n{error}");
    assert!(!error.contains('\n'), "{text}\n{error}");
    for fragment in fragments {
        assert!(error.contains(fragment), "{text}\n{error}\nlacks: {fragment}");
    }
}

#[test]
fn the_shipped_file_says_the_defaults() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("mnm.conf");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(parse(&text), Config { file: Some("mnm.conf".into()), ..Config::default() });
    // Every key it could have, so that nobody has to look elsewhere: a value, or a comment of the key's name.
    let keys = ["name", "data", "listen", "auth", "authby", "register", "names", "dialect", "log", "metrics", "limits", "ntp"];
    for key in keys.into_iter().chain(["net", "laddr", "certPath", "keyPath", "min_chars", "reserved", "lookalikes"]) {
        assert!(text.contains(&format!("\"{key}\":")) || text.contains(&format!("\"#{key}\":")), "{key} is not shown");
    }
    for field in format!("{:?}", Limits::default()).split(['{', ',']).skip(1) {
        let field = field.trim().split(':').next().unwrap();
        assert!(text.contains(&format!("\"{field}\":")) || text.contains(&format!("\"{field}_s\":")), "{field} is not shown");
    }
}

#[test]
fn an_empty_object_says_the_defaults() {
    let config = parse("{}");
    assert_eq!(config, Config { file: Some("mnm.conf".into()), ..Config::default() });
    assert_eq!(config.data, Path::new("data"));
    assert_eq!((config.listen[0].host.as_str(), config.listen[0].port), ("127.0.0.1", 8443));
    assert_eq!(config.limits.idle_timeout, Duration::from_secs(120));
}

#[test]
fn a_go_servers_file_is_taken_as_it_is() {
    let text = r##"{
        "#": " comment",
        "ntp": {"hosts": ["ntp.example.org", "0.pool.ntp.org"], "retries": 4},
        "name": "Example site",
        "listen": {"net": "tcp", "laddr": ":443", "certPath": "./server.crt", "keyPath": "/etc/tls/server.key"},
        "auth": 1,
        "authby": [{
            "label": "Service",
            "login": ["https://login.example.org/l", "a&b"],
            "token": ["https://login.example.org/t", ""],
            "keys": "https://login.example.org/k", "iss": "https://login.example.org", "aud": "mnm"
        }]
    }"##;
    let config = Config::parse(text, Path::new("/srv/mnm/mnm.config")).unwrap();
    assert_eq!(config.name, "Example site");
    assert_eq!((config.listen[0].host.as_str(), config.listen[0].port), ("", 443));
    assert!(config.listen[0].is_wildcard());
    let paths = CertificatePaths { chain: "/srv/mnm/server.crt".into(), key: "/etc/tls/server.key".into() };
    assert_eq!(config.listen[0].certificate, Some(paths));
    assert_eq!(config.data, Path::new("/srv/mnm/data"));
    assert!(config.auth_required);
    assert_eq!(config.authby[0].login, ["https://login.example.org/l", "a&b"]);
    assert_eq!(config.authby[0].token[1], "");
    assert_eq!(config.authby[0].aud.as_deref(), Some("mnm"));
    let [remark] = config.remarks.as_slice() else { panic!("{:?}", config.remarks) };
    assert_eq!(remark.level, Level::Info);
    assert!(remark.sentence.contains("no time server is needed"), "{remark}");
}

#[test]
fn keys_match_without_regard_to_case() {
    let text = r#"{"NAME":"x","Data":"d","Listen":{"NET":"TCP","LAddr":":1","CertPath":"c","keypath":"k"},"AUTH":false,
        "AuthBy":[{"LABEL":"l","Login":["a",""],"TOKEN":["b",""]}],"DIALECT":"2018","LOG":"Debug","Ntp":{"Hosts":[],"RETRIES":1},
        "LIMITS":{"Idle_Timeout_S":1},"REGISTER":"Closed","NAMES":{"Min_Chars":9}}"#;
    let config = parse(text);
    assert_eq!((config.name.as_str(), config.data.as_path()), ("x", Path::new("d")));
    assert_eq!(config.listen[0].certificate, Some(CertificatePaths { chain: "c".into(), key: "k".into() }));
    assert_eq!((config.dialect, config.log), (Dialect::Draft2018, LevelFilter::Debug));
    assert_eq!((config.limits.idle_timeout, config.authby.len()), (Duration::from_secs(1), 1));
    assert_eq!((config.register, config.names.min_chars), (Register::Closed, 9));
}

#[test]
fn comments_stand_at_every_level_and_null_is_nothing() {
    let text = r##"{"#":1,"#":{"a":[]},"#name":null,"name":null,"limits":{"#":0,"#idle_timeout_s":"x"},
        "ntp":{"#":0},"listen":[{"#":0,"laddr":":0","certPath":null}],
        "authby":[{"#":0,"label":"l","login":["a",""],"token":["b",""],"iss":null}]}"##;
    let config = parse(text);
    assert_eq!((config.name.as_str(), config.limits), ("mnm", Limits::default()));
    assert_eq!((config.listen[0].port, config.authby[0].iss.clone()), (0, None));
    assert_eq!(parse("\u{feff}{}"), parse("{}"));
}

#[test]
fn limits_are_read() {
    let limits = parse(
        r#"{"limits":{"message_max_bytes":5,"recipients_max":4,"window_deliveries":3,"pings_per_day":11,"failed_pings":12,
        "queue_messages":13,"queue_bytes":1048576,"group_members":15,"groups_per_member":16,"aliases_per_member":17,"nodes_per_member":18,
        "member_invites":19,"wrong_codes_per_hour":20,"links_max":21,"links_per_address":22,"handshakes_per_second":23,
        "failed_logins":24,"upload_min_bytes_per_s":25,"login_timeout_s":0.5,"idle_timeout_s":1.25,
        "redelivery_timeout_s":2,"takeover_silence_s":3,"stall_timeout_s":4,"linger_timeout_s":0.01,"segment_bytes":8388608}}"#,
    )
    .limits;
    let expected = Limits {
        message_max_bytes: 5,
        recipients_max: 4,
        window_deliveries: 3,
        pings_per_day: 11,
        failed_pings: 12,
        queue_messages: 13,
        queue_bytes: 1 << 20,
        group_members: 15,
        groups_per_member: 16,
        aliases_per_member: 17,
        nodes_per_member: 18,
        member_invites: 19,
        wrong_codes_per_hour: 20,
        links_max: 21,
        links_per_address: Some(22),
        handshakes_per_second: Some(23),
        failed_logins: Some(24),
        upload_min_bytes_per_s: 25,
        login_timeout: Duration::from_millis(500),
        idle_timeout: Duration::from_millis(1250),
        redelivery_timeout: Duration::from_secs(2),
        takeover_silence: Duration::from_secs(3),
        stall_timeout: Duration::from_secs(4),
        linger_timeout: Duration::from_millis(10),
        segment_bytes: 8 << 20,
    };
    assert_eq!(limits, expected);
}

#[test]
fn a_socket_in_the_file_system_is_read() {
    let listen = |text: &str| parse(&format!(r#"{{"listen":[{text}]}}"#)).listen.remove(0);
    let socket = listen(r#"{"net":"unix","laddr":"./run/mnm.sock","tls":false}"#);
    assert_eq!((socket.unix.as_deref(), socket.tls), (Some(Path::new("run/mnm.sock")), false));
    assert_eq!(socket.address(), "unix:run/mnm.sock");
    assert!(!socket.is_wildcard() && !socket.is_name());
    assert!(listen(r#"{"net":"unix","laddr":"/run/mnm.sock"}"#).tls, "TLS unless the operator says otherwise");
    assert_eq!(parse(r#"{"listen":{"net":"unix","laddr":"/run/mnm.sock"}}"#).open_to_strangers(), None);
    let twice = Config::parse(r#"{"listen":[{"net":"unix","laddr":"a"},{"net":"unix","laddr":"./a"}]}"#, Path::new("/etc/mnm/mnm.conf"));
    assert!(twice.unwrap_err().to_string().contains("repeats listen[0].laddr"));
}

#[test]
fn who_may_join_is_read() {
    for (word, register) in [("open", Register::Open), ("invite", Register::Invite), ("CLOSED", Register::Closed)] {
        assert_eq!(parse(&format!(r#"{{"register":"{word}"}}"#)).register, register);
    }
    for (word, lookalikes) in [("refuse", Lookalikes::Refuse), ("allow", Lookalikes::Allow), ("strict", Lookalikes::Strict)] {
        let names = parse(&format!(r#"{{"names":{{"min_chars":255,"reserved":["support team"],"lookalikes":"{word}"}}}}"#)).names;
        assert_eq!(names, Names { min_chars: 255, reserved: vec!["support team".into()], lookalikes });
    }
    assert_eq!(parse(r#"{"names":{"reserved":[]}}"#).names.reserved, Vec::<String>::new());
}

#[test]
fn metrics_are_served_to_this_machine_alone() {
    let place = |text: &str| Config::parse(text, Path::new("/etc/mnm/mnm.conf")).unwrap().metrics.map(|metrics| metrics.place);
    for nowhere in ["{}", r#"{"metrics":""}"#, r#"{"metrics":null}"#] {
        assert_eq!(place(nowhere), None, "{nowhere}");
    }
    for address in ["127.0.0.1:9464", "[::1]:9464", "127.9.9.9:0", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(place(&format!(r#"{{"METRICS":"{address}"}}"#)), Some(MetricsPlace::Address(address.parse().unwrap())));
    }
    for (text, path) in [("unix:/run/mnm.sock", "/run/mnm.sock"), ("unix:./m.sock", "/etc/mnm/m.sock")] {
        assert_eq!(place(&format!(r#"{{"metrics":"{text}"}}"#)), Some(MetricsPlace::Socket(path.into())), "{text}");
    }
    let form = r#"expected "127.0.0.1:9464", "[::1]:9464", "unix:/path", or "" for none"#;
    let cure = r#"use 127.0.0.1 or [::1], or a socket ("unix:/path"), and put a proxy with TLS before it for others"#;
    for (value, fragments) in [
        (r#"":9464""#, ["which means all interfaces", cure]),
        (r#""0.0.0.0:9464""#, ["metrics is \"0.0.0.0:9464\", which is not loopback", cure]),
        (r#""[::]:9464""#, ["is not loopback", cure]),
        (r#""192.0.2.1:9464""#, ["is not loopback", cure]),
        (r#""localhost:9464""#, ["no address with a port", form]),
        (r#""127.0.0.1""#, ["no address with a port", form]),
        (r#""127.0.0.1:65536""#, ["no address with a port", form]),
        (r#""unix:""#, ["without a path", form]),
        (r#"9464"#, ["metrics is 9464", form]),
        (r#"{"laddr":"127.0.0.1:9464"}"#, ["metrics is an object", form]),
    ] {
        refuse(&format!(r#"{{"metrics":{value}}}"#), &fragments);
    }
    refuse(&format!(r#"{{"metrics":"unix:/{}"}}"#, "p".repeat(100)), &["too long for a socket", "at most 100"]);
}

#[test]
fn the_relay_takes_what_is_configured() {
    let told = |config: &Config| {
        let Settings { register, names, quotas, .. } = server::settings(config);
        (register, names, quotas)
    };
    let Settings { register, names, quotas, .. } = Settings::default();
    assert_eq!(told(&Config::default()), (register, names, quotas), "both say the same where the operator says nothing");

    let changed = parse(
        r#"{"register":"invite","names":{"min_chars":9,"reserved":["a name"],"lookalikes":"strict"},"limits":{"pings_per_day":11,
        "failed_pings":12,"queue_messages":13,"queue_bytes":1048577,"group_members":15,"groups_per_member":16,"aliases_per_member":17,
        "nodes_per_member":18,"member_invites":19,"wrong_codes_per_hour":20}}"#,
    );
    let names = relay::NameRules { min_chars: 9, reserved: vec!["a name".into()], lookalikes: relay::Lookalikes::Strict };
    let quotas = relay::Quotas {
        pings: 11,
        failed_pings: 12,
        queue_messages: 13,
        queue_bytes: 1_048_577,
        group_members: 15,
        groups: 16,
        aliases: 17,
        nodes: 18,
        member_invites: 19,
        wrong_codes: 20,
    };
    assert_eq!(told(&changed), (record::Mode::Invite, names, quotas));

    let manners = |text: &str| server::settings(&parse(text)).login_manners;
    assert_eq!(manners("{}"), relay::LoginManners::default());
    assert_eq!(manners(r#"{"limits":{"failed_logins":2}}"#), relay::LoginManners { free: 2, spares_own: false });
    assert_eq!(server::settings(&parse(r#"{"limits":{"upload_min_bytes_per_s":7}}"#)).upload_rate, 7);
}

#[test]
fn strangers_who_may_register_are_remarked() {
    let remark = |text: &str| parse(text).open_to_strangers();
    for address in [":443", "0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"] {
        let remark = remark(&format!(r#"{{"listen":[{{"laddr":"127.0.0.1:1"}},{{"laddr":"{address}"}}]}}"#)).expect(address);
        assert_eq!(remark.level, Level::Warn);
        assert!(remark.sentence.contains(address), "{remark}");
        assert!(remark.sentence.contains(r#"set "register" to "invite" or "closed""#), "{remark}");
    }
    for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1"] {
        assert_eq!(remark(&format!(r#"{{"listen":{{"laddr":"{address}"}}}}"#)), None, "{address}");
    }
    assert_eq!(remark(r#"{"listen":{"laddr":":1"},"auth":true}"#), None);
}

#[test]
fn mistakes_are_named_in_full() {
    let cases: &[(&str, &[&str])] = &[
        // Not JSON.
        ("", &["is empty; expected one JSON object"]),
        (" \n", &["is empty; expected one JSON object"]),
        ("{", &["line 1, column 1", "EOF"]),
        ("{\n  \"name\": \"x\",\n}", &["line 3, column 1", "trailing comma"]),
        ("{\n// no\n}", &["line 2, column 1", "comments are keys that begin with #"]),
        ("{} {}", &["line 1, column 4", "trailing characters"]),
        ("[]", &["the document is a list", "expected an object"]),
        // Unknown and repeated keys.
        (r#"{"nmae":"x"}"#, &["nmae is not a known key", "did you mean name?", "known here: name, data, listen,"]),
        (r#"{"colour":"red"}"#, &["colour is not a known key; known here: name,"]),
        (r#"{"limits":{"window_delivery":1}}"#, &["limits.window_delivery is not", "did you mean window_deliveries?", "idle_timeout_s"]),
        (r#"{"listen":{"ladr":":1"}}"#, &["listen.ladr is not", "did you mean laddr?", "known here: net, laddr, certPath, keyPath"]),
        (r#"{"listen":[{"laddr":":1"},{"laddr":":2","certPth":"x"}]}"#, &["listen[1].certPth is not", "did you mean certPath?"]),
        (r#"{"ntp":{"host":[]}}"#, &["ntp.host is not", "did you mean hosts?"]),
        (r#"{"authby":[{"labl":"x"}]}"#, &["authby[0].labl is not", "did you mean label?"]),
        (r#"{"a\nb":1}"#, &[r#""a\nb" is not a known key"#]),
        (r#"{"name":"a","Name":"b"}"#, &["Name is given twice", r#"first as "name""#]),
        (r#"{"limits":{"segment_bytes":4194304,"segment_bytes":4194304}}"#, &["limits.segment_bytes is given twice"]),
        // Wrong types.
        (r#"{"name":5}"#, &["name is 5; expected the site's name, as a text"]),
        (r#"{"name":""}"#, &[r#"name is "", but must not be empty; expected the site's name"#]),
        (r#"{"data":""}"#, &[r#"data is "", but must not be empty; expected the path"#]),
        (r#"{"name":"a\u0007"}"#, &["name is", "without control characters"]),
        (r#"{"data":[]}"#, &["data is a list; expected the path of a directory"]),
        (r#"{"auth":"yes"}"#, &[r#"auth is "yes"; expected true or false"#]),
        (r#"{"auth":2}"#, &["auth is 2; expected true or false"]),
        (r#"{"dialect":2018}"#, &[r#"dialect is 2018; expected "auto" or "2018" or "2020""#]),
        (r#"{"log":"loud"}"#, &[r#"log is "loud"; expected "error" or "warn""#]),
        (r#"{"limits":[]}"#, &["limits is a list; expected an object"]),
        (r#"{"ntp":{"hosts":"one"}}"#, &[r#"ntp.hosts is "one"; expected a list"#]),
        (r#"{"ntp":{"hosts":["a",1]}}"#, &["ntp.hosts[1] is 1; expected a host name"]),
        (r#"{"ntp":{"retries":-1}}"#, &["ntp.retries is -1; expected a whole number from 0"]),
        // Out of range.
        (r#"{"limits":{"window_deliveries":0}}"#, &["limits.window_deliveries is 0; expected a whole number from 1 to 4096"]),
        (r#"{"limits":{"window_deliveries":4097}}"#, &["limits.window_deliveries is 4097"]),
        (r#"{"limits":{"window_deliveries":1.5}}"#, &["limits.window_deliveries is 1.5; expected a whole number"]),
        (r#"{"limits":{"recipients_max":1001}}"#, &["limits.recipients_max is 1001; expected a whole number from 1 to 1000"]),
        (r#"{"limits":{"message_max_bytes":0}}"#, &["limits.message_max_bytes is 0; expected a whole number from 1 to 4294967296"]),
        (r#"{"limits":{"message_max_bytes":"1G"}}"#, &[r#"limits.message_max_bytes is "1G""#]),
        (
            r#"{"limits":{"segment_bytes":1048575}}"#,
            &["limits.segment_bytes is 1048575; expected a whole number from 4194304 to 1073741824"],
        ),
        (r#"{"limits":{"segment_bytes":5000001}}"#, &["limits.segment_bytes is 5000001; expected a multiple of 8, such as 5000000"]),
        (r#"{"limits":{"idle_timeout_s":0}}"#, &["limits.idle_timeout_s is 0; expected a number of seconds from 0.01 to 86400"]),
        (r#"{"limits":{"login_timeout_s":-5}}"#, &["limits.login_timeout_s is -5"]),
        (r#"{"limits":{"stall_timeout_s":86401}}"#, &["limits.stall_timeout_s is 86401"]),
        (r#"{"limits":{"linger_timeout_s":"2"}}"#, &[r#"limits.linger_timeout_s is "2"; expected a number of seconds"#]),
        (r#"{"limits":{"takeover_silence_s":1e300}}"#, &["limits.takeover_silence_s is 1e+300"]),
        (r#"{"limits":{"redelivery_timeout_s":true}}"#, &["limits.redelivery_timeout_s is true"]),
        (r#"{"limits":{"pings_per_day":1001}}"#, &["limits.pings_per_day is 1001; expected a whole number from 1 to 1000"]),
        (r#"{"limits":{"failed_pings":0}}"#, &["limits.failed_pings is 0; expected a whole number from 1 to 1000"]),
        (r#"{"limits":{"queue_messages":10000001}}"#, &["limits.queue_messages is 10000001; expected a whole number from 1 to 10000000"]),
        (r#"{"limits":{"queue_bytes":1048575}}"#, &["limits.queue_bytes is 1048575; expected a whole number from 1048576"]),
        (r#"{"limits":{"group_members":0}}"#, &["limits.group_members is 0; expected a whole number from 1 to 100000"]),
        (r#"{"limits":{"groups_per_member":10001}}"#, &["limits.groups_per_member is 10001"]),
        (r#"{"limits":{"aliases_per_member":101}}"#, &["limits.aliases_per_member is 101; expected a whole number from 1 to 100"]),
        (r#"{"limits":{"nodes_per_member":0}}"#, &["limits.nodes_per_member is 0; expected a whole number from 1 to 100"]),
        (r#"{"limits":{"member_invites":1001}}"#, &["limits.member_invites is 1001; expected a whole number from 0 to 1000"]),
        (r#"{"limits":{"links_max":0}}"#, &["limits.links_max is 0; expected a whole number from 1 to 1000000"]),
        (r#"{"limits":{"links_per_address":1000001}}"#, &["limits.links_per_address is 1000001"]),
        (r#"{"limits":{"handshakes_per_second":0}}"#, &["limits.handshakes_per_second is 0", "from 1 to 100000"]),
        (r#"{"limits":{"failed_logins":1001}}"#, &["limits.failed_logins is 1001", "from 0 to 1000"]),
        (r#"{"limits":{"upload_min_bytes_per_s":1048577}}"#, &["limits.upload_min_bytes_per_s is 1048577"]),
        (r#"{"log_format":"xml"}"#, &["log_format is \"xml\"", "\"logfmt\" or \"json\""]),
        (r#"{"listen":{"laddr":":1","tls":false}}"#, &["listen.tls is false", "members' secrets cross the network"]),
        (r#"{"listen":{"net":"unix","laddr":""}}"#, &["listen.laddr is \"\"", "the path of a socket"]),
        (r#"{"listen":{"net":"udp","laddr":":1"}}"#, &["listen.net is \"udp\"", "\"tcp\" or \"unix\""]),
        (r#"{"limits":{"wrong_codes_per_hour":0}}"#, &["limits.wrong_codes_per_hour is 0; expected a whole number from 1 to 1000"]),
        // Who may join.
        (r#"{"register":"anyone"}"#, &[r#"register is "anyone"; expected "open" or "invite" or "closed""#]),
        (r#"{"names":[]}"#, &["names is a list; expected an object"]),
        (r#"{"names":{"min_chars":7}}"#, &["names.min_chars is 7; expected a whole number from 8 to 255"]),
        (r#"{"names":{"min_char":8}}"#, &["names.min_char is not", "did you mean min_chars?"]),
        (r#"{"names":{"reserved":"root"}}"#, &[r#"names.reserved is "root"; expected a list"#]),
        (r#"{"names":{"reserved":["a",""]}}"#, &[r#"names.reserved[1] is "", but must not be empty"#]),
        (r#"{"names":{"reserved":["a\u0007"]}}"#, &["names.reserved[0] is", "without control characters"]),
        (r#"{"names":{"lookalikes":true}}"#, &[r#"names.lookalikes is true; expected "refuse" or "allow" or "strict""#]),
        // Addresses and certificates.
        (r#"{"listen":{}}"#, &["listen lacks laddr; expected host:port"]),
        (r#"{"listen":[]}"#, &["listen is an empty list"]),
        (r#"{"listen":":443"}"#, &[r#"listen is ":443"; expected an object, {"laddr": "host:port"}, or a list of such objects"#]),
        (r#"{"listen":{"laddr":"https://relay:443"}}"#, &[r#"laddr is "https://relay:443", but takes"#, "without a scheme", "host:port"]),
        (r#"{"listen":[{"laddr":":1"},{"laddr":"2"}]}"#, &[r#"listen[1].laddr is "2", without a port; expected host:port"#]),
        (r#"{"listen":[{"laddr":":1"},{"laddr":":1"}]}"#, &["listen[1] repeats listen[0].laddr"]),
        (r#"{"listen":{"laddr":":http"}}"#, &["listen.laddr", "port is not a number from 0 to 65535"]),
        (r#"{"listen":{"net":"unix","laddr":":1"}}"#, &[r#"listen.laddr is ":1", an address; expected the path of a socket"#]),
        (r#"{"listen":{"laddr":":1","certPath":"c"}}"#, &["listen has certPath without keyPath; give both"]),
        (r#"{"listen":[{"laddr":":1","keyPath":"k"}]}"#, &["listen[0] has keyPath without certPath; give both"]),
        // Third-party authentication.
        (r#"{"authby":{}}"#, &["authby is an object; expected a list"]),
        (r#"{"authby":[{"label":"l","login":["a",""]}]}"#, &["authby[0] lacks token; expected label, login and token"]),
        (r#"{"authby":[{"label":"l","login":["a"],"token":["b",""]}]}"#, &["authby[0].login has 1 items; expected two texts"]),
        (
            r#"{"authby":[{"label":"l","login":["",""],"token":["b",""]}]}"#,
            &[r#"authby[0].login[0] is "", but must not be empty; expected an address, as a text"#],
        ),
        (r#"{"authby":[{"label":"l","login":["a",1],"token":["b",""]}]}"#, &["authby[0].login[1] is 1; expected parameters"]),
    ];
    for (text, fragments) in cases {
        refuse(text, fragments);
    }
}

#[test]
fn complaints_tell_the_line() {
    refuse("{\n  \"name\": \"x\",\n\n  \"nmae\": 5\n}", &["line 4: nmae is not a known key"]);
    refuse("\u{feff}{\n\"limits\": {\n  \"idle_timeout_s\": 0\n}}", &["line 3: limits.idle_timeout_s is 0"]);
    refuse("{\"ntp\":\n{\"hosts\":\n[\"a\",\n1]}}", &["line 2: ntp.hosts[1] is 1"]);
    // With escapes in a key, that of the nearest key around it.
    refuse("{\n\"limits\": {\n\"\\u0061\": 1}}", &["line 2: limits.a is not a known key"]);
}

#[test]
fn a_greeting_that_fits_no_header_is_refused() {
    // 6 octets for each `&` once escaped.
    let entry =
        |ampersands: usize| format!(r#"{{"authby":[{{"label":"l","login":["a","{}"],"token":["b",""]}}]}}"#, "&".repeat(ampersands));
    assert_eq!(parse(&entry(10_000)).authby[0].login[1].len(), 10_000);
    refuse(&entry(10_600), &["authby takes", "expected at most"]);
}

#[test]
fn requiring_what_nobody_can_fulfil_is_remarked() {
    for (text, fragment) in [
        (r#"{"auth":true}"#, "nobody can register"),
        (r#"{"auth":true,"authby":[{"label":"l","login":["a",""],"token":["b",""],"keys":"k"}]}"#, "\"l\" lacks keys, iss or aud"),
    ] {
        let config = parse(text);
        assert_eq!(config.remarks.len(), 1, "{text}");
        assert_eq!(config.remarks[0].level, Level::Warn);
        assert!(config.remarks[0].sentence.contains(fragment), "{}", config.remarks[0]);
    }
    assert_eq!(parse(r#"{"auth":false}"#).remarks, []);
}

#[test]
fn files_are_found_or_named() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let system = here.join("etc/mnm/mnm.conf");
    let load = |config: Option<PathBuf>| Config::load_in(here, &system, &Overrides { config, ..Overrides::default() });

    let built_in = load(None).unwrap();
    assert_eq!((built_in.file, built_in.data), (None, here.join("data")));

    fs::create_dir_all(system.parent().unwrap()).unwrap();
    fs::write(&system, r#"{"name":"the machine's"}"#).unwrap();
    let of_machine = load(None).unwrap();
    assert_eq!(of_machine.name, "the machine's");
    assert_eq!((of_machine.file, of_machine.data), (Some(system.clone()), here.join("etc/mnm/data")));

    fs::write(here.join("mnm.conf"), r#"{"name":"found"}"#).unwrap();
    let found = load(None).unwrap();
    assert_eq!((found.name.as_str(), found.file, found.data), ("found", Some(here.join("mnm.conf")), here.join("data")));

    fs::write(here.join("other"), [b'{', 0xff, b'}']).unwrap();
    for (file, fragment) in [("other", "is not UTF-8"), ("none", "there is no such file"), (".", "cannot be read")] {
        let error = load(Some(here.join(file))).unwrap_err().to_string();
        assert!(error.contains(fragment) && error.starts_with(here.to_str().unwrap()), "{error}");
    }

    // One that is there and says nothing good is not passed over for the next.
    fs::remove_file(here.join("mnm.conf")).unwrap();
    std::os::unix::fs::symlink("nowhere", here.join("mnm.conf")).unwrap();
    assert!(load(None).unwrap_err().to_string().starts_with(here.join("mnm.conf").to_str().unwrap()));
    fs::remove_file(here.join("mnm.conf")).unwrap();
    fs::write(&system, "{").unwrap();
    assert!(load(None).unwrap_err().to_string().starts_with(system.to_str().unwrap()));
}

#[test]
fn flags_overrule_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.conf");
    let text = r#"{"data":"d","log":"warn","listen":[{"laddr":":1","certPath":"c","keyPath":"k"},{"laddr":":2"}]}"#;
    fs::write(&file, text).unwrap();
    let overrides = Overrides {
        config: Some(file),
        data: Some("elsewhere".into()),
        listen: vec!["[::1]:0".into(), "localhost:9".into()],
        log: Some(LevelFilter::Trace),
    };
    let config = Config::load(&overrides).unwrap();
    assert_eq!((config.data.as_path(), config.log), (Path::new("elsewhere"), LevelFilter::Trace));
    let addresses: Vec<String> = config.listen.iter().map(Listen::address).collect();
    assert_eq!(addresses, ["[::1]:0", "localhost:9"]);
    let kept = Some(CertificatePaths { chain: directory.path().join("c"), key: directory.path().join("k") });
    assert!(config.listen.iter().all(|listen| listen.certificate == kept));

    let empty = Overrides { data: Some("".into()), ..overrides.clone() };
    let error = Config::load(&empty).unwrap_err().to_string();
    assert!(error.starts_with(r#"command line: --data is "", but must not be empty"#), "{error}");

    let wrong = Overrides { listen: vec!["nowhere".into()], ..overrides };
    let error = Config::load(&wrong).unwrap_err().to_string();
    assert!(error.starts_with(r#"command line: --listen is "nowhere", without a port; expected"#), "{error}");
}
