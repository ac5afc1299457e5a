//! Logs: their destination, their format, and what they must not contain.

use std::fmt::Debug;
use std::io;
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::log_writer::LogWriter;
use crate::config::{Log, LogFormat};
use crate::events::log_event;
use crate::text::shown;

/// The output stream of log lines; the journal ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// For the daemon, whose output is its log.
    Stdout,
    /// For commands, whose output is their answer.
    Stderr,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter cannot be read; write something like \"info\" or \"info,qabyl=debug\"")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// No journal to write to.
    #[error("the journal cannot be reached; set log.format to \"json\" or \"text\"")]
    Journal(#[source] io::Error),
    /// The thread that writes could not be started.
    #[error("the thread that writes the log could not be started")]
    Thread(#[source] io::Error),
    /// Logs were set up before.
    #[error("logs are set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Where the lines of this process leave.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Waits, for a second at most, until what was logged has left.
pub fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.wait_until_left();
    }
}

fn lines_dropped(dropped: u64) {
    log_event!(
        LOG_DROPPED,
        dropped,
        "nobody read the log for a while: lines are missing before this one"
    );
}

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

/// Starts logging for the whole process.
///
/// # Errors
/// A filter that cannot be read, no journal, or a second call.
pub fn init(log: &Log, color: bool, target: Target) -> Result<(), TelemetryError> {
    let writer = match target {
        Target::Stdout => LogWriter::to(io::stdout(), lines_dropped),
        Target::Stderr => LogWriter::to(io::stderr(), lines_dropped),
    };
    let writer = writer.map_err(TelemetryError::Thread)?;
    let _ = WRITER.set(writer.clone());
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .map_err(TelemetryError::Filter)?;
    tracing_subscriber::registry()
        .with(lines(log.format, color, writer)?)
        .with(filter)
        .with(caps())
        .try_init()
        .map_err(TelemetryError::Twice)
}

/// Caps the levels of libraries that log URLs, headers or statements, even if the filter allows
/// more. A name covers every module that begins with it.
fn caps() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(
            ["hyper", "h2", "reqwest", "rustls", "tokio_cron"]
                .map(|name| (name, LevelFilter::WARN)),
        )
        .with_targets(["sqlx", "tower"].map(|name| (name, LevelFilter::INFO)))
}

fn lines<S, W>(format: LogFormat, color: bool, writer: W) -> Result<Boxed<S>, TelemetryError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    match format {
        LogFormat::Json => Ok(fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(writer)
            .boxed()),
        LogFormat::Text => Ok(fmt::layer()
            .with_ansi(color)
            .with_target(false)
            .fmt_fields(debug_fn(one_line).delimited(" "))
            .with_writer(writer)
            .boxed()),
        LogFormat::Journald => journal(),
    }
}

/// Text from outside must not look like another line or like commands to a terminal.
fn one_line(out: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    let value = shown(&format!("{value:?}"), usize::MAX);
    match field.name() {
        "message" => write!(out, "{value}"),
        name => write!(out, "{name}={value}"),
    }
}

#[cfg(feature = "journald")]
fn journal<S>() -> Result<Boxed<S>, TelemetryError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = tracing_journald::layer().map_err(TelemetryError::Journal)?;
    Ok(layer.with_field_prefix(None).boxed())
}

#[cfg(not(feature = "journald"))]
fn journal<S>() -> Result<Boxed<S>, TelemetryError> {
    Err(TelemetryError::Journal(io::Error::other(
        "built without the journald feature",
    )))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str, emit: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::registry()
            .with(lines(format, false, move || writer.clone()).unwrap())
            .with(EnvFilter::builder().parse(filter).unwrap())
            .with(caps());
        tracing::subscriber::with_default(subscriber, emit);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn config_json_lines_are_flat() {
        let text = logged(LogFormat::Json, "info", || {
            tracing::info!(event = "order.accepted", order = "900000001", "accepted");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["event"], "order.accepted");
        assert_eq!(line["order"], "900000001");
        assert_eq!(line["message"], "accepted");
        assert_eq!(line["level"], "INFO");
        let at = line["timestamp"].as_str().unwrap();
        assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    }

    #[test]
    fn a_line_of_text_cannot_be_forged() {
        let sku = "A\nWARN forged\u{1b}[2J\u{202e}";
        let text = logged(LogFormat::Text, "info", || {
            tracing::info!(event = "stock.imported", %sku, other = sku, "read {sku}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(text.contains("read A\\nWARN forged\\u001b[2J"), "{text}");
    }

    #[test]
    fn config_libraries_stay_quiet_whatever_the_filter_says() {
        let text = logged(LogFormat::Text, "trace", || {
            tracing::debug!(target: "reqwest::connect", "secret url");
            tracing::info!(target: "hyper_util::client", "secret url");
            tracing::debug!(target: "sqlx::query", "select");
            tracing::warn!(target: "rustls", "heard");
            tracing::trace!(target: "qabyl::kaspi", "heard too");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains("secret") && text.contains("heard too"));
    }
}
