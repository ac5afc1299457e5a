//! Parts of JSON whose size is limited: lists with a maximum length, and values that keep only a number or a
//! short text.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Longest text that may be a number or an instant.
const TEXT_BYTES_MAX: usize = 32;

/// A list of at most `MAX` values, each as raw JSON. A longer list is an error.
#[derive(Debug)]
pub(super) struct RawList<'a, const MAX: usize>(pub(super) Vec<&'a RawValue>);

/// The first `MAX` values of a list, each as raw JSON.
#[derive(Debug)]
pub(super) struct FirstRaw<'a, const MAX: usize>(pub(super) Vec<&'a RawValue>);

/// Reads a list's first values, and whether there were more.
struct First<'a, const MAX: usize>(PhantomData<&'a ()>);

impl<'de: 'a, 'a, const MAX: usize> Visitor<'de> for First<'a, MAX> {
    type Value = (Vec<&'a RawValue>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut first = Vec::new();
        while first.len() < MAX {
            let Some(value) = list.next_element()? else {
                return Ok((first, false));
            };
            first.push(value);
        }
        let mut more = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((first, more))
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for RawList<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_seq(First::<MAX>(PhantomData))? {
            (all, false) => Ok(Self(all)),
            (_, true) => Err(D::Error::custom(format_args!(
                "more than {MAX}, the number asked for"
            ))),
        }
    }
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for FirstRaw<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (first, _) = deserializer.deserialize_seq(First::<MAX>(PhantomData))?;
        Ok(Self(first))
    }
}

/// A resource that a relationship names.
#[derive(Debug, Deserialize, Clone)]
pub(super) struct Link {
    pub(super) id: String,
}

/// The resources a relationship names: a list of at most `MAX`, or one.
#[derive(Debug)]
pub(super) struct Links<const MAX: usize>(pub(super) Vec<Link>);

impl<'de, const MAX: usize> Deserialize<'de> for Links<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyOrOne::<MAX>)
    }
}

struct ManyOrOne<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for ManyOrOne<MAX> {
    type Value = Links<MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one resource, or a list of at most {MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut links = Vec::new();
        while let Some(link) = list.next_element()? {
            if links.len() == MAX {
                return Err(A::Error::custom(format_args!("more than {MAX}")));
            }
            links.push(link);
        }
        Ok(Links(links))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let map = serde::de::value::MapAccessDeserializer::new(map);
        Ok(Links(vec![Link::deserialize(map)?]))
    }
}

/// A number, or a short text that may be one; anything else is [`Scalar::Other`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Whole(i64),
    Fraction(f64),
    Text(String),
    Other,
}

impl Scalar {
    /// A whole number, also where it comes as `2.0` or as text.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and in range"
    )]
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(*number),
            Self::Fraction(number) => {
                (number.fract() == 0.0 && number.abs() < 9e15).then_some(*number as i64)
            }
            Self::Text(text) => text.parse().ok(),
            Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar)
    }
}

struct AnyScalar;

impl<'de> Visitor<'de> for AnyScalar {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Fraction(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        let short = text.len() <= TEXT_BYTES_MAX;
        Ok(if short {
            Scalar::Text(text.to_owned())
        } else {
            Scalar::Other
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_a_whole_number_or_none() {
        for (text, whole) in [
            ("2", Some(2)),
            ("2.0", Some(2)),
            ("\"2\"", Some(2)),
            ("-3", Some(-3)),
            ("2.5", None),
            ("1e300", None),
            ("18446744073709551615", None),
            ("[2]", None),
            ("{\"a\":[[2]]}", None),
            ("true", None),
            ("null", None),
        ] {
            let scalar: Scalar = serde_json::from_str(text).unwrap();
            assert_eq!(scalar.whole(), whole, "{text}");
        }
    }

    #[test]
    fn lists_have_a_maximum_length() {
        let list = |text| serde_json::from_str::<RawList<'_, 2>>(text).map(|list| list.0.len());
        assert_eq!(list("[1,{}]").unwrap(), 2);
        assert!(
            list("[1,2,3]")
                .unwrap_err()
                .to_string()
                .contains("more than 2")
        );
        let first: FirstRaw<'_, 2> = serde_json::from_str("[1,2,3]").unwrap();
        assert_eq!(first.0.len(), 2);
        let links = |text| serde_json::from_str::<Links<2>>(text).map(|links| links.0.len());
        assert_eq!(links("[{\"id\":\"a\"}]").unwrap(), 1);
        assert_eq!(links("{\"type\":\"x\",\"id\":\"a\"}").unwrap(), 1);
        assert!(links("[{\"id\":\"a\"},{\"id\":\"a\"},{\"id\":\"a\"}]").is_err());
        assert!(links("7").is_err());
    }
}
