//! alert: an order that still waits shortly before Kaspi's deadline is told to a person, once, whatever
//! it waits for; an express order that is held, at once.

use jiff::SignedDuration;

use super::{Ctx, StageError};

/// An express order is packed or cancelled within this, accepting it is not enough (KASPI_API §3).
const EXPRESS: SignedDuration = SignedDuration::from_mins(60);

/// Tells of the orders whose deadline is near. Gives their number.
///
/// # Errors
/// What the database said.
pub async fn run_once(ctx: &Ctx) -> Result<usize, StageError> {
    ctx.mind_clock().await?;
    let deadline = ctx.policy().limits.deadline;
    let allowed = (deadline - ctx.settings.alert_before).max(SignedDuration::ZERO);
    let now = ctx.kaspi_now();
    let since = now.saturating_sub(allowed).unwrap_or(now);
    let near = ctx.store.near_deadline(&ctx.shop, since).await?;
    for order in &near {
        let allowed = if order.express { EXPRESS } else { deadline };
        let left = allowed - now.duration_since(order.waiting_since);
        tracing::error!(
            event = "order.deadline_near", shop = %ctx.shop, order.code = %order.code, code = "A003",
            left_s = left.as_secs(), why = %order.why,
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
