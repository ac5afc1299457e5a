//! Whole numbers, fractions and truths, each within the bounds of its key.

use serde::{Deserialize, Deserializer, de::Error};
use toml::Value;

use crate::diagnostics::{Mistake, expected, shown};

/// More units or orders than any shop has.
pub(super) const MANY: i64 = 1_000_000_000;
const RATE_MAX: f64 = 1_000_000.0;

/// For `deserialize_with`: a whole number within these bounds.
pub(super) fn count<'de, D, T, const MIN: i64, const MAX: i64>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let found = Value::deserialize(from)?;
    let number = checked_count(&found, "a whole number", MIN, MAX).map_err(D::Error::custom)?;
    T::try_from(number).map_err(|_| D::Error::custom(out_of_bounds(&found, MIN, MAX)))
}

pub(super) fn checked_count(
    found: &Value,
    wanted: &str,
    min: i64,
    max: i64,
) -> Result<i64, Mistake> {
    match found {
        Value::Integer(number) if (min..=max).contains(number) => Ok(*number),
        Value::Integer(_) => Err(out_of_bounds(found, min, max)),
        Value::String(text) if text.trim().parse::<i64>().is_ok() => {
            Err(expected(wanted, found).hint("leave out the quotes"))
        }
        _ => Err(expected(wanted, found)),
    }
}

fn out_of_bounds(found: &Value, min: i64, max: i64) -> Mistake {
    let found = shown(found);
    Mistake::new(format!("must be {min} to {max}, found {found}"))
}

/// For `deserialize_with`: a number of requests per second.
pub(super) fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let found = Value::deserialize(from)?;
    match fraction(&found) {
        Some(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(rate),
        Some(_) => {
            let found = shown(&found);
            let what = format!("must be above 0 and at most {RATE_MAX}, found {found}");
            Err(D::Error::custom(what))
        }
        None => Err(D::Error::custom(expected("a number", &found))),
    }
}

/// For `deserialize_with`: a share above 0 and at most 1.
pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let found = Value::deserialize(from)?;
    match fraction(&found) {
        Some(share) if share > 0.0 && share <= 1.0 => Ok(share),
        Some(share) => {
            let mistake = Mistake::new(format!(
                "must be above 0 and at most 1, found {}",
                shown(&found)
            ));
            let is_percent = share > 1.0 && share <= 100.0;
            Err(D::Error::custom(if is_percent {
                mistake.hint(format!("{share} % is {}", share / 100.0))
            } else {
                mistake
            }))
        }
        None => Err(D::Error::custom(expected("a share such as 0.05", &found))),
    }
}

/// A number, whole or not.
#[expect(
    clippy::cast_precision_loss,
    reason = "only compared with small bounds"
)]
pub(super) fn fraction(found: &Value) -> Option<f64> {
    match found {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// For `deserialize_with`: `true` or `false`.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    match Value::deserialize(from)? {
        Value::Boolean(is) => Ok(is),
        found => Err(D::Error::custom(expected("true or false", &found))),
    }
}
