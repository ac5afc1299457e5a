//! Kaspi switches a shop off above 5 % cancelled orders (KASPI_API §3): Qabyl stops well before.

use super::case::{Case, Finding, Remedy};

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of orders stay far below 2^52"
)]
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let limit = case.limits.cancel_budget_share?;
    let counters = case.facts.shop_facts.counters;
    let decided = counters.decided.saturating_add(1);
    if decided < case.limits.cancel_budget_from {
        return None;
    }
    let cancelled = counters.cancelled.saturating_add(1);
    let share = cancelled as f64 / decided as f64;
    if share <= limit {
        return None;
    }
    let why = format!(
        "{cancelled} of {decided} orders would be cancelled, {:.1} %, and the budget is {:.1} %",
        share * 100.0,
        limit * 100.0
    );
    Some(Finding::hold(Remedy::Person, why))
}
