//! alert: an order that still waits shortly before Kaspi's deadline is told to a person, once, whatever
//! it waits for; an express order that is held, at once.

use jiff::SignedDuration;

use super::{Ctx, StageError};
use crate::store::Waiting;

/// Tells of the orders whose deadline is near. Gives their number.
///
/// # Errors
/// What the database said.
pub async fn run_once(ctx: &Ctx) -> Result<usize, StageError> {
    ctx.mind_clock().await?;
    let policy = ctx.policy();
    let schedule = &policy.limits.schedule;
    let before = ctx.settings.alert_before;
    let now = ctx.kaspi_now();
    // Working time passes no faster than the clock.
    let allowed = (schedule.deadline - before).max(SignedDuration::ZERO);
    let since = now.saturating_sub(allowed).unwrap_or(now);
    let waiting = ctx.store.waiting(&ctx.shop, since).await?;
    let is_near = |waiting: &&Waiting| {
        // An express order has an hour to be packed: one that is held needs its person at once.
        let is_urgent = waiting.order.express && waiting.held;
        is_urgent || schedule.alert_of(&waiting.order, before) <= now
    };
    let near: Vec<&Waiting> = waiting.iter().filter(is_near).collect();
    for waiting in &near {
        let left = schedule.left(&waiting.order, now);
        tracing::error!(
            event = "order.deadline_near", shop = %ctx.shop, order.code = %waiting.order.code, code = "A003",
            left_s = left.as_secs(), why = %waiting.why,
            hint = "decide it now: qabyl accept or cancel with its code, or the cabinet",
            "an order still waits, and Kaspi will cancel it at the merchant's cost"
        );
    }
    // Told first and noted then: whoever dies in between tells it twice rather than never.
    ctx.store
        .deadline_told(&ctx.shop, &near, ctx.clock.now())
        .await?;
    Ok(near.len())
}
