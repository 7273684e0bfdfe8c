//! What is printed: answers to standard output, notes and errors to standard error.
//!
//! Nothing is printed with `println!`: it panics when nobody reads.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::Value;

use crate::Failure;

/// Writes a line.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| Failure::print(&e))
}

/// Writes a JSON value on a line of its own.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    line(value)
}

/// Writes rows with their columns below each other; an empty last column leaves no blanks behind.
pub(crate) fn table(rows: &[Vec<String>]) -> Result<(), Failure> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Tells something on standard error that is no answer and no failure.
pub(crate) fn note(text: impl Display) {
    // With nobody to hear it there is nothing to be done about it.
    let _ = writeln!(io::stderr(), "tmtp: {text}");
}
