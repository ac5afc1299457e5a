//! No more than so many cancels, or accepts, within an hour: a fault must not run through the whole shop.

use super::case::{Case, Finding, Remedy};
use crate::domain::verdict::Verdict;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let counters = case.facts.shop_facts.counters;
    let (done, limit, what) = match case.proposed {
        Verdict::Cancel { .. } => (
            counters.cancelled_last_hour,
            case.limits.cancels_per_hour_max?,
            "cancelled",
        ),
        Verdict::Accept => (
            counters.accepted_last_hour,
            case.limits.accepts_per_hour_max?,
            "accepted",
        ),
        Verdict::Hold | Verdict::Wait { .. } => return None,
    };
    if done < limit {
        return None;
    }
    let why = format!("{done} orders were {what} within the last hour, and {limit} are allowed");
    Some(Finding::hold(Remedy::Time, why))
}
