//! Plain values: truths, words, durations, numbers and ranges over them.

use jiff::SignedDuration;
use toml::de::DeValue;

use super::reader::{Reader, Value, entries};
use crate::diagnostics::{self, MONTH_HINT, NoDuration};
use crate::domain::money::Money;
use crate::domain::rules::Range;

pub(super) fn truth(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<bool> {
    let read = value.get_ref().as_bool();
    if read.is_none() {
        reader.expected(key, "true or false", value);
    }
    read
}

/// A trimmed text that is not empty.
pub(super) fn text(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<String> {
    let Some(text) = value.get_ref().as_str() else {
        reader.expected(key, "a string", value);
        return None;
    };
    let text = text.trim();
    if text.is_empty() {
        reader.refuse(&value.span(), &format!("{key}: the text is empty"), None);
        return None;
    }
    Some(text.to_owned())
}

/// One string or a list of them; each is among `known`, where such words are given.
pub(super) fn words(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    known: Option<&[&str]>,
) -> Option<Vec<String>> {
    let items: Vec<&Value<'_>> = match value.get_ref() {
        DeValue::String(_) => vec![value],
        DeValue::Array(items) => items.iter().collect(),
        _ => {
            reader.expected(key, "a string or a list of strings", value);
            return None;
        }
    };
    if items.is_empty() {
        empty_list(reader, key, value);
        return None;
    }
    let mut read = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in items {
        match text(reader, key, item) {
            Some(word) if known.is_none_or(|known| known.contains(&word.as_str())) => {
                read.push(word);
            }
            Some(word) => {
                reader.unknown(&item.span(), key, &word, known.unwrap_or_default());
                whole = false;
            }
            None => whole = false,
        }
    }
    whole.then_some(read)
}

pub(super) fn empty_list(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) {
    let what = format!("{key}: the list is empty, so it asks nothing");
    let hint = "name at least one, or remove the key".to_owned();
    reader.refuse(&value.span(), &what, Some(hint));
}

pub(super) fn duration(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<SignedDuration> {
    let Some(text) = value.get_ref().as_str() else {
        reader.expected(key, "a duration in quotes such as \"20m\"", value);
        return None;
    };
    let read = diagnostics::duration(text);
    let (what, hint) = match read.map(SignedDuration::try_from) {
        Ok(Ok(time)) => return Some(time),
        Err(NoDuration::Months) => (
            format!("{key}: '{text}' counts in months, which have no fixed length"),
            MONTH_HINT,
        ),
        Err(NoDuration::Unreadable) | Ok(Err(_)) => (
            format!("{key}: '{text}' is not a duration"),
            "write one such as 30s, 20m, 1h 30m or 2d",
        ),
    };
    reader.refuse(&value.span(), &what, Some(hint.to_owned()));
    None
}

/// A kind of value that ranges are made of.
struct Kind<T> {
    /// What one value is called in messages.
    called: &'static str,
    /// A range as an example.
    example: &'static str,
    /// Whether a value alone means exactly that value.
    bare: bool,
    /// Reads one value.
    read: fn(&mut Reader<'_>, &str, &Value<'_>) -> Option<T>,
    /// Whether nothing lies strictly between the bounds.
    nothing_between: fn(T, T) -> bool,
}

pub(super) fn durations(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<Range<SignedDuration>> {
    let kind = Kind {
        called: "a duration",
        example: "{ over = \"20m\", under = \"1h\" }",
        bare: false,
        read: duration,
        nothing_between: |over, under| over >= under,
    };
    range(reader, key, value, &kind)
}

pub(super) fn moneys(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<Range<Money>> {
    let kind = Kind {
        called: "a whole number of tenge",
        example: "{ over = 5000, under = 300000 }",
        bare: true,
        read: |reader, key, value| {
            whole(reader, key, value, "a whole number of tenge").map(Money::from_tenge)
        },
        nothing_between: |over, under| over >= under,
    };
    range(reader, key, value, &kind)
}

pub(super) fn numbers(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Range<i64>> {
    let kind = Kind {
        called: "a whole number",
        example: "{ over = 0, under = 10 }",
        bare: true,
        read: |reader, key, value| whole(reader, key, value, "a whole number"),
        nothing_between: |over, under| over >= under.saturating_sub(1),
    };
    range(reader, key, value, &kind)
}

/// Shares, 0 to 1.
pub(super) fn shares(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Range<f64>> {
    let kind = Kind {
        called: "a share",
        example: "{ over = 0.03 }",
        bare: false,
        read: share,
        nothing_between: |over, under| over >= under,
    };
    range(reader, key, value, &kind)
}

fn share(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<f64> {
    let read = match value.get_ref() {
        DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().ok(),
        DeValue::Integer(number) => number.as_str().parse::<u32>().ok().map(f64::from),
        _ => None,
    };
    let Some(share) = read else {
        let hint = Some("write one such as 0.03, which is 3 %".to_owned());
        reader.expected_such_as(key, "a share from 0 to 1", hint, value);
        return None;
    };
    if (0.0..=1.0).contains(&share) {
        return Some(share);
    }
    let what = format!("{key}: {share} is no share from 0 to 1");
    let is_percent = share > 1.0 && share <= 100.0;
    let hint = is_percent.then(|| format!("{share} % is {}", share / 100.0));
    reader.refuse(&value.span(), &what, hint);
    None
}

fn whole(reader: &mut Reader<'_>, key: &str, value: &Value<'_>, called: &str) -> Option<i64> {
    let Some(number) = value.get_ref().as_integer() else {
        let plain = |text: &str| {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            digits.parse::<i64>().ok()
        };
        let hint = match value.get_ref().as_str().map(plain) {
            Some(Some(number)) => Some(format!("write {number}, without quotes")),
            Some(None) => Some("write digits without quotes, such as 5000".to_owned()),
            None => None,
        };
        reader.expected_such_as(key, called, hint, value);
        return None;
    };
    let read = i64::from_str_radix(number.as_str(), number.radix()).ok();
    if read.is_none() {
        let what = format!("{key}: {number} is too large a number");
        reader.refuse(&value.span(), &what, None);
    }
    read
}

fn range<T: Copy + PartialOrd>(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    kind: &Kind<T>,
) -> Option<Range<T>> {
    let table = match value.get_ref() {
        DeValue::Table(table) => table,
        _ if kind.bare => return (kind.read)(reader, key, value).map(Range::Exactly),
        _ => {
            let what = format!(
                "{key}: expected a range such as {}, found {}",
                kind.example,
                found_with(value, kind.called)
            );
            reader.refuse(&value.span(), &what, None);
            return None;
        }
    };
    let (mut over, mut under, mut whole) = (None, None, true);
    let mut written = ["", ""];
    for entry in entries(table) {
        let place = usize::from(entry.key == "under");
        let bound = match entry.key {
            "over" => &mut over,
            "under" => &mut under,
            word => {
                reader.unknown(
                    &entry.at,
                    &format!("bound of {key}"),
                    word,
                    &["over", "under"],
                );
                whole = false;
                continue;
            }
        };
        *bound = (kind.read)(reader, &format!("{key}.{}", entry.key), entry.value);
        written[place] = reader.source(&entry.value.span());
        whole &= bound.is_some();
    }
    if !whole {
        return None;
    }
    if over.is_none() && under.is_none() {
        let what = format!("{key}: the range has no bound, so it asks nothing");
        let hint = format!("write one such as {}", kind.example);
        reader.refuse(&value.span(), &what, Some(hint));
        return None;
    }
    if let (Some(low), Some(high)) = (over, under)
        && (kind.nothing_between)(low, high)
    {
        let what = format!("{key}: nothing lies between 'over' and 'under'");
        let [over, under] = written;
        let hint = if low > high {
            format!("'over' is the lower bound: write {{ over = {under}, under = {over} }}")
        } else {
            "both bounds are excluded, and 'over' is the lower one".to_owned()
        };
        reader.refuse(&value.span(), &what, Some(hint));
        return None;
    }
    Some(Range::Between { over, under })
}

fn found_with(value: &Value<'_>, called: &'static str) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => called,
        _ => super::reader::found(value),
    }
}
