//! A cancel rests on a complete, fresh reading of every order that holds stock (R8): a buyer may have given
//! units back.

use jiff::SignedDuration;

use super::case::{Case, Finding, Remedy};
use crate::domain::evidence::Use;
use crate::domain::facts::LineFacts;

/// When the order is decided again.
const DECIDE_AGAIN: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    // Of every line, short or not: otherwise a line that comes to be in doubt would ask for less evidence.
    let lines = case.facts.lines().iter();
    let cancel = Use::Cancel {
        counted_at: lines.filter_map(LineFacts::counted_at).max(),
    };
    let evidence = &case.facts.shop_facts.evidence;
    let gap = evidence.gap(cancel, &case.limits.freshness, case.now)?;
    let until = case.after(DECIDE_AGAIN);
    Some(Finding::wait(until, Remedy::Sweep, gap.to_string()))
}
