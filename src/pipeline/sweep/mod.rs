//! sweep: reconciles the local state with the accepted and finished orders that Kaspi shows. One
//! request per hundred orders; single reads only for orders that no list shows.

mod catch_up;
mod reading;

use jiff::{SignedDuration, Timestamp};

pub use self::reading::Report;
use self::reading::{
    ACCEPTED, list_archive, list_states, read_lines_of_accepted, read_lines_of_accepted_elsewhere,
    read_lines_of_departed, read_singly, record,
};
use super::{Ctx, StageError, Window, listing};
use crate::crash_point::crash_point;
use crate::domain::order::State;
use crate::kaspi::ApiError;
use crate::mutant::mutant;
use crate::store::{Scan, ScanKind};

/// More orders than the archive has pages, and this, gone from the accepted states are looked for in
/// the archive's list rather than one by one.
const SINGLES_MAX: u64 = 2;

/// Orders of each kind read singly in one pass, at most: some are in no list for good.
const STRAGGLERS: u32 = 200;

/// Placed so long before the last sweep, an order may have been accepted since, and be over already.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// Orders over that one page of the archive's list shows, and room for some that are not known.
const ARCHIVE_PAGE: u32 = 90;

/// Sweeps the accepted states, and what is over of the orders placed lately, when the last sweep is older than
/// the period, or at once when `force`.
///
/// # Errors
/// What Kaspi or the database said; what was read before it is stored all the same.
pub async fn run_once(ctx: &Ctx, force: bool) -> Result<Report, StageError> {
    ctx.repair_clock().await?;
    let (started_at, begun) = (ctx.clock.now(), ctx.clock.ticks());
    if let Some(restored) = ctx.store.restored(&ctx.shop, started_at).await? {
        return catch_up::run_once(ctx, &restored).await;
    }
    if !force && !is_due(ctx, started_at).await? {
        return Ok(Report::default());
    }
    let mut report = Report {
        swept: true,
        ..Report::default()
    };
    let span = listing::span(ctx, ScanKind::Sweep, started_at).await?;
    let span = span.extended_to(ctx.store.oldest_holder(&ctx.shop).await?);

    let unwatched = unwatched(ctx, started_at).await?;
    let unwatched = unwatched.filter(|_| !mutant("r6_outage_not_read"));
    let is_pause = unwatched.is_some_and(|gap| gap.is_pause);
    // What happened in a pause is read whole, however much it is.
    let stragglers = if is_pause { u32::MAX } else { STRAGGLERS };
    let mut failed = if mutant("r6_no_sweep") {
        None
    } else {
        list_states(ctx, &ACCEPTED, span, &mut report).await?
    };
    // Without what is over a sweep still tells of the accepted orders: nothing but the last units waits for it.
    let (mut over, mut unlisted) = (Report::default(), None);
    let is_over_due = failed.is_none() && report.problem.is_none() && unwatched.is_some();
    if let Some(gap) = unwatched.filter(|_| is_over_due) {
        let placed = Window {
            from: gap.placed.max(span.from),
            ..span
        };
        unlisted = if mutant("r6_archive_not_read_between_sweeps") && !is_pause {
            None
        } else if is_pause {
            list_archive(ctx, placed, &mut over).await?
        } else {
            list_states(ctx, &[State::Archive], placed, &mut over).await?
        };
    }
    if failed.is_none() && report.problem.is_none() {
        let gone = ctx
            .store
            .missing_from_accepted_lists(&ctx.shop, started_at, stragglers)
            .await?;
        // Whichever costs fewer requests.
        let listed = ctx.store.archived(&ctx.shop, span.from).await? + gone.len() as u64;
        let pages = listed.div_ceil(100) + SINGLES_MAX;
        let is_listable = unlisted.is_none() && over.problem.is_none();
        if is_listable && gone.len() as u64 > pages {
            // Above, what was placed since has just been listed.
            let to = unwatched.map_or(span.to, |gap| gap.placed.clamp(span.from, span.to));
            failed =
                list_states(ctx, &[State::Archive], Window { to, ..span }, &mut report).await?;
        }
    }
    if failed.is_none() {
        failed = read_stragglers(ctx, (started_at, stragglers), &mut report).await?;
    }
    if failed.is_none() {
        // What people accepted holds stock too: how much, its lines say.
        match unwatched {
            Some(gap) if gap.is_pause => {
                if !mutant("r6_outage_lines_not_read") {
                    read_lines_of_accepted_elsewhere(ctx, (gap.since, gap.placed), &mut over)
                        .await?;
                }
            }
            watched => {
                read_lines_of_accepted(ctx, Timestamp::MIN).await?;
                if let Some(gap) = watched.filter(|_| !mutant("r6_departed_lines_not_read")) {
                    read_lines_of_departed(ctx, gap.since, &mut over).await?;
                }
            }
        }
    }
    crash_point("sweep.read");
    report.problem = report
        .problem
        .or_else(|| listing::window_incomplete(ctx, span));
    let took = ctx.clock.now().duration_since(started_at).abs();
    if !is_pause && took > ctx.settings.sweep_pause_max() {
        // Halted in the midst of it, the process saw nothing of what happened since its first list.
        let why = || format!("it took {took:#}: orders may have come and gone unseen");
        report.problem.get_or_insert_with(why);
    }
    let untold = report.add(over);
    let archive_read =
        is_over_due && unlisted.is_none() && untold.is_none() || mutant("r6_archive_taken_as_read");
    if unwatched.is_some_and(|gap| gap.is_blind) && !mutant("r6_outage_half_read") {
        // Nobody knows how much people sold meanwhile: nothing is promised before that is read.
        failed = failed.or(unlisted.take());
        report.problem = report.problem.or_else(|| untold.clone());
    }
    let ended = (failed.as_ref(), archive_read);
    record(ctx, (started_at, begun), span, ended, &mut report).await?;
    ctx.log_action_ends(&report.observed);
    ctx.note_access(failed.as_ref().or(unlisted.as_ref()))
        .await?;
    report.problem = report.problem.or(untold);
    failed.map_or(Ok(report), |error| Err(error.into()))
}

async fn is_due(ctx: &Ctx, now: Timestamp) -> Result<bool, StageError> {
    let last = ctx
        .store
        .last_complete_scan(&ctx.shop, ScanKind::Sweep, Timestamp::MAX)
        .await?;
    Ok(last.is_none_or(|scan| now.duration_since(scan.started_at) >= ctx.settings.sweep_every))
}

/// Since the last look people may have accepted orders and been done with them.
#[derive(Debug, Clone, Copy)]
struct Gap {
    /// When there was last a look, by our clock.
    since: Timestamp,
    /// Orders placed from then on may have been approved since.
    placed: Timestamp,
    /// Whether several sweeps were missed, or could not read what is over.
    is_pause: bool,
    /// Whether accepted orders were not read either.
    is_blind: bool,
}

/// Whether it is no pause from this sweep until now.
fn follows(ctx: &Ctx, scan: &Scan, now: Timestamp) -> bool {
    let pause = ctx.settings.sweep_pause_max();
    // What a sweep itself took is no pause: a long archive would be listed for ever. One that took longer
    // without it does not count as complete.
    let took = scan.finished_at.duration_since(scan.started_at);
    let is_short = |span: SignedDuration| (span - took).abs() <= pause;
    is_short(now.duration_since(scan.started_at))
        && is_short(ctx.kaspi_clock.now().duration_since(scan.kaspi_at))
}

/// Since when nobody looked; nobody need where nothing is counted.
async fn unwatched(ctx: &Ctx, now: Timestamp) -> Result<Option<Gap>, StageError> {
    let Some((_, counted)) = ctx.store.stock_age().await? else {
        return Ok(None);
    };
    let last = ctx.store.last_whole_sweep(&ctx.shop).await?;
    let any = ctx
        .store
        .last_complete_scan(&ctx.shop, ScanKind::Sweep, Timestamp::MAX)
        .await?;
    let is_watched = last.as_ref().is_some_and(|scan| follows(ctx, scan, now));
    // What left before the first look ever, and before the shelf was counted, the count knows.
    let known = last.as_ref().map_or(counted, |scan| scan.kaspi_at);
    let before = |span: SignedDuration| known.saturating_sub(span).unwrap_or(known);
    let mut placed = if mutant("r6_outage_without_lookback") {
        known
    } else {
        before(ctx.settings.lookback)
    };
    if is_watched {
        // Between two sweeps hardly anything is over that was just placed: as far back as one request goes.
        let page = ctx.store.archived_from(&ctx.shop, ARCHIVE_PAGE).await?;
        placed = page.map_or(placed, |page| page.min(before(RECENT)).max(placed));
    }
    Ok(Some(Gap {
        since: last.map_or(Timestamp::MIN, |scan| scan.started_at),
        placed,
        is_pause: !is_watched,
        is_blind: !any.is_some_and(|scan| follows(ctx, &scan, now)),
    }))
}

/// Reads singly what lists should have shown and did not: orders that hold stock, and orders that
/// left the list of new ones.
async fn read_stragglers(
    ctx: &Ctx,
    (started_at, limit): (Timestamp, u32),
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    let mut ids = Vec::new();
    if !mutant("r6_not_in_new_list_ignored") {
        ids.extend(
            ctx.store
                .missing_from_accepted_lists(&ctx.shop, started_at, limit)
                .await?,
        );
    }
    if !mutant("r6_not_in_accepted_list_ignored") {
        ids.extend(ctx.store.missing_from_new_list(&ctx.shop, limit).await?);
    }
    read_singly(ctx, ids, report).await
}
