//! A limit that may be relaxed explicitly.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use super::span;

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
}

/// What a [`Limit`] can hold.
pub trait LimitValue: Sized {
    /// From text; `None` when it is not such a value. `Off` where the value itself means that.
    fn from_text(text: &str) -> Option<Limit<Self>>;
    /// From a whole number.
    fn from_int(_: i64) -> Option<Self> {
        None
    }
    /// From a fraction.
    fn from_float(_: f64) -> Option<Self> {
        None
    }
    /// Written the way it is read.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl LimitValue for Duration {
    fn from_text(text: &str) -> Option<Limit<Self>> {
        let value = span::parse(text)?;
        Some(if value.is_zero() {
            Limit::Off
        } else {
            Limit::On(value)
        })
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        span::serialize(self, serializer)
    }
}

impl LimitValue for u64 {
    fn from_text(text: &str) -> Option<Limit<Self>> {
        text.trim().parse().ok().map(Limit::On)
    }
    fn from_int(value: i64) -> Option<Self> {
        Self::try_from(value).ok()
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*self)
    }
}

impl LimitValue for f64 {
    fn from_text(text: &str) -> Option<Limit<Self>> {
        text.trim().parse().ok().map(Limit::On)
    }
    fn from_int(value: i64) -> Option<Self> {
        i32::try_from(value).ok().map(Self::from)
    }
    fn from_float(value: f64) -> Option<Self> {
        Some(value)
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*self)
    }
}

impl<T: LimitValue> Limit<T> {
    /// From text: a value, or the word `off` (`false` as well, for the environment).
    pub fn from_text(text: &str) -> Option<Self> {
        match text.trim() {
            "off" | "false" => Some(Self::Off),
            value => T::from_text(value),
        }
    }
}

impl<T: LimitValue> Serialize for Limit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::On(value) => value.write(serializer),
            Self::Off => serializer.serialize_str("off"),
        }
    }
}

impl<'de, T: LimitValue> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor(PhantomData))
    }
}

struct LimitVisitor<T>(PhantomData<T>);

impl<T: LimitValue> Visitor<'_> for LimitVisitor<T> {
    type Value = Limit<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a limit or \"off\"")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        if value {
            Err(E::custom("expected a limit or \"off\""))
        } else {
            Ok(Limit::Off)
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Limit::from_text(text).ok_or_else(|| E::custom("expected a limit or \"off\""))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        T::from_int(value)
            .map(Limit::On)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        let value = i64::try_from(value).map_err(E::custom)?;
        self.visit_i64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        T::from_float(value)
            .map(Limit::On)
            .ok_or_else(|| E::custom("expected a whole number"))
    }
}
