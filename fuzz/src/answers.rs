//! Kaspi's answers: bodies and headers.

use std::collections::HashSet;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use qabyl::domain::order::{Field, Line, Lines, Order};
use qabyl::kaspi::{Asked, Page, decode};
use serde_json::Value;

/// A page of orders: every element is reported in its position, as understood or as unreadable.
pub fn page(bytes: &[u8]) {
    let asked = Asked {
        state: None,
        status: None,
        placed_at: Timestamp::constant(1_772_449_200, 0),
    };
    let read = decode::page(bytes, &asked);
    let again = decode::page(bytes, &asked);
    assert_eq!(read, again, "the same bytes, another page");
    let page = match read {
        Ok(page) => page,
        Err(why) => return telling(&why),
    };
    let mut kept = 0;
    for read in &page.orders {
        kept += whole_order(&read.order);
        if let Some(lines) = &read.lines {
            kept += whole_lines(lines);
            assert!(lines.iter().all(|line| line.sku.is_some()), "a guess");
        }
    }
    for bad in &page.unreadable {
        telling(&bad.why);
    }
    assert!(
        kept <= 16 * bytes.len(),
        "{} bytes grew to {kept}",
        bytes.len()
    );
    if let Some(json) = whole_json(bytes) {
        same_elements(&page, &json);
    }
}

/// Compares with the JSON parsed independently: no order is lost or added, and the counts are Kaspi's.
fn same_elements(page: &Page, json: &Value) {
    let elements = json["data"].as_array().expect("a page has a list");
    assert_eq!(page.orders.len() + page.unreadable.len(), elements.len());
    let text = |value: &Value| match value {
        // Padding at the end makes no other order.
        Value::String(text) => Some(text.trim().trim_end_matches('=').trim_end().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let mut left = elements.iter().filter_map(|element| text(&element["id"]));
    for read in &page.orders {
        let id = read.order.id.as_str();
        assert!(left.any(|listed| listed == id), "{id} is out of order");
    }
    let counts = &json["meta"];
    // A count of an absurd size is treated as missing.
    let meta = |name: &str| {
        counts[name]
            .as_u64()
            .filter(|count| *count <= u32::MAX.into())
    };
    if let Some(total) = meta("totalCount") {
        assert_eq!(page.total_count, Some(total));
    }
    if let Some(pages) = meta("pageCount") {
        assert_eq!(page.page_count.map(u64::from), Some(pages));
    }
}

/// A single order, and the text of an error.
pub fn order(bytes: &[u8]) {
    let title = decode::title(bytes);
    assert!(title.chars().count() <= 200 && !title.contains(char::is_control));
    let read = decode::order(bytes);
    assert_eq!(read, decode::order(bytes), "the same bytes, another order");
    match read {
        Err(why) => telling(&why),
        Ok(order) => {
            whole_order(&order);
            if let Some(json) = whole_json(bytes) {
                let data = &json["data"];
                let named = |value: &Value, name: &str| {
                    value.as_str().map_or_else(
                        || format!("{value}") == name || value.is_null(),
                        |text| text.trim() == name,
                    )
                };
                assert!(named(&data["id"], order.id.as_str()));
                let code = &data["attributes"]["code"];
                assert!(named(code, order.code.as_str()) || order.is_unread(Field::Code));
            }
        }
    }
}

/// The entries of one order, and the product that gives a missing SKU.
pub fn entries(bytes: &[u8]) {
    if let Ok(Some(sku)) = decode::merchant_sku(bytes) {
        assert_eq!(sku.as_str(), sku.as_str().trim());
        assert!(!sku.as_str().is_empty());
    }
    let read = decode::entries(bytes);
    assert_eq!(read, decode::entries(bytes), "the same bytes, other lines");
    match read {
        Err(why) => telling(&why),
        Ok(Lines::Unreadable(lines)) => telling(&lines.why),
        Ok(Lines::Known(lines)) => {
            whole_lines(&lines);
            if let Some(json) = whole_json(bytes) {
                let entries = json["data"].as_array().expect("entries are a list");
                assert!(lines.len() <= entries.len(), "an entry is one line at most");
            }
        }
    }
}

/// `Retry-After` on the first line, `Date` on the second: a pause within its bounds.
pub fn headers(bytes: &[u8]) {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_mins(15);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (retry_after, date) = text.split_once('\n').unwrap_or((text, ""));
    let noon = Timestamp::constant(1_772_449_200, 0);
    let now = decode::date(date).unwrap_or(noon);
    let pause = decode::pause(Some(retry_after), now);
    assert!(
        (SHORTEST..=LONGEST).contains(&pause),
        "{retry_after:?}: {pause:?}"
    );
    assert_eq!(pause, decode::pause(Some(retry_after), now));
    let asked = retry_after.trim();
    if !asked.is_empty() && asked.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = asked.parse().unwrap_or(u64::MAX);
        let wanted = Duration::from_secs(seconds).clamp(SHORTEST, LONGEST);
        assert_eq!(pause, wanted, "{retry_after:?}");
    }
    if let Some(at) = decode::date(asked) {
        let left = at.duration_since(now);
        let wanted = left.clamp(SignedDuration::from_secs(1), SignedDuration::from_mins(15));
        assert_eq!(
            SignedDuration::try_from(pause).ok(),
            Some(wanted),
            "until {at}"
        );
        if let Ok(written) = DateTimePrinter::new().timestamp_to_rfc9110_string(&at) {
            assert_eq!(decode::date(&written), Some(at), "{written}");
        }
    }
}

/// An error about a field names the field and never repeats its bytes, which may be personal.
fn telling(why: &str) {
    assert!(!why.is_empty() && why.len() <= 200, "{why:?}");
    assert!(why.is_ascii(), "{why:?}");
}

/// Its size when stored.
fn whole_order(order: &Order) -> usize {
    for id in [order.id.as_str(), order.code.as_str()] {
        assert!(!id.is_empty() && id == id.trim(), "{id:?}");
    }
    assert!(
        order
            .total
            .is_none_or(|total| total.to_string().ends_with(" ₸"))
    );
    let stored = serde_json::to_string(order).expect("an order is stored");
    let back: Order = serde_json::from_str(&stored).expect("an order is read back");
    assert_eq!(*order, back);
    stored.len()
}

/// Their size when stored.
fn whole_lines(lines: &[Line]) -> usize {
    let mut entries = HashSet::new();
    for line in lines {
        assert!(line.quantity > 0);
        assert!(
            entries.insert(line.entry.as_str()),
            "entry {} is two lines, of which one would be kept",
            line.entry
        );
        if let Some(sku) = &line.sku {
            assert!(!sku.as_str().is_empty() && sku.as_str() == sku.as_str().trim());
        }
    }
    let stored = serde_json::to_string(lines).expect("lines are stored");
    let back: Vec<Line> = serde_json::from_str(&stored).expect("lines are read back");
    assert_eq!(lines, back);
    stored.len()
}

/// The accepted bytes, parsed as plain JSON: one object. `None` for the few JSON texts that this parser
/// cannot represent (1e999, a hundred levels of nesting).
fn whole_json(bytes: &[u8]) -> Option<Value> {
    let whole: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(bytes);
    assert!(whole.is_ok(), "accepted, and not one whole JSON text");
    let json: Value = serde_json::from_slice(bytes).ok()?;
    assert!(json.is_object(), "accepted, and not an object");
    Some(json)
}
