//! Imports go one way, and each outside crate that shapes the design has one home.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of the project a module may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("limits", &[]),
    ("wire", &["base", "limits"]),
    ("record", &["base", "limits"]),
    ("store", &["base", "limits"]),
    ("net", &["base", "limits"]),
    ("config", &["base", "limits"]),
    ("certificate", &["base", "limits", "config"]),
    ("cli", &["base", "limits", "record", "config"]),
    ("check", &["base", "limits", "config", "certificate", "store", "server"]),
    ("ctl", &["base", "record", "config", "cli", "store", "server"]),
    ("embed", &["limits", "config", "ctl", "net", "server"]),
    ("logging", &["limits", "config"]),
    ("init", &["base", "record", "config", "certificate", "cli", "ctl", "store", "server"]),
    ("progress", &[]),
    ("qr", &[]),
    ("ledger", &["base", "limits", "record"]),
    ("relay", &["base", "limits", "record", "ledger", "wire"]),
    ("server", &["base", "limits", "wire", "record", "store", "net", "config", "certificate", "ledger", "relay"]),
    ("sim", &["base", "limits", "wire", "record", "store", "net", "ledger", "relay", "server"]),
];

/// Where an outside crate may be named: files, or folders ending in `/`.
const HOMES: &[(&str, &[&str])] = &[
    ("mio", &["net/os.rs", "net/os/"]),
    ("signal_hook", &["net/os.rs", "store/map.rs"]),
    ("signal_hook_mio", &["net/os.rs"]),
    ("rustls", &["net/layer/tls.rs", "certificate.rs", "certificate/"]),
    ("listenfd", &["net/os/bound.rs"]),
    ("landlock", &["server/confinement.rs"]),
    ("sd_notify", &["server/manager.rs"]),
    ("memmap2", &["store/map.rs"]),
    ("getrandom", &["base/entropy.rs"]),
    ("slab", &["server/mod.rs"]),
    ("httparse", &["server/web/exchange.rs"]),
    ("rcgen", &["certificate/"]),
    ("clap", &["cli.rs", "cli/", "main.rs"]),
    ("env_logger", &["logging.rs"]),
    ("indicatif", &["progress.rs"]),
    ("qrcode", &["qr.rs"]),
    ("rqrr", &["qr.rs"]),
    ("unicode_normalization", &["relay/names/"]),
    ("unicode_security", &["relay/names/"]),
];

/// Modules that know no socket, file, clock or thread.
const PURE: &[&str] = &["base", "limits", "wire", "record", "ledger", "relay"];
const IMPURE: &[&str] =
    &["std::fs", "std::net", "std::io::Read", "std::thread", "std::time::Instant", "std::time::SystemTime", "std::env", "std::process"];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&src, &mut paths);
    paths.sort();
    assert!(paths.len() > 30, "the sources are there");
    let name = |path: &PathBuf| path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), without_comments(&fs::read_to_string(path).unwrap()))).collect()
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// The project's modules that a text names: `crate::x`, and each of `crate::{x, y}`.
fn named(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.extend([word(rest)]),
            Some(list) => {
                let list = &list[..list.find("};").unwrap_or(list.len())];
                found.extend(list.split(',').map(|item| word(item.trim_start())));
            }
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let modules: BTreeSet<&str> = MAY_NAME.iter().map(|(module, _)| *module).collect();
    for (file, text) in sources() {
        let module = module_of(&file);
        if matches!(module, "main" | "lib") {
            continue;
        }
        let (_, allowed) =
            MAY_NAME.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{file}: {module} is not in the table"));
        for other in named(&text).iter().filter(|other| modules.contains(other.as_str()) && *other != module) {
            assert!(allowed.contains(&other.as_str()), "src/{file} names {other}, which {module} may not");
        }
    }
}

#[test]
fn outside_crates_have_their_homes() {
    for (file, text) in sources() {
        for (krate, homes) in HOMES {
            let at_home = homes.iter().any(|home| if home.ends_with('/') { file.starts_with(home) } else { file == *home });
            let names =
                text.contains(&format!("use {krate}::")) || text.contains(&format!(" {krate}::")) || text.contains(&format!("({krate}::"));
            assert!(at_home || !names, "src/{file} names {krate}, whose home is {homes:?}");
        }
    }
}

#[test]
fn the_core_is_pure() {
    for (file, text) in sources() {
        if PURE.contains(&module_of(&file)) {
            for word in IMPURE {
                // An address is a value like any other; what can be done with it is not.
                assert!(!text.replace("std::net::IpAddr", "").contains(word), "src/{file} names {word}, and its module is pure");
            }
        }
    }
}

#[test]
fn unsafe_has_one_home() {
    for (file, text) in sources() {
        let unsafe_block = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| text.contains(word));
        assert!(file == "store/map.rs" || !unsafe_block, "src/{file} has an unsafe block");
    }
}
