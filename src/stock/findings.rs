//! The errors of a stock source.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::text::shown;

/// Longest text of one error, in characters.
const WHAT_CHARS_MAX: usize = 400;
/// Longest quotation of a cell, in characters.
const CELL_CHARS_MAX: usize = 32;

/// A cell as an error quotes it.
pub(super) fn quoted(cell: &str) -> String {
    format!("'{}'", shown(cell, CELL_CHARS_MAX))
}

/// One error in a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The line or row, from 1.
    pub line: u64,
    /// What is wrong and what was expected, on one line.
    pub what: String,
}

/// The errors of a source, which is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceError {
    /// The file.
    pub file: PathBuf,
    /// The first [`SourceError::SHOWN`] errors, in the order of the file.
    pub problems: Vec<Problem>,
    /// The number of all errors.
    pub total: usize,
    /// Whether the process that read it was ended by its limits.
    #[serde(default)]
    pub has_ended_reader: bool,
}

impl SourceError {
    /// Most errors that are kept of one file.
    pub const SHOWN: usize = 20;

    /// An error of the file as a whole.
    pub(super) fn whole(file: &Path, what: impl Into<String>) -> Self {
        Findings::new(file).refuse(1, what)
    }

    /// An error at a line for which the file is refused.
    pub(super) fn at(file: &Path, line: u64, what: impl Into<String>) -> Self {
        Findings::new(file).refuse(line, what)
    }

    /// The first error on one line, for a log.
    pub fn brief(&self) -> String {
        let first = self.problems.first();
        let first = first.map_or_else(String::new, |p| format!("line {}: {}", p.line, p.what));
        match self.total {
            0 | 1 => first,
            more => format!("{first}; and {} more", more - 1),
        }
    }
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
        write!(f, "nothing was imported; the stock is unchanged")
    }
}

impl std::error::Error for SourceError {}

/// Collects the errors of one file.
pub(super) struct Findings<'a> {
    file: &'a Path,
    problems: Vec<Problem>,
    pub(super) total: usize,
}

impl<'a> Findings<'a> {
    pub(super) fn new(file: &'a Path) -> Self {
        Self {
            file,
            problems: Vec::new(),
            total: 0,
        }
    }

    pub(super) fn add(&mut self, line: u64, what: impl Into<String>) {
        self.total += 1;
        if self.problems.len() < SourceError::SHOWN {
            // An error quotes the file's own text.
            let what = shown(&what.into(), WHAT_CHARS_MAX);
            self.problems.push(Problem { line, what });
        }
    }

    /// Refuses the file for one reason alone.
    pub(super) fn only(mut self, line: u64, what: impl Into<String>) -> SourceError {
        self.problems.clear();
        self.total = 0;
        self.refuse(line, what)
    }

    pub(super) fn refuse(mut self, line: u64, what: impl Into<String>) -> SourceError {
        self.add(line, what);
        self.into_error()
    }

    /// Refuses the file because of what was found, in the order of the file.
    pub(super) fn into_error_as(mut self, what: &str) -> SourceError {
        self.problems.sort_by_key(|problem| problem.line);
        if let Some(first) = self.problems.first_mut() {
            first.what = format!("{} ({what})", first.what);
        }
        self.into_error()
    }

    /// What was found, in the order of the file, and the number of all of it.
    pub(super) fn into_problems(mut self) -> (Vec<Problem>, usize) {
        self.problems.sort_by_key(|problem| problem.line);
        (self.problems, self.total)
    }

    pub(super) fn into_error(self) -> SourceError {
        SourceError {
            file: self.file.to_owned(),
            problems: self.problems,
            total: self.total,
            has_ended_reader: false,
        }
    }
}
