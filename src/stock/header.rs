//! Which columns of a table concern stock, by their names.

use super::findings::quoted;
use super::reading::{Column, How};
use crate::diagnostics::nearest;
use crate::domain::stock::Semantics;

/// Names of columns in Russian, Kazakh and English. Of several that a table has, the earlier one is taken.
const SKU: [&str; 6] = [
    "артикул",
    "sku",
    "номенклатурный номер",
    "код",
    "артикул товара",
    "код товара",
];
/// What is left once orders are taken off.
const AVAILABLE: [&str; 5] = [
    "доступно",
    "свободный остаток",
    "қолжетімді",
    "available",
    "free stock",
];
/// What lies on the shelf.
const PHYSICAL: [&str; 11] = [
    "on_hand",
    "остаток",
    "количество",
    "кол-во",
    "қалдық",
    "stock",
    "qty",
    "quantity",
    "конечный остаток",
    "остаток на складе",
    "саны",
];
const WAREHOUSE: [&str; 4] = ["склад", "магазин", "warehouse", "қойма"];
const AS_OF: [&str; 3] = ["as_of", "дата", "күні"];

/// What is expected of a table.
pub(super) const EXPECTED: &str = "a header sku,on_hand[,warehouse][,as_of] or Артикул, Остаток";

/// The columns of a table, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sku: usize,
    pub(super) units: Quantities,
    /// The number of its cells.
    pub(super) width: usize,
    /// Names of columns that are not used.
    pub(super) ignored: Vec<String>,
}

/// Where the quantities are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quantities {
    /// In one column.
    Plain {
        on_hand: usize,
        warehouse: Option<usize>,
        as_of: Option<usize>,
    },
    /// In a column for each pickup point: name and index.
    Points(Vec<(String, usize)>),
}

/// Why a row is not the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    /// No column is known.
    Nothing,
    /// It looks like the header, but this is wrong.
    Nearly(String),
    /// It is the header, and contradicts itself.
    Contradiction(String),
}

/// The unit of a quantity, in names of columns.
const UNITS: [&str; 5] = ["(шт.)", "(шт)", "шт", "дана", "pcs"];

/// Whether a cell names a unit alone.
pub(super) fn is_unit(cell: &str) -> bool {
    UNITS.contains(&plain(cell).as_str())
}

/// A name without case, repeated spaces, trailing signs and the unit.
pub(super) fn plain(name: &str) -> String {
    let name = name.to_lowercase().replace('ё', "е");
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = words.join(" ");
    let is_sign = |c: char| matches!(c, '.' | ':' | ',' | '*' | '"' | ' ');
    let name = name.trim_matches(is_sign);
    let unit = UNITS.iter().find_map(|unit| name.strip_suffix(unit));
    let is_apart = |rest: &&str| rest.ends_with([' ', ',']);
    let name = unit.filter(is_apart).unwrap_or(name);
    name.trim_end_matches(is_sign).to_owned()
}

/// Whether a column is of a pickup point: `PP1`.
fn is_point(name: &str) -> bool {
    let digits = name.strip_prefix("pp").unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Whether a column is of a city of Kaspi: `KZ-ALA`.
fn is_city(name: &str) -> bool {
    name.starts_with("kz-")
}

impl Header {
    /// Reads a row as the header.
    pub(super) fn read(cells: &[&str], how: &How) -> Result<Self, Miss> {
        let names: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
        let quantities: Vec<&str> = match how.semantics {
            Semantics::Physical => PHYSICAL.to_vec(),
            Semantics::Available => [&AVAILABLE[..], &PHYSICAL[..]].concat(),
        };
        let find = |column, known: &[&str]| find(&names, how, column, known);
        let sku = find(Column::Sku, &SKU)?;
        let on_hand = find(Column::OnHand, &quantities)?;
        let warehouse = find(Column::Warehouse, &WAREHOUSE)?;
        let as_of = find(Column::AsOf, &AS_OF)?;
        let points = names.iter().enumerate().filter(|(_, name)| is_point(name));
        let points: Vec<(String, usize)> = points
            .map(|(index, name)| (name.to_uppercase(), index))
            .collect();
        let is_configured = how.columns.contains_key(&Column::OnHand);
        let (sku, units) = match (sku, on_hand) {
            (Some(_), Some(on_hand)) if !points.is_empty() && !is_configured => {
                let names: Vec<&str> = points.iter().map(|(name, _)| name.as_str()).collect();
                return Err(Miss::Contradiction(format!(
                    "column {} beside the columns of pickup points {}: they contradict each other. Leave out \
                     one of them, or name one with columns = {{ on_hand = \"…\" }}",
                    quoted(cells[on_hand]),
                    names.join(", ")
                )));
            }
            (Some(sku), Some(on_hand)) => {
                let plain = Quantities::Plain {
                    on_hand,
                    warehouse,
                    as_of,
                };
                (sku, plain)
            }
            (Some(sku), None) if !points.is_empty() => {
                if let Some(twice) = twice(points.iter().map(|(name, _)| name.as_str())) {
                    let what = format!("column {twice} is listed twice");
                    return Err(Miss::Contradiction(what));
                }
                (sku, Quantities::Points(points))
            }
            (None, None) => return Err(Miss::Nothing),
            (sku, _) => return Err(Miss::Nearly(nearly(cells, &names, sku, how.semantics))),
        };
        let mut header = Self {
            sku,
            units,
            width: cells.len(),
            ignored: Vec::new(),
        };
        let used = header.used();
        let others = names
            .iter()
            .enumerate()
            .filter(|(index, name)| !name.is_empty() && !used.contains(index));
        header.ignored = others
            .map(|(index, name)| match cells[index].trim() {
                cell if is_city(name) => format!("{} (a city, not a pickup point)", quoted(cell)),
                cell => quoted(cell),
            })
            .collect();
        Ok(header)
    }

    /// The indexes of the columns that are read.
    pub(super) fn used(&self) -> Vec<usize> {
        let mut used = vec![self.sku];
        match &self.units {
            Quantities::Plain {
                on_hand,
                warehouse,
                as_of,
            } => {
                used.push(*on_hand);
                used.extend(warehouse.iter().chain(as_of));
            }
            Quantities::Points(points) => used.extend(points.iter().map(|(_, index)| *index)),
        }
        used
    }
}

/// The index of a column: the configured name alone, or the first of the known names that is there.
fn find(
    names: &[String],
    how: &How,
    column: Column,
    known: &[&str],
) -> Result<Option<usize>, Miss> {
    let at = |wanted: &str| {
        let mut all = names.iter().enumerate().filter(|(_, name)| *name == wanted);
        (all.next().map(|(index, _)| index), all.next().is_some())
    };
    let configured = how.columns.get(&column).map(|name| plain(name));
    let (found, is_twice) = match &configured {
        Some(name) => at(name),
        None => known
            .iter()
            .map(|name| at(name))
            .find(|(found, _)| found.is_some())
            .unwrap_or((None, false)),
    };
    match found {
        Some(index) if is_twice => {
            let what = format!("column {} is listed twice", quoted(&names[index]));
            Err(Miss::Contradiction(what))
        }
        None if configured.is_some() => Err(match how.columns.get(&column) {
            Some(name) if names.iter().filter(|name| !name.is_empty()).count() > 1 => Miss::Nearly(
                format!("there is no column {}, which `columns` names", quoted(name)),
            ),
            _ => Miss::Nothing,
        }),
        found => Ok(found),
    }
}

fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    let mut names = names;
    names.find(|name| !seen.insert(*name))
}

/// What is missing in a row that has one of the two columns.
fn nearly(cells: &[&str], names: &[String], sku: Option<usize>, semantics: Semantics) -> String {
    let (missing, key, known): (_, _, &[&str]) = match sku {
        Some(_) => ("a quantity", "on_hand", &PHYSICAL),
        None => ("an SKU", "sku", &SKU),
    };
    let others = || {
        names
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != sku)
    };
    let listed: Vec<String> = cells
        .iter()
        .filter(|cell| !cell.trim().is_empty())
        .take(8)
        .map(|cell| quoted(cell))
        .collect();
    let available = others().find(|(_, name)| AVAILABLE.contains(&name.as_str()));
    if let (Some(_), Semantics::Physical, Some((index, _))) = (sku, semantics, available) {
        let cell = quoted(cells[index].trim());
        return format!(
            "column {cell} counts what is left after orders: set semantics = \"available\" for this source, or \
             name a column of what lies on the shelf with columns = {{ on_hand = \"…\" }}"
        );
    }
    let near = others().find_map(|(_, name)| nearest(name, known.iter().copied()));
    let near = near.map_or_else(String::new, |name| format!("; did you mean {name}?"));
    format!(
        "no column of {missing} among {}{near} Expected {EXPECTED}, or name it with columns = {{ {key} = \"…\" }}",
        listed.join(", ")
    )
}
