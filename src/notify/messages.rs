//! Turns a notice's facts into text. All texts are in the catalogue, `src/lang`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Item, Outgoing};
use crate::domain::calendar;
use crate::domain::notice::Kind;
use crate::domain::schedule::Schedule;
use crate::lang::{Arg, Lang};
use crate::text::shown;

/// Most sentences in one message: nobody reads more. The orders of all others are named.
const LINES_MAX: usize = 20;
/// Most orders named on one line.
const ORDERS_MAX: usize = 100;
/// Longest fact in a message, in characters.
pub(super) const FACT_CHARS_MAX: usize = 200;

/// Writes messages in one language.
#[derive(Debug, Clone)]
pub struct MessageWriter {
    /// The reader's language.
    pub language: Lang,
    /// The deadlines of orders.
    pub schedule: Schedule,
}

/// Facts that stand in a text as they are.
const FACTS: &str = "order attempts source code fell had cancelled decided new accepted held waiting channel count sku promised on_hand";

impl MessageWriter {
    /// The text for a name that the code uses, such as an interlock's; the name itself where the catalogue has none.
    fn of_word(&self, group: &str, word: &str) -> String {
        let text = self.language.find(&format!("{group}-{word}"), &[]);
        text.unwrap_or_else(|| word.to_owned())
    }

    /// A text of the conversation in Telegram.
    pub fn words(&self, key: &str, values: &[(&str, String)]) -> String {
        let values = values.iter();
        let values: Vec<(&str, Arg<'_>)> = values
            .map(|(name, value)| (*name, value.as_str().into()))
            .collect();
        self.language.text(key, &values)
    }

    /// A moment as a clock shows it in Almaty, with its date.
    pub fn clock(&self, at: Timestamp) -> String {
        local(at)
    }

    /// The name of a kind of notice.
    pub fn name(&self, kind: Kind) -> String {
        self.language.word(&format!("{}.name", key(kind)))
    }

    /// The text of one notice.
    pub fn sentence(&self, item: &Item, now: Timestamp) -> String {
        self.language.text(&key(item.kind), &self.values(item, now))
    }

    /// The text of a message.
    pub fn message(&self, message: &Outgoing, now: Timestamp) -> String {
        let count = message.items.len();
        if message.is_summary || message.is_short {
            return self.summary(message);
        }
        let mut lines: Vec<String> = Vec::new();
        if let (Some(first), 2..) = (message.items.first(), count) {
            lines.push(self.bundle(first.kind, count));
        }
        let items = message.items.iter().take(LINES_MAX);
        lines.extend(items.map(|item| self.sentence(item, now)));
        if count > LINES_MAX {
            let more = &message.items[LINES_MAX..];
            let values = [("count", more.len().into())];
            lines.push(self.language.text("frame-more", &values) + &orders(more.iter()));
        }
        lines.join("\n")
    }

    fn summary(&self, message: &Outgoing) -> String {
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        for item in &message.items {
            *counts.entry(item.kind).or_default() += 1;
        }
        let since = message
            .items
            .first()
            .map_or(message.made_at, |item| item.at);
        let values = [
            ("since", local(since).into()),
            ("count", message.items.len().into()),
        ];
        let mut lines = vec![if message.is_summary {
            self.language.text("frame-summary", &values)
        } else {
            self.language.text("frame-short", &values[1..])
        }];
        lines.extend(counts.into_iter().map(|(kind, count)| {
            let of_kind = message.items.iter().filter(|item| item.kind == kind);
            self.bundle(kind, count) + &orders(of_kind)
        }));
        lines.join("\n")
    }

    /// How many of one kind there are.
    fn bundle(&self, kind: Kind, count: usize) -> String {
        let values = [("name", self.name(kind).into()), ("count", count.into())];
        self.language.text("frame-bundle", &values)
    }

    fn values(&self, item: &Item, now: Timestamp) -> Vec<(&'static str, Arg<'static>)> {
        let facts = &item.facts;
        let fact = |name: &str| match &facts[name] {
            Value::String(text) => shown(text, FACT_CHARS_MAX),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        // A number stays one: a text may choose its plural form.
        let value = |name: &str| match facts[name].as_i64() {
            Some(number) => number.into(),
            None => fact(name).into(),
        };
        let mut values: Vec<(&str, Arg<'_>)> =
            vec![("shop", item.shop.clone().unwrap_or_default().into())];
        values.extend(FACTS.split(' ').map(|name| (name, value(name))));
        let named = |name: &str| {
            let all = facts[name].as_array().into_iter().flatten();
            let all: Vec<&str> = all.filter_map(Value::as_str).collect();
            shown(&all.join(", "), FACT_CHARS_MAX)
        };
        let count = facts["orders"].as_i64().map(Arg::from);
        values.push(("orders", count.unwrap_or_else(|| named("orders").into())));
        let skus = Some(named("skus")).filter(|skus| !skus.is_empty());
        let skus = skus.unwrap_or_else(|| self.of_word("word", "any_goods"));
        values.push(("skus", skus.into()));
        for name in ["since", "from", "until"] {
            let at = facts[name].as_str();
            let at = at.and_then(|at| at.parse::<Timestamp>().ok());
            values.push((name, at.map(local).unwrap_or_default().into()));
        }
        let action = self.of_word("word", &fact("action"));
        values.push(("action", action.into()));
        values.push(("why", self.why(&facts["because"]).into()));
        for (name, group) in [("denied", "denied"), ("trouble", "trouble")] {
            values.push((name, self.of_word(group, &fact("code")).into()));
        }
        values.push(("left", self.left(item, now).into()));
        for name in ["age", "limit"] {
            if let Some(seconds) = facts[format!("{name}_s")].as_i64() {
                let span = self.language.span(SignedDuration::from_secs(seconds));
                values.push((name, span.into()));
            }
        }
        for (name, fact) in [("share", "share"), ("limit", "limit_share")] {
            if let Some(share) = facts[fact].as_f64() {
                values.push((name, format!("{:.1} %", share * 100.0).into()));
            }
        }
        values
    }

    pub(super) fn why(&self, because: &Value) -> String {
        let words = because.as_array().into_iter().flatten();
        let reasons: Vec<String> = words
            .filter_map(Value::as_str)
            .map(|word| match word.split_once(':') {
                Some(("rule", rule)) => self.language.text("why-rule", &[("rule", rule.into())]),
                _ => self.of_word("why", word),
            })
            .collect();
        reasons.join("; ")
    }

    /// The time left at the time of sending, so that it is right in a late message too.
    fn left(&self, item: &Item, now: Timestamp) -> String {
        let since = item.facts["waiting_since"].as_str();
        let since = since.and_then(|since| since.parse::<Timestamp>().ok());
        let express = item.facts["express"] == true;
        let by_schedule = |since| self.schedule.left_since((since, express), now);
        let Some(left) = item.left.or_else(|| since.map(by_schedule)) else {
            return String::new();
        };
        if left.is_positive() {
            self.language.span(left)
        } else {
            self.language.word("word-late")
        }
    }
}

/// Where the catalogue has the texts of a kind.
fn key(kind: Kind) -> String {
    format!("notice-{}", kind.word().replace('.', "-"))
}

/// The codes of these items' orders, in brackets; empty where they have none.
fn orders<'a>(items: impl Iterator<Item = &'a Item>) -> String {
    let codes = items.filter_map(|item| item.facts["order"].as_str());
    let codes: Vec<String> = codes.map(|code| shown(code, FACT_CHARS_MAX)).collect();
    if codes.is_empty() {
        return String::new();
    }
    let has_more = codes.len() > ORDERS_MAX;
    let more = if has_more { ", …" } else { "" };
    let named = &codes[..codes.len().min(ORDERS_MAX)];
    format!(" ({}{more})", named.join(", "))
}

/// Almaty's time, which is the merchant's.
pub(super) fn local(at: Timestamp) -> String {
    calendar::local(at).strftime("%d.%m %H:%M").to_string()
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
