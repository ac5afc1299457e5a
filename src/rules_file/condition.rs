//! `when`: the words of conditions, and how `all`, `any` and `not` join them.

use toml::de::DeValue;

use super::clock::{hours, weekdays};
use super::reader::{Entry, Reader, Value, entries};
use super::values::{durations, empty_list, moneys, numbers, shares, truth, words};
use crate::domain::order::{DeliveryMode, PaymentMode};
use crate::domain::rules::{Condition, Criterion, LineCriterion, ShopCount, StockWord};

/// The words of one kind of condition.
struct Vocabulary<T> {
    /// What its words are called in messages.
    kind: &'static str,
    /// All words.
    words: &'static [&'static str],
    /// Words of the other vocabulary, and what to do with them here.
    elsewhere: (&'static [&'static str], &'static str),
    /// Reads the condition that a word names.
    read: fn(&mut Reader<'_>, &str, &Value<'_>) -> Option<T>,
}

const ORDER_WORDS: [&str; 25] = [
    "express",
    "preorder",
    "signature",
    "kaspi_delivery",
    "age",
    "deadline_in",
    "weekday",
    "hour",
    "total",
    "quantity",
    "lines",
    "delivery_mode",
    "payment_mode",
    "pickup_point",
    "shop_decided",
    "shop_accepted",
    "shop_cancelled",
    "shop_cancelled_share",
    "shop_accepted_last_hour",
    "shop_cancelled_last_hour",
    "any_line",
    "all_lines",
    "all",
    "any",
    "not",
];

const LINE_WORDS: [&str; 12] = [
    "sku",
    "category",
    "quantity",
    "measured",
    "stock",
    "on_hand",
    "reserved",
    "available",
    "shortage",
    "all",
    "any",
    "not",
];

const ORDER: Vocabulary<Criterion> = Vocabulary {
    kind: "condition",
    words: &ORDER_WORDS,
    elsewhere: (
        &LINE_WORDS,
        "it is asked of lines: put it into any_line = { … } or all_lines = { … }",
    ),
    read: order_question,
};

const LINE: Vocabulary<LineCriterion> = Vocabulary {
    kind: "line condition",
    words: &LINE_WORDS,
    elsewhere: (
        &ORDER_WORDS,
        "it is asked of the whole order: put it beside any_line, not into it",
    ),
    read: line_question,
};

/// Reads the table behind `when`.
pub(super) fn order_condition(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<Condition<Criterion>> {
    condition(reader, key, value, &ORDER)
}

fn condition<T>(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    vocabulary: &Vocabulary<T>,
) -> Option<Condition<T>> {
    let DeValue::Table(table) = value.get_ref() else {
        reader.expected(key, &format!("a table of {}s", vocabulary.kind), value);
        return None;
    };
    if table.is_empty() {
        let what = format!("{key}: the table is empty, so it asks nothing");
        let hint = match key {
            "when" => "remove 'when' if the rule is for every order",
            _ => "ask something, or remove the key",
        };
        reader.refuse(&value.span(), &what, Some(hint.to_owned()));
        return None;
    }
    let mut parts = reader.deeper(&value.span(), |reader| {
        let read: Vec<_> = entries(table)
            .into_iter()
            .map(|entry| part(reader, &entry, vocabulary))
            .collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    })?;
    if parts.len() == 1 {
        return parts.pop();
    }
    Some(Condition::All(parts))
}

fn part<T>(
    reader: &mut Reader<'_>,
    entry: &Entry<'_>,
    vocabulary: &Vocabulary<T>,
) -> Option<Condition<T>> {
    match entry.key {
        "all" => list(reader, "all", entry.value, vocabulary).map(Condition::All),
        "any" => list(reader, "any", entry.value, vocabulary).map(Condition::Any),
        "not" => condition(reader, "not", entry.value, vocabulary)
            .map(|part| Condition::Not(Box::new(part))),
        word if vocabulary.words.contains(&word) => {
            (vocabulary.read)(reader, word, entry.value).map(Condition::Test)
        }
        word if vocabulary.elsewhere.0.contains(&word) => {
            let what = format!("'{word}' is no {}", vocabulary.kind);
            reader.refuse(&entry.at, &what, Some(vocabulary.elsewhere.1.to_owned()));
            None
        }
        word => {
            reader.unknown(&entry.at, vocabulary.kind, word, vocabulary.words);
            None
        }
    }
}

fn list<T>(
    reader: &mut Reader<'_>,
    key: &str,
    value: &Value<'_>,
    vocabulary: &Vocabulary<T>,
) -> Option<Vec<Condition<T>>> {
    let DeValue::Array(items) = value.get_ref() else {
        reader.expected(key, "a list of tables such as [{ … }, { … }]", value);
        return None;
    };
    if items.is_empty() {
        empty_list(reader, key, value);
        return None;
    }
    let read: Vec<_> = items
        .iter()
        .map(|item| condition(reader, key, item, vocabulary))
        .collect();
    read.into_iter().collect()
}

fn order_question(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Criterion> {
    match key {
        "express" => truth(reader, key, value).map(Criterion::Express),
        "preorder" => truth(reader, key, value).map(Criterion::Preorder),
        "signature" => truth(reader, key, value).map(Criterion::Signature),
        "kaspi_delivery" => truth(reader, key, value).map(Criterion::KaspiDelivery),
        "age" => durations(reader, key, value).map(Criterion::Age),
        "deadline_in" => durations(reader, key, value).map(Criterion::DeadlineIn),
        "weekday" => weekdays(reader, key, value).map(Criterion::Weekday),
        "hour" => hours(reader, key, value).map(Criterion::Hour),
        "total" => moneys(reader, key, value).map(Criterion::Total),
        "quantity" => numbers(reader, key, value).map(Criterion::Quantity),
        "lines" => numbers(reader, key, value).map(Criterion::Lines),
        "delivery_mode" => {
            words(reader, key, value, Some(DeliveryMode::WORDS)).map(Criterion::DeliveryMode)
        }
        "payment_mode" => {
            words(reader, key, value, Some(PaymentMode::WORDS)).map(Criterion::PaymentMode)
        }
        "pickup_point" => words(reader, key, value, None).map(Criterion::PickupPoint),
        "shop_cancelled_share" => shares(reader, key, value).map(Criterion::ShopCancelledShare),
        "any_line" => condition(reader, key, value, &LINE).map(Criterion::AnyLine),
        "all_lines" => condition(reader, key, value, &LINE).map(Criterion::AllLines),
        word => {
            let (_, count) = ShopCount::WORDS
                .into_iter()
                .find(|(known, _)| *known == word)?;
            numbers(reader, key, value).map(|range| Criterion::Shop(count, range))
        }
    }
}

fn line_question(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<LineCriterion> {
    match key {
        "sku" => words(reader, key, value, None).map(LineCriterion::Sku),
        "category" => words(reader, key, value, None).map(LineCriterion::Category),
        "quantity" => numbers(reader, key, value).map(LineCriterion::Quantity),
        "measured" => truth(reader, key, value).map(LineCriterion::Measured),
        "stock" => stock_word(reader, key, value).map(LineCriterion::Stock),
        "on_hand" => numbers(reader, key, value).map(LineCriterion::OnHand),
        "reserved" => numbers(reader, key, value).map(LineCriterion::Reserved),
        "available" => numbers(reader, key, value).map(LineCriterion::Available),
        "shortage" => numbers(reader, key, value).map(LineCriterion::Shortage),
        _ => None,
    }
}

fn stock_word(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<StockWord> {
    let DeValue::String(word) = value.get_ref() else {
        reader.expected(key, "\"known\", \"unknown\" or \"doubtful\"", value);
        return None;
    };
    let known = StockWord::WORDS.into_iter();
    let found = known.clone().find(|(name, _)| name == word);
    if found.is_none() {
        let words: Vec<&str> = known.map(|(name, _)| name).collect();
        reader.unknown(&value.span(), key, word, &words);
    }
    found.map(|(_, word)| word)
}
