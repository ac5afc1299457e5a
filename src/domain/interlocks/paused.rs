//! A person's pause stops every action of the shop.

use super::case::{Case, Finding, Remedy};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    case.facts.shop_facts.paused.as_ref()?;
    // What the person wrote stays with the shop: objections are logged.
    let why = "the shop is paused by a person: `qabyl status` shows why".to_owned();
    Some(Finding::hold(Remedy::Person, why))
}
