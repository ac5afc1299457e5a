//! Stock from an Excel workbook: its first sheet. A few bytes of a workbook can ask for any amount of
//! memory, so that it is opened in a process of its own that may take so much and no more; what comes
//! back is text, row by row.

use std::io::{BufRead as _, BufReader, Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use calamine::{DataRef, Reader as _, Xlsx};
use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::findings::SourceError;
use super::table::{Form, Table};
use crate::domain::stock::StockRow;

/// The word by which the program opens a workbook instead of everything else it does.
pub const CHILD: &str = "open-workbook";

/// Address space of that process: 50 000 rows need a tenth of it.
const MEMORY_MAX: u64 = 512 * 1024 * 1024;
/// Processor time of that process.
const CPU_SECONDS_MAX: u64 = 60;
/// Excel's own limit.
const ROWS_MAX: u32 = 1_048_576;
/// More columns than any stock has.
const COLUMNS_MAX: u32 = 256;
/// Longest line that may come back: a row of the widest cells that mean anything.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// The file itself.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Reads the first sheet of a workbook.
pub(super) fn read(
    bytes: &[u8],
    file: &Path,
    moments: (Timestamp, Timestamp),
) -> Result<Vec<StockRow>, SourceError> {
    let refuse = |what: String| SourceError::whole(file, what);
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refuse(format!(
            "the workbook has {} MiB, and 64 are read at most: save its first sheet as CSV",
            bytes.len() / (1024 * 1024)
        )));
    }
    let mut child = Command::new(this_program())
        .arg(CHILD)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| refuse(format!("the workbook could not be opened: {error}")))?;
    // All of it is read there before a word comes back; one that dies over it is told of below.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(bytes);
    }
    let table = child
        .stdout
        .take()
        .map(|stdout| rows(BufReader::new(stdout), file, moments));
    let ended = child.wait();
    match (table, ended) {
        (Some(table), Ok(ended)) if ended.success() => table?.finish(),
        (Some(Err(error)), Ok(ended)) if ended.code() == Some(i32::from(TOLD)) => Err(error),
        (_, Ok(ended)) => Err(refuse(broken_off(ended))),
        (_, Err(error)) => Err(refuse(format!("the workbook could not be opened: {error}"))),
    }
}

/// The process ended after it said what is wrong.
const TOLD: u8 = 1;

fn broken_off(ended: ExitStatus) -> String {
    format!(
        "the workbook asks for more than {} MiB of memory or {CPU_SECONDS_MAX} s of time, or is no workbook \
         ({ended}): save its first sheet as CSV",
        MEMORY_MAX / (1024 * 1024)
    )
}

/// This program's file, also when a newer one lies in its place.
fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return running;
    }
    std::env::current_exe().unwrap_or(running)
}

/// Rows as they come: `[row, [text, …]]`, or `"what is wrong"`.
fn rows(
    mut out: impl std::io::BufRead,
    file: &Path,
    moments: (Timestamp, Timestamp),
) -> Result<Table<'_>, SourceError> {
    let mut table: Option<Table<'_>> = None;
    let mut line = String::new();
    loop {
        line.clear();
        let read = out.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
        if !read.is_ok_and(|bytes| bytes > 0) {
            return table.ok_or_else(|| SourceError::whole(file, "the first sheet is empty"));
        }
        if let Ok(what) = serde_json::from_str::<String>(&line) {
            return Err(SourceError::whole(file, what));
        }
        let Ok((row, fields)) = serde_json::from_str::<(u64, Vec<String>)>(&line) else {
            return Err(SourceError::whole(
                file,
                "a row of the workbook is larger than any row of stock",
            ));
        };
        let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        match &mut table {
            None => {
                table = Some(Table::begin(file, (row, &fields), Form::Workbook, moments)?);
            }
            Some(table) => {
                fields.resize(table.width().max(fields.len()), "");
                table.row(row, &fields);
            }
        }
    }
}

/// What the other process does: a workbook from its input, rows to its output.
pub fn child() -> ExitCode {
    for (resource, most) in [
        (Resource::As, MEMORY_MAX),
        (Resource::Cpu, CPU_SECONDS_MAX),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        if setrlimit(resource, limit).is_err() {
            return ExitCode::from(TOLD + 1);
        }
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let told = sheet(&mut out);
    if let Err(what) = &told {
        let _ = writeln!(out, "{}", serde_json::json!(what));
    }
    match (told, out.flush()) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::from(TOLD),
    }
}

fn sheet(out: &mut impl std::io::Write) -> Result<(), String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    let wrong = |error: calamine::XlsxError| format!("not readable as a workbook: {error}");
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(wrong)?;
    let name = book.sheet_names().first().cloned();
    let name = name.ok_or("the workbook has no sheet")?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(wrong)?;
    let (_, end) = (cells.dimensions().start, cells.dimensions().end);
    if end.0 > ROWS_MAX {
        return Err(format!("the first sheet has {} rows", end.0));
    }
    let mut row: Option<(u32, Vec<String>)> = None;
    while let Some(cell) = cells.next_cell().map_err(wrong)? {
        let (at, column) = cell.get_position();
        let text = text(cell.get_value());
        if text.is_empty() {
            continue;
        }
        if at > ROWS_MAX || column >= COLUMNS_MAX {
            return Err(format!(
                "a cell in row {} and column {}: stock has at most {COLUMNS_MAX} columns",
                at + 1,
                column + 1
            ));
        }
        if row.as_ref().is_none_or(|(current, _)| *current != at) {
            tell(out, row.take())?;
            row = Some((at, Vec::new()));
        }
        if let Some((_, fields)) = &mut row {
            let column = usize::try_from(column).unwrap_or(usize::MAX);
            fields.resize(fields.len().max(column + 1), String::new());
            fields[column] = text;
        }
    }
    tell(out, row)
}

fn tell(out: &mut impl std::io::Write, row: Option<(u32, Vec<String>)>) -> Result<(), String> {
    let Some((row, fields)) = row else {
        return Ok(());
    };
    let line = serde_json::json!([u64::from(row) + 1, fields]);
    writeln!(out, "{line}").map_err(|error| error.to_string())
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        // An SKU of digits, or units, without the point that a cell of numbers has.
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.trim().to_owned()
        }
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(at) => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
        }
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}
