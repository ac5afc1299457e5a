//! sweep: reconciles the local state with the accepted and finished orders that Kaspi shows. One
//! request per hundred orders; single reads only for orders that no list shows.
//!
//! `plan` decides what to read, `reading` reads it. After a restore, `catch_up` reads more.

mod catch_up;
mod plan;
mod reading;

use std::time::Duration;

use jiff::Timestamp;

pub use self::plan::{ArchivePlan, CatchUp, LinesPlan, Sweep, SweepPlan, SweepState};
use self::reading::{
    ACCEPTED, Part, list_archive, list_states, read_lines_of_accepted,
    read_lines_of_accepted_elsewhere, read_lines_of_departed, read_singly, record,
};
use super::{Ctx, StageError, listing};
use crate::crash_point::crash_point;
use crate::domain::order::State;
use crate::events::log_event;
use crate::kaspi::RequestClass;
use crate::ledger::Observed;
use crate::mutant::mutant;
use crate::pipeline::plan::one_line;

/// What a sweep did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Whether it was due at all.
    pub swept: bool,
    /// When the next one is due, where this one was not.
    pub next_at: Option<Timestamp>,
    /// Orders listed.
    pub listed: usize,
    /// Orders read singly.
    pub singles: usize,
    /// What they changed.
    pub observed: Observed,
    /// Why it is incomplete, if it is.
    pub problem: Option<String>,
}

/// When a sweep began.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: Timestamp,
    ticks: Duration,
}

/// Sweeps when the last sweep is older than the period, or at once with `force`.
///
/// # Errors
/// Kaspi or the database failed; what was read before is stored all the same.
pub async fn run_once(ctx: &Ctx, force: bool) -> Result<Report, StageError> {
    let _turn = ctx.sweeping.lock().await;
    ctx.repair_clock().await?;
    let clocks = ctx.kaspi_clock.clocks();
    let start = Start {
        at: clocks.ours,
        ticks: ctx.clock.ticks(),
    };
    let around = (&ctx.settings, clocks);
    let plan = SweepPlan::load(&ctx.store, &ctx.shop, around, force).await?;
    if let SweepPlan::CatchUp(_) | SweepPlan::Sweep(_) = &plan {
        log_event!(
            SWEEP_PLANNED, shop = %ctx.shop, plan = %one_line(&plan.steps()), "a sweep was planned"
        );
    }
    match plan {
        SweepPlan::NotDue { next_at } => Ok(Report {
            next_at: Some(next_at),
            ..Report::default()
        }),
        SweepPlan::WaitForSettle { .. } | SweepPlan::WaitForDeepPoll => Ok(Report::default()),
        SweepPlan::CatchUp(plan) => catch_up::run(ctx, &plan, start).await,
        SweepPlan::Sweep(plan) => run(ctx, &plan, start).await,
    }
}

/// Carries a sweep out. Even if the archive cannot be listed, the accepted orders are known. Only accepts of
/// the last units need the archive, so that each part keeps its own errors.
async fn run(ctx: &Ctx, plan: &Sweep, start: Start) -> Result<Report, StageError> {
    let (mut accepted, mut archive) = (Part::default(), Part::default());
    if !mutant("r6_no_sweep") {
        list_states(
            (ctx, plan.class),
            &ACCEPTED,
            plan.accepted.window,
            &mut accepted,
        )
        .await?;
    }
    let archive_plan = plan.archive.filter(|_| accepted.is_complete());
    if let Some(wanted) = archive_plan {
        if wanted.is_after_outage {
            list_archive((ctx, plan.class), wanted.window, &mut archive).await?;
        } else if !mutant("r6_archive_not_read_between_sweeps") {
            list_states(
                (ctx, plan.class),
                &[State::Archive],
                wanted.window,
                &mut archive,
            )
            .await?;
        }
    }
    if accepted.is_complete() && archive.is_complete() {
        list_missing(ctx, plan, start, &mut accepted).await?;
    }
    if accepted.error.is_none() {
        read_missing(ctx, plan, start, &mut accepted).await?;
    }
    if accepted.error.is_none() {
        read_lines((ctx, plan.class), plan.lines, &mut archive).await?;
    }
    crash_point("sweep.read");
    let incomplete = || listing::window_incomplete(ctx, plan.accepted.window);
    accepted.problem = accepted.problem.or_else(incomplete);
    let took = ctx.clock.now().duration_since(start.at).abs();
    if !plan.is_after_outage() && took > ctx.settings.sweep_pause_max() {
        // The process was suspended: orders placed and finished after its first list are in none of them.
        let why =
            || format!("it took {took:#}: orders may have been accepted and finished unobserved");
        accepted.problem.get_or_insert_with(why);
    }
    let archive_read = archive_plan.is_some() && archive.is_complete();
    conclude(ctx, plan, start, (accepted, archive, archive_read)).await
}

/// Lists the part of the archive where the missing orders may be, if that costs fewer requests than
/// reading each of them.
async fn list_missing(
    ctx: &Ctx,
    plan: &Sweep,
    start: Start,
    accepted: &mut Part,
) -> Result<(), StageError> {
    let (store, shop) = (&ctx.store, &ctx.shop);
    let max = plan.singles_max.unwrap_or(u32::MAX);
    let missing = store
        .missing_from_accepted_lists(shop, (start.at, ctx.clock.now()), max)
        .await?
        .len() as u64;
    if missing == 0 {
        return Ok(());
    }
    let finished = store.archived(shop, plan.accepted.window.from).await?;
    if let Some(window) = plan.archive_for_missing(missing, finished) {
        list_states((ctx, plan.class), &[State::Archive], window, accepted).await?;
    }
    Ok(())
}

/// Reads each order that a list should have shown and did not: orders that hold stock, and orders that are
/// no longer in the list of new ones.
async fn read_missing(
    ctx: &Ctx,
    plan: &Sweep,
    start: Start,
    accepted: &mut Part,
) -> Result<(), StageError> {
    let max = plan.singles_max.unwrap_or(u32::MAX);
    if !mutant("r6_not_in_new_list_ignored") {
        // They may hold units that no reservation counts: accepts wait for them.
        let missing = ctx
            .store
            .missing_from_new_list(&ctx.shop, ctx.clock.now(), max)
            .await?;
        read_singly((ctx, plan.class), missing, accepted).await?;
    }
    if !mutant("r6_not_in_accepted_list_ignored") {
        let missing = ctx
            .store
            .missing_from_accepted_lists(&ctx.shop, (start.at, ctx.clock.now()), max)
            .await?;
        read_singly((ctx, RequestClass::Singles), missing, accepted).await?;
    }
    Ok(())
}

/// Reads the lines of accepted and finished orders.
async fn read_lines(
    (ctx, class): (&Ctx, RequestClass),
    plan: LinesPlan,
    archive: &mut Part,
) -> Result<(), StageError> {
    match plan {
        LinesPlan::AcceptedElsewhere {
            seen_since,
            sku_missing_since,
        } => {
            if mutant("r6_outage_lines_not_read") {
                return Ok(());
            }
            let since = (seen_since, sku_missing_since);
            read_lines_of_accepted_elsewhere((ctx, class), since, archive).await
        }
        LinesPlan::Accepted => read_lines_of_accepted((ctx, class), Timestamp::MIN).await,
        LinesPlan::AcceptedAndDeparted { seen_since } => {
            read_lines_of_accepted((ctx, class), Timestamp::MIN).await?;
            if mutant("r6_departed_lines_not_read") {
                return Ok(());
            }
            read_lines_of_departed((ctx, class), seen_since, archive).await
        }
    }
}

/// Stores a sweep's scan and returns its report.
async fn conclude(
    ctx: &Ctx,
    plan: &Sweep,
    start: Start,
    (mut accepted, mut archive, archive_read): (Part, Part, bool),
) -> Result<Report, StageError> {
    let archive_read = archive_read || mutant("r6_archive_taken_as_read");
    let is_archive_required = plan.archive.is_some_and(|archive| archive.is_required);
    if is_archive_required && !mutant("r6_outage_half_read") {
        // How much was sold in the meantime is unknown: nothing is promised before that is read.
        accepted.error = accepted.error.or(archive.error.take());
        accepted.problem = accepted.problem.or_else(|| archive.problem.clone());
    }
    accepted.add_counts(&archive);
    record(
        ctx,
        start,
        plan.accepted.window,
        archive_read,
        &mut accepted,
    )
    .await?;
    ctx.log_action_ends(&accepted.observed);
    if accepted.observed.is_news() {
        // People accept in the cabinet without a look at the stock.
        let (settings, now) = (&ctx.settings.stock, ctx.clock.now());
        ctx.store.note_overdrawn(settings, now).await?;
    }
    ctx.note_not_found_orders().await?;
    let error = accepted.error.as_ref().or(archive.error.as_ref());
    ctx.note_access(error).await?;
    accepted.problem = accepted.problem.or(archive.problem);
    accepted.into_report()
}
