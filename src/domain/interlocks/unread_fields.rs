//! A field of the order came in a form that is not Kaspi's: its value is unknown, and so is what it means for the
//! order. A person looks at it in the cabinet.

use super::case::{Case, Finding, Remedy};
use crate::mutant::mutant;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let unread = case.facts.order.unread_words();
    let unread = unread.filter(|_| !mutant("r15_unread_fields_ignored"))?;
    let why = format!("fields of the order could not be read: {unread}");
    Some(Finding::hold(Remedy::Person, why))
}
