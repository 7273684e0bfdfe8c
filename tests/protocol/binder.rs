//! The document's ids and times on the left, those of a relay in another time on the right.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::frame::{canonical, headsum, read_time, write_time};

/// How far a time of the relay may be from what the document's clock says, in milliseconds: a machine may be busy.
const SLACK: i64 = 20_000;

/// Which real value stands for which of the document. Bound at first sight, and one to one.
#[derive(Debug, Default)]
pub(crate) struct Binder {
    real: BTreeMap<String, String>,
    document: BTreeMap<String, String>,
    /// When each message was posted, by its id in the document.
    posted: BTreeMap<String, String>,
    /// The document's times at which its clock was set, and the real ones then, in milliseconds.
    clock: Vec<(i64, i64)>,
}

/// What kind of value a text is, by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Uid,
    Node,
    Code,
    Time,
    Other,
}

fn kind(text: &str) -> Kind {
    let all = |alphabet: &[u8]| text.bytes().all(|c| alphabet.contains(&c));
    let base32 = || all(b"%+123456789BCDFGHJKLMNPQRSTVWXYZ");
    match text.len() {
        16 if all(b"0123456789abcdef") => Kind::Id,
        17 if all(b"3479ACDEFGHJKMNPQRTUWXY-") => Kind::Code,
        24 if read_time(&text.into()).is_ok() => Kind::Time,
        32 if base32() => Kind::Uid,
        40 if base32() => Kind::Node,
        _ => Kind::Other,
    }
}

impl Binder {
    /// The document's clock was set; it is that time in truth.
    pub(crate) fn set_clock(&mut self, document: i64, real: i64) {
        self.clock.push((document, real));
    }

    /// What a time of the document is in truth, as far as the clock was set before it.
    fn real_time(&self, document: i64) -> i64 {
        let set = self.clock.iter().rev().find(|(at, _)| *at <= document).or(self.clock.first());
        let (at, real) = set.expect("the clock is set first");
        real + (document - at)
    }

    /// Binds a pair, or says with what one of them is bound already.
    fn bind(&mut self, document: &str, real: &str) -> Result<(), String> {
        let bound = self.real.entry(document.to_owned()).or_insert_with(|| real.to_owned());
        if bound != real {
            return Err(format!("{document} was {bound} before, and is {real} now"));
        }
        let back = self.document.entry(real.to_owned()).or_insert_with(|| document.to_owned());
        if back == document { Ok(()) } else { Err(format!("{real} was {back} before, and is {document} now")) }
    }

    /// A text of the document with all that is bound as it is in truth. Times ahead, which a client says, are moved and bound.
    pub(crate) fn translate(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(time) = rest.get(..24).filter(|time| kind(time) == Kind::Time && !self.real.contains_key(*time)) {
                let real = write_time(self.real_time(read_time(&time.into()).expect("a time")));
                self.real.insert(time.to_owned(), real);
            }
            match self.real.iter().find(|(document, _)| rest.starts_with(document.as_str())) {
                Some((document, real)) => {
                    out.push_str(real);
                    rest = &rest[document.len()..];
                }
                None => {
                    out.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        out
    }

    /// Whether a header of the relay says what the document says; binds what is seen for the first time.
    pub(crate) fn meet(&mut self, due: &Value, got: &Value, text: &[u8]) -> Result<(), String> {
        let mut due = due.clone();
        self.meet_value(&mut due, got)?;
        let id = got.get("msgid").or(got.get("id")).and_then(Value::as_str);
        if let (Some(id), Some(posted)) = (id, got.get("posted").and_then(Value::as_str)) {
            let before = self.posted.entry(id.to_owned()).or_insert_with(|| posted.to_owned());
            if before != posted {
                return Err(format!("{id} was posted at {before}, and now at {posted}"));
            }
        }
        if due.get("headsum").is_some() {
            due["headsum"] = headsum(&due).into();
        }
        let due = canonical(&due);
        if due.as_bytes() == text { Ok(()) } else { Err(format!("the header is due as\n  {due}")) }
    }

    /// Turns a value of the document into what it is in truth.
    fn meet_value(&mut self, due: &mut Value, got: &Value) -> Result<(), String> {
        match (due, got) {
            (Value::String(due), Value::String(got)) => self.meet_text(due, got),
            (Value::Array(due), Value::Array(got)) if due.len() == got.len() => {
                due.iter_mut().zip(got).try_for_each(|(due, got)| self.meet_value(due, got))
            }
            (Value::Object(due), Value::Object(got)) => {
                due.iter_mut().try_for_each(|(key, due)| got.get(key).map_or(Ok(()), |got| self.meet_value(due, got)))
            }
            // What differs is found when the whole is compared.
            _ => Ok(()),
        }
    }

    fn meet_text(&mut self, due: &mut String, got: &str) -> Result<(), String> {
        let of = kind(due);
        if of == Kind::Other || self.real.contains_key(due.as_str()) {
            *due = self.translate(due);
            return Ok(());
        }
        if kind(got) != of {
            return Err(format!("{got} comes for {due}"));
        }
        if of == Kind::Time {
            let (should, is) = (self.real_time(read_time(&due.as_str().into())?), read_time(&got.into())?);
            if (should - is).abs() > SLACK {
                return Err(format!("{got} comes for {due}, which should be about {}", write_time(should)));
            }
        } else {
            self.bind(due, got)?;
        }
        *due = got.to_owned();
        Ok(())
    }
}
