//! Canonical JSON: keys in byte order, no white space, strings escaped as existing clients escape them.

use crate::limits::HEADER_MAX;

/// Writes one frame's header, fields in byte order of their keys, and its length in front.
///
/// Keys must rise from call to call; a debug build checks it.
#[derive(Debug)]
pub struct HeaderWriter {
    frame: Vec<u8>,
    last_key: &'static str,
    /// Where `"headsum":N,` goes: before the first key that follows it in byte order.
    headsum_at: Option<usize>,
}

const PREFIX: usize = 4;
const HEADSUM: &str = "headsum";

impl Default for HeaderWriter {
    fn default() -> HeaderWriter {
        HeaderWriter::new()
    }
}

impl HeaderWriter {
    /// A header without fields.
    pub fn new() -> HeaderWriter {
        let mut frame = Vec::with_capacity(192);
        frame.extend_from_slice(b"0000{");
        HeaderWriter { frame, last_key: "", headsum_at: None }
    }

    fn key(&mut self, key: &'static str) {
        debug_assert!(self.last_key < key, "{key} after {}", self.last_key);
        if self.headsum_at.is_none() && key > HEADSUM {
            self.headsum_at = Some(self.frame.len());
        }
        self.last_key = key;
        self.frame.push(b'"');
        self.frame.extend_from_slice(key.as_bytes());
        self.frame.extend_from_slice(b"\":");
    }

    /// A string field.
    pub fn text(mut self, key: &'static str, value: &str) -> HeaderWriter {
        self.key(key);
        write_string(&mut self.frame, value);
        self.frame.push(b',');
        self
    }

    /// A number field.
    pub fn number(mut self, key: &'static str, value: u64) -> HeaderWriter {
        self.key(key);
        write_number(&mut self.frame, value);
        self.frame.push(b',');
        self
    }

    /// A number field that is left out when it is 0.
    pub fn non_zero(self, key: &'static str, value: u64) -> HeaderWriter {
        if value == 0 { self } else { self.number(key, value) }
    }

    /// A string field that is left out when there is none.
    pub fn optional(self, key: &'static str, value: Option<&str>) -> HeaderWriter {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    /// A field whose value is written by `write`, as canonical JSON.
    pub fn raw(mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) -> HeaderWriter {
        self.key(key);
        write(&mut self.frame);
        self.frame.push(b',');
        self
    }

    /// The finished frame: length and header.
    ///
    /// # Panics
    /// If the header exceeds 65535 octets: every string is bounded when it comes in, so that it cannot.
    pub fn finish(mut self) -> Vec<u8> {
        self.close();
        self.frame
    }

    /// The finished frame with its `headsum`: CRC-32C of the frame as it would be without it.
    ///
    /// # Panics
    /// As [`finish`](Self::finish), and if no key follows `headsum` (`id` always does).
    pub fn finish_with_headsum(mut self) -> Vec<u8> {
        self.close();
        let sum = crc32c::crc32c(&self.frame);
        let at = self.headsum_at.expect("a header with a sender has an id, which follows headsum");
        let mut field = Vec::with_capacity(24);
        field.extend_from_slice(b"\"headsum\":");
        write_number(&mut field, u64::from(sum));
        field.push(b',');
        self.frame.splice(at..at, field);
        self.write_length();
        self.frame
    }

    fn close(&mut self) {
        let last = self.frame.len() - 1;
        debug_assert_eq!(self.frame[last], b',', "a header has at least one field");
        self.frame[last] = b'}';
        self.write_length();
    }

    fn write_length(&mut self) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let size = self.frame.len() - PREFIX;
        assert!(size <= HEADER_MAX, "a header of {size} octets");
        for (i, digit) in self.frame[..PREFIX].iter_mut().enumerate() {
            *digit = DIGITS[size >> (12 - 4 * i) & 15];
        }
    }
}

fn write_number(out: &mut Vec<u8>, value: u64) {
    use std::io::Write;
    write!(out, "{value}").expect("a vector takes every write");
}

/// Writes a JSON string, quotes included.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(needs_escape) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let odd = rest[at..].chars().next().expect("find gave the place of a character");
        write_escaped(out, odd);
        rest = &rest[at + odd.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

fn needs_escape(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn write_escaped(out: &mut Vec<u8>, c: char) {
    use std::io::Write;
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        other => write!(out, "\\u{:04x}", other as u32).expect("a vector takes every write"),
    }
}

/// Writes any JSON value canonically. `serde_json`'s maps are sorted already.
pub fn write_json(out: &mut Vec<u8>, value: &serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(text) => write_string(out, text),
        Value::Array(list) => {
            out.push(b'[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_json(out, item);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            out.push(b'{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write_json(out, item);
            }
            out.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.extend_from_slice(value.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_clients_escape_them() {
        let mut out = Vec::new();
        write_string(&mut out, "a\"\\\n\r\t\0\x08\x1f\x7f<Tom & Jerry>\u{2028}\u{2029}é😀");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"\\\\\\n\\r\\t\\u0000\\u0008\\u001f\x7f\\u003cTom \\u0026 Jerry\\u003e\\u2028\\u2029é😀\""
        );
    }

    #[test]
    fn headsum_is_the_crc_of_the_frame_without_it() {
        let plain = HeaderWriter::new().number("datalen", 0).text("from", "u").text("id", "i").text("op", "x").finish();
        let json = r#"{"datalen":0,"from":"u","id":"i","op":"x"}"#;
        assert_eq!(String::from_utf8(plain.clone()).unwrap(), format!("{:04x}{json}", json.len()));
        let summed = HeaderWriter::new().number("datalen", 0).text("from", "u").text("id", "i").text("op", "x").finish_with_headsum();
        let expected = format!("{{\"datalen\":0,\"from\":\"u\",\"headsum\":{},\"id\":\"i\",\"op\":\"x\"}}", crc32c::crc32c(&plain));
        assert_eq!(String::from_utf8(summed).unwrap(), format!("{:04x}{expected}", expected.len()));
    }
}
