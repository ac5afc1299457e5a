//! Mistakes in files that people write: where each stands, what is wrong, and what was probably meant.
//!
//! Configuration, rules, scenarios and stock files report through this module, so that a mistake reads the
//! same wherever it is made.

mod document;
mod duration;
mod mistake;
mod node;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use document::{Document, Segment};
pub use duration::{MONTH_HINT, NoDuration, duration};
pub use mistake::{Mistake, expected, one_of, shown};
pub use node::{fields_of, read};

/// A position in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was named.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Location {
    /// The position of a byte of `text`, which is what `file` holds.
    pub fn of(text: &str, file: &Path, byte: usize) -> Self {
        let before = text.get(..text.floor_char_boundary(byte)).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// What is wrong with a text that [`has_control`] objects to.
pub const CONTROL_CHARACTERS: &str = "has control characters, such as a line break: remove them";

/// Whether a text has control characters. Tabs are none: they hurt nothing.
pub fn has_control(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\t')
}

/// A range of bytes in a text.
pub type Span = Range<usize>;

/// The known word that was most likely meant by a misspelt one, when one is near enough: at most a third of
/// its characters differ. Case does not count, and `-` counts as `_`.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |word: &str| word.to_lowercase().replace('-', "_");
    let word = fold(word);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&word, &fold(known)), known))
        .filter(|(distance, known)| *distance <= (known.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Location, nearest};

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let at = |byte| {
            let found = Location::of("a\nёж = 1", Path::new("f"), byte);
            (found.line, found.column)
        };
        assert_eq!((at(0), at(2), at(4)), ((1, 1), (2, 1), (2, 2)));
        assert_eq!(at(3), (2, 1), "within a character");
        assert_eq!(at(99), (2, 7), "past the end");
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["request_timeout", "retries_max", "pages_max"];
        assert_eq!(nearest("request-timout", known), Some("request_timeout"));
        assert_eq!(nearest("Retries_Max", known), Some("retries_max"));
        assert_eq!(nearest("colour", known), None);
    }
}
