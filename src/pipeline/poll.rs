//! poll: reads new orders and their lines from Kaspi into the database.

use std::time::Duration;

use jiff::Timestamp;

use super::plan::{PollPlan, RequestClass, one_line};
use super::{Ctx, StageError, lines, listing};
use crate::crash_point::crash_point;
use crate::domain::order::{State, Status};
use crate::events::log_event;
use crate::kaspi::ApiError;
use crate::ledger::Observed;
use crate::store::{Scan, ScanKind};

/// What a poll did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Orders listed.
    pub listed: usize,
    /// What they changed.
    pub observed: Observed,
    /// Orders whose lines were read.
    pub lines_read: usize,
    /// Orders whose lines could not be read this time.
    pub lines_failed: usize,
    /// Orders whose lines are read after the next list.
    pub lines_left: usize,
    /// Why the list is incomplete, if it is.
    pub problem: Option<String>,
}

impl Report {
    /// Whether there is something new to decide.
    pub fn is_news(&self) -> bool {
        self.observed.is_news() || self.lines_read > 0
    }
}

/// Lists the orders that wait for the merchant, stores them, then reads the lines still missing.
///
/// # Errors
/// Kaspi or the database failed; what was read before is stored all the same.
pub async fn run_once(ctx: &Ctx) -> Result<Report, StageError> {
    let mut report = Report::default();
    ctx.repair_clock().await?;
    list(ctx, &mut report).await?;
    let wanted = (&Status::ApprovedByBank, Timestamp::MIN);
    // Below the acts and what they wait for: orders whose lines are known are accepted while those of the others are
    // read, and no sweep waits for them.
    // While they take long, accepts wait for a list that is fresh.
    let within = ctx.settings.sighting_age_max / 3;
    let within = Duration::try_from(within).unwrap_or(Duration::MAX);
    let lines = lines::read_within(ctx, RequestClass::Sweep, wanted, within).await?;
    report.lines_read = lines.read;
    report.lines_failed = lines.failed;
    report.lines_left = lines.left;
    ctx.note_not_found_orders().await?;
    ctx.remember_pace().await?;
    Ok(report)
}

async fn list(ctx: &Ctx, report: &mut Report) -> Result<(), StageError> {
    for _ in 0..2 {
        let skew = ctx.kaspi_clock.skew().unwrap_or_default();
        let error = list_once(ctx, report).await?;
        let moved = ctx.kaspi_clock.skew().unwrap_or_default() - skew;
        if moved.abs() > listing::CLOCK_MOVES {
            log_event!(
                CLOCK_SKEW, shop = %ctx.shop, skew_s = moved.as_secs(),
                "this machine's clock is off Kaspi's; Kaspi's is used for listing. Set the clock."
            );
            continue;
        }
        ctx.note_access(error.as_ref()).await?;
        return error.map_or(Ok(()), |error| Err(error.into()));
    }
    Ok(())
}

async fn list_once(ctx: &Ctx, report: &mut Report) -> Result<Option<ApiError>, StageError> {
    let (started_at, begun) = (ctx.clock.now(), ctx.clock.ticks());
    let around = (&ctx.settings, ctx.kaspi_clock.clocks());
    let plan = PollPlan::load(&ctx.store, &ctx.shop, around).await?;
    log_event!(
        POLL_PLANNED, shop = %ctx.shop, plan = %one_line(&plan.steps()), "a poll was planned"
    );
    let window = plan.list.window;
    let wanted = listing::Wanted {
        class: RequestClass::NewOrders,
        state: State::New,
        status: Some(Status::ApprovedByBank),
        window,
        include_entries: ctx.settings.include_entries,
    };
    let (listed, error) = listing::read(ctx, &wanted).await?;
    crash_point("poll.listed");
    report.listed = listed.orders;
    ctx.log_unreadable(&listed.unreadable);
    let now = ctx.clock.now();
    let scan = Scan {
        kind: ScanKind::New,
        started_at,
        kaspi_at: ctx.kaspi_clock.at(begun),
        finished_at: now,
        from: window.from,
        to: window.to,
        problem: listed
            .problem
            .or_else(|| listing::window_incomplete(ctx, window)),
        archive_read: false,
    };
    report.problem.clone_from(&scan.problem);
    report.observed.add(listed.observed);
    let readings: Vec<_> = listed.readings.into_values().collect();
    let observed = ctx
        .store
        .record_scan(&ctx.shop, &scan, (&readings, listed.stored), now)
        .await?;
    report.observed.add(observed);
    let settled = ctx.settle_reverted(&scan).await?;
    report.observed.add(settled);
    ctx.log_action_ends(&report.observed);
    Ok(error)
}
