//! The document's sections and tables.

/// What stands below a heading that begins so, up to the next heading of any level.
pub(crate) fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, text) = document.split_once(&format!("# {heading} ")).unwrap_or_else(|| panic!("no section {heading}"));
    text.find("\n#").map_or(text, |end| &text[..end])
}

/// The rows of all tables of a text without their heads: cells without the space around them.
pub(crate) fn rows(text: &str) -> Vec<Vec<&str>> {
    let mut rows = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        // A head is what has a rule below it.
        if lines.next_if(|next| next.starts_with("|---")).is_none() && line.starts_with('|') {
            rows.push(line.trim_matches('|').split('|').map(str::trim).collect());
        }
    }
    rows
}

/// What stands in `code` in a text.
pub(crate) fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The anchor of a heading, as it is linked.
pub(crate) fn anchor(heading: &str) -> String {
    let keep = |c: char| c.is_alphanumeric() || c == '-' || c == ' ' || c == '_';
    heading.trim().to_lowercase().chars().filter(|c| keep(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_without_their_heads() {
        let text = "## 1. One\n\n| a | b |\n|---|---|\n| `x` (y) | 2 |\n\ntext\n| | |\n|---|---|\n| 3 | 4 |\n### 1.1. Two\n| 5 |\n";
        assert_eq!(rows(section(text, "1.")), [["`x` (y)", "2"], ["3", "4"]]);
        assert_eq!(rows(section(text, "1.1.")), [["5"]]);
        assert_eq!(code("`x` (y) `z`"), ["x", "z"]);
        assert_eq!(anchor("8.3. UserEdit: aliases that end, `x`"), "83-useredit-aliases-that-end-x");
    }
}
