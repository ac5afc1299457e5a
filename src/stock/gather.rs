//! Collects the levels of a file, row by row, with what is doubtful about them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use jiff::Timestamp;

use super::findings::{Findings, SourceError, quoted};
use super::reading::{AHEAD_MAX, Format, How, Moments, Reading};
use crate::domain::ids::Sku;
use crate::domain::stock::{OnHand, StockRow};
use crate::mutant::mutant;
use crate::text::listed_name;

/// So many rows that are not understood are tolerated in any file.
const NOT_UNDERSTOOD_MAX: usize = 5;
/// Beyond that a file is refused where more than one row in so many is not understood.
const NOT_UNDERSTOOD_SHARE: usize = 10;

/// Most lines that a note names.
const LINES_NAMED_MAX: usize = 8;

/// The lines of rows that have something in common.
#[derive(Default)]
struct Lines {
    count: usize,
    /// The first of them.
    first: Vec<String>,
}

impl Lines {
    fn add(&mut self, line: u64) {
        self.count += 1;
        if self.first.len() < LINES_NAMED_MAX {
            self.first.push(line.to_string());
        }
    }

    /// A note on them; `None` where there is none.
    fn note(&self, what: &str) -> Option<String> {
        let lines = self.first.join(", ");
        let more = if self.count > self.first.len() {
            ", …"
        } else {
            ""
        };
        match self.count {
            0 => None,
            1 => Some(format!("{what}: 1 row, line {lines}")),
            count => Some(format!("{what}: {count} rows, lines {lines}{more}")),
        }
    }
}

/// A level with its line.
struct Listed {
    row: StockRow,
    line: u64,
    /// Which of the source's warehouses it is of.
    place: usize,
}

/// The levels of one file while it is read.
pub(super) struct Gather<'a> {
    pub(super) how: &'a How,
    pub(super) moments: Moments,
    format: Format,
    found: Findings<'a>,
    levels: Vec<Listed>,
    /// SKUs of rows that are not understood at all: unknown everywhere.
    doubted: HashSet<Sku>,
    /// The source's warehouses, numbered.
    places: HashMap<String, usize>,
    /// Rows without an SKU.
    skipped: Lines,
    /// Rows with a number below zero.
    negative: Lines,
    understood: usize,
    /// Of these, those whose quantity is empty.
    empty: usize,
    not_understood: usize,
    pub(super) notes: Vec<String>,
    pub(super) ends_lines: Option<bool>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(file: &'a Path, format: Format, how: &'a How, moments: Moments) -> Self {
        Self {
            how,
            moments,
            format,
            found: Findings::new(file),
            levels: Vec::new(),
            doubted: HashSet::new(),
            places: HashMap::new(),
            skipped: Lines::default(),
            negative: Lines::default(),
            understood: 0,
            empty: 0,
            not_understood: 0,
            notes: Vec::new(),
            ends_lines: None,
        }
    }

    /// The file is refused as a whole.
    pub(super) fn refuse(&mut self, line: u64, what: impl Into<String>) -> SourceError {
        let empty = Findings::new(Path::new(""));
        let found = std::mem::replace(&mut self.found, empty);
        found.only(line, what)
    }

    /// A row without an SKU, which can make nothing unknown: it is skipped, and noted.
    pub(super) fn without_sku(&mut self, line: u64) {
        self.skipped.add(line);
    }

    /// A row whose quantity is empty: its level is unknown.
    pub(super) fn without_quantity(&mut self) {
        self.empty += 1;
    }

    /// An SKU that is listed without a level: it is unknown, in all its warehouses.
    pub(super) fn without_level(&mut self, line: u64, sku: &str, what: &str) {
        self.not_understood(line, Some(sku), what);
        self.not_understood -= 1;
        self.understood += 1;
    }

    /// What is doubtful about a row whose level is given.
    pub(super) fn doubt(&mut self, line: u64, what: impl Into<String>) {
        self.found.add(line, what);
    }

    /// A row that is not understood: the SKU is unknown, in all its warehouses.
    pub(super) fn not_understood(&mut self, line: u64, sku: Option<&str>, what: impl Into<String>) {
        self.not_understood += 1;
        self.found.add(line, what);
        let sku = sku.filter(|sku| listed_name("SKU", sku).is_ok());
        if let Some(sku) = sku.and_then(|sku| Sku::new(sku).ok())
            && !mutant("r15_doubtful_row_is_left_out")
        {
            self.doubted.insert(sku);
        }
    }

    /// One level. `units` is what its cell says, or why that is not understood.
    pub(super) fn level(
        &mut self,
        line: u64,
        (sku, warehouse): (&str, &str),
        units: Result<OnHand, String>,
        as_of: Timestamp,
    ) -> Result<(), SourceError> {
        if let Err(what) = listed_name("SKU", sku) {
            self.doubt(line, format!("{what}: the row is skipped"));
            return Ok(());
        }
        if let Err(what) = listed_name("warehouse", warehouse) {
            self.not_understood(
                line,
                Some(sku),
                format!("{what}: SKU {} is unknown", quoted(sku)),
            );
            return Ok(());
        }
        let Ok(sku) = Sku::new(sku) else {
            self.without_sku(line);
            return Ok(());
        };
        let ahead = as_of.duration_since(self.moments.now) > AHEAD_MAX;
        let units = match units {
            Ok(_) if ahead => Err(format!(
                "the time of {} is {as_of}, which is in the future",
                quoted(sku.as_str())
            )),
            units => units,
        };
        let on_hand = match units {
            Ok(on_hand) => {
                self.understood += 1;
                if on_hand == OnHand::Negative {
                    self.negative.add(line);
                }
                on_hand
            }
            Err(what) => {
                self.not_understood += 1;
                self.found
                    .add(line, format!("{what}: its stock is unknown"));
                if mutant("r15_doubtful_row_is_left_out") {
                    return Ok(());
                }
                OnHand::Unknown
            }
        };
        let as_of = if ahead { self.moments.made_at } else { as_of };
        let count = self.places.len();
        let place = match self.places.get(warehouse) {
            Some(place) => *place,
            None => *self.places.entry(warehouse.to_owned()).or_insert(count),
        };
        let warehouse = self.how.places.of(warehouse);
        let row = StockRow {
            sku,
            warehouse,
            on_hand,
            as_of,
        };
        if self.levels.len() >= self.how.limits.levels {
            let most = self.how.limits.levels;
            return Err(self.refuse(
                line,
                format!("the file gives more than {most} levels: it is no stock file of a shop"),
            ));
        }
        self.levels.push(Listed { row, line, place });
        Ok(())
    }

    /// All levels; or an error where it is the wrong file.
    pub(super) fn finish(mut self, last_line: u64) -> Result<Reading, SourceError> {
        self.settle()?;
        let (good, bad) = (self.understood, self.not_understood);
        let skipped = self.skipped.note("skipped without an SKU");
        let negative = self.negative.note("below zero");
        if good + bad == 0 && self.found.total == 0 {
            if let Some(skipped) = skipped {
                let what =
                    format!("no row has an SKU ({skipped}): this is taken for the wrong file");
                return Err(self.refuse(last_line, what));
            }
            return Err(self.refuse(
                last_line,
                "the file has no rows of stock: an empty file is not taken for zero stock",
            ));
        }
        if good > 1 && self.empty == good {
            let what = format!(
                "the quantity is empty in each of {good} rows: this is taken for the wrong file"
            );
            return Err(self.refuse(last_line, what));
        }
        let is_wrong = bad > NOT_UNDERSTOOD_MAX && bad * NOT_UNDERSTOOD_SHARE > good + bad;
        if good == 0 || is_wrong {
            let rows = (good + bad).max(self.found.total);
            let what = if good == 0 {
                format!("none of {rows} rows is understood: this is taken for the wrong file")
            } else {
                format!(
                    "{bad} of {rows} rows are not understood, more than a tenth: this is taken for the wrong file"
                )
            };
            return Err(self.found.into_error_as(&what));
        }
        let doubtful = negative.as_ref().or(skipped.as_ref());
        if let (true, Some(doubtful)) = (self.how.is_strict, doubtful) {
            let what = format!("{doubtful}; refused because of --strict");
            self.found.add(last_line, what);
            return Err(self.found.into_error());
        }
        if self.how.is_strict && self.found.total > 0 {
            return Err(self.found.into_error_as("refused because of --strict"));
        }
        self.notes.extend(skipped.into_iter().chain(negative));
        let (doubts, doubts_total) = self.found.into_problems();
        Ok(Reading {
            rows: self.levels.into_iter().map(|listed| listed.row).collect(),
            format: self.format,
            semantics: self.how.semantics,
            doubts,
            doubts_total,
            notes: self.notes,
            ends_lines: self.ends_lines,
        })
    }

    /// Each SKU once for a warehouse: what is listed twice with different quantities is unknown.
    fn settle(&mut self) -> Result<(), SourceError> {
        let key = |listed: &Listed| (listed.row.sku.clone(), listed.row.warehouse.clone());
        self.levels.sort_by(|a, b| {
            let a = (&a.row.sku, &a.row.warehouse, a.line);
            a.cmp(&(&b.row.sku, &b.row.warehouse, b.line))
        });
        let mut kept: Vec<Listed> = Vec::with_capacity(self.levels.len());
        let mut contradicting: Option<(Sku, String)> = None;
        for listed in std::mem::take(&mut self.levels) {
            let same = kept.last_mut().filter(|last| {
                last.row.sku == listed.row.sku && last.row.warehouse == listed.row.warehouse
            });
            let Some(last) = same else {
                kept.push(listed);
                continue;
            };
            if last.place != listed.place {
                let (sku, point) = (&listed.row.sku, &listed.row.warehouse);
                let what = format!(
                    "two warehouses of {} are both {}: map one of them to another pickup point",
                    quoted(sku.as_str()),
                    quoted(point)
                );
                return Err(self.refuse(listed.line, what));
            }
            // An older count of the same place makes it no newer.
            last.row.as_of = last.row.as_of.min(listed.row.as_of);
            if last.row.on_hand == listed.row.on_hand {
                continue;
            }
            let is_reported = contradicting.as_ref() == Some(&key(&listed));
            if !is_reported {
                contradicting = Some(key(&listed));
                let at = match listed.row.warehouse.as_str() {
                    "" => String::new(),
                    warehouse => format!(" at {}", quoted(warehouse)),
                };
                self.found.add(
                    listed.line,
                    format!(
                        "SKU {}{at} is listed with another quantity on line {}: its stock is unknown",
                        quoted(listed.row.sku.as_str()),
                        last.line
                    ),
                );
            }
            last.row.on_hand = OnHand::Unknown;
        }
        if self.doubted.is_empty() {
            self.levels = kept;
            return Ok(());
        }
        for listed in &mut kept {
            if self.doubted.contains(&listed.row.sku) {
                listed.row.on_hand = OnHand::Unknown;
            }
        }
        let listed: HashSet<&Sku> = kept.iter().map(|listed| &listed.row.sku).collect();
        let others = self.doubted.iter().filter(|sku| !listed.contains(sku));
        let others: Vec<Sku> = others.cloned().collect();
        drop(listed);
        kept.extend(others.into_iter().map(|sku| Listed {
            row: StockRow {
                sku,
                warehouse: self.how.places.warehouse.clone(),
                on_hand: OnHand::Unknown,
                as_of: self.moments.made_at,
            },
            line: 0,
            place: 0,
        }));
        kept.sort_by(|a, b| (&a.row.sku, &a.row.warehouse).cmp(&(&b.row.sku, &b.row.warehouse)));
        self.levels = kept;
        Ok(())
    }
}
