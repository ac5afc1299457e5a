//! `weekday` and `hour`: conditions on the time of day in Almaty.

use toml::de::DeValue;

use super::reader::{Reader, Value, entries};
use super::values::words;
use crate::domain::calendar::{DaySpan, DayTime, Weekday};

pub(super) fn weekdays(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<Vec<Weekday>> {
    let words = words(reader, key, value, Some(Weekday::WORDS))?;
    words.iter().map(|word| Weekday::parse(word)).collect()
}

/// `{ from = 22, to = 8 }` or, to the minute, `{ from = "22:30", to = "08:00" }`.
pub(super) fn hours(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<DaySpan> {
    const EXAMPLE: &str = "{ from = 22, to = 8 }";
    let DeValue::Table(table) = value.get_ref() else {
        reader.expected(key, &format!("hours such as {EXAMPLE}"), value);
        return None;
    };
    let (mut from, mut to, mut whole) = (None, None, true);
    for entry in entries(table) {
        let end = match entry.key {
            "from" => &mut from,
            "to" => &mut to,
            word => {
                let kind = format!("end of {key}");
                reader.unknown(&entry.at, &kind, word, &["from", "to"]);
                whole = false;
                continue;
            }
        };
        *end = day_time(reader, &format!("{key}.{}", entry.key), entry.value);
        whole &= end.is_some();
    }
    if !whole {
        return None;
    }
    let hint = format!("write both ends, such as {EXAMPLE}; it may go over midnight");
    let (Some(from), Some(to)) = (from, to) else {
        let what = format!("{key}: 'from' or 'to' is missing");
        reader.refuse(&value.span(), &what, Some(hint));
        return None;
    };
    let span = DaySpan { from, to };
    if span.asks_nothing() {
        let what = format!("{key}: it begins where it ends, so it asks nothing");
        reader.refuse(&value.span(), &what, Some(hint));
        return None;
    }
    Some(span)
}

/// A whole hour, or a text such as `22:30`.
fn day_time(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<DayTime> {
    let read = match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(DayTime::from_hour),
        DeValue::String(text) => DayTime::parse(text),
        _ => {
            reader.expected(
                key,
                "an hour from 0 to 24, or a text such as \"22:30\"",
                value,
            );
            return None;
        }
    };
    if read.is_none() {
        let found = reader.source(&value.span());
        let what = format!("{key}: {found} is no time of day");
        let hint = "write a whole hour from 0 to 24, or hours and minutes such as \"22:30\"";
        reader.refuse(&value.span(), &what, Some(hint.to_owned()));
    }
    read
}
