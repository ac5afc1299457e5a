//! Stock from CSV: the delimiter is the one with which a header is found.

use std::borrow::Cow;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::findings::SourceError;
use super::gather::Gather;
use super::reading::{Format, How, Moments, Reading};
use super::table::{Cell, HEADER_ROWS_MAX, Table};

/// Delimiters; of two that give the same, the first is taken.
const DELIMITERS: [u8; 4] = [b';', b'\t', b',', b'|'];
/// Longest cell in characters: Excel's own limit.
const CELL_CHARS_MAX: usize = 32_767;
/// Longest line in bytes, far more than a row of stock has.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// Reads a whole file.
pub(super) fn read(
    text: &str,
    file: &Path,
    how: &How,
    moments: Moments,
) -> Result<Reading, SourceError> {
    let table = || {
        let gather = Gather::new(file, Format::Csv, how, moments);
        Table::new(gather, true)
    };
    let mut lines = (1..).zip(text.split(['\n', '\r']));
    if let Some((line, long)) = lines.find(|(_, line)| line.len() > LINE_BYTES_MAX) {
        let what = format!("a line of {} bytes: this is no stock file", long.len());
        return Err(SourceError::at(file, line, what));
    }
    let (named, rest, first_line) = named_delimiter(text);
    let delimiter = named.unwrap_or_else(|| {
        let rank = |delimiter: u8| {
            let mut table = table();
            for (line, record) in records(rest, delimiter, first_line) {
                let is_end = table.row(line, &cells(&record)).is_err() || table.has_header();
                if is_end || line >= first_line + HEADER_ROWS_MAX {
                    break;
                }
            }
            table.rank()
        };
        let mut best = (0, b',');
        for delimiter in DELIMITERS {
            let rank = rank(delimiter);
            if rank > best.0 {
                best = (rank, delimiter);
            }
        }
        best.1
    });
    let mut table = table();
    let ends = rest.ends_with(['\n', '\r']);
    table.gather.ends_lines = Some(ends);
    let mut all = records(rest, delimiter, first_line).peekable();
    while let Some((line, record)) = all.next() {
        let end = all.peek().and_then(|(_, next)| start(next));
        let raw = start(&record).map(|start| &rest[start..end.unwrap_or(rest.len())]);
        let raw = raw.unwrap_or_default().trim_matches(['\n', '\r']);
        let is_last = end.is_none();
        if (is_last || raw.contains('\n')) && !is_quoted_well(raw, delimiter) {
            let what = "a quote is opened that does not end at the end of its field, so that rows may be lost: \
                        export the file again";
            return Err(table.gather.refuse(line, what));
        }
        if let Some(cell) = record.iter().find(|cell| cell.len() > CELL_CHARS_MAX) {
            let chars = cell.chars().count();
            let what = format!("a cell of {chars} characters: this is no stock file");
            return Err(table.gather.refuse(line, what));
        }
        if is_last && how.ends_lines && !ends && table.has_header() {
            table.cut(line, &cells(&record));
        } else {
            table.row(line, &cells(&record))?;
        }
    }
    table.finish()
}

/// The delimiter that Excel's `sep=;` names, the text below, and its first line.
fn named_delimiter(text: &str) -> (Option<u8>, &str, u64) {
    let named = || {
        let rest = text
            .get(..4)?
            .eq_ignore_ascii_case("sep=")
            .then(|| text.get(4..))??;
        let delimiter = *rest.as_bytes().first()?;
        let rest = rest.get(1..)?;
        let below = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n')?;
        delimiter.is_ascii().then_some((delimiter, below))
    };
    named().map_or((None, text, 1), |(delimiter, below)| {
        (Some(delimiter), below, 2)
    })
}

/// The records that are not blank, with their lines.
fn records(
    text: &str,
    delimiter: u8,
    first_line: u64,
) -> impl Iterator<Item = (u64, StringRecord)> {
    let reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    // Text that is in memory and valid, of any number of fields: no record fails.
    let records = reader.into_records().filter_map(Result::ok);
    let records = records.filter(|record| record.iter().any(|field| !field.trim().is_empty()));
    records.map(move |record| {
        let line = line(text.as_bytes(), record.position());
        (line + first_line - 1, record)
    })
}

fn cells(record: &StringRecord) -> Vec<Cell<'_>> {
    let cells = record.iter();
    cells.map(|cell| Cell::Text(Cow::Borrowed(cell))).collect()
}

fn start(record: &StringRecord) -> Option<usize> {
    let position = record.position()?;
    usize::try_from(position.byte()).ok()
}

/// Whether each quoted field ends where its quotes end.
fn is_quoted_well(record: &str, delimiter: u8) -> bool {
    let mut bytes = record.bytes().peekable();
    let mut is_start = true;
    while let Some(byte) = bytes.next() {
        if is_start && byte == b'"' {
            loop {
                match bytes.next() {
                    None => return false,
                    Some(b'"') if bytes.peek() == Some(&b'"') => {
                        bytes.next();
                    }
                    Some(b'"') => break,
                    Some(_) => {}
                }
            }
            let next = bytes.peek().copied();
            if next.is_some_and(|next| next != delimiter && next != b'\n' && next != b'\r') {
                return false;
            }
        }
        is_start = byte == delimiter || byte == b'\n' || byte == b'\r';
    }
    true
}

/// The line a record begins on. Its position is the end of the record before it, so blank lines are skipped.
pub(super) fn line(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else {
        return 1;
    };
    let start = usize::try_from(position.byte()).unwrap_or(bytes.len());
    let rest = bytes.get(start..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    (position.line()).saturating_add(blank.map(|byte| u64::from(*byte == b'\n')).sum())
}
