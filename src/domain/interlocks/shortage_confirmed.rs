//! A shortage must be seen twice, minutes apart, before it cancels (R8): feeds hiccup.

use jiff::Timestamp;

use super::{Name, Objection, cancels_for_stock};
use crate::domain::calendar::stamp;
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    now: Timestamp,
) -> Option<Objection> {
    let limit = policy.limits.cancel_confirm_after?;
    if !cancels_for_stock(proposed) || !facts.is_short() {
        return None;
    }
    let since = facts.shortage.map_or(now, |seen| seen.since);
    let scans = facts.shortage.map_or(0, |seen| seen.scans);
    let due = since.saturating_add(limit).unwrap_or(Timestamp::MAX);
    if due <= now && scans >= 2 {
        return None;
    }
    Objection::wait(
        Name::ShortageConfirmed,
        due.max(now),
        format!(
            "the shortage is to be seen twice {limit:#} apart; seen in {scans} scans since {}",
            stamp(since)
        ),
    )
}
