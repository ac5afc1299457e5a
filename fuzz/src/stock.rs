//! Stock files.

use std::collections::HashSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::stock::StockRow;
use qabyl::stock::{SourceError, csv_file};

/// A stock file. Either all rows are valid and survive being written again, or lines to fix are reported.
pub fn stock_csv(bytes: &[u8]) {
    let file = Path::new("stock.csv");
    let now = Timestamp::constant(1_772_449_200, 0);
    match csv_file::read(bytes, file, now) {
        Ok(rows) => {
            valid(&rows, now);
            assert_eq!(csv_file::read(bytes, file, now).as_ref(), Ok(&rows));
            let again = csv_file::read(&written(&rows), file, now);
            assert_eq!(again, Ok(rows), "written and read again");
        }
        Err(refused) => located(&refused, bytes),
    }
}

fn valid(rows: &[StockRow], now: Timestamp) {
    assert!(!rows.is_empty(), "an empty stock is not taken for zero");
    let ahead = now + SignedDuration::from_mins(5);
    let mut seen = HashSet::new();
    for row in rows {
        let sku = row.sku.as_str();
        assert!(!sku.is_empty() && sku == sku.trim(), "{sku:?}");
        assert!(
            row.on_hand.units().is_some() && row.as_of <= ahead,
            "{row:?}"
        );
        assert_eq!(row.warehouse, row.warehouse.trim());
        assert!(seen.insert((sku, &row.warehouse)), "{sku} twice");
    }
}

fn written(rows: &[StockRow]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["sku", "on_hand", "warehouse", "as_of"];
    writer.write_record(header).expect("a header");
    for row in rows {
        let on_hand = row.on_hand.units().unwrap_or_default().to_string();
        let as_of = row.as_of.to_string();
        let fields = [row.sku.as_str(), &on_hand, &row.warehouse, &as_of];
        writer.write_record(fields).expect("a row");
    }
    writer.into_inner().expect("a file")
}

/// Each problem names an existing line that is not blank, unless the whole file is blank.
fn located(refused: &SourceError, bytes: &[u8]) {
    assert!(!refused.problems.is_empty());
    assert!(refused.problems.len() <= SourceError::SHOWN);
    assert!(refused.total >= refused.problems.len());
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    for problem in &refused.problems {
        let index = usize::try_from(problem.line)
            .expect("a line")
            .checked_sub(1);
        let line = index.and_then(|index| lines.get(index));
        let line = line.unwrap_or_else(|| panic!("line {} of {}", problem.line, lines.len()));
        let blank = line.trim_ascii().is_empty();
        assert!(
            !blank || problem.line == 1,
            "line {} is blank",
            problem.line
        );
        assert!(!problem.what.is_empty());
    }
}
