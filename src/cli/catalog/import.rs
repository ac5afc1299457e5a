//! `qabyl catalog import FILE`, `qabyl catalog result CODE`

use std::process::ExitCode;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::args::{Import, ImportResult as ResultArgs};
use super::claims::{Claims, unknown};
use super::client::{client, request_failed, shop};
use crate::catalogue::products::{self, Mistake, Products};
use crate::catalogue::{Client, ImportResult, ImportState, content};
use crate::cli::args::Format;
use crate::cli::{Done, FAILED, Failure, complain, open, say, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::ids::ShopName;
use crate::files::read_given;
use crate::kaspi::{ApiError, PostError};
use crate::store::ImportEnd;

/// First pause between two reads of an import's progress; it grows by half each time. An import of a few
/// products takes seconds, one of thousands many minutes.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// A request that ends at its time limit is recorded a moment later.
const SENDING_MORE: SignedDuration = SignedDuration::from_secs(5);
/// Ten thousand products with long descriptions have some tens of MB.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub(super) async fn import(loaded: &Loaded, args: &Import) -> Done {
    let bytes = read_given(&args.file, FILE_BYTES_MAX)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", args.file.display()))?;
    let products = match products::check(&bytes) {
        Ok(products) => products,
        Err(mistakes) => return Err(report_mistakes(args, &mistakes)),
    };
    let client = client(loaded, &args.shop)?;
    let config = &loaded.config;
    let shop = ShopName::new(&shop(config, &args.shop)?.name)?;
    let claims = Claims {
        store: open(config).await?,
        shop,
        digest: content::digest(&products.body)?,
        sending_max: SignedDuration::try_from(config.kaspi.request_timeout)
            .unwrap_or_default()
            .saturating_add(SENDING_MORE),
    };
    let state = match claims.claim(args, &products).await? {
        None => send(&client, &claims, &products).await?,
        Some(code) => match client.import_state(&code).await {
            Err(ApiError::NotFound) => {
                claims.store.forget_import(&claims.shop, &code).await?;
                return Err(anyhow::anyhow!(
                    "Kaspi does not know import {code} any more; nothing was sent now: send the file again"
                )
                .into());
            }
            state => state.map_err(request_failed)?,
        },
    };
    // Printed before the wait, so that whoever interrupts it has the code.
    complain(&format!(
        "import {} has {}; its result: qabyl catalog result {0}",
        state.code,
        table::counted(products.skus.len(), "product"),
    ));
    if args.no_wait {
        print(args.shop.shown.format, &state, None);
        return Ok(ExitCode::SUCCESS);
    }
    let state = wait(&client, state, args.timeout).await?;
    let taken = report(&client, args.shop.shown.format, &state).await?;
    if state.is_finished() && !taken {
        claims
            .store
            .forget_import(&claims.shop, &state.code)
            .await?;
    }
    Ok(ExitCode::from(if taken { 0 } else { FAILED }))
}

pub(super) async fn result(loaded: &Loaded, args: &ResultArgs) -> Done {
    let client = client(loaded, &args.shop)?;
    let state = client.import_state(&args.code).await;
    let state = state.map_err(request_failed)?;
    let taken = report(&client, args.shop.shown.format, &state).await?;
    Ok(ExitCode::from(if taken { 0 } else { FAILED }))
}

fn report_mistakes(args: &Import, mistakes: &[Mistake]) -> Failure {
    let file = args.file.display();
    if args.shop.shown.format == Format::Json {
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

/// Sends claimed products, once.
async fn send(
    client: &Client,
    claims: &Claims,
    products: &Products,
) -> Result<ImportState, Failure> {
    let answer = client.import(products.body.clone()).await;
    let end = match &answer {
        Ok(state) => ImportEnd::Taken(&state.code),
        Err(PostError::Unknown(_)) => ImportEnd::Unknown,
        Err(PostError::Refused(_) | PostError::NotSent(_)) => ImportEnd::NotTaken,
    };
    if let Err(error) = claims.store.end_import(claims.products(), end).await {
        // The claim stays as it is: the file is not sent again by itself.
        complain(&format!(
            "how the import ended was not stored: {}",
            error.words()
        ));
    }
    answer.map_err(|error| match error {
        PostError::Refused(error) => request_failed(error),
        PostError::NotSent(_) => anyhow::anyhow!("{error}; send the file again later").into(),
        PostError::Unknown(_) => unknown(&error.to_string(), products),
    })
}

/// Reads the import's progress until Kaspi has finished it.
async fn wait(
    client: &Client,
    mut state: ImportState,
    timeout: Duration,
) -> Result<ImportState, Failure> {
    let clock = Clock::System;
    let started = clock.ticks();
    let code = state.code.clone();
    let progress = Progress::start(&code);
    let mut pause = PAUSE;
    while !state.is_finished() {
        let waited = clock.ticks().saturating_sub(started);
        if waited >= timeout {
            progress.end();
            return Err(anyhow::anyhow!(
                "import {code} is still {} after {}; ask later: qabyl catalog result {code}",
                state.status,
                humantime::format_duration(Duration::from_secs(waited.as_secs())),
            )
            .into());
        }
        progress.show(&state.status, waited);
        clock.sleep(pause.min(timeout.saturating_sub(waited))).await;
        pause = (pause * 3 / 2).min(PAUSE_MAX);
        state = match client.import_state(&code).await {
            Ok(state) => state,
            // Kaspi works on the import even while it does not answer.
            Err(ApiError::Outage(_) | ApiError::Snooze { .. } | ApiError::Breaker { .. }) => state,
            Err(error) => {
                progress.end();
                return Err(request_failed(error));
            }
        };
    }
    progress.end();
    Ok(state)
}

/// Prints the result, as far as there is one. Returns whether Kaspi has finished the import and took every product.
async fn report(client: &Client, format: Format, state: &ImportState) -> Result<bool, Failure> {
    let result = if state.is_finished() {
        match client.import_result(&state.code).await {
            Ok(result) => Some(result),
            // An import that failed as a whole may have none.
            Err(_) if state.is_failed() => None,
            Err(error) => return Err(request_failed(error)),
        }
    } else {
        None
    };
    print(format, state, result.as_ref());
    let taken = !state.is_failed() && result.as_ref().is_some_and(|result| !result.has_errors());
    if !state.is_finished() {
        complain("the import is not finished yet; ask again later");
    } else if !taken {
        let code = "P003";
        complain(&format!(
            "Kaspi did not take every product ({code}); fix those listed and send them again"
        ));
    }
    Ok(taken)
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
    let line = format!("import {}: {} {description}", state.code, state.status);
    say(line.trim_end());
    let Some(result) = result else {
        return;
    };
    say(&format!(
        "{} products: {} with errors, {} with warnings, {} unchanged",
        result.total, result.errors, result.warnings, result.skipped
    ));
    if !result.products.is_empty() {
        let mut out = table::table(&["SKU", "state", "message"]);
        // Products to fix come first.
        let (failed, taken): (Vec<_>, Vec<_>) = result.products.iter().partition(|(_, p)| p.failed);
        for (sku, product) in failed.into_iter().chain(taken) {
            out.add_row([sku, &product.state, &product.message]);
        }
        say(&out.to_string());
    }
}

/// A spinner at a terminal while the command waits.
struct Progress {
    #[cfg(feature = "progress")]
    bar: indicatif::ProgressBar,
}

#[cfg(feature = "progress")]
impl Progress {
    fn start(code: &str) -> Self {
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

    fn show(&self, status: &str, waited: Duration) {
        self.bar
            .set_message(format!("{status}, {} s", waited.as_secs()));
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
impl Progress {
    fn start(_: &str) -> Self {
        Self {}
    }

    fn show(&self, _: &str, _: Duration) {}

    fn end(&self) {}
}
