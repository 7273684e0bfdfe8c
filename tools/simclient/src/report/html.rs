//! The page: what came out of a test as one file that needs nothing else, with charts.
//!
//! `page` has the words and their order, `cards` the tables, `charts` says what is drawn, `plot` draws one chart on two `axis`es
//! from the stretches of a `timeline`, `style` has the colours, and `markup` keeps data from becoming markup.
//!
//! The page asks for nothing from outside and runs no script, so that it can be kept, mailed and put beside others for years.

mod axis;
mod cards;
mod charts;
mod command;
mod markup;
mod page;
mod plot;
mod style;
#[cfg(test)]
mod tests;
mod timeline;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::summary::Summary;

/// The page's file.
const FILE: &str = "index.html";

/// Writes the page into the directory, which is created if it is not there; tells where it is.
///
/// # Errors
/// [`Failure::Output`] if the directory or the file cannot be written.
pub(crate) fn write(directory: &Path, summary: &Summary) -> Result<PathBuf, Failure> {
    let page = page::page(summary)?;
    let file = directory.join(FILE);
    let failed = |path: &Path, error| Failure::Output(format!("the report could not be written to {}: {error}", path.display()));
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    fs::write(&file, page).map_err(|error| failed(&file, error))?;
    Ok(file)
}
