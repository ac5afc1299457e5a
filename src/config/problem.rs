//! What is wrong with a configuration, all of it at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::diagnostics::Location;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In `config/default.toml`.
    Default,
    /// In a file.
    File(Location),
    /// In a variable of this name.
    Variable(String),
    /// On the command line, as this key.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(location) => location.fmt(f),
            Self::Variable(name) => f.write_str(&crate::text::shown(name, usize::MAX)),
            Self::Flag(key) => write!(f, "flag {key}"),
        }
    }
}

/// One thing wrong, shown as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The dotted key; empty for syntax.
    pub key: String,
    /// What was expected, what was found, and what to write instead where that is known.
    pub what: String,
}

impl Problem {
    pub(super) fn new(origin: Origin, key: impl Into<String>, what: impl fmt::Display) -> Self {
        Self {
            origin,
            key: key.into(),
            what: what.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        let names_itself = matches!(self.origin, Origin::Variable(_) | Origin::Flag(_));
        if !self.key.is_empty() && !names_itself {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line, or one of those looked for, cannot be read.
    #[error("cannot read the configuration {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that nobody named, which another user could have written.
    #[error("refused to read {}: {reason}", file.display())]
    Untrusted {
        /// The file.
        file: PathBuf,
        /// Who could have, and what to do.
        reason: String,
    },
    /// A `.env` that cannot be parsed; the text is not shown, as it may hold a token.
    #[error("{}: {what}; lines are NAME=value", file.display())]
    Dotenv {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The values are wrong: one line for each.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// Nothing to work with.
    #[error(
        "{}no [[shops]]; add one with name, token_file and mode to a configuration file, or set KASPI_TOKEN",
        file.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default()
    )]
    NoShops {
        /// The file that was read, if any.
        file: Option<PathBuf>,
    },
    /// Checked values that still do not fit together: a mistake in this program.
    #[error("the configuration does not fit at {path}")]
    Internal {
        /// The dotted key.
        path: String,
    },
}

impl ConfigError {
    /// The exit code: usage or configuration.
    pub const fn exit_code(&self) -> u8 {
        2
    }

    /// The problems, when that is what went wrong.
    pub fn problems(&self) -> &[Problem] {
        if let Self::Invalid(problems) = self {
            problems
        } else {
            &[]
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
