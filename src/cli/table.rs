//! Tables and units in output for people.

use std::fmt;

use comfy_table::{ContentArrangement, presets};

use crate::text::shown;

/// A table whose cells show text from outside safely.
pub(super) struct Table(comfy_table::Table);

impl Table {
    /// Adds a row of cells on one line each.
    pub(super) fn add_row<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter();
        let cells = cells.map(|cell| shown(&cell.to_string(), usize::MAX));
        self.0.add_row(cells);
    }

    /// Adds a row of cells that may have several lines.
    pub(super) fn add_row_of_lines<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.0
            .add_row(cells.into_iter().map(|cell| cell.to_string()));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A table with this header.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width())
        .set_header(header.to_vec());
    // Two columns between cells instead of three: a terminal may have only 80.
    let last = header.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((1, u16::from(index == last)));
    }
    Table(table)
}

/// "1 shop", "2 shops".
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
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

/// The terminal's width in columns; 120 where the output is not a terminal.
fn width() -> u16 {
    const NO_TERMINAL: u16 = 120;
    terminal_width().unwrap_or(NO_TERMINAL)
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
