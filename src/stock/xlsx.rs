//! Stock from the first sheet of an Excel workbook. A workbook of a few bytes can ask for any amount of memory,
//! so it is opened in a child process with limits, which answers with text, row by row.

use std::io::{BufRead as _, BufReader, Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use calamine::{DataRef, Reader as _, Xlsx};
use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::findings::SourceError;
use super::table::{Form, Table};
use crate::domain::stock::StockRow;

/// The argument that makes this program the child process.
pub const CHILD: &str = "open-workbook";

/// Address space of the child in bytes: 50 000 rows need a tenth of it.
const MEMORY_MAX: u64 = 512 * 1024 * 1024;
/// Processor time of the child.
const CPU_SECONDS_MAX: u64 = 60;
/// Excel's own limit.
const ROWS_MAX: u32 = 1_048_576;
/// Most columns of a stock file.
const COLUMNS_MAX: u32 = 256;
/// Longest line that the child may answer with, in bytes.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// Largest file in bytes.
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
            "the workbook has {} MiB, more than 64: save its first sheet as CSV",
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
    // The child reads all of it before it answers. If it ends early, that is reported below.
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
        (Some(Err(error)), Ok(ended)) if ended.code() == Some(i32::from(REPORTED)) => Err(error),
        (_, Ok(ended)) => Err(refuse(child_failed(ended))),
        (_, Err(error)) => Err(refuse(format!("the workbook could not be opened: {error}"))),
    }
}

/// Exit code of a child that has reported an error.
const REPORTED: u8 = 1;

fn child_failed(ended: ExitStatus) -> String {
    format!(
        "the workbook needs more than {} MiB of memory or {CPU_SECONDS_MAX} s of processor time, or is not a \
         workbook ({ended}): save its first sheet as CSV",
        MEMORY_MAX / (1024 * 1024)
    )
}

/// This program's file, even when a newer one has replaced it.
fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return running;
    }
    std::env::current_exe().unwrap_or(running)
}

/// Reads the child's lines: `[row, [text, …]]`, or an error as a string.
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
                "a row of the workbook is too large for stock",
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

/// The child process: reads a workbook from its input and writes rows to its output.
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
            return ExitCode::from(REPORTED + 1);
        }
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let result = sheet(&mut out);
    if let Err(what) = &result {
        let _ = writeln!(out, "{}", serde_json::json!(what));
    }
    match (result, out.flush()) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::from(REPORTED),
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
            write_row(out, row.take())?;
            row = Some((at, Vec::new()));
        }
        if let Some((_, fields)) = &mut row {
            let column = usize::try_from(column).unwrap_or(usize::MAX);
            fields.resize(fields.len().max(column + 1), String::new());
            fields[column] = text;
        }
    }
    write_row(out, row)
}

fn write_row(out: &mut impl std::io::Write, row: Option<(u32, Vec<String>)>) -> Result<(), String> {
    let Some((row, fields)) = row else {
        return Ok(());
    };
    let line = serde_json::json!([u64::from(row) + 1, fields]);
    writeln!(out, "{line}").map_err(|error| error.to_string())
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        // Without a decimal point: an SKU of digits, or units.
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
