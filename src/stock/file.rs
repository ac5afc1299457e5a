//! Recognises a file's format by its content, reads it, and maps its warehouses to pickup points.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use jiff::Timestamp;

use super::csv_file;
use super::findings::{Findings, SourceError};
use crate::domain::stock::StockRow;

/// File formats of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    /// The format that the content shows; CSV by default.
    pub fn of(bytes: &[u8]) -> Self {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.starts_with(b"PK\x03\x04") {
            Self::Xlsx
        } else if text.trim_ascii_start().starts_with(b"<") {
            Self::KaspiXml
        } else {
            Self::Csv
        }
    }
}

/// The warehouses of a source, in the names that orders use (pickup points).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The warehouse of rows that name none; empty for the common pool.
    pub warehouse: String,
    /// The source's warehouse names and the pickup points they stand for.
    pub names: BTreeMap<String, String>,
}

impl Places {
    /// The rows with their warehouses mapped.
    fn apply(&self, rows: Vec<StockRow>, file: &Path) -> Result<Vec<StockRow>, SourceError> {
        if *self == Self::default() {
            return Ok(rows);
        }
        let mut seen = HashSet::with_capacity(rows.len());
        let mut found = Findings::new(file);
        let mut placed = Vec::with_capacity(rows.len());
        for mut row in rows {
            row.warehouse = match self.names.get(&row.warehouse) {
                Some(point) => point.clone(),
                None if row.warehouse.is_empty() => self.warehouse.clone(),
                None => row.warehouse,
            };
            if seen.insert((row.sku.clone(), row.warehouse.clone())) {
                placed.push(row);
            } else {
                let (sku, point) = (&row.sku, &row.warehouse);
                found.add(
                    1,
                    format!(
                        "two warehouses of {sku} are both '{point}': map one of them to another pickup point"
                    ),
                );
            }
        }
        if found.total > 0 {
            return Err(found.into_error());
        }
        Ok(placed)
    }
}

/// Reads a whole file. `moments` are the time of rows that have none, and now.
///
/// # Errors
/// Every bad line with its number.
pub fn read(
    bytes: &[u8],
    file: &Path,
    format: Option<Format>,
    places: &Places,
    moments: (Timestamp, Timestamp),
) -> Result<Vec<StockRow>, SourceError> {
    if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        let what = "a workbook in the old format (.xls): save it as .xlsx or CSV";
        return Err(SourceError::whole(file, what));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let what = "in UTF-16: save the file in UTF-8 (\"CSV UTF-8\")";
        return Err(SourceError::whole(file, what));
    }
    let rows = match format.unwrap_or_else(|| Format::of(bytes)) {
        Format::Csv => csv_file::read_as_of(bytes, file, moments)?,
        Format::Xlsx => xlsx(bytes, file, moments)?,
        Format::KaspiXml => price_list(bytes, file, moments)?,
    };
    places.apply(rows, file)
}

#[cfg(feature = "price-list")]
use super::price_list::read as price_list;
#[cfg(feature = "xlsx")]
use super::xlsx::read as xlsx;

#[cfg(not(feature = "xlsx"))]
fn xlsx(_: &[u8], file: &Path, _: (Timestamp, Timestamp)) -> Result<Vec<StockRow>, SourceError> {
    let what = "this qabyl was built without the feature `xlsx`: save the sheet as CSV";
    Err(SourceError::whole(file, what))
}

#[cfg(not(feature = "price-list"))]
fn price_list(
    _: &[u8],
    file: &Path,
    _: (Timestamp, Timestamp),
) -> Result<Vec<StockRow>, SourceError> {
    let what = "this qabyl was built without the feature `price-list`: save the stock as CSV";
    Err(SourceError::whole(file, what))
}
