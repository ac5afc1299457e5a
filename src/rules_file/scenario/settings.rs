//! The sections of a configuration within a scenario file, so that they are read as `qabyl.toml` is.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::SECTIONS;
use crate::rules_file::reader::entries;

/// The text with everything blanked but those sections: every place in it stays what it was.
pub(super) fn of(text: &str, root: &DeTable<'_>) -> Option<String> {
    let mut kept = Vec::new();
    for entry in entries(root) {
        let DeValue::Table(table) = entry.value.get_ref() else {
            continue;
        };
        if SECTIONS.contains(&entry.key) {
            let ends = table.iter().map(|(_, value)| value.span().end);
            let end = ends.chain([entry.value.span().end, entry.at.end]).max();
            kept.push(whole_lines(
                text,
                entry.at.start..end.unwrap_or(entry.at.end),
            ));
        }
    }
    if kept.is_empty() {
        return None;
    }
    let keep = |at: usize| kept.iter().any(|place: &Range<usize>| place.contains(&at));
    let blanked = text.char_indices().map(|(at, c)| match c {
        '\n' => c,
        _ if keep(at) => c,
        _ => ' ',
    });
    Some(blanked.collect())
}

fn whole_lines(text: &str, place: Range<usize>) -> Range<usize> {
    let before = text.get(..place.start).unwrap_or_default();
    let after = text.get(place.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find('\n').map_or(text.len(), |at| place.end + at);
    start..end
}
