//! Scenario files: an order, its stock, the shop and a moment, and what is to be decided of them. Text
//! in, scenarios or every mistake out; what is left unsaid is plain and in order, so that a scenario
//! says only what it is about. The grammar is in `docs/RULES.md`.

mod around;
mod expect;
mod order;
mod run;
mod settings;

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use toml::de::{DeTable, DeValue};

pub use expect::Expect;
pub use run::{Checked, check};

use self::around::Around;
use super::reader::{Entry, Reader, Value, entries, found};
use super::values::text;
use super::{RulesError, finish, parse};
use crate::domain::calendar;
use crate::domain::facts::Facts;

/// A file of scenarios.
#[derive(Debug, Clone)]
pub struct ScenarioFile {
    /// The rules they are for, as written: relative to the file.
    pub rules: Option<PathBuf>,
    /// Its sections of a configuration, each where it stands in the file; `None` where it has none.
    pub settings: Option<String>,
    /// The scenarios in the order of the file.
    pub list: Vec<Scenario>,
}

/// One scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// All that is decided on.
    pub facts: Facts,
    /// The moment of the decision.
    pub now: Timestamp,
    /// What is to come out.
    pub expect: Expect,
}

/// Sections of `qabyl.toml` that have a say in a decision.
const SECTIONS: [&str; 4] = ["schedule", "interlocks", "actions", "confirm"];
const KEYS: [&str; 8] = [
    "name", "now", "order", "lines", "shop", "shortage", "world", "expect",
];

/// Reads scenarios; `file` only names the text in problems.
///
/// # Errors
/// Every mistake at once.
pub fn read(text: &str, file: &Path) -> Result<ScenarioFile, RulesError> {
    let mut reader = Reader::new(text, file);
    let (root, whole) = parse(&mut reader, text);
    let mut read = ScenarioFile {
        rules: None,
        settings: settings::of(text, &root),
        list: Vec::new(),
    };
    if whole {
        top(&mut reader, &root, &mut read);
    }
    finish(reader)?;
    Ok(read)
}

fn top(reader: &mut Reader<'_>, root: &DeTable<'_>, read: &mut ScenarioFile) {
    let mut any = false;
    for entry in entries(root) {
        match (entry.key, entry.value.get_ref()) {
            ("rules", _) => read.rules = text(reader, "rules", entry.value).map(PathBuf::from),
            ("scenario", DeValue::Array(items)) => {
                any = true;
                for (index, item) in items.iter().enumerate() {
                    read.list.extend(scenario(reader, index + 1, item));
                }
                reader.leave();
            }
            ("scenario", _) => {
                any = true;
                let what = format!("expected a list of scenarios, found {}", found(entry.value));
                let hint = "begin each one with [[scenario]], in double brackets".to_owned();
                reader.refuse(&entry.at, &what, Some(hint));
            }
            (word, _) if SECTIONS.contains(&word) => {}
            (word, _) => {
                any = true;
                let known = [&["rules", "scenario"][..], &SECTIONS].concat();
                reader.unknown(&entry.at, "key", word, &known);
            }
        }
    }
    if !any {
        let hint = "write at least one [[scenario]]".to_owned();
        reader.refuse(&(0..0), "there are no scenarios", Some(hint));
    }
}

fn scenario(reader: &mut Reader<'_>, number: usize, value: &Value<'_>) -> Option<Scenario> {
    reader.enter(&format!("scenario {number}"));
    let table = fields(reader, "scenario", value, &KEYS)?;
    let find = |key: &str| table.iter().find(|entry| entry.key == key);
    let at = find("name").map_or(value.span(), |entry| entry.value.span());
    let Some(name) = find("name") else {
        let hint = "add name = \"…\": it is told by it".to_owned();
        reader.refuse(&at, "the scenario has no name", Some(hint));
        return None;
    };
    let name = text(reader, "name", name.value)?;
    reader.enter(&format!("scenario '{name}'"));
    let now = match find("now") {
        Some(entry) => moment(reader, entry)?,
        None => noon(),
    };
    let mut around = Around::new(now);
    for entry in &table {
        match entry.key {
            "shop" => around.shop(reader, entry.value),
            "world" => around.world(reader, entry.value),
            "shortage" => around.shortage(reader, entry.value),
            _ => {}
        }
    }
    let order = order::order(reader, find("order").map(|entry| entry.value), now);
    let lines = order::lines(reader, find("lines").map(|entry| entry.value), now);
    let Some(entry) = find("expect") else {
        let hint = "add expect = { verdict = \"accept\" }".to_owned();
        reader.refuse(&at, "the scenario expects nothing", Some(hint));
        return None;
    };
    let expect = expect::expect(reader, entry.value)?;
    let (order, sent) = order?;
    Some(Scenario {
        name,
        line: reader.line(&at),
        facts: around.facts(order, lines?, sent),
        now,
        expect,
    })
}

/// The entries of a table that has these keys and no others.
fn fields<'t>(
    reader: &mut Reader<'_>,
    key: &str,
    value: &'t Value<'t>,
    known: &[&str],
) -> Option<Vec<Entry<'t>>> {
    let DeValue::Table(table) = value.get_ref() else {
        reader.expected(key, "a table such as { … }", value);
        return None;
    };
    let entries = entries(table);
    for entry in entries.iter().filter(|entry| !known.contains(&entry.key)) {
        reader.unknown(&entry.at, &format!("key of {key}"), entry.key, known);
    }
    Some(entries)
}

/// A Monday's noon in Almaty.
fn noon() -> Timestamp {
    Timestamp::constant(1_772_434_800, 0)
}

/// `2026-03-02 23:10` by Almaty's clock, or a moment with its offset.
fn moment(reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<Timestamp> {
    let written = match entry.value.get_ref() {
        DeValue::String(text) => text.trim().to_owned(),
        DeValue::Datetime(date) => date.to_string(),
        _ => {
            reader.expected("now", "a moment such as \"2026-03-02 23:10\"", entry.value);
            return None;
        }
    };
    let read = written.parse::<Timestamp>().ok().or_else(|| {
        let local: jiff::civil::DateTime = written.parse().ok()?;
        calendar::moment(local)
    });
    if read.is_none() {
        let what = format!("now: '{written}' is no moment");
        let hint = "write one such as \"2026-03-02 23:10\": Almaty's time".to_owned();
        reader.refuse(&entry.value.span(), &what, Some(hint));
    }
    read
}

/// The moment so long before `now`.
fn ago(now: Timestamp, time: SignedDuration) -> Timestamp {
    now.saturating_sub(time).unwrap_or(Timestamp::MIN)
}
