//! Reads files in a child process. A file may be made so that reading it takes any amount of memory or time:
//! the child has limits, no descriptor but its pipes, and nothing of the daemon's memory.

use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use serde::{Deserialize, Serialize};

use super::file::parse;
use super::findings::SourceError;
use super::reading::{AHEAD_MAX, How, Moments, Reading};
use crate::domain::calendar::ALMATY;
use crate::domain::stock::StockRow;
use crate::text::listed_name;

/// The argument that makes this program the child process.
pub const CHILD: &str = "read-stock-file";

/// Address space of the child in bytes, beside four times the largest file.
const MEMORY_BASE: u64 = 32 * 1024 * 1024;
/// Processor time of the child.
const CPU_SECONDS_MAX: u64 = 30;
/// Longest time that the child may take.
const TIME_MAX: Duration = Duration::from_secs(90);
/// Longest line that the child may answer with, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Longest line that the child is asked with.
const QUESTION_BYTES_MAX: u64 = 1024 * 1024;

/// Whether files are read in a child process: set once, by the program whose child it is.
static ENABLED: OnceLock<()> = OnceLock::new();

/// Held while a child reads: however many sources there are, one file at a time takes memory.
static READING: Mutex<()> = Mutex::new(());

/// From now on files are read in a child process. Programs that embed this library read them themselves.
pub fn read_in_child() {
    let _ = ENABLED.set(());
}

/// What the child is asked.
#[derive(Serialize, Deserialize)]
struct Question {
    file: PathBuf,
    how: How,
    moments: Moments,
}

/// A line of the child's answer. The last one is not a level.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Level(StockRow),
    Done(Reading),
    Refused(SourceError),
}

/// Reads a whole file, in a child process if this is the program.
///
/// # Errors
/// Why it is refused.
pub fn read(
    bytes: &[u8],
    file: &Path,
    how: &How,
    moments: Moments,
) -> Result<Reading, SourceError> {
    let most = how.limits.bytes;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(SourceError::whole(file, too_large(most)));
    }
    if ENABLED.get().is_none() {
        return parse(bytes, file, how, moments);
    }
    let question = Question {
        file: file.to_owned(),
        how: how.clone(),
        moments,
    };
    let _one_at_a_time = READING.lock().unwrap_or_else(PoisonError::into_inner);
    ask(&question, bytes).unwrap_or_else(|what| {
        Err(SourceError {
            has_ended_reader: true,
            ..SourceError::whole(file, what)
        })
    })
}

/// A file above its limit, in words.
pub(super) fn too_large(most: u64) -> String {
    format!(
        "the file has more than {} MiB (`stock.file_max_bytes`): it is no stock file of a shop",
        most / (1024 * 1024)
    )
}

/// Runs the child; the outer error is that it failed.
fn ask(question: &Question, bytes: &[u8]) -> Result<Result<Reading, SourceError>, String> {
    let failed =
        |error: std::io::Error| format!("the process that reads files did not start: {error}");
    let mut child = Command::new(this_program())
        .arg(CHILD)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let line = serde_json::to_string(question).map_err(|error| error.to_string())?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (ended, end) = channel::<()>();
    let (answer, is_late) = std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let is_late = end.recv_timeout(TIME_MAX) == Err(RecvTimeoutError::Timeout);
            if let (true, Some(pid)) = (is_late, pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
            is_late
        });
        // The child reads all of it before it answers. If it ends early, that is reported below.
        if let Some(mut input) = input {
            let _ = writeln!(input, "{line}").and_then(|()| input.write_all(bytes));
        }
        let answer = output.and_then(|output| answer(BufReader::new(output), question));
        drop(ended);
        (answer, watch.join().unwrap_or(false))
    });
    let status = child.wait().map_err(failed)?;
    match answer {
        Some(answer) if status.success() => Ok(answer),
        _ => Err(died(&question.how, status, is_late)),
    }
}

/// Why the child gave no answer.
fn died(how: &How, status: ExitStatus, is_late: bool) -> String {
    let took = if is_late {
        format!("more than {} s", TIME_MAX.as_secs())
    } else {
        format!(
            "more than {} MiB of memory or {CPU_SECONDS_MAX} s of processor time",
            memory(how) / (1024 * 1024)
        )
    };
    format!(
        "reading the file takes {took} ({status}): save what concerns stock as a smaller CSV file"
    )
}

fn memory(how: &How) -> u64 {
    MEMORY_BASE.saturating_add(how.limits.bytes.saturating_mul(4))
}

/// This program's file, even when a newer one has replaced it.
fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return running;
    }
    std::env::current_exe().unwrap_or(running)
}

/// Reads the child's answer, and believes none of it that is outside the limits.
fn answer(
    mut out: impl std::io::BufRead,
    question: &Question,
) -> Option<Result<Reading, SourceError>> {
    let mut rows: Vec<StockRow> = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        let read = out
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_line(&mut line)
            .ok()?;
        if read == 0 {
            return None;
        }
        match serde_json::from_str(&line).ok()? {
            Answer::Level(row) if rows.len() < question.how.limits.levels => {
                let sku = row.sku.as_str();
                let names = [("SKU", sku), ("warehouse", row.warehouse.as_str())];
                let is_ahead = row.as_of.duration_since(question.moments.now) > AHEAD_MAX;
                if is_ahead
                    || sku.is_empty()
                    || names
                        .iter()
                        .any(|(what, name)| listed_name(what, name).is_err())
                {
                    return None;
                }
                rows.push(row);
            }
            Answer::Level(_) => return None,
            Answer::Done(reading) => return Some(Ok(Reading { rows, ..reading })),
            Answer::Refused(error) => return Some(Err(error)),
        }
    }
}

/// The child process: reads a file from its input and writes its levels to its output.
pub fn child() -> ExitCode {
    match confined_answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn confined_answer() -> std::io::Result<()> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut line = String::new();
    input
        .by_ref()
        .take(QUESTION_BYTES_MAX)
        .read_line(&mut line)?;
    let question: Question = serde_json::from_str(&line)?;
    // Where memory is short, the kernel ends this process and not the daemon. Not every system has this file.
    let _ = crate::files::end_first_where_memory_is_short();
    // Read from the system's files while they can be opened.
    LazyLock::force(&ALMATY);
    confine(memory(&question.how))?;
    let mut bytes = Vec::new();
    input
        .take(question.how.limits.bytes)
        .read_to_end(&mut bytes)?;
    let result = parse(&bytes, &question.file, &question.how, question.moments);
    drop(bytes);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut say = |answer: &Answer| -> std::io::Result<()> {
        serde_json::to_writer(&mut out, answer)?;
        out.write_all(b"\n")
    };
    match result {
        Ok(mut reading) => {
            for row in std::mem::take(&mut reading.rows) {
                say(&Answer::Level(row))?;
            }
            say(&Answer::Done(reading))?;
        }
        Err(error) => say(&Answer::Refused(error))?,
    }
    out.flush()
}

/// Takes from this process what reading a file does not need.
fn confine(memory: u64) -> std::io::Result<()> {
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Cpu, CPU_SECONDS_MAX),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        // Neither files nor sockets beside the pipes.
        (Resource::Nofile, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
