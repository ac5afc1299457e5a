//! How a source is read, and what a reading gives.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::findings::Problem;
use crate::domain::stock::{Semantics, StockRow};

/// File formats of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `sku,on_hand[,warehouse][,as_of]`.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// Kaspi's price list, `kaspi_catalog`.
    KaspiXml,
}

impl Format {
    /// Its name in the configuration, on the command line and before a source's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::KaspiXml => "kaspi-xml",
        }
    }
}

/// The warehouses of a source, in the names that orders use (pickup points).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The warehouse of rows that name none; empty for the common pool.
    pub warehouse: String,
    /// The source's warehouse names and the pickup points they stand for.
    pub names: BTreeMap<String, String>,
}

impl Places {
    /// The pickup point of one of the source's warehouses.
    pub(super) fn of(&self, warehouse: &str) -> String {
        match self.names.get(warehouse) {
            Some(point) => point.clone(),
            None if warehouse.is_empty() => self.warehouse.clone(),
            None => warehouse.to_owned(),
        }
    }
}

/// Longest time that a level may be ahead of our clock: clocks differ a little.
pub(super) const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// The columns of a table that concern stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The SKU.
    Sku,
    /// The units.
    OnHand,
    /// The warehouse.
    Warehouse,
    /// The moment of the count.
    AsOf,
}

/// How a source is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// Its format; else the content shows it.
    pub format: Option<Format>,
    /// Its warehouses.
    pub places: Places,
    /// The names of its columns, where they are not recognised.
    pub columns: BTreeMap<Column, String>,
    /// What its numbers count: chooses among several columns of quantities.
    pub semantics: Semantics,
    /// Whether its files used to end with a line end, so that one without is suspected to be cut.
    pub ends_lines: bool,
    /// Whether one doubtful row refuses the whole file.
    pub is_strict: bool,
    /// The limits of a file.
    pub limits: Limits,
}

impl How {
    /// The format is found in the content, and names are as they are.
    pub fn plain(semantics: Semantics) -> Self {
        Self {
            format: None,
            places: Places::default(),
            columns: BTreeMap::new(),
            semantics,
            ends_lines: false,
            is_strict: false,
            limits: Limits::default(),
        }
    }
}

/// Limits of one file, checked before anything of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Its size in bytes.
    pub bytes: u64,
    /// The levels it gives.
    pub levels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 * 1024 * 1024,
            levels: 200_000,
        }
    }
}

/// The moments of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    /// Of levels that name none: when the file was made.
    pub made_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What a file gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Each SKU once for a warehouse; those of rows that are not understood are unknown.
    #[serde(skip)]
    pub rows: Vec<StockRow>,
    /// The format it was read as.
    pub format: Format,
    /// What its numbers count.
    pub semantics: Semantics,
    /// The first rows that are doubtful, and why; see [`Reading::doubts_total`].
    pub doubts: Vec<Problem>,
    /// The number of doubtful rows.
    pub doubts_total: usize,
    /// What was ignored or taken for granted, in words.
    pub notes: Vec<String>,
    /// Whether it ends with a line end; `None` for formats without lines.
    pub ends_lines: Option<bool>,
}

impl Reading {
    /// What is doubtful, on one line; `None` where nothing is.
    pub fn brief(&self) -> Option<String> {
        let first = self.doubts.first()?;
        let brief = format!("line {}: {}", first.line, first.what);
        Some(match self.doubts_total {
            0 | 1 => brief,
            more => format!("{brief}; and {} more", more - 1),
        })
    }
}
