//! Stock from CSV: a header `sku,on_hand[,warehouse][,as_of]`, comma or semicolon, UTF-8 with or
//! without BOM.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use jiff::Timestamp;

use super::findings::SourceError;
use super::table::{Form, Table, expected};
use crate::domain::stock::StockRow;

/// Reads a whole file. Rows without `as_of` are of `now`.
///
/// # Errors
/// Every bad line with its number.
pub fn read(bytes: &[u8], file: &Path, now: Timestamp) -> Result<Vec<StockRow>, SourceError> {
    read_as_of(bytes, file, (now, now))
}

/// As [`read`]; `moments` are the time of rows without `as_of`, and now.
pub(super) fn read_as_of(
    bytes: &[u8],
    file: &Path,
    moments: (Timestamp, Timestamp),
) -> Result<Vec<StockRow>, SourceError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first_line = bytes
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .find(|line| !line.trim_ascii().is_empty())
        .unwrap_or_default();
    let delimiter = if first_line.contains(&b';') {
        b';'
    } else {
        b','
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut records = reader
        .records()
        .filter(|record| !record.as_ref().is_ok_and(is_blank));
    let refuse = |line: u64, what: String| super::findings::Findings::new(file).refuse(line, what);
    let header = match records.next() {
        Some(Ok(header)) => header,
        Some(Err(error)) => {
            return Err(refuse(line(bytes, error.position()), unreadable(&error)));
        }
        None => {
            return Err(refuse(
                1,
                format!("the file is empty; expected {}", expected()),
            ));
        }
    };
    let header_line = line(bytes, header.position());
    let names: Vec<&str> = header.iter().collect();
    let mut table = Table::begin(file, (header_line, &names), Form::Strict, moments)?;
    for record in records {
        match record {
            Ok(record) => {
                let fields: Vec<&str> = record.iter().collect();
                table.row(line(bytes, record.position()), &fields);
            }
            Err(error) => {
                let at = line(bytes, error.position());
                table.found.add(at, unreadable(&error));
            }
        }
    }
    table.finish()
}

fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(|field| field.trim().is_empty())
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

/// Why a record cannot be read.
fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => {
            let field = err.field().saturating_add(1);
            format!("field {field} is not in UTF-8: save the file as \"CSV UTF-8\"")
        }
        _ => format!("not readable as CSV: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(bytes: &[u8]) -> Vec<(u64, String)> {
        let now = Timestamp::constant(1_772_449_200, 0);
        let refused = read(bytes, Path::new("stock.csv"), now).unwrap_err();
        let problems = refused.problems.into_iter();
        problems
            .map(|problem| (problem.line, problem.what))
            .collect()
    }

    #[test]
    fn an_error_names_its_own_line_after_blank_lines() {
        let found = problems(b"\r\nsku;on_hand\r\n\r\n\r\nA;1\r\n\r\nB;x\r\nA;2\r\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].0 == 7 && found[0].1.contains("on_hand of B"),
            "{found:?}"
        );
        assert!(
            found[1].0 == 8 && found[1].1.contains("is listed on line 5"),
            "{found:?}"
        );
        let found = problems(b"sku,on_hand\n\n\n\"A\n1\",\xff\n");
        let expected = "field 2 is not in UTF-8: save the file as \"CSV UTF-8\"";
        assert_eq!(found, [(4, expected.to_owned())]);
    }
}
