//! Reading what became of orders: lists of states, single orders, lines, and the record of a sweep. What
//! is to be read, and when, is planned by the stage.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};

use super::super::listing::{self, Wanted};
use super::super::{Ctx, StageError, Window, lines};
use crate::domain::ids::OrderId;
use crate::domain::order::{State, Status};
use crate::kaspi::ApiError;
use crate::ledger::{Observed, Reading};
use crate::store::{Scan, ScanKind};

/// Where an accepted order may lie (KASPI_API §3).
pub(super) const ACCEPTED: [State; 4] = [
    State::SignRequired,
    State::Pickup,
    State::Delivery,
    State::KaspiDelivery,
];

/// Where goods have left the shelf.
const DEPARTED: [Status; 4] = [
    Status::Completed,
    Status::ReturnRequested,
    Status::ReturnAccepted,
    Status::Returned,
];

/// The archive is listed day by day: a year's best day has fewer pages than a list may have.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// One day of the archive is listed in less, unless the process is halted meanwhile.
const HALTED: SignedDuration = SignedDuration::from_mins(10);

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

impl Report {
    /// Adds what another reading of the same sweep did; why that is not complete is its own matter.
    pub(super) fn add(&mut self, other: Self) -> Option<String> {
        self.listed += other.listed;
        self.singles += other.singles;
        self.observed.add(other.observed);
        other.problem
    }
}

/// Lists these states over a span, and stores what was read whatever became of the rest.
pub(super) async fn list_states(
    ctx: &Ctx,
    states: &[State],
    window: Window,
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    let mut lists = stream::iter(states.to_vec())
        .map(async |state: State| {
            let wanted = Wanted {
                state,
                status: None,
                window,
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

/// Lists what is over and was placed within this span.
pub(super) async fn list_archive(
    ctx: &Ctx,
    window: Window,
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    for day in window.split(DAY, SignedDuration::ZERO) {
        let begun = ctx.clock.now();
        if let Some(error) = list_states(ctx, &[State::Archive], day, report).await? {
            return Ok(Some(error));
        }
        if ctx.clock.now().duration_since(begun).abs() > HALTED {
            // Of what came and went since its accepted states were listed nothing is known.
            let why = "the archive's list was halted: orders may have come and gone unseen";
            report.problem.get_or_insert_with(|| why.to_owned());
        }
    }
    Ok(None)
}

/// Reads the lines of orders whose goods have left, or are promised: all that are missing, of which those
/// first seen `since` must not be, and those that lacked a SKU of orders seen since `from`.
pub(super) async fn read_lines_of_accepted_elsewhere(
    ctx: &Ctx,
    (since, from): (Timestamp, Timestamp),
    report: &mut Report,
) -> Result<(), StageError> {
    read_lines_of_accepted(ctx, from).await?;
    for status in &DEPARTED {
        lines::read(ctx, status, from).await?;
    }
    let taken = [&[Status::AcceptedByMerchant], DEPARTED.as_slice()].concat();
    report_missing_lines(ctx, (&taken, since), report).await
}

/// Reads the lines of orders that are accepted, or lie where such do.
pub(super) async fn read_lines_of_accepted(ctx: &Ctx, from: Timestamp) -> Result<(), StageError> {
    lines::read(ctx, &Status::AcceptedByMerchant, from).await?;
    for status in ctx.store.unknown_statuses(&ctx.shop).await? {
        lines::read(ctx, &status, from).await?;
    }
    Ok(())
}

/// Reads the lines of orders first seen `since` as over. Where none are missing nobody is asked.
pub(super) async fn read_lines_of_departed(
    ctx: &Ctx,
    since: Timestamp,
    report: &mut Report,
) -> Result<(), StageError> {
    if ctx.store.lines_missing(&ctx.shop, &DEPARTED, since).await? == 0 {
        return Ok(());
    }
    for status in &DEPARTED {
        lines::read(ctx, status, Timestamp::MAX).await?;
    }
    report_missing_lines(ctx, (&DEPARTED, since), report).await
}

/// A sweep is not complete while lines of orders in these statuses, first seen `since`, are missing.
async fn report_missing_lines(
    ctx: &Ctx,
    (statuses, since): (&[Status], Timestamp),
    report: &mut Report,
) -> Result<(), StageError> {
    let missing = ctx.store.lines_missing(&ctx.shop, statuses, since).await?;
    if missing > 0 {
        let why =
            format!("the lines of {missing} orders that came and went unseen are not read yet");
        report.problem.get_or_insert(why);
    }
    Ok(())
}

/// Reads orders one by one, and stores each as it comes.
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
                    skew: ctx.kaspi_clock.skew(),
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

/// Puts a sweep on record, with what kept it from being complete.
pub(super) async fn record(
    ctx: &Ctx,
    (started_at, begun): (Timestamp, Duration),
    window: Window,
    (failed, archive_read): (Option<&ApiError>, bool),
    report: &mut Report,
) -> Result<(), StageError> {
    if let Some(error) = failed {
        report.problem.get_or_insert_with(|| error.to_string());
    }
    let now = ctx.clock.now();
    let scan = Scan {
        kind: ScanKind::Sweep,
        started_at,
        kaspi_at: ctx.kaspi_clock.at(begun),
        finished_at: now,
        from: window.from,
        to: window.to,
        problem: report.problem.clone(),
        archive_read,
    };
    ctx.store
        .record_scan(&ctx.shop, &scan, (&[], 0), now)
        .await?;
    Ok(())
}
