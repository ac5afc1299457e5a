//! The sections of a configuration within a scenario file, so that they are read as `qabyl.toml` is.

use super::SECTIONS;
use crate::diagnostics::{Document, Span};

/// The text with everything blanked but those sections: every place in it stays what it was.
pub(super) fn of(text: &str, document: &Document<'_>) -> Option<String> {
    let kept: Vec<Span> = SECTIONS
        .iter()
        .filter_map(|section| document.span_of(section))
        .map(|span| whole_lines(text, span))
        .collect();
    if kept.is_empty() {
        return None;
    }
    let keep = |at: usize| kept.iter().any(|span| span.contains(&at));
    let blanked = text.char_indices().map(|(at, c)| match c {
        '\n' => c,
        _ if keep(at) => c,
        _ => ' ',
    });
    Some(blanked.collect())
}

fn whole_lines(text: &str, span: Span) -> Span {
    let before = text.get(..span.start).unwrap_or_default();
    let after = text.get(span.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find('\n').map_or(text.len(), |at| span.end + at);
    start..end
}
