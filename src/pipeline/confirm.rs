//! confirm: what became of orders once accepted, by anyone: one request per hundred, single reads
//! only for those no list shows.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};

use super::listing::{self, Wanted};
use super::{Ctx, StageError, catch_up, lines};
use crate::crash_point::crash_point;
use crate::domain::ids::OrderId;
use crate::domain::order::{State, Status};
use crate::kaspi::ApiError;
use crate::store::{Observed, Reading, Scan, ScanKind};

/// Where an accepted order may lie (KASPI_API §3).
pub(super) const ACCEPTED: [State; 4] = [
    State::SignRequired,
    State::Pickup,
    State::Delivery,
    State::KaspiDelivery,
];

/// More orders than the archive has pages, and this, gone from the accepted states are looked for in
/// the archive's list rather than one by one.
const SINGLES_MAX: u64 = 2;

/// Orders read singly in one pass, at most.
const STRAGGLERS: u32 = 200;

/// Where goods have left the shelf, or are promised.
const TAKEN: [Status; 5] = [
    Status::AcceptedByMerchant,
    Status::Completed,
    Status::ReturnRequested,
    Status::ReturnAccepted,
    Status::Returned,
];

/// The archive is listed day by day: a year's best day has fewer pages than a list may have.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// After so many sweeps that did not take place an order may have been accepted, handed over at the
/// counter and be over, all between two looks.
const SWEEPS_MISSED: i32 = 3;

/// Approved so long after it was placed, an order is still found by when the shelf was counted.
const APPROVED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Whether it was due at all.
    pub swept: bool,
    /// Orders listed.
    pub listed: usize,
    /// Orders read singly.
    pub singles: usize,
    /// What they changed.
    pub observed: Observed,
    /// Why it is not complete, if it is not.
    pub problem: Option<String>,
}

/// Sweeps the accepted states when the last sweep is older than the period, or at once when `now_please`.
///
/// # Errors
/// What Kaspi or the database said; what was read before it is stored all the same.
pub async fn run_once(ctx: &Ctx, now_please: bool) -> Result<Report, StageError> {
    ctx.mind_clock().await?;
    let (started_at, begun) = (ctx.clock.now(), ctx.clock.ticks());
    if let Some(restored) = ctx.store.restored(&ctx.shop, started_at).await? {
        return catch_up::run_once(ctx, &restored).await;
    }
    if !now_please && !is_due(ctx, started_at).await? {
        return Ok(Report::default());
    }
    let mut report = Report {
        swept: true,
        ..Report::default()
    };
    let span = listing::span(ctx, ScanKind::Sweep, started_at).await?;
    let span = listing::reaching(span, ctx.store.oldest_holder(&ctx.shop).await?);

    let unwatched = unwatched_since(ctx, started_at).await?;
    let mut failed = sweep(ctx, &ACCEPTED, span, &mut report).await?;
    if let (None, None, Some(from)) = (&failed, &report.problem, unwatched) {
        failed = sweep_archive(ctx, (from.max(span.0), span.1), &mut report).await?;
    }
    if failed.is_none() && report.problem.is_none() {
        let gone = ctx.store.gone(&ctx.shop, started_at, STRAGGLERS).await?;
        // Whichever costs fewer requests.
        let listed = ctx.store.archived(&ctx.shop, span.0).await? + gone.len() as u64;
        let pages = listed.div_ceil(100) + SINGLES_MAX;
        if gone.len() as u64 > pages {
            failed = sweep(ctx, &[State::Archive], span, &mut report).await?;
        }
    }
    if failed.is_none() {
        failed = read_stragglers(ctx, started_at, &mut report).await?;
    }
    if failed.is_none() {
        // What people accepted holds stock too: how much, its lines say.
        lines::read(ctx, &Status::AcceptedByMerchant).await?;
    }
    if let (None, Some(_)) = (&failed, unwatched) {
        read_lines_of_taken(ctx, started_at, &mut report).await?;
    }
    crash_point("sweep.read");
    report.problem = report.problem.or_else(|| listing::missed(ctx, span));
    record(ctx, (started_at, begun), span, failed.as_ref(), &mut report).await?;
    ctx.tell_ends(&report.observed);
    ctx.note_access(failed.as_ref()).await?;
    failed.map_or(Ok(report), |error| Err(error.into()))
}

/// Puts a sweep on record, with what kept it from being complete.
pub(super) async fn record(
    ctx: &Ctx,
    (started_at, begun): (Timestamp, Duration),
    (from, to): (Timestamp, Timestamp),
    failed: Option<&ApiError>,
    report: &mut Report,
) -> Result<(), StageError> {
    if let Some(error) = failed {
        report.problem.get_or_insert_with(|| error.to_string());
    }
    let now = ctx.clock.now();
    let scan = Scan {
        kind: ScanKind::Sweep,
        started_at,
        kaspi_at: ctx.kaspi_then(begun),
        finished_at: now,
        from,
        to,
        problem: report.problem.clone(),
    };
    ctx.store
        .record_scan(&ctx.shop, &scan, (&[], 0), now)
        .await?;
    Ok(())
}

async fn is_due(ctx: &Ctx, now: Timestamp) -> Result<bool, StageError> {
    let last = ctx
        .store
        .last_complete_scan(&ctx.shop, ScanKind::Sweep, Timestamp::MAX)
        .await?;
    Ok(last.is_none_or(|scan| now.duration_since(scan.started_at) >= ctx.settings.sweep_every))
}

/// Since when people may have accepted orders and been done with them unseen: from the last count of the
/// shelf on, which knows what left before, where nobody looked for several sweeps.
async fn unwatched_since(ctx: &Ctx, now: Timestamp) -> Result<Option<Timestamp>, StageError> {
    let Some((_, counted)) = ctx.store.stock_age().await? else {
        return Ok(None);
    };
    let last = ctx
        .store
        .last_complete_scan(&ctx.shop, ScanKind::Sweep, Timestamp::MAX)
        .await?;
    let pause = ctx.settings.sweep_every * SWEEPS_MISSED;
    let is_short = |span: SignedDuration| span.abs() <= pause;
    let is_watched = last.is_some_and(|scan| {
        is_short(now.duration_since(scan.started_at))
            && is_short(ctx.kaspi_now().duration_since(scan.kaspi_at))
    });
    let from = counted.saturating_sub(APPROVED_WITHIN).unwrap_or(counted);
    Ok((!is_watched).then_some(from))
}

/// Lists what is over and was placed within this span.
pub(super) async fn sweep_archive(
    ctx: &Ctx,
    (from, to): (Timestamp, Timestamp),
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    let mut day = from;
    while day < to {
        let end = day.saturating_add(DAY).unwrap_or(to).min(to);
        if let Some(error) = sweep(ctx, &[State::Archive], (day, end), report).await? {
            return Ok(Some(error));
        }
        day = end;
    }
    Ok(None)
}

/// Reads the lines of orders whose goods have left, or are promised.
pub(super) async fn read_lines_of_taken(
    ctx: &Ctx,
    since: Timestamp,
    report: &mut Report,
) -> Result<(), StageError> {
    for status in &TAKEN {
        lines::read(ctx, status).await?;
    }
    let missing = ctx.store.lines_missing(&ctx.shop, since).await?;
    if missing > 0 {
        let why =
            format!("the lines of {missing} orders that came and went unseen are not read yet");
        report.problem.get_or_insert(why);
    }
    Ok(())
}

pub(super) async fn sweep(
    ctx: &Ctx,
    states: &[State],
    (from, to): (Timestamp, Timestamp),
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    let mut lists = stream::iter(states.to_vec())
        .map(async |state: State| {
            let wanted = Wanted {
                state,
                status: None,
                from,
                to,
                include_entries: ctx.settings.include_entries,
            };
            listing::read(ctx, &wanted).await
        })
        .buffered(ctx.settings.max_in_flight.max(1));
    let mut failed = None;
    let mut readings: Vec<Reading> = Vec::new();
    while let Some(list) = lists.next().await {
        let (listed, error) = list?;
        report.listed += listed.orders;
        report.observed.add(listed.observed);
        readings.extend(listed.readings.into_values());
        if report.problem.is_none() {
            report.problem = listed.problem;
        }
        failed = failed.or(error);
    }
    let observed = ctx
        .store
        .record_readings(&ctx.shop, &readings, ctx.clock.now())
        .await?;
    report.observed.add(observed);
    Ok(failed)
}

/// Reads singly what lists should have shown and did not: orders that hold stock, and orders that
/// left the list of new ones.
async fn read_stragglers(
    ctx: &Ctx,
    started_at: Timestamp,
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    let mut ids = ctx.store.gone(&ctx.shop, started_at, STRAGGLERS).await?;
    ids.extend(ctx.store.vanished(&ctx.shop, STRAGGLERS).await?);
    read_singly(ctx, ids, report).await
}

pub(super) async fn read_singly(
    ctx: &Ctx,
    ids: Vec<OrderId>,
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    let mut answers = stream::iter(ids)
        .map(async |id: OrderId| {
            let asked_at = ctx.clock.now();
            let answer = ctx.reader.order(&id).await;
            (asked_at, answer)
        })
        .buffer_unordered(ctx.settings.max_in_flight.max(1));
    let mut failed = None;
    while let Some((asked_at, answer)) = answers.next().await {
        match answer {
            Ok(Some(order)) => {
                report.singles += 1;
                let reading = Reading {
                    order,
                    lines: None,
                    asked_at,
                    skew: ctx.reader.skew(),
                };
                let observed = ctx
                    .store
                    .record_readings(&ctx.shop, &[reading], ctx.clock.now())
                    .await?;
                report.observed.add(observed);
            }
            Ok(None) => report.singles += 1,
            Err(error) => failed = Some(error),
        }
    }
    Ok(failed)
}
