//! With a wrong clock, windows, ages and deadlines are wrong: no order is cancelled on them.

use jiff::SignedDuration;

use super::case::{Case, Finding, Remedy};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let skew = SignedDuration::from_secs(case.facts.shop_facts.clock_skew_s?).abs();
    let limit = case.limits.clock_skew_max;
    if skew <= limit {
        return None;
    }
    let why = format!(
        "this machine's clock differs from Kaspi's by {skew:#}, and the limit is {limit:#}: set the clock"
    );
    Some(Finding::hold(Remedy::Person, why))
}
