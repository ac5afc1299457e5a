//! `qabyl catalog import FILE`, `qabyl catalog result CODE`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Import, ImportResult as ResultArgs};
use super::sent::Note;
use super::{catalog, failed, shop};
use crate::cli::args::Format;
use crate::cli::{Done, FAILED, Failure, complain, say, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::kaspi::products::{self, Mistake, Products};
use crate::kaspi::{ApiError, Catalog, ImportError, ImportResult, ImportState};

/// The first pause between two questions, and how it grows: an import of a few products takes seconds,
/// one of thousands many minutes.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15);

pub(super) async fn import(loaded: &Loaded, args: &Import) -> Done {
    let bytes = std::fs::read(&args.file)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", args.file.display()))?;
    let products = match products::check(&bytes) {
        Ok(products) => products,
        Err(mistakes) => return Err(refused(args, &mistakes)),
    };
    let client = catalog(loaded, &args.asked)?;
    let config = &loaded.config;
    let name = &shop(config, &args.asked)?.name;
    let note = Note::of(&config.database.path, name, &products.body);
    let sent = send(&client, args, &note, &products).await?;
    // Told before the wait: whoever ends it early has the code.
    complain(&format!(
        "import {} is sent, {}; its result: qabyl catalog result {0}",
        sent.code,
        table::counted(products.skus.len(), "product"),
    ));
    if args.no_wait {
        print(args.asked.shown.format, &sent, None);
        return Ok(ExitCode::SUCCESS);
    }
    let state = wait(&client, sent, args.timeout).await?;
    tell(&client, args.asked.shown.format, &state).await
}

pub(super) async fn result(loaded: &Loaded, args: &ResultArgs) -> Done {
    let client = catalog(loaded, &args.asked)?;
    let state = client.import_state(&args.code).await.map_err(failed)?;
    tell(&client, args.asked.shown.format, &state).await
}

fn refused(args: &Import, mistakes: &[Mistake]) -> Failure {
    let file = args.file.display();
    if args.asked.shown.format == Format::Json {
        let row = |m: &Mistake| json!({"line": m.line, "product": m.product, "field": m.field, "problem": m.problem});
        say(&mistakes.iter().map(row).collect::<Value>().to_string());
    } else {
        for mistake in mistakes {
            complain(&format!("{file}:{}: {mistake}", mistake.line));
        }
    }
    let count = table::counted(mistakes.len(), "mistake");
    let code = "P001";
    anyhow::anyhow!("{file} has {count}; nothing was sent ({code})").into()
}

/// Sends the file once, with a note on disk for as long as its end is not clear.
async fn send(
    client: &Catalog,
    args: &Import,
    note: &Note,
    products: &Products,
) -> Result<ImportState, Failure> {
    let unknown = |what: String| {
        let first = products.skus.first().map_or("", String::as_str);
        let code = "P002";
        Failure::from(anyhow::anyhow!(
            "{what} ({code}); look in the cabinet, in some minutes, whether the file's products are there \
             (the first is {first}); only if they are not, send it with --again"
        ))
    };
    if note.is_there() && !args.again {
        let what = "whether Kaspi took this file when it was sent before is not known; nothing was sent now";
        return Err(unknown(what.to_owned()));
    }
    note.write(&format!("{} {}", Clock::System.now(), args.file.display()))?;
    let answer = client.import(products.body.clone()).await;
    if !matches!(answer, Err(ImportError::Unknown(_))) {
        note.remove();
    }
    answer.map_err(|error| match error {
        ImportError::Refused(error) => failed(error),
        ImportError::NotSent(_) => anyhow::anyhow!("{error}; send it again later").into(),
        ImportError::Unknown(_) => unknown(error.to_string()),
    })
}

/// Asks until Kaspi is through with it.
async fn wait(
    client: &Catalog,
    mut state: ImportState,
    timeout: Duration,
) -> Result<ImportState, Failure> {
    let clock = Clock::System;
    let begun = clock.ticks();
    let code = state.code.clone();
    let progress = Progress::begin(&code);
    let mut pause = PAUSE;
    while !state.is_over() {
        let waited = clock.ticks().saturating_sub(begun);
        if waited >= timeout {
            progress.end();
            let told = format!(
                "import {code} is still {} after {}; ask later: qabyl catalog result {code}",
                state.status,
                humantime::format_duration(Duration::from_secs(waited.as_secs())),
            );
            return Err(anyhow::anyhow!(told).into());
        }
        progress.tell(&state.status, waited);
        clock.sleep(pause.min(timeout.saturating_sub(waited))).await;
        pause = (pause * 3 / 2).min(PAUSE_MAX);
        state = match client.import_state(&code).await {
            Ok(state) => state,
            // It goes on at Kaspi's while Kaspi does not answer.
            Err(ApiError::Outage(_) | ApiError::Snooze { .. } | ApiError::Breaker { .. }) => state,
            Err(error) => {
                progress.end();
                return Err(failed(error));
            }
        };
    }
    progress.end();
    Ok(state)
}

/// Prints what became of it. Exit code 1 when any product was not taken, or nothing can be said yet.
async fn tell(client: &Catalog, format: Format, state: &ImportState) -> Done {
    let result = if state.is_over() && !state.is_failed() {
        Some(client.import_result(&state.code).await.map_err(failed)?)
    } else {
        None
    };
    print(format, state, result.as_ref());
    let taken = result.as_ref().is_some_and(|result| !result.has_errors());
    if !state.is_over() {
        complain("it is not over yet; ask again later");
    } else if !taken {
        let code = "P003";
        complain(&format!(
            "Kaspi did not take every product ({code}); mend those named and send them again"
        ));
    }
    Ok(ExitCode::from(if taken { 0 } else { FAILED }))
}

fn print(format: Format, state: &ImportState, result: Option<&ImportResult>) {
    if format == Format::Json {
        let mut all = json!(state);
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), json!(result)) {
            all.extend(more);
        }
        say(&all.to_string());
        return;
    }
    let description = state.description.as_deref().unwrap_or_default();
    let told = format!("import {}: {} {description}", state.code, state.status);
    say(told.trim_end());
    let Some(result) = result else {
        return;
    };
    say(&format!(
        "{} in all, {} with errors, {} with warnings, {} left as they were",
        result.total, result.errors, result.warnings, result.skipped
    ));
    if !result.products.is_empty() {
        let mut out = table::table(&["SKU", "state", "told"]);
        // What is to be mended comes first.
        let (bad, good): (Vec<_>, Vec<_>) = result.products.iter().partition(|(_, p)| p.failed);
        for (sku, product) in bad.into_iter().chain(good) {
            out.add_row([sku, &product.state, &product.told]);
        }
        say(&out.to_string());
    }
}

/// What a person at a terminal sees of the wait.
struct Progress {
    #[cfg(feature = "progress")]
    bar: indicatif::ProgressBar,
}

#[cfg(feature = "progress")]
impl Progress {
    fn begin(code: &str) -> Self {
        // Draws on stderr, and only where that is a terminal.
        let bar = indicatif::ProgressBar::new_spinner();
        bar.set_prefix(code.to_owned());
        let style = indicatif::ProgressStyle::with_template("{spinner} import {prefix}: {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    fn tell(&self, status: &str, waited: Duration) {
        self.bar
            .set_message(format!("{status}, {} s", waited.as_secs()));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(not(feature = "progress"))]
#[expect(clippy::unused_self, reason = "it stands in for a bar")]
impl Progress {
    fn begin(_: &str) -> Self {
        Self {}
    }

    fn tell(&self, _: &str, _: Duration) {}

    fn end(&self) {}
}
