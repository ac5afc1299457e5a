//! A limit that may be relaxed explicitly.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};
use toml::Value;

use super::{duration, number};
use crate::diagnostics::{Mistake, expected, shown};

/// How a relaxed limit is written.
const OFF: &str = "off";

/// A limit, or the merchant's explicit wish to have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit<T> {
    /// In force, with its value taken literally.
    On(T),
    /// Relaxed: written as `"off"` or `false`, for durations also as `"0s"`.
    Off,
}

impl<T> Limit<T> {
    /// Whether the limit is relaxed.
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// The value while the limit is in force.
    pub const fn as_option(&self) -> Option<&T> {
        match self {
            Self::On(value) => Some(value),
            Self::Off => None,
        }
    }

    fn read<'de, D: Deserializer<'de>>(
        from: D,
        value: impl FnOnce(&Value) -> Result<T, Mistake>,
    ) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Boolean(false) => Ok(Self::Off),
            // `false` as well: a variable is always text.
            Value::String(text) if matches!(text.trim(), OFF | "false") => Ok(Self::Off),
            found => value(&found).map(Self::On).map_err(D::Error::custom),
        }
    }

    fn write<S: Serializer, W: Serialize>(
        &self,
        value: impl FnOnce(&T) -> W,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match self {
            Self::On(limit) => value(limit).serialize(serializer),
            Self::Off => OFF.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Limit<Duration> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wanted = "a duration such as \"10m\" or \"off\"";
        let limit = Self::read(from, |found| {
            duration::checked(found, wanted, 0, duration::CENTURY)
        })?;
        Ok(match limit {
            Self::On(Duration::ZERO) => Self::Off,
            limit => limit,
        })
    }
}

/// A number of actions.
impl<'de> Deserialize<'de> for Limit<u64> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::read(from, |found| {
            let count = number::checked_count(found, "a whole number or \"off\"", 0, number::MANY);
            count.map(i64::unsigned_abs)
        })
    }
}

/// A share from 0 to 1.
impl<'de> Deserialize<'de> for Limit<f64> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::read(from, |found| match number::fraction(found) {
            Some(share) if (0.0..=1.0).contains(&share) => Ok(share),
            Some(share) => {
                let mistake = Mistake::new(format!("must be 0 to 1, found {}", shown(found)));
                let is_percent = share > 1.0 && share <= 100.0;
                Err(if is_percent {
                    mistake.hint(format!("{share} % is {}", share / 100.0))
                } else {
                    mistake
                })
            }
            None => Err(expected("a share such as 0.04 or \"off\"", found)),
        })
    }
}

impl Serialize for Limit<Duration> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(|limit| duration::format(*limit), serializer)
    }
}

impl Serialize for Limit<u64> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(|limit| *limit, serializer)
    }
}

impl Serialize for Limit<f64> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(|limit| *limit, serializer)
    }
}
