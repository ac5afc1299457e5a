//! Tables and units in output for people.

use std::fmt;

use comfy_table::{ColumnConstraint, ContentArrangement, Width, presets};

pub(super) use crate::text::counted;
use crate::text::shown;

/// In fewer columns than this, words of Kaspi's are broken at their underscores.
const NARROW: u16 = 100;

/// A table whose cells show text from outside safely.
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    width: u16,
}

impl Table {
    /// Adds a row of cells on one line each.
    pub(super) fn add_row<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter();
        let cells = cells.map(|cell| shown(&cell.to_string(), usize::MAX));
        self.rows.push(cells.collect());
    }

    /// Adds a row of cells that may have several lines.
    pub(super) fn add_row_of_lines<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter();
        self.rows.push(cells.map(|cell| cell.to_string()).collect());
    }

    /// The longest word of each column.
    fn longest_words(&self) -> Vec<usize> {
        let mut longest = vec![0; self.header.len()];
        for row in std::iter::once(&self.header).chain(&self.rows) {
            for (longest, cell) in longest.iter_mut().zip(row) {
                let words = cell.split_whitespace().map(|word| word.chars().count());
                *longest = words.max().unwrap_or(0).max(*longest);
            }
        }
        longest
    }
}

/// The widths below which no column may fall: no word is broken, except the longest ones where there is no room.
fn narrowest(longest: &[usize], room: usize) -> Vec<Option<usize>> {
    let fits = |cap: usize| longest.iter().map(|word| (*word).min(cap)).sum::<usize>() <= room;
    let widest = longest.iter().copied().max().unwrap_or(0);
    let cap = (1..=widest).rev().find(|cap| fits(*cap)).unwrap_or(1);
    let bound = |word: &usize| (*word <= cap).then_some(*word);
    longest.iter().map(bound).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.width)
            .set_header(&self.header);
        for row in &self.rows {
            table.add_row(row);
        }
        // Two columns between cells instead of three: a terminal may have only 80.
        let last = self.header.len().saturating_sub(1);
        // A space before each cell, one behind the last, and two borders.
        let room = usize::from(self.width).saturating_sub(self.header.len() + 3);
        let bounds = narrowest(&self.longest_words(), room);
        for ((index, column), bound) in table.column_iter_mut().enumerate().zip(bounds) {
            let behind = u16::from(index == last);
            column.set_padding((1, behind));
            if let Some(words) = bound.and_then(|words| u16::try_from(words).ok()) {
                let width = Width::Fixed(words + 1 + behind);
                column.set_constraint(ColumnConstraint::LowerBoundary(width));
            }
        }
        table.fmt(f)
    }
}

/// A table with this header.
pub(super) fn table(header: &[&str]) -> Table {
    Table {
        header: header.iter().map(|word| super::translated(word)).collect(),
        rows: Vec::new(),
        width: width(),
    }
}

/// A word of Kaspi's, such as `APPROVED_BY_BANK`, which a narrow table may break.
pub(super) fn breakable(word: &str) -> String {
    if width() < NARROW {
        word.replace('_', " ")
    } else {
        word.to_owned()
    }
}

/// A sentence in lines of the output's width, broken between words; as it is where the width is not known.
pub(super) fn wrapped(text: &str) -> String {
    match known_width() {
        Some(width) => wrapped_at(text, usize::from(width)),
        None => text.to_owned(),
    }
}

fn wrapped_at(text: &str, width: usize) -> String {
    /// Under the first line, so that the next sentence stands out.
    const INDENT: &str = "  ";
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            out.push_str(INDENT);
            column = INDENT.len();
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// A time in its two largest units, such as "3h 12m". Less than a second is "0s".
pub(super) fn age(time: jiff::SignedDuration) -> String {
    let seconds = time.as_secs().unsigned_abs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size);
    let first = first.unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut words = Vec::new();
    for (name, size) in units.iter().skip(first).take(2) {
        words.push((left / size, name));
        left %= size;
    }
    let sign = if time.is_negative() { "-" } else { "" };
    let words = words.iter().enumerate();
    let words: Vec<String> = words
        .filter(|(place, (count, _))| *place == 0 || *count > 0)
        .map(|(_, (count, name))| format!("{count}{name}"))
        .collect();
    format!("{sign}{}", words.join(" "))
}

/// The width in columns; 120 where it is not known.
fn width() -> u16 {
    const NO_TERMINAL: u16 = 120;
    known_width().unwrap_or(NO_TERMINAL)
}

/// `COLUMNS`, or else the width of the terminal.
fn known_width() -> Option<u16> {
    /// Nothing can be read in less.
    const NARROWEST: u16 = 40;
    #[expect(
        clippy::disallowed_methods,
        reason = "it says how to write to the terminal, and configures nothing"
    )]
    let columns = std::env::var("COLUMNS").ok();
    let asked = columns.and_then(|columns| columns.trim().parse().ok());
    let width = asked.or_else(terminal_width)?;
    Some(width.max(NARROWEST))
}

#[cfg(target_os = "linux")]
fn terminal_width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

#[cfg(not(target_os = "linux"))]
fn terminal_width() -> Option<u16> {
    None
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn no_word_is_broken_while_there_is_room() {
        assert_eq!(narrowest(&[4, 9, 33], 60), [Some(4), Some(9), Some(33)]);
        // The longest gives way first, and the others stay whole.
        assert_eq!(narrowest(&[4, 9, 33], 40), [Some(4), Some(9), None]);
        assert_eq!(narrowest(&[30, 30], 40), [None, None]);
    }

    #[test]
    fn sentences_break_between_words() {
        let text = "магазин: нет связи; ждите";
        assert_eq!(wrapped_at(text, 80), text);
        assert_eq!(wrapped_at(text, 16), "магазин: нет\n  связи; ждите");
        assert_eq!(wrapped_at("averylongword b", 5), "averylongword\n  b");
    }

    #[test]
    fn ages_have_at_most_two_units() {
        let words = |seconds| age(SignedDuration::from_secs(seconds));
        assert_eq!(words(0), "0s");
        assert_eq!(words(59), "59s");
        assert_eq!(words(60), "1m");
        assert_eq!(words(3_725), "1h 2m");
        assert_eq!(words(2 * 86_400 + 59), "2d");
        assert_eq!(words(-61), "-1m 1s");
        assert_eq!(age(SignedDuration::from_millis(999)), "0s");
        assert_eq!(
            (counted(1, "shop"), counted(2, "shop")),
            ("1 shop".into(), "2 shops".into())
        );
    }
}
