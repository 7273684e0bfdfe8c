//! What `cargo` is told in documents and comments: packages, tests, benchmarks and features that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::tree::Tree;

/// What can be named to cargo.
#[derive(Default)]
pub(crate) struct Workspace {
    /// The features of each package.
    packages: BTreeMap<String, BTreeSet<String>>,
    /// Packages and names, by kind: `test`, `bench`, `bin`, `example`.
    targets: BTreeSet<(String, String, String)>,
    fuzz_targets: BTreeSet<String>,
}

impl Workspace {
    pub(crate) fn of_the_project() -> Workspace {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root);
        let output = cargo.output().expect("cargo can be run");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let fuzz = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let quoted = |line: &str| Some(line.strip_prefix("name = \"")?.strip_suffix('"')?.to_owned());
        Workspace { fuzz_targets: fuzz.lines().filter_map(quoted).collect(), ..Workspace::read(&told) }
    }

    fn read(told: &Value) -> Workspace {
        let text = |value: &Value| value.as_str().expect("a name").to_owned();
        let mut workspace = Workspace::default();
        for package in told["packages"].as_array().expect("packages") {
            let name = text(&package["name"]);
            let features = package["features"].as_object().expect("features");
            workspace.packages.insert(name.clone(), features.keys().cloned().collect());
            for target in package["targets"].as_array().expect("targets") {
                workspace.targets.insert((text(&target["kind"][0]), name.clone(), text(&target["name"])));
            }
        }
        workspace
    }

    /// Any of the package's, or of all packages.
    fn has_target(&self, kind: &str, package: Option<&str>, name: &str) -> bool {
        self.targets.iter().any(|(its, of, called)| its == kind && called == name && package.is_none_or(|package| package == of))
    }

    fn has_feature(&self, package: Option<&str>, name: &str) -> bool {
        self.packages.iter().any(|(of, features)| features.contains(name) && package.is_none_or(|package| package == of))
    }
}

/// Commands that name what does not exist.
pub(crate) fn wrong(tree: &Tree, workspace: &Workspace) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |path: &str, line: usize, text: &str| {
        for command in commands(text) {
            found.extend(complaints(tree, workspace, &command).into_iter().map(|why| format!("{path}:{line}: {why}")));
        }
    };
    for (path, document) in &tree.documents {
        document.spans.iter().for_each(|(line, text)| check(path, *line, text));
        for block in document.blocks.iter().filter(|block| block.language == "sh") {
            (block.line + 1..).zip(block.text.lines()).for_each(|(line, text)| check(path, line, text));
        }
    }
    for (path, text) in &tree.sources {
        // Who only mentions cargo in a sentence names nothing with flags behind it.
        let comments = (1..).zip(text.lines()).filter_map(|(line, text)| Some((line, text.split_once("//")?.1)));
        comments.for_each(|(line, text)| check(path, line, &text.replace(['`', ')'], " ; ")));
    }
    found
}

/// The words of each `cargo …` in a text, without the word itself.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let text = text.split(" # ").next().unwrap_or("");
    let mut found = Vec::new();
    for part in text.split("&&").flat_map(|part| part.split([';', '|'])) {
        let mut words = part.split_whitespace().skip_while(|word| *word != "cargo").skip(1).peekable();
        if words.peek().is_some() {
            found.push(words.collect());
        }
    }
    found
}

fn complaints(tree: &Tree, workspace: &Workspace, words: &[&str]) -> Vec<String> {
    // What comes after -- is for the program.
    let own: Vec<&str> = words.iter().copied().take_while(|word| *word != "--").filter(|word| !word.starts_with('+')).collect();
    let flags = || own.iter().zip(own.iter().skip(1).copied()).map(|(flag, value)| (*flag, value.trim_matches(['"', '\'', ',', '.'])));
    let package = flags().find(|(flag, _)| matches!(*flag, "-p" | "--package")).map(|(_, name)| name);
    let placeholder = |name: &str| name.chars().all(|c| c.is_ascii_uppercase()) || name.contains(['…', '<', '$']);
    let mut found = Vec::new();
    for (flag, value) in flags().filter(|(_, value)| !placeholder(value)) {
        let there = match flag {
            "-p" | "--package" => workspace.packages.contains_key(value),
            "--test" | "--bench" | "--bin" | "--example" => workspace.has_target(&flag[2..], package, value),
            "--features" => value.split(',').all(|feature| workspace.has_feature(package, feature)),
            "--path" => tree.files.contains(&format!("{}/Cargo.toml", value.trim_end_matches('/'))),
            "--fuzz-dir" => tree.files.contains(&format!("{value}/Cargo.toml")),
            _ => true,
        };
        if !there {
            found.push(format!("cargo {}: {flag} {value} does not exist", own.join(" ")));
        }
    }
    if let ["fuzz", "run" | "tmin" | "cmin", target, ..] = own[..]
        && !placeholder(target)
        && !workspace.fuzz_targets.contains(target)
    {
        found.push(format!("cargo {}: fuzz/ has no target {target}", own.join(" ")));
    }
    found
}

#[test]
fn what_does_not_exist_is_found() {
    let told = serde_json::json!({"packages": [
        {"name": "mnm", "features": {"ring": []}, "targets": [
            {"kind": ["test"], "name": "laws"}, {"kind": ["bench"], "name": "store"}, {"kind": ["bin"], "name": "mnm"}]},
        {"name": "tmtp", "features": {}, "targets": [{"kind": ["test"], "name": "send"}]},
    ]});
    let workspace = Workspace { fuzz_targets: BTreeSet::from(["link".to_owned()]), ..Workspace::read(&told) };
    let with = |readme: &str| {
        let tree = Tree::of(&[("README.md", readme), ("tools/tmtp/Cargo.toml", ""), ("fuzz/Cargo.toml", ""), ("src/a.rs", readme)]);
        wrong(&tree, &workspace)
    };
    for good in [
        "`cargo test --workspace`, `cargo test --test laws`, `cargo test -p tmtp --test send -- --test other`",
        "`cargo bench --bench store`, `cargo build --release --no-default-features --features ring`",
        "\n```sh\ncargo +nightly fuzz run link --fuzz-dir fuzz && cargo install --path tools/tmtp # -p any\n```\n",
        "`cargo run -p NAME`",
        "// As cargo test has it, `cargo bench --bench store` too.",
    ] {
        assert_eq!(with(good), Vec::<String>::new(), "{good}");
    }
    for (bad, why) in [
        ("`cargo run -p tool`", "README.md:1: cargo run -p tool: -p tool does not exist"),
        ("`cargo test --test law`", "--test law does not exist"),
        ("`cargo test -p tmtp --test laws`", "--test laws does not exist"),
        ("`cargo bench --bench laws`", "--bench laws does not exist"),
        ("`cargo build --features ring,sim`", "--features ring,sim does not exist"),
        ("\n```sh\nls\ncargo install --path tools/tmpt\n```", "README.md:4: cargo install --path tools/tmpt: --path tools/tmpt"),
        ("`cargo +nightly fuzz run lynx`", "fuzz/ has no target lynx"),
        ("`cargo build && cargo run -p tool`", "-p tool does not exist"),
        ("// See `cargo bench --bench stores`.", "src/a.rs:1: cargo bench --bench stores: --bench stores does not exist"),
    ] {
        let found = with(bad);
        assert!(found.iter().any(|told| told.contains(why)), "{bad}: {found:?}");
    }
}
