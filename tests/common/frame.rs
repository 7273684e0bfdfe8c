//! Judges frames from the relay by the protocol alone: own framing, own sorting and escaping, own checksum.

use std::collections::VecDeque;
use std::fmt::Write;

use serde_json::Value;

/// The most plaintext a TLS record holds.
const RECORD: u64 = 16384;

/// One frame from the relay.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The header.
    pub(crate) head: Value,
    /// The header as it came.
    pub(crate) text: Vec<u8>,
    /// What followed it.
    pub(crate) data: Vec<u8>,
}

impl Frame {
    /// A text of the header, or "".
    pub(crate) fn str(&self, key: &str) -> &str {
        self.head.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether this is a message: something that is kept for a node until it acks it.
    pub(crate) fn is_message(&self) -> bool {
        self.head.get("headsum").is_some()
    }
}

/// Collects records and cuts frames from them, watching how frames lie in records.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    buffer: Vec<u8>,
    /// Where in the stream the buffer begins.
    offset: u64,
    /// Where in the stream records begin.
    starts: VecDeque<u64>,
    /// What the relay's calendar shows, in milliseconds since 1970, if that is not the date.
    pub(crate) date: Option<i64>,
}

impl Intake {
    pub(crate) fn record(&mut self, record: &[u8]) {
        self.starts.push_back(self.offset + self.buffer.len() as u64);
        self.buffer.extend_from_slice(record);
    }

    /// What is left of an unfinished frame.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer
    }

    /// The next whole frame, judged.
    pub(crate) fn frame(&mut self) -> Result<Option<Frame>, String> {
        let Some(digits) = self.buffer.get(..4) else { return Ok(None) };
        if !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(format!("a frame begins with {:?}, not four lower-case hex digits", String::from_utf8_lossy(digits)));
        }
        let digits = std::str::from_utf8(digits).expect("ASCII");
        let head_end = 4 + usize::from_str_radix(digits, 16).expect("hex digits");
        let Some(text) = self.buffer.get(4..head_end) else { return Ok(None) };
        let head = judge(text, self.date.unwrap_or_else(date))?;
        let data_len = head.get("datalen").map_or(Some(0), Value::as_u64).ok_or("datalen is not a length")?;
        let end = head_end + usize::try_from(data_len).map_err(|_| "datalen is absurd")?;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let frame = Frame { head, text: text.to_vec(), data: self.buffer[head_end..end].to_vec() };
        let placed = self.judge_records(end as u64);
        self.buffer.drain(..end);
        self.offset += end as u64;
        while self.starts.len() > 1 && self.starts[1] <= self.offset {
            self.starts.pop_front();
        }
        placed.map_err(|trouble| format!("{trouble}: {}", String::from_utf8_lossy(&frame.text)))?;
        Ok(Some(frame))
    }

    /// Up to 16 KiB a message lies in one record; a larger one fills each record between its first and its last.
    fn judge_records(&self, len: u64) -> Result<(), String> {
        let (begin, end) = (self.offset, self.offset + len);
        let inner: Vec<u64> = self.starts.iter().copied().filter(|start| begin < *start && *start < end).collect();
        if len <= RECORD {
            return if inner.is_empty() { Ok(()) } else { Err(format!("a frame of {len} octets lies in {} TLS records", inner.len() + 1)) };
        }
        match inner.windows(2).find(|pair| pair[1] - pair[0] != RECORD) {
            Some(pair) => Err(format!("a frame of {len} octets has a TLS record of {} octets within", pair[1] - pair[0])),
            None if inner.len() as u64 > len.div_ceil(RECORD) => {
                Err(format!("a frame of {len} octets lies in {} records", inner.len() + 1))
            }
            None => Ok(()),
        }
    }
}

/// Judges a header by what holds for every header of the relay, at this date.
fn judge(text: &[u8], date: i64) -> Result<Value, String> {
    let shown = String::from_utf8_lossy(text);
    let head: Value = serde_json::from_slice(text).map_err(|error| format!("the header is not JSON ({error}): {shown}"))?;
    let Some(object) = head.as_object() else { return Err(format!("the header is not an object: {shown}")) };
    if canonical(&head).as_bytes() != text {
        return Err(format!("the header is not canonical:\n  came: {shown}\n  due:  {}", canonical(&head)));
    }
    let op = object.get("op").and_then(Value::as_str).ok_or_else(|| format!("a header without op: {shown}"))?;
    let is_message = match op {
        "tmtprev" | "registered" | "info" | "ack" | "quit" | "ohi" | "result" => false,
        "login" | "user" | "ohiedit" | "invite" | "member" | "delivery" | "notify" | "ping" | "missed" => true,
        _ => return Err(format!("an op that the protocol does not know: {shown}")),
    };
    if is_message != object.contains_key("headsum") {
        return Err(format!("headsum goes with messages, and with nothing else: {shown}"));
    }
    if is_message {
        judge_standard(&head, date).map_err(|trouble| format!("{trouble}: {shown}"))?;
    }
    for key in ["msgid", "postid"] {
        object.get(key).map_or(Ok(()), |id| judge_id(id, date)).map_err(|trouble| format!("{key}: {trouble}: {shown}"))?;
    }
    object.get("posted").map_or(Ok(()), |posted| judge_posted(posted, date)).map_err(|trouble| format!("posted: {trouble}: {shown}"))?;
    let entries = object.get("list").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    for fields in entries.chain([object]) {
        for key in ["expires", "made", "oldest", "seen", "until"] {
            fields.get(key).map_or(Ok(()), |time| read_time(time).map(drop)).map_err(|trouble| format!("{key}: {trouble}: {shown}"))?;
        }
    }
    for key in ["datahead", "datasum", "notify"] {
        if object.get(key).is_some_and(|value| value.as_u64().is_none_or(|number| number == 0)) {
            return Err(format!("{key} is there only when it is not zero: {shown}"));
        }
    }
    if object.get("datahead").and_then(Value::as_u64) > object.get("datalen").and_then(Value::as_u64) {
        return Err(format!("datahead is more than datalen: {shown}"));
    }
    Ok(head)
}

fn judge_standard(head: &Value, date: i64) -> Result<(), String> {
    judge_id(head.get("id").ok_or("a message without id")?, date).map_err(|trouble| format!("id: {trouble}"))?;
    let from = head.get("from").and_then(Value::as_str).ok_or("a message without from")?;
    judge_code(from, 32).map_err(|trouble| format!("from: {trouble}"))?;
    head.get("posted").ok_or("a message without posted")?;
    head.get("datalen").ok_or("a message without datalen")?;
    let sum = head.get("headsum").and_then(Value::as_u64).ok_or("headsum is not an unsigned number")?;
    let due = headsum(head);
    if sum == u64::from(due) { Ok(()) } else { Err(format!("headsum is {sum}, due {due}")) }
}

/// How far from the date ids and times of messages may be, in milliseconds: waiting for something does not take as long.
const FAR: i64 = 600_000;

/// The date in milliseconds since 1970.
pub(crate) fn date() -> i64 {
    i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).expect("some centuries fit")
}

/// Sixteen lower-case hex digits, of a counter that is never far from the nanoseconds since the epoch.
fn judge_id(id: &Value, date: i64) -> Result<(), String> {
    let id = id.as_str().ok_or("not a text")?;
    if id.len() != 16 || !id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("not 16 lower-case hex digits".into());
    }
    let then = i64::try_from(u64::from_str_radix(id, 16).expect("hex digits") / 1_000_000).expect("60 bits");
    if (date - then).abs() <= FAR { Ok(()) } else { Err("not near the nanoseconds since the epoch".into()) }
}

/// A time, and about now.
fn judge_posted(posted: &Value, date: i64) -> Result<(), String> {
    if (date - read_time(posted)?).abs() <= FAR { Ok(()) } else { Err("not about now".into()) }
}

/// `2006-01-02T15:04:05.000Z` in milliseconds since 1970.
pub(crate) fn read_time(time: &Value) -> Result<i64, String> {
    let time = time.as_str().ok_or("not a text")?;
    let pattern = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(c, due): (char, char)| if due == 'd' { c.is_ascii_digit() } else { c == due };
    if time.len() != pattern.len() || !time.chars().zip(pattern.chars()).all(fits) {
        return Err(format!("not of the form {pattern}"));
    }
    let number = |range: std::ops::Range<usize>| time[range].parse::<u16>().expect("digits");
    let month = time::Month::try_from(number(5..7) as u8).map_err(|_| "no such month")?;
    let day = time::Date::from_calendar_date(i32::from(number(0..4)), month, number(8..10) as u8).map_err(|_| "no such day")?;
    let (hour, minute, second) = (number(11..13) as u8, number(14..16) as u8, number(17..19) as u8);
    let clock = time::Time::from_hms_milli(hour, minute, second, number(20..23)).map_err(|_| "no such time")?;
    i64::try_from(time::PrimitiveDateTime::new(day, clock).assume_utc().unix_timestamp_nanos() / 1_000_000).map_err(|_| "too far".into())
}

/// The same, written.
pub(crate) fn write_time(millis: i64) -> String {
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).expect("a time near ours");
    let (hour, minute, second, milli) = moment.time().as_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", moment.date())
}

/// A uid (32) or nodeid (40): base32 of the protocol's own alphabet.
pub(crate) fn judge_code(code: &str, len: usize) -> Result<(), String> {
    let known = code.bytes().all(|c| b"%+123456789BCDFGHJKLMNPQRSTVWXYZ".contains(&c));
    if known && code.len() == len { Ok(()) } else { Err(format!("{code:?} is not {len} digits of base32")) }
}

/// The octets that a code stands for.
pub(crate) fn decode(code: &str) -> Vec<u8> {
    let digit = |c: u8| b"%+123456789BCDFGHJKLMNPQRSTVWXYZ".iter().position(|known| *known == c).expect("a digit of base32");
    let bits: Vec<bool> = code.bytes().flat_map(|c| (0..5).rev().map(move |bit| (digit(c) >> bit) & 1 == 1)).collect();
    bits.chunks_exact(8).map(|octet| octet.iter().fold(0, |sum, bit| (sum << 1) | u8::from(*bit))).collect()
}

/// The checksum of a header as it would be without it.
pub(crate) fn headsum(head: &Value) -> u32 {
    let mut head = head.clone();
    head.as_object_mut().expect("an object").remove("headsum");
    let text = canonical(&head);
    crc32c(format!("{:04x}{text}", text.len()).as_bytes())
}

/// CRC-32C (Castagnoli), bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let octet = |crc: u32, octet: &u8| (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ ((crc & 1) * 0x82f6_3b78));
    !bytes.iter().fold(!0, octet)
}

/// A header as the protocol writes it: keys sorted bytewise, no white space, Go's escapes.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => write!(text, "{value}").expect("memory"),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            text.push('{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write_string(text, key);
                text.push(':');
                write_value(text, value);
            }
            text.push('}');
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => write!(text, "\\u{:04x}", u32::from(c)).expect("memory"),
            _ => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn codes_decode() {
        assert_eq!(decode("%%%%%%%+"), [0, 0, 0, 0, 1]);
        assert_eq!(decode("ZZZZZZZZ"), [255; 5]);
    }

    #[test]
    fn go_escapes_are_written() {
        let text = "\"{\\\"<&>\\\\\\n\\r\\t\\b\\u2028\\u007f é\"";
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical(&value), "\"{\\\"\\u003c\\u0026\\u003e\\\\\\n\\r\\t\\u0008\\u2028\u{7f} é\"");
    }

    fn intake(records: &[&[u8]]) -> Result<Option<Frame>, String> {
        let mut intake = Intake::default();
        records.iter().for_each(|record| intake.record(record));
        intake.frame()
    }

    /// A judge that lets everything pass would make every transcript hold.
    #[test]
    fn faults_are_seen() {
        assert!(intake(&[b"0024{\"error\":\"logout ok\",\"op\":\"quit\"}   "]).is_err(), "a length that is too long");
        assert!(intake(&[br#"0021{"error":"logout ok","op":"quit"}"#]).is_ok_and(|frame| frame.is_some()));
        assert!(intake(&[br#"0021{"error":"logout ok","op"#]).is_ok_and(|frame| frame.is_none()), "unfinished is not wrong");
        for (wrong, what) in [
            (&br#"001A{"op":"quit","errors":"x"}"#[..], "upper-case hex"),
            (br#"001a{"op":"quit","errors":"x"}"#, "unsorted"),
            (br#"0019{"error": "x","op":"quit"}"#, "white space"),
            (br#"0018{"error":"&","op":"quit"}"#, "escapes"),
            (br#"0018{"error":"x","op":"what"}"#, "op"),
            (br#"0018{"msgid":"1","op":"ack"} "#, "id"),
        ] {
            assert!(intake(&[wrong]).is_err(), "{what}");
        }
        assert!(intake(&[br#"0021{"error":"logout"#, br#" ok","op":"quit"}"#]).unwrap_err().contains("2 TLS records"));
    }

    #[test]
    fn a_message_is_judged_as_a_whole() {
        let now = time::OffsetDateTime::now_utc();
        let mut head = serde_json::json!({
            "op": "delivery", "from": "%".repeat(32), "id": format!("{:016x}", now.unix_timestamp_nanos()), "datalen": 0,
            "posted": format!("{}T{:02}:{:02}:{:02}.000Z", now.date(), now.hour(), now.minute(), now.second()),
        });
        head["headsum"] = headsum(&head).into();
        let judge = |head: &Value| judge(canonical(head).as_bytes(), date());
        judge(&head).unwrap();
        let spoilt = |key: &str, value: Value| {
            let mut head = head.clone();
            head[key] = value;
            head["headsum"] = headsum(&head).into();
            judge(&head).unwrap_err()
        };
        assert!(spoilt("id", "0000000000000001".into()).contains("epoch"));
        assert!(spoilt("posted", "2020-01-01T00:00:00.000Z".into()).contains("about now"));
        assert!(spoilt("posted", "2020-01-01T00:00:00Z".into()).contains("form"));
        assert!(spoilt("from", "a".repeat(32).into()).contains("base32"));
        assert!(spoilt("datahead", 0.into()).contains("zero"));
        assert!(spoilt("datahead", 1.into()).contains("more than"));
        head["headsum"] = (headsum(&head) ^ 1).into();
        assert!(judge(&head).unwrap_err().contains("headsum"));
    }

    #[test]
    fn times_are_read_and_written() {
        for text in ["2020-02-29T00:00:00.999Z", "1970-01-01T00:00:00.000Z", "2026-11-26T18:05:09.010Z"] {
            assert_eq!(write_time(read_time(&text.into()).unwrap()), text);
        }
        assert_eq!(read_time(&"2020-02-29T00:00:01.500Z".into()).unwrap(), 1_582_934_401_500);
        assert!(read_time(&"2020-02-29T00:00:01Z".into()).is_err());
    }

    #[test]
    fn large_frames_fill_their_records() {
        let data = vec![b'x'; 40000];
        let head = r#"{"datalen":40000,"op":"ack"}"#;
        let mut frame = format!("{:04x}{head}", head.len()).into_bytes();
        frame.extend(&data);
        let cut = |at: &[usize]| {
            let mut rest = &frame[..];
            let mut records = Vec::new();
            for len in at {
                let (record, others) = rest.split_at(*len);
                records.push(record);
                rest = others;
            }
            records.push(rest);
            intake(&records)
        };
        assert!(cut(&[16384, 16384]).is_ok());
        assert!(cut(&[100, 16384, 16384]).is_ok(), "behind another frame's end");
        assert!(cut(&[16384, 100, 16384]).is_err());
    }
}
