//! alert: an order that still waits shortly before Kaspi's deadline is reported once. An express order that is
//! held is reported at once.

use jiff::{SignedDuration, Timestamp};

use super::{Ctx, StageError};
use crate::events::log_event;
use crate::store::{Page, Waiting};

/// Orders on one page.
const BATCH: u32 = 1_000;

/// Reports the orders whose deadline is near. Returns their number.
///
/// # Errors
/// A database error.
pub async fn run_once(ctx: &Ctx) -> Result<usize, StageError> {
    ctx.repair_clock().await?;
    let policy = ctx.policy();
    let now = ctx.kaspi_clock.now();
    // Working time passes no faster than the clock.
    let allowed =
        (policy.limits.schedule.deadline - ctx.settings.alert_before).max(SignedDuration::ZERO);
    let since = now.saturating_sub(allowed).unwrap_or(now);
    let (mut reported, mut page) = (0, Some(Page::first(BATCH)));
    // All pages are read: an order that has waited long but through a night may be far from its deadline.
    while let Some(here) = page {
        let (waiting, next) = ctx.store.waiting(&ctx.shop, since, &here).await?;
        reported += report(ctx, &waiting, now).await?;
        page = next;
    }
    Ok(reported)
}

/// Reports those of them whose deadline is near.
async fn report(ctx: &Ctx, waiting: &[Waiting], now: Timestamp) -> Result<usize, StageError> {
    let policy = ctx.policy();
    let schedule = &policy.limits.schedule;
    let before = ctx.settings.alert_before;
    let is_near = |waiting: &&Waiting| {
        // An express order has to be packed within an hour: a person must decide a held one at once.
        let is_urgent = waiting.order.express && waiting.held;
        is_urgent || schedule.alert_of(&waiting.order, before) <= now
    };
    let near: Vec<&Waiting> = waiting.iter().filter(is_near).collect();
    for waiting in &near {
        let left = schedule.left(&waiting.order, now);
        log_event!(
            ORDER_DEADLINE_NEAR, shop = %ctx.shop, order.code = %waiting.order.code, code = "A003",
            left_s = left.as_secs(), why = %waiting.why,
            hint = "decide it now: qabyl accept or cancel with its code, or the cabinet",
            "an order still waits, and Kaspi will cancel it at the merchant's cost"
        );
    }
    // Logged before it is recorded: a crash in between logs it twice rather than never.
    ctx.store
        .deadline_notified(&ctx.shop, &near, ctx.clock.now())
        .await?;
    Ok(near.len())
}
