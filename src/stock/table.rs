//! Rows of cells under a header: the same rules for CSV and workbooks.

use std::borrow::Cow;

use super::findings::{SourceError, quoted};
use super::gather::Gather;
use super::header::{EXPECTED, Header, Miss, Quantities, is_unit, plain};
use super::moment::{self, Moment};
use super::units;
use crate::domain::stock::OnHand;
use crate::text::listed_name;

/// The header is among so many rows of the file.
pub(super) const HEADER_ROWS_MAX: u64 = 20;
/// First words of rows that sum up others.
const TOTALS: [&str; 3] = ["итого", "всего", "барлығы"];
/// The same, as the only word: an SKU may begin with it.
const TOTALS_ALONE: [&str; 3] = ["total", "grand total", "жиыны"];

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// Its text.
    Text(Cow<'a, str>),
    /// A formula without a saved value.
    Unsaved,
}

impl Cell<'_> {
    fn is_blank(&self) -> bool {
        *self != Self::Unsaved && self.text().is_empty()
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text.trim(),
            Self::Unsaved => "",
        }
    }
}

/// A table while it is read.
pub(super) struct Table<'a> {
    pub(super) gather: Gather<'a>,
    /// Whether cells are counted: in a line of CSV, one too many moves the others.
    is_counted: bool,
    header: Option<Header>,
    miss: Option<(u64, Miss)>,
    titles: u64,
    totals: u64,
    /// Rows below the header.
    rows: u64,
    last_line: u64,
}

impl<'a> Table<'a> {
    pub(super) fn new(gather: Gather<'a>, is_counted: bool) -> Self {
        Self {
            gather,
            is_counted,
            header: None,
            miss: None,
            titles: 0,
            totals: 0,
            rows: 0,
            last_line: 1,
        }
    }

    /// Whether the header was found.
    pub(super) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// How much of a header was found: 0 for nothing.
    pub(super) fn rank(&self) -> u8 {
        match (&self.header, &self.miss) {
            (Some(_), _) => 3,
            (None, Some((_, miss))) => rank(miss),
            (None, None) => 0,
        }
    }

    /// A last line that may be cut.
    pub(super) fn cut(&mut self, line: u64, cells: &[Cell<'_>]) {
        self.last_line = line;
        let sku = self
            .header
            .as_ref()
            .and_then(|header| cells.get(header.sku));
        let sku = sku.map_or("", Cell::text);
        let what = format!(
            "the last line has no line end, which this file used to have: it may be cut, and SKU {} is unknown",
            quoted(sku)
        );
        self.gather.not_understood(line, Some(sku), what);
    }

    /// Reads a row; the first one that can be is the header.
    pub(super) fn row(&mut self, line: u64, cells: &[Cell<'_>]) -> Result<(), SourceError> {
        if cells.iter().all(Cell::is_blank) {
            return Ok(());
        }
        self.last_line = line;
        let Some(header) = self.header.clone() else {
            return self.title(line, cells);
        };
        self.stock(line, &header, cells)
    }

    /// A row above the header, or the header.
    fn title(&mut self, line: u64, cells: &[Cell<'_>]) -> Result<(), SourceError> {
        let names: Vec<&str> = cells.iter().map(Cell::text).collect();
        let miss = match Header::read(&names, self.gather.how) {
            Ok(header) => {
                self.header = Some(header);
                return Ok(());
            }
            Err(miss) => miss,
        };
        self.titles += 1;
        let best = self.miss.as_ref().map(|(_, miss)| rank(miss));
        if best.is_none_or(|best| rank(&miss) > best) {
            self.miss = Some((line, miss));
        }
        if line >= HEADER_ROWS_MAX {
            return Err(self.no_header());
        }
        Ok(())
    }

    /// Why there is no header.
    fn no_header(&mut self) -> SourceError {
        match self.miss.take() {
            Some((line, Miss::Nearly(what) | Miss::Contradiction(what))) => {
                self.gather.refuse(line, what)
            }
            Some((line, Miss::Nothing)) => self.gather.refuse(
                line,
                format!(
                    "no header with an SKU and a quantity in the first {HEADER_ROWS_MAX} rows; expected {EXPECTED}, \
                     or `columns` of the source"
                ),
            ),
            None => self
                .gather
                .refuse(1, format!("the file is empty; expected {EXPECTED}")),
        }
    }

    /// A row below the header.
    fn stock(&mut self, line: u64, header: &Header, cells: &[Cell<'_>]) -> Result<(), SourceError> {
        let text = |index: usize| cells.get(index).map_or("", Cell::text);
        self.rows += 1;
        if self.rows == 1
            && let Some(name) = second_name(cells, header)
        {
            let what = format!(
                "the header has a second row, with {} below the column of the quantity: it is not clear which column counts \
                 what is there; leave one row of names",
                quoted(name)
            );
            return Err(self.gather.refuse(line, what));
        }
        if is_total(cells, header) {
            self.totals += 1;
            return Ok(());
        }
        let sku = text(header.sku);
        if cells.get(header.sku) == Some(&Cell::Unsaved) {
            let what = "the SKU is a formula without a saved value, and the row is skipped: open the file in Excel \
                        and save it";
            self.gather.doubt(line, what);
            return Ok(());
        }
        if sku.is_empty() {
            self.gather.without_sku(line);
            return Ok(());
        }
        if let Err(what) = listed_name("SKU", sku) {
            self.gather
                .doubt(line, format!("{what}: the row is skipped"));
            return Ok(());
        }
        if let Some(what) = self.misshapen(header, cells) {
            let what = format!("{what}: SKU {} is unknown", quoted(sku));
            self.gather.not_understood(line, Some(sku), what);
            return Ok(());
        }
        match &header.units {
            Quantities::Plain {
                on_hand,
                warehouse,
                as_of,
            } => {
                let made_at = self.gather.moments.made_at;
                let at = match as_of.map_or(Some(Moment::None), |index| moment::read(text(index))) {
                    Some(Moment::At(at)) => Ok(at),
                    Some(Moment::None) => Ok(made_at),
                    None => Err(format!(
                        "the time of {} is {}, not a time such as 2026-03-02T12:00:00+05:00 or 02.03.2026 12:00 \
                         (without an offset it is Almaty's)",
                        quoted(sku),
                        quoted(as_of.map_or("", text))
                    )),
                };
                let units = quantity("the quantity", sku, cells.get(*on_hand));
                let (units, at) = match at {
                    Ok(at) => (units, at),
                    Err(what) => (Err(what), made_at),
                };
                if cells.get(*on_hand).is_none_or(Cell::is_blank) {
                    self.gather.without_quantity();
                }
                let warehouse = warehouse.map_or("", text);
                self.gather.level(line, (sku, warehouse), units, at)
            }
            Quantities::Points(points) => {
                let made_at = self.gather.moments.made_at;
                for (point, index) in points {
                    let units = match text(*index).to_lowercase().as_str() {
                        "" if cells.get(*index) != Some(&Cell::Unsaved) => continue,
                        "yes" => Ok(OnHand::Unknown),
                        "no" => Ok(OnHand::Exactly(0)),
                        _ => quantity(point, sku, cells.get(*index)),
                    };
                    self.gather.level(line, (sku, point), units, made_at)?;
                }
                Ok(())
            }
        }
    }

    /// What is wrong with the number of cells.
    fn misshapen(&self, header: &Header, cells: &[Cell<'_>]) -> Option<String> {
        if !self.is_counted {
            return None;
        }
        let more = cells.get(header.width..).unwrap_or_default();
        let is_longer = more.iter().any(|cell| !cell.text().is_empty());
        let is_shorter = header.used().iter().any(|index| *index >= cells.len());
        (is_longer || is_shorter).then(|| {
            format!(
                "{} fields, but the header has {}",
                cells.len(),
                header.width
            )
        })
    }

    /// All levels, with notes on what was ignored.
    pub(super) fn finish(mut self) -> Result<super::Reading, SourceError> {
        let Some(header) = self.header.take() else {
            return Err(self.no_header());
        };
        let notes = &mut self.gather.notes;
        if !header.ignored.is_empty() {
            notes.push(format!("ignored columns: {}", header.ignored.join(", ")));
        }
        if self.titles > 0 {
            notes.push(format!("skipped above the header: {} rows", self.titles));
        }
        if self.totals > 0 {
            notes.push(format!("skipped as totals: {} rows", self.totals));
        }
        self.gather.finish(self.last_line)
    }
}

/// How near a row comes to a header.
fn rank(miss: &Miss) -> u8 {
    match miss {
        Miss::Nothing => 0,
        Miss::Nearly(_) => 1,
        Miss::Contradiction(_) => 2,
    }
}

/// What the row right below the header has in the column of the quantity, where it is no row of goods but goes on with
/// the names of columns: several columns lie below one name then.
fn second_name<'a>(cells: &'a [Cell<'_>], header: &Header) -> Option<&'a str> {
    let text = |index: usize| cells.get(index).map_or("", Cell::text);
    let Quantities::Plain { on_hand, .. } = &header.units else {
        return None;
    };
    let name = text(*on_hand);
    let is_name = text(header.sku).is_empty()
        && !is_total(cells, header)
        && units::read(name).is_none()
        && !is_unit(name);
    is_name.then_some(name)
}

/// What a cell of quantities says.
fn quantity(what: &str, sku: &str, cell: Option<&Cell<'_>>) -> Result<OnHand, String> {
    let text = match cell {
        Some(Cell::Unsaved) => {
            return Err(format!(
                "{what} of {} is a formula without a saved value (open the file in Excel and save it)",
                quoted(sku)
            ));
        }
        Some(Cell::Text(text)) => text.trim(),
        None => "",
    };
    units::read(text).ok_or_else(|| {
        format!(
            "{what} of {} is {}, not whole units",
            quoted(sku),
            quoted(text)
        )
    })
}

/// Whether a row sums up others: its SKU, or its first text where it has no SKU, says so.
fn is_total(cells: &[Cell<'_>], header: &Header) -> bool {
    let sku = cells.get(header.sku).map_or("", Cell::text);
    let first = if sku.is_empty() {
        let mut texts = cells.iter().map(Cell::text);
        texts.find(|text| !text.is_empty()).unwrap_or_default()
    } else {
        sku
    };
    let first = plain(first);
    let starts = |word: &&str| {
        let rest = first.strip_prefix(*word);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':']))
    };
    TOTALS.iter().any(starts) || TOTALS_ALONE.contains(&first.as_str())
}
