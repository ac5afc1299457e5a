//! Aliases and kits from CSV: `sku,part[,quantity]`, where the part is what lies in the warehouse. One row for
//! an SKU is an alias, several are a kit.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::csv_file::line;
use super::findings::{Findings, SourceError, quoted};
use crate::domain::ids::Sku;
use crate::text::listed_name;

/// SKU, part, units of the part in one unit of the SKU.
pub type PartLine = (Sku, Sku, i64);

/// Most units of a part in a kit.
const EACH_MAX: i64 = 10_000;

/// Reads a whole file.
///
/// # Errors
/// Every bad line with its number.
pub fn read_parts(bytes: &[u8], file: &Path) -> Result<Vec<PartLine>, SourceError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.split(|byte| *byte == b'\n').next();
    let delimiter = match first {
        Some(line) if line.contains(&b';') => b';',
        _ => b',',
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(bytes);
    let mut found = Findings::new(file);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(found.refuse(1, format!("not readable as CSV: {error}"))),
    };
    let at = |name: &str| {
        let mut names = header.iter();
        names.position(|column| column.trim().to_lowercase() == name)
    };
    let (Some(sku), Some(part)) = (at("sku"), at("part")) else {
        let what = "expected a header sku,part[,quantity]".to_owned();
        return Err(found.refuse(1, what));
    };
    let known = ["sku", "part", "quantity"];
    let other = |name: &&str| !known.contains(&name.trim().to_lowercase().as_str());
    if let Some(name) = header.iter().find(other) {
        let what = format!(
            "unknown column {}; expected sku,part[,quantity]",
            quoted(name)
        );
        return Err(found.refuse(1, what));
    }
    let columns = (sku, part, at("quantity"));
    let mut lines: Vec<(u64, PartLine)> = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) if record.iter().all(|field| field.trim().is_empty()) => {}
            Ok(record) => {
                let at = line(bytes, record.position());
                match row(&record, columns) {
                    Ok(row) => lines.push((at, row)),
                    Err(what) => found.add(at, what),
                }
            }
            Err(error) => {
                found.add(
                    line(bytes, error.position()),
                    format!("not readable as CSV: {error}"),
                );
            }
        }
    }
    check_all(&lines, &mut found);
    if found.total > 0 {
        return Err(found.into_error());
    }
    Ok(lines.into_iter().map(|(_, row)| row).collect())
}

fn row(
    record: &StringRecord,
    (sku, part, quantity): (usize, usize, Option<usize>),
) -> Result<PartLine, String> {
    let field = |index: usize| record.get(index).unwrap_or_default().trim();
    listed_name("SKU", field(sku))?;
    listed_name("part", field(part))?;
    let sku = Sku::new(field(sku)).map_err(|_| "the SKU is empty".to_owned())?;
    let part = Sku::new(field(part)).map_err(|_| format!("the part of {sku} is empty"))?;
    let each = match quantity.map_or("", field) {
        "" => 1,
        text => text
            .parse()
            .ok()
            .filter(|each| (1..=EACH_MAX).contains(each))
            .ok_or_else(|| {
                format!(
                    "quantity of {part} in {sku} is {}; expected 1 to {EACH_MAX}",
                    quoted(text)
                )
            })?,
    };
    if sku == part {
        return Err(format!("{sku} is a part of itself"));
    }
    Ok((sku, part, each))
}

/// Errors between lines.
fn check_all(lines: &[(u64, PartLine)], found: &mut Findings<'_>) {
    let skus: HashSet<&Sku> = lines.iter().map(|(_, (sku, ..))| sku).collect();
    let mut seen: HashMap<(&Sku, &Sku), u64> = HashMap::new();
    for (line, (sku, part, _)) in lines {
        if let Some(before) = seen.insert((sku, part), *line) {
            let what = format!("{part} is a part of {sku} on line {before} already: keep one");
            found.add(*line, what);
        }
        if skus.contains(part) {
            let what = format!(
                "part {part} of {sku} has parts of its own: name what lies in the warehouse"
            );
            found.add(*line, what);
        }
    }
}
