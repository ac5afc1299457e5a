//! Stock files.

use std::collections::HashSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::stock::{OnHand, Semantics, StockRow};
use qabyl::stock::{Format, How, Moments, Reading, SourceError, parse};

use super::workbook;

const NOW: Timestamp = Timestamp::constant(1_772_449_200, 0);

fn read(bytes: &[u8], format: Option<Format>) -> Result<Reading, SourceError> {
    let moments = Moments {
        made_at: NOW,
        now: NOW,
    };
    let mut how = How::plain(Semantics::Physical);
    how.format = format;
    parse(bytes, Path::new("stock.csv"), &how, moments)
}

/// Either it gives valid levels, the same ones each time, or lines to fix are reported.
fn promised(bytes: &[u8], format: Option<Format>) -> Option<Reading> {
    match read(bytes, format) {
        Ok(reading) => {
            valid(&reading.rows, NOW);
            assert_eq!(read(bytes, format).as_ref(), Ok(&reading));
            Some(reading)
        }
        Err(refused) => {
            located(&refused);
            None
        }
    }
}

/// Whether a quantity is known: a file without any is refused as the wrong one when it is written again.
fn has_quantities(reading: &Reading) -> bool {
    let mut rows = reading.rows.iter();
    rows.any(|row| row.on_hand != OnHand::Unknown)
}

/// A stock file as text. Its levels survive being written again.
pub fn stock_csv(bytes: &[u8]) {
    if let Some(reading) = promised(bytes, Some(Format::Csv)).filter(has_quantities) {
        let again = read(&written(&reading.rows, b','), Some(Format::Csv));
        let again = again.map(|reading| reading.rows);
        assert_eq!(again, Ok(reading.rows), "written and read again");
    }
}

/// A table in every dialect that programs write: delimiters, line ends, encodings. Its levels are the same in each.
pub fn stock_dialects(bytes: &[u8]) {
    let Some(reading) = promised(bytes, None).filter(has_quantities) else {
        return;
    };
    let rows = &reading.rows;
    for delimiter in [b',', b';', b'\t'] {
        let plain = written(rows, delimiter);
        let text = String::from_utf8(plain.clone()).expect("text that was written");
        let utf16 = |of: fn(u16) -> [u8; 2]| {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            units.flat_map(of).collect::<Vec<u8>>()
        };
        let with_mark = [b"\xef\xbb\xbf", plain.as_slice()].concat();
        let windows = text.replace('\n', "\r\n").into_bytes();
        for (dialect, bytes) in [
            ("plain", plain),
            ("with a mark", with_mark),
            ("UTF-16LE", utf16(u16::to_le_bytes)),
            ("UTF-16BE", utf16(u16::to_be_bytes)),
            ("CR LF", windows),
        ] {
            let again = read(&bytes, None).map(|reading| reading.rows);
            let delimiter = char::from(delimiter);
            assert_eq!(again.as_ref(), Ok(rows), "{dialect}, {delimiter:?}");
        }
    }
}

/// The rows and cells of a workbook's sheet, or a workbook as it is.
pub fn stock_xlsx(bytes: &[u8]) {
    if bytes.starts_with(b"PK") {
        promised(bytes, Some(Format::Xlsx));
    } else {
        promised(&workbook::of_sheet(bytes), Some(Format::Xlsx));
    }
}

/// Kaspi's price list.
pub fn price_list(bytes: &[u8]) {
    promised(bytes, Some(Format::KaspiXml));
}

fn valid(rows: &[StockRow], now: Timestamp) {
    assert!(!rows.is_empty(), "an empty stock is not taken for zero");
    let ahead = now + SignedDuration::from_mins(5);
    let mut seen = HashSet::new();
    for row in rows {
        let sku = row.sku.as_str();
        assert!(!sku.is_empty() && sku == sku.trim(), "{sku:?}");
        assert!(row.as_of <= ahead, "{row:?}");
        assert_eq!(row.warehouse, row.warehouse.trim());
        assert!(seen.insert((sku, &row.warehouse)), "{sku} twice");
    }
}

fn written(rows: &[StockRow], delimiter: u8) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    let header = ["sku", "on_hand", "warehouse", "as_of"];
    writer.write_record(header).expect("a header");
    for row in rows {
        let on_hand = match row.on_hand {
            OnHand::Exactly(units) => units.to_string(),
            OnHand::AtLeast(units) => format!(">{units}"),
            OnHand::Negative => "-1".to_owned(),
            OnHand::Unknown => String::new(),
        };
        let as_of = row.as_of.to_string();
        let fields = [row.sku.as_str(), &on_hand, &row.warehouse, &as_of];
        writer.write_record(fields).expect("a row");
    }
    writer.into_inner().expect("a file")
}

/// Each problem names a line and says something.
fn located(refused: &SourceError) {
    assert!(!refused.problems.is_empty());
    assert!(refused.problems.len() <= SourceError::SHOWN);
    assert!(refused.total >= refused.problems.len());
    for problem in &refused.problems {
        assert!(problem.line > 0 && !problem.what.is_empty());
    }
}
