//! A JSON document as it was written: order, spelling and repetition of keys kept.
//!
//! serde's derive is not used for the configuration: it matches keys by case, merges `#` comments with unknown keys,
//! and knows a value's place only by line. A small tree that [`super::reader`] walks with the path in hand gives every
//! message the same shape. Not for the wire: headers have their own visitor.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::ConfigError;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(Key, Node)>),
}

/// A key of an object, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    /// Where the document keeps it in memory: serde tells no positions, but hands out what it need not unescape in place.
    address: Option<usize>,
}

impl Key {
    /// The line of `text`, which it was read from; `None` for a key that is written with escapes.
    pub(super) fn line(&self, text: &str) -> Option<usize> {
        let before = self.address?.checked_sub(text.as_ptr().addr())?;
        Some(text.get(..before)?.matches('\n').count() + 1)
    }
}

impl Node {
    /// Reads a document; a byte order mark before it is tolerated.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Node, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(ConfigError::about_file(file, "is empty", "expected one JSON object; {} takes every default"));
        }
        serde_json::from_str(text).map_err(|error| syntax_error(&error, file))
    }

    /// The value in words, for `… is {words}; expected …`.
    pub(super) fn in_words(&self) -> String {
        match self {
            Node::Null => "null".into(),
            Node::Bool(value) => value.to_string(),
            Node::Number(value) => value.to_string(),
            Node::Text(value) => quote(value),
            Node::List(_) => "a list".into(),
            Node::Object(_) => "an object".into(),
        }
    }
}

/// A text as it may appear in a sentence: quoted, control characters escaped, cut when long.
pub(super) fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn syntax_error(error: &serde_json::Error, file: &Path) -> ConfigError {
    let (line, column) = (error.line(), error.column());
    let whole = error.to_string();
    let reason = whole.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&whole);
    let trouble = format!("line {line}, column {column} is not JSON ({reason})");
    ConfigError::about_file(file, trouble, "expected one JSON object; comments are keys that begin with #")
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Key, E> {
        Ok(Key { name: name.into(), address: Some(name.as_ptr().addr()) })
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(Key { name: name.into(), address: None })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Node::Object(object))
    }
}
