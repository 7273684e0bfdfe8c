//! Shell blocks: each is run by CI, or says why not.
//!
//! `tools/docs/blocks` runs them, straight out of the documents. How is said in an HTML comment on the line before the block:
//!
//! - none: it is run, in the document's order, and must end with 0;
//! - `run: after NAME; in the background until "WORDS"; with exit status N`, any of these: NAME is a function of
//!   `tools/docs/stories/DOCUMENT.sh`, which makes what the block takes for granted; what runs in the background is stopped at the end,
//!   and is waited for until it says WORDS, if there are any;
//! - `run by PATH`: something else runs it, and has its commands in it;
//! - `worked example: run`, in ARCHITECTURE.md: `tools/docs/worked-example` runs it, in a tree with the example in it;
//! - `not run in CI: REASON`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::markdown::{Block, Document};

/// How a block is run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum How<'a> {
    Run { after: Option<&'a str>, background: bool },
    By(&'a str),
    Example,
    Not(&'a str),
}

/// The documents that [`tools/docs/blocks`](self) is let loose upon, and what lets it.
pub(crate) const RUN: &[(&str, &str)] =
    &[("README.md", ".ci/run"), ("docs/OPERATING.md", "tools/docs/operating"), ("docs/TMTP.md", "tools/docs/operating")];

pub(crate) fn shell(document: &Document) -> impl Iterator<Item = &Block> {
    document.blocks.iter().filter(|block| matches!(block.language.as_str(), "sh" | "bash" | "shell" | "console"))
}

pub(crate) fn how(mark: Option<&str>) -> Result<How<'_>, String> {
    let Some(mark) = mark else { return Ok(How::Run { after: None, background: false }) };
    if let Some(reason) = mark.strip_prefix("not run in CI:") {
        let reason = reason.trim();
        return if reason.split_whitespace().count() >= 3 { Ok(How::Not(reason)) } else { Err("no reason is given".into()) };
    }
    if mark == "worked example: run" {
        return Ok(How::Example);
    }
    if let Some(path) = mark.strip_prefix("run by ") {
        return Ok(How::By(path.trim()));
    }
    let clauses = mark.strip_prefix("run:").ok_or_else(|| format!("the mark \"{mark}\" is none that is known"))?;
    let (mut after, mut background) = (None, false);
    for clause in clauses.split(';').map(str::trim) {
        let quoted = clause.strip_prefix("in the background until \"").and_then(|rest| rest.strip_suffix('"'));
        if let Some(name) = clause.strip_prefix("after ") {
            after = Some(name);
        } else if clause == "in the background" || quoted.is_some_and(|words| !words.is_empty()) {
            background = true;
        } else if clause.strip_prefix("with exit status ").and_then(|status| status.parse::<u8>().ok()).is_none() {
            return Err(format!("\"{clause}\" says nothing that is known about how to run it"));
        }
    }
    Ok(How::Run { after, background })
}

/// What is wrong with the marks of a document. `run` says whether blocks without a mark are run; `story` are the functions of its story,
/// and `read` reads a file that is said to run a block.
pub(crate) fn complaints(
    path: &str,
    document: &Document,
    run: bool,
    story: &BTreeSet<String>,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for block in shell(document) {
        if let Err(why) = check(block, run, story, &read) {
            found.push(format!("{path}:{}: {why}", block.line));
        }
    }
    found
}

fn check(block: &Block, run: bool, story: &BTreeSet<String>, read: &impl Fn(&str) -> Option<String>) -> Result<(), String> {
    if block.language != "sh" {
        return Err(format!("a shell block is called sh here, not {}", block.language));
    }
    match how(block.mark.as_deref())? {
        How::Not(_) | How::Example => Ok(()),
        How::Run { .. } if !run => Err("nothing in CI runs the blocks of this document: say why, <!-- not run in CI: … -->".into()),
        How::Run { after: Some(name), .. } if !story.contains(name) => Err(format!("its story has no function {name}")),
        How::Run { background: true, .. } if commands(block).count() != 1 => Err("only one command can be run in the background".into()),
        How::Run { .. } => Ok(()),
        How::By(other) => {
            let text = read(other).ok_or_else(|| format!("{other}, which should run it, is not there"))?;
            match commands(block).find(|command| !does(&text, command)) {
                Some(command) => Err(format!("{other} should run it, and does not have: {command}")),
                None => Ok(()),
            }
        }
    }
}

/// Whether a line of a script is this command and nothing else.
fn does(script: &str, command: &str) -> bool {
    script.lines().any(|line| line.trim() == command)
}

/// The commands of a block, a line each, without comments.
fn commands(block: &Block) -> impl Iterator<Item = &str> {
    block.text.lines().map(|line| line.split(" #").next().unwrap_or("").trim()).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The functions of a document's story.
pub(crate) fn story(path: &str) -> BTreeSet<String> {
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".md");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tools/docs/stories/{name}.sh"));
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| Some(line.split_once("() {")?.0.to_owned())).collect()
}

#[test]
fn marks_are_understood_and_mistakes_told() {
    let check = |text: &str, run: bool| {
        let story = BTreeSet::from(["a_lost_phone".to_owned()]);
        let read = |path: &str| {
            (path == ".ci/run").then(|| "echo cargo test\n  cargo test --workspace\n# cargo doc\ncargo build --release".to_owned())
        };
        complaints("README.md", &Document::read(text), run, &story, read)
    };
    let block = |mark: &str, text: &str| format!("{mark}\n```sh\n{text}\n```\n");
    for good in [
        block("", "ls\nls"),
        block("<!-- run: after a_lost_phone -->", "ls"),
        block("<!-- run: in the background until \"ready\"; after a_lost_phone; with exit status 3 -->", "# serves\nmnm  # for long\n"),
        block("<!-- run by .ci/run -->", "cargo test --workspace     # all of it"),
        block("<!-- not run in CI: takes an hour, and a phone -->", "ls"),
        "```text\nls\n```\n".to_owned(),
    ] {
        assert_eq!(check(&good, true), Vec::<String>::new(), "{good}");
    }
    assert_eq!(check(&block("<!-- not run in CI: it takes hours -->", "ls"), false), Vec::<String>::new());
    for (bad, run, why) in [
        (block("", "ls"), false, "README.md:2: nothing in CI runs the blocks of this document"),
        (block("<!-- not run in CI: -->", "ls"), true, "no reason is given"),
        (block("<!-- not run in CI: dear -->", "ls"), true, "no reason is given"),
        (block("<!-- not run -->", "ls"), true, "the mark \"not run\" is none that is known"),
        (block("<!-- run: soon -->", "ls"), true, "\"soon\" says nothing"),
        (block("<!-- run: after tea -->", "ls"), true, "its story has no function tea"),
        (block("<!-- run: in the background until \"\" -->", "ls"), true, "says nothing"),
        (block("<!-- run: in the background until \"ready\" -->", "mnm\nls"), true, "only one command"),
        (block("<!-- run: with exit status many -->", "ls"), true, "says nothing"),
        (block("<!-- run by .ci/walk -->", "ls"), true, ".ci/walk, which should run it, is not there"),
        (block("<!-- run by .ci/run -->", "cargo test"), true, ".ci/run should run it, and does not have: cargo test"),
        (block("<!-- run by .ci/run -->", "cargo doc"), true, ".ci/run should run it, and does not have: cargo doc"),
        (block("<!-- run by .ci/run -->", "cargo build"), true, ".ci/run should run it, and does not have: cargo build"),
        ("```bash\nls\n```".to_owned(), true, "a shell block is called sh here, not bash"),
    ] {
        let found = check(&bad, run);
        assert!(found.len() == 1 && found[0].contains(why), "{bad}: {found:?}");
    }
}
