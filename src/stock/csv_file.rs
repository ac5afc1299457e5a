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
        .split(|byte| *byte == b'\n')
        .next()
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
    let mut records = reader.records();
    let header = match records.next() {
        Some(Ok(header)) => header,
        Some(Err(error)) => return Err(found.refuse(1, error.to_string())),
        None => return Err(found.refuse(1, format!("the file is empty; expected {}", expected()))),
    };
    let Some(columns) = columns(&header, &mut found) else {
        return Err(found.into_error());
    };
    let mut rows = Vec::new();
    let mut seen: HashMap<(String, String), u64> = HashMap::new();
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                found.add(line, format!("not readable as CSV in UTF-8: {error}"));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
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
            1,
            "the file has a header and no rows: an empty stock is not taken for zero".to_owned(),
        );
    }
    if found.total > 0 {
        Err(found.into_error())
    } else {
        Ok(rows)
    }
}

fn expected() -> String {
    "a header sku,on_hand[,warehouse][,as_of]".to_owned()
}

/// Where each column stands.
struct Columns {
    sku: usize,
    on_hand: usize,
    warehouse: Option<usize>,
    as_of: Option<usize>,
}

fn columns(header: &StringRecord, found: &mut Findings<'_>) -> Option<Columns> {
    let mut at: [Option<usize>; 4] = [None; 4];
    for (index, name) in header.iter().enumerate() {
        let name = name.trim().to_lowercase();
        match COLUMNS.iter().position(|column| *column == name) {
            Some(column) if at[column].is_some() => {
                found.add(1, format!("column {name} stands twice"));
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
                    1,
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
                found.add(1, format!("expected {}", expected()));
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
