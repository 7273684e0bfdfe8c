//! Canonical JSON: keys in byte order, no white space, strings escaped as existing clients escape them.

use crate::base::Seq;
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
const DIGITS: &[u8; 16] = b"0123456789abcdef";
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

    /// An id that the relay made, as the contract writes it: 16 lower-case hex digits.
    pub fn seq(mut self, key: &'static str, value: Seq) -> HeaderWriter {
        self.key(key);
        self.frame.push(b'"');
        self.frame.extend((0..16).rev().map(|place| DIGITS[(value.0 >> (4 * place)) as usize & 15]));
        self.frame.extend_from_slice(b"\",");
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
        // Written behind the header, then turned to its place: no room of its own is needed for it.
        let end = self.frame.len();
        self.frame.extend_from_slice(b"\"headsum\":");
        write_number(&mut self.frame, u64::from(sum));
        self.frame.push(b',');
        let field = self.frame.len() - end;
        self.frame[at..].rotate_right(field);
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
        let size = self.frame.len() - PREFIX;
        assert!(size <= HEADER_MAX, "a header of {size} octets");
        for (i, digit) in self.frame[..PREFIX].iter_mut().enumerate() {
            *digit = DIGITS[size >> (12 - 4 * i) & 15];
        }
    }
}

fn write_number(out: &mut Vec<u8>, mut value: u64) {
    // The largest has twenty digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes a JSON string, quotes included.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    let octets = text.as_bytes();
    out.push(b'"');
    let mut from = 0;
    for (at, &octet) in octets.iter().enumerate() {
        if !ODD[octet as usize] {
            continue;
        }
        let (odd, len) = match &octets[at..] {
            [0xe2, 0x80, 0xa8, ..] => ('\u{2028}', 3),
            [0xe2, 0x80, 0xa9, ..] => ('\u{2029}', 3),
            [0xe2, ..] => continue,
            _ => (char::from(octet), 1),
        };
        out.extend_from_slice(&octets[from..at]);
        write_escaped(out, odd);
        from = at + len;
    }
    out.extend_from_slice(&octets[from..]);
    out.push(b'"');
}

/// Octets with which something begins that may have to be escaped: most strings have none, and are seen through quickly.
static ODD: [bool; 256] = {
    let mut odd = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        odd[control] = true;
        control += 1;
    }
    odd[b'"' as usize] = true;
    odd[b'\\' as usize] = true;
    odd[b'<' as usize] = true;
    odd[b'>' as usize] = true;
    odd[b'&' as usize] = true;
    // U+2028 and U+2029, and others.
    odd[0xe2] = true;
    odd
};

fn write_escaped(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        other => {
            out.extend_from_slice(b"\\u");
            out.extend((0..4).rev().map(|place| DIGITS[(other as usize >> (4 * place)) & 15]));
        }
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
        write_string(&mut out, "a\"\\\n\r\t\0\x08\x1f\x7f<Tom & Jerry>\u{2028}\u{2029}\u{2027}é😀€");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"\\\\\\n\\r\\t\\u0000\\u0008\\u001f\x7f\\u003cTom \\u0026 Jerry\\u003e\\u2028\\u2029\u{2027}é😀€\""
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
