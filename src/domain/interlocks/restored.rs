//! A database restored from a backup does not know what was decided since: until every list was read again,
//! and requests that were under way have had their effect, nothing is sent from it (R15).

use jiff::SignedDuration;

use super::case::{Case, Finding, Remedy};
use crate::domain::calendar::stamp;

/// When the order is decided again.
const DECIDE_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let restored_at = case.facts.shop_facts.restored_at?;
    let why = format!(
        "the database was restored from a backup {}: Kaspi is read again first",
        stamp(restored_at)
    );
    let until = case.after(DECIDE_AGAIN);
    Some(Finding::wait(until, Remedy::CatchUp, why))
}
