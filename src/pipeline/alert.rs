//! alert: an order that still waits shortly before Kaspi's deadline is reported once, and once more when the
//! deadline has passed. An express order that is held is reported at once.

use jiff::{SignedDuration, Timestamp};

use super::{Ctx, StageError};
use crate::events::log_event;
use crate::store::{DeadlineEvent, Page, Waiting};

/// Orders on one page.
const BATCH: u32 = 1_000;

/// An action on its way is read back within this time: only then is its order's deadline reported as past.
const READ_BACK_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Reports the orders whose deadline is near or past. Returns their number.
///
/// # Errors
/// A database error.
pub async fn run_once(ctx: &Ctx) -> Result<usize, StageError> {
    ctx.repair_clock().await?;
    let policy = ctx.policy();
    let now = ctx.kaspi_clock.now();
    // Working time passes no faster than the clock.
    let allowed = (policy.limits.schedule.deadline - policy.limits.schedule.alert_before)
        .max(SignedDuration::ZERO);
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

/// What is to be reported about an order, if anything is.
fn event(ctx: &Ctx, waiting: &Waiting, now: Timestamp) -> Option<DeadlineEvent> {
    if waiting.reported == Some(DeadlineEvent::Past) {
        return None;
    }
    let policy = ctx.policy();
    let schedule = &policy.limits.schedule;
    let left = schedule.left(&waiting.order, now);
    if left.is_negative() {
        let is_read_back = waiting.on_its_way && left + READ_BACK_MAX > SignedDuration::ZERO;
        return (!is_read_back).then_some(DeadlineEvent::Past);
    }
    // An express order has to be packed within an hour: a person must decide a held one at once.
    let is_urgent = waiting.order.express && waiting.held;
    let is_near = is_urgent || schedule.alert_of(&waiting.order) <= now;
    let is_news = is_near && !waiting.on_its_way && waiting.reported.is_none();
    is_news.then_some(DeadlineEvent::Near)
}

/// Reports those of them whose deadline is near or past.
async fn report(ctx: &Ctx, waiting: &[Waiting], now: Timestamp) -> Result<usize, StageError> {
    let policy = ctx.policy();
    let mut reported = 0;
    for wanted in [DeadlineEvent::Near, DeadlineEvent::Past] {
        let of_event = waiting
            .iter()
            .filter(|waiting| event(ctx, waiting, now) == Some(wanted));
        let of_event: Vec<&Waiting> = of_event.collect();
        for waiting in &of_event {
            let left = policy.limits.schedule.left(&waiting.order, now);
            log(ctx, wanted, waiting, left);
        }
        // Logged before it is recorded: a crash in between logs it twice rather than never.
        ctx.store
            .deadline_notified(&ctx.shop, wanted, &of_event, ctx.clock.now())
            .await?;
        reported += of_event.len();
    }
    Ok(reported)
}

fn log(ctx: &Ctx, event: DeadlineEvent, waiting: &Waiting, left: SignedDuration) {
    let why = waiting.because.join("; ");
    match event {
        DeadlineEvent::Near => log_event!(
            ORDER_DEADLINE_NEAR, shop = %ctx.shop, order.code = %waiting.order.code, code = "A003",
            left_s = left.as_secs(), why,
            hint = "decide it now: qabyl accept or cancel with its code, or the cabinet",
            "an order still waits, and Kaspi will cancel it at the merchant's cost"
        ),
        DeadlineEvent::Past => log_event!(
            ORDER_DEADLINE_PAST, shop = %ctx.shop, order.code = %waiting.order.code, code = "A004",
            left_s = left.as_secs(), why,
            hint = "look at it in the cabinet at once: while Kaspi shows it as new it can still be decided",
            "an order's deadline has passed and it still waits"
        ),
    }
}
