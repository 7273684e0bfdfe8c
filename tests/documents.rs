//! The documents against the tree: links lead somewhere, what is named exists, the code map is whole, the worked example applies, and
//! every shell block is run by CI or says why not. No network, and nothing but reading files and two small scripts.

#[path = "documents/blocks.rs"]
mod blocks;
#[path = "documents/commands.rs"]
mod commands;
#[path = "documents/links.rs"]
mod links;
#[path = "documents/map.rs"]
mod map;
#[path = "documents/markdown.rs"]
mod markdown;
#[path = "documents/mentions.rs"]
mod mentions;
#[path = "documents/tree.rs"]
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output};

use blocks::How;
use mnm::config::Config;
use tree::Tree;

#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(root().join(program)).args(args).current_dir(root()).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Whether a line of a script, and no comment, has these words.
fn does(script: &str, words: &[&str]) -> bool {
    let text = fs::read_to_string(root().join(script)).unwrap_or_default();
    text.lines().any(|line| !line.trim_start().starts_with('#') && words.iter().all(|word| line.contains(word)))
}

#[test]
fn links_lead_somewhere() {
    none(links::broken(&Tree::of_the_project()));
}

#[test]
fn every_document_is_led_to() {
    let tree = Tree::of_the_project();
    none(links::orphans(&tree));
    none(links::unlisted_decisions(&tree));
}

#[test]
fn files_that_are_named_are_there() {
    none(mentions::missing(&Tree::of_the_project()));
}

#[test]
fn cargo_knows_what_it_is_told_in_documents() {
    none(commands::wrong(&Tree::of_the_project(), &commands::Workspace::of_the_project()));
}

#[test]
fn the_code_map_is_the_tree() {
    none(map::differences(&Tree::of_the_project()));
}

#[test]
fn the_worked_example_applies() {
    assert!(does(".ci/run", &["tools/docs/worked-example"]), "CI builds and tries it");
    let output = run("tools/docs/worked-example", &["--apply-only"]);
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_shell_block_is_run_or_says_why_not() {
    let mut complaints = Vec::new();
    for (path, document) in &Tree::of_the_project().documents {
        let run = blocks::RUN.iter().find(|(name, _)| name == path);
        let read = |name: &str| fs::read_to_string(root().join(name)).ok();
        complaints.extend(blocks::complaints(path, document, run.is_some(), &blocks::story(path), read));
        let is_run = |by: &str| does(by, &["tools/docs/blocks", path]) && (by == ".ci/run" || does(".ci/run", &[by]));
        if let Some((_, by)) = run.filter(|(_, by)| !is_run(by)) {
            complaints.push(format!("{by} does not run the blocks of {path}, or is not run by CI"));
        }
    }
    none(complaints);
}

/// The script that runs blocks has its own, simple way to find them. It must find what the parser finds.
#[test]
fn the_script_that_runs_blocks_sees_all_of_them() {
    for (path, document) in &Tree::of_the_project().documents {
        let output = run("tools/docs/blocks", &["--list", path]);
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let expected: String = blocks::shell(document)
            .map(|block| match blocks::how(block.mark.as_deref()) {
                Ok(How::Run { .. }) => format!("{path}:{}: run\n", block.line),
                Ok(How::By(other)) => format!("{path}:{}: run by {other}\n", block.line),
                Ok(How::Example) => format!("{path}:{}: worked example: run\n", block.line),
                Ok(How::Not(reason)) => format!("{path}:{}: not run in CI: {reason}\n", block.line),
                Err(why) => panic!("{path}:{}: {why}", block.line),
            })
            .collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

/// What the script says of a document with these blocks, and whether it is content.
fn typed(document: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("A.md"), document).unwrap();
    let mut script = Command::new(root().join("tools/docs/blocks"));
    let output = script.args(["--here", "A.md"]).current_dir(directory.path()).env("LC_ALL", "C").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "all is said in one place");
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn blocks_are_typed_until_one_fails() {
    let block = |mark: &str, text: &str| format!("Words\n\n{mark}\n```sh\n{text}\n```\n\n");
    let all = [
        block("", "x=1 && echo said  # and more\n\ncat <<EOF\nlines\nEOF"),
        block("<!-- not run in CI: it would fail -->", "exit 1"),
        block("<!-- run by .ci/run -->", "exit 1"),
        block("<!-- run: with exit status 3 -->", "[ $x = 1 ] && exit 3"),
        block("<!-- run: in the background until \"here\" -->", "sh -c 'echo here; exec sleep 1000'"),
        block("", "[ $x = 1 ]"),
    ];
    let (content, told) = typed(&all.concat());
    assert!(
        content && told.starts_with("A.md:5: x=1 && echo said  # and more\n") && told.ends_with("A.md: all blocks are run\n"),
        "{told}"
    );
    for (bad, why) in [
        (block("", "true\nsh -c 'echo oh; exit 2'\ntrue"), "A.md:6: ends with status 2: sh -c 'echo oh; exit 2'\n  | oh\n"),
        (block("", "echo said\nfalse && true\ntrue"), "A.md:6: ends with status 1: false && true\n  | said\n"),
        (block("", "false | cat"), "A.md:5: ends with status 1: false | cat\n"),
        (block("", "echo $nothing"), "A.md:4: the shell ends here\n"),
        (block("<!-- run: with exit status 3 -->", "exit 4"), "A.md:5: ends with status 4, and not 3\n"),
        (block("<!-- run: with exit status 3 -->", "true"), "A.md:5: ends with status 0, and not 3\n"),
        (block("<!-- run: in the background until \"here\" -->", "echo gone"), "A.md:5: never says \"here\": echo gone\n  | gone\n"),
        (
            block(
                "<!-- run: in the background until \"here\" -->",
                "sh -c 'trap \"exit 3\" TERM; echo here; while :; do sleep 0.05; done'",
            ),
            "A.md: what ran in the background ends with status 3\n",
        ),
        (block("", "exit 0") + &block("", "true"), "A.md:4: the shell ends here\n"),
        (block("", "if true"), "A.md:4: the shell ends here\n  | "),
    ] {
        let (content, told) = typed(&bad);
        assert!(!content && told.contains(why), "{bad}: {told}");
    }
}

/// Blocks of this language, with the line of each.
fn blocks_of(tree: &Tree, path: &str, language: &str) -> Vec<(usize, String)> {
    let blocks = tree.documents[path].blocks.iter().filter(|block| block.language == language);
    let found: Vec<_> = blocks.map(|block| (block.line, block.text.clone())).collect();
    assert!(!found.is_empty(), "{path} has blocks of {language}");
    found
}

#[test]
fn pieces_of_a_configuration_can_be_put_into_one() {
    for (line, text) in blocks_of(&Tree::of_the_project(), "docs/OPERATING.md", "json") {
        let whole = if text.starts_with('{') { text } else { format!("{{{text}}}") };
        let config = Config::parse(&whole, Path::new("/etc/mnm/mnm.conf"));
        assert!(config.is_ok(), "docs/OPERATING.md:{line}: {}", config.unwrap_err());
    }
}

/// That the tables of metrics are right is held by tests/metrics.rs.
#[test]
fn alerts_ask_for_metrics_that_are_told() {
    let tree = Tree::of_the_project();
    let told: BTreeSet<&str> = tree.documents["docs/OPERATING.md"].spans.iter().map(|(_, text)| text.as_str()).collect();
    let mut asked = 0;
    for (line, text) in blocks_of(&tree, "docs/OPERATING.md", "yaml") {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("mnm_")) {
            asked += 1;
            assert!(told.contains(word.trim_end_matches("_bucket")), "docs/OPERATING.md:{line}: {word} is in none of its tables");
        }
    }
    assert!(asked > 5, "the alerts ask for something");
}

#[test]
fn systemd_understands_drop_ins() {
    let text = fs::read_to_string(root().join("tools/package/mnm.service")).unwrap();
    let complaints = |drop_in: &str| {
        let directory = tempfile::tempdir().unwrap();
        let unit = directory.path().join("mnm.service");
        fs::write(&unit, text.replace("/usr/bin/mnm", env!("CARGO_BIN_EXE_mnm"))).unwrap();
        fs::create_dir(directory.path().join("mnm.service.d")).unwrap();
        fs::write(directory.path().join("mnm.service.d/override.conf"), drop_in).unwrap();
        let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().ok()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        Some(told.lines().filter(|line| line.contains("override.conf")).map(str::to_owned).collect::<Vec<_>>())
    };
    for (line, text) in blocks_of(&Tree::of_the_project(), "docs/OPERATING.md", "ini") {
        let Some(found) = complaints(&text) else {
            let _ = writeln!(io::stderr(), "skipped, systemd-analyze is not there");
            return;
        };
        assert_eq!(found, Vec::<String>::new(), "docs/OPERATING.md:{line}");
    }
    assert_ne!(complaints("[Service]\nPrivateUser=yes\n"), Some(Vec::new()), "a mistake is told");
}
