//! The list of events in `src/events/` is what the log really has: the lines of a real run, of the recorded
//! log and of the examples in `docs/LOGGING.md` carry these events, levels, fields and types, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use qabyl::events::{self, Event, FIELDS, SECTIONS, Type};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/LOGGING.md");

/// On every line, whatever the event.
const FRAME: [&str; 5] = ["timestamp", "level", "event", "message", "target"];

/// Left out of a line where it has no value: the age of stock that is not there.
const OPTIONAL: &str = "stock_age_s";

/// Around what is generated in `docs/LOGGING.md`: events, then fields.
const MARKS: [(&str, &str); 2] = [
    (
        "<!-- events from src/events -->\n",
        "<!-- end of events -->",
    ),
    (
        "<!-- fields from src/events -->\n",
        "<!-- end of fields -->",
    ),
];

fn event_tables() -> String {
    let mut text = String::new();
    for (title, events) in SECTIONS {
        writeln!(text, "\n## {title}\n").unwrap();
        writeln!(text, "| event | level | fields | when |\n|---|---|---|---|").unwrap();
        for event in *events {
            let level = event.level.as_str().to_lowercase();
            let level = [level, event.codes.join(", ")].join(" ");
            let fields: Vec<String> = event
                .fields
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                event.name,
                level.trim_end(),
                fields.join(", "),
                event.when
            )
            .unwrap();
        }
    }
    text.push('\n');
    text
}

fn field_table() -> String {
    let mut text = String::from("\n| field | type | what |\n|---|---|---|\n");
    for field in FIELDS {
        writeln!(text, "| `{}` | {} | {} |", field.0, field.1.word(), field.2).unwrap();
    }
    text.push('\n');
    text
}

#[test]
fn the_tables_of_the_document_are_those_of_the_code() {
    let mut wanted = DOCUMENT.to_owned();
    for ((begin, end), table) in MARKS.iter().zip([event_tables(), field_table()]) {
        let (before, rest) = wanted.split_once(begin).expect(begin);
        let (_, after) = rest.split_once(end).expect(end);
        wanted = format!("{before}{begin}{table}{end}{after}");
    }
    if std::env::var_os("QABYL_WRITE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/LOGGING.md");
        std::fs::write(path, &wanted).unwrap();
        return;
    }
    assert!(
        wanted == DOCUMENT,
        "docs/LOGGING.md is not what src/events/ says: run `just log-tables`"
    );
}

#[test]
fn an_error_has_a_code_and_a_hint() {
    for event in events::all() {
        let is_error = event.level == tracing::Level::ERROR;
        for name in ["code", "hint"] {
            assert!(
                !is_error || event.fields.contains(&name),
                "{} lacks a {name}",
                event.name
            );
        }
        assert_eq!(is_error, !event.codes.is_empty(), "{}", event.name);
    }
}

#[test]
fn names_are_unique_and_every_field_is_explained() {
    let names: BTreeSet<&str> = events::all().map(|event| event.name).collect();
    assert_eq!(names.len(), events::all().count(), "names are unique");
    let used: BTreeSet<&str> = events::all()
        .flat_map(|event| event.fields.iter().copied())
        .collect();
    let explained: BTreeSet<&str> = FIELDS.iter().map(|field| field.0).collect();
    assert_eq!(explained.len(), FIELDS.len(), "fields are unique");
    assert_eq!(used, explained, "fields of events, and fields explained");
}

/// Holds a line of the log to the list.
pub(super) fn judge(line: &Value) {
    let name = line["event"].as_str().expect("every line has an event");
    let event: &Event = events::all().find(|event| event.name == name).expect(name);
    assert_eq!(line["level"], event.level.as_str(), "{line}");
    let line_fields = line.as_object().unwrap();
    let found: BTreeSet<&str> = line_fields
        .keys()
        .map(String::as_str)
        .filter(|field| !FRAME.contains(field) && *field != OPTIONAL)
        .collect();
    let declared: BTreeSet<&str> = event
        .fields
        .iter()
        .copied()
        .filter(|field| *field != OPTIONAL)
        .collect();
    assert_eq!(found, declared, "fields of {name}");
    if !event.codes.is_empty() {
        assert!(
            event.codes.contains(&line["code"].as_str().unwrap()),
            "{line}"
        );
    }
    let types: BTreeMap<&str, Type> = FIELDS.iter().map(|field| (field.0, field.1)).collect();
    for (field, value) in line_fields {
        let Some(declared) = types.get(field.as_str()) else {
            continue;
        };
        let is = match value {
            Value::String(_) => Some(Type::Text),
            Value::Number(_) => Some(Type::Number),
            Value::Bool(_) => Some(Type::YesOrNo),
            _ => None,
        };
        assert_eq!(is, Some(*declared), "{field} of {name}");
    }
}

#[test]
fn every_event_has_its_example() {
    let (_, rest) = DOCUMENT.split_once("```json\n").unwrap();
    let (lines, _) = rest.split_once("\n```").unwrap();
    let examples: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    examples.iter().for_each(judge);
    let shown: Vec<&str> = examples
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    let all: Vec<&str> = events::all().map(|event| event.name).collect();
    assert_eq!(
        shown, all,
        "one example of each, in the order of the tables"
    );
}

/// The file of a module that logs: `qabyl::pipeline::act` is `src/pipeline/act/mod.rs`.
fn file_of(target: &str) -> String {
    let path = target.replacen("qabyl", "src", 1).replace("::", "/");
    let files = [format!("{path}.rs"), format!("{path}/mod.rs")];
    let texts = files.iter().map(std::fs::read_to_string);
    texts.flatten().next().expect(target)
}

#[test]
fn every_example_names_the_module_that_logs_it() {
    let (_, rest) = DOCUMENT.split_once("```json\n").unwrap();
    let (lines, _) = rest.split_once("\n```").unwrap();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        let constant = line["event"].as_str().unwrap().replace('.', "_");
        let target = line["target"].as_str().unwrap();
        let logs = file_of(target).contains(&constant.to_uppercase());
        assert!(logs, "{target} does not log {constant}");
    }
}

#[test]
fn the_recorded_log_is_of_this_catalogue() {
    let log = include_str!("../../fixtures/log/qabyl.log");
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.for_each(|line: Value| judge(&line));
}
