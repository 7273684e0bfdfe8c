//! Links lead to something that is there, and every document is led to.

use std::collections::BTreeSet;

use super::tree::Tree;

/// Links and images that lead nowhere, or that a reader elsewhere could not follow.
pub(crate) fn broken(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, document) in &tree.documents {
        for link in &document.links {
            if let Err(why) = follow(tree, path, &link.target) {
                found.push(format!("{path}:{}: the link to {}: {why}", link.line, link.target));
            }
        }
        found.extend(document.dangling.iter().map(|(line, name)| format!("{path}:{line}: no line says what [{name}] is")));
        // Links in HTML would be followed by nobody here, and HTML is not shown by pagers.
        found.extend(document.html.iter().map(|(line, text)| format!("{path}:{line}: HTML, where Markdown would do: {text}")));
    }
    found
}

/// The file or folder that a link in this document leads to; `None` for another site's.
fn follow(tree: &Tree, from: &str, target: &str) -> Result<Option<String>, String> {
    if let Some((scheme, rest)) = target.split_once(':') {
        let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
        let good = matches!(scheme, "https" | "http") && host.contains('.') && !target.contains(char::is_whitespace);
        return if good { Ok(None) } else { Err("is no address of the web".into()) };
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { from.to_owned() } else { resolve(from, file)? };
    if !tree.has(&path) && !path.is_empty() {
        return Err(format!("{path} is not there"));
    }
    if let Some(anchor) = anchor {
        let document = tree.documents.get(&path).ok_or("only headings of documents can be named behind a #")?;
        if !document.anchors().contains(anchor) {
            return Err(format!("{path} has no heading of that name"));
        }
    }
    Ok(Some(path))
}

/// A path as seen from a document, as one from the root.
fn resolve(from: &str, target: &str) -> Result<String, String> {
    if target.starts_with('/') {
        return Err("begins at the root of some machine".into());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or("leads out of the tree")?),
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

/// Documents below docs/ that nobody finds who begins with the README and follows links.
pub(crate) fn orphans(tree: &Tree) -> Vec<String> {
    let mut found = BTreeSet::from(["README.md".to_owned()]);
    let mut next = vec!["README.md".to_owned()];
    while let Some(path) = next.pop() {
        for target in led_to(tree, &path) {
            if found.insert(target.clone()) {
                next.push(target);
            }
        }
    }
    let lost = tree.documents.keys().filter(|path| path.starts_with("docs/") && !found.contains(*path));
    lost.map(|path| format!("{path}: no way of links leads here from README.md")).collect()
}

/// The documents that one links to; a folder is its README.
fn led_to(tree: &Tree, path: &str) -> Vec<String> {
    let document = tree.documents.get(path).unwrap_or_else(|| panic!("{path} is not there"));
    let mut found = Vec::new();
    for link in &document.links {
        if let Ok(Some(target)) = follow(tree, path, &link.target) {
            let readme = format!("{target}/README.md");
            found.push(if tree.folders.contains(&target) { readme } else { target });
        }
    }
    found.retain(|target| tree.documents.contains_key(target));
    found
}

/// Decisions that their list does not name.
pub(crate) fn unlisted_decisions(tree: &Tree) -> Vec<String> {
    let list = "docs/decisions/README.md";
    let named: BTreeSet<String> = led_to(tree, list).into_iter().collect();
    let decisions = tree.documents.keys().filter(|path| path.starts_with("docs/decisions/") && *path != list);
    decisions.filter(|path| !named.contains(*path)).map(|path| format!("{list}: {path} is not in the list")).collect()
}

#[test]
fn what_leads_nowhere_is_found() {
    let good = "[a](docs/A.md), [b](docs/A.md#two-words), [c](#here), [d](docs/), ![e](e.png), [f][g], [h](https://example.org/x#y)\n\n\
                # Here\n\n[g]: docs/A.md\n\n`mnm [--flag]` and [--flag VALUE]\n";
    let a = "[up](../README.md#here)\n\n## Two words\n";
    let tree = |readme: &str| Tree::of(&[("README.md", readme), ("docs/A.md", a), ("e.png", "")]);
    assert_eq!(broken(&tree(good)), Vec::<String>::new());
    for (bad, why) in [
        ("[a](docs/B.md)", "docs/B.md is not there"),
        ("[a](docs/A.md#three-words)", "docs/A.md has no heading"),
        ("[a](#there)", "README.md has no heading"),
        ("[a](e.png#there)", "only headings"),
        ("![a](f.png)", "f.png is not there"),
        ("[a](/docs/A.md)", "root of some machine"),
        ("[a](../other/A.md)", "out of the tree"),
        ("[a][b]\n\n[b]: docs/B.md", "docs/B.md is not there"),
        ("[a][b]", "no line says what [b] is"),
        ("[a](https:/example.org)", "no address"),
        ("[a](ftp://example.org)", "no address"),
        ("<a href=\"docs/B.md\">a</a>", "HTML"),
    ] {
        let found = broken(&tree(bad));
        assert!(!found.is_empty() && found[0].starts_with("README.md:1: ") && found[0].contains(why), "{bad}: {found:?}");
    }
}

#[test]
fn what_nobody_is_led_to_is_found() {
    let tree = |readme: &str, list: &str| {
        let one = ("docs/decisions/0001-one.md", "");
        Tree::of(&[("README.md", readme), ("docs/A.md", "[list](decisions/)"), ("docs/decisions/README.md", list), one])
    };
    let whole = tree("[a](docs/A.md)", "[one](0001-one.md)");
    assert_eq!(orphans(&whole), Vec::<String>::new());
    assert_eq!(unlisted_decisions(&whole), Vec::<String>::new());
    assert_eq!(orphans(&tree("", "")).len(), 3);
    assert_eq!(orphans(&tree("[a](docs/A.md)", "")), ["docs/decisions/0001-one.md: no way of links leads here from README.md"]);
    assert_eq!(unlisted_decisions(&tree("", "")), ["docs/decisions/README.md: docs/decisions/0001-one.md is not in the list"]);
}
