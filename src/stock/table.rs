//! Rows under a header, from CSV or a workbook: `sku,on_hand[,warehouse][,as_of]`, or the columns of Kaspi's
//! Excel form (KASPI_API §8).

use std::collections::HashMap;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::findings::{Findings, SourceError, quoted};
use crate::diagnostics::nearest;
use crate::domain::ids::Sku;
use crate::domain::stock::{OnHand, StockRow};

const COLUMNS: [&str; 4] = ["sku", "on_hand", "warehouse", "as_of"];

/// Russian names of the columns.
const SYNONYMS: [(&str, &str); 5] = [
    ("артикул", "sku"),
    ("остаток", "on_hand"),
    ("количество", "on_hand"),
    ("склад", "warehouse"),
    ("дата", "as_of"),
];

/// Columns of stock files that do not concern stock.
const IGNORED: [&str; 10] = [
    "model",
    "brand",
    "price",
    "preorder",
    "name",
    "наименование",
    "название",
    "модель",
    "бренд",
    "цена",
];

/// Longest time that a level may be ahead of our clock: clocks differ a little.
pub(super) const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// The columns that a table may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `sku,on_hand[,warehouse][,as_of]`, and nothing else.
    Strict,
    /// The same, or `SKU, model, brand, price, PP1…` with a column for each pickup point.
    Workbook,
}

/// The index of each column.
#[derive(Debug)]
enum Columns {
    Plain {
        sku: usize,
        on_hand: usize,
        warehouse: Option<usize>,
        as_of: Option<usize>,
    },
    Points {
        sku: usize,
        /// Name and index.
        points: Vec<(String, usize)>,
    },
}

/// A table while it is read.
pub(super) struct Table<'a> {
    pub(super) found: Findings<'a>,
    now: Timestamp,
    as_of: Timestamp,
    columns: Columns,
    width: usize,
    header_line: u64,
    seen: HashMap<(String, String), u64>,
    rows: Vec<StockRow>,
}

impl<'a> Table<'a> {
    /// Reads the header. `as_of` is the time of rows that have none.
    pub(super) fn begin(
        file: &'a Path,
        (line, header): (u64, &[&str]),
        form: Form,
        (as_of, now): (Timestamp, Timestamp),
    ) -> Result<Self, SourceError> {
        let mut found = Findings::new(file);
        let Some(columns) = columns(header, line, form, &mut found) else {
            return Err(found.into_error());
        };
        Ok(Self {
            found,
            now,
            as_of,
            columns,
            width: header.len(),
            header_line: line,
            seen: HashMap::new(),
            rows: Vec::new(),
        })
    }

    /// The number of fields of the header.
    #[cfg(feature = "xlsx")]
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Reads a row, which must have as many fields as the header.
    pub(super) fn row(&mut self, line: u64, fields: &[&str]) {
        if fields.len() != self.width {
            let what = format!("{} fields, but the header has {}", fields.len(), self.width);
            self.found.add(line, what);
            return;
        }
        match self.levels(fields) {
            Err(what) => self.found.add(line, what),
            Ok(levels) => levels.into_iter().for_each(|row| self.level(line, row)),
        }
    }

    /// Adds a level. An SKU may be listed once for each warehouse.
    fn level(&mut self, line: u64, row: StockRow) {
        let key = (row.sku.as_str().to_owned(), row.warehouse.clone());
        match self.seen.insert(key, line) {
            Some(before) => self.found.add(
                line,
                format!(
                    "SKU {} is listed on line {before} already: keep one",
                    row.sku
                ),
            ),
            None => self.rows.push(row),
        }
    }

    fn levels(&self, fields: &[&str]) -> Result<Vec<StockRow>, String> {
        let field = |index: usize| fields.get(index).map_or("", |text| text.trim());
        match &self.columns {
            Columns::Plain {
                sku,
                on_hand,
                warehouse,
                as_of,
            } => {
                let sku = sku_of(field(*sku))?;
                let text = field(*on_hand);
                let units = text.parse::<u32>().map_err(|_| {
                    format!("on_hand of {sku} is {}; expected whole units, 0 or more (leave the row out if unknown)", quoted(text))
                })?;
                let as_of = match as_of.map_or("", field) {
                    "" => self.as_of,
                    text => moment(text, &sku)?,
                };
                if as_of.duration_since(self.now) > AHEAD_MAX {
                    return Err(format!("as_of of {sku} is {as_of}, which is in the future"));
                }
                Ok(vec![StockRow {
                    warehouse: warehouse.map_or("", field).to_owned(),
                    on_hand: OnHand::Exactly(units),
                    as_of,
                    sku,
                }])
            }
            Columns::Points { sku, points } => {
                let sku = sku_of(field(*sku))?;
                let mut levels = Vec::new();
                for (point, index) in points {
                    let on_hand = match field(*index).to_lowercase().as_str() {
                        "" => continue,
                        "yes" => OnHand::Unknown,
                        "no" => OnHand::Exactly(0),
                        text => OnHand::Exactly(text.parse::<u32>().map_err(|_| {
                            format!(
                                "{point} of {sku} is {}; expected whole units, yes or no",
                                quoted(text)
                            )
                        })?),
                    };
                    levels.push(StockRow {
                        sku: sku.clone(),
                        warehouse: point.clone(),
                        on_hand,
                        as_of: self.as_of,
                    });
                }
                Ok(levels)
            }
        }
    }

    /// All rows, if none has an error.
    pub(super) fn finish(mut self) -> Result<Vec<StockRow>, SourceError> {
        if self.rows.is_empty() && self.found.total == 0 {
            self.found.add(
                self.header_line,
                "the file has a header but no rows: an empty file is not taken for zero stock"
                    .to_owned(),
            );
        }
        if self.found.total > 0 {
            Err(self.found.into_error())
        } else {
            Ok(self.rows)
        }
    }
}

pub(super) fn expected() -> String {
    "a header sku,on_hand[,warehouse][,as_of]".to_owned()
}

fn sku_of(text: &str) -> Result<Sku, String> {
    Sku::new(text).map_err(|_| "the SKU is empty".to_owned())
}

/// Whether a column of Kaspi's form is a pickup point.
fn is_point(name: &str) -> bool {
    let digits = name.strip_prefix("pp").unwrap_or_default();
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

fn columns(header: &[&str], line: u64, form: Form, found: &mut Findings<'_>) -> Option<Columns> {
    let mut at: [Option<usize>; 4] = [None; 4];
    let mut points: Vec<(String, usize)> = Vec::new();
    for (index, name) in header.iter().enumerate() {
        let name = name.trim().to_lowercase();
        let synonym = SYNONYMS.iter().find(|(other, _)| *other == name);
        let name = synonym.map_or(name, |(_, column)| (*column).to_owned());
        let is_workbook = form == Form::Workbook;
        match COLUMNS.iter().position(|column| *column == name) {
            Some(column) if at[column].is_some() => {
                found.add(line, format!("column {name} is listed twice"));
            }
            Some(column) => at[column] = Some(index),
            None if is_workbook && is_point(&name) => points.push((name.to_uppercase(), index)),
            None if is_workbook && (name.is_empty() || IGNORED.contains(&name.as_str())) => {}
            None => found.add(line, unknown(&name)),
        }
    }
    let [sku, on_hand, warehouse, as_of] = at;
    match (sku, on_hand) {
        (Some(sku), Some(on_hand)) if found.total == 0 => Some(Columns::Plain {
            sku,
            on_hand,
            warehouse,
            as_of,
        }),
        (Some(sku), None) if found.total == 0 && !points.is_empty() => {
            Some(Columns::Points { sku, points })
        }
        _ => {
            if found.total == 0 {
                found.add(line, format!("expected {}", expected()));
            }
            None
        }
    }
}

fn unknown(name: &str) -> String {
    let near = nearest(name, COLUMNS).map_or_else(
        || ".".to_owned(),
        |column| format!("; did you mean {column}?"),
    );
    format!(
        "unknown column {}{near} Expected {}",
        quoted(name),
        expected()
    )
}

/// A row's `as_of`.
fn moment(text: &str, sku: &Sku) -> Result<Timestamp, String> {
    instant(text).ok_or_else(|| {
        format!(
            "as_of of {sku} is {}; expected a time such as 2026-03-02T12:00:00+05:00 \
             (without an offset it is Almaty's)",
            quoted(text)
        )
    })
}

/// A time with its offset; without one it is Almaty's.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let almaty = TimeZone::get("Asia/Almaty").ok()?;
    let civil = text.parse::<DateTime>().ok()?;
    almaty.to_timestamp(civil).ok()
}
