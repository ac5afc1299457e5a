//! What is wrong with a source.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line or row, from 1.
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

    /// One problem with the file as a whole.
    pub(super) fn whole(file: &Path, what: impl Into<String>) -> Self {
        Findings::new(file).refuse(1, what.into())
    }

    /// The first problem, in one line, for a log.
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
        write!(f, "nothing was imported: the stock is as it was")
    }
}

impl std::error::Error for SourceError {}

/// The problems of one file as they are found.
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

    pub(super) fn add(&mut self, line: u64, what: String) {
        self.total += 1;
        if self.problems.len() < SourceError::SHOWN {
            self.problems.push(Problem { line, what });
        }
    }

    pub(super) fn refuse(mut self, line: u64, what: String) -> SourceError {
        self.add(line, what);
        self.into_error()
    }

    pub(super) fn into_error(self) -> SourceError {
        SourceError {
            file: self.file.to_owned(),
            problems: self.problems,
            total: self.total,
        }
    }
}
