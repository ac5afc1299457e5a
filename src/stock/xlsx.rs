//! Stock from the first visible sheet of an Excel workbook.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{DataRef, Reader as _, SheetType, SheetVisible, Xlsx, XlsxError};

use super::findings::{SourceError, quoted};
use super::gather::Gather;
use super::reading::{Format, How, Moments, Reading};
use super::table::{Cell, Table};

/// Excel's own limit.
const ROWS_MAX: u32 = 1_048_576;
/// Most columns of a stock file.
const COLUMNS_MAX: u32 = 256;

type Book<'a> = Xlsx<Cursor<&'a [u8]>>;

/// Reads the first visible sheet of a workbook.
pub(super) fn read(
    bytes: &[u8],
    file: &Path,
    how: &How,
    moments: Moments,
) -> Result<Reading, SourceError> {
    let mut table = Table::new(Gather::new(file, Format::Xlsx, how, moments), false);
    let wrong = |error: XlsxError| Stopped::from(format!("not readable as a workbook: {error}"));
    let read = || {
        let mut book: Book<'_> = Xlsx::new(Cursor::new(bytes)).map_err(wrong)?;
        let name = first_sheet(&book, &mut table)?;
        sheet(&mut book, &name, &mut table)
    };
    // The library panics at some of what no program writes, such as a column of eight letters. The table is refused then.
    let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let what =
            "not readable as a workbook: it holds what no workbook has; save it again, or as CSV";
        Err(Stopped::Unreadable(what.to_owned()))
    });
    match read {
        Ok(()) => table.finish(),
        Err(Stopped::Refused(error)) => Err(error),
        Err(Stopped::Unreadable(what)) => Err(table.gather.refuse(1, what)),
    }
}

/// Why a sheet is not read to its end.
enum Stopped {
    Refused(SourceError),
    Unreadable(String),
}

impl From<String> for Stopped {
    fn from(what: String) -> Self {
        Self::Unreadable(what)
    }
}

/// The first sheet that a person sees; the others are noted.
fn first_sheet(book: &Book<'_>, table: &mut Table<'_>) -> Result<String, Stopped> {
    let sheets = book.sheets_metadata().iter();
    let tables = sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet);
    let mut visible = tables.filter(|sheet| sheet.visible == SheetVisible::Visible);
    let first = visible
        .next()
        .ok_or("the workbook has no visible sheet".to_owned())?;
    let others: Vec<String> = visible.map(|sheet| quoted(&sheet.name)).collect();
    if !others.is_empty() {
        let note = format!(
            "read sheet {}, not {}",
            quoted(&first.name),
            others.join(", ")
        );
        table.gather.notes.push(note);
    }
    Ok(first.name.clone())
}

fn sheet(book: &mut Book<'_>, name: &str, table: &mut Table<'_>) -> Result<(), Stopped> {
    let wrong = |error: XlsxError| format!("not readable as a workbook: {error}");
    let unsaved = unsaved_formulas(book, name).map_err(wrong)?;
    let mut cells = book.worksheet_cells_reader(name).map_err(wrong)?;
    let mut row: Option<(u32, Vec<Cell<'static>>)> = None;
    while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(wrong)? {
        let (at, column) = cell.get_position();
        let format = cells
            .styles()
            .get(style)
            .and_then(|style| style.number_format.as_ref());
        let digits = format.map_or(0, |format| digits_of(&format.format_code));
        let value = if unsaved.contains(&(at, column)) {
            Cell::Unsaved
        } else {
            Cell::Text(Cow::Owned(text(cell.get_value(), digits)))
        };
        if value == Cell::Text(Cow::Borrowed("")) {
            continue;
        }
        if at >= ROWS_MAX || column >= COLUMNS_MAX {
            return Err(Stopped::Unreadable(format!(
                "a cell in row {} and column {}: stock has at most {COLUMNS_MAX} columns",
                at + 1,
                column + 1
            )));
        }
        if row.as_ref().is_none_or(|(current, _)| *current != at) {
            take(table, row.take())?;
            row = Some((at, Vec::new()));
        }
        if let Some((_, cells)) = &mut row {
            let column = usize::try_from(column).unwrap_or(usize::MAX);
            cells.resize(cells.len().max(column + 1), Cell::Text(Cow::Borrowed("")));
            cells[column] = value;
        }
    }
    take(table, row)
}

fn take(table: &mut Table<'_>, row: Option<(u32, Vec<Cell<'_>>)>) -> Result<(), Stopped> {
    let Some((row, cells)) = row else {
        return Ok(());
    };
    let taken = table.row(u64::from(row) + 1, &cells);
    taken.map_err(Stopped::Refused)
}

/// Cells with a formula that no program has calculated yet.
fn unsaved_formulas(book: &mut Book<'_>, name: &str) -> Result<HashSet<(u32, u32)>, XlsxError> {
    let mut cells = book.worksheet_cells_reader(name)?;
    let mut unsaved = HashSet::new();
    while let Some(cell) = cells.next_cell_with_formula_metadata()? {
        if cell.formula.is_some() && matches!(cell.value, DataRef::Empty) {
            unsaved.insert(cell.pos);
        }
    }
    Ok(unsaved)
}

/// The number of digits that a format such as `00000` shows at least.
fn digits_of(format: &str) -> usize {
    let is_zeros = format.len() > 1 && format.bytes().all(|byte| byte == b'0');
    if is_zeros { format.len() } else { 0 }
}

/// The text of a cell as it is shown.
fn text(value: &DataRef<'_>, digits: usize) -> String {
    match value {
        DataRef::Int(number) => format!("{number:0digits$}"),
        // Without a decimal point: an SKU of digits, or units.
        DataRef::Float(number) => format!("{number:0digits$}"),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.trim().to_owned()
        }
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(at) => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            match (hour, minute, second) {
                (0, 0, 0) => date,
                _ => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
            }
        }
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}
