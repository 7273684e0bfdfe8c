//! What the checks want to know of a document, as the Markdown parser tells it.

use std::collections::BTreeSet;
use std::ops::Range;

use pulldown_cmark::{BrokenLink, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};

/// One document. Lines count from 1.
#[derive(Default)]
pub(crate) struct Document {
    pub(crate) links: Vec<Link>,
    pub(crate) headings: Vec<Heading>,
    /// Text in backticks, outside of blocks.
    pub(crate) spans: Vec<(usize, String)>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) rows: Vec<Row>,
    /// `[text][name]` for which no `[name]: target` is there.
    pub(crate) dangling: Vec<(usize, String)>,
    /// HTML other than comments.
    pub(crate) html: Vec<(usize, String)>,
}

pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

pub(crate) struct Heading {
    pub(crate) line: usize,
    pub(crate) level: usize,
    pub(crate) text: String,
    /// What GitHub calls it in addresses.
    pub(crate) anchor: String,
}

/// A fenced block.
pub(crate) struct Block {
    /// Where its fence is.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    /// The HTML comment on the line before the fence, without its brackets.
    pub(crate) mark: Option<String>,
}

/// A table's row, by cells.
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) cells: Vec<Cell>,
}

#[derive(Default)]
pub(crate) struct Cell {
    /// What it says in backticks.
    pub(crate) spans: Vec<String>,
}

impl Document {
    pub(crate) fn read(text: &str) -> Document {
        Reader::new(text).read()
    }

    pub(crate) fn anchors(&self) -> BTreeSet<&str> {
        self.headings.iter().map(|heading| heading.anchor.as_str()).collect()
    }

    /// The lines below the first heading with this text, up to the next one that is not deeper.
    pub(crate) fn section(&self, title: &str) -> Option<Range<usize>> {
        let at = self.headings.iter().position(|heading| heading.text == title)?;
        let from = &self.headings[at];
        let end = self.headings[at + 1..].iter().find(|heading| heading.level <= from.level).map_or(usize::MAX, |heading| heading.line);
        Some(from.line..end)
    }
}

/// The name of a heading in addresses: small letters, blanks as hyphens, without punctuation.
pub(crate) fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

struct Reader<'a> {
    text: &'a str,
    document: Document,
    heading: Option<Heading>,
    block: Option<Block>,
    row: Option<Row>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader { text, document: Document::default(), heading: None, block: None, row: None }
    }

    fn read(mut self) -> Document {
        let mut dangling = Vec::new();
        let mut broken = |link: BrokenLink<'a>| {
            // `[--flag VALUE]` is a way to write, and no link.
            if link.link_type != LinkType::ShortcutUnknown && link.link_type != LinkType::Shortcut {
                dangling.push((link.span.start, link.reference.to_string()));
            }
            None::<(CowStr<'a>, CowStr<'a>)>
        };
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
        for (event, range) in Parser::new_with_broken_link_callback(self.text, options, Some(&mut broken)).into_offset_iter() {
            self.take(event, range.start);
        }
        self.document.dangling = dangling.into_iter().map(|(at, name)| (self.line(at), name)).collect();
        self.document
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    fn take(&mut self, event: Event<'a>, at: usize) {
        let line = self.line(at);
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                self.heading = Some(Heading { line, level: level as usize, text: String::new(), anchor: String::new() });
            }
            Event::End(TagEnd::Heading(_)) => self.end_heading(),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let language = info.split_whitespace().next().unwrap_or("").to_owned();
                self.block = Some(Block { line, language, text: String::new(), mark: self.mark_before(line) });
            }
            Event::End(TagEnd::CodeBlock) => self.document.blocks.extend(self.block.take()),
            Event::Start(Tag::TableHead | Tag::TableRow) => self.row = Some(Row { line, cells: Vec::new() }),
            Event::Start(Tag::TableCell) => self.row.as_mut().expect("within a row").cells.push(Cell::default()),
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => self.document.rows.extend(self.row.take()),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                self.document.links.push(Link { line, target: dest_url.to_string() });
            }
            Event::Code(text) => self.code(line, &text),
            Event::Text(text) => self.words(&text),
            Event::SoftBreak | Event::HardBreak => self.words(" "),
            Event::Html(text) | Event::InlineHtml(text) => self.html(line, text.trim()),
            _ => {}
        }
    }

    fn words(&mut self, text: &str) {
        if let Some(block) = &mut self.block {
            block.text.push_str(text);
        } else if let Some(heading) = &mut self.heading {
            heading.text.push_str(text);
        }
    }

    fn code(&mut self, line: usize, text: &str) {
        if let Some(heading) = &mut self.heading {
            heading.text.push_str(text);
        }
        if let Some(cell) = self.row.as_mut().and_then(|row| row.cells.last_mut()) {
            cell.spans.push(text.to_owned());
        }
        self.document.spans.push((line, text.to_owned()));
    }

    /// The second of two headings that say the same has a number.
    fn end_heading(&mut self) {
        let mut heading = self.heading.take().expect("it began");
        let plain = slug(&heading.text);
        let same = self.document.headings.iter().filter(|other| slug(&other.text) == plain).count();
        heading.anchor = if same == 0 { plain } else { format!("{plain}-{same}") };
        self.document.headings.push(heading);
    }

    fn html(&mut self, line: usize, text: &str) {
        if !text.starts_with("<!--") || !text.ends_with("-->") {
            self.document.html.push((line, text.to_owned()));
        }
    }

    fn mark_before(&self, line: usize) -> Option<String> {
        let before = self.text.lines().nth(line.checked_sub(2)?)?;
        Some(before.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim().to_owned())
    }
}

#[test]
fn headings_are_named_as_github_names_them() {
    let document = Document::read("# A `mnm.conf`, or *two*?\n\n## Über-Größe 1.5 & more\n\nText\n\n## The same\n## The same\n");
    let anchors: Vec<&str> = document.headings.iter().map(|heading| heading.anchor.as_str()).collect();
    assert_eq!(anchors, ["a-mnmconf-or-two", "über-größe-15--more", "the-same", "the-same-1"]);
    assert_eq!(document.section("The same"), Some(7..8));
    assert_eq!(document.section("Über-Größe 1.5 & more"), Some(3..7));
    assert_eq!(document.section("Another"), None);
}

#[test]
fn blocks_have_the_mark_that_stands_right_before_them() {
    let text = "<!-- a mark -->\n```sh\nls\n```\n\n<!-- too far -->\n\n```sh\nls -l\n```\n";
    let document = Document::read(text);
    let found: Vec<_> = document.blocks.iter().map(|block| (block.line, block.mark.as_deref(), block.text.as_str())).collect();
    assert_eq!(found, [(2, Some("a mark"), "ls\n"), (8, None, "ls -l\n")]);
    assert!(document.html.is_empty(), "comments are no HTML to speak of");
}
