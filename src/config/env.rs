//! The process environment over `.env`, as a value: nothing is ever set.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use super::problem::ConfigError;

/// Variables by name. Values may be tokens and are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The process environment, then `.env` beside the configuration file, then `.env` in the
    /// working directory; the first that has a variable wins.
    ///
    /// # Errors
    /// A `.env` that exists but cannot be read or parsed.
    pub fn capture(config_file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut vars: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let beside = config_file
            .and_then(Path::parent)
            .map(|parent| parent.join(".env"));
        for file in beside.into_iter().chain([".env".into()]) {
            for (name, value) in read_dotenv(&file)? {
                vars.entry(name).or_insert(value);
            }
        }
        Ok(Self(vars))
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl From<BTreeMap<String, String>> for Env {
    fn from(vars: BTreeMap<String, String>) -> Self {
        Self(vars)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Env({} variables)", self.0.len())
    }
}

fn read_dotenv(file: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let failed = |what: String| ConfigError::Dotenv {
        file: file.to_owned(),
        what,
    };
    let lines = match dotenvy::from_path_iter(file) {
        Ok(lines) => lines,
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(dotenvy::Error::Io(error)) => return Err(failed(error.to_string())),
        Err(_) => return Err(failed("cannot be read".to_owned())),
    };
    let mut found = Vec::new();
    for (index, line) in lines.enumerate() {
        let place = || failed(format!("entry {} cannot be read", index + 1));
        found.push(line.map_err(|_| place())?);
    }
    Ok(found)
}
