//! So many cancels, or accepts, within an hour and no more: a fault must not run through the shop.

use jiff::Timestamp;

use super::{Name, Objection};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    _: Timestamp,
) -> Option<Objection> {
    let counters = facts.around.counters;
    let (done, limit, what) = match proposed {
        Verdict::Cancel { .. } => (
            counters.cancelled_last_hour,
            policy.limits.cancels_per_hour_max?,
            "cancelled",
        ),
        Verdict::Accept => (
            counters.accepted_last_hour,
            policy.limits.accepts_per_hour_max?,
            "accepted",
        ),
        Verdict::Hold | Verdict::Wait { .. } => return None,
    };
    if done < limit {
        return None;
    }
    Objection::hold(
        Name::RateCaps,
        format!("{done} orders were {what} within the last hour, and {limit} are allowed"),
    )
}
