//! `docs/LOGGING.md` is held to the code: every event with its level and the very fields the code
//! gives it, every field with its type, an example of each. A field that changes its name breaks this.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/LOGGING.md");

/// On every line, whatever the event.
const FRAME: [&str; 5] = ["timestamp", "level", "event", "message", "target"];

/// Where in the code an event is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Site {
    level: String,
    fields: BTreeSet<String>,
    codes: BTreeSet<String>,
}

/// The parts of a macro's arguments, split at its commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for c in text.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            part.push(c);
            continue;
        }
        match c {
            '"' => quoted = true,
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part.trim().to_owned());
    parts
}

fn site(level: &str, text: &str) -> Option<(String, Site)> {
    let mut event = None;
    let mut site = Site {
        level: level.to_owned(),
        fields: BTreeSet::new(),
        codes: BTreeSet::new(),
    };
    for argument in arguments(text) {
        if argument.starts_with('"') {
            break;
        }
        let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
        let name = name.trim().trim_start_matches(['%', '?']).to_owned();
        let value = value.trim();
        if name == "event" {
            event = Some(value.trim_matches('"').to_owned());
            continue;
        }
        if name == "code" && value.starts_with('"') {
            site.codes.insert(value.trim_matches('"').to_owned());
        }
        site.fields.insert(name);
    }
    Some((event?, site))
}

fn in_code() -> BTreeMap<String, Vec<Site>> {
    let mut events: BTreeMap<String, Vec<Site>> = BTreeMap::new();
    for (name, text) in crate::tidy::shipped_sources() {
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        if name.contains("/tests/") {
            continue;
        }
        for level in ["error", "warn", "info", "debug", "trace"] {
            for rest in shipped.split(&format!("tracing::{level}!(")).skip(1) {
                if let Some((event, site)) = site(level, rest) {
                    events.entry(event).or_default().push(site);
                }
            }
        }
    }
    events
}

fn ticked(cell: &str) -> BTreeSet<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

/// Level, codes, fields.
type Row = (String, BTreeSet<String>, BTreeSet<String>);

/// Rows of the event tables: event, level with codes, fields.
fn in_document() -> BTreeMap<String, Row> {
    let (events, _) = DOCUMENT.split_once("\n## Fields").unwrap();
    let rows = events.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let event = cells[0].trim_end_matches('`').to_owned();
        let (level, codes) = cells[1].split_once(' ').unwrap_or((cells[1], ""));
        let codes = codes.split(',').map(|code| code.trim().to_owned());
        let codes = codes.filter(|code| !code.is_empty()).collect();
        (event, (level.to_owned(), codes, ticked(cells[2])))
    })
    .collect()
}

/// Fields with their types: `text`, `number`, `yes or no`.
fn types() -> &'static BTreeMap<String, String> {
    static TYPES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let (_, fields) = DOCUMENT.split_once("\n## Fields").unwrap();
        let (fields, _) = fields.split_once("\n## ").unwrap();
        let rows = fields.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            (
                cells[0].trim_end_matches('`').to_owned(),
                cells[1].to_owned(),
            )
        })
        .collect()
    })
}

fn examples() -> Vec<Value> {
    let (_, examples) = DOCUMENT.split_once("\n## One line of each").unwrap();
    let lines = examples.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// Whether a line is what the catalogue says of its event.
pub(super) fn judge(line: &Value) {
    static CATALOGUE: OnceLock<BTreeMap<String, Row>> = OnceLock::new();
    let event = line["event"].as_str().expect("every line has an event");
    let catalogue = CATALOGUE.get_or_init(in_document);
    let (level, codes, fields) = catalogue.get(event).expect(event);
    assert_eq!(line["level"], level.to_uppercase(), "{line}");
    let found: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
    let extra: Vec<&String> = found
        .iter()
        .filter(|name| !FRAME.contains(&name.as_str()) && !fields.contains(*name))
        .collect();
    assert!(
        extra.is_empty(),
        "{event} has fields the catalogue does not know: {extra:?}"
    );
    // The age of stock that is not there is none.
    let missing: Vec<&String> = fields
        .iter()
        .filter(|name| !found.contains(*name) && *name != "stock_age_s")
        .collect();
    assert!(missing.is_empty(), "{event} lacks {missing:?}");
    if !codes.is_empty() {
        assert!(codes.contains(line["code"].as_str().unwrap()), "{line}");
    }
    for name in fields.iter().filter(|name| found.contains(*name)) {
        let is = match &line[name.as_str()] {
            Value::String(_) => "text",
            Value::Number(_) => "number",
            Value::Bool(_) => "yes or no",
            _ => "something else",
        };
        assert_eq!(is, types()[name], "{name} of {event}");
    }
}

#[test]
fn the_catalogue_is_what_the_code_says() {
    let (code, document) = (in_code(), in_document());
    assert!(
        code.len() > 40,
        "events are found in the code: {}",
        code.len()
    );
    let mut snapshot = String::new();
    for (event, sites) in &code {
        let first = &sites[0];
        let mut codes = BTreeSet::new();
        for site in sites {
            let told = (&site.level, &site.fields);
            assert_eq!(
                told,
                (&first.level, &first.fields),
                "{event} is told in two ways"
            );
            codes.extend(site.codes.iter().cloned());
        }
        let (level, documented_codes, fields) = &document[event];
        assert_eq!(
            (&first.level, &first.fields),
            (level, fields),
            "{event} in the code, and documented"
        );
        if first.level == "error" {
            let all = ["code", "hint"].map(str::to_owned);
            assert!(
                all.iter().all(|name| first.fields.contains(name)),
                "{event} needs a code and a hint"
            );
            assert!(codes.is_subset(documented_codes), "{event}: {codes:?}");
            assert!(!documented_codes.is_empty(), "{event} has a code");
        }
        let fields: Vec<String> = fields
            .iter()
            .map(|name| {
                format!(
                    "{name}:{}",
                    types().get(name).expect(name).replace(' ', "_")
                )
            })
            .collect();
        writeln!(snapshot, "{event} {level} {}", fields.join(" ")).unwrap();
    }
    let events: BTreeSet<&String> = document.keys().collect();
    assert_eq!(
        events,
        code.keys().collect(),
        "events documented, and in the code"
    );
    insta::assert_snapshot!("catalogue", snapshot);
}

#[test]
fn every_field_is_used_and_has_a_unit_where_it_needs_one() {
    let used: BTreeSet<String> = in_document()
        .into_values()
        .flat_map(|(.., fields)| fields)
        .collect();
    let known: BTreeSet<String> = types().keys().cloned().collect();
    assert_eq!(used, known, "fields of events, and fields explained");
}

#[test]
fn every_event_has_its_example() {
    let examples = examples();
    let shown: Vec<&str> = examples
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    let events: BTreeSet<String> = in_document().into_keys().collect();
    assert_eq!(shown.len(), events.len(), "one each");
    assert_eq!(
        shown
            .iter()
            .map(|event| (*event).to_owned())
            .collect::<BTreeSet<_>>(),
        events
    );
    examples.iter().for_each(judge);
}

#[test]
fn the_recorded_log_is_of_this_catalogue() {
    let log = include_str!("../../fixtures/log/qabyl.log");
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.for_each(|line: Value| judge(&line));
}
