//! One `[[rule]]`.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::condition::order_condition;
use super::outcome::outcome;
use super::reader::{Place, Reader, Value, entries};
use super::values::{text, truth, words};
use crate::domain::rules::{Condition, Criterion, Outcome, Rule};

const KEYS: [&str; 7] = ["name", "title", "when", "then", "note", "enabled", "shops"];
/// The languages of a title.
const LANGUAGES: [&str; 3] = ["ru", "kk", "en"];

/// A rule as far as it could be read, and where it stands.
pub(super) struct Draft {
    pub(super) name: Option<String>,
    /// Its name, or its head where it has none.
    pub(super) at: Place,
    pub(super) when: Option<Condition<Criterion>>,
    pub(super) enabled: bool,
    /// `None`: all.
    pub(super) shops: Option<Vec<String>>,
    then: Option<Outcome>,
    note: Option<String>,
    title: BTreeMap<String, String>,
}

impl Draft {
    /// The rule, if every part of it could be read.
    pub(super) fn finish(self) -> Option<Rule> {
        Some(Rule {
            name: self.name?,
            title: self.title,
            when: self.when?,
            then: self.then?,
            note: self.note,
            enabled: self.enabled,
            shops: self.shops,
        })
    }
}

/// Reads the rule that is number `number` in the file; it may be for `shops` alone, where they are known.
pub(super) fn rule(
    reader: &mut Reader<'_>,
    number: usize,
    value: &Value<'_>,
    shops: Option<&[&str]>,
) -> Draft {
    let mut draft = Draft {
        name: None,
        at: value.span(),
        when: Some(Condition::always()),
        enabled: true,
        shops: None,
        then: None,
        note: None,
        title: BTreeMap::new(),
    };
    reader.enter(&format!("rule {number}"));
    let DeValue::Table(table) = value.get_ref() else {
        reader.expected("rule", "a table", value);
        draft.when = None;
        return draft;
    };
    let entries = entries(table);
    if let Some(entry) = entries.iter().find(|entry| entry.key == "name") {
        draft.at = entry.value.span();
        draft.name = text(reader, "name", entry.value);
    } else {
        let hint = "add name = \"…\": decisions name it".to_owned();
        reader.refuse(&draft.at, "the rule has no name", Some(hint));
    }
    if let Some(name) = &draft.name {
        reader.enter(&format!("rule '{name}'"));
    }
    let mut says = false;
    for entry in entries {
        match entry.key {
            "name" => {}
            "title" => draft.title = title(reader, entry.value),
            "when" => draft.when = order_condition(reader, "when", entry.value),
            "then" => {
                says = true;
                draft.then = outcome(reader, entry.value);
            }
            "note" => draft.note = text(reader, "note", entry.value),
            "enabled" => {
                draft.enabled = truth(reader, "enabled", entry.value).unwrap_or(true);
            }
            "shops" => draft.shops = words(reader, "shops", entry.value, shops),
            word => reader.unknown(&entry.at, "key", word, &KEYS),
        }
    }
    if !says {
        let hint = "add then = \"accept\", \"hold\", { cancel = … } or { wait = … }".to_owned();
        reader.refuse(&draft.at, "the rule has no 'then'", Some(hint));
    }
    draft
}

/// What people read in place of the name, in each language that is given.
fn title(reader: &mut Reader<'_>, value: &Value<'_>) -> BTreeMap<String, String> {
    let mut titles = BTreeMap::new();
    let DeValue::Table(table) = value.get_ref() else {
        let wanted = "a table such as { ru = \"…\", kk = \"…\" }";
        reader.expected("title", wanted, value);
        return titles;
    };
    for entry in entries(table) {
        if !LANGUAGES.contains(&entry.key) {
            reader.unknown(&entry.at, "language", entry.key, &LANGUAGES);
        } else if let Some(title) = text(reader, "title", entry.value) {
            titles.insert(entry.key.to_owned(), title);
        }
    }
    titles
}
