//! Reads `rules.toml` into rules: text in, rules or every mistake out. The grammar is in
//! `docs/RULES.md`; what the rules mean is in [`crate::domain::rules`].

mod clock;
mod condition;
mod error;
mod outcome;
mod reader;
mod rule;
pub mod scenario;
mod unreachable;
mod values;

use std::path::Path;

use toml::de::{DeTable, DeValue};

pub use error::{Problem, RulesError};

use self::reader::{Reader, entries};
use self::rule::Draft;
use crate::domain::rules::Rules;

/// The rules that hold where the merchant wrote none, as text with comments.
pub const DEFAULT_RULES: &str = include_str!("../../config/rules.toml");

/// Reads rules; `file` only names the text in problems.
pub fn load(text: &str, file: &Path) -> Result<Rules, RulesError> {
    load_for(text, file, None)
}

/// As [`load`], for these shops: a rule for another one is a mistake.
pub fn load_for(text: &str, file: &Path, shops: Option<&[&str]>) -> Result<Rules, RulesError> {
    let mut reader = Reader::new(text, file);
    let (root, whole) = parse(&mut reader, text);
    let drafts = if whole {
        rules(&mut reader, &root, shops)
    } else {
        Vec::new()
    };
    reader.leave();
    unreachable::check(&mut reader, &drafts);
    finish(reader)?;
    Ok(Rules {
        list: drafts.into_iter().filter_map(Draft::finish).collect(),
    })
}

/// The parsed text, and whether it is complete: an incomplete one would only be misread.
fn parse<'t>(reader: &mut Reader<'t>, text: &'t str) -> (DeTable<'t>, bool) {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().unwrap_or(0..0);
        let message = error.message().trim().lines().collect::<Vec<_>>();
        reader.refuse(&at, &format!("not TOML: {}", message.join(", ")), None);
    }
    (root.into_inner(), errors.is_empty())
}

fn finish(reader: Reader<'_>) -> Result<(), RulesError> {
    let problems = reader.finish();
    if problems.is_empty() {
        return Ok(());
    }
    Err(RulesError { problems })
}

/// The embedded rules. Were they ever broken, the empty list would come back, under which every
/// order is held; a test checks that they can be read.
pub fn default_rules() -> Rules {
    load(DEFAULT_RULES, Path::new("config/rules.toml")).unwrap_or_default()
}

fn rules(reader: &mut Reader<'_>, root: &DeTable<'_>, shops: Option<&[&str]>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut empty = true;
    for entry in entries(root) {
        empty = false;
        match (entry.key, entry.value.get_ref()) {
            ("rule", DeValue::Array(items)) => {
                empty = items.is_empty();
                for (index, item) in items.iter().enumerate() {
                    drafts.push(rule::rule(reader, index + 1, item, shops));
                }
                reader.leave();
            }
            ("rule", _) => {
                let hint = "begin each rule with [[rule]], in double brackets".to_owned();
                let what = format!(
                    "expected a list of rules, found {}",
                    reader::found(entry.value)
                );
                reader.refuse(&entry.at, &what, Some(hint));
            }
            (word, _) => reader.unknown(&entry.at, "key", word, &["rule"]),
        }
    }
    if empty {
        let hint = "write at least one [[rule]]; without a rules file the built-in rules hold";
        reader.refuse(&(0..0), "there are no rules", Some(hint.to_owned()));
    }
    drafts
}
