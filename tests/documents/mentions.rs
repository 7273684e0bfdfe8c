//! Files of the tree that are named without a link: in backticks, in commands, in comments of the sources.

use super::tree::Tree;

/// What begins so is meant as a path from the root.
const ROOTS: &[&str] = &[".ci/", "benches/", "docs/", "fuzz/", "src/", "tests/", "tools/"];

/// Paths that documents and comments name, and that are not there.
pub(crate) fn missing(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, document) in &tree.documents {
        let blocks = document.blocks.iter().filter(|block| block.language == "sh");
        let texts = document.spans.iter().map(|(line, text)| (*line, text.as_str()));
        for (line, text) in texts.chain(blocks.map(|block| (block.line, block.text.as_str()))) {
            let paths = text.split_whitespace().map(|word| word.trim_end_matches([',', ';', '.', ':', ')', '"', '\'']));
            found.extend(paths.filter(|word| !there(tree, "", word)).map(|word| format!("{path}:{line}: {word} is not there")));
        }
    }
    for (path, text) in &tree.sources {
        for (line, comment) in comments(text) {
            let paths = in_prose(comment).filter(|word| word.ends_with(".md") || word.ends_with(".rs"));
            found.extend(paths.filter(|word| !there(tree, home(path), word)).map(|word| format!("{path}:{line}: {word} is not there")));
        }
    }
    found
}

/// Whether a word is no path of ours, or one that is there, from the root or from the package that names it.
fn there(tree: &Tree, home: &str, word: &str) -> bool {
    let vague = word.contains(['…', '<', '$', '{']);
    if vague || !ROOTS.iter().any(|root| word.starts_with(root)) {
        return true;
    }
    let path = word.trim_end_matches('/');
    [path.to_owned(), format!("{home}{path}")].iter().any(|path| match path.split_once('*') {
        None => tree.has(path),
        Some((begin, _)) => tree.files.iter().chain(&tree.folders).any(|other| other.starts_with(begin) && other.len() > begin.len()),
    })
}

/// The folder of the package that a source belongs to: the root, or one below tools/.
fn home(path: &str) -> &str {
    let end = path.strip_prefix("tools/").and_then(|rest| rest.find('/')).map_or(0, |at| "tools/".len() + at + 1);
    &path[..end]
}

fn comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter_map(|(number, line)| Some((number, line.split_once("//")?.1)))
}

fn in_prose(comment: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '*');
    comment.split(move |c| !inside(c)).map(|word| word.trim_end_matches('.'))
}

#[test]
fn what_is_not_there_is_found() {
    let good = "`src/a.rs`, `src/`, `tests/t*`, `tools/run --fast`, `src/…`, `a.rs`\n\n```sh\ntools/run --slow   # as is\n```\n";
    let tree = |readme: &str, source: &str| {
        Tree::of(&[("README.md", readme), ("src/a.rs", source), ("tests/t.rs", ""), ("tools/run", ""), ("tools/x/src/b.rs", "// src/b.rs")])
    };
    assert_eq!(missing(&tree(good, "//! README.md, tests/t.rs and tests/t.\nlet path = \"docs/B.md\";")), Vec::<String>::new());
    for bad in ["`src/b.rs`", "`tools/walk --fast`", "`tests/u*`", "`docs/B.md`,", "\n```sh\ntools/walk\n```"] {
        assert_eq!(missing(&tree(bad, "")).len(), 1, "{bad}");
    }
    assert_eq!(missing(&tree("", "fn a() {}\n// docs/B.md says why.")), ["src/a.rs:2: docs/B.md is not there"]);
    assert_eq!(missing(&tree("", "/// See tests/u.rs.")), ["src/a.rs:1: tests/u.rs is not there"]);
}
