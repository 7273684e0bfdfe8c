//! The code map of ARCHITECTURE.md against the tree, both ways: what is there is named, what is named is there.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Tree;

const DOCUMENT: &str = "ARCHITECTURE.md";
const SECTION: &str = "Code map";

/// What any map must have a row of, besides every folder directly in src/.
const REQUIRED: &[&str] = &["benches/", "src/", "tests/", "tools/"];

/// What the map says of one folder, perhaps in several rows.
struct Said<'a> {
    line: usize,
    words: BTreeSet<&'a str>,
}

/// Where the map and the tree differ.
///
/// A row is `` | `folder/` | text | ``, and names in backticks what is directly in that folder, and nothing else so. The row of src/
/// names files alone: its folders have rows of their own.
pub(crate) fn differences(tree: &Tree) -> Vec<String> {
    let Some(document) = tree.documents.get(DOCUMENT) else { return vec![format!("{DOCUMENT} is not there")] };
    let Some(lines) = document.section(SECTION) else { return vec![format!("{DOCUMENT} has no section \"{SECTION}\"")] };
    let mut found = Vec::new();
    let mut rows: BTreeMap<&str, Said> = BTreeMap::new();
    for row in document.rows.iter().filter(|row| lines.contains(&row.line)) {
        let [first, second] = &row.cells[..] else {
            found.push(format!("{DOCUMENT}:{}: a row of the map has two cells", row.line));
            continue;
        };
        match &first.spans[..] {
            // The head of the table.
            [] if second.spans.is_empty() => {}
            [folder] if folder.ends_with('/') && tree.folders.contains(folder.trim_end_matches('/')) => {
                let said = rows.entry(folder).or_insert(Said { line: row.line, words: BTreeSet::new() });
                said.words.extend(second.spans.iter().map(String::as_str));
            }
            other => found
                .push(format!("{DOCUMENT}:{}: a row of the map begins with one folder that is there, as `src/`, not {other:?}", row.line)),
        }
    }
    let rooms = tree.folders.iter().filter(|folder| folder.strip_prefix("src/").is_some_and(|name| !name.contains('/')));
    let required = REQUIRED.iter().map(|folder| (*folder).to_owned()).chain(rooms.map(|folder| format!("{folder}/")));
    for folder in required.filter(|folder| !rows.contains_key(folder.as_str())) {
        found.push(format!("{DOCUMENT}: the map has no row `{folder}`"));
    }
    for (folder, said) in &rows {
        let there = directly_in(tree, folder);
        let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
        let row = format!("{DOCUMENT}:{}: the row `{folder}`", said.line);
        found.extend(there.difference(&said.words).map(|name| format!("{row} does not name `{name}`, which is there")));
        found.extend(said.words.difference(&there).map(|name| format!("{row} names `{name}`, which is not there")));
    }
    found
}

/// Files of code and text by their names without endings, and folders: `x.rs` and `x/` are the same `x`.
fn directly_in(tree: &Tree, folder: &str) -> BTreeSet<String> {
    let inside = |path: &String| path.strip_prefix(folder).filter(|name| !name.contains('/')).map(str::to_owned);
    let files = tree.files.iter().filter_map(inside).filter_map(|name| match name.rsplit_once('.') {
        None => Some(name),
        Some((stem, "rs" | "sh" | "md")) => Some(stem.to_owned()),
        Some(_) => None,
    });
    // Which speak for the folder itself.
    let mut names: BTreeSet<String> = files.filter(|name| name != "mod" && name != "README").collect();
    if folder != "src/" {
        names.extend(tree.folders.iter().filter_map(inside));
    }
    names
}

#[cfg(test)]
mod samples {
    use super::*;

    const GOOD: &str = "# Architecture\n\n## Code map\n\n| folder | holds |\n|---|---|\n\
        | `src/` | `main` begins, `lib` lists, `ctl` asks |\n\
        | `src/ctl/` | one `table` |\n\
        | `src/wire/` | `frame`, then `request`; the same in two ways: `dialect` |\n\
        | `src/wire/dialect/` | `old` and `new` |\n\
        | `tests/` | `laws`, over `core` |\n\
        | `tests/` | more: `live` |\n\
        | `tools/` | `package` |\n\
        | `tools/package/` | `check` |\n\
        | `benches/` | `store`, `small` |\n\n\
        ## Laws\n\n| `src/other/` | `no part of the map` |\n|---|---|\n";

    fn differences_with(map: &str, more: &[(&str, &str)]) -> Vec<String> {
        let mut files = vec![("ARCHITECTURE.md", map)];
        let paths = [
            "src/main.rs",
            "src/lib.rs",
            "src/ctl.rs",
            "src/ctl/table.rs",
            "src/wire/mod.rs",
            "src/wire/frame.rs",
            "src/wire/request.rs",
            "src/wire/dialect.rs",
            "src/wire/dialect/old.rs",
            "src/wire/dialect/new.rs",
            "tests/laws.rs",
            "tests/core/mod.rs",
            "tests/live/proxy.rs",
            "tools/clippy.toml",
            "tools/package/check",
            "tools/package/mnm.conf",
            "benches/store.rs",
            "benches/small.sh",
        ];
        files.extend(paths.iter().map(|path| (*path, "")));
        files.extend_from_slice(more);
        differences(&Tree::of(&files))
    }

    #[test]
    fn a_map_that_is_right_is_right() {
        assert_eq!(differences_with(GOOD, &[]), Vec::<String>::new());
        // A deeper folder may have a row, and need not.
        assert_eq!(differences_with(&GOOD.replace("| `src/wire/dialect/` | `old` and `new` |\n", ""), &[]), Vec::<String>::new());
    }

    #[test]
    fn whatever_differs_is_told() {
        for (from, to, expected) in [
            ("`main` begins", "it begins", "ARCHITECTURE.md:7: the row `src/` does not name `main`, which is there"),
            ("`ctl` asks", "`ctl` and `wire` ask", "ARCHITECTURE.md:7: the row `src/` names `wire`, which is not there"),
            ("| `src/ctl/` | one `table` |\n", "", "ARCHITECTURE.md: the map has no row `src/ctl/`"),
            ("`frame`, then", "first", "ARCHITECTURE.md:9: the row `src/wire/` does not name `frame`, which is there"),
            ("`frame`, then", "`frame`, `mod`, then", "ARCHITECTURE.md:9: the row `src/wire/` names `mod`, which is not there"),
            ("`old` and", "old and", "ARCHITECTURE.md:10: the row `src/wire/dialect/` does not name `old`, which is there"),
            ("more: `live`", "more", "ARCHITECTURE.md:11: the row `tests/` does not name `live`, which is there"),
            ("| `tools/` | `package` |\n", "", "ARCHITECTURE.md: the map has no row `tools/`"),
            ("`check`", "`boot`", "ARCHITECTURE.md:14: the row `tools/package/` does not name `check`, which is there"),
            ("`store`,", "`store` (`fast`),", "ARCHITECTURE.md:15: the row `benches/` names `fast`, which is not there"),
            ("`src/wire/`", "`src/wired/`", "ARCHITECTURE.md: the map has no row `src/wire/`"),
            ("## Code map", "## Map", "ARCHITECTURE.md has no section \"Code map\""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let found = differences_with(&GOOD.replacen(from, to, 1), &[]);
            assert!(found.iter().any(|told| told == expected), "{to}: {found:?}");
        }
        let found = differences_with(GOOD, &[("src/wire/reply.rs", "")]);
        assert_eq!(found, ["ARCHITECTURE.md:9: the row `src/wire/` does not name `reply`, which is there"]);
        let found = differences_with(GOOD, &[("src/net/mod.rs", "")]);
        assert_eq!(found, ["ARCHITECTURE.md: the map has no row `src/net/`"]);
        let found = differences_with(&GOOD.replace("`src/ctl/`", "the folder `src/ctl/` beside `src/ctl.rs`"), &[]);
        assert!(found[0].starts_with("ARCHITECTURE.md:8: a row of the map begins with one folder"), "{found:?}");
    }
}
