//! Whether a header is the one that was due, and what its variables stand for then.

use std::collections::BTreeMap;

use serde_json::Value;

use super::variable;
use crate::common::frame::read_time;
use crate::common::text::{Later, is_like};

/// What is known while headers are looked at.
pub(super) struct Fit {
    /// Variables.
    pub(super) values: BTreeMap<String, Value>,
    /// What the relay's calendar shows, and how near to it a time must be that was made a moment ago; milliseconds.
    pub(super) date: i64,
    pub(super) slack: i64,
}

impl Fit {
    /// Whether `got` is what is `due`: `"*"` is anything, `"$x"` a value that is bound now or was before, `["~", ...]` a list in
    /// any order, `"${now+2}"` about that time, other stars in a text any text.
    pub(super) fn fits(&mut self, due: &Value, got: &Value) -> Result<(), String> {
        match (due, got) {
            (Value::String(due), _) if due == "*" => Ok(()),
            (Value::String(due), _) if is_variable(due) => match self.values.get(&due[1..]) {
                Some(value) if value == got => Ok(()),
                Some(value) => Err(format!("{due} is {value}, not {got}")),
                None => {
                    self.values.insert(due[1..].into(), got.clone());
                    Ok(())
                }
            },
            (Value::String(due), Value::String(got)) if due.contains(['*', '$']) => {
                let due = self.known(due);
                self.is_like(&due, got).map_err(|trouble| format!("{got:?}, due {due:?}{trouble}"))
            }
            (Value::Array(due), Value::Array(got)) if due.first().is_some_and(|first| first == "~") => {
                let mut left = got.clone();
                for due in &due[1..] {
                    let at = left.iter().position(|got| self.fits(due, got).is_ok()).ok_or_else(|| format!("{due} is not there"))?;
                    left.remove(at);
                }
                if left.is_empty() { Ok(()) } else { Err(format!("{left:?} too much")) }
            }
            (Value::Array(due), Value::Array(got)) if due.len() == got.len() => {
                due.iter().zip(got).try_for_each(|(due, got)| self.fits(due, got))
            }
            (Value::Object(due), Value::Object(got)) => {
                if let Some(key) = got.keys().find(|key| !due.contains_key(*key)) {
                    return Err(format!("{key} is not due"));
                }
                // As in a request that is read from left to right: what is bound by one key is known in the next.
                due.iter().try_for_each(|(key, due)| {
                    let got = got.get(key).ok_or_else(|| format!("{key} is missing"))?;
                    self.fits(due, got).map_err(|trouble| format!("{key}: {trouble}"))
                })
            }
            _ if due == got => Ok(()),
            _ => Err(format!("{got}, due {due}")),
        }
    }

    /// A text with the values of the variables in it, as far as they are known.
    fn known(&self, due: &str) -> String {
        let mut parts = due.split('$');
        let mut known = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let name = variable(part);
            match self.values.get(name).and_then(Value::as_str) {
                Some(value) => known.extend([value, &part[name.len()..]]),
                None => known.extend(["$", part]),
            }
        }
        known
    }

    /// A text with stars, and at most one moment.
    fn is_like(&mut self, due: &str, got: &str) -> Result<(), &'static str> {
        let Some((before, Later::Moment { name, seconds, .. }, behind)) = Later::find(due) else {
            return if is_like(due, got) { Ok(()) } else { Err("") };
        };
        let due = self.date + (seconds * 1000.0).round() as i64;
        for (at, _) in got.match_indices("20") {
            let time = got.get(at..at + "2006-01-02T15:04:05.000Z".len()).unwrap_or_default();
            let Ok(millis) = read_time(&time.into()) else { continue };
            if is_like(before, &got[..at]) && is_like(behind, &got[at + time.len()..]) {
                self.values.extend(name.map(|name| (name.to_owned(), time.into())));
                return if (millis - due).abs() <= self.slack { Ok(()) } else { Err(", which is another time") };
            }
        }
        Err("")
    }
}

fn is_variable(due: &str) -> bool {
    due.strip_prefix('$').is_some_and(|name| !name.is_empty() && variable(name) == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_due_must_come_and_nothing_else() {
        let mut fit = Fit { values: BTreeMap::new(), date: 1_582_934_401_500, slack: 1000 };
        let due = json!({"op": "ack", "id": "$m", "for": ["~", "b", "$a"], "any": "*"});
        assert!(fit.fits(&due, &json!({"op": "ack", "id": "1", "for": ["b", "x"], "any": 7})).is_ok());
        assert_eq!((&fit.values["m"], &fit.values["a"]), (&json!("1"), &json!("x")));
        let mut again = |got| fit.fits(&due, &got);
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b"], "any": {}})).is_ok());
        assert!(again(json!({"op": "ack", "id": "2", "for": ["x", "b"], "any": 7})).unwrap_err().contains("$m"));
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x"], "any": 7})).is_err());
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b", "c"], "any": 7})).is_err());
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b"]})).unwrap_err().contains("missing"));
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b"], "any": 7, "more": 1})).unwrap_err().contains("not due"));
        assert!(fit.fits(&json!({"n": 1}), &json!({"n": 1.0})).is_err());
    }

    #[test]
    fn times_are_about_right() {
        let mut fit = Fit { values: BTreeMap::new(), date: 1_582_934_401_500, slack: 1000 };
        let mut fits = |due: &str, got: &str| fit.fits(&due.into(), &got.into()).is_ok();
        assert!(fits("${now}", "2020-02-29T00:00:02.499Z"));
        assert!(!fits("${now}", "2020-02-29T00:00:02.501Z"));
        assert!(!fits("${now}", "2020-02-29T00:00:02.501"));
        assert!(fits("${t=now-86400}", "2020-02-28T00:00:01.000Z"));
        assert!(fits("* of 3, after ${now+60}*", "ping of 3, after 2020-02-29T00:01:02.000Z."));
        assert!(!fits("* of 4, after ${now+60}*", "ping of 3, after 2020-02-29T00:01:02.000Z."));
        assert!(fits("$t", "2020-02-28T00:00:01.000Z"));
        assert!(fits("from $t on, * $u", "from 2020-02-28T00:00:01.000Z on, for $u"));
    }
}
