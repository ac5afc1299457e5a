//! The words that commands are made of.

use std::time::Duration;

use serde_json::Value;

/// The values of an object by their pointers: what it does not name stays. Empty objects are values.
pub(super) fn leaves(pointer: &str, value: Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(&format!("{pointer}/{name}"), value, found);
            }
        }
        value => found.push((pointer.to_owned(), value)),
    }
}

/// The first word, and what follows it.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

pub(super) fn known(is_known: bool) -> Result<(), String> {
    is_known
        .then_some(())
        .ok_or_else(|| "there is no such order".to_owned())
}

pub(super) fn one_of(text: &str, yes: &str, no: &str) -> Result<bool, String> {
    match text {
        _ if text == yes => Ok(true),
        _ if text == no => Ok(false),
        _ => Err(format!("one of {no}, {yes}")),
    }
}

pub(super) fn units_of(text: &str) -> Result<(&str, u32), String> {
    let bad = || format!("`{text}` is not SKU=UNITS");
    let (sku, units) = text.split_once('=').ok_or_else(bad)?;
    Ok((sku, units.parse().map_err(|_| bad())?))
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is not a share from 0 to 1"))
}

/// A time such as `50ms`, `10s`, `5m` or `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a time such as 50ms, 10s, 5m or 2h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| bad())?;
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(bad()),
    };
    Duration::try_from_secs_f64(number * unit).map_err(|_| bad())
}
