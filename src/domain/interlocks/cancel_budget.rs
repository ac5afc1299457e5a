//! Kaspi switches a shop off above 5 % cancelled orders (KASPI_API §3): stop well before.

use jiff::Timestamp;

use super::{Name, Objection, cancels};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of orders stay far below 2^52"
)]
pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    _: Timestamp,
) -> Option<Objection> {
    let limit = policy.limits.cancel_budget_share?;
    let counters = facts.around.counters;
    let decided = counters.decided.saturating_add(1);
    if !cancels(proposed) || decided < policy.limits.cancel_budget_from {
        return None;
    }
    let cancelled = counters.cancelled.saturating_add(1);
    let share = cancelled as f64 / decided as f64;
    if share <= limit {
        return None;
    }
    Objection::hold(
        Name::CancelBudget,
        format!(
            "{cancelled} of {decided} orders would be cancelled, {:.1} %, over the budget of {:.1} %",
            share * 100.0,
            limit * 100.0
        ),
    )
}
