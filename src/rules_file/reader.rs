//! Reads a rules file: knows the position in the text and records every problem.
//! Functions that take a [`Reader`] return `None` once they have recorded why.

use std::ops;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use crate::diagnostics::{Location, nearest};
use crate::text::shown;

/// A value with its place in the text.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;
/// A place in the text, in bytes.
pub(super) type Place = ops::Range<usize>;

/// One `key = value` of a table.
pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    pub(super) at: Place,
    pub(super) value: &'t Value<'t>,
}

/// The entries of a table in the order in which they were written.
pub(super) fn entries<'t>(table: &'t DeTable<'t>) -> Vec<Entry<'t>> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().as_ref(),
            at: key.span(),
            value,
        })
        .collect();
    entries.sort_by_key(|entry| entry.at.start);
    entries
}

/// Maximum depth of conditions within conditions: reading them is recursive, and deeper rules are unreadable.
const DEPTH_MAX: usize = 16;

pub(super) struct Reader<'t> {
    text: &'t str,
    file: &'t Path,
    problems: Vec<Problem>,
    /// What every problem begins with while a rule is read: `rule 'short': `.
    within: String,
    depth: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, file: &'t Path) -> Self {
        Self {
            text,
            file,
            problems: Vec::new(),
            within: String::new(),
            depth: 0,
        }
    }

    /// Names the rule in the problems recorded from here on.
    pub(super) fn enter(&mut self, rule: &str) {
        self.within = format!("{rule}: ");
    }

    /// Problems recorded from here on are of no rule.
    pub(super) fn leave(&mut self) {
        self.within.clear();
    }

    /// Reads the inside of a condition, unless it is nested too deeply.
    pub(super) fn deeper<T>(
        &mut self,
        at: &Place,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if self.depth == DEPTH_MAX {
            let what = format!("more than {DEPTH_MAX} conditions within each other");
            let hint = "make several rules of it".to_owned();
            self.refuse(at, &what, Some(hint));
            return None;
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Line of a place, from 1.
    pub(super) fn line(&self, at: &Place) -> usize {
        self.location(at).line
    }

    /// The text at a place.
    pub(super) fn source(&self, at: &Place) -> &'t str {
        self.text.get(at.clone()).unwrap_or_default()
    }

    /// Records a problem.
    pub(super) fn refuse(&mut self, at: &Place, what: &str, hint: Option<String>) {
        // Names and words of the file may hold anything; a problem has one line.
        let one_line = |text: &str| shown(text, usize::MAX);
        self.problems.push(Problem {
            at: self.location(at),
            what: one_line(&format!("{}{what}", self.within)),
            hint: hint.map(|hint| one_line(&hint)),
        });
    }

    /// Records a value of the wrong type.
    pub(super) fn expected(&mut self, key: &str, wanted: &str, value: &Value<'_>) {
        self.expected_such_as(key, wanted, None, value);
    }

    /// Records a value of the wrong type, with what to write instead.
    pub(super) fn expected_such_as(
        &mut self,
        key: &str,
        wanted: &str,
        hint: Option<String>,
        value: &Value<'_>,
    ) {
        let what = format!("{key}: expected {wanted}, found {}", found(value));
        self.refuse(&value.span(), &what, hint);
    }

    /// Records an unknown word, with the nearest known one.
    pub(super) fn unknown(&mut self, at: &Place, kind: &str, word: &str, known: &[&str]) {
        let hint = nearest(word, known.iter().copied()).map_or_else(
            || format!("known here: {}", known.join(", ")),
            |near| format!("did you mean '{near}'?"),
        );
        self.refuse(at, &format!("unknown {kind} '{word}'"), Some(hint));
    }

    /// The problems, in the order in which they stand in the text.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems
            .sort_by_key(|problem| (problem.at.line, problem.at.column));
        self.problems
    }

    fn location(&self, at: &Place) -> Location {
        Location::of(self.text, self.file, at.start)
    }
}

/// A value's type in words.
pub(super) fn found(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
