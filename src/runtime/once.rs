//! One full pass over a shop until nothing is due: what `qabyl once` does, with the daemon's stages.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::build::ShopParts;
use crate::domain::ids::ShopName;
use crate::events::log_event;
use crate::kaspi::ApiError;
use crate::net::Backoff;
use crate::pipeline::stages::{self, Declared, Stage};
use crate::pipeline::{StageError, act, decide, poll, sweep};

/// Pauses after outages in a row.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));

/// How a pass ended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Orders listed last.
    pub listed: usize,
    /// Decisions written.
    pub decided: usize,
    /// POSTs sent.
    pub sent: usize,
    /// Whether Kaspi denies the shop access.
    pub denied: Option<String>,
    /// What was still failing at the end, if anything was.
    pub failing: Option<String>,
    /// Whether time ran out with something due.
    pub timed_out: bool,
}

/// Runs the stages until nothing is due, or `timeout` has passed. Of the other shops, those are swept that the shop
/// waits for.
///
/// # Errors
/// A database error; Kaspi's failures are in the summary.
pub async fn run(
    (shop, all): (&ShopParts, &[ShopParts]),
    timeout: Duration,
    stop: &CancellationToken,
) -> Result<Summary, StageError> {
    let stopped = async {
        stop.cancelled().await;
        shop.client.end_reads();
        std::future::pending().await
    };
    tokio::select! {
        ended = passes((shop, all), timeout, stop) => ended,
        never = stopped => never,
    }
}

async fn passes(
    (shop, all): (&ShopParts, &[ShopParts]),
    timeout: Duration,
    stop: &CancellationToken,
) -> Result<Summary, StageError> {
    let clock = &shop.ctx.clock;
    let deadline = clock
        .now()
        .saturating_add(timeout)
        .unwrap_or(Timestamp::MAX);
    let mut summary = Summary::default();
    let mut outages = 0;
    let mut wants_sweep = true;
    let mut wants_sweep_of = BTreeSet::new();
    loop {
        sweep_others(all, &wants_sweep_of).await?;
        let round = match round(shop, &mut summary, wants_sweep, stop).await {
            Ok(round) => {
                outages = 0;
                summary.failing = None;
                round
            }
            Err(StageError::Api(error)) if error.is_denied() => {
                summary.denied = Some(format!("{error}; {}", error.hint()));
                return Ok(summary);
            }
            Err(StageError::Api(error)) => {
                log_event!(
                    ONCE_RETRY, shop = %shop.ctx.shop, code = error.code(), hint = error.hint(), "{error}"
                );
                let until = retry_at(&error, clock.now(), BACKOFF.pause(outages));
                outages += 1;
                summary.failing = Some(error.to_string());
                Round {
                    next_at: Some(until),
                    wants_sweep: true,
                    wants_sweep_of: BTreeSet::new(),
                }
            }
            Err(error) => return Err(error),
        };
        wants_sweep = round.wants_sweep;
        wants_sweep_of = round.wants_sweep_of;
        let Some(next_at) = round.next_at else {
            return Ok(summary);
        };
        let now = clock.now();
        if next_at > deadline || now >= deadline || stop.is_cancelled() {
            summary.timed_out = now >= deadline || summary.failing.is_some();
            return Ok(summary);
        }
        if let Ok(wait) = Duration::try_from(next_at.duration_since(now)) {
            clock.sleep(wait).await;
        }
    }
}

/// Sweeps shops that another one waits for. What fails there is that shop's own trouble.
async fn sweep_others(all: &[ShopParts], wanted: &BTreeSet<ShopName>) -> Result<(), StageError> {
    for other in all.iter().filter(|other| wanted.contains(&other.ctx.shop)) {
        match sweep::run_once(&other.ctx, true).await {
            Ok(_) => {}
            Err(StageError::Api(error)) => log_event!(
                ONCE_RETRY, shop = %other.ctx.shop, code = error.code(), hint = error.hint(), "{error}"
            ),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn retry_at(error: &ApiError, now: Timestamp, pause: Duration) -> Timestamp {
    match error {
        ApiError::Snooze { until } | ApiError::Breaker { until } => (*until).max(now),
        _ => now.saturating_add(pause).unwrap_or(now),
    }
}

struct Round {
    /// When something is due next; `None` when nothing is.
    next_at: Option<Timestamp>,
    wants_sweep: bool,
    /// Other shops whose sweep is waited for.
    wants_sweep_of: BTreeSet<ShopName>,
}

/// Runs each stage once that `pipeline/stages.rs` declares for a round, in that order.
async fn round(
    shop: &ShopParts,
    summary: &mut Summary,
    wants_sweep: bool,
    stop: &CancellationToken,
) -> Result<Round, StageError> {
    let ctx = &shop.ctx;
    let mut polled = poll::Report::default();
    let mut decided = decide::Report::default();
    let mut acted = act::Report::default();
    let in_round = |declared: &&Declared| declared.in_round && shop.runs(declared.scope);
    for declared in stages::ALL.iter().filter(in_round) {
        match (declared.stage, &shop.writer) {
            (Stage::Poll, _) => {
                polled = poll::run_once(ctx).await?;
                summary.listed = polled.listed;
            }
            (Stage::Sweep, _) => drop(sweep::run_once(ctx, wants_sweep).await?),
            (Stage::Decide, _) => {
                decided = decide::run_once(ctx).await?;
                summary.decided += decided.written;
            }
            (Stage::Act, Some(writer)) => {
                acted = act::run_once(ctx, writer, stop).await?;
                summary.sent += acted.sent;
                if acted.sent > 0 {
                    sweep::run_once(ctx, true).await?;
                }
                // Reads may succeed where writes are denied.
                let denied = ctx.store.shop_state(&ctx.shop).await?.denied;
                summary.denied = denied.map(|(_, why)| why);
            }
            _ => {}
        }
    }
    let now = ctx.clock.now();
    let due = match &shop.writer {
        Some(_) if acted.stopped.is_none() => ctx.store.next_due(&ctx.shop).await?,
        Some(_) => acted.blocked_until,
        _ => None,
    };
    let lines = (polled.lines_failed > 0).then_some(now + SignedDuration::from_secs(15));
    let at_once =
        (acted.sent > 0 || acted.orders_read > 0 || acted.wants_poll || polled.problem.is_some())
            .then_some(now);
    let next_at = [due, decided.next_at, lines, at_once]
        .into_iter()
        .flatten()
        .min();
    Ok(Round {
        next_at,
        wants_sweep: decided.wants_sweep || acted.wants_sweep,
        wants_sweep_of: decided
            .wants_sweep_of
            .into_iter()
            .chain(acted.wants_sweep_of)
            .collect(),
    })
}
