//! What is wrong with a value, and what to write instead.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};
use toml::Value;

use super::nearest;

/// One thing that is wrong, without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// No such key here.
    UnknownKey {
        /// As it was written.
        key: String,
        /// The keys there are.
        known: &'static [&'static str],
    },
    /// A key that must be there is not.
    MissingKey(&'static str),
    /// A value that cannot stand here.
    Value {
        /// What was expected and what was found.
        what: String,
        /// What to write instead, where that is known.
        hint: Option<String>,
    },
}

impl Mistake {
    /// A wrong value, without a hint.
    pub fn new(what: impl Into<String>) -> Self {
        Self::Value {
            what: what.into(),
            hint: None,
        }
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Value { what, .. } => Self::Value {
                what,
                hint: Some(hint.into()),
            },
            other => other,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey { key, known } => {
                f.write_str("unknown key")?;
                match nearest(key, known.iter().copied()) {
                    Some(near) => write!(f, "; did you mean {near}?"),
                    None => Ok(()),
                }
            }
            Self::MissingKey(key) => write!(f, "{key} is missing"),
            Self::Value { what, hint: None } => f.write_str(what),
            Self::Value {
                what,
                hint: Some(hint),
            } => write!(f, "{what}; {hint}"),
        }
    }
}

impl std::error::Error for Mistake {}

/// How serde reports: each of its kinds of error in our words.
impl Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(format!("expected {wanted}, found {}", unexpected(&found)))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::UnknownKey {
            key: field.to_owned(),
            known,
        }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let found = Value::String(variant.to_owned());
        let mistake = expected(one_of(known), &found);
        match nearest(variant, known.iter().copied()) {
            Some(near) => mistake.hint(format!("did you mean \"{near}\"?")),
            None => mistake,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingKey(field)
    }
}

/// A value of the wrong type, or a word that is not among the known ones.
pub fn expected(wanted: impl fmt::Display, found: &Value) -> Mistake {
    Mistake::new(format!("expected {wanted}, found {}", shown(found)))
}

/// A value as it is quoted in a message.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(is) => is.to_string(),
        Value::Datetime(_) => "a date".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

/// `"json", "text" or "journald"`
pub fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn unexpected(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Bool(is) => is.to_string(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}
