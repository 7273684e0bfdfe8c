//! What can be wrong with what the operator gave us, as sentences.

use std::fmt;
use std::path::Path;

use log::Level;

/// Where it was said what a program has put together.
pub(super) const PROGRAM: &str = "the configuration";

/// Why the relay does not start: always where, what, and what to do about it.
///
/// One shape for the configuration file, the command line, the addresses and the certificates, because the operator
/// does the same with all of them: reads the sentence and changes something. Shows as one line,
/// `place: trouble; cure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: String,
    trouble: String,
    cure: String,
}

impl ConfigError {
    /// `place` is a file or `command line`; `trouble` names the key's full path or the flag; `cure` says what was
    /// expected or what to do.
    pub fn new(place: impl Into<String>, trouble: impl Into<String>, cure: impl Into<String>) -> ConfigError {
        ConfigError { place: place.into(), trouble: trouble.into(), cure: cure.into() }
    }

    /// The same about a file as a whole.
    pub fn about_file(file: &Path, trouble: impl Into<String>, cure: impl Into<String>) -> ConfigError {
        ConfigError::new(file.display().to_string(), trouble, cure)
    }

    /// The file, or `command line`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong there.
    pub fn trouble(&self) -> &str {
        &self.trouble
    }

    /// What was expected, or what to do.
    pub fn cure(&self) -> &str {
        &self.cure
    }
}

/// The same about a configuration that a program has put together.
pub(super) fn in_program(trouble: impl Into<String>, cure: impl Into<String>) -> ConfigError {
    ConfigError::new(PROGRAM, trouble, cure)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.trouble, self.cure)
    }
}

impl std::error::Error for ConfigError {}

/// Something the operator should know though the relay starts all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// `Warn` for what should be mended, `Info` for what is merely good to know.
    pub level: Level,
    /// One sentence for the log, its cure included.
    pub sentence: String,
}

impl Remark {
    /// A remark about something that should be mended.
    pub fn warn(sentence: impl Into<String>) -> Remark {
        Remark { level: Level::Warn, sentence: sentence.into() }
    }

    /// A remark that asks for nothing.
    pub fn info(sentence: impl Into<String>) -> Remark {
        Remark { level: Level::Info, sentence: sentence.into() }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
