//! Orders accepted elsewhere hold stock too (R6). They are all read before the first accept, and one that was
//! just found is read before the next. Where few units are left, one of those orders may hold the very unit
//! that is wanted: they are read again.

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, Finding, Remedy};
use crate::domain::calendar::stamp;
use crate::mutant::mutant;

/// When the order is decided again.
const DECIDE_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let limit = case.limits.sweep_max_age;
    let just_now = case.limits.accept_sweep_age_max;
    let around = &case.facts.around;
    let takes_last = case.facts.takes_last_units(case.limits.last_units);
    let recent = |at: Timestamp| case.age(at) <= limit;
    // Since the order was seen: others may have come with it, and been accepted elsewhere at once.
    let is_stale = |from: Timestamp, until: Timestamp| {
        let is_before = case.facts.first_seen_at.is_some_and(|seen| from < seen);
        is_before && !mutant("r6_swept_before_order_seen") || case.age(until) > just_now
    };
    let mut remedy = Remedy::Sweep;
    let why = match (around.swept_at, around.unread_holder_at) {
        (None, _) => "accepted orders were not read completely yet".to_owned(),
        (Some(at), _) if !recent(at) => {
            format!(
                "accepted orders were last read {}, over {limit:#} ago",
                stamp(at)
            )
        }
        // One that was asked about in vain, again and again, must not stop the shop.
        (_, Some(at)) if recent(at) => {
            remedy = Remedy::Orders;
            "an order was accepted elsewhere, or left the list of new ones, and is not read yet"
                .to_owned()
        }
        // A long reading is as old as its start, yet a shop whose readings are slow must get somewhere.
        (Some(at), _)
            if takes_last
                && !mutant("r6_last_units_unread")
                && is_stale(at, around.swept_until.unwrap_or(at)) =>
        {
            format!(
                "it takes of the last units, and accepted orders were read {}: they are read again",
                stamp(at)
            )
        }
        // What people accepted and finished is shown by the archive alone.
        _ if takes_last && around.over_swept_until.is_some_and(|at| is_stale(at, at)) => {
            "it takes of the last units, and the archive was not read since".to_owned()
        }
        _ => return None,
    };
    Some(Finding::wait(case.after(DECIDE_AGAIN), remedy, why))
}
