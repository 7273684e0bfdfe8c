//! A header's fields, owned: for who has time.

use serde_json::{Map, Value};

/// A header as the relay sent it. Fields that it lacks read as empty, 0 or `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Header(Map<String, Value>);

impl Header {
    /// Reads the JSON of a header; `None` if it is no object.
    pub fn parse(json: &[u8]) -> Option<Header> {
        serde_json::from_slice(json).ok().map(Header)
    }

    /// What kind of reply or message this is.
    pub fn op(&self) -> &str {
        self.text("op")
    }

    /// Of a message its id, of an ack the request's.
    pub fn id(&self) -> &str {
        self.text("id")
    }

    /// The sender's uid.
    pub fn from(&self) -> &str {
        self.text("from")
    }

    /// A string field; empty if it is not there.
    pub fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or("")
    }

    /// A string field that may be absent.
    pub fn optional(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// A number; 0 if it is not there.
    pub fn number(&self, key: &str) -> u64 {
        self.0.get(key).and_then(Value::as_u64).unwrap_or(0)
    }

    /// The strings of a list; what is no string is left out.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A list; empty if it is not there.
    pub fn list(&self, key: &str) -> &[Value] {
        self.0.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// All fields, by name.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }
}
