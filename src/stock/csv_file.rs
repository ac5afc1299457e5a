//! Stock from CSV: a header `sku,on_hand[,warehouse][,as_of]`, comma or semicolon, UTF-8 with or
//! without BOM.

use std::collections::HashMap;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Problem, SourceError};
use crate::domain::ids::Sku;
use crate::domain::stock::StockRow;

const COLUMNS: [&str; 4] = ["sku", "on_hand", "warehouse", "as_of"];

/// A level may not speak of a moment further ahead than this: clocks differ a little, not more.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Reads a whole file. `now` is the moment rows without `as_of` speak of.
///
/// # Errors
/// Every bad line with its number; then no row is returned.
pub fn read(bytes: &[u8], file: &Path, now: Timestamp) -> Result<Vec<StockRow>, SourceError> {
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
    let mut found = Findings {
        file,
        problems: Vec::new(),
        total: 0,
    };
    let mut records = reader
        .records()
        .filter(|record| !record.as_ref().is_ok_and(is_blank));
    let header = match records.next() {
        Some(Ok(header)) => header,
        Some(Err(error)) => {
            let line = line(bytes, error.position());
            return Err(found.refuse(line, unreadable(&error)));
        }
        None => return Err(found.refuse(1, format!("the file is empty; expected {}", expected()))),
    };
    let header_line = line(bytes, header.position());
    let Some(columns) = columns(&header, header_line, &mut found) else {
        return Err(found.into_error());
    };
    let mut rows = Vec::new();
    let mut seen: HashMap<(String, String), u64> = HashMap::new();
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                found.add(line(bytes, error.position()), unreadable(&error));
                continue;
            }
        };
        let line = line(bytes, record.position());
        if record.len() != header.len() {
            let what = format!(
                "{} fields, and the header has {}",
                record.len(),
                header.len()
            );
            found.add(line, what);
            continue;
        }
        match row(&record, &columns, now) {
            Err(what) => found.add(line, what),
            Ok(row) => {
                let key = (row.sku.as_str().to_owned(), row.warehouse.clone());
                match seen.insert(key, line) {
                    Some(before) => found.add(
                        line,
                        format!("SKU {} stands on line {before} already: keep one", row.sku),
                    ),
                    None => rows.push(row),
                }
            }
        }
    }
    if rows.is_empty() && found.total == 0 {
        found.add(
            header_line,
            "the file has a header and no rows: an empty stock is not taken for zero".to_owned(),
        );
    }
    if found.total > 0 {
        Err(found.into_error())
    } else {
        Ok(rows)
    }
}

fn is_blank(record: &StringRecord) -> bool {
    record.iter().all(|field| field.trim().is_empty())
}

fn expected() -> String {
    "a header sku,on_hand[,warehouse][,as_of]".to_owned()
}

/// The line a record begins on: its position is where the one before it ended, blank lines included.
fn line(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else {
        return 1;
    };
    let start = usize::try_from(position.byte()).unwrap_or(bytes.len());
    let rest = bytes.get(start..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    (position.line()).saturating_add(blank.map(|byte| u64::from(*byte == b'\n')).sum())
}

/// What is wrong with a record that cannot be read at all.
fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => {
            let field = err.field().saturating_add(1);
            format!("field {field} is not in UTF-8: save the file as \"CSV UTF-8\"")
        }
        _ => format!("not readable as CSV: {error}"),
    }
}

/// Where each column stands.
struct Columns {
    sku: usize,
    on_hand: usize,
    warehouse: Option<usize>,
    as_of: Option<usize>,
}

fn columns(header: &StringRecord, line: u64, found: &mut Findings<'_>) -> Option<Columns> {
    let mut at: [Option<usize>; 4] = [None; 4];
    for (index, name) in header.iter().enumerate() {
        let name = name.trim().to_lowercase();
        match COLUMNS.iter().position(|column| *column == name) {
            Some(column) if at[column].is_some() => {
                found.add(line, format!("column {name} stands twice"));
            }
            Some(column) => at[column] = Some(index),
            None => {
                let near = COLUMNS
                    .iter()
                    .max_by(|a, b| {
                        strsim::jaro_winkler(a, &name).total_cmp(&strsim::jaro_winkler(b, &name))
                    })
                    .filter(|column| strsim::jaro_winkler(column, &name) > 0.7)
                    .map_or_else(String::new, |column| format!("; did you mean {column}?"));
                found.add(
                    line,
                    format!("unknown column '{name}'{near} Expected {}", expected()),
                );
            }
        }
    }
    let [sku, on_hand, warehouse, as_of] = at;
    match (sku, on_hand) {
        (Some(sku), Some(on_hand)) if found.total == 0 => Some(Columns {
            sku,
            on_hand,
            warehouse,
            as_of,
        }),
        _ => {
            if found.total == 0 {
                found.add(line, format!("expected {}", expected()));
            }
            None
        }
    }
}

fn row(record: &StringRecord, columns: &Columns, now: Timestamp) -> Result<StockRow, String> {
    let field = |index: usize| record.get(index).unwrap_or_default().trim();
    let sku = Sku::new(field(columns.sku)).map_err(|_| "the SKU is empty".to_owned())?;
    let text = field(columns.on_hand);
    let on_hand = text.parse::<u32>().map_err(|_| {
        format!("on_hand of {sku} is '{text}'; expected whole units, 0 or more (leave the row out if unknown)")
    })?;
    let warehouse = columns.warehouse.map_or("", field).to_owned();
    let as_of = match columns.as_of.map_or("", field) {
        "" => now,
        text => moment(text, &sku)?,
    };
    if as_of.duration_since(now) > AHEAD_MAX {
        return Err(format!("as_of of {sku} is {as_of}, which is yet to come"));
    }
    Ok(StockRow {
        sku,
        warehouse,
        on_hand: Some(on_hand),
        as_of,
    })
}

/// A time with its offset, or one without, which is Almaty's.
fn moment(text: &str, sku: &Sku) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let almaty = TimeZone::get("Asia/Almaty").map_err(|error| error.to_string())?;
    text.parse::<DateTime>()
        .and_then(|civil| almaty.to_timestamp(civil))
        .map_err(|_| {
            format!(
                "as_of of {sku} is '{text}'; expected a time such as 2026-03-02T12:00:00+05:00 \
                 (without an offset it is Almaty's)"
            )
        })
}

struct Findings<'a> {
    file: &'a Path,
    problems: Vec<Problem>,
    total: usize,
}

impl Findings<'_> {
    fn add(&mut self, line: u64, what: String) {
        self.total += 1;
        if self.problems.len() < SourceError::SHOWN {
            self.problems.push(Problem { line, what });
        }
    }

    fn refuse(mut self, line: u64, what: String) -> SourceError {
        self.add(line, what);
        self.into_error()
    }

    fn into_error(self) -> SourceError {
        SourceError {
            file: self.file.to_owned(),
            problems: self.problems,
            total: self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(bytes: &[u8]) -> Vec<(u64, String)> {
        let now = Timestamp::constant(1_772_449_200, 0);
        let refused = read(bytes, Path::new("stock.csv"), now).unwrap_err();
        let told = refused.problems.into_iter();
        told.map(|problem| (problem.line, problem.what)).collect()
    }

    #[test]
    fn a_problem_is_told_with_its_own_line_however_many_blank_ones_come_before() {
        let told = problems(b"\r\nsku;on_hand\r\n\r\n\r\nA;1\r\n\r\nB;x\r\nA;2\r\n");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].0 == 7 && told[0].1.contains("on_hand of B"),
            "{told:?}"
        );
        assert!(
            told[1].0 == 8 && told[1].1.contains("stands on line 5"),
            "{told:?}"
        );
        let told = problems(b"sku,on_hand\n\n\n\"A\n1\",\xff\n");
        let said = "field 2 is not in UTF-8: save the file as \"CSV UTF-8\"";
        assert_eq!(told, [(4, said.to_owned())]);
    }
}
