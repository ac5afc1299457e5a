//! Stock files.

use std::collections::HashSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::stock::{OnHand, Semantics, StockRow};
use qabyl::stock::{Format, How, Moments, SourceError, parse};

/// A stock file. Either it gives valid levels, which survive being written again, or lines to fix are reported.
pub fn stock_csv(bytes: &[u8]) {
    let file = Path::new("stock.csv");
    let now = Timestamp::constant(1_772_449_200, 0);
    let moments = Moments { made_at: now, now };
    let mut how = How::plain(Semantics::Physical);
    how.format = Some(Format::Csv);
    let read = |bytes: &[u8]| parse(bytes, file, &how, moments);
    match read(bytes) {
        Ok(reading) => {
            valid(&reading.rows, now);
            assert_eq!(read(bytes).as_ref(), Ok(&reading));
            let again = read(&written(&reading.rows)).map(|reading| reading.rows);
            assert_eq!(again, Ok(reading.rows), "written and read again");
        }
        Err(refused) => located(&refused),
    }
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

fn written(rows: &[StockRow]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
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
