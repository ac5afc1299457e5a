//! Many SKUs falling to zero at once is a broken feed, not a good day.

use jiff::Timestamp;

use super::{Name, Objection, cancels_for_stock};
use crate::domain::calendar::stamp;
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of SKUs stay far below 2^52"
)]
pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    _: Timestamp,
) -> Option<Objection> {
    let limit = policy.limits.stock_collapse_share?;
    let collapse = facts.around.collapse.as_ref()?;
    if !cancels_for_stock(proposed) || collapse.had == 0 {
        return None;
    }
    if collapse.fell as f64 / collapse.had as f64 <= limit {
        return None;
    }
    Objection::hold(
        Name::StockCollapse,
        format!(
            "{} of {} SKUs fell to zero at once in {}, {}: the feed looks broken",
            collapse.fell,
            collapse.had,
            collapse.source,
            stamp(collapse.at)
        ),
    )
}
