//! An order for which an accept or a cancel was sent never gets the other one from Qabyl (R2): the first may
//! still take effect. Only a person may ask for it.

use super::case::{Case, Finding, Remedy};
use crate::domain::candidate::Sent;
use crate::domain::verdict::Verdict;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let sent = case.facts.sent?;
    if matches!(
        (sent, case.proposed),
        (Sent::Accept, Verdict::Accept) | (Sent::Cancel, Verdict::Cancel { .. })
    ) {
        return None;
    }
    let sent = sent.words();
    let why = format!("an earlier {sent} was sent for this order and may still take effect");
    Some(Finding::hold(Remedy::Person, why))
}
