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

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use blocks::How;
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
        if let Some((_, by)) = run {
            let text = fs::read_to_string(root().join(by)).unwrap_or_default();
            if !text.contains(&format!("blocks {path}")) {
                complaints.push(format!("{by} does not run the blocks of {path}"));
            }
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
