//! Stock sources: text in, rows or errors with file and line out. Nothing is taken from a file with
//! a single bad line.

pub mod csv_file;

use std::fmt;
use std::path::PathBuf;

/// One thing wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, what was expected, and the nearest right name.
    pub what: String,
}

/// A source that was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    /// The file.
    pub file: PathBuf,
    /// All that is wrong, in the order of the file, the first [`SourceError::SHOWN`] of it.
    pub problems: Vec<Problem>,
    /// How many there are in all.
    pub total: usize,
}

impl SourceError {
    /// Problems kept of one file: more only repeat the first.
    pub const SHOWN: usize = 20;
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(
                f,
                "{}:{}: {}",
                self.file.display(),
                problem.line,
                problem.what
            )?;
        }
        if self.total > self.problems.len() {
            writeln!(f, "… and {} more", self.total - self.problems.len())?;
        }
        write!(f, "nothing was imported: the stock is as it was")
    }
}

impl std::error::Error for SourceError {}
