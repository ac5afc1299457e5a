//! The first reading after the database was put back from a copy: what became of every order since,
//! those included that the copy never heard of and that are over by now. Until it is whole nothing is
//! sent.

use jiff::{SignedDuration, Timestamp};

use super::super::{Ctx, StageError, Window};
use super::reading::{
    ACCEPTED, Report, list_archive, list_states, read_lines_of_accepted_elsewhere, read_singly,
    record,
};
use crate::domain::ids::OrderId;
use crate::events::log_event;
use crate::kaspi::ApiError;
use crate::ledger::Restored;

/// An order may show up for the first time this long after it was placed (KASPI_API §2).
const LATE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A list of new orders that reaches back so far is a deep one.
const DEEP_AT_LEAST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// Orders read singly in one go.
const BATCH: u32 = 200;

/// Reads everything the copy cannot know, once nothing sent before may still take effect and the new
/// orders were listed whole.
pub(super) async fn run_once(ctx: &Ctx, restored: &Restored) -> Result<Report, StageError> {
    let (started_at, begun) = (ctx.clock.now(), ctx.clock.ticks());
    let settled = restored
        .at
        .saturating_add(ctx.settings.retry_policy.settle)
        .unwrap_or(restored.at);
    let listed = ctx
        .store
        .listed_since(&ctx.shop, restored.at, DEEP_AT_LEAST);
    if started_at < settled || !listed.await? {
        return Ok(Report::default());
    }
    let mut report = Report {
        swept: true,
        ..Report::default()
    };
    let ahead = ctx.kaspi_clock.clocks().window(SignedDuration::ZERO);
    let known_until = restored
        .known_until
        .and_then(|until| until.saturating_sub(LATE).ok());
    let unknown_from = known_until.map_or(Timestamp::MIN, |until| until.min(ahead.from));
    let oldest = ctx.store.oldest_holder(&ctx.shop).await?;
    let span = Window {
        from: unknown_from,
        ..ahead
    }
    .extended_to(oldest);

    let failed = read_all(ctx, restored, span, &mut report).await?;
    let ended = (failed.as_ref(), true);
    record(ctx, (started_at, begun), span, ended, &mut report).await?;
    ctx.log_action_ends(&report.observed);
    if report.problem.is_none() {
        let now = ctx.clock.now();
        ctx.store.caught_up(&ctx.shop, now).await?;
        log_event!(
            SHOP_CAUGHT_UP, shop = %ctx.shop, listed = report.listed, new = report.observed.new,
            changed = report.observed.changed, "what happened since the copy was made is known: work goes on"
        );
    }
    ctx.note_access(failed.as_ref()).await?;
    failed.map_or(Ok(report), |error| Err(error.into()))
}

async fn read_all(
    ctx: &Ctx,
    restored: &Restored,
    window: Window,
    report: &mut Report,
) -> Result<Option<ApiError>, StageError> {
    if let Some(error) = list_states(ctx, &ACCEPTED, window, report).await? {
        return Ok(Some(error));
    }
    if let Some(error) = list_archive(ctx, window, report).await? {
        return Ok(Some(error));
    }
    // What no list showed is asked for one by one, each once.
    let mut last: Option<OrderId> = None;
    loop {
        let ids = ctx
            .store
            .unfinished(&ctx.shop, restored.at, last.as_ref(), BATCH)
            .await?;
        let Some(end) = ids.last() else { break };
        last = Some(end.clone());
        if let Some(error) = read_singly(ctx, ids, report).await? {
            return Ok(Some(error));
        }
    }
    read_lines_of_accepted_elsewhere(ctx, (restored.at, window.from), report).await?;
    Ok(None)
}
