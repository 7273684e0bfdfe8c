//! The small languages inside a transcript's lines: repetition, escapes, where a JSON value ends.

/// What stands between `${` and `}` for when the line is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Later<'a> {
    /// `${now+2}`: a time so many seconds from now; `${e=now+2}` keeps it as a variable; `${now+2 in +05:30}` writes it with that
    /// offset.
    Moment { name: Option<&'a str>, seconds: f64, offset: Option<&'a str> },
    /// `${code lower}`, `${code spaced}`, `${code bare}`: a variable's value, written otherwise.
    Written { name: &'a str, how: &'a str },
}

impl Later<'_> {
    /// The first of them in a text, with what is before and behind it.
    pub(crate) fn find(text: &str) -> Option<(&str, Later<'_>, &str)> {
        text.match_indices("${").find_map(|(at, _)| {
            let end = at + text[at..].find('}')?;
            let later = Later::read(&text[at + 2..end])?;
            Some((&text[..at], later, &text[end + 1..]))
        })
    }

    fn read(inner: &str) -> Option<Later<'_>> {
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric());
        if let Some((name, how @ ("lower" | "spaced" | "bare"))) = inner.split_once(' ') {
            return is_name(name).then_some(Later::Written { name, how });
        }
        let (inner, offset) = inner.split_once(" in ").map_or((inner, None), |(inner, offset)| (inner, Some(offset)));
        let (name, time) = inner.split_once('=').map_or((None, inner), |(name, time)| (Some(name), time));
        let seconds = time.strip_prefix("now").filter(|_| name.is_none_or(is_name))?;
        let seconds = match seconds.as_bytes().first() {
            None => 0.0,
            Some(b'+' | b'-') => seconds.parse().ok()?,
            Some(_) => return None,
        };
        Some(Later::Moment { name, seconds, offset })
    }
}

/// Whether a text is what `due` says, in which each `*` is any text.
pub(crate) fn is_like(due: &str, got: &str) -> bool {
    match due.split_once('*') {
        None => due == got,
        Some((first, rest)) => got
            .strip_prefix(first)
            .is_some_and(|got| (0..=got.len()).filter(|at| got.is_char_boundary(*at)).any(|at| is_like(rest, &got[at..]))),
    }
}

/// Writes out `${text*3}`, so that a line stays readable where its meaning is a length. What is for later stays.
pub(crate) fn unroll(line: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("${") {
        let inner = &rest[at + 2..];
        if let Some(end) = inner.find('}').filter(|end| Later::read(&inner[..*end]).is_some()) {
            out.push_str(&rest[..at + 2 + end + 1]);
            rest = &inner[end + 1..];
            continue;
        }
        let (text, times, len) = repetition(inner).ok_or_else(|| format!("`${{` without `*number}}`: {rest}"))?;
        out.push_str(&rest[..at]);
        out.push_str(&text.repeat(times));
        rest = &inner[len..];
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands before `*number}`, the number, and the length of the whole.
fn repetition(inner: &str) -> Option<(&str, usize, usize)> {
    inner.match_indices('*').find_map(|(star, _)| {
        let end = star + inner[star..].find('}')?;
        Some((&inner[..star], inner[star + 1..end].parse().ok()?, end + 1))
    })
}

/// `\xNN` is an octet, wherever JSON does not give the backslash a meaning; with `all`, `\n`, `\r`, `\t` and `\\` count too.
pub(crate) fn unescape(text: &str, all: bool) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (octets, used): (&[u8], usize) = match (bytes[at], bytes.get(at + 1), all) {
            (b'\\', Some(b'x'), _) => {
                let digits = text.get(at + 2..at + 4).ok_or("\\x wants two hex digits")?;
                (&[u8::from_str_radix(digits, 16).map_err(|_| "\\x wants two hex digits")?], 4)
            }
            (b'\\', Some(b'n'), true) => (b"\n", 2),
            (b'\\', Some(b'r'), true) => (b"\r", 2),
            (b'\\', Some(b't'), true) => (b"\t", 2),
            (b'\\', Some(_), true) => (&bytes[at + 1..at + 2], 2),
            (b'\\', Some(_), false) => (&bytes[at..at + 2], 2),
            _ => (&bytes[at..=at], 1),
        };
        out.extend_from_slice(octets);
        at += used;
    }
    Ok(out)
}

/// Octets behind a header: text with escapes, or `@5000000` (that many noisy octets, `@5000000:7` others, `@5@6` both in a row).
pub(crate) fn data(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix('@') {
        Some(noises) => noises.split('@').map(noise).collect::<Result<Vec<_>, _>>().map(|noises| noises.concat()),
        None => unescape(text, true),
    }
}

fn noise(noise: &str) -> Result<Vec<u8>, String> {
    let (len, seed) = noise.split_once(':').unwrap_or((noise, "0"));
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("@ wants a number: {text}"));
    let (len, mut state) = (number(len)?, (number(seed)? as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut noise = Vec::with_capacity(len + 8);
    while noise.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(len);
    Ok(noise)
}

/// Where the JSON value at the beginning of `text` ends; `None` if it does not. Only quotes and brackets are looked at, so
/// that values can be wrong within.
pub(crate) fn value_end(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.bytes().enumerate() {
        match c {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b' ' if depth == 0 => return Some(at),
            _ => {}
        }
        if depth == 0 && !quoted && matches!(c, b'}' | b']' | b'"') {
            return Some(at + 1);
        }
    }
    (depth == 0 && !quoted && !text.is_empty()).then_some(text.len())
}

/// Splits a line at spaces that are not inside a JSON value.
pub(crate) fn words(mut line: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    loop {
        line = line.trim_start();
        if line.is_empty() {
            return Ok(words);
        }
        let end = value_end(line).ok_or_else(|| format!("a value without an end: {line}"))?;
        words.push(&line[..end]);
        line = &line[end..];
    }
}

/// The fields of a JSON object's text, each value as it is written.
pub(crate) fn fields(object: &str) -> Result<Vec<(String, String)>, String> {
    let inner = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(|| format!("not an object: {object}"))?;
    let mut fields = Vec::new();
    let mut rest = inner;
    while !rest.is_empty() {
        let key_end = value_end(rest).ok_or("a key without an end")?;
        let after = rest[key_end..].strip_prefix(':').ok_or_else(|| format!("a key without a value: {rest}"))?;
        let len = if after.starts_with(['{', '[', '"']) { value_end(after) } else { Some(after.find(',').unwrap_or(after.len())) };
        let len = len.ok_or_else(|| format!("a value without an end: {after}"))?;
        fields.push((rest[1..key_end - 1].to_string(), after[..len].to_string()));
        rest = after[len..].strip_prefix(',').unwrap_or(&after[len..]);
    }
    Ok(fields)
}

/// Puts an object's text together again.
pub(crate) fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_unroll() {
        assert_eq!(unroll(r#"a${x*3}b${,{"*":1}*2}"#).unwrap(), r#"axxxb,{"*":1},{"*":1}"#);
        assert!(unroll("${x}").is_err());
        assert_eq!(unroll("a${now+2}b${now*2}c${e=now-1.5}").unwrap(), "a${now+2}bnownowc${e=now-1.5}");
    }

    #[test]
    fn what_is_for_later_is_found() {
        let moment = |name, seconds, offset| Later::Moment { name, seconds, offset };
        assert_eq!(Later::find("a ${x} ${now} b"), Some(("a ${x} ", moment(None, 0.0, None), " b")));
        assert_eq!(Later::find("${e1=now+2.5}"), Some(("", moment(Some("e1"), 2.5, None), "")));
        assert_eq!(Later::find("${now-2 in +05:30}"), Some(("", moment(None, -2.0, Some("+05:30")), "")));
        assert_eq!(Later::find("x${code lower}"), Some(("x", Later::Written { name: "code", how: "lower" }, "")));
        for none in ["${now2}", "${nowhere}", "${=now}", "${now+}", "now+2", "${now+2", "${code upper}", "${ lower}"] {
            assert_eq!(Later::find(none), None, "{none}");
        }
    }

    #[test]
    fn stars_are_any_text() {
        for (due, got, like) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*é*", "xéy", true),
            ("a*c*e", "abcdce", true),
            ("a*c", "abd", false),
            ("a", "ab", false),
        ] {
            assert_eq!(is_like(due, got), like, "{due} {got}");
        }
    }

    #[test]
    fn values_end_where_they_end() {
        assert_eq!(value_end(r#"{"a":"}\"{"} data"#), Some(12));
        assert_eq!(value_end(r#"{"a":1"#), None);
        assert_eq!(words(r#"- "" "a b" [1, 2] {} 7 4e0"#).unwrap(), ["-", "\"\"", "\"a b\"", "[1, 2]", "{}", "7", "4e0"]);
        let object_text = r#"{"op":Post,"for":[{"a":1,"b":2}],"s":"a,b","n":4}"#;
        assert_eq!(fields(object_text).unwrap().len(), 4);
        assert_eq!(object(&fields(object_text).unwrap()), object_text);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r#"{"a":"\n\\x41\xff"}"#, false).unwrap(), b"{\"a\":\"\\n\\\\x41\xff\"}");
        assert_eq!(data(r"\x00\n\\\@").unwrap(), b"\0\n\\@");
        assert_eq!(data("@5").unwrap().len(), 5);
        assert_eq!(data("@5:1@7:2").unwrap(), [data("@5:1").unwrap(), data("@7:2").unwrap()].concat());
        assert_ne!(data("@50:1").unwrap(), data("@50:2").unwrap());
    }
}
