//! Reads `rules.toml` into rules: text in, rules or every mistake out. The grammar is in
//! `docs/RULES.md`; what the rules mean is in [`crate::domain::rules`].

mod condition;
mod error;
mod outcome;
mod reach;
mod reader;
mod rule;
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
    let mut reader = Reader::new(text, file);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().unwrap_or(0..0);
        reader.refuse(&at, &format!("not TOML: {}", error.message().trim()), None);
    }
    // A tree with holes would only be misread.
    let drafts = if errors.is_empty() {
        rules(&mut reader, root.get_ref())
    } else {
        Vec::new()
    };
    reader.leave();
    reach::check(&mut reader, &drafts);
    let problems = reader.finish();
    if !problems.is_empty() {
        return Err(RulesError { problems });
    }
    Ok(Rules {
        list: drafts.into_iter().filter_map(Draft::finish).collect(),
    })
}

/// The embedded rules. Were they ever broken, the empty list would come back, under which every
/// order is held; a test keeps them whole.
pub fn default_rules() -> Rules {
    load(DEFAULT_RULES, Path::new("config/rules.toml")).unwrap_or_default()
}

fn rules(reader: &mut Reader<'_>, root: &DeTable<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut empty = true;
    for entry in entries(root) {
        empty = false;
        match (entry.key, entry.value.get_ref()) {
            ("rule", DeValue::Array(items)) => {
                empty = items.is_empty();
                for (index, item) in items.iter().enumerate() {
                    drafts.push(rule::rule(reader, index + 1, item));
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
