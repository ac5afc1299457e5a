//! `qabyl stock import FILE`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::written_stock;
use crate::cli::args::{Format, Shown, StockImport};
use crate::cli::orders::local;
use crate::cli::table::{self, wrapped};
use crate::cli::{Done, Failure, open_or_begin, person, say};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::stock::ImportReport;
use crate::domain::stock_import::Scope;
use crate::files::read_regular;
use crate::ledger::Import;
use crate::runtime::feeds;
use crate::stock::{self, How, Moments, Reading};

/// How to read the file, and what it is taken for.
struct Asked {
    stock: String,
    how: How,
    scope: Scope,
    source: Option<String>,
}

/// Imports a file with everything else by default.
pub(in crate::cli) async fn import_file(loaded: &Loaded, file: PathBuf) -> Done {
    let args = StockImport {
        file,
        kind: None,
        source: None,
        stock: None,
        warehouse: None,
        strict: false,
        confirm_zeros: false,
        actor: None,
        shown: Shown {
            format: Format::Table,
        },
    };
    import(loaded, &args).await
}

pub(in crate::cli) async fn import(loaded: &Loaded, args: &StockImport) -> Done {
    let now = Clock::System.now();
    let asked = asked(loaded, args)?;
    let file = read_regular(&args.file, asked.how.limits.bytes)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", args.file.display()))?;
    let made_at = Timestamp::try_from(file.modified).unwrap_or(now).min(now);
    let bar = Bar::begin("reading", file.bytes.len());
    let moments = Moments { made_at, now };
    let reading = stock::read(&file.bytes, &args.file, &asked.how, moments)?;
    bar.end();
    drop(file);
    let store = open_or_begin(&loaded.config).await?;
    let source = asked
        .source
        .unwrap_or_else(|| format!("{}:{}", reading.format.word(), name(&args.file)));
    let actor = person(args.actor.as_deref());
    let bar = Bar::begin("writing", reading.rows.len());
    if matches!(asked.scope, Scope::Standing { .. }) {
        store
            .configure_sources(&feeds::standing(&loaded.config), Clock::System.now())
            .await?;
    }
    let import = Import {
        stock: &asked.stock,
        source: &source,
        scope: asked.scope,
        rows: &reading.rows,
        trusted: args.confirm_zeros,
        semantics: reading.semantics,
        read: None,
        actor: &actor,
        progress: &|rows| bar.more(rows),
    };
    let report = store.take_stock(&import, now).await?;
    bar.end();
    print(args, report, &reading, made_at);
    Ok(ExitCode::SUCCESS)
}

fn name(file: &Path) -> String {
    let name = file.file_name();
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn asked(loaded: &Loaded, args: &StockImport) -> Result<Asked, Failure> {
    let config = &loaded.config;
    let mut asked = Asked {
        stock: written_stock(config, args.stock.as_deref())?.to_owned(),
        how: feeds::how(&loaded.config, None),
        scope: Scope::HandFile,
        source: None,
    };
    if let Some(name) = &args.source {
        let sources = &loaded.config.stock.sources;
        let Some(source) = sources.iter().find(|source| source.name == *name) else {
            let names: Vec<&str> = sources.iter().map(|s| s.name.as_str()).collect();
            let what = if names.is_empty() {
                "no [[stock.sources]] is configured".to_owned()
            } else {
                format!(
                    "there is no source {name}; configured: {}",
                    names.join(", ")
                )
            };
            return Err(Failure::usage(anyhow::anyhow!(what)));
        };
        let stock = config.stock_of(source);
        if args.stock.as_deref().is_some_and(|named| named != stock) {
            return Err(Failure::usage(anyhow::anyhow!(
                "the source {name} lists the stock {stock:?}: leave --stock out"
            )));
        }
        stock.clone_into(&mut asked.stock);
        asked.how = feeds::how(&loaded.config, Some(source));
        asked.scope = Scope::Standing {
            absent: source.absent,
            negative: source.negative,
        };
        asked.source = Some(source.name.clone());
    }
    if let Some(kind) = args.kind {
        asked.how.format = Some(kind.into());
    }
    if let Some(warehouse) = &args.warehouse {
        warehouse.trim().clone_into(&mut asked.how.places.warehouse);
    }
    asked.how.is_strict = args.strict;
    Ok(asked)
}

fn print(args: &StockImport, report: ImportReport, reading: &Reading, made_at: Timestamp) {
    let unknown = reading.rows.iter();
    let unknown = unknown.filter(|row| row.on_hand.units().is_none()).count();
    if args.shown.format == Format::Json {
        let counts = json!({
            "rows": report.rows, "older": report.older, "had": report.had, "fell": report.fell,
            "absent": report.absent, "unknown": unknown, "notes": reading.notes,
            "doubtful": reading.doubts_total, "doubts": reading.doubts,
        });
        return say(&counts.to_string());
    }
    let file = args.file.display();
    say(&wrapped(&format!(
        "imported {} from {file}",
        table::counted(report.rows, "level")
    )));
    if reading.rows.iter().any(|row| row.as_of == made_at) {
        let at = local(made_at);
        say(&wrapped(&format!(
            "as of {at}, the file's own time, where it names no other"
        )));
    }
    for note in &reading.notes {
        say(&wrapped(note));
    }
    if reading.doubts_total > 0 {
        say(&wrapped(&format!(
            "doubtful rows: {}",
            reading.doubts_total
        )));
        for doubt in &reading.doubts {
            say(&wrapped(&format!("  line {}: {}", doubt.line, doubt.what)));
        }
        let more = reading.doubts_total.saturating_sub(reading.doubts.len());
        if more > 0 {
            say(&wrapped(&format!("  … and {more} more")));
        }
    }
    if report.older > 0 {
        say(&wrapped(&format!(
            "{} rows are older than the levels already known and were skipped",
            report.older
        )));
    }
    if unknown > 0 {
        say(&wrapped(&format!(
            "{unknown} levels are unknown: orders for them are held"
        )));
    }
    if report.absent > 0 {
        say(&wrapped(&format!(
            "{} levels from earlier imports of this source are not in the file and stay unchanged",
            report.absent
        )));
    }
    if report.fell > 0 {
        say(&wrapped(&format!(
            "{} of {} SKUs with stock fell to zero; if that is right, confirm it with --confirm-zeros",
            report.fell, report.had
        )));
    }
}

/// The progress of a large import, on a terminal.
struct Bar {
    #[cfg(feature = "progress")]
    bar: indicatif::ProgressBar,
}

/// Smaller imports finish too fast for a progress bar.
#[cfg(feature = "progress")]
const LARGE: usize = 5_000;

#[cfg(feature = "progress")]
impl Bar {
    fn begin(what: &'static str, length: usize) -> Self {
        let is_seen = std::io::stderr().is_terminal() && length >= LARGE;
        let bar = if is_seen {
            let bar = indicatif::ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
            let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {percent} %");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_message(what);
            bar
        } else {
            indicatif::ProgressBar::hidden()
        };
        Self { bar }
    }

    fn more(&self, done: usize) {
        self.bar.inc(u64::try_from(done).unwrap_or_default());
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(not(feature = "progress"))]
#[expect(
    clippy::unused_self,
    reason = "the same interface as with the feature `progress`"
)]
impl Bar {
    fn begin(_: &'static str, _: usize) -> Self {
        let _ = std::io::stderr().is_terminal();
        Self {}
    }

    fn more(&self, _: usize) {}

    fn end(&self) {}
}
