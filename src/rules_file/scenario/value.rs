//! Values of a scenario file, each with what it may say.

use std::fmt;
use std::marker::PhantomData;

use jiff::{SignedDuration, Timestamp};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Value;

use crate::diagnostics::{Mistake, expected, shown};
use crate::domain::calendar;
use crate::domain::money::Money;
use crate::domain::order::{DeliveryMode, PaymentMode, State, Status};

/// A text that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) if text.trim().is_empty() => {
                Err(D::Error::custom("the text is empty"))
            }
            Value::String(text) => Ok(Self(text.trim().to_owned())),
            found => Err(D::Error::custom(expected("text in quotes", &found))),
        }
    }
}

/// A length of time, mostly since something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) SignedDuration);

impl Span {
    /// The moment so long before `now`.
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
        now.saturating_sub(self.0).unwrap_or(Timestamp::MIN)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let time = crate::diagnostics::duration(text).ok()?;
        SignedDuration::try_from(time).ok().map(Self)
    }

    fn read(found: &Value, wanted: &str) -> Result<Self, Mistake> {
        let span = found.as_str().and_then(Self::parse);
        span.ok_or_else(|| expected(wanted, found))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = Value::deserialize(from)?;
        Self::read(&found, "a duration such as \"20m\" or \"1h 30m\"").map_err(D::Error::custom)
    }
}

/// How long ago something happened, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SinceOrNever(pub(super) Option<Span>);

impl<'de> Deserialize<'de> for SinceOrNever {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = Value::deserialize(from)?;
        if found.as_str() == Some("never") {
            return Ok(Self(None));
        }
        let span = Span::read(&found, "a duration such as \"2m\", or \"never\"");
        span.map(|span| Self(Some(span))).map_err(D::Error::custom)
    }
}

/// Units, orders or SKUs: a whole number, not below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(i64);

impl Count {
    pub(super) const fn units(self) -> i64 {
        self.0
    }

    pub(super) const fn orders(self) -> u64 {
        self.0.unsigned_abs()
    }

    pub(super) fn small(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        count(&Value::deserialize(from)?, "a whole number")
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// An amount in whole tenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tenge(pub(super) Money);

impl<'de> Deserialize<'de> for Tenge {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        count(&Value::deserialize(from)?, "a whole number of tenge")
            .map(|tenge| Self(Money::from_tenge(tenge)))
            .map_err(D::Error::custom)
    }
}

fn count(found: &Value, wanted: &str) -> Result<i64, Mistake> {
    match found {
        Value::Integer(number) if *number >= 0 => Ok(*number),
        Value::Integer(number) => Err(Mistake::new(format!("{number} is below zero"))),
        Value::String(text) => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let mistake = expected(wanted, found);
            Err(match digits.parse::<i64>() {
                Ok(number) => mistake.hint(format!("write {number}, without quotes")),
                Err(_) => mistake,
            })
        }
        _ => Err(expected(wanted, found)),
    }
}

/// The moment of the decision: Almaty's time, or a moment with its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Timestamp);

impl Default for Moment {
    /// A Monday's noon in Almaty.
    fn default() -> Self {
        Self(Timestamp::constant(1_772_434_800, 0))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let found = Value::deserialize(from)?;
        let written = found.as_str().map(str::trim).unwrap_or_default();
        let read = written.parse::<Timestamp>().ok().or_else(|| {
            let local: jiff::civil::DateTime = written.parse().ok()?;
            calendar::moment(local)
        });
        read.map(Self).ok_or_else(|| {
            let mistake = Mistake::new(format!("{} is no moment", shown(&found)));
            let hint = "write one such as \"2026-03-02 23:10\": Almaty's time";
            D::Error::custom(mistake.hint(hint))
        })
    }
}

/// One of Kaspi's words that this program knows; in orders there may be others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known<T>(pub(super) T);

pub(super) trait Words: From<String> {
    const WORDS: &'static [&'static str];
}

impl Words for DeliveryMode {
    const WORDS: &'static [&'static str] = Self::WORDS;
}

impl Words for PaymentMode {
    const WORDS: &'static [&'static str] = Self::WORDS;
}

impl Words for State {
    const WORDS: &'static [&'static str] = Self::WORDS;
}

impl Words for Status {
    const WORDS: &'static [&'static str] = Self::WORDS;
}

impl<'de, T: Words> Deserialize<'de> for Known<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Text(word) = Text::deserialize(from)?;
        if T::WORDS.contains(&word.as_str()) {
            return Ok(Self(T::from(word)));
        }
        Err(D::Error::unknown_variant(&word, T::WORDS))
    }
}

/// A word that stands for a whole value, or that value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WordOr<W, T> {
    Word(W),
    Value(T),
}

struct WordOrVisitor<W, T>(PhantomData<(W, T)>);

impl<'de, W: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for WordOr<W, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WordOrVisitor(PhantomData))
    }
}

impl<'de, W: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for WordOrVisitor<W, T> {
    type Value = WordOr<W, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word, a table { … } or a list [{ … }]")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        let word: serde::de::value::StrDeserializer<'_, E> =
            serde::de::IntoDeserializer::into_deserializer(word);
        W::deserialize(word).map(WordOr::Word)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(list)).map(WordOr::Value)
    }
}
