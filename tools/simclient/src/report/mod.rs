//! Telling: lines while it runs; a table, a JSON file and a page when it is done; two results side by side.

mod compare;
mod html;
#[cfg(test)]
mod made_up;
mod progress;
mod quantity;
mod table;

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::Failure;
use crate::summary::Summary;
pub(crate) use compare::{compare, read};
pub(crate) use html::write as write_page;
pub(crate) use progress::Progress;
pub use table::table;

/// Prints a text for people. Whoever closed the pipe has seen enough: that is no error of ours.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(format!("the summary could not be printed: {error}"))),
        _ => Ok(()),
    }
}

/// The summary for programs.
pub(crate) fn write_json(path: &Path, summary: &Summary) -> Result<(), Failure> {
    let mut json = serde_json::to_vec_pretty(summary).expect("a summary has nothing JSON cannot hold");
    json.push(b'\n');
    std::fs::write(path, json).map_err(|e| Failure::Output(format!("--json {}: {e}", path.display())))
}
