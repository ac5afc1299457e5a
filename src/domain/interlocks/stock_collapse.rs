//! Many SKUs falling to zero at once mean a broken source rather than a good day.

use super::case::{Case, Finding, Remedy};
use crate::domain::calendar::stamp;

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of SKUs stay far below 2^52"
)]
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let limit = case.limits.stock_collapse_share?;
    let collapse = case.facts.shop_facts.collapse.as_ref()?;
    if collapse.had == 0 || collapse.fell as f64 / collapse.had as f64 <= limit {
        return None;
    }
    let why = format!(
        "{} of {} SKUs fell to zero within a day in {}, {}: the source looks broken; if they are really gone, confirm it \
         with stock import --confirm-zeros",
        collapse.fell,
        collapse.had,
        collapse.source,
        stamp(collapse.at)
    );
    Some(Finding::hold(Remedy::Stock, why))
}
