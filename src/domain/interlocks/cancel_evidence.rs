//! A cancel rests on a complete, fresh reading of every order that holds stock (R8): a buyer may have given
//! units back.

use jiff::SignedDuration;

use super::case::{Case, Finding, Remedy};
use crate::domain::calendar::stamp;
use crate::domain::facts::LineFacts;
use crate::mutant::mutant;

/// When the order is decided again.
const DECIDE_AGAIN: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let limit = case.limits.sweep_max_age;
    let just_now = case.limits.cancel_sweep_age_max;
    let around = &case.facts.around;
    let lines = case.facts.lines().iter();
    let short = lines.filter(|line| line.shortage() > Some(0));
    let counted = short.filter_map(LineFacts::counted_at).max();
    let why = match around.swept_at {
        // Goods may have left between that reading and the count: they would be missed twice.
        Some(at)
            if counted.is_some_and(|counted| counted > at) && !mutant("r8_count_after_sweep") =>
        {
            "stock was counted after accepted orders were last read".to_owned()
        }
        Some(at) if case.age(at) > limit => {
            format!(
                "accepted orders were last read {}, over {limit:#} ago",
                stamp(at)
            )
        }
        // A long reading is as old as its start, yet a shop whose readings are slow must get somewhere.
        Some(at) if case.age(around.swept_until.unwrap_or(at)) > just_now => {
            format!(
                "accepted orders were read {}: a cancel needs them read again",
                stamp(at)
            )
        }
        Some(_) => return None,
        None => "accepted orders were not read completely yet".to_owned(),
    };
    Some(Finding::wait(case.after(DECIDE_AGAIN), Remedy::Sweep, why))
}
