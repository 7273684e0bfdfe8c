//! Figures and tables, for a terminal or for a document.

/// How a table is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// Columns of a terminal.
    Plain,
    /// A table in Markdown.
    Markdown,
}

/// What a figure should be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Goal::AtLeast(least) => value >= least,
            Goal::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Goal::AtLeast(least) => format!("≥ {}", number(least)),
            Goal::AtMost(most) => format!("≤ {}", number(most)),
        }
    }
}

/// One quantity, as often as it was measured.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) values: Vec<f64>,
    pub(crate) goal: Option<Goal>,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, value: f64) -> Figure {
        Figure { what: what.into(), unit, values: vec![value], goal: None }
    }

    pub(crate) fn at_least(self, least: f64) -> Figure {
        Figure { goal: Some(Goal::AtLeast(least)), ..self }
    }

    pub(crate) fn at_most(self, most: f64) -> Figure {
        Figure { goal: Some(Goal::AtMost(most)), ..self }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.values)
    }

    fn row(&self) -> Vec<String> {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = if self.values.len() > 1 && least <= most { format!("{} to {}", number(least), number(most)) } else { String::new() };
        let verdict = |goal: Goal| match self.median() {
            median if !median.is_finite() => "",
            median if goal.is_met_by(median) => "met",
            _ => "missed",
        };
        let (goal, verdict) = self.goal.map_or_else(Default::default, |goal| (goal.text(), verdict(goal).to_owned()));
        vec![self.what.clone(), number(self.median()), self.unit.to_owned(), goal, verdict, range]
    }
}

/// The same figures of several runs become one each.
pub(crate) fn merge(runs: Vec<Vec<Figure>>) -> Vec<Figure> {
    let mut runs = runs.into_iter();
    let mut merged = runs.next().unwrap_or_default();
    for run in runs {
        for (into, from) in merged.iter_mut().zip(run) {
            assert_eq!(into.what, from.what, "every run measures the same");
            into.values.extend(from.values);
        }
    }
    merged
}

/// Figures as a table.
pub(crate) fn figures(title: &str, figures: &[Figure]) -> Table {
    let mut table = Table::new(title, &["", "median", "", "goal", "", "all runs"]);
    table.rows = figures.iter().map(Figure::row).collect();
    table
}

/// Rows under a title.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Table {
    title: String,
    /// The first column is text, the others are mostly numbers.
    head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &str, head: &[&str]) -> Table {
        let head = head.iter().map(|&name| name.to_owned()).collect();
        Table { title: title.to_owned(), head, rows: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn print(&self, style: Style) {
        let width = |column: usize| self.rows.iter().chain([&self.head]).map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let (edge, between) = if style == Style::Markdown { ("|", " | ") } else { ("", "  ") };
        let line = |row: &[String]| {
            let cells: Vec<String> = (0..widths.len()).map(|column| self.pad(cell(row, column), widths[column], column)).collect();
            let space = if style == Style::Markdown { " " } else { "" };
            println!("{}", format!("{edge}{space}{}{space}{edge}", cells.join(between)).trim_end());
        };
        println!("{}{}\n", if style == Style::Markdown { "## " } else { "" }, self.title);
        line(&self.head);
        match style {
            Style::Plain => println!("{}", "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1))),
            Style::Markdown => println!("|{}|", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|")),
        }
        self.rows.iter().for_each(|row| line(row));
        self.notes.iter().for_each(|note| println!("\n{note}"));
        println!();
    }

    /// Columns of numbers go to the right.
    fn pad(&self, text: &str, width: usize, column: usize) -> String {
        if column > 0 && self.rows.iter().all(|row| is_number(cell(row, column))) {
            format!("{text:>width$}")
        } else {
            format!("{text:<width$}")
        }
    }
}

fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map_or("", String::as_str)
}

/// What stands for a number that could not be measured.
const UNKNOWN: &str = "unknown";

/// Also where there is none.
fn is_number(text: &str) -> bool {
    text.is_empty() || text == UNKNOWN || text.starts_with(|first: char| first.is_ascii_digit() || "≥≤".contains(first))
}

/// The middle one, or of an even number the upper of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three digits that mean something, thousands apart.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 && text.as_bytes()[at - 1] != b'-' {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
