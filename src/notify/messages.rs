//! From facts to sentences: all of them are in `messages.toml`, in every language.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Item, Outgoing};
use crate::domain::notice::Kind;
use crate::domain::schedule::Schedule;

const FILE: &str = include_str!("messages.toml");

/// Sentences of one message, at most: nobody reads more, and Telegram takes 4096 characters.
const LINES_MAX: usize = 20;

/// The languages there are.
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

/// What a sentence is made with beside its facts.
#[derive(Debug, Clone)]
pub struct Speaker {
    /// The reader's language.
    pub language: Language,
    /// How long an order may wait.
    pub schedule: Schedule,
}

/// One sentence in all languages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    ru: String,
    kk: String,
    en: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfKind {
    name: Sentence,
    text: Sentence,
}

type Group = BTreeMap<String, Sentence>;

#[derive(Debug, Default)]
struct Book {
    kinds: BTreeMap<String, OfKind>,
    groups: BTreeMap<String, Group>,
}

/// The groups beside the kinds.
const GROUPS: [&str; 4] = ["frame", "word", "why", "trouble"];

fn read(text: &str) -> Result<Book, toml::de::Error> {
    let tables: BTreeMap<String, toml::Value> = toml::from_str(text)?;
    let mut book = Book::default();
    for (name, table) in tables {
        if GROUPS.contains(&name.as_str()) {
            book.groups.insert(name, table.try_into()?);
        } else {
            book.kinds.insert(name, table.try_into()?);
        }
    }
    Ok(book)
}

fn book() -> &'static Book {
    static BOOK: OnceLock<Book> = OnceLock::new();
    // A test reads it, so that it is whole in every build.
    BOOK.get_or_init(|| read(FILE).unwrap_or_default())
}

impl Sentence {
    fn say(&self, language: Language, values: &[(&str, String)]) -> String {
        let template = match language {
            Language::Ru => &self.ru,
            Language::Kk => &self.kk,
            Language::En => &self.en,
        };
        let mut said = String::with_capacity(template.len() + 32);
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let value = values.iter().find(|(known, _)| *known == name);
            said.push_str(before);
            said.push_str(value.map_or("", |(_, value)| value));
            rest = after;
        }
        said.push_str(rest);
        said
    }
}

impl Speaker {
    fn say(&self, group: &str, name: &str, values: &[(&str, String)]) -> String {
        let sentence = book().groups.get(group).and_then(|group| group.get(name));
        sentence.map_or_else(
            || name.to_owned(),
            |sentence| sentence.say(self.language, values),
        )
    }

    /// What a kind of notice is called.
    pub fn name(&self, kind: Kind) -> String {
        let of_kind = book().kinds.get(kind.word());
        of_kind.map_or_else(String::new, |of| of.name.say(self.language, &[]))
    }

    /// One notice in words.
    pub fn sentence(&self, item: &Item, now: Timestamp) -> String {
        let values = self.values(item, now);
        let of_kind = book().kinds.get(item.kind.word());
        of_kind.map_or_else(String::new, |of| of.text.say(self.language, &values))
    }

    /// A whole message in words.
    pub fn message(&self, message: &Outgoing, now: Timestamp) -> String {
        let count = message.items.len();
        if message.is_summary {
            return self.summary(message);
        }
        let mut lines: Vec<String> = Vec::new();
        if let (Some(first), 2..) = (message.items.first(), count) {
            let values = [
                ("name", self.name(first.kind)),
                ("count", count.to_string()),
            ];
            lines.push(self.say("frame", "bundle", &values));
        }
        let told = message.items.iter().take(LINES_MAX);
        lines.extend(told.map(|item| self.sentence(item, now)));
        if count > LINES_MAX {
            let more = (count - LINES_MAX).to_string();
            lines.push(self.say("frame", "more", &[("count", more)]));
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
        let mut lines = vec![self.say("frame", "summary", &values)];
        lines.extend(counts.into_iter().map(|(kind, count)| {
            let values = [("name", self.name(kind)), ("count", count.to_string())];
            self.say("frame", "bundle", &values)
        }));
        lines.join("\n")
    }

    fn values(&self, item: &Item, now: Timestamp) -> Vec<(&'static str, String)> {
        let facts = &item.facts;
        let text = |name: &str| match &facts[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let mut values = vec![("shop", item.shop.clone().unwrap_or_default())];
        for name in [
            "order",
            "attempts",
            "source",
            "code",
            "fell",
            "had",
            "cancelled",
            "decided",
            "new",
            "accepted",
            "held",
            "waiting",
            "channel",
        ] {
            values.push((name, text(name)));
        }
        values.push(("action", self.say("word", &text("action"), &[])));
        values.push(("why", self.why(&facts["because"])));
        values.push(("trouble", self.say("trouble", &text("code"), &[])));
        values.push(("left", self.left(facts, now)));
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
        let said: Vec<String> = words
            .filter_map(Value::as_str)
            .map(|word| match word.split_once(':') {
                Some(("rule", rule)) => self.say("why", "rule", &[("rule", rule.to_owned())]),
                _ => self.say("why", word, &[]),
            })
            .collect();
        said.join("; ")
    }

    /// Counted when it is said: a message that arrives late tells what is left then.
    fn left(&self, facts: &Value, now: Timestamp) -> String {
        let since = facts["waiting_since"].as_str();
        let Some(since) = since.and_then(|since| since.parse::<Timestamp>().ok()) else {
            return String::new();
        };
        let express = facts["express"] == true;
        let left = self.schedule.left_since((since, express), now);
        if left.is_positive() {
            self.span(left)
        } else {
            self.say("word", "late", &[])
        }
    }

    fn span(&self, span: SignedDuration) -> String {
        let minutes = span.as_mins();
        let values = [
            ("hours", (minutes / 60).to_string()),
            ("minutes", (minutes % 60).to_string()),
        ];
        self.say("word", "span", &values)
    }
}

/// Almaty's time, which is the merchant's.
fn local(at: Timestamp) -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Almaty").unwrap_or(jiff::tz::TimeZone::UTC);
    at.to_zoned_datetime(zone)
        .strftime("%d.%m %H:%M")
        .to_string()
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
