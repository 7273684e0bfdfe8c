//! Text that becomes part of a page.

use std::fmt::Write;

/// The text so that it stands in the page as it is, between tags as well as in a quoted attribute.
///
/// Notes quote what a relay sent: characters that steer a terminal or turn the direction of what follows, and those that no XML
/// may contain, are replaced.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ if character.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A table: a head, unless it is empty, and rows of one cell each column. Everything in it is escaped here.
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<(Vec<String>, bool)>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|cell| escaped(cell)).collect(), rows: Vec::new() }
    }

    pub(super) fn row<Cell: AsRef<str>>(&mut self, name: &str, cells: impl IntoIterator<Item = Cell>) {
        self.push(name, cells, false);
    }

    /// A row that says what is wrong.
    pub(super) fn fault<Cell: AsRef<str>>(&mut self, name: &str, cells: impl IntoIterator<Item = Cell>) {
        self.push(name, cells, true);
    }

    fn push<Cell: AsRef<str>>(&mut self, name: &str, cells: impl IntoIterator<Item = Cell>, is_fault: bool) {
        let cells = cells.into_iter().map(|cell| escaped(cell.as_ref()));
        self.rows.push((std::iter::once(escaped(name)).chain(cells).collect(), is_fault));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As a card of the page, with its title. Nothing if the table is empty.
    pub(super) fn card(&self, title: &str) -> String {
        self.card_of_class(title, "numbers")
    }

    /// The same for cells that are words, and may be long.
    pub(super) fn card_of_words(&self, title: &str) -> String {
        self.card_of_class(title, "words")
    }

    fn card_of_class(&self, title: &str, class: &str) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut text = format!("<section class=\"card\"><h2>{}</h2><table class=\"{class}\">", escaped(title));
        if !self.head.is_empty() {
            text.push_str("<thead><tr>");
            for cell in &self.head {
                let _ = write!(text, "<th scope=\"col\">{cell}</th>");
            }
            text.push_str("</tr></thead>");
        }
        text.push_str("<tbody>\n");
        for (cells, is_fault) in &self.rows {
            text.push_str(if *is_fault { "<tr class=\"fault\">" } else { "<tr>" });
            for (index, cell) in cells.iter().enumerate() {
                let _ = if index == 0 { write!(text, "<th scope=\"row\">{cell}</th>") } else { write!(text, "<td>{cell}</td>") };
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody></table></section>\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escaped("<b a='1' b=\"2\">&amp;"), "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;amp;");
        assert_eq!(escaped("a\u{1b}[2J\0\u{202e}b\nc"), "a\u{fffd}[2J\u{fffd}\u{fffd}b\nc");
    }

    #[test]
    fn an_empty_table_has_no_card() {
        let mut table = Table::new(&["", "<n>"]);
        assert_eq!(table.card("Counts"), "");
        table.fault("lost", ["3"]);
        assert!(table.card("Counts").contains("&lt;n&gt;"));
        assert!(table.card("Counts").contains("<tr class=\"fault\"><th scope=\"row\">lost</th><td>3</td></tr>"));
    }
}
