//! Reads the current state of orders: lists of states, single orders and their lines; and stores a sweep's
//! scan. The stage plans what to read.

use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};

use super::super::listing::{self, Wanted};
use super::super::{Ctx, StageError, Window, lines};
use super::{Report, Start};
use crate::domain::ids::OrderId;
use crate::domain::order::{State, Status};
use crate::kaspi::{ApiError, RequestClass};
use crate::ledger::{Observed, Reading};
use crate::store::{Scan, ScanKind};

/// The states of an accepted order (KASPI_API §3).
pub(super) const ACCEPTED: [State; 4] = [
    State::SignRequired,
    State::Pickup,
    State::Delivery,
    State::KaspiDelivery,
];

/// Statuses of orders whose goods have left the shelf.
const DEPARTED: [Status; 4] = [
    Status::Completed,
    Status::ReturnRequested,
    Status::ReturnAccepted,
    Status::Returned,
];

/// The archive is listed day by day: a year's best day has fewer pages than a list may have.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// One day of the archive is listed in less time, unless the process is halted in the meantime.
const HALTED: SignedDuration = SignedDuration::from_mins(10);

/// What one part of a sweep read: the accepted orders, or the archive.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Orders listed.
    pub(super) listed: usize,
    /// Orders read singly.
    pub(super) singles: usize,
    /// What they changed.
    pub(super) observed: Observed,
    /// Why it is incomplete, if it is.
    pub(super) problem: Option<String>,
    /// Kaspi's error, if it failed.
    pub(super) error: Option<ApiError>,
}

impl Part {
    /// Whether it is complete so far.
    pub(super) const fn is_complete(&self) -> bool {
        self.error.is_none() && self.problem.is_none()
    }

    /// Adds the counts of another part of the same sweep, without its problem and error.
    pub(super) fn add_counts(&mut self, other: &Self) {
        self.listed += other.listed;
        self.singles += other.singles;
        self.observed.add(other.observed.clone());
    }

    /// The sweep's report, or the error that ended it.
    pub(super) fn into_report(self) -> Result<Report, StageError> {
        match self.error {
            Some(error) => Err(error.into()),
            None => Ok(Report {
                swept: true,
                next_at: None,
                listed: self.listed,
                singles: self.singles,
                observed: self.observed,
                problem: self.problem,
            }),
        }
    }
}

/// Lists these states over a window. What was read is stored even if the rest fails.
pub(super) async fn list_states(
    (ctx, class): (&Ctx, RequestClass),
    states: &[State],
    window: Window,
    part: &mut Part,
) -> Result<(), StageError> {
    let mut lists = stream::iter(states.to_vec())
        .map(async |state: State| {
            let wanted = Wanted {
                class,
                state,
                status: None,
                window,
                include_entries: ctx.settings.include_entries,
            };
            listing::read(ctx, &wanted).await
        })
        .buffered(ctx.settings.max_in_flight.max(1));
    let mut readings: Vec<Reading> = Vec::new();
    while let Some(list) = lists.next().await {
        let (listed, error) = list?;
        part.listed += listed.orders;
        ctx.log_unreadable(&listed.unreadable);
        part.observed.add(listed.observed);
        readings.extend(listed.readings.into_values());
        part.problem = part.problem.take().or(listed.problem);
        part.error = part.error.take().or(error);
    }
    let observed = ctx
        .store
        .record_readings(&ctx.shop, &readings, ctx.clock.now())
        .await?;
    part.observed.add(observed);
    Ok(())
}

/// Lists archived orders, one day of creation dates at a time.
pub(super) async fn list_archive(
    (ctx, class): (&Ctx, RequestClass),
    window: Window,
    part: &mut Part,
) -> Result<(), StageError> {
    for day in window.split(DAY, SignedDuration::ZERO) {
        let begun = ctx.clock.now();
        list_states((ctx, class), &[State::Archive], day, part).await?;
        if part.error.is_some() {
            return Ok(());
        }
        if ctx.clock.now().duration_since(begun).abs() > HALTED {
            // Orders may have been accepted and finished since the accepted states were listed.
            let why = "listing the archive was suspended: orders may have been accepted and finished unobserved";
            part.problem.get_or_insert_with(|| why.to_owned());
        }
    }
    Ok(())
}

/// Reads the missing lines of accepted and departed orders, and again those without a SKU of orders seen
/// since `from`. The part is incomplete while lines of orders first seen `since` are missing.
pub(super) async fn read_lines_of_accepted_elsewhere(
    (ctx, class): (&Ctx, RequestClass),
    (since, from): (Timestamp, Timestamp),
    part: &mut Part,
) -> Result<(), StageError> {
    read_lines_of_accepted((ctx, class), from).await?;
    for status in &DEPARTED {
        lines::read(ctx, class, (status, from)).await?;
    }
    let taken = [&[Status::AcceptedByMerchant], DEPARTED.as_slice()].concat();
    report_missing_lines(ctx, (&taken, since), part).await
}

/// Reads the lines of accepted orders, and of orders with an unknown status in an accepted state.
pub(super) async fn read_lines_of_accepted(
    (ctx, class): (&Ctx, RequestClass),
    from: Timestamp,
) -> Result<(), StageError> {
    lines::read(ctx, class, (&Status::AcceptedByMerchant, from)).await?;
    for status in ctx.store.unknown_statuses(&ctx.shop).await? {
        lines::read(ctx, class, (&status, from)).await?;
    }
    Ok(())
}

/// Reads the missing lines of orders first seen finished `since` then. Makes no request if none are missing.
pub(super) async fn read_lines_of_departed(
    (ctx, class): (&Ctx, RequestClass),
    since: Timestamp,
    part: &mut Part,
) -> Result<(), StageError> {
    if ctx.store.lines_missing(&ctx.shop, &DEPARTED, since).await? == 0 {
        return Ok(());
    }
    for status in &DEPARTED {
        lines::read(ctx, class, (status, Timestamp::MAX)).await?;
    }
    report_missing_lines(ctx, (&DEPARTED, since), part).await
}

/// Marks the part incomplete while lines of orders in these statuses, first seen `since`, are missing.
async fn report_missing_lines(
    ctx: &Ctx,
    (statuses, since): (&[Status], Timestamp),
    part: &mut Part,
) -> Result<(), StageError> {
    let missing = ctx.store.lines_missing(&ctx.shop, statuses, since).await?;
    if missing > 0 {
        let why = format!(
            "the lines of {missing} orders that were accepted and finished unobserved are not read yet"
        );
        part.problem.get_or_insert(why);
    }
    Ok(())
}

/// Reads orders one by one, and stores each when it is read.
pub(super) async fn read_singly(
    (ctx, class): (&Ctx, RequestClass),
    ids: Vec<OrderId>,
    part: &mut Part,
) -> Result<(), StageError> {
    let reader = ctx.reader.of_class(class);
    let mut answers = stream::iter(ids)
        .map(async |id: OrderId| {
            let asked_at = ctx.clock.now();
            let answer = reader.order(&id).await;
            (id, asked_at, answer)
        })
        .buffer_unordered(ctx.settings.max_in_flight.max(1));
    while let Some((id, asked_at, answer)) = answers.next().await {
        match answer {
            Ok(Some(order)) => {
                part.singles += 1;
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
                part.observed.add(observed);
            }
            Ok(None) => {
                part.singles += 1;
                ctx.not_found(&id).await?;
            }
            Err(error) => part.error = Some(error),
        }
    }
    Ok(())
}

/// Stores a sweep's scan, with the reason if it is incomplete.
pub(super) async fn record(
    ctx: &Ctx,
    start: Start,
    window: Window,
    archive_read: bool,
    part: &mut Part,
) -> Result<(), StageError> {
    if let Some(error) = &part.error {
        part.problem.get_or_insert_with(|| error.to_string());
    }
    let now = ctx.clock.now();
    let scan = Scan {
        kind: ScanKind::Sweep,
        started_at: start.at,
        kaspi_at: ctx.kaspi_clock.at(start.ticks),
        finished_at: now,
        from: window.from,
        to: window.to,
        problem: part.problem.clone(),
        archive_read,
    };
    ctx.store
        .record_scan(&ctx.shop, &scan, (&[], 0), now)
        .await?;
    part.observed.add(ctx.settle_reverted(&scan).await?);
    Ok(())
}
