//! Turns a notice's facts into text. All texts are in `messages.toml`, in every language.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Item, Outgoing};
use crate::domain::calendar;
use crate::domain::notice::Kind;
use crate::domain::schedule::Schedule;
use crate::text::shown;

const FILE: &str = include_str!("messages.toml");

/// Most sentences in one message: nobody reads more. The orders of all others are named.
const LINES_MAX: usize = 20;
/// Most orders named on one line.
const ORDERS_MAX: usize = 100;
/// Longest fact in a message, in characters.
const FACT_CHARS_MAX: usize = 200;

/// The languages of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Russian.
    Ru,
    /// Kazakh.
    Kk,
    /// English.
    En,
}

/// Writes messages in one language.
#[derive(Debug, Clone)]
pub struct MessageWriter {
    /// The reader's language.
    pub language: Language,
    /// The deadlines of orders.
    pub schedule: Schedule,
}

/// One text in all languages, with `{name}` for each value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    ru: String,
    kk: String,
    en: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KindTemplates {
    name: Template,
    text: Template,
}

type Group = BTreeMap<String, Template>;

#[derive(Debug, Default)]
struct Templates {
    kinds: BTreeMap<String, KindTemplates>,
    groups: BTreeMap<String, Group>,
}

/// Groups of templates other than those of a kind.
const GROUPS: [&str; 5] = ["frame", "word", "why", "trouble", "denied"];

fn read(text: &str) -> Result<Templates, toml::de::Error> {
    let tables: BTreeMap<String, toml::Value> = toml::from_str(text)?;
    let mut templates = Templates::default();
    for (name, table) in tables {
        if GROUPS.contains(&name.as_str()) {
            templates.groups.insert(name, table.try_into()?);
        } else {
            templates.kinds.insert(name, table.try_into()?);
        }
    }
    Ok(templates)
}

fn templates() -> &'static Templates {
    static TEMPLATES: OnceLock<Templates> = OnceLock::new();
    // A test reads the file, so it is valid in every build.
    TEMPLATES.get_or_init(|| read(FILE).unwrap_or_default())
}

impl Template {
    fn fill(&self, language: Language, values: &[(&str, String)]) -> String {
        let template = match language {
            Language::Ru => &self.ru,
            Language::Kk => &self.kk,
            Language::En => &self.en,
        };
        let mut text = String::with_capacity(template.len() + 32);
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let value = values.iter().find(|(known, _)| *known == name);
            text.push_str(before);
            text.push_str(value.map_or("", |(_, value)| value));
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// Facts that stand in a text as they are.
const FACTS: &str = "order attempts source code fell had cancelled decided new accepted held waiting channel count sku promised on_hand";

impl MessageWriter {
    fn text(&self, group: &str, name: &str, values: &[(&str, String)]) -> String {
        let template = templates()
            .groups
            .get(group)
            .and_then(|group| group.get(name));
        template.map_or_else(
            || name.to_owned(),
            |template| template.fill(self.language, values),
        )
    }

    /// The name of a kind of notice.
    pub fn name(&self, kind: Kind) -> String {
        let kind = templates().kinds.get(kind.word());
        kind.map_or_else(String::new, |of| of.name.fill(self.language, &[]))
    }

    /// The text of one notice.
    pub fn sentence(&self, item: &Item, now: Timestamp) -> String {
        let values = self.values(item, now);
        let kind = templates().kinds.get(item.kind.word());
        kind.map_or_else(String::new, |of| of.text.fill(self.language, &values))
    }

    /// The text of a message.
    pub fn message(&self, message: &Outgoing, now: Timestamp) -> String {
        let count = message.items.len();
        if message.is_summary || message.is_short {
            return self.summary(message);
        }
        let mut lines: Vec<String> = Vec::new();
        if let (Some(first), 2..) = (message.items.first(), count) {
            let values = [
                ("name", self.name(first.kind)),
                ("count", count.to_string()),
            ];
            lines.push(self.text("frame", "bundle", &values));
        }
        let items = message.items.iter().take(LINES_MAX);
        lines.extend(items.map(|item| self.sentence(item, now)));
        if count > LINES_MAX {
            let more = &message.items[LINES_MAX..];
            let values = [("count", more.len().to_string())];
            lines.push(self.text("frame", "more", &values) + &orders(more.iter()));
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
            ("since", local(since)),
            ("count", message.items.len().to_string()),
        ];
        let frame = if message.is_summary {
            "summary"
        } else {
            "short"
        };
        let mut lines = vec![self.text("frame", frame, &values)];
        lines.extend(counts.into_iter().map(|(kind, count)| {
            let values = [("name", self.name(kind)), ("count", count.to_string())];
            let of_kind = message.items.iter().filter(|item| item.kind == kind);
            self.text("frame", "bundle", &values) + &orders(of_kind)
        }));
        lines.join("\n")
    }

    fn values(&self, item: &Item, now: Timestamp) -> Vec<(&'static str, String)> {
        let facts = &item.facts;
        let fact = |name: &str| match &facts[name] {
            Value::String(text) => shown(text, FACT_CHARS_MAX),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let mut values = vec![("shop", item.shop.clone().unwrap_or_default())];
        values.extend(FACTS.split(' ').map(|name| (name, fact(name))));
        let named = facts["orders"].as_array().into_iter().flatten();
        let named: Vec<&str> = named.filter_map(Value::as_str).collect();
        let count = facts["orders"].as_u64().map(|count| count.to_string());
        let named = shown(&named.join(", "), FACT_CHARS_MAX);
        values.push(("orders", count.unwrap_or(named)));
        let skus = facts["skus"].as_array().into_iter().flatten();
        let skus: Vec<&str> = skus.filter_map(Value::as_str).collect();
        values.push(if skus.is_empty() {
            ("skus", self.text("word", "any_goods", &[]))
        } else {
            ("skus", shown(&skus.join(", "), FACT_CHARS_MAX))
        });
        values.push(("denied", self.text("denied", &fact("code"), &[])));
        for name in ["since", "from", "until"] {
            let at = facts[name].as_str();
            let at = at.and_then(|at| at.parse::<Timestamp>().ok());
            values.push((name, at.map(local).unwrap_or_default()));
        }
        values.push(("action", self.text("word", &fact("action"), &[])));
        values.push(("why", self.why(&facts["because"])));
        values.push(("trouble", self.text("trouble", &fact("code"), &[])));
        values.push(("left", self.left(item, now)));
        for name in ["age", "limit"] {
            if let Some(seconds) = facts[format!("{name}_s")].as_i64() {
                values.push((name, self.span(SignedDuration::from_secs(seconds))));
            }
        }
        for (name, fact) in [("share", "share"), ("limit", "limit_share")] {
            if let Some(share) = facts[fact].as_f64() {
                values.push((name, format!("{:.1} %", share * 100.0)));
            }
        }
        values
    }

    fn why(&self, because: &Value) -> String {
        let words = because.as_array().into_iter().flatten();
        let reasons: Vec<String> = words
            .filter_map(Value::as_str)
            .map(|word| match word.split_once(':') {
                Some(("rule", rule)) => self.text("why", "rule", &[("rule", rule.to_owned())]),
                _ => self.text("why", word, &[]),
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
            self.span(left)
        } else {
            self.text("word", "late", &[])
        }
    }

    fn span(&self, span: SignedDuration) -> String {
        let minutes = span.as_mins();
        let values = [
            ("hours", (minutes / 60).to_string()),
            ("minutes", (minutes % 60).to_string()),
        ];
        self.text("word", "span", &values)
    }
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
fn local(at: Timestamp) -> String {
    calendar::local(at).strftime("%d.%m %H:%M").to_string()
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
