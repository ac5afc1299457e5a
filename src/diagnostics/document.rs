//! A TOML text with the place of every key and value.

use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::{CONTROL_CHARACTERS, Location, Span, has_control};

/// One step of a path into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// The value of a key of a table.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// A parsed text.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    file: &'t Path,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses a text; `file` only names it.
    ///
    /// # Errors
    /// Every syntax error, or each text with control characters, with its place.
    pub fn parse(text: &'t str, file: &'t Path) -> Result<Self, Vec<(Location, String)>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            let mut found = Vec::new();
            controls(root.get_ref(), &mut found);
            if found.is_empty() {
                return Ok(Self { text, file, root });
            }
            let located = found.into_iter().map(|span| {
                let at = Location::of(text, file, span.start);
                (at, CONTROL_CHARACTERS.to_owned())
            });
            return Err(located.collect());
        }
        let located = errors.iter().map(|error| {
            let start = error.span().unwrap_or_default().start;
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            (Location::of(text, file, start), what)
        });
        Err(located.collect())
    }

    /// The tables and values without their places.
    pub fn table(&self) -> Table {
        table(self.root.get_ref())
    }

    /// Where the value at a path begins, or the nearest value around it; `None` outside the document.
    pub fn locate(&self, path: &[Segment]) -> Location {
        self.at(&self.value_span(path))
    }

    /// Where the last key of a path is written.
    pub fn locate_key(&self, path: &[Segment]) -> Location {
        let at = match path.split_last() {
            Some((Segment::Key(key), parent)) => self
                .table_at(parent)
                .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key))
                .map_or_else(|| self.value_span(parent), |(name, _)| name.span()),
            _ => self.value_span(path),
        };
        self.at(&at)
    }

    /// Where a key of the document's root and its whole value stand.
    pub fn span_of(&self, key: &str) -> Option<Span> {
        let (name, value) = self
            .root
            .get_ref()
            .iter()
            .find(|(name, _)| name.get_ref() == key)?;
        let inner = value.get_ref().as_table();
        let ends = inner
            .into_iter()
            .flat_map(|table| table.iter().map(|(_, value)| value.span().end));
        let end = ends.chain([value.span().end, name.span().end]).max()?;
        Some(name.span().start..end)
    }

    fn at(&self, span: &Span) -> Location {
        Location::of(self.text, self.file, span.start)
    }

    fn value_span(&self, path: &[Segment]) -> Span {
        let mut span = 0..0;
        let mut rest: Option<&DeValue<'_>> = None;
        for segment in path {
            let next = match (segment, rest) {
                (Segment::Key(key), None) => find(self.root.get_ref(), key),
                (Segment::Key(key), Some(DeValue::Table(table))) => find(table, key),
                (Segment::Index(index), Some(DeValue::Array(items))) => items.get(*index),
                _ => None,
            };
            let Some(next) = next else {
                return span;
            };
            span = next.span();
            rest = Some(next.get_ref());
        }
        span
    }

    fn table_at(&self, path: &[Segment]) -> Option<&DeTable<'t>> {
        let mut table = self.root.get_ref();
        let mut segments = path.iter();
        while let Some(segment) = segments.next() {
            let Segment::Key(key) = segment else {
                return None;
            };
            table = match find(table, key)?.get_ref() {
                DeValue::Table(inner) => inner,
                DeValue::Array(items) => {
                    let Some(Segment::Index(index)) = segments.next() else {
                        return None;
                    };
                    items.get(*index)?.get_ref().as_table()?
                }
                _ => return None,
            };
        }
        Some(table)
    }
}

fn find<'a, 't>(table: &'a DeTable<'t>, key: &str) -> Option<&'a Spanned<DeValue<'t>>> {
    let mut entries = table.iter();
    entries
        .find(|(name, _)| name.get_ref() == key)
        .map(|(_, value)| value)
}

/// Where keys and values with control characters stand: none is meant, and each would go to terminals and logs.
fn controls(table: &DeTable<'_>, found: &mut Vec<Span>) {
    for (name, value) in table {
        if has_control(name.get_ref()) {
            found.push(name.span());
        }
        controls_of(value, found);
    }
}

fn controls_of(value: &Spanned<DeValue<'_>>, found: &mut Vec<Span>) {
    match value.get_ref() {
        DeValue::String(text) if has_control(text) => found.push(value.span()),
        DeValue::Array(items) => items.iter().for_each(|item| controls_of(item, found)),
        DeValue::Table(inner) => controls(inner, found),
        _ => {}
    }
}

fn table(from: &DeTable<'_>) -> Table {
    from.iter()
        .map(|(key, inner)| (key.get_ref().to_string(), value(inner.get_ref())))
        .collect()
}

fn value(from: &DeValue<'_>) -> Value {
    match from {
        DeValue::String(text) => Value::String(text.to_string()),
        // A whole number too large becomes a fraction, which no key takes for a whole number.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| float(number.as_str()), Value::Integer),
        DeValue::Float(number) => float(number.as_str()),
        DeValue::Boolean(is) => Value::Boolean(*is),
        DeValue::Datetime(date) => Value::Datetime(*date),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| value(item.get_ref())).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner)),
    }
}

fn float(text: &str) -> Value {
    Value::Float(text.replace('_', "").parse().unwrap_or(f64::INFINITY))
}
