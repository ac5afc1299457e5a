//! A shortage must be seen twice, minutes apart, before it cancels an order (R8): a feed may be wrong for a
//! moment.

use jiff::Timestamp;

use super::case::{Case, Finding, Remedy};
use crate::domain::calendar::stamp;

/// Complete scans that must have shown the shortage.
const SCANS_MIN: u32 = 2;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let limit = case.limits.cancel_confirm_after?;
    if !case.facts.is_short() {
        return None;
    }
    let since = case.facts.shortage.map_or(case.now, |seen| seen.since);
    let scans = case.facts.shortage.map_or(0, |seen| seen.scans);
    let due = since.saturating_add(limit).unwrap_or(Timestamp::MAX);
    if due <= case.now && scans >= SCANS_MIN {
        return None;
    }
    let why = format!(
        "the shortage must be seen twice, {limit:#} apart; it was seen in {scans} scans since {}",
        stamp(since)
    );
    Some(Finding::wait(due.max(case.now), Remedy::Time, why))
}
