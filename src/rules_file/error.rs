//! What is wrong with a rules file: all of it at once, each with its place and what to do.

use std::fmt;

use crate::diagnostics::Location;

/// One mistake and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its place, in the file that was named to the loader.
    pub at: Location,
    /// What is wrong.
    pub what: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Every mistake of a rules file, in the order in which they stand there; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError {
    /// The mistakes.
    pub problems: Vec<Problem>,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for RulesError {}
