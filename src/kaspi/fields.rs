//! Reads an order's fields one by one: one that came in another form than Kaspi documents is unknown and named,
//! and costs none of the others.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::bounded::Scalar;
use super::json::parse;
use super::wire::Raw;
use crate::domain::money::Money;
use crate::domain::order::{Field, UnreadField};
use crate::text::shown;

/// Longest id, code or SKU in bytes. Kaspi's have about 40 characters.
const NAME_BYTES_MAX: usize = 200;

/// Longest text for people that is kept, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Longest value that is shown of a field that could not be read, in characters.
const RAW_CHARS_MAX: usize = 40;

/// A text that names something: short, and safe in a path, a terminal and a log.
pub(super) fn name(text: &str) -> Result<&str, String> {
    if text.len() > NAME_BYTES_MAX {
        return Err(format!("a name longer than {NAME_BYTES_MAX} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("a name with control characters".to_owned());
    }
    if text
        .trim()
        .split('/')
        .any(|part| matches!(part, "." | ".."))
    {
        return Err("a name with . or .. as a part of a path".to_owned());
    }
    Ok(text)
}

/// A text that people read.
pub(super) fn text(text: &str) -> String {
    shown(text, TEXT_CHARS_MAX)
}

/// A JSON string.
pub(super) fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// A name, also where it came as a whole number.
pub(super) fn name_or_number(raw: &RawValue) -> Option<String> {
    let named = string(raw).or_else(|| {
        let digits = raw.get();
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.to_owned())
    })?;
    let is_name = name(&named).is_ok() && !named.trim().is_empty();
    is_name.then_some(named)
}

/// A number, also where it came as text.
pub(super) fn scalar(raw: &RawValue) -> Option<Scalar> {
    serde_json::from_str(raw.get()).ok()
}

/// A whole number.
pub(super) fn whole(raw: &RawValue) -> Option<i64> {
    scalar(raw)?.whole()
}

/// Epoch milliseconds (KASPI_API §2).
pub(super) fn time(raw: &RawValue) -> Option<Timestamp> {
    Timestamp::from_millisecond(whole(raw)?).ok()
}

/// An amount of money, which is never negative.
pub(super) fn money(raw: &RawValue) -> Option<Money> {
    let money = Money::parse(raw.get().trim_matches('"')).ok()?;
    (money >= Money::default()).then_some(money)
}

/// A flag.
pub(super) fn flag(raw: &RawValue) -> Option<bool> {
    serde_json::from_str(raw.get()).ok()
}

/// What came in place of a value, as it may be shown. Of anything but a number, a word or a date only its kind
/// and length are kept: it may be personal.
fn raw_words(raw: Raw<'_>) -> String {
    let Some(raw) = raw else {
        return "null or missing".to_owned();
    };
    let json = raw.get();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "\"-+:._ ,".contains(c);
    match json.chars().next() {
        Some('{') => "an object".to_owned(),
        Some('[') => "a list".to_owned(),
        _ if json.chars().all(is_plain) => shown(json, RAW_CHARS_MAX),
        _ => format!("a text of {} characters", json.chars().count()),
    }
}

/// The fields of one order, and those that could not be read.
#[derive(Default)]
pub(super) struct Fields {
    unread: Vec<UnreadField>,
}

impl Fields {
    /// Those that could not be read.
    pub(super) fn into_unread(self) -> Vec<UnreadField> {
        self.unread
    }

    /// Notes that a field could not be read.
    pub(super) fn note(&mut self, field: Field, raw: Raw<'_>) {
        let raw = raw_words(raw);
        self.unread.push(UnreadField { field, raw });
    }

    /// A field that may be null or absent.
    pub(super) fn optional<T>(
        &mut self,
        field: Field,
        raw: Raw<'_>,
        read: impl Fn(&RawValue) -> Option<T>,
    ) -> Option<T> {
        raw?;
        self.required(field, raw, read)
    }

    /// A field that is always there.
    pub(super) fn required<T>(
        &mut self,
        field: Field,
        raw: Raw<'_>,
        read: impl Fn(&RawValue) -> Option<T>,
    ) -> Option<T> {
        let value = raw.and_then(read);
        if value.is_none() {
            self.note(field, raw);
        }
        value
    }

    /// A text that may be null or absent.
    pub(super) fn words(&mut self, field: Field, raw: Raw<'_>) -> Option<String> {
        self.optional(field, raw, |raw| string(raw).map(|word| text(&word)))
    }

    /// A word of Kaspi's that is always there. If it is missing, the filter of the list that showed the order stands
    /// in for it; for an order read singly it is an unknown value, the raw text.
    pub(super) fn word<T: Clone + From<String>>(
        &mut self,
        field: Field,
        raw: Raw<'_>,
        listed_as: Option<&T>,
    ) -> T {
        let word = self.required(field, raw, |raw| {
            string(raw)
                .map(|word| text(&word))
                .filter(|word| !word.trim().is_empty())
        });
        match (word, listed_as) {
            (Some(word), _) => T::from(word),
            (None, Some(listed_as)) => listed_as.clone(),
            (None, None) => T::from(raw_words(raw)),
        }
    }

    /// An object that may be null or absent.
    pub(super) fn object<'a, T: Deserialize<'a> + Default>(
        &mut self,
        field: Field,
        raw: Raw<'a>,
    ) -> T {
        let Some(object) = raw else {
            return T::default();
        };
        parse(object.get().as_bytes()).unwrap_or_else(|_| {
            self.note(field, raw);
            T::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_field_is_never_personal() {
        for (json, words) in [
            ("30000001", "30000001"),
            ("\"2026-11-30 10:00\"", "\"2026-11-30 10:00\""),
            ("true", "true"),
            ("{\"firstName\":\"Aliya\"}", "an object"),
            ("[\"Aliya\"]", "a list"),
            ("\"Алия\"", "a text of 6 characters"),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(raw_words(Some(raw)), words);
        }
        assert_eq!(raw_words(None), "null or missing");
    }

    #[test]
    fn a_number_is_a_name_where_it_is_whole() {
        for (json, named) in [
            ("900000001", Some("900000001")),
            ("\"A/b\"", Some("A/b")),
            ("1.5", None),
            ("-1", None),
            ("\" \"", None),
            ("\"a/../b\"", None),
            ("true", None),
            ("{}", None),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(name_or_number(raw).as_deref(), named, "{json}");
        }
    }
}
