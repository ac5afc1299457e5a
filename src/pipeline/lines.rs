//! Reads lines that no list contained, one order at a time.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};

use super::{Ctx, StageError};
use crate::crash_point::crash_point;
use crate::domain::order::{Lines, Order, Status};
use crate::kaspi::{ApiError, RequestClass};
use crate::ledger::{LinesRead, NoLines};
use crate::mutant::mutant;

/// Orders whose lines are read in one batch.
const BATCH: u32 = 2_000;

/// When lines that could not be read are requested again.
const RETRY: SignedDuration = SignedDuration::from_secs(15);

/// What a reading of lines did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Report {
    /// Orders whose lines were read.
    pub(super) read: usize,
    /// Orders whose lines could not be read this time.
    pub(super) failed: usize,
    /// Orders whose lines were not asked for: the time was up.
    pub(super) left: usize,
}

/// Reads the missing lines that are due, of orders in this status; and again lines without a SKU, of orders
/// last seen since `from`.
///
/// # Errors
/// A database error, or Kaspi denied access; other failures are counted and tried again later.
pub(super) async fn read(
    ctx: &Ctx,
    class: RequestClass,
    wanted: (&Status, Timestamp),
) -> Result<Report, StageError> {
    read_within(ctx, class, wanted, Duration::MAX).await
}

/// The same, and asks for nothing more once so much time has passed.
pub(super) async fn read_within(
    ctx: &Ctx,
    class: RequestClass,
    (status, from): (&Status, Timestamp),
    within: Duration,
) -> Result<Report, StageError> {
    let mut report = Report::default();
    if mutant("r15_lines_never_read") && *status == Status::ApprovedByBank {
        return Ok(report);
    }
    let wanted = ctx
        .store
        .lines_wanted(&ctx.shop, (status, from), ctx.clock.now(), BATCH)
        .await?;
    let reader = ctx.reader.of_class(class);
    let until = ctx.clock.ticks().saturating_add(within);
    let mut answers = stream::iter(wanted)
        .map(async |wanted| {
            if ctx.clock.ticks() >= until {
                return None;
            }
            let answer = reader.lines(&wanted.order.id).await;
            Some((wanted.order, answer))
        })
        .buffer_unordered(ctx.settings.max_in_flight.max(1))
        .ready_chunks(64);
    while let Some(chunk) = answers.next().await {
        let mut denied = None;
        let asked = chunk.len();
        let chunk: Vec<_> = chunk.into_iter().flatten().collect();
        report.left += asked - chunk.len();
        let unreadable: Vec<(String, String)> = chunk.iter().filter_map(unreadable).collect();
        ctx.log_unreadable(&unreadable);
        let mut read: Vec<LinesRead> = Vec::with_capacity(chunk.len());
        for (order, answer) in chunk {
            match &answer {
                Ok(_) => report.read += 1,
                Err(_) => report.failed += 1,
            }
            let lines = answer.map_err(|error| {
                let why = if error.is_postponed() {
                    NoLines::PutOff
                } else {
                    NoLines::Failed
                };
                if error.is_denied() {
                    denied = Some(error);
                }
                why
            });
            read.push((order, lines));
        }
        crash_point("lines.read");
        let now = ctx.clock.now();
        let retry_at = now.saturating_add(RETRY).unwrap_or(now);
        ctx.store
            .record_lines(&ctx.shop, (&read, ctx.kaspi_clock.skew()), retry_at, now)
            .await?;
        if let Some(error) = denied {
            ctx.note_access(Some(&error)).await?;
            return Err(error.into());
        }
    }
    Ok(report)
}

/// The code of an order whose lines cannot be read, and why.
fn unreadable((order, answer): &(Order, Result<Lines, ApiError>)) -> Option<(String, String)> {
    match answer {
        Ok(Lines::Unreadable(lines)) => Some((order.code.to_string(), lines.why.clone())),
        _ => None,
    }
}
