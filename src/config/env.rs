//! The process environment over the `.env` beside the configuration file, as a value: nothing is ever set.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::implicit_file::{self, GroupWrites};
use super::problem::ConfigError;

/// Variables by name. Values may be tokens and are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env {
    variables: BTreeMap<String, String>,
    file: Option<PathBuf>,
    /// The variables whose value the file gives.
    of_file: BTreeSet<String>,
}

impl Env {
    /// The process environment, then the `.env` beside the configuration file; the first that has a variable
    /// wins. Without a configuration file no `.env` is read: that of the working directory may belong to
    /// somebody else, and would choose where the token is sent.
    ///
    /// # Errors
    /// A `.env` that exists but cannot be read or parsed, or that another user could have written.
    pub fn capture(config_file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let beside = config_file.map(|file| file.with_file_name(".env"));
        let Some((file, text)) = beside.map(read).transpose()?.flatten() else {
            return Ok(Self::from(variables));
        };
        let mut of_file = BTreeSet::new();
        for (name, value) in parse(&file, &text)? {
            if let Entry::Vacant(entry) = variables.entry(name) {
                of_file.insert(entry.key().clone());
                entry.insert(value);
            }
        }
        Ok(Self {
            variables,
            file: Some(file),
            of_file,
        })
    }

    /// The `.env` that was read, if there was one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The `.env`, where it gives this variable its value.
    pub fn file_with(&self, name: &str) -> Option<&Path> {
        self.file().filter(|_| self.of_file.contains(name))
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl From<BTreeMap<String, String>> for Env {
    fn from(variables: BTreeMap<String, String>) -> Self {
        Self {
            variables,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Env({} variables)", self.variables.len())
    }
}

fn read(file: PathBuf) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let text = implicit_file::read(&file, GroupWrites::Refused)?;
    Ok(text.map(|text| (file, text)))
}

fn parse(file: &Path, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let entries = dotenvy::from_read_iter(text.as_bytes()).enumerate();
    // The cause is left out: it quotes the line, which may hold a token.
    let unreadable = |index: usize| ConfigError::Dotenv {
        file: file.to_owned(),
        what: format!("entry {} cannot be read", index + 1),
    };
    entries
        .map(|(index, entry)| entry.map_err(|_| unreadable(index)))
        .collect()
}
