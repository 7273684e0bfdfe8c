//! Walking a document with the path in hand, so that every complaint names its key in full.
//!
//! The known keys of an object are whatever its reader asks for: [`Fields::get`] notes the name, and [`Fields::finish`]
//! complains of what nobody asked for. So a key is written once, and the list in the message cannot go stale. Call
//! `finish` before checks that relate keys: a misspelt key should be called misspelt, not missing.
//!
//! Rules for all levels: keys match without regard to case, a key that begins with `#` is a comment whatever its value,
//! `null` counts as not given, and a key given twice is an error (which of the two was meant cannot be known).

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::ConfigError;
use super::error::{PROGRAM, in_program};
use super::node::{Key, Node, quote};

/// Reads what a program has put together as if it stood in a file: so there is one place that knows what may be said.
pub(super) fn read_as_in_file<T>(
    key: &'static str,
    value: &Value,
    read: impl FnOnce(&At<'_>) -> Result<T, ConfigError>,
) -> Result<(), ConfigError> {
    let (file, text) = (Path::new(PROGRAM), format!("{{\"{key}\": {value}}}"));
    let document = Node::parse(&text, file)?;
    let read = At::root(file, &text, &document).fields()?.get(key).as_ref().map(read).transpose();
    // There is but one line, and nobody has written it.
    read.map(|_| ()).map_err(|error| in_program(error.trouble().trim_start_matches("line 1: "), error.cure()))
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct At<'a> {
    file: &'a Path,
    text: &'a str,
    path: String,
    /// The line of its key, or of the nearest one around it.
    line: Option<usize>,
    node: &'a Node,
}

impl<'a> At<'a> {
    /// The document as a whole.
    pub(super) fn root(file: &'a Path, text: &'a str, node: &'a Node) -> At<'a> {
        At { file, text, path: String::new(), line: None, node }
    }

    /// The full path, as in `listen[1].laddr`, each key as the file spells it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The file it stands in.
    pub(super) fn file(&self) -> &'a Path {
        self.file
    }

    /// A complaint about this value.
    pub(super) fn error(&self, trouble: impl Display, cure: impl Into<String>) -> ConfigError {
        let path = if self.path.is_empty() { "the document" } else { &self.path };
        let line = self.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        ConfigError::about_file(self.file, format!("{line}{path} {trouble}"), cure)
    }

    fn unexpected(&self, expected: impl Display) -> ConfigError {
        self.error(format!("is {}", self.node.in_words()), format!("expected {expected}"))
    }

    /// The keys of an object.
    pub(super) fn fields(&self) -> Result<Fields<'a>, ConfigError> {
        let Node::Object(entries) = self.node else { return Err(self.unexpected("an object, {…}")) };
        let mut fields = Fields { at: self.clone(), entries: Vec::new(), known: Vec::new() };
        for (key, node) in entries.iter().filter(|(key, _)| !key.name.starts_with('#')) {
            if let Some((earlier, _)) = fields.entry(&key.name) {
                let trouble = format!("is given twice (first as {})", quote(&earlier.name));
                return Err(fields.child(key, node).error(trouble, "keep one of them"));
            }
            fields.entries.push((key, node));
        }
        Ok(fields)
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<At<'a>>, ConfigError> {
        let Node::List(items) = self.node else { return Err(self.unexpected("a list, […]")) };
        let item = |(index, node)| At { path: format!("{}[{index}]", self.path), node, ..self.clone() };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The items where a list or a single object may stand. `what` says what an object looks like, for the complaint.
    pub(super) fn one_or_more(&self, what: &str) -> Result<Vec<At<'a>>, ConfigError> {
        match self.node {
            Node::List(_) => self.items(),
            Node::Object(_) => Ok(vec![self.clone()]),
            _ => Err(self.unexpected(format_args!("an object, {what}, or a list of such objects"))),
        }
    }

    /// A text that is not empty. `what` says what it should be, for the complaint.
    pub(super) fn text(&self, what: &str) -> Result<&'a str, ConfigError> {
        match self.any_text(what)? {
            "" => Err(self.error("is \"\", but must not be empty", format!("expected {what}, as a text"))),
            text => Ok(text),
        }
    }

    /// A text, which may be empty.
    pub(super) fn any_text(&self, what: &str) -> Result<&'a str, ConfigError> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.unexpected(format_args!("{what}, as a text"))),
        }
    }

    /// `true`, `false`, 1 or 0.
    pub(super) fn flag(&self) -> Result<bool, ConfigError> {
        match self.node {
            Node::Bool(value) => Ok(*value),
            Node::Number(number) if number.as_u64() == Some(0) => Ok(false),
            Node::Number(number) if number.as_u64() == Some(1) => Ok(true),
            _ => Err(self.unexpected("true or false")),
        }
    }

    /// A whole number in a range.
    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        let value = if let Node::Number(number) = self.node { number.as_u64() } else { None };
        value
            .filter(|value| range.contains(value))
            .ok_or_else(|| self.unexpected(format_args!("a whole number from {} to {}", range.start(), range.end())))
    }

    /// Seconds in a range, fractions allowed.
    pub(super) fn seconds(&self, range: RangeInclusive<f64>) -> Result<Duration, ConfigError> {
        let value = if let Node::Number(number) = self.node { number.as_f64() } else { None };
        value
            .filter(|value| range.contains(value))
            .map(Duration::from_secs_f64)
            .ok_or_else(|| self.unexpected(format_args!("a number of seconds from {} to {}", range.start(), range.end())))
    }

    /// One word of a few, without regard to case.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let found = match self.node {
            Node::Text(text) => words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)),
            _ => None,
        };
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let listed: Vec<String> = words.iter().map(|(word, _)| quote(word)).collect();
            self.unexpected(listed.join(" or "))
        })
    }
}

/// The keys of one object, and which of them were asked for.
pub(super) struct Fields<'a> {
    at: At<'a>,
    entries: Vec<(&'a Key, &'a Node)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value of a key, `None` when absent or `null`. Asking makes the key known.
    pub(super) fn get(&mut self, name: &'static str) -> Option<At<'a>> {
        self.known.push(name);
        let (key, node) = self.entry(name)?;
        (*node != Node::Null).then(|| self.child(key, node))
    }

    /// Complains of the first key that nobody asked for.
    ///
    /// # Errors
    /// Names it, the nearest known spelling if one is near, and all known keys.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let known = |key: &str| self.known.iter().any(|name| name.eq_ignore_ascii_case(key));
        let Some((key, node)) = self.entries.iter().find(|(key, _)| !known(&key.name)) else { return Ok(()) };
        let hint = nearest(&key.name, &self.known).map(|name| format!("did you mean {name}? ")).unwrap_or_default();
        Err(self.child(key, node).error("is not a known key", format!("{hint}known here: {}", self.known.join(", "))))
    }

    fn entry(&self, name: &str) -> Option<(&'a Key, &'a Node)> {
        self.entries.iter().copied().find(|(key, _)| key.name.eq_ignore_ascii_case(name))
    }

    fn child(&self, key: &Key, node: &'a Node) -> At<'a> {
        let line = key.line(self.at.text).or(self.at.line);
        let key = &key.name;
        // A key from the file is shown raw when it is plain, and quoted when it could mislead a reader of the log.
        let plain = !key.is_empty() && key.len() <= 60 && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
        let key = if plain { key.to_string() } else { quote(key) };
        let path = if self.at.path.is_empty() { key } else { format!("{}.{key}", self.at.path) };
        At { path, line, node, ..self.at }
    }
}

/// The known key that differs least, if it differs in no more than a third of its letters, or by two swapped ones.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    let distances = known.iter().map(|name| (edit_distance(&key, &name.to_ascii_lowercase()), *name));
    distances.min().filter(|(distance, name)| *distance <= (name.len() / 3).max(2).min(name.len() / 2)).map(|(_, name)| name)
}

/// Levenshtein distance, bounded by cutting absurdly long keys.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, distance) in [("", "abc", 3), ("abc", "abc", 0), ("laddr", "ladr", 1), ("kitten", "sitting", 3)] {
            assert_eq!(edit_distance(left, right), distance, "{left} {right}");
        }
    }

    #[test]
    fn a_far_spelling_suggests_nothing() {
        assert_eq!(nearest("certpth", &["net", "certPath"]), Some("certPath"));
        assert_eq!(nearest("nmae", &["net", "name"]), Some("name"));
        assert_eq!(nearest("colour", &["net", "certPath"]), None);
        assert_eq!(nearest("key", &["net", "log"]), None);
    }
}
