//! The files of the project, or a few made up for a test of the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::markdown::Document;

/// What builds and runs leave behind, and what no document is about.
const NO_MATTER: &[&str] = &["target", "data", "artifacts", "coverage", "proptest-regressions"];

/// All paths are from the root, with slashes and without an end of one.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) documents: BTreeMap<String, Document>,
    /// Files of Rust, by path.
    pub(crate) sources: BTreeMap<String, String>,
    pub(crate) files: BTreeSet<String>,
    pub(crate) folders: BTreeSet<String>,
}

impl Tree {
    pub(crate) fn of_the_project() -> Tree {
        let mut tree = Tree::default();
        tree.walk(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        assert!(tree.documents.len() > 10 && tree.sources.len() > 100, "the tree is there");
        tree
    }

    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add(path, || (*text).to_owned());
        }
        tree
    }

    fn walk(&mut self, folder: &Path, at: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().expect("names are text");
            if NO_MATTER.contains(&name.as_str()) || name.starts_with('.') && !matches!(name.as_str(), ".ci" | ".gitignore") {
                continue;
            }
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            if entry.path().is_dir() {
                self.walk(&entry.path(), &path);
            } else {
                // Samples of what is wrong are wrong.
                let samples = path.starts_with("tests/documents/");
                self.add(&path, || if samples { String::new() } else { fs::read_to_string(entry.path()).unwrap() });
            }
        }
    }

    fn add(&mut self, path: &str, text: impl Fn() -> String) {
        self.files.insert(path.to_owned());
        self.folders.extend(path.match_indices('/').map(|(end, _)| path[..end].to_owned()));
        if path.ends_with(".md") {
            self.documents.insert(path.to_owned(), Document::read(&text()));
        } else if path.ends_with(".rs") {
            self.sources.insert(path.to_owned(), text());
        }
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.contains(path) || self.folders.contains(path)
    }
}
