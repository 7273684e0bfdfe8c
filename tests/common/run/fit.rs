//! Whether a header is the one that was due, and what its variables stand for then.

use std::collections::BTreeMap;

use serde_json::Value;

/// Whether `got` is what is `due`: `"*"` is anything, `"$x"` a value that is bound now or was before, `["~", ...]` a list in any
/// order.
pub(super) fn fits(due: &Value, got: &Value, values: &mut BTreeMap<String, Value>) -> Result<(), String> {
    match (due, got) {
        (Value::String(due), _) if due == "*" => Ok(()),
        (Value::String(due), _) if due.len() > 1 && due.starts_with('$') => match values.get(&due[1..]) {
            Some(value) if value == got => Ok(()),
            Some(value) => Err(format!("{due} is {value}, not {got}")),
            None => {
                values.insert(due[1..].into(), got.clone());
                Ok(())
            }
        },
        (Value::Array(due), Value::Array(got)) if due.first().is_some_and(|first| first == "~") => {
            let mut left = got.clone();
            for due in &due[1..] {
                let at = left.iter().position(|got| fits(due, got, values).is_ok()).ok_or_else(|| format!("{due} is not there"))?;
                left.remove(at);
            }
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?} too much")) }
        }
        (Value::Array(due), Value::Array(got)) if due.len() == got.len() => {
            due.iter().zip(got).try_for_each(|(due, got)| fits(due, got, values))
        }
        (Value::Object(due), Value::Object(got)) => {
            if let Some(key) = got.keys().find(|key| !due.contains_key(*key)) {
                return Err(format!("{key} is not due"));
            }
            due.iter().try_for_each(|(key, due)| {
                let got = got.get(key).ok_or_else(|| format!("{key} is missing"))?;
                fits(due, got, values).map_err(|trouble| format!("{key}: {trouble}"))
            })
        }
        _ if due == got => Ok(()),
        _ => Err(format!("{got}, due {due}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_due_must_come_and_nothing_else() {
        let mut values = BTreeMap::new();
        let due = json!({"op": "ack", "id": "$m", "for": ["~", "b", "$a"], "any": "*"});
        assert!(fits(&due, &json!({"op": "ack", "id": "1", "for": ["b", "x"], "any": 7}), &mut values).is_ok());
        assert_eq!((&values["m"], &values["a"]), (&json!("1"), &json!("x")));
        let mut again = |got| fits(&due, &got, &mut values);
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b"], "any": {}})).is_ok());
        assert!(again(json!({"op": "ack", "id": "2", "for": ["x", "b"], "any": 7})).unwrap_err().contains("$m"));
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x"], "any": 7})).is_err());
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b", "c"], "any": 7})).is_err());
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b"]})).unwrap_err().contains("missing"));
        assert!(again(json!({"op": "ack", "id": "1", "for": ["x", "b"], "any": 7, "more": 1})).unwrap_err().contains("not due"));
        assert!(fits(&json!({"n": 1}), &json!({"n": 1.0}), &mut BTreeMap::new()).is_err());
    }
}
