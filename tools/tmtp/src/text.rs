//! Texts of others, made fit for a terminal, a file name, or a decision.

use mnm::base::Uid;

/// A file's name is cut to this many octets: what stands before it (an id) and behind it (a number) must fit too.
const FILE_NAME_MAX: usize = 120;

/// Whether this has the form of a uid.
pub(crate) fn is_uid(text: &str) -> bool {
    Uid::parse(text).is_some()
}

/// The same text on one line, without what could drive a terminal: control characters are written as escapes, and so are
/// those that turn the direction of writing, with which one name can look like another.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unfit(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// A name for a file, out of what a sender says: the last component of a path, without anything that hides it, leads elsewhere
/// or confuses who reads it, be it a program that takes it for an option; `None` if nothing is left.
pub(crate) fn file_name(said: &str) -> Option<String> {
    let last = said.rsplit(['/', '\\']).find(|part| !part.trim_matches(['.', ' ']).is_empty())?;
    let clean: String = last.chars().map(|c| if is_unfit(c) || c == ':' { '_' } else { c }).collect();
    let clean = clean.trim_start_matches(['.', ' ', '-']).trim_end_matches(['.', ' ']);
    let clean = cut(clean);
    (!clean.is_empty()).then_some(clean)
}

/// Cuts a long name in the middle of its stem, so that its ending stays.
fn cut(name: &str) -> String {
    if name.len() <= FILE_NAME_MAX {
        return name.to_owned();
    }
    let ending = name.rfind('.').map(|at| &name[at..]).filter(|ending| ending.len() <= 16).unwrap_or("");
    let mut end = FILE_NAME_MAX - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}

/// Control and format characters, and what breaks lines.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_no_orders_from_messages() {
        assert_eq!(shown("a\x1b[2J\r\nb\u{202e}c é"), "a\\u{1b}[2J\\r\\nb\\u{202e}c é");
    }

    #[test]
    fn names_of_files_lead_nowhere() {
        for (said, name) in [
            ("report.pdf", Some("report.pdf")),
            ("../../x", Some("x")),
            ("/etc/passwd", Some("passwd")),
            ("..\\..\\boot.ini", Some("boot.ini")),
            (".bashrc", Some("bashrc")),
            ("a/..", Some("a")),
            ("-rf", Some("rf")),
            ("a\nb\x1b", Some("a_b_")),
            ("C:stream", Some("C_stream")),
            ("x\u{202e}fdp.exe", Some("x_fdp.exe")),
            ("", None),
            ("..", None),
            ("/", None),
            (" . ", None),
        ] {
            assert_eq!(file_name(said).as_deref(), name, "{said:?}");
        }
        let long = file_name(&format!("{}.tar", "é".repeat(2000))).unwrap();
        assert!(long.len() <= FILE_NAME_MAX && long.starts_with('é') && long.ends_with("é.tar"), "{long}");
        assert!(file_name(&format!("a.{}", "b".repeat(4096))).unwrap().len() <= FILE_NAME_MAX);
    }
}
